/* SPDX-License-Identifier: MIT */
/*
 * A load as all processes of `duet bench` see it: the plan, which never changes, and the memory that they share, in
 * which each writes its own tally and reads the others'.
 *
 *   parent:   reads memory, forks             start_ns      from_ns       until_ns                merges, reports
 *   process:                 opens, READY        | warm-up     | measure     | waits for the rest, DONE
 *
 * Time is CLOCK_MONOTONIC in nanoseconds, the same in all of them. What is shared is written by one and read by
 * others without a lock, by the two functions below.
 */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "base/clock.h"
#include "cmd/histogram.h"
#include "cmd/payload.h"
#include <time.h>

enum load_mode { LOAD_ECHO = 1, LOAD_FANOUT, LOAD_CONNECT, LOAD_IDLE, LOAD_SLOW };

enum {
    LOAD_PROCESSES = 64,
    LOAD_PUBLISHERS = 64,
    LOAD_IN_FLIGHT = 1024,
    LOAD_RING = 4096, /* publications whose times are kept */
    LOAD_TROUBLE = 200
};

struct load_plan {
    enum load_mode mode;
    const char *url, *publish_url;
    unsigned connections; /* all that are measured: echoing, subscribed, held, or at once in the handshake */
    unsigned publishers;  /* besides; 0: none */
    unsigned slow;        /* of the connections, those that read nothing */
    unsigned processes;
    unsigned opening;     /* handshakes at once in one process, before the start */
    unsigned in_flight;
    uint64_t rate;        /* messages, publications or connections a second in all; 0: closed loop */
    uint64_t warm_up_ns, duration_ns, wait_ns;
    bool spin;            /* never sleeps in epoll_wait */
    enum payload_kind kind;
    struct payload_sizes sizes;
    uint64_t seed;
    const char *const *sources; /* the addresses to come from, in turns; ends with NULL */
    unsigned loopbacks;         /* instead: so many of 127.0.0.0/8 */
};

enum load_state { LOAD_OPENING, LOAD_READY, LOAD_DONE };

/* What one process did. Up to `progress` it grows while it runs; the rest is set at its end. */
struct load_tally {
    uint64_t state;    /* enum load_state */
    uint64_t opened, failed, closed; /* connections; `closed` by the server, before the end */
    uint64_t sent, received;         /* messages */
    uint64_t unique;                 /* received and expected */
    uint64_t changed, strange, again, late; /* wrong bytes; another's; twice; out of order */
    uint64_t measured, measured_bytes; /* received, or opened, in the measured time */
    uint64_t alive, progress; /* subscribers that are open, and the sum of what each has behind it */

    uint64_t expected, unsent; /* what should have come; what was due and could not be sent */
    uint64_t slow_closed, slow_received; /* of the slow readers */
    uint64_t slow_code;        /* of the first that was closed */
    struct histogram latency;  /* from when it was due to when it came */
    struct histogram lag;      /* how late we were ourselves, with a rate */
    struct histogram opening;  /* from when it was due to OPEN */
    char trouble[LOAD_TROUBLE]; /* the first error, in words */
};

struct load_publisher {
    uint64_t published; /* so far: the next number */
    uint64_t first;     /* the first that is measured; UINT64_MAX: not yet */
    uint64_t at[LOAD_RING]; /* closed loop: when */
};

struct load_shared {
    uint64_t start_ns, from_ns, until_ns; /* start_ns: 0 until all are ready */
    uint64_t over; /* end as soon as may be */
    uint64_t published_all; /* no publication follows */
    struct load_publisher publishers[LOAD_PUBLISHERS];
    struct load_tally tallies[LOAD_PROCESSES];
};

static inline uint64_t load_get(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void load_set(uint64_t *at, uint64_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* By the only one that writes it. */
static inline void load_add(uint64_t *at, uint64_t n)
{
    __atomic_store_n(at, *at + n, __ATOMIC_RELAXED);
}

static inline uint64_t load_clock(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

#endif
