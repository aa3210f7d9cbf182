/* SPDX-License-Identifier: MIT */
/*
 * Publications followed on their way: a tracer watches one channel, and gets a step for each thing that happens to a
 * publication there. Steps lie in a ring of its own until they are taken; what a full one has no room for is counted,
 * and nobody who publishes waits. While nobody traces, a publication costs one branch that is never taken.
 *
 *     came by a way     known: its key was seen, or it is stale
 *        |              numbered     kept by the store     told to members     for each loop: all its members have it
 *        +-- refused -------|--------------|--------------------|------------------------|
 *                                       failed
 */
#ifndef HUB_TRACE_H
#define HUB_TRACE_H

#include "hub/hub.h"

enum { TRACE_STEPS = 512, TRACE_TRACERS = 8, TRACE_TEXT = 160, TRACE_WAY = 16 };

enum trace_kind {
    TRACE_CAME,     /* by `way`, from `text`: `count` bytes of kind `more` (enum hub_kind) */
    TRACE_REFUSED,  /* `error`: its code; `text`: its words */
    TRACE_LOADS,    /* the channel was not in memory: it waits for the store */
    TRACE_KNOWN,    /* a repeat: its key was seen at `offset`, or it is older than what was seen (`more`) */
    TRACE_NUMBERED, /* `offset`; `more`: the store has it to keep */
    TRACE_KEPT,     /* so long it took */
    TRACE_FAILED,   /* the store did not take it */
    TRACE_TOLD,     /* to `count` subscribers, in `more` forms */
    TRACE_GIVEN     /* the `count` members on loop `loop` have it, within `more` turns; `more` 0: some have not yet */
};

struct trace_step {
    uint64_t us; /* CLOCK_MONOTONIC */
    uint64_t offset, count, more;
    uint32_t run; /* which publication: numbers in the order in which they came */
    enum trace_kind kind;
    int error;
    unsigned loop;
    char way[TRACE_WAY], text[TRACE_TEXT + 1]; /* text: cut to its room; of who it came from JSON */
};

struct tracer;

/* `news` is called on the loop of connection `id` when there are steps to take, with nothing taken since not again. 0;
 * DUET_ERR_NOMEM; DUET_ERR_LIMIT: there are TRACE_TRACERS already. */
int hub_trace_begin(struct tracer **out, struct hub *h, const char *channel, size_t len, duet_server *server,
                    uint64_t id, void (*news)(duet_server *s, uint64_t id, void *unused));
void hub_trace_end(struct tracer *t); /* NULL is fine */
/* Takes the oldest steps out. How many; `lost` is how many had no room since the last call. */
unsigned hub_trace_take(struct tracer *t, struct trace_step *out, unsigned most, uint64_t *lost);

/* For a way in that refuses a publication itself, with this code and these words. */
void hub_trace_refused(struct hub *h, const struct hub_publish *what, int code, const char *words);

#endif
