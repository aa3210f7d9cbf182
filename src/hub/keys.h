/* SPDX-License-Identifier: MIT */
/*
 * Idempotency keys of one channel: a publication that comes again under the key of an earlier one gets that one's
 * result (HUB-3). Bounded in number and time; the oldest goes first. Under the channel's lock.
 */
#ifndef HUB_KEYS_H
#define HUB_KEYS_H

#include "base/map.h"
#include <stdbool.h>

struct flight;

struct key {
    struct key *next; /* the next younger one */
    uint64_t expire_ms, offset;
    struct flight *flight; /* still on its way to the store; NULL: done */
    bool dead;             /* its publication failed: it is as if it had never come */
    size_t len;
    char text[];
};

struct keys {
    struct map *map; /* NULL: there never was one */
    struct key *oldest, **youngest;
};

/* NULL: not known. */
struct key *keys_find(struct keys *k, const char *text, size_t len, uint64_t now_ms);
/* Remembers one that is not known; NULL without memory. */
struct key *keys_add(struct keys *k, const char *text, size_t len, uint64_t expire_ms, uint32_t most,
                     const uint64_t seed[2]);
/* The publication under this key failed. */
void keys_drop(struct keys *k, struct key *key);
/* Forgets what is too old. True: none is left. */
bool keys_expire(struct keys *k, uint64_t now_ms);
void keys_fini(struct keys *k);

#endif
