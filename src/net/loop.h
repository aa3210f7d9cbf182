/* SPDX-License-Identifier: MIT */
/*
 * The loop as the floors above see it: watches on descriptors, the wheel, end-of-turn work, and calls posted from
 * other threads. Level-triggered epoll, up to 1024 events a wait.
 *
 * A turn: wait, handle events, run what was posted, run due timers, then end-of-turn tasks until there is none left,
 * then the reaping. The handling of events is cut after 500 us, and the next turn goes on with it instead of waiting:
 * so timers, posts and topics come to their work between. A watch removed in a callback gets no further event, also
 * when one is in the batch already: its memory must stay until the reaping (loop_reap), which is how a reused
 * descriptor cannot confuse anyone (NET-9), and what the batch still has of it goes with it.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <duet/loop.h>
#include "net/timer.h"
#include <pthread.h>
#include <stddef.h>

enum { LOOP_IN = 1, LOOP_OUT = 4, LOOP_HUP = 16 }; /* EPOLLIN, EPOLLOUT, and EPOLLHUP or EPOLLERR as HUP */

/* A watch without its function: that of all `plain` ones is the loop's. There is one in each connection. */
struct spot {
    int fd;         /* -1: not watched */
    uint8_t events; /* LOOP_*: what epoll was told */
    bool plain;
    uint16_t user; /* its owner's, for whatever it wants to keep */
};

struct watch {
    union {
        struct spot spot;
        struct {
            int fd;
            uint8_t events;
        };
    };
    void (*ready)(struct watch *, uint32_t events);
};

/* Work for the end of this turn, or for the reaping after it. Embedded; queued at most once at a time. */
struct task {
    struct task *next; /* NULL: it is not queued */
    void (*run)(struct task *);
};

static inline bool task_queued(const struct task *t)
{
    return t->next != NULL;
}

enum { LOOP_RECV = 512 * 1024, LOOP_SLICE_US = 500 };

/* How long turns took: what a peer may have waited for that was not its own. */
struct loop_turns {
    uint64_t counts[DUET_TURN_BUCKETS]; /* by DUET_TURN_BOUNDS_US */
    uint64_t sum_us;
};

struct duet_loop {
    int epoll, wake; /* wake: an eventfd */
    uint64_t now_ms; /* CLOCK_MONOTONIC, once a turn */
    struct wheel wheel;
    void (*ready)(struct spot *, uint32_t events); /* of the plain ones */
    unsigned char *recv;                  /* LOOP_RECV bytes for whoever reads; nothing in it outlives the reading */
    struct tls_buffers *tls;              /* stream_tls.c's, made by the first stream that needs them */
    struct task *end_first, **end_last;   /* loop_at_end */
    struct task *reap_first, **reap_last; /* loop_reap */
    struct task *next_first, **next_last; /* what queued itself again while it ran */
    struct task *running;
    uint64_t ended_us; /* the last turn; nothing comes between two of duet_loop_run()'s */
    struct loop_turns turns;
    struct epoll_event *batch;   /* what the last wait told of */
    int batch_next, batch_count; /* which of it comes next: between turns it is the count, or a slice was over */
    int look_at;                 /* the clock is read when this is the next, or an earlier one was */
    unsigned deferred; /* events that were handled while late timers were left for later */
    unsigned owed;     /* tasks that this turn's events have put off to its end */
    bool turning; /* inside duet_loop_turn() */
    bool woken;   /* by ourselves, outside a turn; `wake` is readable */
    bool stopping;
    pthread_mutex_t lock;
    struct task *posted; /* under `lock`; the newest first */
};

/* Said within an event that was a hundred microseconds' work or more, such as a handshake of TLS. */
static inline void loop_took_long(duet_loop *l)
{
    l->look_at = 0;
}

int spot_watch(duet_loop *l, struct spot *s, uint32_t events);   /* adds s->fd; 0 or -errno */
int spot_rewatch(duet_loop *l, struct spot *s, uint32_t events); /* only calls epoll_ctl on a change */
void spot_unwatch(duet_loop *l, struct spot *s); /* out of epoll, s->fd becomes -1; the descriptor stays open */

static inline int loop_watch(duet_loop *l, struct watch *w, uint32_t events)
{
    w->spot.plain = false; /* who fills in a watch by its own fields leaves this open */
    return spot_watch(l, &w->spot, events);
}

static inline void loop_unwatch(duet_loop *l, struct watch *w)
{
    spot_unwatch(l, &w->spot);
}

/* Runs `t` once before this turn ends. A task that queues itself again while it runs is run in the next turn, which
 * then does not wait. Outside a turn it makes duet_loop_fd() readable once. */
void loop_at_end(duet_loop *l, struct task *t);
void loop_not_at_end(duet_loop *l, struct task *t);
/* Runs `t` after all else of the turn: this is where connections are freed. */
void loop_reap(duet_loop *l, struct task *t);

/* From any thread: `fn(arg)` runs on the loop's thread soon, in the order posted. 0 or DUET_ERR_NOMEM. */
int loop_post(duet_loop *l, void (*fn)(void *arg), void *arg);
/* The same without memory of its own: `t` must stay until it ran on the loop's thread or loop_unpost() took it back.
 * It is posted once at a time, and not queued otherwise. Freeing the loop forgets it. */
void loop_post_task(duet_loop *l, struct task *t);
/* Takes back what was posted and has not run; nothing if it did. The loop's thread, or no other than ours. */
void loop_unpost(duet_loop *l, struct task *t);

#endif
