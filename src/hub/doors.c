/* SPDX-License-Identifier: MIT */
#include "hub/doors.h"
#include "base/mem.h"
#include <duet/error.h>
#include <pthread.h>
#include <stdio.h>

struct hub_doors {
    pthread_rwlock_t lock; /* for what follows */
    struct hub_keys *keys;
    char *audience, *issuer;
    struct hub_token_rules rules; /* of the above */
};

int hub_doors_new(struct hub_doors **out)
{
    struct hub_doors *d = mem_zalloc(sizeof(*d));
    if (d == NULL)
        return DUET_ERR_NOMEM;
    pthread_rwlock_init(&d->lock, NULL);
    *out = d;
    return 0;
}

static void forget(struct hub_doors *d)
{
    hub_keys_free(d->keys);
    mem_free(d->audience);
    mem_free(d->issuer);
}

void hub_doors_free(struct hub_doors *d)
{
    if (d == NULL)
        return;
    forget(d);
    pthread_rwlock_destroy(&d->lock);
    mem_free(d);
}

/* A copy of what may be NULL. False without memory. */
static bool copy(char **to, const char *from)
{
    *to = from ? mem_strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

int hub_doors_set(struct hub_doors *d, const struct config *config, char why[HUB_KEYS_WHY])
{
    struct keyfile from = config_keys(config);
    struct hub_doors fresh = { 0 };
    int rc = keyfile_count(&from) > 0 ? keyfile_load(&fresh.keys, &from, why) : 0;
    if (rc == 0 && (!copy(&fresh.audience, config->tokens.audience) || !copy(&fresh.issuer, config->tokens.issuer))) {
        snprintf(why, HUB_KEYS_WHY, "out of memory");
        rc = DUET_ERR_NOMEM;
    }
    if (rc < 0) {
        forget(&fresh);
        return rc;
    }
    pthread_rwlock_wrlock(&d->lock);
    forget(d);
    d->keys = fresh.keys;
    d->audience = fresh.audience;
    d->issuer = fresh.issuer;
    d->rules = (struct hub_token_rules){ .keys = d->keys,
                                         .audience = d->audience,
                                         .issuer = d->issuer,
                                         .leeway_ms = config->tokens.leeway_ms,
                                         .eternal = config->tokens.eternal };
    pthread_rwlock_unlock(&d->lock);
    return 0;
}

int hub_doors_connection(struct hub_doors *d, const char *token, size_t len, uint64_t now_ms, struct hub_claims *out)
{
    pthread_rwlock_rdlock(&d->lock);
    int rc = hub_token_connection(&d->rules, token, len, now_ms, out);
    pthread_rwlock_unlock(&d->lock);
    return rc;
}

int hub_doors_subscription(struct hub_doors *d, const char *token, size_t len, uint64_t now_ms,
                           const struct hub_subscriber *who, struct hub_claims *out)
{
    pthread_rwlock_rdlock(&d->lock);
    int rc = hub_token_subscription(&d->rules, token, len, now_ms, who, out);
    pthread_rwlock_unlock(&d->lock);
    return rc;
}
