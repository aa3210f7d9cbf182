/* SPDX-License-Identifier: MIT */
/* The few of many that have the most of something, the most first. Zeroed memory is an empty list. */
#ifndef CMD_TOP_H
#define CMD_TOP_H

#include "hub/options.h"
#include <stddef.h>
#include <stdint.h>

enum { TOP_MOST = 10, TOP_NOTE = 64 };

struct top_entry {
    uint64_t value, other; /* what it is sorted by; what else is to be told */
    uint64_t id, age_ms;   /* of a connection */
    char note[TOP_NOTE];   /* terminated */
    uint8_t len;
    char name[HUB_NAME_MOST]; /* may be any bytes */
};

struct top {
    unsigned count;
    struct top_entry of[TOP_MOST];
};

/* Whether so much would get into the list: before an entry is put together that is thrown away. 0 never does. */
bool top_takes(const struct top *t, uint64_t value);
void top_add(struct top *t, const struct top_entry *entry);
/* A name cut to its room. */
void top_name(struct top_entry *entry, const char *name, size_t len);

#endif
