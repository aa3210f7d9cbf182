/* SPDX-License-Identifier: MIT */
#include "cmd/logger.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RING = 256 * 1024, LINE = 2048, LAST_MS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static pthread_t writer;
static char ring[RING];
static size_t head, len; /* under `lock` */
static unsigned long dropped;
static bool running, stopping, coloured;
static duet_log_format format;

/* Writes all of it, as long as somebody takes it; after `stopping`, no longer than a second. */
static void write_out(const char *data, size_t n)
{
    while (n > 0) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        pthread_mutex_lock(&lock);
        bool last = stopping;
        pthread_mutex_unlock(&lock);
        if (poll(&p, 1, LAST_MS) == 0 && last)
            return;
        ssize_t done = write(STDERR_FILENO, data, n);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (done > 0) {
            data += done;
            n -= (size_t)done;
        }
    }
}

static void *run(void *arg)
{
    static char taken[RING];
    (void)arg;
    pthread_mutex_lock(&lock);
    while (len > 0 || !stopping) {
        if (len == 0) {
            pthread_cond_wait(&filled, &lock);
            continue;
        }
        size_t n = len, first = n < RING - head ? n : RING - head;
        memcpy(taken, ring + head, first);
        memcpy(taken + first, ring, n - first);
        head = (head + n) % RING;
        len = 0;
        pthread_mutex_unlock(&lock);
        write_out(taken, n);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

int logger_start(duet_log_format how, bool colour)
{
    format = how;
    coloured = colour;
    int rc = pthread_create(&writer, NULL, run, NULL);
    running = rc == 0;
    return -rc;
}

static size_t colour_of(duet_log_level level, char *out)
{
    static const char *const codes[] = {
        [DUET_LOG_INFO] = "", [DUET_LOG_WARNING] = "\033[33m", [DUET_LOG_ERROR] = "\033[31m"
    };
    size_t n = strlen(codes[level]);
    memcpy(out, codes[level], n);
    return n;
}

void logger_event(void *arg, const duet_log_event *event)
{
    char line[LINE + 16];
    struct timespec now;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    size_t before = coloured ? colour_of(event->level, line) : 0;
    size_t n = duet_log_line(line + before, LINE, format, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
                             event);
    n += before;
    if (before > 0) { /* the colour ends before the line does */
        memcpy(line + n - 1, "\033[0m\n", 5);
        n += 4;
    }
    pthread_mutex_lock(&lock);
    if (RING - len < n) {
        dropped++;
    } else {
        size_t at = (head + len) % RING, first = n < RING - at ? n : RING - at;
        memcpy(ring + at, line, first);
        memcpy(ring, line + first, n - first);
        len += n;
        pthread_cond_signal(&filled);
    }
    pthread_mutex_unlock(&lock);
}

unsigned long logger_dropped(void)
{
    pthread_mutex_lock(&lock);
    unsigned long n = dropped;
    pthread_mutex_unlock(&lock);
    return n;
}

void logger_stop(void)
{
    if (!running)
        return;
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
    pthread_join(writer, NULL);
    running = false;
}
