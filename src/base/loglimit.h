/* SPDX-License-Identifier: MIT */
/*
 * Holds a log back to 10 events a second for each reason, and counts what it held back. A peer can make events by the
 * million; the operator wants the first of each kind and the number of the rest. The table is bounded: reasons
 * beyond it share one place. One thread at a time.
 */
#ifndef BASE_LOGLIMIT_H
#define BASE_LOGLIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOGLIMIT_EACH_SECOND = 10, LOGLIMIT_REASONS = 64, LOGLIMIT_NAME = 48 };

struct loglimit {
    struct loglimit_reason {
        char name[LOGLIMIT_NAME]; /* its beginning, if it is longer */
        uint64_t since_ms;        /* when its second began */
        uint64_t suppressed;      /* not yet told */
        unsigned logged;          /* in this second */
    } reasons[LOGLIMIT_REASONS];  /* the last one is for all that found no place */
    size_t count;
};

/* Zeroed memory is an empty one. True: log the event, with `*suppressed` as its `suppressed`. `reason` may be NULL. */
bool loglimit_take(struct loglimit *l, const char *reason, uint64_t now_ms, uint64_t *suppressed);

/* For a timer: a reason whose second is over and whose suppressed events nobody has told, or NULL. They count as told
 * then. The name is borrowed until the next call; that of the shared place is "other". */
const char *loglimit_due(struct loglimit *l, uint64_t now_ms, uint64_t *suppressed);

#endif
