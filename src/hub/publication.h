/* SPDX-License-Identifier: MIT */
/*
 * What was said in a channel: one payload with what belongs to it, in one piece of memory. Counted, and never changed
 * once it is in a stream; any thread.
 */
#ifndef HUB_PUBLICATION_H
#define HUB_PUBLICATION_H

#include "hub/options.h"

/* Pointers and lengths of what it is made of; all may be empty but the data's meaning. */
struct publication_parts {
    enum hub_kind kind;
    const void *data; /* JSON: valid, without newlines outside of strings; text: UTF-8 */
    size_t len;
    const char *info; /* of who published, as JSON */
    size_t info_len;
    const char *tags; /* a JSON object of strings */
    size_t tags_len;
    const char *key; /* idempotency key */
    size_t key_len;
    const char *version_epoch; /* what `version` counts in */
    size_t version_epoch_len;
    uint64_t version; /* 0: none */
    uint64_t time_ms; /* of the hub's clock */
};

struct publication {
    unsigned refs;               /* atomic */
    uint32_t run;                /* what a trace calls it; 0: nobody follows it */
    uint64_t offset;             /* 0: not of a stream */
    struct publication_parts is; /* points into `bytes` */
    char bytes[];
};

/* A copy of it all, with one reference. NULL without memory. */
struct publication *publication_new(const struct publication_parts *parts);
struct publication *publication_ref(struct publication *p);
void publication_unref(struct publication *p); /* NULL is fine */
/* What it takes of memory, for budgets. */
size_t publication_size(const struct publication *p);

#endif
