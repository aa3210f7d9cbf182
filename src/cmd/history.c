/* SPDX-License-Identifier: MIT */
#include "cmd/history.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cmd/wide.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { LINES_MOST = 1000, FILE_MOST = 1024 * 1024, READ = 64 * 1024 };

struct history {
    HistoryW *lines;
    char file[PATH_MAX]; /* empty: there is none */
};

/* Makes the folders of a path, but not what is behind the last slash. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool good = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!good)
            return false;
    }
    return true;
}

static void find_file(struct history *h)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    size_t room = sizeof(h->file);
    int n = 0;
    if (state != NULL && state[0] == '/')
        n = snprintf(h->file, room, "%s/duet/history", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(h->file, room, "%s/.local/state/duet/history", home);
    if (n <= 0 || (size_t)n >= room || !make_folders(h->file))
        h->file[0] = 0;
}

/* For nobody else, whatever the umask says and whoever made it. */
static FILE *open_file(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    struct stat s;
    if (fd < 0)
        return NULL;
    FILE *f = NULL;
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && ((s.st_mode & 0077) == 0 || fchmod(fd, 0600) == 0))
        f = fdopen(fd, "a");
    if (f == NULL)
        close(fd);
    return f;
}

static void enter(struct history *h, const char *line, size_t len)
{
    HistEventW event;
    size_t wide_len;
    wchar_t *wide = wide_from(line, len, &wide_len);
    if (wide != NULL && wide_len > 0)
        history_w(h->lines, &event, H_ENTER, wide);
    mem_free(wide);
}

static void load(struct history *h)
{
    struct buf b;
    FILE *f = fopen(h->file, "re");
    size_t n = 1;
    if (f == NULL)
        return;
    buf_init(&b, NULL, 0);
    while (n > 0 && buf_reserve(&b, READ)) {
        n = fread(b.at + b.len, 1, READ, f);
        b.len += n;
    }
    fclose(f);
    for (size_t at = 0, len; at < b.len; at += len + 1) {
        const char *end = memchr(b.at + at, '\n', b.len - at);
        len = end ? (size_t)(end - b.at) - at : b.len - at;
        enter(h, b.at + at, len);
    }
    buf_fini(&b);
}

/* A file that has grown is written anew, with the lines that were read from it. */
static void shorten(struct history *h)
{
    char fresh[PATH_MAX + 8];
    struct stat s;
    struct buf b;
    HistEventW event;
    if (stat(h->file, &s) < 0 || s.st_size <= FILE_MOST)
        return;
    snprintf(fresh, sizeof(fresh), "%s.new", h->file);
    buf_init(&b, NULL, 0);
    for (int rc = history_w(h->lines, &event, H_LAST); rc >= 0; rc = history_w(h->lines, &event, H_PREV)) {
        wide_put(&b, event.str, wcslen(event.str));
        buf_put(&b, "\n", 1);
    }
    FILE *f = b.failed ? NULL : open_file(fresh, O_TRUNC);
    bool good = f != NULL && fwrite(b.at, 1, b.len, f) == b.len;
    good = f != NULL && fclose(f) == 0 && good;
    if (good)
        rename(fresh, h->file);
    else if (f != NULL)
        unlink(fresh);
    buf_fini(&b);
}

struct history *history_new(bool kept)
{
    HistEventW event;
    struct history *h = mem_zalloc(sizeof(*h));
    if (h == NULL)
        return NULL;
    h->lines = history_winit();
    if (h->lines == NULL) {
        mem_free(h);
        return NULL;
    }
    history_w(h->lines, &event, H_SETSIZE, LINES_MOST);
    history_w(h->lines, &event, H_SETUNIQUE, 1);
    if (kept)
        find_file(h);
    if (h->file[0] != 0) {
        load(h);
        shorten(h);
    }
    return h;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    history_wend(h->lines);
    mem_free(h);
}

void history_attach(struct history *h, EditLine *edit)
{
    el_wset(edit, EL_HIST, history_w, h->lines);
}

void history_add(struct history *h, const char *line, size_t len)
{
    if (len == 0 || line[0] == ' ')
        return;
    enter(h, line, len);
    FILE *f = h->file[0] ? open_file(h->file, O_APPEND) : NULL;
    if (f == NULL)
        return;
    fwrite(line, 1, len, f);
    putc('\n', f);
    fclose(f);
}
