/* SPDX-License-Identifier: MIT */
/*
 * A hash map from byte strings to pointers, keyed with a random SipHash key so that a peer who picks the names cannot
 * make them collide (MEM-10). Open addressing; grows by doubling, shrinks when mostly empty. One thread at a time.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_entry *entries;
    size_t count, cap;
    uint64_t key[2];
};

uint64_t siphash13(const uint64_t key[2], const void *data, size_t len);

void map_init(struct map *m, const uint64_t key[2]);
void map_fini(struct map *m); /* frees the keys' copies, not the values */
void *map_get(const struct map *m, const void *key, size_t len); /* NULL: not there */
int map_put(struct map *m, const void *key, size_t len, void *value); /* copies the key; 0 or DUET_ERR_NOMEM */
void *map_take(struct map *m, const void *key, size_t len); /* removes; the value, or NULL */
/* Walks all entries: starts with *at = 0, returns NULL at the end. Not while the map changes. */
void *map_each(const struct map *m, size_t *at, const void **key, size_t *len);

#endif
