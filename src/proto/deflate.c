/* SPDX-License-Identifier: MIT */
#include "proto/deflate.h"
#include "base/mem.h"
#include "proto/pack.h"
#include <string.h>
#include <zlib.h>

enum {
    /* Up to here a message's compressor has small tables: clearing them costs more than the message otherwise. */
    SHORT_MOST = 4096,
    SHORT_BITS = 13,
    SHORT_MEMORY = 5,
    TAIL = 4,
    SLICE = 1 << 30, /* zlib counts in 32 bits */
    SPARE_MOST = 4096,
    GROWTH_LEAST = 512,
    GROWTH_SPARE = 320, /* zlib's fast loop wants room for its longest match */
    INFLATED_WINDOW_MS = 10000
};

static const uint8_t tail[TAIL] = { 0x00, 0x00, 0xff, 0xff };

struct deflate {
    struct deflate_pool *pool;
    z_stream *out, *in; /* our own, or lent for a message */
    struct pack *pack;  /* our own; NULL where there is a pool */
    duet_shared *held;  /* compressed bytes that wait for the end of their message */
    uint64_t window_ms; /* when `inflated` began to count */
    uint64_t inflated;
    unsigned least, level, inflated_per_s;
    struct extension agreed;
    bool stale;   /* the window of `out` is not what the peer has */
    bool feeding; /* `in` is in the middle of a message */
    bool whole;   /* nothing came since the message began or its last final block ended */
};

/* A stream of zlib, with what it takes: zlib keeps all of it until the end. */
struct counted {
    z_stream z; /* first */
    struct deflate_pool *pool;
    size_t bytes;
};

static void count(struct deflate_pool *pool, size_t more, size_t less)
{
    if (pool != NULL)
        __atomic_store_n(&pool->bytes, pool->bytes + more - less, __ATOMIC_RELAXED);
}

static void *stream_alloc(void *opaque, unsigned items, unsigned size)
{
    struct counted *c = opaque;
    size_t n = (size_t)items * size;
    void *p = mem_alloc(n);
    if (p != NULL) {
        c->bytes += n;
        count(c->pool, n, 0);
    }
    return p;
}

static void stream_release(void *unused, void *p)
{
    (void)unused;
    mem_free(p);
}

static z_stream *stream_new(struct deflate_pool *pool)
{
    struct counted *c = mem_zalloc(sizeof(*c));
    if (c == NULL)
        return NULL;
    c->pool = pool;
    c->bytes = sizeof(*c);
    count(pool, sizeof(*c), 0);
    c->z.zalloc = stream_alloc;
    c->z.zfree = stream_release;
    c->z.opaque = c;
    return &c->z;
}

/* After zlib's own end. */
static void stream_free(z_stream *z)
{
    struct counted *c = (struct counted *)(void *)z;
    count(c->pool, 0, c->bytes);
    mem_free(c);
}

static z_stream *deflater_new(struct deflate_pool *pool, unsigned level, int bits, int memory)
{
    z_stream *z = stream_new(pool);
    if (z != NULL && deflateInit2(z, (int)level, Z_DEFLATED, -bits, memory, Z_DEFAULT_STRATEGY) != Z_OK) {
        stream_free(z);
        return NULL;
    }
    return z;
}

static z_stream *inflater_new(struct deflate_pool *pool, int bits)
{
    z_stream *z = stream_new(pool);
    if (z != NULL && inflateInit2(z, -bits) != Z_OK) {
        stream_free(z);
        return NULL;
    }
    return z;
}

static void deflater_free(z_stream *z)
{
    if (z == NULL)
        return;
    deflateEnd(z);
    stream_free(z);
}

static void inflater_free(z_stream *z)
{
    if (z == NULL)
        return;
    inflateEnd(z);
    stream_free(z);
}

void deflate_pool_fini(struct deflate_pool *pool)
{
    for (unsigned bits = 0; bits <= EXTENSION_BITS_MOST; bits++) {
        deflater_free(pool->out[0][bits]);
        deflater_free(pool->out[1][bits]);
    }
    pack_free(pool->pack);
    while (pool->in_count > 0)
        inflater_free(pool->in[--pool->in_count]);
    memset(pool, 0, sizeof(*pool));
}

struct deflate *deflate_new(const struct extension *agreed, const duet_deflate *options, struct deflate_pool *pool)
{
    struct deflate *d = mem_zalloc(sizeof(*d));
    if (d == NULL)
        return NULL;
    count(pool, sizeof(*d), 0);
    d->pool = pool;
    d->agreed = *agreed;
    d->least = options->least;
    d->level = options->level;
    d->inflated_per_s = options->inflated_per_s;
    d->whole = true;
    return d;
}

void deflate_free(struct deflate *d)
{
    if (d == NULL)
        return;
    deflate_drop(d);
    deflater_free(d->out);
    pack_free(d->pack);
    inflater_free(d->in);
    count(d->pool, 0, sizeof(*d));
    mem_free(d);
}

/* Compressing. */

/* The tables are as large as the window makes sense of: 256 KiB in all for 15 bits, 3 KiB for 9. */
static int memory_for(int bits)
{
    return bits - 7 > 8 ? 8 : bits - 7;
}

/* A compressor of the pool with an empty window, or our own, which goes on where it was unless `fresh`. */
static z_stream *deflater(struct deflate *d, size_t len, bool fresh)
{
    int bits = d->agreed.own_bits;
    z_stream **place = &d->out;
    int memory = memory_for(bits);
    if (d->pool != NULL && fresh) {
        bool is_short = len <= SHORT_MOST;
        place = &d->pool->out[is_short ? 0 : 1][bits];
        if (is_short && bits > SHORT_BITS)
            bits = SHORT_BITS;
        if (is_short && memory > SHORT_MEMORY)
            memory = SHORT_MEMORY;
    }
    if (*place == NULL)
        *place = deflater_new(d->pool, d->level, bits, memory);
    else if (fresh || d->stale)
        deflateReset(*place);
    return *place;
}

/* One message by this compressor; 0: it does not get shorter, or there is no memory. */
static size_t pack_zlib(z_stream *z, const uint8_t *data, size_t len, uint8_t *to)
{
    if (z == NULL)
        return 0;
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    z->next_out = to;
    z->avail_out = (uInt)len + DEFLATE_ROOM;
    int rc = deflate(z, Z_SYNC_FLUSH);
    if (rc != Z_OK || z->avail_out == 0) /* GCOV_EXCL_BR_LINE: zlib fails for wrong arguments alone */
        return 0;
    size_t n = len + DEFLATE_ROOM - z->avail_out - TAIL;
    return n < len ? n : 0;
}

/* One message from an empty window. */
static size_t pack_alone(struct deflate *d, const uint8_t *data, size_t len, uint8_t *to)
{
    if (!pack_does(d->level))
        return pack_zlib(deflater(d, len, true), data, len, to);
    struct pack **place = d->pool != NULL ? &d->pool->pack : &d->pack;
    if (*place == NULL && (*place = pack_new()) != NULL)
        count(d->pool, pack_size(), 0);
    return *place != NULL ? pack_message(*place, data, len, d->agreed.own_bits, to) : 0;
}

size_t deflate_pack(struct deflate *d, const uint8_t *data, size_t len, uint8_t *to)
{
    if (len < d->least || len == 0 || len > SLICE)
        return 0;
    if (d->agreed.own_reset)
        return pack_alone(d, data, len, to);
    size_t n = pack_zlib(deflater(d, len, false), data, len, to);
    d->stale = n == 0;
    return n;
}

void deflate_forget(struct deflate *d)
{
    d->stale = true;
}

static duet_shared *version_of(duet_shared *s, unsigned bits)
{
    duet_shared *v = atomic_load_explicit(&s->packed, memory_order_acquire);
    while (v != NULL && v->bits != bits)
        v = atomic_load_explicit(&v->packed, memory_order_relaxed);
    return v;
}

/* An empty version says that it does not get shorter. */
static duet_shared *version_new(struct deflate *d, duet_shared *s)
{
    duet_shared *v = shared_alloc(s->len + DEFLATE_ROOM);
    if (v == NULL)
        return NULL;
    v->len = pack_alone(d, s->payload, s->len, v->payload);
    v->bits = d->agreed.own_bits;
    duet_shared *tight = shared_grow(v, v->len);
    v = tight ? tight : v;
    shared_encode(v, s->type | DEFLATE_RSV);
    return v;
}

duet_shared *deflate_shared(struct deflate *d, duet_shared *s)
{
    if (s->len < d->least || s->len == 0 || s->len > SLICE)
        return s;
    duet_shared *v = version_of(s, d->agreed.own_bits);
    if (v == NULL) {
        v = version_new(d, s);
        d->stale = true;
        if (v == NULL)
            return s;
        /* Another loop may have made the same meanwhile; then there are two of it. */
        duet_shared *next = atomic_load_explicit(&s->packed, memory_order_relaxed);
        do {
            atomic_store_explicit(&v->packed, next, memory_order_relaxed);
            /* GCOV_EXCL_BR_START: two loops in the same moment */
        } while (!atomic_compare_exchange_weak_explicit(&s->packed, &next, v, memory_order_acq_rel,
                                                        memory_order_relaxed));
        /* GCOV_EXCL_BR_STOP */
    }
    if (v->len == 0)
        return s;
    d->stale = true;
    return v;
}

/* Inflating. */

/* The decompressor for a message that begins or goes on; NULL without memory. */
static z_stream *inflater(struct deflate *d)
{
    if (d->in == NULL && d->pool != NULL && d->agreed.peer_reset) {
        d->in = d->pool->in_count > 0 ? d->pool->in[--d->pool->in_count] : inflater_new(d->pool, EXTENSION_BITS_MOST);
    } else if (d->in == NULL) {
        int bits = d->agreed.peer_bits; /* a zlib peer with 8 compresses with 9 */
        d->in = inflater_new(d->pool, bits < EXTENSION_BITS_LEAST ? EXTENSION_BITS_LEAST : bits);
    }
    if (d->in != NULL && !d->feeding && d->agreed.peer_reset)
        inflateReset(d->in);
    d->feeding = d->in != NULL;
    return d->in;
}

/* The message is over. */
static void inflater_done(struct deflate *d)
{
    d->feeding = false;
    d->whole = true;
    if (d->pool == NULL || !d->agreed.peer_reset || d->in == NULL)
        return;
    if (d->pool->in_count < sizeof(d->pool->in) / sizeof(d->pool->in[0]))
        d->pool->in[d->pool->in_count++] = d->in;
    else
        inflater_free(d->in);
    d->in = NULL;
}

/* Room for more output: at least one byte, or none at the limit. Twice what there was; at first four times `coming`
 * and some. */
static bool grow(duet_shared **out, size_t coming, size_t most)
{
    size_t cap = *out ? (*out)->cap : 0;
    size_t want = cap > 0 ? 2 * cap : 4 * coming + GROWTH_SPARE;
    if (want < GROWTH_LEAST)
        want = GROWTH_LEAST;
    if (want > most)
        want = most;
    if (*out != NULL && ((*out)->len < cap || want <= cap))
        return true;
    duet_shared *s = *out ? shared_grow(*out, want) : shared_alloc(want);
    if (s != NULL)
        *out = s;
    return s != NULL;
}

/* One step: as much output as there is room for. At the limit one byte of its own shows whether more would come. */
static int step(struct deflate *d, duet_shared *s)
{
    uint8_t beyond;
    size_t room = s->cap - s->len;
    z_stream *z = d->in;
    uInt given = room > SLICE ? SLICE : room ? (uInt)room : 1; /* GCOV_EXCL_BR_LINE: no test has a message of 1 GiB */
    z->next_out = room ? s->payload + s->len : &beyond;
    z->avail_out = given;
    int rc = inflate(z, Z_SYNC_FLUSH);
    size_t n = given - z->avail_out;
    if (room == 0 && n > 0)
        return DUET_ERR_TOO_BIG;
    s->len += n;
    if (rc == Z_MEM_ERROR)
        return DUET_ERR_NOMEM;
    if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END)
        return DUET_ERR_PROTOCOL;
    /* A final block ends no message: another stream follows, with the window as it is (7.2.3.4). */
    if (rc == Z_STREAM_END) {
        inflateResetKeep(z);
        d->whole = z->avail_in == 0;
        return z->avail_in > 0;
    }
    return z->avail_out == 0;
}

static int feed(struct deflate *d, const uint8_t *data, size_t len, size_t most, duet_shared **out)
{
    z_stream *z = d->in;
    while (len > 0) {
        size_t n = len < SLICE ? len : SLICE;
        z->next_in = (uint8_t *)(uintptr_t)data;
        z->avail_in = (uInt)n;
        d->whole = false;
        int more = 1;
        while (more == 1)
            more = grow(out, n, most) ? step(d, *out) : DUET_ERR_NOMEM;
        if (more < 0)
            return more;
        data += n;
        len -= n;
    }
    return 0;
}

/* Puts the tail back that the sender took off, after which a block must have ended, on a whole byte. When that was a
 * final one, the stream begins anew and has no block yet. */
static int finish(struct deflate *d, size_t most, duet_shared **out)
{
    enum { BITS = 63, BETWEEN_BLOCKS = 128 };
    if (!grow(out, 0, most))
        return DUET_ERR_NOMEM;
    if (d->whole)
        return 0;
    int rc = feed(d, tail, sizeof(tail), most, out);
    if (rc == 0 && !d->whole && (d->in->data_type & (BITS | BETWEEN_BLOCKS)) != BETWEEN_BLOCKS)
        rc = DUET_ERR_PROTOCOL;
    /* It may be passed on, and wait in queues, which count its length. */
    duet_shared *tight = NULL;
    if (rc == 0 && (*out)->cap - (*out)->len > SPARE_MOST)
        tight = shared_grow(*out, (*out)->len);
    *out = tight ? tight : *out;
    return rc;
}

static int hold(struct deflate *d, const uint8_t *data, size_t len)
{
    size_t have = d->held ? d->held->len : 0, cap = d->held ? d->held->cap : 0;
    if (len == 0)
        return 0;
    if (have + len > cap) {
        size_t want = 2 * (have + len) < DEFLATE_HELD ? 2 * (have + len) : DEFLATE_HELD;
        duet_shared *s = d->held ? shared_grow(d->held, want) : shared_alloc(want);
        if (s == NULL)
            return DUET_ERR_NOMEM;
        d->held = s;
    }
    memcpy(d->held->payload + have, data, len);
    d->held->len = have + len;
    return 0;
}

int deflate_take(struct deflate *d, const uint8_t *data, size_t len, bool last, size_t most, duet_shared **out)
{
    size_t have = d->held ? d->held->len : 0;
    if (!last && !d->feeding && d->agreed.peer_reset && len <= DEFLATE_HELD - have)
        return hold(d, data, len);
    if (inflater(d) == NULL)
        return DUET_ERR_NOMEM;
    int rc = have > 0 ? feed(d, d->held->payload, have, most, out) : 0;
    duet_shared_unref(d->held);
    d->held = NULL;
    if (rc == 0)
        rc = feed(d, data, len, most, out);
    if (rc == 0 && last)
        rc = finish(d, most, out);
    if (rc == 0 && last)
        inflater_done(d);
    return rc;
}

bool deflate_allows(struct deflate *d, size_t n, uint64_t now_ms)
{
    if (d->inflated_per_s == DUET_OFF)
        return true;
    if (now_ms - d->window_ms >= INFLATED_WINDOW_MS) {
        d->window_ms = now_ms;
        d->inflated = 0;
    }
    d->inflated += n;
    return d->inflated <= (uint64_t)d->inflated_per_s * (INFLATED_WINDOW_MS / 1000);
}

void deflate_drop(struct deflate *d)
{
    duet_shared_unref(d->held);
    d->held = NULL;
    inflater_done(d);
}
