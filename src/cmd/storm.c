/* SPDX-License-Identifier: MIT */
/*
 * Connections that come and go: each opens, is closed at once by us, and makes room for the next. With a rate, opening
 * number `n` of all processes is due at start + n * period; when every slot is taken it waits, and its time to open
 * counts from when it was due.
 */
#include "base/mem.h"
#include "cmd/loader.h"

enum { HOPELESS = 1000 }; /* failures while nothing ever opened */

static uint64_t due_at(const struct loader *me, uint64_t number)
{
    return me->start_ns + (uint64_t)((double)(number * me->plan->processes + me->index) * me->period_ns);
}

int storm_init(struct loader *me)
{
    me->idle_slots = mem_alloc((me->count + 1) * sizeof(*me->idle_slots));
    if (me->idle_slots == NULL)
        return DUET_ERR_NOMEM;
    for (unsigned i = 0; i < me->count; i++)
        me->idle_slots[me->idle_count++] = me->count - 1 - i;
    return 0;
}

static void begin_one(struct loader *me, uint64_t due_ns)
{
    struct link *l = &me->links[me->idle_slots[--me->idle_count]];
    l->state = LINK_NEW;
    link_begin(l, due_ns);
}

uint64_t storm_next(const struct loader *me)
{
    return me->period_ns > 0 && me->idle_count > 0 ? due_at(me, me->storm_begun) : UINT64_MAX;
}

void storm_tick(struct loader *me)
{
    uint64_t now = load_clock();
    if (me->leaving)
        return;
    if (me->period_ns <= 0) {
        while (me->idle_count > 0 && now < me->until_ns)
            begin_one(me, now);
        return;
    }
    for (uint64_t at; me->idle_count > 0 && (at = due_at(me, me->storm_begun)) <= now && at < me->until_ns;) {
        me->storm_begun++;
        begin_one(me, at);
    }
}

void storm_opened(struct link *l)
{
    struct loader *me = l->loader;
    uint64_t now = load_clock();
    if (loader_measures(me, now))
        load_add(&me->tally->measured, 1);
    duet_close(l->conn, DUET_CODE_NORMAL, NULL);
}

void storm_gone(struct link *l)
{
    struct loader *me = l->loader;
    duet_client_free(l->client);
    l->client = NULL;
    me->idle_slots[me->idle_count++] = (unsigned)(l - me->links);
    if (me->tally->opened == 0 && me->tally->failed >= HOPELESS)
        load_set(&me->shared->over, 1);
    else
        loader_tick(me);
}

uint64_t storm_unbegun(const struct loader *me)
{
    uint64_t next = me->period_ns > 0 ? due_at(me, me->storm_begun) : UINT64_MAX;
    if (next >= me->until_ns)
        return 0;
    return (uint64_t)((double)(me->until_ns - next) / (me->period_ns * me->plan->processes)) + 1;
}

bool storm_outstanding(const struct loader *me)
{
    return me->idle_count < me->count || (me->period_ns > 0 && due_at(me, me->storm_begun) < me->until_ns);
}
