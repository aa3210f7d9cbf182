/* SPDX-License-Identifier: MIT */
/*
 * The tree is kept as an array, each node in front of its children, so that nothing calls itself to free it; to read
 * and to evaluate it does, at most as deep as a filter may be. Texts lie behind the nodes, without their escapes.
 */
#include "hub/filter.h"
#include "base/mem.h"
#include "hub/codes.h"
#include <stdlib.h>
#include <string.h>

enum op { LEAF, AND, OR, NOT };
enum cmp { EQ, NEQ, IN, NIN, EX, NEX, SW, EW, CT, LT, LTE, GT, GTE };

struct text {
    const char *at;
    size_t len;
};

struct node {
    enum op op;
    enum cmp cmp;
    unsigned behind; /* the node behind this one and all below it */
    struct text key, *values;
    unsigned count;
    double number; /* of values[0], for LT to GTE */
};

struct filter {
    unsigned nodes, values;
    struct node node[FILTER_NODES_MOST];
    struct text value[FILTER_VALUES_MOST];
    size_t used;
    char bytes[]; /* as many as the JSON has */
};

/* Numbers are digits with a point perhaps: as tags are written, not as C would have them (no hex, no nan). */
static bool number(double *out, struct text t)
{
    char copy[64];
    size_t i = t.len > 0 && t.at[0] == '-', digits = 0, points = 0;
    for (; i < t.len; i++) {
        digits += t.at[i] >= '0' && t.at[i] <= '9';
        points += t.at[i] == '.';
    }
    if (t.len >= sizeof(copy) || digits == 0 || points > 1 || digits + points + (t.at[0] == '-') != t.len)
        return false;
    memcpy(copy, t.at, t.len);
    copy[t.len] = 0;
    *out = strtod(copy, NULL);
    return true;
}

/* Reading. Each returns false for what is no filter. */

static bool take_text(struct filter *f, struct text *to, struct json_slice value)
{
    long n = json_kind_of(value) == '"' ? json_unquote(f->bytes + f->used, value) : -1;
    if (n < 0)
        return false;
    *to = (struct text){ f->bytes + f->used, (size_t)n };
    f->used += (size_t)n;
    return true;
}

static bool add_value(struct filter *f, struct node *n, struct json_slice value)
{
    if (f->values == FILTER_VALUES_MOST || !take_text(f, &f->value[f->values], value))
        return false;
    f->values++;
    n->count++;
    return true;
}

static int word(struct json_slice value, const char *const *words, int count)
{
    for (int i = 0; json_kind_of(value) == '"' && i < count; i++)
        if (json_is(value, words[i]))
            return i;
    return -1;
}

struct fields {
    struct json_slice op, key, cmp, val, vals, nodes; /* text NULL: not there */
};

static bool find_fields(struct fields *at, struct json_slice json)
{
    const struct {
        const char *name;
        struct json_slice *to;
    } all[] = { { "op", &at->op },   { "key", &at->key },   { "cmp", &at->cmp },
                { "val", &at->val }, { "vals", &at->vals }, { "nodes", &at->nodes } };
    struct json_slice name, value;
    *at = (struct fields){ 0 };
    if (json_kind_of(json) != '{')
        return false;
    for (struct json_each e = json_each(json); json_next(&e, &name, &value);)
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
            if (!json_is(name, all[i].name) || json_kind_of(value) == 'n')
                continue;
            if (all[i].to->text != NULL)
                return false;
            *all[i].to = value;
        }
    return true;
}

static bool read_values(struct filter *f, struct node *n, const struct fields *at)
{
    struct json_slice name, value;
    n->values = &f->value[f->values];
    if (n->cmp == EX || n->cmp == NEX)
        return true;
    if (n->cmp != IN && n->cmp != NIN)
        return at->val.text != NULL && add_value(f, n, at->val) && (n->cmp < LT || number(&n->number, n->values[0]));
    if (at->vals.text == NULL || json_kind_of(at->vals) != '[')
        return false;
    for (struct json_each e = json_each(at->vals); json_next(&e, &name, &value);)
        if (!add_value(f, n, value))
            return false;
    return true;
}

static bool read_leaf(struct filter *f, struct node *n, const struct fields *at)
{
    static const char *const names[] = { "eq", "neq", "in", "nin", "ex", "nex", "sw",
                                         "ew", "ct",  "lt", "lte", "gt", "gte" };
    int cmp = at->cmp.text ? word(at->cmp, names, sizeof(names) / sizeof(*names)) : -1;
    if (cmp < 0 || at->key.text == NULL || !take_text(f, &n->key, at->key) || n->key.len == 0)
        return false;
    n->cmp = (enum cmp)cmp;
    return read_values(f, n, at);
}

static bool read_node(struct filter *f, struct json_slice json, unsigned depth)
{
    static const char *const names[] = { "", "and", "or", "not" };
    struct fields at;
    struct json_slice name, inner;
    unsigned below = 0;
    if (depth == FILTER_DEPTH_MOST || f->nodes == FILTER_NODES_MOST || !find_fields(&at, json))
        return false;
    struct node *n = &f->node[f->nodes++];
    int op = at.op.text ? word(at.op, names, 4) : LEAF;
    n->op = (enum op)op;
    if (op == LEAF) {
        n->behind = f->nodes;
        return read_leaf(f, n, &at);
    }
    if (op < 0 || at.nodes.text == NULL || json_kind_of(at.nodes) != '[')
        return false;
    for (struct json_each e = json_each(at.nodes); json_next(&e, &name, &inner); below++)
        if (!read_node(f, inner, depth + 1))
            return false;
    n->behind = f->nodes;
    return op == NOT ? below == 1 : below > 0;
}

int filter_new(struct filter **out, struct json_slice json)
{
    if (json.len > FILTER_BYTES_MOST)
        return HUB_ERROR_BAD_REQUEST;
    struct filter *f = mem_zalloc(sizeof(*f) + json.len);
    if (f == NULL)
        return HUB_ERROR_INTERNAL;
    if (!read_node(f, json, 0)) {
        filter_free(f);
        return HUB_ERROR_BAD_REQUEST;
    }
    *out = f;
    return HUB_OK;
}

void filter_free(struct filter *f)
{
    mem_free(f);
}

/* Tags. */

int filter_tags_read(struct filter_tags *tags, struct json_slice json)
{
    struct json_slice name, value;
    *tags = (struct filter_tags){ 0 };
    if (json.len == 0)
        return HUB_OK;
    if (json_kind_of(json) != '{')
        return HUB_ERROR_BAD_REQUEST;
    char *bytes = tags->memory = mem_alloc(json.len);
    if (bytes == NULL)
        return HUB_ERROR_INTERNAL;
    for (struct json_each e = json_each(json); json_next(&e, &name, &value);) {
        long key_len = json_unquote(bytes, name), len = -1;
        if (key_len >= 0 && json_kind_of(value) == '"')
            len = json_unquote(bytes + key_len, value);
        if (len < 0 || tags->count == FILTER_TAGS_MOST)
            return HUB_ERROR_BAD_REQUEST;
        tags->tag[tags->count++] = (struct filter_tag){ bytes, (size_t)key_len, bytes + key_len, (size_t)len };
        bytes += key_len + len;
    }
    return HUB_OK;
}

void filter_tags_fini(struct filter_tags *tags)
{
    mem_free(tags->memory);
    *tags = (struct filter_tags){ 0 };
}

/* Evaluating. */

static bool same(struct text a, struct text b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* The last of its name, as JSON has it. */
static bool find_tag(struct text *value, const struct filter_tags *tags, struct text key)
{
    for (size_t i = tags->count; i > 0; i--) {
        const struct filter_tag *t = &tags->tag[i - 1];
        *value = (struct text){ t->value, t->value_len };
        if (same((struct text){ t->key, t->key_len }, key))
            return true;
    }
    return false;
}

static bool among(const struct node *n, struct text value)
{
    for (unsigned i = 0; i < n->count; i++)
        if (same(n->values[i], value))
            return true;
    return false;
}

static bool compare_numbers(const struct node *n, struct text value)
{
    double x;
    if (!number(&x, value))
        return false;
    switch (n->cmp) {
    case LT:
        return x < n->number;
    case LTE:
        return x <= n->number;
    case GT:
        return x > n->number;
    default:
        return x >= n->number;
    }
}

static bool leaf_passes(const struct node *n, const struct filter_tags *tags)
{
    struct text value, wanted = n->count > 0 ? n->values[0] : (struct text){ "", 0 };
    if (!find_tag(&value, tags, n->key))
        return n->cmp == NEX || n->cmp == NEQ || n->cmp == NIN;
    switch (n->cmp) {
    case EQ:
        return same(value, wanted);
    case NEQ:
        return !same(value, wanted);
    case IN:
        return among(n, value);
    case NIN:
        return !among(n, value);
    case EX:
        return true;
    case NEX:
        return false;
    case SW:
        return value.len >= wanted.len && memcmp(value.at, wanted.at, wanted.len) == 0;
    case EW:
        return value.len >= wanted.len && memcmp(value.at + value.len - wanted.len, wanted.at, wanted.len) == 0;
    case CT:
        return memmem(value.at, value.len, wanted.at, wanted.len) != NULL;
    default:
        return compare_numbers(n, value);
    }
}

static bool node_passes(const struct filter *f, unsigned at, const struct filter_tags *tags)
{
    const struct node *n = &f->node[at];
    if (n->op == LEAF)
        return leaf_passes(n, tags);
    for (unsigned i = at + 1; i < n->behind; i = f->node[i].behind) {
        bool passes = node_passes(f, i, tags);
        if (n->op == NOT)
            return !passes;
        if (passes == (n->op == OR))
            return passes;
    }
    return n->op == AND;
}

bool filter_passes(const struct filter *f, const struct filter_tags *tags)
{
    return node_passes(f, 0, tags);
}
