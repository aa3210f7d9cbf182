/* SPDX-License-Identifier: MIT */
/* How often something may be done: so many a second, and a burst of two seconds' worth. */
#ifndef HUB_BUCKET_H
#define HUB_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed it is full. */
struct bucket {
    uint64_t at_ms;
    uint32_t spent_us; /* of the two seconds, in microseconds of them */
};

/* Takes one of `per_s`; 0: there is no limit. False: there is none left. */
bool bucket_spend(struct bucket *b, uint64_t now_ms, unsigned per_s);

#endif
