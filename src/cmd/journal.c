/* SPDX-License-Identifier: MIT */
#include "cmd/journal.h"
#include "base/clock.h"
#include "base/mem.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RING = 256 * 1024, LINE = 4096, LAST_WAIT_S = 1 };

/* The ring's bytes from `at` on are to be written; the thread moves `at` when it has written them. */
struct journal {
    int fd;
    duet_log_format format;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more, written;
    /* Under `lock`. */
    size_t at, len;
    uint64_t dropped;
    bool ending, idle;
    /* The writer's: the last bytes were not taken; what was taken, and what came in, ends in the middle of a line. */
    bool lost, torn, cut;
    char ring[RING];
};

/* How many bytes were taken; fewer than `len`: nobody takes more now. */
static size_t write_all(int fd, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };
            poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            break;
        } else if (n > 0) {
            done += (size_t)n;
        }
    }
    return done;
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    return n;
}

/* Writes what is in the ring in one piece, lines or parts of them. A disk may be full in the middle of a line: the rest
 * of that is left out, and what comes later begins on a line of its own. Returns how many lines were lost. */
static uint64_t write_out(struct journal *j, const char *from, size_t n)
{
    size_t at = 0;
    if (j->lost) {
        const char *rest = j->cut ? memchr(from, '\n', n) : NULL;
        at = rest ? (size_t)(rest - from) + 1 : j->cut ? n : 0;
        if (at < n && (!j->torn || write_all(j->fd, "\n", 1) == 1))
            j->lost = j->torn = false;
    }
    size_t done = j->lost ? at : at + write_all(j->fd, from + at, n - at);
    if (done > at)
        j->torn = from[done - 1] != '\n';
    j->lost = j->lost || done < n;
    j->cut = from[n - 1] != '\n';
    return count_lines(from, at) + count_lines(from + done, n - done);
}

static void *run(void *arg)
{
    struct journal *j = arg;
    pthread_mutex_lock(&j->lock);
    while (!j->ending || j->len > 0) {
        if (j->len == 0) {
            pthread_cond_wait(&j->more, &j->lock);
            continue;
        }
        size_t n = j->len < RING - j->at ? j->len : RING - j->at;
        const char *from = j->ring + j->at;
        pthread_mutex_unlock(&j->lock);
        uint64_t lost = write_out(j, from, n);
        pthread_mutex_lock(&j->lock);
        j->dropped += lost;
        j->at = (j->at + n) % RING;
        j->len -= n;
    }
    j->idle = true;
    pthread_cond_signal(&j->written);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

int journal_new(struct journal **out, int fd, duet_log_format format)
{
    struct journal *j = mem_zalloc(sizeof(*j));
    if (j == NULL)
        return DUET_ERR_NOMEM;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    j->fd = fd;
    j->format = format;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->more, NULL);
    pthread_cond_init(&j->written, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = pthread_create(&j->thread, NULL, run, j);
    if (rc != 0) {
        mem_free(j);
        return -rc;
    }
    *out = j;
    return 0;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LAST_WAIT_S;
    pthread_mutex_lock(&j->lock);
    j->ending = true;
    pthread_cond_signal(&j->more);
    int rc = 0;
    while (!j->idle && rc == 0)
        rc = pthread_cond_timedwait(&j->written, &j->lock, &until);
    bool idle = j->idle;
    pthread_mutex_unlock(&j->lock);
    if (!idle) {
        pthread_detach(j->thread); /* it still writes, and `j` is its own until the program's end */
        return;
    }
    pthread_join(j->thread, NULL);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->more);
    pthread_cond_destroy(&j->written);
    mem_free(j);
}

duet_log_format journal_format(const struct journal *j)
{
    return j->format;
}

static void put(struct journal *j, const char *line, size_t len)
{
    pthread_mutex_lock(&j->lock);
    if (len > RING - j->len) {
        j->dropped++;
    } else {
        size_t end = (j->at + j->len) % RING, first = len < RING - end ? len : RING - end;
        memcpy(j->ring + end, line, first);
        memcpy(j->ring, line + first, len - first);
        j->len += len;
        pthread_cond_signal(&j->more);
    }
    pthread_mutex_unlock(&j->lock);
}

void journal_put(struct journal *j, const duet_log_event *event)
{
    char line[LINE];
    put(j, line, duet_log_line(line, sizeof(line), j->format, clock_wall_ms(), event));
}

void journal_text(struct journal *j, const char *line)
{
    put(j, line, strlen(line));
}

uint64_t journal_dropped(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t n = j->dropped;
    pthread_mutex_unlock(&j->lock);
    return n;
}
