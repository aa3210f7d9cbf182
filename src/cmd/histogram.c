/* SPDX-License-Identifier: MIT */
/*
 * Below 2^HISTOGRAM_BITS each value has its own bucket. Above, the highest bit names a group of buckets and the bits
 * behind it one of the group, as in a floating point number. (Debian's libhdrhistogram would do the same, but allocates
 * what processes are to share, and is more to install than these lines are to read.)
 */
#include "cmd/histogram.h"

enum { GROUP = 1 << HISTOGRAM_BITS };

static unsigned bucket_of(uint64_t ns)
{
    if (ns < GROUP)
        return (unsigned)ns;
    if (ns >> HISTOGRAM_TOP != 0)
        return HISTOGRAM_BUCKETS - 1;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
    return (shift + 1) * GROUP + (unsigned)(ns >> shift & (GROUP - 1));
}

/* The middle of what falls into it. */
static uint64_t value_of(unsigned bucket)
{
    if (bucket < GROUP)
        return bucket;
    unsigned shift = bucket / GROUP - 1;
    return ((uint64_t)(GROUP + bucket % GROUP) << shift) + ((uint64_t)1 << shift >> 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->buckets[bucket_of(ns)]++;
    if (h->count == 0 || ns < h->min)
        h->min = ns;
    if (ns > h->max)
        h->max = ns;
    h->sum += ns;
    h->count++;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    if (other->count == 0)
        return;
    if (h->count == 0 || other->min < h->min)
        h->min = other->min;
    if (other->max > h->max)
        h->max = other->max;
    h->sum += other->sum;
    h->count += other->count;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
}

static uint64_t within(const struct histogram *h, uint64_t ns)
{
    return ns < h->min ? h->min : ns > h->max ? h->max : ns;
}

uint64_t histogram_at(const struct histogram *h, double percent)
{
    double exact = percent / 100 * (double)h->count;
    uint64_t wanted = (uint64_t)exact, so_far = 0;
    wanted += (double)wanted < exact;
    if (wanted <= 1)
        return h->min;
    if (wanted >= h->count)
        return h->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        so_far += h->buckets[i];
        if (so_far >= wanted)
            return within(h, value_of(i));
    }
    return h->max;
}

uint64_t histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0 : h->sum / h->count;
}
