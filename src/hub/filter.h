/* SPDX-License-Identifier: MIT */
/*
 * Tags filters: which publications a subscriber wants, by their tags. A filter is a tree in JSON:
 *
 *     {"op":"and","nodes":[{"key":"symbol","cmp":"in","vals":["TEA","RUM"]},{"key":"price","cmp":"gt","val":"9.5"}]}
 *
 * A node is a leaf (`op` is missing or ""), which compares the tag `key`, or and, or, not of its `nodes`. Comparisons
 * are eq, neq, in, nin, ex (there is such a tag), nex, sw (starts with), ew, ct (contains) of bytes, and lt, lte, gt,
 * gte of numbers in decimal. A tag that is not there is no text and no number: of all comparisons only neq, nin and nex
 * hold for it. It spares a subscriber what he does not want; it keeps nothing from him.
 */
#ifndef HUB_FILTER_H
#define HUB_FILTER_H

#include "base/jsonread.h"

enum {
    FILTER_BYTES_MOST = 4096,
    FILTER_DEPTH_MOST = 8,
    FILTER_NODES_MOST = 64,
    FILTER_VALUES_MOST = 256,
    FILTER_TAGS_MOST = 64
};

struct filter;

/* `json` is of a checked text, and borrowed for the call. HUB_OK; HUB_ERROR_BAD_REQUEST for what is no filter, or is
 * over one of the limits; HUB_ERROR_INTERNAL without memory. */
int filter_new(struct filter **out, struct json_slice json);
void filter_free(struct filter *f); /* NULL is fine */

/* A publication's tags, read once for all filters. */
struct filter_tag {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};
struct filter_tags {
    size_t count;
    struct filter_tag tag[FILTER_TAGS_MOST];
    void *memory;
};

/* `json` is of a checked text; of length 0: there are no tags. HUB_OK; HUB_ERROR_BAD_REQUEST for what is no object of
 * strings, or has too many; HUB_ERROR_INTERNAL without memory. Either way filter_tags_fini(). */
int filter_tags_read(struct filter_tags *tags, struct json_slice json);
void filter_tags_fini(struct filter_tags *tags);

/* Whether a publication with these tags passes. Takes no memory; any thread. */
bool filter_passes(const struct filter *f, const struct filter_tags *tags);

#endif
