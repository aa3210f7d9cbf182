/* SPDX-License-Identifier: MIT */
/*
 * Idempotency keys of one channel: a publication that comes again under the key of an earlier one gets that one's
 * result (HUB-3). Bounded in number and time; the oldest goes first. Under the channel's lock.
 */
#ifndef HUB_RETRIES_H
#define HUB_RETRIES_H

#include "base/map.h"
#include <stdbool.h>

struct flight;

struct retry {
    struct retry *next; /* the next younger one */
    uint64_t expire_ms, offset;
    struct flight *flight; /* still on its way to the store; NULL: done */
    bool dead;             /* its publication failed: it is as if it had never come */
    size_t len;
    char text[];
};

struct retries {
    struct map *map; /* NULL: there never was one */
    struct retry *oldest, **youngest;
};

/* NULL: not known. */
struct retry *retries_find(struct retries *k, const char *text, size_t len, uint64_t now_ms);
/* Remembers one that is not known; NULL without memory. */
struct retry *retries_add(struct retries *k, const char *text, size_t len, uint64_t expire_ms, uint32_t most,
                          const uint64_t seed[2]);
/* The publication under this key failed. */
void retries_drop(struct retries *k, struct retry *key);
/* Forgets what is too old. True: none is left. */
bool retries_expire(struct retries *k, uint64_t now_ms);
void retries_fini(struct retries *k);

#endif
