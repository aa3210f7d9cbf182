/* SPDX-License-Identifier: MIT */
#include "hub/retries.h"
#include "base/mem.h"
#include <string.h>

static void drop_oldest(struct retries *k)
{
    struct retry *key = k->oldest;
    k->oldest = key->next;
    if (k->oldest == NULL)
        k->youngest = &k->oldest;
    if (!key->dead)
        map_take(k->map, key->text, key->len);
    mem_free(key);
}

/* One on its way must stay until its answer is known. */
static bool may_go(const struct retry *key)
{
    return key != NULL && key->flight == NULL;
}

bool retries_expire(struct retries *k, uint64_t now_ms)
{
    while (may_go(k->oldest) && (k->oldest->dead || k->oldest->expire_ms <= now_ms))
        drop_oldest(k);
    return k->oldest == NULL;
}

struct retry *retries_find(struct retries *k, const char *text, size_t len, uint64_t now_ms)
{
    if (k->map == NULL)
        return NULL;
    retries_expire(k, now_ms);
    return map_get(k->map, text, len);
}

static bool begin(struct retries *k, const uint64_t seed[2])
{
    if (k->map != NULL)
        return true;
    k->map = mem_alloc(sizeof(*k->map));
    if (k->map == NULL)
        return false;
    map_init(k->map, seed);
    k->youngest = &k->oldest;
    return true;
}

struct retry *retries_add(struct retries *k, const char *text, size_t len, uint64_t expire_ms, uint32_t most,
                          const uint64_t seed[2])
{
    struct retry *key = mem_alloc(sizeof(*key) + len);
    if (key == NULL || !begin(k, seed) || map_put(k->map, text, len, key) < 0) {
        mem_free(key);
        return NULL;
    }
    *key = (struct retry){ .expire_ms = expire_ms, .len = len };
    memcpy(key->text, text, len);
    *k->youngest = key;
    k->youngest = &key->next;
    while (k->map->count > most && may_go(k->oldest) && k->oldest != key)
        drop_oldest(k);
    return key;
}

void retries_drop(struct retries *k, struct retry *key)
{
    map_take(k->map, key->text, key->len);
    key->flight = NULL;
    key->dead = true;
}

void retries_fini(struct retries *k)
{
    while (k->oldest != NULL)
        drop_oldest(k);
    if (k->map != NULL)
        map_fini(k->map);
    mem_free(k->map);
    *k = (struct retries){ .map = NULL };
}
