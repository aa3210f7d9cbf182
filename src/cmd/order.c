/* SPDX-License-Identifier: MIT */
#include "cmd/order.h"

static uint64_t shift_left(uint64_t bits, uint64_t by)
{
    return by < ORDER_WINDOW ? bits << by : 0;
}

/* Before number 0 nothing is missing. */
static uint64_t came_before(const struct order *o)
{
    return o->want < ORDER_WINDOW ? o->seen | ~(uint64_t)0 << o->want : o->seen;
}

enum order_verdict order_take(struct order *o, uint64_t number, uint64_t *missing)
{
    *missing = 0;
    if (number >= o->want) {
        *missing = number - o->want;
        o->seen = shift_left(came_before(o), *missing + 1) | 1;
        o->want = number + 1;
        return *missing == 0 ? ORDER_NEXT : ORDER_AHEAD;
    }
    uint64_t ago = o->want - 1 - number;
    if (ago >= ORDER_WINDOW || (o->seen >> ago & 1))
        return ORDER_AGAIN;
    o->seen |= (uint64_t)1 << ago;
    return ORDER_LATE;
}
