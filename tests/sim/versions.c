/* SPDX-License-Identifier: MIT */
#include "versions.h"
#include "sim.h"

enum { CHANNELS = 8, MOST = 4000 };

struct entry {
    struct version version;
    unsigned number;
    uint64_t offset;
};

static struct line {
    struct entry entries[MOST];
    unsigned count, from; /* from: the first that is not forgotten */
} lines[CHANNELS];

void versions_begin(void)
{
    for (unsigned i = 0; i < CHANNELS; i++)
        lines[i].count = lines[i].from = 0;
}

bool version_follows(struct version v, struct version before)
{
    return before.n == 0 || v.epoch != before.epoch || v.n > before.n;
}

void versions_add(unsigned channel, unsigned number, struct version v, uint64_t offset)
{
    struct line *l = &lines[channel];
    struct version before = versions_at(channel, UINT64_MAX);
    if (!version_follows(v, before))
        say("c%u: p%u has version %llu of epoch %u, behind %llu of epoch %u", channel, number,
            (unsigned long long)v.n, v.epoch, (unsigned long long)before.n, before.epoch);
    CHECK(version_follows(v, before));
    CHECK(l->count < MOST);
    l->entries[l->count++] = (struct entry){ v, number, offset };
}

bool versions_have(unsigned channel, unsigned number)
{
    for (unsigned i = 0; i < lines[channel].count; i++)
        if (lines[channel].entries[i].number == number)
            return true;
    return false;
}

struct version versions_at(unsigned channel, uint64_t offset)
{
    const struct line *l = &lines[channel];
    for (unsigned i = l->count; i > l->from; i--)
        if (l->entries[i - 1].offset <= offset)
            return l->entries[i - 1].version;
    return (struct version){ .n = 0 };
}

void versions_restart(unsigned channel, uint64_t top, uint64_t most)
{
    struct line *l = &lines[channel];
    if (l->count > l->from && l->entries[l->count - 1].offset + most <= top)
        l->from = l->count;
}
