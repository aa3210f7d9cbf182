/* SPDX-License-Identifier: MIT */
/*
 * libyaml makes a tree of nodes out of the file, each with its line; the table of keys says what each of them may be.
 * Where it was said is noted of each field and text (hub/conflines.h): arrays of sections are made in one piece, and do
 * not move.
 */
#include "hub/config.h"
#include "base/mem.h"
#include "hub/confenv.h"
#include "hub/confkeys.h"
#include "hub/conflines.h"
#include "hub/confrules.h"
#include "hub/conftake.h"
#include "hub/confvalue.h"
#include "hub/slurp.h"
#include <duet/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
    struct config *c;
    const char *file;
    yaml_document_t *document;
    char *why;
};

/* Making and freeing. */

static void *field(const struct confkey *key, void *base)
{
    return (char *)base + key->at;
}

static size_t *count_of(const struct confkey *key, void *base)
{
    return (size_t *)(void *)((char *)field(key, base) + sizeof(void *));
}

static void free_fields(const struct confkey *keys, void *base);

static void free_sections(const struct confkey *key, void *base)
{
    char **elements = field(key, base);
    for (size_t i = 0; i < *count_of(key, base); i++)
        free_fields(key->inner, *elements + i * key->size);
    mem_free(*elements);
    *elements = NULL;
    *count_of(key, base) = 0;
}

static void free_fields(const struct confkey *keys, void *base)
{
    for (; keys->name != NULL; keys++)
        if (keys->kind == CONF_SECTION)
            free_fields(keys->inner, field(keys, base));
        else if (keys->kind == CONF_SECTIONS)
            free_sections(keys, base);
        else
            confvalue_free(keys, base);
}

void config_init(struct config *c)
{
    *c = (struct config){
        .pages = true,
        .deflate = true,
        .threads = 1,
        .drain_ms = 30 * 1000,
        .tokens.leeway_ms = 5 * 1000,
        .clients = { .anonymous = true,
                     .ping_ms = 25 * 1000,
                     .pong_ms = 10 * 1000,
                     .connect_ms = 10 * 1000,
                     .expired_ms = 25 * 1000,
                     .queue_max = 1024 * 1024 },
        .hooks.timeout_ms = 1000,
    };
    hub_limits_default(&c->limits);
    hub_options_default(&c->channels);
}

void config_fini(struct config *c)
{
    free_fields(confkeys, c);
    mem_free(c->namespaces);
    mem_free(c->doubt);
    conflines_free(c);
    *c = (struct config){ 0 };
}

/* Reading the tree. */

__attribute__((format(printf, 3, 4))) static int wrong(struct reader *r, const yaml_mark_t *mark, const char *format,
                                                       ...)
{
    va_list args;
    char said[CONFIG_WHY];
    va_start(args, format);
    vsnprintf(said, sizeof(said), format, args);
    va_end(args);
    snprintf(r->why, CONFIG_WHY, "%.100s:%zu: %.180s", r->file, mark->line + 1, said);
    return DUET_ERR_INVALID;
}

static int no_memory(struct reader *r)
{
    snprintf(r->why, CONFIG_WHY, "out of memory");
    return DUET_ERR_NOMEM;
}

/* 0 or DUET_ERR_NOMEM. */
static int note(struct reader *r, const void *what, const yaml_node_t *n)
{
    return conflines_note(r->c, what, (unsigned)n->start_mark.line + 1, NULL) ? 0 : no_memory(r);
}

static yaml_node_t *node_at(struct reader *r, int index)
{
    return yaml_document_get_node(r->document, index);
}

static bool is_plain(const yaml_node_t *n)
{
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* `key:` with nothing behind it. */
static bool is_nothing(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 && is_plain(n);
}

/* Says what was wrong with the value, by what confvalue_*() said of it. */
static int misfit(struct reader *r, const struct confkey *key, const yaml_node_t *n, int rc)
{
    char said[CONFIG_WHY];
    if (rc != DUET_ERR_INVALID)
        return rc < 0 ? no_memory(r) : 0;
    snprintf(said, sizeof(said), "%s", r->why);
    return wrong(r, &n->start_mark, "%s: %s", key->name, said);
}

static int read_scalar(struct reader *r, const struct confkey *key, void *base, const yaml_node_t *n)
{
    bool is_word = key->kind == CONF_TEXT || key->kind == CONF_NAME || key->kind == CONF_CHOICE;
    if (n->type != YAML_SCALAR_NODE || is_nothing(n) || (!is_word && !is_plain(n)))
        return misfit(r, key, n, confvalue_expect(key, r->why));
    int rc =
        misfit(r, key, n, confvalue_take(key, base, (const char *)n->data.scalar.value, n->data.scalar.length, r->why));
    return rc < 0 ? rc : note(r, confvalue_text(key, base), n);
}

static int add_scalar(struct reader *r, const struct confkey *key, void *base, const yaml_node_t *n)
{
    if (n->type != YAML_SCALAR_NODE || is_nothing(n))
        return misfit(r, key, n, confvalue_expect(key, r->why));
    int rc =
        misfit(r, key, n, confvalue_add(key, base, (const char *)n->data.scalar.value, n->data.scalar.length, r->why));
    return rc < 0 ? rc : note(r, confvalue_text(key, base), n);
}

static int read_list(struct reader *r, const struct confkey *key, void *base, const yaml_node_t *n)
{
    int rc = misfit(r, key, n, confvalue_clear(key, base, r->why));
    if (rc < 0 || n->type != YAML_SEQUENCE_NODE)
        return rc < 0 ? rc : add_scalar(r, key, base, n);
    for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top && rc == 0; i++)
        rc = add_scalar(r, key, base, node_at(r, *i));
    return rc;
}

static int read_section(struct reader *r, const char *name, const struct confkey *keys, void *base,
                        const yaml_node_t *n);

static int read_sections(struct reader *r, const struct confkey *key, void *base, const yaml_node_t *n)
{
    char **elements = field(key, base);
    size_t *count = count_of(key, base);
    if (is_nothing(n))
        return 0;
    if (n->type != YAML_SEQUENCE_NODE)
        return misfit(r, key, n, confvalue_expect(key, r->why));
    yaml_node_item_t *first = n->data.sequence.items.start, *end = n->data.sequence.items.top;
    *elements = mem_zalloc((size_t)(end - first + 1) * key->size);
    if (*elements == NULL)
        return no_memory(r);
    for (yaml_node_item_t *i = first; i < end; i++) {
        const yaml_node_t *inner = node_at(r, *i);
        char *element = *elements + *count * key->size;
        if (key->init != NULL)
            key->init(element);
        ++*count;
        int rc = note(r, element, inner);
        if (rc == 0 && inner->type != YAML_MAPPING_NODE)
            rc = misfit(r, key, inner, confvalue_expect(key, r->why));
        if (rc == 0)
            rc = read_section(r, key->name, key->inner, element, inner);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int unknown(struct reader *r, const char *section, const struct confkey *keys, const yaml_node_t *name)
{
    const char *text = (const char *)name->data.scalar.value;
    size_t len = name->data.scalar.length;
    char file[64];
    int n = snprintf(file, sizeof(file), "%.*s_file", len < 40 ? (int)len : 40, text);
    if (confkey_find(keys, file, (size_t)n) != NULL)
        return wrong(r, &name->start_mark, "secrets are not written here: %s says in which file it is", file);
    const struct confkey *near = confkey_nearest(keys, text, len);
    return wrong(r, &name->start_mark, "there is no `%.60s`%s%s%s%s%s", text, section[0] ? " in " : "", section,
                 near ? "; did you mean `" : "", near ? near->name : "", near ? "`?" : "");
}

static bool was_seen(struct reader *r, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
                     const yaml_node_t *name)
{
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = node_at(r, p->key);
        if (other->type == YAML_SCALAR_NODE && other->data.scalar.length == name->data.scalar.length &&
            memcmp(other->data.scalar.value, name->data.scalar.value, name->data.scalar.length) == 0)
            return true;
    }
    return false;
}

static int read_value(struct reader *r, const struct confkey *key, void *base, const yaml_node_t *n)
{
    /* A section is no field: it begins where the whole does. */
    int rc = key->kind == CONF_SECTION ? 0 : note(r, field(key, base), n);
    if (rc < 0)
        return rc;
    switch (key->kind) {
    case CONF_SECTION:
        return read_section(r, key->name, key->inner, field(key, base), n);
    case CONF_SECTIONS:
        return read_sections(r, key, base, n);
    case CONF_LIST:
    case CONF_WORDS:
        return read_list(r, key, base, n);
    default:
        return read_scalar(r, key, base, n);
    }
}

/* `name` of the section for what is said of it; "": the whole. */
static int read_section(struct reader *r, const char *name, const struct confkey *keys, void *base,
                        const yaml_node_t *n)
{
    int rc = 0;
    if (is_nothing(n))
        return 0;
    if (n->type != YAML_MAPPING_NODE)
        return wrong(r, &n->start_mark, "%s%skeys and values are expected, such as listen: http://127.0.0.1:8080", name,
                     name[0] ? ": " : "");
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top && rc == 0; p++) {
        const yaml_node_t *key_node = node_at(r, p->key);
        if (key_node->type != YAML_SCALAR_NODE)
            return wrong(r, &key_node->start_mark, "a key is expected");
        const char *text = (const char *)key_node->data.scalar.value;
        const struct confkey *key = confkey_find(keys, text, key_node->data.scalar.length);
        if (key == NULL)
            rc = unknown(r, name, keys, key_node);
        else if (was_seen(r, n, p, key_node))
            rc = wrong(r, &key_node->start_mark, "%s is there twice", key->name);
        else
            rc = read_value(r, key, base, node_at(r, p->value));
    }
    return rc;
}

static int not_yaml(struct reader *r, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(r);
    return wrong(r, &parser->problem_mark, "this is no YAML: %s", parser->problem ? parser->problem : "unknown");
}

/* The next document; 1, or 0 when there is none. */
static int load(struct reader *r, yaml_parser_t *parser, yaml_document_t *document)
{
    if (!yaml_parser_load(parser, document))
        return not_yaml(r, parser);
    if (yaml_document_get_root_node(document) != NULL)
        return 1;
    yaml_document_delete(document);
    return 0;
}

static int read_text(struct reader *r, const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_document_t document, next;
    if (!yaml_parser_initialize(&parser))
        return no_memory(r);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = load(r, &parser, &document);
    if (rc == 1) {
        r->document = &document;
        rc = read_section(r, "", confkeys, r->c, yaml_document_get_root_node(&document));
        yaml_document_delete(&document);
        int more = rc == 0 ? load(r, &parser, &next) : 0;
        if (more == 1) {
            rc = wrong(r, &next.start_mark, "a second document (---) is not expected");
            yaml_document_delete(&next);
        } else if (rc == 0) {
            rc = more;
        }
    }
    yaml_parser_delete(&parser);
    return rc;
}

/* All of it. */

static int put_together(struct reader *r)
{
    struct config *c = r->c;
    c->namespaces_count = c->spaces_count + 1;
    c->namespaces = mem_alloc(c->namespaces_count * sizeof(*c->namespaces));
    if (c->namespaces == NULL)
        return no_memory(r);
    c->namespaces[0] = c->channels;
    if (c->spaces_count > 0)
        memcpy(c->namespaces + 1, c->spaces, c->spaces_count * sizeof(*c->spaces));
    return confrules_check(c, r->file, r->why);
}

/* `c` has what holds where nothing is said. */
static int read_over(struct config *c, const char *file, const char *text, size_t len, const struct config_above *above,
                     char why[CONFIG_WHY])
{
    struct reader r = { .c = c, .file = file, .why = why };
    int rc = len > 0 ? read_text(&r, text, len) : 0;
    if (rc == 0 && above != NULL && above->env != NULL)
        rc = confenv_read(c, above->env, why);
    for (const struct config_word *w = above ? above->words : NULL; rc == 0 && w != NULL && w->key != NULL; w++)
        rc = conftake_word(c, w, why);
    return rc == 0 ? put_together(&r) : rc;
}

int config_parse(struct config *c, const char *file, const char *text, size_t len, const struct config_above *above,
                 char why[CONFIG_WHY])
{
    config_init(c);
    return read_over(c, file, text, len, above, why);
}

int config_read(struct config *c, const char *file, const struct config_above *above, char why[CONFIG_WHY])
{
    char *text;
    size_t len;
    config_init(c);
    if (file == NULL) {
        config_open(&c->channels);
        return read_over(c, "", "", 0, above, why);
    }
    int rc = slurp(&text, &len, file, CONFIG_MOST);
    if (rc < 0) {
        snprintf(why, CONFIG_WHY, "%.200s: %.90s", file, duet_strerror(rc));
        return rc;
    }
    rc = read_over(c, file, text, len, above, why);
    mem_free(text);
    return rc;
}

struct keyfile config_keys(const struct config *c)
{
    struct keyfile from = { .secret_file = c->tokens.secret_file,
                            .secret_env = c->tokens.secret_env,
                            .pem_file = c->tokens.public_key_file,
                            .jwks_file = c->tokens.jwks_file };
    for (size_t i = 0; c->tokens.algorithms != NULL && c->tokens.algorithms[i] != NULL; i++)
        from.algorithms |= hub_algorithm(c->tokens.algorithms[i], strlen(c->tokens.algorithms[i]));
    return from;
}

/* What differs. */

static bool equal(const struct confkey *keys, const void *a, const void *b);

static bool equal_sections(const struct confkey *key, const void *a, const void *b)
{
    size_t n = *count_of(key, (void *)a);
    const char *left = *(char *const *)field(key, (void *)a), *right = *(char *const *)field(key, (void *)b);
    if (n != *count_of(key, (void *)b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!equal(key->inner, left + i * key->size, right + i * key->size))
            return false;
    return true;
}

static bool equal(const struct confkey *keys, const void *a, const void *b)
{
    for (; keys->name != NULL; keys++)
        if (!confvalue_equal(keys, a, b))
            return false;
    return true;
}

/* What is told, and to whom. */
struct difference {
    void (*differs)(void *arg, const char *key, bool live);
    void *arg;
};

static void compare(const struct confkey *keys, const char *prefix, const void *a, const void *b,
                    const struct difference *d);

/* Of sections with a name those are compared that are called alike. */
static void compare_named(const struct confkey *key, const char *prefix, const void *a, const void *b,
                          const struct difference *d)
{
    size_t n = *count_of(key, (void *)a), m = *count_of(key, (void *)b), both = 0;
    const char *left = *(char *const *)field(key, (void *)a), *right = *(char *const *)field(key, (void *)b);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (strcmp(left + i * key->size + key->inner->at, right + k * key->size + key->inner->at) == 0) {
                char name[100];
                snprintf(name, sizeof(name), "%.30s.%.64s", prefix, left + i * key->size + key->inner->at);
                compare(key->inner, name, left + i * key->size, right + k * key->size, d);
                both++;
            }
    if (both < n || both < m)
        d->differs(d->arg, prefix, false);
}

static void compare(const struct confkey *keys, const char *prefix, const void *a, const void *b,
                    const struct difference *d)
{
    char name[140];
    for (; keys->name != NULL; keys++) {
        snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "", keys->name);
        if (keys->kind == CONF_SECTION)
            compare(keys->inner, name, (const char *)a + keys->at, (const char *)b + keys->at, d);
        else if (keys->kind == CONF_SECTIONS && keys->inner->kind == CONF_NAME)
            compare_named(keys, name, a, b, d);
        else if (keys->kind == CONF_SECTIONS ? !equal_sections(keys, a, b) : !confvalue_equal(keys, a, b))
            d->differs(d->arg, name, keys->live);
    }
}

void config_compare(const struct config *old, const struct config *fresh,
                    void (*differs)(void *arg, const char *key, bool live), void *arg)
{
    compare(confkeys, "", old, fresh, &(struct difference){ differs, arg });
}
