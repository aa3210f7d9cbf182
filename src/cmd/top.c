/* SPDX-License-Identifier: MIT */
#include "cmd/top.h"
#include <string.h>

bool top_takes(const struct top *t, uint64_t value)
{
    return value > 0 && (t->count < TOP_MOST || value > t->of[TOP_MOST - 1].value);
}

void top_add(struct top *t, const struct top_entry *entry)
{
    if (!top_takes(t, entry->value))
        return;
    unsigned at = t->count < TOP_MOST ? t->count++ : TOP_MOST - 1;
    for (; at > 0 && t->of[at - 1].value < entry->value; at--)
        t->of[at] = t->of[at - 1];
    t->of[at] = *entry;
}

void top_name(struct top_entry *entry, const char *name, size_t len)
{
    entry->len = (uint8_t)(len < HUB_NAME_MOST ? len : HUB_NAME_MOST);
    if (entry->len > 0)
        memcpy(entry->name, name, entry->len);
}
