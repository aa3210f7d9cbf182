/* SPDX-License-Identifier: MIT */
/* Whether numbered messages come each once and in order. Zeroed memory expects number 0. */
#ifndef CMD_ORDER_H
#define CMD_ORDER_H

#include <stdint.h>

enum { ORDER_WINDOW = 64 };

enum order_verdict {
    ORDER_NEXT,  /* the one that was due */
    ORDER_AHEAD, /* it came before others, or they are lost: how many is `missing` */
    ORDER_LATE,  /* one of those that were missing: out of order, not lost */
    ORDER_AGAIN  /* it was here before */
};

struct order {
    uint64_t want; /* the number that is due */
    uint64_t seen; /* bit n: number want - 1 - n came. What is longer ago counts as having come */
};

enum order_verdict order_take(struct order *o, uint64_t number, uint64_t *missing);

#endif
