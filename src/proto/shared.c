/* SPDX-License-Identifier: MIT */
#include "proto/shared.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/frame.h"
#include <string.h>

_Static_assert(offsetof(struct duet_shared, payload) - offsetof(struct duet_shared, room) >= 10, "room for a head");

duet_shared *shared_alloc(size_t cap)
{
    if (cap > SIZE_MAX - sizeof(duet_shared))
        return NULL;
    duet_shared *s = mem_alloc(sizeof(*s) + cap);
    if (s == NULL)
        return NULL;
    atomic_init(&s->refs, 1);
    s->len = 0;
    s->cap = cap;
    s->type = 0;
    s->head_size = 0;
    s->bits = 0;
    atomic_init(&s->packed, NULL);
    return s;
}

duet_shared *shared_grow(duet_shared *s, size_t cap)
{
    if (cap > SIZE_MAX - sizeof(*s))
        return NULL;
    duet_shared *grown = mem_realloc(s, sizeof(*s) + cap);
    if (grown != NULL)
        grown->cap = cap;
    return grown;
}

void shared_encode(duet_shared *s, unsigned type)
{
    uint8_t head[FRAME_HEAD_MOST];
    size_t n = frame_encode(head, type, true, s->len, NULL);
    memcpy(s->payload - n, head, n);
    s->head_size = (uint8_t)n;
    s->type = (uint8_t)type;
}

duet_shared *duet_shared_new(duet_type type, const void *data, size_t len)
{
    if (type == DUET_TEXT ? !utf8_valid(data, len) : type != DUET_BINARY)
        return NULL;
    duet_shared *s = shared_alloc(len);
    if (s == NULL)
        return NULL;
    if (len > 0)
        memcpy(s->payload, data, len);
    s->len = len;
    shared_encode(s, type);
    return s;
}

duet_shared *duet_shared_ref(duet_shared *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

/* True: it was the last one. */
static bool lets_go(duet_shared *s)
{
    return atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1;
}

void shared_unpack(duet_shared *s)
{
    duet_shared *v = atomic_load_explicit(&s->packed, memory_order_relaxed);
    atomic_store_explicit(&s->packed, NULL, memory_order_relaxed);
    while (v != NULL) {
        duet_shared *next = atomic_load_explicit(&v->packed, memory_order_relaxed);
        if (lets_go(v))
            mem_free(v);
        v = next;
    }
}

void duet_shared_unref(duet_shared *s)
{
    if (s == NULL || !lets_go(s))
        return;
    /* A compressed form has none of its own: its `packed` is its list's. */
    if (s->bits == 0)
        shared_unpack(s);
    mem_free(s);
}

duet_type duet_shared_type(const duet_shared *s)
{
    return (duet_type)s->type;
}

const void *duet_shared_data(const duet_shared *s, size_t *len)
{
    *len = s->len;
    return s->payload;
}
