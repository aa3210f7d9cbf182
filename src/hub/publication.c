/* SPDX-License-Identifier: MIT */
#include "hub/publication.h"
#include "base/mem.h"
#include <string.h>

/* Copies to `*at` and moves it on; an empty part points at its zero byte. */
static const char *take(char **at, const void *from, size_t len)
{
    char *to = *at;
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
    *at = to + len + 1;
    return to;
}

static size_t bytes_of(const struct publication_parts *is)
{
    return is->len + is->info_len + is->tags_len + is->key_len + is->version_epoch_len + 5;
}

struct publication *publication_new(const struct publication_parts *parts)
{
    struct publication *p = mem_alloc(sizeof(*p) + bytes_of(parts));
    if (p == NULL)
        return NULL;
    char *at = p->bytes;
    p->refs = 1;
    p->run = 0;
    p->offset = 0;
    p->is = *parts;
    p->is.data = take(&at, parts->data, parts->len);
    p->is.info = take(&at, parts->info, parts->info_len);
    p->is.tags = take(&at, parts->tags, parts->tags_len);
    p->is.key = take(&at, parts->key, parts->key_len);
    p->is.version_epoch = take(&at, parts->version_epoch, parts->version_epoch_len);
    return p;
}

struct publication *publication_ref(struct publication *p)
{
    __atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void publication_unref(struct publication *p)
{
    if (p != NULL && __atomic_fetch_sub(&p->refs, 1, __ATOMIC_ACQ_REL) == 1)
        mem_free(p);
}

size_t publication_size(const struct publication *p)
{
    return sizeof(*p) + bytes_of(&p->is);
}
