/* SPDX-License-Identifier: MIT */
/* All chance of a simulation comes from one seed. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline size_t dice_below(struct dice *d, size_t n) /* 0 to n - 1 */
{
    return n > 1 ? (size_t)(dice_roll(d) % n) : 0;
}

static inline size_t dice_between(struct dice *d, size_t least, size_t most)
{
    return least + dice_below(d, most - least + 1);
}

static inline bool dice_one_in(struct dice *d, size_t n) /* 0: never */
{
    return n > 0 && dice_below(d, n) == 0;
}

/* 0 to `most`, each order of magnitude as likely as another. */
static inline size_t dice_size(struct dice *d, size_t most)
{
    unsigned bits = 0;
    while (most >> bits)
        bits++;
    size_t n = (size_t)(dice_roll(d) & (((uint64_t)1 << dice_below(d, bits + 1)) - 1));
    return n < most ? n : most;
}

static inline void dice_fill(struct dice *d, void *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)(dice_roll(d) >> 24);
}

#endif
