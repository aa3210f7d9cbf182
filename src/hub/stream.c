/* SPDX-License-Identifier: MIT */
#include "hub/stream.h"
#include "base/mem.h"
#include <assert.h>
#include <duet/error.h>
#include <string.h>

void stream_init(struct stream *s, const char epoch[STREAM_EPOCH + 1])
{
    *s = (struct stream){ .top = 0 };
    memcpy(s->epoch, epoch, STREAM_EPOCH);
}

void stream_fini(struct stream *s)
{
    stream_clear(s);
    mem_free(s->ring);
    s->ring = NULL;
    s->cap = 0;
}

static struct publication **place(const struct stream *s, uint32_t i)
{
    return &s->ring[(s->first + i) % s->cap];
}

int stream_reserve(struct stream *s)
{
    if (s->count < s->cap)
        return 0;
    uint32_t cap = s->cap ? 2 * s->cap : 4;
    struct publication **ring = mem_alloc(cap * sizeof(struct publication *));
    if (ring == NULL)
        return DUET_ERR_NOMEM;
    for (uint32_t i = 0; i < s->count; i++)
        ring[i] = *place(s, i);
    mem_free(s->ring);
    s->ring = ring;
    s->cap = cap;
    s->first = 0;
    return 0;
}

void stream_append(struct stream *s, struct publication *p, uint32_t most, uint64_t now_ms)
{
    assert(s->count < s->cap && most > 0);
    assert(p->offset == 0 || p->offset == s->top + 1);
    p->offset = ++s->top;
    s->touched_ms = now_ms;
    *place(s, s->count++) = publication_ref(p);
    s->bytes += publication_size(p);
    while (s->count > most)
        stream_drop(s);
}

void stream_resume(struct stream *s, uint64_t top, uint64_t touched_ms)
{
    assert(s->count == 0);
    s->top = top;
    s->touched_ms = touched_ms;
}

void stream_drop(struct stream *s)
{
    struct publication *p = *place(s, 0);
    s->bytes -= publication_size(p);
    s->first = (s->first + 1) % s->cap;
    s->count--;
    publication_unref(p);
}

void stream_clear(struct stream *s)
{
    while (s->count > 0)
        stream_drop(s);
}

void stream_expire(struct stream *s, uint64_t ttl_ms, uint64_t now_ms)
{
    /* A time of touch in the future is of a clock that was put back: it counts as now (STO-8). */
    if (now_ms > s->touched_ms && now_ms - s->touched_ms >= ttl_ms)
        stream_clear(s);
}

struct publication *stream_at(const struct stream *s, uint64_t offset)
{
    uint64_t oldest = stream_oldest(s);
    return offset < oldest || offset > s->top ? NULL : *place(s, (uint32_t)(offset - oldest));
}

uint64_t stream_oldest(const struct stream *s)
{
    return s->top - s->count + 1;
}

bool stream_recovers(const struct stream *s, const struct stream_position *from, uint32_t most)
{
    if (from->epoch[0] != '\0' && strcmp(from->epoch, s->epoch) != 0)
        return false;
    return from->offset <= s->top && s->top - from->offset <= s->count && s->top - from->offset <= most;
}
