/* SPDX-License-Identifier: MIT */
/*
 * A hierarchical timing wheel: 5 levels of 64 slots, 1 ms the tick (64 ms, 4 s, 4.4 min, 4.7 h, 12 days; what is
 * later is put in the last and found again there). Arm and cancel are O(1); nothing sweeps. Knows no clock: time
 * is an argument.
 */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* A timer without its function: that of all `plain` ones is the wheel's. There is one in each connection. */
struct tick {
    struct tick *next, **link; /* link is NULL when it is not armed */
    uint64_t at_ms : 63;
    uint64_t plain : 1;
};

struct timer {
    union {
        struct tick tick;
        struct {
            struct tick *next, **link;
            uint64_t at_ms : 63;
        };
    };
    void (*due)(struct timer *);
};

struct wheel {
    uint64_t now_ms;
    uint64_t used[5]; /* bit n: slot n holds something */
    struct tick *slots[5][64];
    struct tick *firing;
    void (*due)(struct tick *); /* of those that are plain */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void tick_arm(struct wheel *w, struct tick *t, uint64_t at_ms); /* moves it when armed; the past: next advance */
void tick_cancel(struct wheel *w, struct tick *t);

static inline bool tick_armed(const struct tick *t)
{
    return t->link != 0;
}

static inline void timer_arm(struct wheel *w, struct timer *t, uint64_t at_ms)
{
    tick_arm(w, &t->tick, at_ms);
}

static inline void timer_cancel(struct wheel *w, struct timer *t)
{
    tick_cancel(w, &t->tick);
}

static inline bool timer_armed(const struct timer *t)
{
    return tick_armed(&t->tick);
}

/* A time at or before the first timer's; UINT64_MAX when none is armed. */
uint64_t wheel_next(const struct wheel *w);
/* Runs what is due up to `now_ms`, earliest first as far as ticks tell. A callback may arm, cancel and free any. */
void wheel_advance(struct wheel *w, uint64_t now_ms);

#endif
