/* SPDX-License-Identifier: MIT */
/*
 * A message is not put together: its head is written into the pattern, in front of where its bytes are, and what was
 * there is put back by the next call. So large messages cost no copy of their own.
 */
#include "cmd/payload.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

enum { PIECE = 12, OFFSETS = 256, NUMBER_BITS = 28, LEAD = 16 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Pieces of 12 bytes in several scripts. */
static const char *const mixed[] = {
    "Hello, world",
    "caf\xc3\xa9 na\xc3\xafve",
    "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xbf\xcf\x82",
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\xd7\x90\xd7\xa1",
    "\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xaf",
    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c",
    "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa4\xa4",
    "\xf0\x9f\x98\x80\xf0\x9f\x8e\xb5\xf0\x9d\x84\x9e",
    "\xf0\x9f\x91\x8b\xe2\x82\xac\xc2\xa3zyx",
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t low_number(uint64_t number)
{
    return number & (((uint64_t)1 << NUMBER_BITS) - 1);
}

static uint64_t name_of(uint32_t connection, uint64_t number)
{
    return (uint64_t)connection << NUMBER_BITS | low_number(number);
}

static bool read_size(size_t *to, const char **at)
{
    char *end;
    unsigned long n = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : 0;
    if (n == 0 || n > PAYLOAD_MOST)
        return false;
    unsigned shift = (*end | 0x20) == 'k' ? 10 : (*end | 0x20) == 'm' ? 20 : 0;
    *at = end + (shift > 0);
    if (n > (unsigned long)PAYLOAD_MOST >> shift)
        return false;
    *to = n << shift;
    return *to >= PAYLOAD_LEAST;
}

bool payload_read_sizes(struct payload_sizes *out, const char *text)
{
    *out = (struct payload_sizes){ 0 };
    for (;;) {
        if (out->count == PAYLOAD_SIZES || !read_size(&out->sizes[out->count], &text))
            return false;
        out->count++;
        if (*text == 0)
            return !out->range || (out->count == 2 && out->sizes[0] <= out->sizes[1]);
        if (*text == '-' && out->count == 1)
            out->range = true;
        else if (*text != ',' || out->range)
            return false;
        text++;
    }
}

size_t payload_largest(const struct payload_sizes *s)
{
    size_t largest = 0;
    for (unsigned i = 0; i < s->count; i++)
        if (s->sizes[i] > largest)
            largest = s->sizes[i];
    return largest;
}

static size_t size_of(const struct payload_sizes *s, uint64_t name)
{
    if (s->count == 1)
        return s->sizes[0];
    uint64_t drawn = mix(name);
    return s->range ? s->sizes[0] + (size_t)(drawn % (s->sizes[1] - s->sizes[0] + 1)) : s->sizes[drawn % s->count];
}

static void fill_piece(uint8_t *to, enum payload_kind kind, uint64_t *state)
{
    uint64_t drawn = mix(*state += 0x9e3779b97f4a7c15u);
    if (kind == PAYLOAD_MIXED) {
        memcpy(to, mixed[drawn % (sizeof(mixed) / sizeof(*mixed))], PIECE);
        return;
    }
    for (unsigned i = 0; i < PIECE; i++, drawn = i == 6 ? mix(*state += 1) : drawn >> 8)
        to[i] = kind == PAYLOAD_TEXT ? (uint8_t)digits[drawn & 63] : (uint8_t)drawn;
}

int payload_init(struct payload *p, enum payload_kind kind, const struct payload_sizes *sizes, uint64_t seed)
{
    size_t pieces = OFFSETS + payload_largest(sizes) / PIECE + 1;
    uint64_t state = mix(seed + 1);
    *p = (struct payload){ .kind = kind, .sizes = *sizes, .pattern = mem_alloc(LEAD + pieces * PIECE) };
    if (p->pattern == NULL)
        return DUET_ERR_NOMEM;
    memset(p->pattern, 'x', LEAD);
    for (size_t i = 0; i < pieces; i++)
        fill_piece(p->pattern + LEAD + i * PIECE, kind, &state);
    return 0;
}

void payload_fini(struct payload *p)
{
    mem_free(p->pattern);
    p->pattern = NULL;
}

duet_type payload_type(const struct payload *p)
{
    return p->kind == PAYLOAD_BINARY ? DUET_BINARY : DUET_TEXT;
}

/* The bytes at the end that are `x`, so that no character is cut. */
static size_t tail_of(const struct payload *p, size_t len)
{
    return p->kind == PAYLOAD_MIXED ? (len - PAYLOAD_LEAST) % PIECE : 0;
}

/* Where the bytes behind the head are in the pattern. */
static uint8_t *body_of(struct payload *p, uint64_t name)
{
    return p->pattern + LEAD + (mix(name + 1) & (OFFSETS - 1)) * PIECE;
}

static void put_back(struct payload *p)
{
    if (p->spread_len == 0)
        return;
    uint8_t *at = p->pattern + p->spread_at;
    size_t tail = tail_of(p, p->spread_len);
    memcpy(at, p->under_head, PAYLOAD_LEAST);
    memcpy(at + p->spread_len - tail, p->under_tail, tail);
    p->spread_len = 0;
}

static void put_head(uint8_t *to, uint64_t name)
{
    for (unsigned i = 0; i < PAYLOAD_LEAST; i++)
        to[i] = (uint8_t)digits[name >> 6 * (PAYLOAD_LEAST - 1 - i) & 63];
}

const void *payload_make(struct payload *p, uint32_t connection, uint64_t number, size_t *len)
{
    uint64_t name = name_of(connection, number);
    put_back(p);
    *len = size_of(&p->sizes, name);
    uint8_t *at = body_of(p, name) - PAYLOAD_LEAST;
    size_t tail = tail_of(p, *len);
    memcpy(p->under_head, at, PAYLOAD_LEAST);
    memcpy(p->under_tail, at + *len - tail, tail);
    p->spread_at = (size_t)(at - p->pattern);
    p->spread_len = *len;
    put_head(at, name);
    memset(at + *len - tail, 'x', tail);
    return at;
}

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool payload_whose(const void *data, size_t len, uint64_t about, uint32_t *connection, uint64_t *number)
{
    const uint8_t *at = data;
    uint64_t name = 0;
    if (len < PAYLOAD_LEAST)
        return false;
    for (unsigned i = 0; i < PAYLOAD_LEAST; i++) {
        int d = digit_of(at[i]);
        if (d < 0)
            return false;
        name = name << 6 | (uint64_t)d;
    }
    const uint64_t half = (uint64_t)1 << (NUMBER_BITS - 1);
    uint64_t forward = low_number(name - about);
    *connection = (uint32_t)(name >> NUMBER_BITS);
    *number = forward < half || about + forward < 2 * half ? about + forward : about + forward - 2 * half;
    return true;
}

bool payload_is(struct payload *p, duet_type type, const void *data, size_t len, uint32_t connection, uint64_t number)
{
    uint64_t name = name_of(connection, number);
    uint8_t head[PAYLOAD_LEAST];
    const uint8_t *at = data;
    put_back(p);
    if (type != payload_type(p) || len != size_of(&p->sizes, name))
        return false;
    size_t tail = tail_of(p, len), body = len - PAYLOAD_LEAST - tail;
    put_head(head, name);
    if (memcmp(at, head, PAYLOAD_LEAST) != 0 || memcmp(at + PAYLOAD_LEAST, body_of(p, name), body) != 0)
        return false;
    for (size_t i = len - tail; i < len; i++)
        if (at[i] != 'x')
            return false;
    return true;
}
