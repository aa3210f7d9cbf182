/* SPDX-License-Identifier: MIT */
#include "hub/bucket.h"

enum { SECOND_US = 1000000, FULL_US = 2 * SECOND_US };

bool bucket_spend(struct bucket *b, uint64_t now_ms, unsigned per_s)
{
    uint64_t back = now_ms > b->at_ms ? (now_ms - b->at_ms) * 1000 : 0;
    uint32_t each = per_s > 0 && per_s < SECOND_US ? SECOND_US / per_s : 1;
    if (per_s == 0)
        return true;
    b->at_ms = now_ms;
    b->spent_us = back >= b->spent_us ? 0 : b->spent_us - (uint32_t)back;
    if (b->spent_us + each > FULL_US)
        return false;
    b->spent_us += each;
    return true;
}
