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

struct timer {
    struct timer *next, **link; /* link is NULL when it is not armed */
    uint64_t at_ms;
    void (*due)(struct timer *);
};

struct wheel {
    uint64_t now_ms;
    uint64_t used[5]; /* bit n: slot n holds something */
    struct timer *slots[5][64];
    struct timer *firing;
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void timer_arm(struct wheel *w, struct timer *t, uint64_t at_ms); /* moves it when armed; the past: next advance */
void timer_cancel(struct wheel *w, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->link != 0;
}
/* A time at or before the first timer's; UINT64_MAX when none is armed. */
uint64_t wheel_next(const struct wheel *w);
/* Runs what is due up to `now_ms`, earliest first as far as ticks tell. A callback may arm, cancel and free any. */
void wheel_advance(struct wheel *w, uint64_t now_ms);

#endif
