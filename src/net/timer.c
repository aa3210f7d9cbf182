/* SPDX-License-Identifier: MIT */
/*
 * A timer lies on the level that its distance from now asks for, in the slot that bits of its time name. When time
 * comes to the first tick of a slot, the slot's timers are placed again, nearer. A distance of 64 ticks of a level
 * is not reached on it, so a slot never holds two rounds at once, and the slot of now itself is free on level 0:
 * it takes what is due already.
 */
#include "net/timer.h"
#include <stddef.h>

enum { LEVELS = 5, BITS = 6, SLOTS = 1 << BITS };

static const uint64_t furthest = ((uint64_t)1 << LEVELS * BITS) - 1;

static void push(struct tick **head, struct tick *t)
{
    t->next = *head;
    t->link = head;
    if (t->next != NULL)
        t->next->link = &t->next;
    *head = t;
}

static void place(struct wheel *w, struct tick *t)
{
    uint64_t at = t->at_ms > w->now_ms ? t->at_ms : w->now_ms;
    if (at - w->now_ms > furthest)
        at = w->now_ms + furthest;
    unsigned level = 0;
    while ((at - w->now_ms) >> BITS * (level + 1) != 0)
        level++;
    unsigned slot = (at >> BITS * level) & (SLOTS - 1);
    push(&w->slots[level][slot], t);
    w->used[level] |= (uint64_t)1 << slot;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    *w = (struct wheel){ .now_ms = now_ms };
}

void tick_arm(struct wheel *w, struct tick *t, uint64_t at_ms)
{
    tick_cancel(w, t);
    t->at_ms = at_ms & (UINT64_MAX >> 1); /* what it can say */
    place(w, t);
}

void tick_cancel(struct wheel *w, struct tick *t)
{
    if (t->link == NULL)
        return;
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    /* The last one of a slot: its link was the slot itself. As numbers, because the link may point elsewhere. */
    uintptr_t offset = (uintptr_t)t->link - (uintptr_t)w->slots;
    if (t->next == NULL && offset < sizeof(w->slots)) {
        size_t slot = offset / sizeof(w->slots[0][0]);
        w->used[slot / SLOTS] &= ~((uint64_t)1 << slot % SLOTS);
    }
    t->link = NULL;
}

static uint64_t rotate_right(uint64_t bits, unsigned by)
{
    return bits >> by | bits << (-by & 63);
}

uint64_t wheel_next(const struct wheel *w)
{
    if (w->used[0] >> (w->now_ms & (SLOTS - 1)) & 1)
        return w->now_ms;
    uint64_t first = UINT64_MAX;
    for (unsigned level = 0; level < LEVELS; level++) {
        if (w->used[level] == 0)
            continue;
        uint64_t after = (w->now_ms >> BITS * level) + 1;
        uint64_t bits = rotate_right(w->used[level], after & (SLOTS - 1));
        uint64_t at = (after + (unsigned)__builtin_ctzll(bits)) << BITS * level;
        if (at < first)
            first = at;
    }
    return first;
}

/* Empties a slot; its timers are still linked to each other and to the slot. */
static struct tick *take(struct wheel *w, unsigned level)
{
    unsigned slot = (w->now_ms >> BITS * level) & (SLOTS - 1);
    struct tick *first = w->slots[level][slot];
    w->slots[level][slot] = NULL;
    w->used[level] &= ~((uint64_t)1 << slot);
    return first;
}

/* Places again what lies in the slots that begin at this tick, the widest first. */
static void descend(struct wheel *w)
{
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        if ((w->now_ms & (((uint64_t)1 << BITS * level) - 1)) != 0)
            continue;
        for (struct tick *t = take(w, level), *next; t != NULL; t = next) {
            next = t->next;
            place(w, t);
        }
    }
}

/* Appends what is due at this tick; returns the new end. */
static struct tick **gather(struct wheel *w, struct tick **end)
{
    struct tick *t = take(w, 0);
    if (t == NULL)
        return end;
    *end = t;
    t->link = end;
    while (t->next != NULL)
        t = t->next;
    return &t->next;
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
    /* All that is due is gathered before the first callback: what a callback arms waits for the next advance at least,
     * so that no callback can keep us here. */
    struct tick **end = gather(w, &w->firing);
    for (uint64_t at; (at = wheel_next(w)) <= now_ms;) {
        w->now_ms = at;
        descend(w);
        end = gather(w, end);
    }
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    while (w->firing != NULL) {
        struct tick *t = w->firing;
        tick_cancel(w, t);
        if (t->plain)
            w->due(t);
        else
            ((struct timer *)(void *)t)->due((struct timer *)(void *)t);
    }
}
