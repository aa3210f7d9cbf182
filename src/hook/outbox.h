/* SPDX-License-Identifier: MIT */
/*
 * What the backend is to hear of, and has not heard yet: each event waits here until it was taken, over restarts where
 * there is a folder for it. So it is told at least once, and in order; its id is the same each time.
 *
 * Events are put in by any thread, which waits for no disk. All else is for one thread.
 *
 * The box knows which channels are occupied. When the process ended without a word (a crash), it tells at the next
 * start that they are vacated.
 */
#ifndef HOOK_OUTBOX_H
#define HOOK_OUTBOX_H

#include "base/buf.h"
#include "hook/event.h"
#include <stdint.h>

enum { OUTBOX_WHY = 200, OUTBOX_BATCH = 100, OUTBOX_MOST = 1000000, OUTBOX_FRESH_BYTES = 64 * 1024 * 1024 };

struct outbox;

/* `folder` is there, and nobody else's now; NULL: a restart forgets all. 0; or a negative error, and `why`. */
int outbox_open(struct outbox **out, const char *folder, uint64_t now_ms, char why[OUTBOX_WHY]);
/* Writes down what is fresh. NULL is fine. */
void outbox_close(struct outbox *o);

/* Any thread. False: it is lost, since too many wait or there is no memory; and counted. */
bool outbox_put(struct outbox *o, const struct hook_event *e);

/* Puts what is fresh with the rest. 0; or what the disk said, and then it stays fresh. */
int outbox_write(struct outbox *o);
/* The oldest, {"events":[...]}, at most OUTBOX_BATCH of them. How many; 0: there are none; negative: what the disk
 * said. `last` is for outbox_drop(). */
int outbox_next(struct outbox *o, struct buf *body, int64_t *last);
/* They were taken. */
int outbox_drop(struct outbox *o, int64_t last);

struct outbox_stats {
    uint64_t waiting, dropped;
};
struct outbox_stats outbox_stats(const struct outbox *o); /* any thread */

#endif
