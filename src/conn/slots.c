/* SPDX-License-Identifier: MIT */
#include "conn/slots.h"
#include "base/mem.h"
#include <string.h>

static void **link_of(const struct conn_slots *s, void *slot)
{
    return (void **)(void *)((char *)slot + s->kept);
}

/* Another block. Without memory nothing has changed. */
static int grow(struct conn_slots *s)
{
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? 2 * s->cap : 4;
        char **blocks = mem_realloc(s->blocks, cap * sizeof(*blocks));
        if (blocks == NULL)
            return -1;
        s->blocks = blocks;
        s->cap = cap;
    }
    char *block = mem_zalloc(SLOTS_EACH * s->size);
    if (block == NULL)
        return -1;
    mem_hide(block, SLOTS_EACH * s->size);
    s->blocks[s->count++] = block;
    return 0;
}

/* One that was never used. */
static void *fresh(struct conn_slots *s, uint32_t *number)
{
    if (s->next == SLOTS_MOST || (s->next == s->count * SLOTS_EACH && grow(s) < 0))
        return NULL;
    *number = s->next++;
    void *slot = slots_at(s, *number);
    mem_show(slot, s->size);
    return slot;
}

void *slots_take(struct conn_slots *s, uint32_t *number)
{
    char *slot = s->free;
    if (slot == NULL)
        return fresh(s, number);
    mem_show(slot, s->size);
    s->free = *link_of(s, slot);
    memset(slot + s->kept, 0, s->size - s->kept);
    *number = UINT32_MAX; /* it is in what is kept */
    return slot;
}

void slots_give(struct conn_slots *s, void *slot)
{
    void **link = link_of(s, slot);
    *link = s->free;
    s->free = slot;
    mem_hide(link + 1, s->size - s->kept - sizeof(*link));
}

void slots_fini(struct conn_slots *s)
{
    while (s->count > 0)
        mem_free(s->blocks[--s->count]);
    mem_free(s->blocks);
    *s = (struct conn_slots){ .size = s->size, .kept = s->kept };
}
