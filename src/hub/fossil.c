/* SPDX-License-Identifier: MIT */
/*
 * What the two have in common in front and at the end is copied: of most payloads that is nearly all. For what lies
 * between, the source is cut into blocks of BLOCK bytes, which a table finds by a hash of their bytes. The target is
 * walked with a rolling hash of the same: where a block of the source has it and really is there, the match is widened
 * to both sides, and the longest of the first CHAIN_MOST candidates is copied; what lies between matches is written
 * out. Time is bounded by the lengths times CHAIN_MOST.
 *
 * A match begins and ends at the beginning of a character in the target; the source has the same bytes there, so it is
 * the beginning of one in the source, too, and what is written out between two matches are whole characters.
 */
#include "hub/fossil.h"
#include "base/mem.h"
#include <stdint.h>
#include <string.h>

enum { BLOCK = 16, CHAIN_MOST = 64, NONE = -1 };

struct index {
    const char *source;
    size_t len, blocks;
    unsigned shift;        /* of a hash, to its slot */
    int32_t *first, *next; /* blocks by their hash, and those behind with the same */
};

struct match {
    size_t source, target, len;
};

/* Numbers and the checksum. */

static size_t put_number(char *out, uint64_t n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    char back[12];
    size_t len = 0;
    do
        back[len++] = digits[n & 63];
    while ((n >>= 6) > 0);
    for (size_t i = 0; i < len; i++)
        out[i] = back[len - 1 - i];
    return len;
}

static void put(struct buf *b, uint64_t n, char end)
{
    char text[13];
    size_t len = put_number(text, n);
    text[len++] = end;
    buf_put(b, text, len);
}

/* The sum of its bytes as big-endian words of 32 bits, the last filled up with zeroes. */
static uint32_t checksum(const char *at, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)(uint8_t)at[i] << (24 - 8 * (i & 3));
    return sum;
}

/* The rolling hash: of the bytes, and of the sums of the bytes. */

struct hash {
    uint16_t a, b;
};

static struct hash hash_of(const char *at)
{
    struct hash h = { 0, 0 };
    for (unsigned i = 0; i < BLOCK; i++) {
        h.a = (uint16_t)(h.a + (uint8_t)at[i]);
        h.b = (uint16_t)(h.b + (BLOCK - i) * (uint8_t)at[i]);
    }
    return h;
}

static void roll(struct hash *h, const char *at)
{
    uint8_t out = (uint8_t)at[0], in = (uint8_t)at[BLOCK];
    h->a = (uint16_t)(h->a - out + in);
    h->b = (uint16_t)(h->b - BLOCK * out + h->a);
}

static uint32_t slot(const struct index *x, struct hash h)
{
    return ((uint32_t)h.b << 16 | h.a) * UINT32_C(0x9e3779b1) >> x->shift; /* its upper bits depend on all */
}

static bool index_init(struct index *x, const char *source, size_t len)
{
    size_t slots = 16;
    *x = (struct index){ .source = source, .len = len, .blocks = len / BLOCK, .shift = 28 };
    for (; slots < 2 * x->blocks; x->shift--)
        slots *= 2;
    x->first = mem_alloc((slots + x->blocks) * sizeof(*x->first));
    if (x->first == NULL)
        return false;
    x->next = x->first + slots;
    memset(x->first, NONE, slots * sizeof(*x->first));
    for (size_t i = x->blocks; i > 0; i--) {
        uint32_t s = slot(x, hash_of(source + (i - 1) * BLOCK));
        x->next[i - 1] = x->first[s];
        x->first[s] = (int32_t)(i - 1);
    }
    return true;
}

/* Matching. */

static bool inside(const char *at, size_t i, size_t len)
{
    return i < len && ((uint8_t)at[i] & 0xc0) == 0x80;
}

/* Widened as far as it goes, the target's bytes before `from` left out, and cut back to whole characters. */
static struct match widen(const struct index *x, size_t source, const char *target, size_t at, size_t from, size_t len)
{
    size_t s = source, t = at;
    while (s > 0 && t > from && x->source[s - 1] == target[t - 1]) {
        s--;
        t--;
    }
    size_t end = at, source_end = source;
    while (source_end < x->len && end < len && x->source[source_end] == target[end]) {
        source_end++;
        end++;
    }
    while (t < end && inside(target, t, len)) {
        s++;
        t++;
    }
    while (end > t && inside(target, end, len))
        end--;
    return (struct match){ s, t, end - t };
}

/* The best of those that have this hash; of length 0: there is none. */
static struct match find(const struct index *x, struct hash h, const char *target, size_t at, size_t from, size_t len)
{
    struct match best = { 0, 0, 0 };
    int tries = CHAIN_MOST;
    for (int32_t i = x->first[slot(x, h)]; i != NONE && tries > 0; i = x->next[i], tries--) {
        size_t source = (size_t)i * BLOCK;
        if (memcmp(x->source + source, target + at, BLOCK) != 0)
            continue;
        struct match m = widen(x, source, target, at, from, len);
        if (m.len > best.len)
            best = m;
    }
    return best;
}

/* Whether the command to copy costs less than the bytes. */
static bool pays(const struct match *m)
{
    char text[13];
    return m->len > put_number(text, m->len) + put_number(text, m->source) + 2;
}

static void put_copy(struct buf *b, const struct match *m)
{
    if (m->len == 0)
        return;
    put(b, m->len, '@');
    put(b, m->source, ',');
}

static void put_literal(struct buf *b, const char *at, size_t len)
{
    if (len == 0)
        return;
    put(b, len, ':');
    buf_put(b, at, len);
}

/* The target's bytes from `done` to `len`. */
static void put_between(struct buf *b, const struct index *x, const char *target, size_t done, size_t len)
{
    size_t at = done;
    struct hash h = at + BLOCK <= len ? hash_of(target + at) : (struct hash){ 0, 0 };
    while (at + BLOCK <= len && b->len < len) {
        struct match m = find(x, h, target, at, done, len);
        if (m.len > 0 && pays(&m)) {
            put_literal(b, target + done, m.target - done);
            put_copy(b, &m);
            done = at = m.target + m.len;
            if (at + BLOCK <= len)
                h = hash_of(target + at);
        } else {
            if (at + BLOCK < len)
                roll(&h, target + at);
            at++;
        }
    }
    put_literal(b, target + done, len - done);
}

/* What both begin with, and what both end with, of whole characters. Of length 0 where it does not pay. */

static struct match common_front(const char *source, size_t source_len, const char *target, size_t target_len)
{
    struct match m = { 0, 0, 0 };
    while (m.len < source_len && m.len < target_len && source[m.len] == target[m.len])
        m.len++;
    while (m.len > 0 && inside(target, m.len, target_len))
        m.len--;
    return pays(&m) ? m : (struct match){ 0, 0, 0 };
}

/* Of the target only what is behind `from`. */
static struct match common_end(const char *source, size_t source_len, const char *target, size_t from,
                               size_t target_len)
{
    size_t n = 0;
    while (n < source_len && n < target_len - from && source[source_len - n - 1] == target[target_len - n - 1])
        n++;
    while (n > 0 && inside(target, target_len - n, target_len))
        n--;
    struct match m = { source_len - n, target_len - n, n };
    return pays(&m) ? m : (struct match){ source_len, target_len, 0 };
}

static bool put_delta(struct buf *b, const char *source, size_t source_len, const char *target, size_t target_len)
{
    struct match front = common_front(source, source_len, target, target_len);
    struct match end = common_end(source, source_len, target, front.len, target_len);
    struct index x;
    put(b, target_len, '\n');
    put_copy(b, &front);
    if (end.target - front.len >= BLOCK && source_len >= BLOCK) {
        if (!index_init(&x, source, source_len))
            return false;
        put_between(b, &x, target, front.len, end.target);
        mem_free(x.first);
    } else {
        put_literal(b, target + front.len, end.target - front.len);
    }
    put_copy(b, &end);
    put(b, checksum(target, target_len), ';');
    return !b->failed && b->len < target_len;
}

bool fossil_delta(struct buf *out, const char *source, size_t source_len, const char *target, size_t target_len)
{
    struct buf b;
    if (source_len > INT32_MAX)
        return false;
    buf_init(&b, NULL, 0);
    bool shorter = put_delta(&b, source, source_len, target, target_len);
    if (shorter)
        buf_put(out, b.at, b.len);
    buf_fini(&b);
    return shorter && !out->failed;
}
