/* SPDX-License-Identifier: MIT */
/*
 * Durations as counts of buckets: 128 for each power of two, so a value that is read back is off by less than 0.4 %.
 * Up to 2^42 ns (73 minutes); what is longer counts in the last bucket, and in `max` as it was. It has no pointers,
 * so it may lie in memory that processes share. Zeroed memory is an empty one.
 */
#ifndef CMD_HISTOGRAM_H
#define CMD_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7,
    HISTOGRAM_TOP = 42,
    HISTOGRAM_BUCKETS = (HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS
};

struct histogram {
    uint64_t count, sum, min, max; /* exact; `min` and `max` of an empty one are 0 */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The least duration that `percent` (0 to 100) of all are not above; 0 for an empty one. */
uint64_t histogram_at(const struct histogram *h, double percent);
uint64_t histogram_mean(const struct histogram *h);

#endif
