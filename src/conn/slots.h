/* SPDX-License-Identifier: MIT */
/*
 * Where the connections of one loop lie: in blocks of 64, one behind the other, so that none pays for the allocator and
 * a number finds it. A slot that is free again is taken first. Blocks stay until the loop ends.
 */
#ifndef CONN_SLOTS_H
#define CONN_SLOTS_H

#include <stddef.h>
#include <stdint.h>

enum { SLOTS_EACH = 64, SLOTS_MOST = 1 << 24 };

struct conn_slots {
    size_t size; /* of one; 0: there are none */
    size_t kept; /* bytes at the front that stay when a slot is free, zero before its first use */
    char **blocks;
    uint32_t count; /* of blocks */
    uint32_t cap;
    void *free;    /* the last that became free; behind what is kept each has the next */
    uint32_t next; /* the first number that was never used */
};

/* A slot, zeroed behind what is kept. *number is that of one that was never used, else UINT32_MAX: it had one before.
 * NULL without memory. */
void *slots_take(struct conn_slots *s, uint32_t *number);
void slots_give(struct conn_slots *s, void *slot);
/* Number `n`; NULL: there was never one. Only what is kept may be looked at in a free one. */
static inline void *slots_at(const struct conn_slots *s, uint32_t n)
{
    return n < s->next ? s->blocks[n / SLOTS_EACH] + n % SLOTS_EACH * s->size : NULL;
}
void slots_fini(struct conn_slots *s);

#endif
