/* SPDX-License-Identifier: MIT */
/*
 * Carries events from the outbox to the backend: one batch after the other, each until it is taken (200). A backend
 * that does not take it is tried again after a second, then after twice as long, up to a minute; so is a disk.
 *
 * On a thread of its own: what is fresh is written down at once, whatever the backend does, and nobody but the courier
 * waits for the disk.
 */
#ifndef HOOK_COURIER_H
#define HOOK_COURIER_H

#include "hook/outbox.h"
#include "hook/transfer.h"
#include <duet/log.h>
#include <pthread.h>
#include <stdatomic.h>

enum { COURIER_LEAST_MS = 1000, COURIER_MOST_MS = 60 * 1000 };

/* Of what may fail: when it is tried again, and how long that wait is. 0: it did not fail. */
struct courier_retry {
    uint64_t next_ms;
    unsigned wait_ms;
};

struct courier {
    struct outbox *box; /* borrowed, as the strings */
    const char *url;
    unsigned timeout_ms;
    unsigned least_ms; /* of the waits between tries; 0: a second */
    void (*log)(void *arg, const duet_log_event *event);
    void *arg;

    CURLM *multi;
    pthread_t thread;
    bool runs;
    atomic_bool stopping;
    atomic_ullong told; /* events, so far */

    /* The thread's. */
    struct courier_retry backend, disk;
    struct transfer transfer;
    bool on_its_way;
    int64_t last;   /* of the batch that is on its way */
    unsigned count; /* of it */
    int64_t taken;  /* the last that the backend took, and the box still has; 0: none */
};

/* `c` has what stands before `multi`. 0; DUET_ERR_NOMEM or -errno, and then courier_fini() is still to be called. */
int courier_start(struct courier *c);
/* Any thread: something was put into the box. */
void courier_wake(struct courier *c);
/* What the backend takes soon is told yet. Afterwards nothing is told; waking does no harm. */
void courier_stop(struct courier *c);
void courier_fini(struct courier *c);

/* The thread's, and its tests'. */

/* Does what is to be done at `now_ms`; returns in how many ms to call again at the latest. */
unsigned courier_turn(struct courier *c, uint64_t now_ms);
/* Its transfer is over. */
void courier_done(struct courier *c, CURLcode result, uint64_t now_ms);

#endif
