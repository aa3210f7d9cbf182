/* SPDX-License-Identifier: MIT */
/*
 * Carries events from the outbox to the backend: one batch after the other, each until it is taken (200). A backend
 * that does not take it is tried again after a second, then after twice as long, up to a minute. On the thread that
 * turns the multi handle.
 */
#ifndef HOOK_COURIER_H
#define HOOK_COURIER_H

#include "hook/outbox.h"
#include "hook/transfer.h"

enum { COURIER_LEAST_MS = 1000, COURIER_MOST_MS = 60 * 1000 };

struct courier {
    struct outbox *box; /* NULL: nothing is told. Borrowed */
    const char *url;
    unsigned timeout_ms;
    unsigned least_ms; /* of the waits between tries */
    struct transfer transfer;
    bool on_its_way;
    int64_t last;   /* of what is on its way */
    unsigned count; /* of it */
    uint64_t next_ms, wait_ms;
    uint64_t told; /* events, so far */
    bool failing, box_failing;
};

/* What happened, for the log; NULL: nothing new. `good`: what was wrong is right again. */
struct courier_news {
    const char *event;
    bool good;
    char detail[OUTBOX_WHY + TRANSFER_WHY];
};

/* Does what is to be done at `now_ms`; returns in how many ms to call again at the latest. */
unsigned courier_turn(struct courier *c, CURLM *multi, uint64_t now_ms, struct courier_news *news);
/* Its transfer is over. */
void courier_done(struct courier *c, CURLM *multi, CURLcode result, uint64_t now_ms, struct courier_news *news);
void courier_fini(struct courier *c, CURLM *multi);

#endif
