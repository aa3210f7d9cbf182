/* SPDX-License-Identifier: MIT */
/* Something to do so many times a second, on the beat, and a server that lives by it, as games and feeds do. */
#ifndef EXAMPLES_BEAT_H
#define EXAMPLES_BEAT_H

#include <duet/duet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BEAT_S_NS = 1000000000 };

struct beat {
    void (*due)(struct beat *b, uint64_t beats); /* more than one when the loop was late */
    void *arg;
    uint64_t due_ns, each_ns; /* when the first of these was due, by beat_now_ns() */
    duet_watch *watch;
    int fd;
};

static inline uint64_t beat_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * BEAT_S_NS + (uint64_t)t.tv_nsec;
}

static inline void beat_ready(void *arg, int fd, int events)
{
    struct beat *b = arg;
    uint64_t beats;
    (void)events;
    if (read(fd, &beats, sizeof(beats)) != sizeof(beats))
        return;
    b->due(b, beats);
    b->due_ns += beats * b->each_ns;
}

/* At least two a second. 0 or a negative error. */
static inline int beat_start(struct beat *b, duet_loop *loop, unsigned per_s)
{
    b->each_ns = BEAT_S_NS / per_s;
    b->due_ns = beat_now_ns() + b->each_ns;
    struct itimerspec t = {
        .it_interval = { .tv_nsec = (long)b->each_ns },
        .it_value = { .tv_sec = (time_t)(b->due_ns / BEAT_S_NS), .tv_nsec = (long)(b->due_ns % BEAT_S_NS) },
    };
    b->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->fd < 0)
        return -errno;
    timerfd_settime(b->fd, TFD_TIMER_ABSTIME, &t, NULL);
    b->watch = duet_loop_watch(loop, b->fd, DUET_READABLE, beat_ready, b);
    if (b->watch == NULL)
        close(b->fd);
    return b->watch ? 0 : DUET_ERR_NOMEM;
}

/* Also one that did not start. */
static inline void beat_stop(struct beat *b)
{
    if (b->watch == NULL)
        return;
    duet_watch_free(b->watch);
    b->watch = NULL;
    close(b->fd);
}

static duet_server **beat_server;

static inline void beat_drain(int which)
{
    (void)which;
    duet_server_drain(*beat_server);
}

/* Serves on `loop`, with its beat, until SIGTERM or SIGINT; `server` is there meanwhile. 0 or a negative error, which
 * was told. */
static inline int beat_serve(duet_server **server, duet_loop *loop, const duet_server_config *config, struct beat *b,
                             unsigned per_s)
{
    char why[200] = "";
    int rc = duet_server_new(server, config, why);
    beat_server = server;
    if (rc == 0)
        rc = duet_server_attach(*server, loop);
    if (rc == 0)
        rc = beat_start(b, loop, per_s);
    if (rc == 0) {
        signal(SIGTERM, beat_drain);
        signal(SIGINT, beat_drain);
        rc = duet_loop_run(loop);
    }
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", config->listen, why[0] ? why : duet_strerror(rc));
    beat_stop(b);
    duet_server_free(*server);
    return rc;
}

#endif
