/* SPDX-License-Identifier: MIT */
#include "hub/names.h"
#include "base/mem.h"
#include "base/utf8.h"
#include <duet/error.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

struct hub_names {
    const struct hub_options *options;
    size_t count;
    uint32_t name_max;
    regex_t *regexes; /* of options[i], where it has one */
    size_t compiled;  /* so many of them are made, or are not wanted */
};

bool hub_namespace_name(const char *name, size_t len)
{
    if (len < HUB_NAMESPACE_LEAST || len > HUB_NAMESPACE_MOST)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i], letter = (char)(c | 0x20);
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

static const struct hub_options *find(const struct hub_names *names, size_t count, const char *space, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names->options[i].name) == len && memcmp(names->options[i].name, space, len) == 0)
            return &names->options[i];
    return NULL;
}

/* Making them. */

static int wrong(char why[HUB_NAMES_WHY], const char *name, const char *what)
{
    snprintf(why, HUB_NAMES_WHY, "namespace `%.*s`: %s", HUB_NAMESPACE_MOST, name, what);
    return DUET_ERR_INVALID;
}

static int make_one(struct hub_names *names, size_t i, char why[HUB_NAMES_WHY])
{
    const struct hub_options *o = &names->options[i];
    char said[100];
    if (o->name[0] != 0 && !hub_namespace_name(o->name, strlen(o->name)))
        return wrong(why, o->name, "a name is 2 to 64 of A-Z a-z 0-9 - _");
    if (find(names, i, o->name, strlen(o->name)) != NULL)
        return wrong(why, o->name, "is there twice");
    if (o->channel_regex == NULL)
        return 0;
    int rc = regcomp(&names->regexes[i], o->channel_regex, REG_EXTENDED | REG_NOSUB);
    if (rc == 0)
        return 0;
    regerror(rc, &names->regexes[i], said, sizeof(said));
    return rc == REG_ESPACE ? DUET_ERR_NOMEM : wrong(why, o->name, said);
}

int hub_names_new(struct hub_names **out, const struct hub_options *options, size_t count, uint32_t name_max,
                  char why[HUB_NAMES_WHY])
{
    struct hub_names *names = mem_zalloc(sizeof(*names));
    int rc = names ? 0 : DUET_ERR_NOMEM;
    snprintf(why, HUB_NAMES_WHY, "out of memory");
    if (rc == 0) {
        *names = (struct hub_names){ .options = options, .count = count, .name_max = name_max };
        names->regexes = mem_zalloc((count + 1) * sizeof(*names->regexes));
        rc = names->regexes ? 0 : DUET_ERR_NOMEM;
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = make_one(names, i, why);
        names->compiled += rc == 0;
    }
    if (rc < 0) {
        hub_names_free(names);
        return rc;
    }
    *out = names;
    return 0;
}

void hub_names_free(struct hub_names *names)
{
    for (size_t i = 0; names != NULL && i < names->compiled; i++)
        if (names->options[i].channel_regex != NULL)
            regfree(&names->regexes[i]);
    if (names != NULL)
        mem_free(names->regexes);
    mem_free(names);
}

/* Judging. */

/* UTF-8 in which nothing could move a cursor, end a line or be a terminating zero. */
static bool is_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t point;
        size_t n = utf8_character(text + i, len - i, &point);
        if (n == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0))
            return false;
        i += n;
    }
    return true;
}

static void take_apart(struct hub_name *n, const char *text, size_t len)
{
    *n = (struct hub_name){ .text = text, .len = len, .is_private = text[0] == '$' };
    const char *begin = text + n->is_private, *end = text + len;
    const char *colon = memchr(begin, ':', (size_t)(end - begin));
    n->has_space = colon != NULL;
    n->space = begin;
    n->space_len = colon ? (size_t)(colon - begin) : 0;
    n->rest = colon ? colon + 1 : begin;
    n->rest_len = (size_t)(end - n->rest);
    const char *hash = memrchr(n->rest, '#', n->rest_len);
    n->users = hash ? hash + 1 : NULL;
    n->users_len = hash ? (size_t)(end - n->users) : 0;
}

static bool is_wanted(const struct hub_names *names, const struct hub_options *o, const struct hub_name *n)
{
    char rest[HUB_NAME_MOST + 1];
    if (o->channel_regex == NULL)
        return true;
    memcpy(rest, n->rest, n->rest_len);
    rest[n->rest_len] = 0;
    return regexec(&names->regexes[o - names->options], rest, 0, NULL, 0) == 0;
}

int hub_name_judge(const struct hub_names *names, const char *text, size_t len, struct hub_name *name,
                   const struct hub_options **options)
{
    if (len == 0 || len > names->name_max || len > HUB_NAME_MOST || !is_text(text, len))
        return HUB_ERROR_BAD_REQUEST;
    take_apart(name, text, len);
    if (name->rest_len == 0)
        return HUB_ERROR_BAD_REQUEST;
    /* ":x" would be of the namespace "" if that were looked up by its name. */
    if (name->has_space && name->space_len == 0)
        return HUB_ERROR_UNKNOWN_CHANNEL;
    const struct hub_options *o = find(names, names->count, name->space, name->space_len);
    if (o == NULL)
        return HUB_ERROR_UNKNOWN_CHANNEL;
    if (!is_wanted(names, o, name))
        return HUB_ERROR_BAD_REQUEST;
    *options = o;
    return HUB_OK;
}

bool hub_name_lists(const struct hub_name *name, const char *user, size_t len)
{
    if (name->users == NULL || len == 0)
        return false;
    const char *at = name->users, *end = at + name->users_len;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - at) == len && memcmp(at, user, len) == 0)
            return true;
        if (comma == NULL)
            return false;
        at = comma + 1;
    }
}
