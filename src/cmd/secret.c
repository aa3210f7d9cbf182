/* SPDX-License-Identifier: MIT */
#include "cmd/secret.h"
#include "base/digest.h"
#include "base/mem.h"
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_MOST = 1000, PASSWORD_ROOM = PASSWORD_MOST + 2 }; /* one more byte, to see that it is too long */
enum { CTRL_C = 3, CTRL_D = 4, CTRL_H = 8, CTRL_U = 0x15, ERASE = 0x7f };

/* The first line, which a pipe may bring in pieces. */
static int from_file(char *to, const char *file, char *why)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && len + 1 < PASSWORD_ROOM && memchr(to, '\n', len) == NULL) {
        n = read(fd, to + len, PASSWORD_ROOM - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0) {
        snprintf(why, CMDLINE_WHY, "cannot read %.120s: %s", file, strerror(error));
        return -error;
    }
    to[len] = 0;
    to[strcspn(to, "\r\n")] = 0;
    return 0;
}

/* Reads what is typed. False: the person gave up. */
static bool typed(int fd, char *to)
{
    size_t n = 0;
    char c;
    while (read(fd, &c, 1) == 1 && c != CTRL_C && c != CTRL_D) {
        if (c == '\n' || c == '\r') {
            to[n] = 0;
            return true;
        }
        if (c == ERASE || c == CTRL_H)
            n -= n > 0;
        else if (c == CTRL_U)
            n = 0;
        else if (n + 1 < PASSWORD_ROOM)
            to[n++] = c;
    }
    return false;
}

/* Without an echo, byte by byte: an interrupt must not leave the terminal so. */
static int from_terminal(char *to, const char *user, size_t user_len, char *why)
{
    struct termios before, quiet;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &before) < 0) {
        if (fd >= 0)
            close(fd);
        return cmdline_wrong(why, "--auth has no password, and there is no terminal to ask; see --password-file");
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    tcsetattr(fd, TCSAFLUSH, &quiet);
    dprintf(fd, "Password of %.*s: ", (int)(user_len < 100 ? user_len : 100), user);
    bool good = typed(fd, to);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    return good ? 0 : cmdline_wrong(why, "no password was typed");
}

static int find_password(char *to, const char *auth, size_t user_len, const char *file, char *why)
{
    const char *given = auth[user_len] == ':' ? auth + user_len + 1 : getenv("DUET_PASSWORD");
    if (file != NULL && auth[user_len] == ':')
        return cmdline_wrong(why, "--auth has a password, and so has --password-file; leave one out");
    if (file != NULL)
        return from_file(to, file, why);
    if (given == NULL)
        return from_terminal(to, auth, user_len, why);
    snprintf(to, PASSWORD_ROOM, "%s", given);
    return 0;
}

int secret_basic(char **out, const char *auth, const char *file, char why[CMDLINE_WHY])
{
    static const char scheme[] = "Basic ";
    char password[PASSWORD_ROOM] = "", pair[2 * PASSWORD_MOST];
    size_t user_len = strcspn(auth, ":");
    if (user_len + 1 >= sizeof(pair) - PASSWORD_MOST)
        return cmdline_wrong(why, "the user's name of --auth is over 998 bytes");
    int rc = find_password(password, auth, user_len, file, why);
    if (rc == 0 && strlen(password) > PASSWORD_MOST)
        rc = cmdline_wrong(why, "the password is over 1000 bytes");
    size_t len = (size_t)snprintf(pair, sizeof(pair), "%.*s:%s", (int)user_len, auth, password);
    if (rc == 0 && (*out = mem_alloc(sizeof(scheme) + 4 * ((len + 2) / 3))) == NULL)
        rc = cmdline_wrong(why, "out of memory");
    if (rc == 0) {
        memcpy(*out, scheme, sizeof(scheme));
        base64_encode(*out + sizeof(scheme) - 1, pair, len);
    }
    explicit_bzero(password, sizeof(password));
    explicit_bzero(pair, sizeof(pair));
    return rc;
}
