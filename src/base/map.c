/* SPDX-License-Identifier: MIT */
/*
 * Linear probing over a power of two, at most three quarters full, so a search always meets a free place. Removing
 * moves later entries of the run back into the gap, so there are no tombstones.
 */
#include "base/map.h"
#include "base/mem.h"
#include <assert.h>
#include <duet/error.h>
#include <endian.h>
#include <string.h>

enum { LEAST = 8 };

struct map_entry {
    void *key; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

static uint64_t turn_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = turn_left(v[1], 13) ^ v[0];
    v[3] = turn_left(v[3], 16) ^ v[2];
    v[0] = turn_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = turn_left(v[1], 17) ^ v[2];
    v[3] = turn_left(v[3], 21) ^ v[0];
    v[2] = turn_left(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash13(const uint64_t key[2], const void *data, size_t len)
{
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575u, /* "somepseudorandomlygeneratedbytes" */
        key[1] ^ 0x646f72616e646f6du,
        key[0] ^ 0x6c7967656e657261u,
        key[1] ^ 0x7465646279746573u,
    };
    const uint8_t *in = data;
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, in + i, 8);
        sip_word(v, le64toh(word));
    }
    uint64_t last = (uint64_t)len << 56;
    for (unsigned shift = 0; i < len; i++, shift += 8)
        last |= (uint64_t)in[i] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, const uint64_t key[2])
{
    *m = (struct map){ .key = { key[0], key[1] } };
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->entries[i].key);
    mem_free(m->entries);
    m->entries = NULL;
    m->count = m->cap = 0;
}

/* Where the key is, or the free place where it would go. The map has room. */
static struct map_entry *find(const struct map *m, uint64_t hash, const void *key, size_t len)
{
    for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];
        /* GCOV_EXCL_BR_START: no test knows two keys with one hash */
        if (e->key == NULL || (e->hash == hash && e->len == len && (len == 0 || memcmp(e->key, key, len) == 0)))
            return e;
        /* GCOV_EXCL_BR_STOP */
    }
}

void *map_get(const struct map *m, const void *key, size_t len)
{
    if (m->count == 0)
        return NULL;
    return find(m, siphash13(m->key, key, len), key, len)->value;
}

/* The first free place of the run that begins where `hash` points. */
static struct map_entry *free_place(struct map_entry *entries, size_t cap, uint64_t hash)
{
    size_t i = (size_t)hash & (cap - 1);
    while (entries[i].key != NULL)
        i = (i + 1) & (cap - 1);
    return &entries[i];
}

static int resize(struct map *m, size_t cap)
{
    if (cap > SIZE_MAX / sizeof(struct map_entry)) /* GCOV_EXCL_BR_LINE: more entries than memory has */
        return DUET_ERR_NOMEM;                     /* GCOV_EXCL_LINE */
    struct map_entry *entries = mem_zalloc(cap * sizeof(*entries));
    if (entries == NULL)
        return DUET_ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++)
        if (m->entries[i].key != NULL)
            *free_place(entries, cap, m->entries[i].hash) = m->entries[i];
    mem_free(m->entries);
    m->entries = entries;
    m->cap = cap;
    return 0;
}

int map_put(struct map *m, const void *key, size_t len, void *value)
{
    assert(value != NULL);
    uint64_t hash = siphash13(m->key, key, len);
    if (m->count > 0) {
        struct map_entry *old = find(m, hash, key, len);
        if (old->key != NULL) {
            old->value = value;
            return 0;
        }
    }
    if (m->count + 1 > m->cap / 4 * 3 && resize(m, m->cap ? m->cap * 2 : LEAST) < 0)
        return DUET_ERR_NOMEM;
    void *copy = mem_dup(key, len);
    if (copy == NULL)
        return DUET_ERR_NOMEM;
    *free_place(m->entries, m->cap, hash) =
        (struct map_entry){ .key = copy, .len = len, .hash = hash, .value = value };
    m->count++;
    return 0;
}

/* Moves back what would no longer be found with place `gap` free: entries of the same run whose own place is not
 * between the gap and where they are. */
static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->cap - 1;
    for (size_t i = (gap + 1) & mask; m->entries[i].key != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)m->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            gap = i;
        }
    }
    m->entries[gap] = (struct map_entry){ .key = NULL };
}

void *map_take(struct map *m, const void *key, size_t len)
{
    if (m->count == 0)
        return NULL;
    struct map_entry *e = find(m, siphash13(m->key, key, len), key, len);
    if (e->key == NULL)
        return NULL;
    void *value = e->value;
    mem_free(e->key);
    close_gap(m, (size_t)(e - m->entries));
    m->count--;
    /* A shrink that gets no memory is tried again at the next removal; the map is right without it. */
    if (m->cap > LEAST && m->count < m->cap / 8)
        (void)resize(m, m->cap / 2);
    return value;
}

void *map_each(const struct map *m, size_t *at, const void **key, size_t *len)
{
    for (; *at < m->cap; (*at)++) {
        const struct map_entry *e = &m->entries[*at];
        if (e->key != NULL) {
            (*at)++;
            *key = e->key;
            *len = e->len;
            return e->value;
        }
    }
    return NULL;
}
