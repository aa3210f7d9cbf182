/* SPDX-License-Identifier: MIT */
/*
 * The event loop: one thread, one epoll. duet_serve() has its own; this header is for programs that bring their own
 * loop or want Duet's for their descriptors and timers too. All calls belong to the loop's thread.
 */
#ifndef DUET_LOOP_H
#define DUET_LOOP_H

#include <duet/error.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_loop duet_loop;
typedef struct duet_timer duet_timer;
typedef struct duet_watch duet_watch;

/* 0, or a negative error. */
DUET_API int duet_loop_new(duet_loop **out);
/* Frees the loop; what lives on it (servers, timers, watches) must be freed before. NULL is fine. */
DUET_API void duet_loop_free(duet_loop *loop);

/* A descriptor that is readable when a turn has work to do. Put it into any poll, epoll or other loop. */
DUET_API int duet_loop_fd(const duet_loop *loop);
/* Milliseconds until the next turn is due without any event; -1: none is, 0: at once. */
DUET_API int duet_loop_wait_ms(duet_loop *loop);
/* One turn: handles what is ready, waiting up to `wait_ms` for it (0: not at all, -1: for ever), runs due timers,
 * writes what was sent and frees what was closed. Returns the number of events handled, or a negative error. */
DUET_API int duet_loop_turn(duet_loop *loop, int wait_ms);
/* Turns until duet_loop_stop(). Returns 0 or a negative error. */
DUET_API int duet_loop_run(duet_loop *loop);
DUET_API void duet_loop_stop(duet_loop *loop);
/* CLOCK_MONOTONIC in milliseconds, read once a turn. */
DUET_API uint64_t duet_loop_now_ms(const duet_loop *loop);

/* How long turns take, from the end of a wait to the turn's end, is counted in buckets: each turn in the first whose
 * bound, in microseconds, it does not exceed, or in the last, which has none. */
#define DUET_TURN_BOUNDS_US(X) \
    X(50) X(100) X(200) X(500) X(1000) X(2000) X(5000) X(10000) X(20000) X(50000) X(100000)
enum { DUET_TURN_BUCKETS = 12 };

enum { DUET_READABLE = 1, DUET_WRITABLE = 2 };
/* Calls `ready` whenever `fd` (yours, it is never closed here) is ready for `events`; a hang-up or error counts as
 * both. Returns NULL without memory or when epoll refuses. */
DUET_API duet_watch *duet_loop_watch(duet_loop *loop, int fd, int events,
                                     void (*ready)(void *arg, int fd, int events), void *arg);
/* Stops it; allowed inside any callback, its own too. NULL is fine. */
DUET_API void duet_watch_free(duet_watch *watch);

/* A timer that is not set yet. NULL without memory. It may set or free itself or another in its callback (TIM-2). */
DUET_API duet_timer *duet_timer_new(duet_loop *loop, void (*due)(void *arg), void *arg);
/* Due once, `after_ms` from now (at most a year). Setting it again moves it. */
DUET_API void duet_timer_set(duet_timer *timer, uint64_t after_ms);
DUET_API void duet_timer_cancel(duet_timer *timer);
DUET_API void duet_timer_free(duet_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
