/* SPDX-License-Identifier: MIT */
#include "cmd/feed.h"
#include "base/buf.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A chunk of the shortest messages must stay far below the queue's hard limit of 1 MiB. */
enum { CHUNK = 16 * 1024, LINE_MOST = 16 * 1024 * 1024, PART = 64 * 1024, WHY = 200 };

struct feed {
    struct feed_config config;
    duet_loop *loop;
    duet_timer *timer; /* due: read a file that is always ready, or open the next */
    duet_watch *watch; /* of a file that epoll takes */
    int fd;            /* -1: none is open */
    bool always_ready, terminal, begun, over;
    size_t next;       /* of the files */
    const char *file;
    unsigned long long line;
    struct buf held;   /* a line's beginning, or what is less than a part */
};

static void stop_reading(struct feed *f)
{
    duet_watch_free(f->watch);
    f->watch = NULL;
    duet_timer_cancel(f->timer);
}

static void close_file(struct feed *f)
{
    stop_reading(f);
    if (f->fd > STDERR_FILENO)
        close(f->fd);
    f->fd = -1;
}

static void end(struct feed *f, const char *why)
{
    if (f->over)
        return;
    f->over = true;
    close_file(f);
    f->config.ended(f->config.arg, why);
}

/* A person at a terminal may try again; a script may not lose a line unseen. */
static void refuse_line(struct feed *f, const char *what)
{
    char why[WHY];
    snprintf(why, sizeof(why), "line %llu of %.80s was not sent: %s", f->line, f->file, what);
    if (f->terminal)
        fprintf(stderr, "%s: %s\n", f->config.name, why);
    else
        end(f, why);
}

/* What was not sent ends `f`. */
static void check_sent(struct feed *f, int rc)
{
    if (rc == DUET_ERR_UTF8)
        refuse_line(f, "it is no UTF-8; --binary or --hex sends any bytes");
    else if (rc == DUET_ERR_CLOSED)
        end(f, "not all was sent: the connection closed before the input's end");
    else if (rc < 0)
        end(f, duet_strerror(rc));
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Digits in pairs, blanks between them, to bytes in place; -1: something else. */
static ssize_t from_hex(char *line, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r')
            continue;
        int high = digit(line[i]);
        int low = i + 1 < len ? digit(line[i + 1]) : -1;
        if (high < 0 || low < 0)
            return -1;
        line[n++] = (char)(high << 4 | low);
        i++;
    }
    return (ssize_t)n;
}

static void send_line(struct feed *f, char *line, size_t len)
{
    f->line++;
    if (f->config.form == FEED_LINES) {
        check_sent(f, duet_send(f->config.conn, DUET_TEXT, line, len));
        return;
    }
    ssize_t n = from_hex(line, len);
    if (n < 0)
        refuse_line(f, "write bytes as pairs of hexadecimal digits, such as 48 69");
    else
        check_sent(f, duet_send(f->config.conn, DUET_BINARY, line, (size_t)n));
}

static void send_lines(struct feed *f, bool at_end)
{
    size_t used = 0;
    char *newline;
    while (!f->over && used < f->held.len && (newline = memchr(f->held.at + used, '\n', f->held.len - used)) != NULL) {
        size_t begin = used;
        used = (size_t)(newline - f->held.at) + 1;
        send_line(f, f->held.at + begin, used - begin - 1);
    }
    buf_drop(&f->held, used);
    if (at_end && f->held.len > 0 && !f->over) {
        send_line(f, f->held.at, f->held.len);
        f->held.len = 0;
    }
    if (f->held.len > LINE_MOST)
        end(f, "a line is over 16 MiB; --binary sends any length");
}

static void send_part(struct feed *f, bool last)
{
    int rc = 0;
    if (last && !f->begun) {
        rc = duet_send(f->config.conn, DUET_BINARY, f->held.at, f->held.len);
    } else if (last || f->held.len >= PART) {
        if (!f->begun)
            rc = duet_send_begin(f->config.conn, DUET_BINARY);
        f->begun = !last;
        if (rc == 0)
            rc = duet_send_part(f->config.conn, f->held.at, f->held.len, last);
    } else {
        return;
    }
    f->held.len = 0;
    check_sent(f, rc);
}

static void use(struct feed *f, bool at_end)
{
    if (f->config.form == FEED_WHOLE)
        send_part(f, at_end);
    else
        send_lines(f, at_end);
}

static void complain(struct feed *f, int error)
{
    char why[WHY];
    snprintf(why, sizeof(why), "cannot read %.120s: %s", f->file, strerror(error));
    end(f, why);
}

static void go_on(struct feed *f);

static void read_some(struct feed *f)
{
    if (f->over || f->fd < 0)
        return;
    if (!buf_reserve(&f->held, CHUNK)) {
        end(f, duet_strerror(DUET_ERR_NOMEM));
        return;
    }
    ssize_t n = read(f->fd, f->held.at + f->held.len, CHUNK);
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        complain(f, errno);
    } else if (n >= 0) {
        f->held.len += (size_t)n;
        use(f, n == 0);
        if (n == 0 && !f->over)
            close_file(f);
    }
    go_on(f);
}

static void ready(void *arg, int fd, int events)
{
    (void)fd;
    (void)events;
    read_some(arg);
}

/* The next file is open, or `f` has ended. */
static void open_next(struct feed *f)
{
    static const char *const standard_input[] = { "-", NULL };
    const char *const *files = f->config.files != NULL && f->config.files[0] ? f->config.files : standard_input;
    const char *name = files[f->next];
    if (name == NULL) {
        end(f, NULL);
        return;
    }
    f->next++;
    f->line = 0;
    f->begun = f->always_ready = false;
    bool standard = strcmp(name, "-") == 0;
    f->file = standard ? "standard input" : name;
    f->fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        complain(f, errno);
    else
        f->terminal = isatty(f->fd) != 0;
}

/* Sees to it that there is a next turn of reading, unless the connection has enough for now. */
static void go_on(struct feed *f)
{
    if (f->over || duet_congested(f->config.conn)) {
        stop_reading(f);
        return;
    }
    if (f->fd >= 0 && !f->always_ready && f->watch == NULL) {
        f->watch = duet_loop_watch(f->loop, f->fd, DUET_READABLE, ready, f);
        f->always_ready = f->watch == NULL; /* epoll takes no regular file */
    }
    if (f->fd < 0 || f->always_ready)
        duet_timer_set(f->timer, 0);
}

static void due(void *arg)
{
    struct feed *f = arg;
    if (f->fd < 0)
        open_next(f);
    if (f->always_ready)
        read_some(f);
    else
        go_on(f);
}

struct feed *feed_new(duet_loop *loop, const struct feed_config *config)
{
    struct feed *f = mem_zalloc(sizeof(*f));
    if (f == NULL)
        return NULL;
    f->config = *config;
    f->loop = loop;
    f->fd = -1;
    buf_init(&f->held, NULL, 0);
    f->timer = duet_timer_new(loop, due, f);
    if (f->timer == NULL) {
        feed_free(f);
        return NULL;
    }
    duet_timer_set(f->timer, 0);
    return f;
}

void feed_go_on(struct feed *f)
{
    if (f != NULL)
        go_on(f);
}

void feed_stop(struct feed *f)
{
    if (f == NULL)
        return;
    f->over = true;
    close_file(f);
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    if (f->timer != NULL)
        close_file(f);
    duet_timer_free(f->timer);
    buf_fini(&f->held);
    mem_free(f);
}
