/* SPDX-License-Identifier: MIT */
#include "proto/outq.h"
#include "base/mem.h"
#include <assert.h>
#include <string.h>

struct chunk {
    struct chunk *next;
    uint32_t used;
    uint32_t unused;
    uint8_t data[OUTQ_CHUNK - 16];
};

enum kind { BYTES, PONG, REF, PAYLOAD };

struct record {
    uint32_t len; /* BYTES, PONG: the bytes behind it */
    uint32_t kind;
};

struct ref {
    duet_shared *owner; /* NULL: the caller's bytes */
    const uint8_t *at;
    size_t len;
};

/* On 8 bytes also where pointers have 4: the bounds of a run reckon with it. */
enum {
    NONE = UINT32_MAX,
    RECORD = sizeof(struct record),
    REF_RECORD = (sizeof(struct record) + sizeof(struct ref) + 7) / 8 * 8
};

_Static_assert(RECORD % 8 == 0 && sizeof(((struct chunk *)0)->data) % 8 == 0, "records and chunks are on 8 bytes");
_Static_assert(OUTQ_COPY_MOST <= sizeof(((struct chunk *)0)->data) - RECORD, "a copy fits a chunk");

static struct record *record_at(struct chunk *c, uint32_t at)
{
    return (struct record *)(void *)(c->data + at);
}

static struct ref *ref_of(struct record *r)
{
    return (struct ref *)(void *)(r + 1);
}

static bool is_ref(const struct record *r)
{
    return r->kind == REF || r->kind == PAYLOAD;
}

static uint32_t record_size(const struct record *r)
{
    return is_ref(r) ? REF_RECORD : RECORD + ((r->len + 7) & ~7u);
}

static size_t record_len(struct record *r)
{
    return is_ref(r) ? ref_of(r)->len : r->len;
}

static struct chunk *chunk_new(struct chunk_pool *pool)
{
    struct chunk *c = pool ? pool->free : NULL;
    if (c != NULL) {
        pool->free = c->next;
        pool->count--;
    } else {
        c = mem_alloc(sizeof(*c));
    }
    if (c != NULL) {
        c->next = NULL;
        c->used = 0;
    }
    return c;
}

static void chunk_free(struct chunk_pool *pool, struct chunk *c)
{
    if (pool == NULL || pool->count >= pool->most) {
        mem_free(c);
        return;
    }
    c->next = pool->free;
    pool->free = c;
    pool->count++;
}

void chunk_pool_fini(struct chunk_pool *pool)
{
    while (pool->parts != NULL) {
        struct part *p = pool->parts;
        pool->parts = p->next;
        mem_free(p);
    }
    pool->part_count = 0;
    while (pool->free != NULL) {
        struct chunk *c = pool->free;
        pool->free = c->next;
        mem_free(c);
    }
    pool->count = 0;
    while (pool->block_count > 0)
        duet_shared_unref(pool->blocks[--pool->block_count]);
    pool->block_bytes = 0;
}

duet_shared *pool_take(struct chunk_pool *pool, size_t cap)
{
    for (unsigned i = 0; pool != NULL && i < pool->block_count; i++) {
        duet_shared *s = pool->blocks[i];
        if (s->cap < cap)
            continue;
        pool->blocks[i] = pool->blocks[--pool->block_count];
        pool->block_bytes -= s->cap;
        s->len = 0;
        s->type = 0;
        s->head_size = 0;
        return s;
    }
    return NULL;
}

void pool_unref(struct chunk_pool *pool, duet_shared *s)
{
    if (pool == NULL || s == NULL || s->cap < POOL_BLOCK_LEAST || !shared_alone(s) ||
        pool->block_count == POOL_BLOCKS || pool->block_bytes + s->cap > POOL_BYTES) {
        duet_shared_unref(s);
        return;
    }
    shared_unpack(s);
    pool->blocks[pool->block_count++] = s;
    pool->block_bytes += s->cap;
}

void outq_init(struct outq *q, struct chunk_pool *pool)
{
    *q = (struct outq){ .pool = pool, .last_at = NONE };
}

/* A place for a record of `size` bytes; NULL without memory. */
static struct record *record_new(struct outq *q, uint32_t size)
{
    struct chunk *c = q->last;
    if (c == NULL || sizeof(c->data) - c->used < size) {
        struct chunk *next = c ? c->next : NULL; /* prepared */
        if (next == NULL)
            next = chunk_new(q->pool);
        if (next == NULL)
            return NULL;
        if (c != NULL)
            c->next = next;
        else
            q->first = next;
        q->last = c = next;
    }
    q->last_at = c->used;
    c->used += size;
    return record_at(c, q->last_at);
}

int outq_prepare(struct outq *q, unsigned n)
{
    assert(n * REF_RECORD <= sizeof(q->last->data));
    if (q->last == NULL) {
        /* A queue without records may own a chunk for a moment: what follows fills it. */
        struct chunk *c = chunk_new(q->pool);
        if (c == NULL)
            return DUET_ERR_NOMEM;
        q->first = q->last = c;
        q->last_at = NONE;
        return 0;
    }
    if (sizeof(q->last->data) - q->last->used >= n * REF_RECORD || q->last->next != NULL)
        return 0;
    q->last->next = chunk_new(q->pool);
    return q->last->next ? 0 : DUET_ERR_NOMEM;
}

/* The last record, if it is a run of bytes, which can grow. */
static struct record *last_run(const struct outq *q)
{
    if (q->last_at == NONE)
        return NULL;
    struct record *r = record_at(q->last, q->last_at);
    return r->kind == BYTES ? r : NULL;
}

uint8_t *outq_extend(struct outq *q, uint32_t n)
{
    struct record *r = last_run(q);
    if (r == NULL || sizeof(q->last->data) - RECORD - q->last_at - r->len < n)
        return NULL;
    uint8_t *to = (uint8_t *)(r + 1) + r->len;
    r->len += n;
    q->last->used = q->last_at + RECORD + ((r->len + 7) & ~7u);
    q->bytes += n;
    return to;
}

/* Not inlined, so that the extension of a run has no registers to save for it. */
static __attribute__((noinline)) uint8_t *begin_run(struct outq *q, uint32_t n)
{
    struct record *r = record_new(q, RECORD + ((n + 7) & ~7u));
    if (r == NULL)
        return NULL;
    *r = (struct record){ .len = n, .kind = BYTES };
    q->bytes += n;
    return (uint8_t *)(r + 1);
}

uint8_t *outq_place(struct outq *q, uint32_t n)
{
    assert(n <= OUTQ_COPY_MOST);
    uint8_t *to = outq_extend(q, n);
    return to != NULL ? to : begin_run(q, n);
}

int outq_copy(struct outq *q, const void *a, size_t an, const void *b, size_t bn)
{
    uint8_t *to = outq_place(q, (uint32_t)(an + bn));
    if (to == NULL)
        return DUET_ERR_NOMEM;
    memcpy(to, a, an);
    if (bn > 0)
        memcpy(to + an, b, bn);
    return 0;
}

int outq_pong(struct outq *q, const void *frame, size_t len)
{
    struct record *r = record_new(q, RECORD + (((uint32_t)len + 7) & ~7u));
    if (r == NULL)
        return DUET_ERR_NOMEM;
    *r = (struct record){ .len = (uint32_t)len, .kind = PONG };
    memcpy(r + 1, frame, len);
    q->bytes += len;
    q->pongs++;
    return 0;
}

/* The owner of what needs none: its count never falls to zero. */
static duet_shared for_ever = { .refs = 1 };

static int add_ref(struct outq *q, enum kind kind, duet_shared *owner, const void *at, size_t len)
{
    struct record *r = record_new(q, REF_RECORD);
    if (r == NULL)
        return DUET_ERR_NOMEM;
    r->kind = kind;
    r->len = 0;
    *ref_of(r) = (struct ref){ .owner = owner, .at = at, .len = len };
    q->bytes += len;
    return 0;
}

int outq_ref(struct outq *q, duet_shared *owner, const void *at, size_t len)
{
    int rc = add_ref(q, at == shared_wire(owner) ? REF : PAYLOAD, owner, at, len);
    if (rc == 0)
        duet_shared_ref(owner);
    return rc;
}

int outq_borrow(struct outq *q, const void *at, size_t len)
{
    int rc = add_ref(q, PAYLOAD, NULL, at, len);
    if (rc == 0)
        q->borrowed = true;
    return rc;
}

int outq_static(struct outq *q, const void *at, size_t len)
{
    int rc = add_ref(q, PAYLOAD, &for_ever, at, len);
    if (rc == 0)
        duet_shared_ref(&for_ever);
    return rc;
}

/* The commonest queue by far: the one record that is there is a run of bytes. NULL: it is another. */
static struct record *only_run(const struct outq *q)
{
    if (q->at != q->last_at || q->first != q->last) /* without records the last is NONE */
        return NULL;
    struct record *r = record_at(q->first, q->at);
    return r->kind == BYTES ? r : NULL;
}

int outq_output(const struct outq *q, struct iovec *iov, int max)
{
    struct record *run = only_run(q);
    if (run != NULL && max > 0) {
        iov[0] = (struct iovec){ .iov_base = (uint8_t *)(run + 1) + q->done, .iov_len = run->len - q->done };
        return 1;
    }
    int n = 0;
    size_t skip = q->done;
    uint32_t at = q->at;
    for (struct chunk *c = q->first; c != NULL && n < max; c = c->next, at = 0) {
        while (at < c->used && n < max) {
            struct record *r = record_at(c, at);
            size_t len = record_len(r);
            const uint8_t *from = is_ref(r) ? ref_of(r)->at : (const uint8_t *)(r + 1);
            if (len > skip)
                iov[n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)(from + skip), .iov_len = len - skip };
            skip = 0;
            at += record_size(r);
        }
    }
    return n;
}

static void record_drop(struct outq *q, struct record *r)
{
    if (is_ref(r))
        pool_unref(q->pool, ref_of(r)->owner);
    else if (r->kind == PONG)
        q->pongs--;
}

/* The queue is empty: the chunks go back, what was prepared too. */
static void release(struct outq *q)
{
    while (q->first != NULL) {
        struct chunk *c = q->first;
        q->first = c->next;
        chunk_free(q->pool, c);
    }
    q->last = NULL;
    q->at = 0;
    q->done = 0;
    q->last_at = NONE;
    q->bytes = 0;
    q->borrowed = false;
    assert(q->pongs == 0);
}

void outq_sent(struct outq *q, size_t n)
{
    assert(n <= q->bytes);
    if (n == q->bytes && only_run(q) != NULL) {
        release(q);
        return;
    }
    q->bytes -= n;
    while (q->first != NULL) {
        struct chunk *c = q->first;
        while (q->at < c->used) {
            struct record *r = record_at(c, q->at);
            size_t left = record_len(r) - q->done;
            if (n < left) {
                q->done += n;
                return;
            }
            n -= left;
            q->done = 0;
            q->at += record_size(r);
            record_drop(q, r);
        }
        if (c == q->last)
            break;
        q->first = c->next;
        q->at = 0;
        chunk_free(q->pool, c);
    }
    release(q);
}

void outq_clear(struct outq *q)
{
    for (struct chunk *c = q->first; c != NULL; c = c->next, q->at = 0)
        while (q->at < c->used) {
            struct record *r = record_at(c, q->at);
            q->at += record_size(r);
            record_drop(q, r);
        }
    release(q);
}

/* Drops the record at `at` of `c` and all behind it. */
static void truncate_at(struct outq *q, struct chunk *c, uint32_t at)
{
    uint32_t keep = at;
    for (struct chunk *d = c; d != NULL; d = d->next, at = 0) {
        uint32_t from = at;
        while (from < d->used) {
            struct record *r = record_at(d, from);
            from += record_size(r);
            q->bytes -= record_len(r);
            record_drop(q, r);
        }
        d->used = at;
    }
    if (c == q->first && keep == q->at) {
        q->bytes = 0;
        release(q);
        return;
    }
    q->last = c;
    q->last_at = NONE;
    while (c->next != NULL) {
        struct chunk *d = c->next;
        c->next = d->next;
        chunk_free(q->pool, d);
    }
}

size_t outq_cut(struct outq *q)
{
    size_t before = q->bytes;
    if (q->first == NULL)
        return 0;
    struct chunk *c = q->first;
    uint32_t at = q->at;
    bool half = q->done > 0;
    /* A record that was begun stays, and the payload whose head was written. */
    while (at < c->used && (half || record_at(c, at)->kind == PAYLOAD)) {
        at += record_size(record_at(c, at));
        half = false;
        if (at >= c->used && c != q->last) {
            c = c->next;
            at = 0;
        }
    }
    truncate_at(q, c, at);
    return before - q->bytes;
}

int outq_settle(struct outq *q)
{
    if (!q->borrowed)
        return 0;
    q->borrowed = false;
    uint32_t at = q->at;
    for (struct chunk *c = q->first; c != NULL; c = c->next, at = 0) {
        for (; at < c->used; at += record_size(record_at(c, at))) {
            struct record *r = record_at(c, at);
            if (!is_ref(r) || ref_of(r)->owner != NULL)
                continue;
            struct ref *ref = ref_of(r);
            bool first = c == q->first && at == q->at;
            size_t done = first ? q->done : 0;
            duet_shared *copy = shared_alloc(ref->len - done);
            if (copy == NULL) {
                if (first)
                    q->bytes += done; /* the part that was written counts no more */
                truncate_at(q, c, at);
                return DUET_ERR_NOMEM;
            }
            memcpy(copy->payload, ref->at + done, ref->len - done);
            copy->len = ref->len - done;
            *ref = (struct ref){ .owner = copy, .at = copy->payload, .len = copy->len };
            if (first)
                q->done = 0;
        }
    }
    return 0;
}
