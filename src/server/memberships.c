/* SPDX-License-Identifier: MIT */
#include "server/memberships.h"
#include "base/mem.h"
#include "conn/conn.h"
#include <duet/error.h>

/* What `duet_conn.topic` points to when there are several; one alone lies in the connection itself. */
struct memberships {
    uint32_t count, cap;
    struct membership of[];
};

static struct memberships *several(const duet_conn *c)
{
    return c->topic != NULL && c->topic_index == UINT32_MAX ? (struct memberships *)(void *)c->topic : NULL;
}

size_t memberships_count(const duet_conn *c)
{
    const struct memberships *all = several(c);
    return all ? all->count : c->topic != NULL;
}

uint32_t *memberships_place(duet_conn *c, const struct topic *t)
{
    struct memberships *all = several(c);
    if (all == NULL)
        return c->topic == t ? &c->topic_index : NULL;
    for (uint32_t i = 0; i < all->count; i++)
        if (all->of[i].topic == t)
            return &all->of[i].index;
    return NULL;
}

struct membership memberships_at(const duet_conn *c, uint32_t i)
{
    const struct memberships *all = several(c);
    return all ? all->of[i] : (struct membership){ c->topic, c->topic_index };
}

int memberships_grow(duet_conn *c)
{
    struct memberships *all = several(c);
    if (c->topic == NULL || (all != NULL && all->count < all->cap))
        return 0;
    uint32_t cap = all ? 2 * all->cap : 2;
    struct memberships *grown = mem_realloc(all, sizeof(*all) + cap * sizeof(all->of[0]));
    if (grown == NULL)
        return DUET_ERR_NOMEM;
    if (all == NULL) {
        grown->count = 1;
        grown->of[0] = (struct membership){ c->topic, c->topic_index };
    }
    grown->cap = cap;
    c->topic = (struct topic *)(void *)grown;
    c->topic_index = UINT32_MAX;
    return 0;
}

void memberships_add(duet_conn *c, struct topic *t, uint32_t index)
{
    struct memberships *all = several(c);
    if (all != NULL) {
        all->of[all->count++] = (struct membership){ t, index };
        return;
    }
    c->topic = t;
    c->topic_index = index;
}

void memberships_drop(duet_conn *c, uint32_t i)
{
    struct memberships *all = several(c);
    if (all != NULL) {
        all->of[i] = all->of[--all->count];
        if (all->count > 0)
            return;
        mem_free(all);
    }
    c->topic = NULL;
}
