/* SPDX-License-Identifier: MIT */
#include "cmd/slash.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"
#include "cmd/feed.h"
#include "cmd/help.h"
#include "cmd/show.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 64 * 1024 * 1024 };

static void say_result(const struct tool *t, int rc)
{
    if (rc == DUET_ERR_FULL)
        show_line(t->name, "not sent: too much waits for the server to read it");
    else if (rc < 0)
        show_line(t->name, duet_strerror(rc));
}

static void do_binary(struct tool *t, duet_conn *c, const char *rest)
{
    size_t len = strlen(rest);
    char *bytes = mem_alloc(len / 2 + 1);
    ssize_t n = bytes ? feed_from_hex(bytes, rest, len) : 0;
    if (n < 0)
        show_line(t->name, "write bytes as pairs of hexadecimal digits, such as /binary 48 69");
    else
        say_result(t, bytes ? duet_send(c, DUET_BINARY, bytes, (size_t)n) : DUET_ERR_NOMEM);
    mem_free(bytes);
}

static void do_close(struct tool *t, duet_conn *c, const char *rest)
{
    char *reason = NULL;
    unsigned long code = rest[0] ? strtoul(rest, &reason, 10) : DUET_CODE_NORMAL;
    if (rest[0] != 0 && (reason == rest || (*reason != 0 && *reason != ' ') || code < 1000 || code > 4999)) {
        show_line(t->name, "a code is a number from 1000 on, such as /close 1000 bye");
        return;
    }
    while (reason != NULL && *reason == ' ')
        reason++;
    int rc = duet_close(c, (unsigned)code, reason != NULL && *reason != 0 ? reason : NULL);
    if (rc == DUET_ERR_INVALID)
        show_line(t->name, "this code may not be sent; take 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999");
    else
        say_result(t, rc);
    t->left |= rc == 0;
}

/* Reads a regular file, whole. 0 or -errno. */
static int read_file(const char *name, struct buf *b)
{
    struct stat s;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &s) < 0 ? -errno : S_ISDIR(s.st_mode) ? -EISDIR : S_ISREG(s.st_mode) ? 0 : -EINVAL;
    if (rc == 0 && s.st_size > FILE_MOST)
        rc = -EFBIG;
    ssize_t n = 1;
    while (rc == 0 && n > 0 && b->len <= FILE_MOST) {
        if (!buf_reserve(b, 64 * 1024))
            rc = -ENOMEM;
        else if ((n = read(fd, b->at + b->len, 64 * 1024)) < 0)
            rc = -errno;
        else
            b->len += (size_t)n;
    }
    close(fd);
    return rc;
}

static void do_file(struct tool *t, duet_conn *c, const char *rest)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    int rc = read_file(rest, &b);
    if (rc < 0)
        fprintf(stderr, "%s: cannot read %s: %s\n", t->name, rest, strerror(-rc));
    else
        say_result(t, duet_send(c, DUET_BINARY, b.at, b.len));
    buf_fini(&b);
}

static void do_json(struct tool *t, duet_conn *c, const char *rest)
{
    (void)c;
    (void)rest;
    t->args.json = !t->args.json;
    show_line(t->name, t->args.json ? "JSON is laid out" : "JSON is shown as it comes");
}

static void do_ping(struct tool *t, duet_conn *c, const char *rest)
{
    (void)rest;
    int rc = duet_ping(c);
    if (rc == DUET_ERR_STATE)
        show_line(t->name, "a ping is on its way already");
    else
        say_result(t, rc);
    t->asked_rtt = rc == 0 || rc == DUET_ERR_STATE;
}

static void do_stats(struct tool *t, duet_conn *c, const char *rest)
{
    (void)c;
    (void)rest;
    tally_print(&t->tally, stderr);
}

static void do_help(struct tool *t, duet_conn *c, const char *rest);

static const struct command {
    const char *name, *value, *what;
    bool needs_conn, needs_value;
    void (*run)(struct tool *t, duet_conn *c, const char *rest);
} commands[] = {
    { "/binary", "HEX", "Send these bytes as a binary message, such as /binary 48 69", true, true, do_binary },
    { "/close", "[CODE [REASON]]", "Close with this code (1000) and reason", true, false, do_close },
    { "/file", "PATH", "Send a file as one binary message", true, true, do_file },
    { "/help", "", "Print this", false, false, do_help },
    { "/json", "", "Lay JSON messages out, or show them as they come", false, false, do_json },
    { "/ping", "", "Measure a round trip", true, false, do_ping },
    { "/stats", "", "What has passed so far", false, false, do_stats },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void do_help(struct tool *t, duet_conn *c, const char *rest)
{
    struct help h = help_begin(stderr);
    (void)t;
    (void)c;
    (void)rest;
    for (int i = 0; i < COMMANDS; i++)
        help_entry(&h, commands[i].name, commands[i].value, commands[i].what);
    help_entry(&h, "//...", "", "Send a line that begins with one slash");
    fputs("  Ctrl-D closes, and so does Ctrl-C; up and down: lines typed before; Ctrl-R searches them.\n", stderr);
}

static void unknown(const struct tool *t, const char *line, size_t len)
{
    struct near near = near_to(line + 1, len - 1);
    for (int i = 0; i < COMMANDS; i++)
        near_offer(&near, commands[i].name + 1);
    fprintf(stderr, "%s: there is no command %.*s; ", t->name, (int)(len < 40 ? len : 40), line);
    if (near.name != NULL)
        fprintf(stderr, "did you mean /%s? See /help", near.name);
    else
        fputs("see /help", stderr);
    fputs(", and // sends a line that begins with a slash\n", stderr);
}

void slash_do(struct tool *t, duet_conn *c, const char *line)
{
    size_t len = strcspn(line, " ");
    const char *rest = line + len + strspn(line + len, " ");
    const struct command *found = NULL;
    for (int i = 0; i < COMMANDS; i++)
        if (strlen(commands[i].name) == len && memcmp(line, commands[i].name, len) == 0)
            found = &commands[i];
    if (found == NULL)
        unknown(t, line, len);
    else if (found->needs_conn && c == NULL)
        show_line(t->name, "there is no connection now");
    else if (found->needs_value && *rest == 0)
        fprintf(stderr, "%s: write %s %s\n", t->name, found->name, found->value);
    else
        found->run(t, c, rest);
}
