/* SPDX-License-Identifier: MIT */
#include "hook/breaker.h"

bool breaker_allows(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms >= b->until_ms) {
        b->state = BREAKER_TRYING;
        return true;
    }
    return b->state == BREAKER_CLOSED;
}

bool breaker_good(struct breaker *b)
{
    bool was_open = b->state != BREAKER_CLOSED;
    *b = (struct breaker){ .state = BREAKER_CLOSED };
    return was_open;
}

bool breaker_bad(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN)
        return false; /* it was asked before that */
    if (b->state == BREAKER_CLOSED && ++b->failures < BREAKER_FAILURES)
        return false;
    bool is_new = b->state == BREAKER_CLOSED;
    b->wait_ms = is_new ? BREAKER_LEAST_MS : 2 * b->wait_ms;
    if (b->wait_ms > BREAKER_MOST_MS)
        b->wait_ms = BREAKER_MOST_MS;
    b->until_ms = now_ms + b->wait_ms;
    b->state = BREAKER_OPEN;
    return is_new;
}
