/* SPDX-License-Identifier: MIT */
#include "cmd/feed.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A chunk of the shortest messages must stay far below the queue's hard limit of 1 MiB. */
enum { CHUNK = 16 * 1024, MESSAGE_MOST = 16 * 1024 * 1024, PART = 64 * 1024 };
enum { CATCH_UP_US = 100000, LENGTH_SIZE = 4, WHY = 200 };

struct feed {
    struct feed_config config;
    duet_loop *loop;
    duet_conn *conn;   /* NULL: there is none now */
    duet_timer *timer; /* due: read a file that is always ready, open the next, or send what the rate held back */
    duet_watch *watch; /* of a file that epoll takes */
    int fd;            /* -1: none is open */
    bool always_ready, terminal, begun, over;
    bool at_end;       /* of the file; what is held is its last */
    size_t next;       /* of the files */
    const char *file;
    unsigned long long line;
    struct buf held;   /* what was read and not sent */
    struct buf bytes;  /* of hexadecimal digits */
    size_t scanned;    /* of `held`: no end of a message is there */
    struct feed_progress done;
    uint64_t next_us; /* the rate: when the next message may go */
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

static int give(struct feed *f, duet_type type, const void *data, size_t len)
{
    return f->config.send != NULL ? f->config.send(f->config.arg, type, data, len)
                                  : duet_send(f->conn, type, data, len);
}

/* A person at a terminal may try again; a script may not lose a line unseen. */
static void refuse(struct feed *f, const char *what)
{
    char why[WHY];
    const char *kind = f->config.form == FEED_LINES || f->config.form == FEED_HEX ? "line" : "message";
    snprintf(why, sizeof(why), "%s %llu of %.80s was not sent: %s", kind, f->line, f->file, what);
    if (f->terminal)
        fprintf(stderr, "%s: %s\n", f->config.name, why);
    else
        end(f, why);
}

/* What was not sent ends `f`, unless there will be another connection. False: it is to be sent again. */
static bool settled(struct feed *f, int rc)
{
    if (rc == DUET_ERR_CLOSED && f->config.patient) {
        f->conn = NULL;
        return false;
    }
    if (rc == DUET_ERR_UTF8)
        refuse(f, "it is no UTF-8; --binary sends any bytes");
    else if (rc == DUET_ERR_CLOSED)
        end(f, "not all was sent: the connection closed before the input's end");
    else if (rc < 0)
        end(f, duet_strerror(rc));
    return true;
}

ssize_t feed_from_hex(void *to, const char *text, size_t len)
{
    char *out = to;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r')
            continue;
        int byte = i + 1 < len ? hex_pair(text + i) : -1;
        if (byte < 0)
            return -1;
        out[n++] = (char)byte;
        i++;
    }
    return (ssize_t)n;
}

static bool send_hex(struct feed *f, const char *line, size_t len)
{
    f->bytes.len = 0;
    if (!buf_reserve(&f->bytes, len / 2 + 1)) {
        end(f, duet_strerror(DUET_ERR_NOMEM));
        return true;
    }
    ssize_t n = feed_from_hex(f->bytes.at, line, len);
    if (n >= 0)
        return settled(f, give(f, DUET_BINARY, f->bytes.at, (size_t)n));
    refuse(f, "write bytes as pairs of hexadecimal digits, such as 48 69");
    return true;
}

/* False: it is to be sent again. */
static bool send_one(struct feed *f, const char *data, size_t len)
{
    f->line++;
    bool taken = f->config.form == FEED_HEX
                     ? send_hex(f, data, len)
                     : settled(f, give(f, f->config.binary ? DUET_BINARY : DUET_TEXT, data, len));
    if (!taken) {
        f->line--;
        return false;
    }
    f->done.messages++;
    f->done.bytes += len;
    if (f->config.rate > 0)
        f->next_us += 1000000 / (uint64_t)f->config.rate;
    return true;
}

/* A message of what is held: its payload, and how many bytes it takes there. */
struct piece {
    const char *data;
    size_t len, used;
};

static bool framed_piece(struct feed *f, const char *at, size_t have, struct piece *m)
{
    const unsigned char *h = (const unsigned char *)at;
    if (have < LENGTH_SIZE) {
        if (f->at_end && have > 0)
            end(f, "the input ends within a message's length");
        return false;
    }
    size_t len = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
    *m = (struct piece){ at + LENGTH_SIZE, len, LENGTH_SIZE + len };
    if (len > MESSAGE_MOST)
        end(f, "a message is over 16 MiB");
    else if (have < m->used && f->at_end)
        end(f, "the input ends within a message");
    return !f->over && have >= m->used;
}

/* The first message from `at` of what is held. False: it is not all there. */
static bool next_piece(struct feed *f, size_t from, struct piece *m)
{
    const char *at = f->held.at + from;
    size_t have = f->held.len - from;
    if (f->config.form == FEED_FRAMED)
        return framed_piece(f, at, have, m);
    if (have == 0)
        return false;
    size_t skip = f->scanned > from ? f->scanned - from : 0;
    const char *mark = memchr(at + skip, f->config.form == FEED_NULL ? 0 : '\n', have - skip);
    size_t len = mark ? (size_t)(mark - at) : have;
    if (len > MESSAGE_MOST) {
        end(f, "a line is over 16 MiB; --binary sends any length");
        return false;
    }
    if (mark == NULL && !f->at_end) {
        f->scanned = f->held.len;
        return false;
    }
    *m = (struct piece){ at, len, len + (mark != NULL) };
    return true;
}

/* How long the rate holds the next message back. */
static uint64_t held_back_ms(const struct feed *f)
{
    uint64_t now_us = duet_loop_now_ms(f->loop) * 1000;
    return f->next_us > now_us ? (f->next_us - now_us + 999) / 1000 : 0;
}

/* What a stall kept from going is made up for, but not more than a tenth of a second's. */
static void start_clock(struct feed *f)
{
    uint64_t now_us = duet_loop_now_ms(f->loop) * 1000;
    if (f->next_us == 0)
        f->next_us = now_us;
    else if (f->next_us + CATCH_UP_US < now_us)
        f->next_us = now_us - CATCH_UP_US;
}

/* Somebody takes messages now. */
static bool is_taken(const struct feed *f)
{
    return !f->over && (f->config.send != NULL || (f->conn != NULL && !duet_congested(f->conn)));
}

static bool may_send(const struct feed *f)
{
    return is_taken(f) && held_back_ms(f) == 0;
}

static void send_held(struct feed *f)
{
    size_t used = 0;
    struct piece m;
    if (f->config.rate > 0)
        start_clock(f);
    while (may_send(f) && next_piece(f, used, &m) && send_one(f, m.data, m.len))
        used += m.used;
    if (f->over)
        return;
    f->scanned = f->scanned > used ? f->scanned - used : 0;
    if (used > 0)
        buf_drop(&f->held, used);
}

static void send_part(struct feed *f, bool last)
{
    int rc = 0;
    if (last && !f->begun) {
        rc = give(f, DUET_BINARY, f->held.at, f->held.len);
    } else if (f->config.send != NULL) {
        if (f->held.len > MESSAGE_MOST)
            end(f, "a file is over 16 MiB");
        return;
    } else if (last || f->held.len >= PART) {
        if (!f->begun)
            rc = duet_send_begin(f->conn, DUET_BINARY);
        f->begun = !last;
        if (rc == 0)
            rc = duet_send_part(f->conn, f->held.at, f->held.len, last);
    } else {
        return;
    }
    f->done.bytes += f->held.len;
    f->done.messages += last;
    f->held.len = 0;
    settled(f, rc);
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
        f->done.read += (uint64_t)n;
        f->at_end = n == 0;
        if (f->config.form == FEED_WHOLE)
            send_part(f, f->at_end);
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
    f->begun = f->always_ready = f->at_end = false;
    bool standard = strcmp(name, "-") == 0;
    f->file = standard ? "standard input" : name;
    f->fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        complain(f, errno);
    else
        f->terminal = isatty(f->fd) != 0;
}

/* Sees to it that there is a next turn of reading or sending, unless the connection has enough for now. */
static void go_on(struct feed *f)
{
    if (f->fd >= 0 && f->config.form != FEED_WHOLE)
        send_held(f);
    if (f->fd >= 0 && f->at_end && f->held.len == 0)
        close_file(f);
    if (f->over || !may_send(f)) {
        stop_reading(f);
        if (is_taken(f))
            duet_timer_set(f->timer, held_back_ms(f));
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
    if (f->fd >= 0 && f->config.form != FEED_WHOLE)
        send_held(f);
    if (f->always_ready && !f->at_end && may_send(f))
        read_some(f);
    else
        go_on(f);
}

/* The size of all files together; 0 where one is a pipe or is not there. */
static uint64_t size_of_all(const char *const *files)
{
    uint64_t sum = 0;
    for (; files != NULL && *files != NULL; files++) {
        struct stat s;
        int rc = strcmp(*files, "-") == 0 ? fstat(STDIN_FILENO, &s) : stat(*files, &s);
        if (rc < 0 || !S_ISREG(s.st_mode))
            return 0;
        sum += (uint64_t)s.st_size;
    }
    return sum;
}

struct feed *feed_new(duet_loop *loop, const struct feed_config *config)
{
    struct feed *f = mem_zalloc(sizeof(*f));
    if (f == NULL)
        return NULL;
    f->config = *config;
    f->loop = loop;
    f->fd = -1;
    f->done.size = size_of_all(config->files);
    buf_init(&f->held, NULL, 0);
    buf_init(&f->bytes, NULL, 0);
    f->timer = duet_timer_new(loop, due, f);
    if (f->timer == NULL) {
        feed_free(f);
        return NULL;
    }
    return f;
}

void feed_connect(struct feed *f, duet_conn *c)
{
    if (f == NULL || f->over)
        return;
    f->conn = c;
    if (c == NULL)
        stop_reading(f);
    else
        duet_timer_set(f->timer, 0);
}

void feed_begin(struct feed *f)
{
    duet_timer_set(f->timer, 0);
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
    buf_fini(&f->bytes);
    mem_free(f);
}

struct feed_progress feed_progress(const struct feed *f)
{
    return f->done;
}
