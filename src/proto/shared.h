/* SPDX-License-Identifier: MIT */
/*
 * A counted message with its frame head right before the payload, so that both are one run of bytes to write. Gathered
 * messages lie in one from their first byte; that is how a received message is passed on without a copy.
 */
#ifndef PROTO_SHARED_H
#define PROTO_SHARED_H

#include <duet/proto.h>
#include <stdatomic.h>

struct duet_shared {
    _Atomic uint64_t refs;
    size_t len, cap;
    _Atomic(duet_shared *) packed; /* its compressed forms, a list; see deflate_shared() */
    uint8_t type;      /* FRAME_*, with RSV1 when compressed; 0 until the head is encoded */
    uint8_t head_size;
    uint8_t bits;      /* of a compressed form: its window */
    uint8_t room[13];  /* the head ends where the payload begins */
    uint8_t payload[];
};

duet_shared *shared_alloc(size_t cap); /* empty, one reference; NULL without memory */
/* Grows an unshared one; may move it. NULL: no memory, `s` is as it was. */
duet_shared *shared_grow(duet_shared *s, size_t cap);
/* Puts the head of an unmasked whole message before the payload. The caller holds the only reference. */
void shared_encode(duet_shared *s, unsigned type);
/* Lets go the compressed forms. The caller holds the only reference. */
void shared_unpack(duet_shared *s);

static inline const uint8_t *shared_wire(const duet_shared *s)
{
    return s->payload - s->head_size;
}
static inline size_t shared_wire_len(const duet_shared *s)
{
    return s->head_size + s->len;
}
static inline bool shared_alone(const duet_shared *s)
{
    return atomic_load_explicit(&s->refs, memory_order_acquire) == 1;
}

#endif
