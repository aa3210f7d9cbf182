/* SPDX-License-Identifier: MIT */
/*
 * The system's randomness by the block, for what is asked for often and little: masking keys. A fork does not go on
 * with the bytes its parent has (CLI-6), and no byte stays in memory once it was given out.
 */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_BLOCK = 1024 };

struct random {
    unsigned left;       /* unused bytes, at the end */
    unsigned generation; /* of forks when it was filled */
    uint8_t bytes[RANDOM_BLOCK];
};

/* Straight from the system, for keys that are made once. 0 or DUET_ERR_RANDOM. */
int random_system(void *to, size_t len);

/* Fills `to`; `r` was zeroed at first. 0 or DUET_ERR_RANDOM. One thread at a time. */
int random_fill(struct random *r, void *to, size_t len);

#endif
