/* SPDX-License-Identifier: MIT */
/*
 * What a connection has to write, in order: small things copied, large ones by reference.
 *
 * A chain of 4 KiB chunks holds records one behind the other, each on 8 bytes. A BYTES record is a run of copied bytes
 * and grows while it is the last, so that many small frames become one run. A REF record points to bytes elsewhere: of
 * a counted message, of the caller's until outq_settle(), or constant ones. When its frame's head is a record before
 * it, it is a PAYLOAD. A PONG record is a frame that is counted until it is written. An empty queue owns nothing;
 * chunks come from the loop's pool, or from the allocator without one.
 */
#ifndef PROTO_OUTQ_H
#define PROTO_OUTQ_H

#include "base/mem.h"
#include "proto/shared.h"
#include <sys/uio.h>

enum { OUTQ_CHUNK = 4096, OUTQ_COPY_MOST = OUTQ_CHUNK - 64, OUTQ_PONGS_MOST = 16 };

struct chunk;
struct part {
    struct part *next;
};

enum { POOL_PARTS = 64, POOL_BLOCKS = 8, POOL_BLOCK_LEAST = 64 * 1024, POOL_BYTES = 16 * 1024 * 1024 };

/* What the connections of one loop use again: chunks, and a few large blocks for messages, since fresh pages would cost
 * as much as a copy. */
struct chunk_pool {
    struct chunk *free;
    unsigned count, most;
    struct part *parts; /* of proto.h: the busy parts of connections that were, all of one size */
    unsigned part_count;
    duet_shared *blocks[POOL_BLOCKS];
    unsigned block_count;
    size_t block_bytes;
};

/* An empty block of at least `cap` bytes that is there already; NULL: none is. `pool` may be NULL. */
duet_shared *pool_take(struct chunk_pool *pool, size_t cap);
/* Lets go a reference; keeps the block when it was the last one and there is room. */
void pool_unref(struct chunk_pool *pool, duet_shared *s);

/* A part of `size` bytes: zeros, or as whoever had it left it but for the first pointer; NULL without memory. */
static inline void *part_take(struct chunk_pool *pool, size_t size)
{
    struct part *p = pool->parts;
    if (p == NULL)
        return mem_zalloc(size);
    mem_show(p, size);
    pool->parts = p->next;
    pool->part_count--;
    p->next = NULL;
    return p;
}

static inline void part_give(struct chunk_pool *pool, void *part, size_t size)
{
    struct part *p = part;
    if (pool->part_count == POOL_PARTS) {
        mem_free(p);
        return;
    }
    p->next = pool->parts;
    pool->parts = p;
    pool->part_count++;
    mem_hide(p + 1, size - sizeof(*p));
}

void chunk_pool_fini(struct chunk_pool *pool);

struct outq {
    struct chunk *first, *last;
    struct chunk_pool *pool; /* may be NULL */
    size_t bytes;            /* all that waits */
    size_t done;             /* how much of the first record was written */
    uint32_t at, last_at;    /* the first and the last record */
    uint16_t pongs;
    bool borrowed; /* a REF to the caller's bytes may be there */
};

void outq_init(struct outq *q, struct chunk_pool *pool);
void outq_clear(struct outq *q); /* drops all of it; then it is as new */

/* Each queues all of it, or nothing and returns DUET_ERR_NOMEM. */
int outq_copy(struct outq *q, const void *a, size_t an, const void *b, size_t bn); /* together <= OUTQ_COPY_MOST */
/* Room for `n` bytes more in the run that is last, now part of the queue: to be filled at once. NULL: there is none. */
uint8_t *outq_extend(struct outq *q, uint32_t n);
/* The same bytes, at most OUTQ_COPY_MOST, to be filled at once. NULL: no memory. */
uint8_t *outq_place(struct outq *q, uint32_t n);
int outq_pong(struct outq *q, const void *frame, size_t len);
int outq_ref(struct outq *q, duet_shared *owner, const void *at, size_t len); /* takes a reference of its own */
int outq_borrow(struct outq *q, const void *at, size_t len);
int outq_static(struct outq *q, const void *at, size_t len); /* bytes that stay for ever */
/* Makes sure that `n` records more need no memory. 0 or DUET_ERR_NOMEM. */
int outq_prepare(struct outq *q, unsigned n);

int outq_output(const struct outq *q, struct iovec *iov, int max);
void outq_sent(struct outq *q, size_t n);
/* Drops what waits, but the rest of a frame that is partly written. Returns how many bytes were dropped. */
size_t outq_cut(struct outq *q);
/* Copies what is borrowed. DUET_ERR_NOMEM: it and all behind it is dropped. */
int outq_settle(struct outq *q);

#endif
