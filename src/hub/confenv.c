/* SPDX-License-Identifier: MIT */
#include "hub/confenv.h"
#include "base/mem.h"
#include "base/near.h"
#include "hub/confkeys.h"
#include "hub/conftake.h"
#include <ctype.h>
#include <duet/error.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "DUET_"
enum { PREFIX_LEN = sizeof(PREFIX) - 1, NAME = 120 };

/* What a key is called here, behind that of its section; "" begins. */
static void name_key(char out[NAME], const char *section, const char *key)
{
    snprintf(out, NAME, "%s%s%s", section, section[0] ? "_" : PREFIX, key);
    for (char *c = out; *c != 0; c++)
        *c = (char)toupper((unsigned char)*c);
}

static const char *value_of(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; *env != NULL; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* Taking. */

struct taker {
    struct config *c;
    char *const *env;
    char *why;
};

static int take(struct taker *t, const struct confkey *key, void *base, const char *name, const char *value)
{
    struct conftake by = { t->c, name, t->why };
    if (key->kind != CONF_LIST && key->kind != CONF_WORDS)
        return conftake_set(&by, key, base, value);
    int rc = conftake_clear(&by, key, base);
    for (const char *at = value; rc == 0 && *at != 0; at += *at == ',') {
        size_t n = strcspn(at, ",");
        rc = conftake_add(&by, key, base, at, n);
        at += n;
    }
    return rc;
}

static int take_all(struct taker *t, const struct confkey *keys, void *base, const char *section)
{
    char name[NAME];
    int rc = 0;
    for (; keys->name != NULL && rc == 0; keys++) {
        const char *value;
        name_key(name, section, keys->name);
        if (keys->kind == CONF_SECTION)
            rc = take_all(t, keys->inner, (char *)base + keys->at, name);
        else if (keys->kind != CONF_SECTIONS && (value = value_of(t->env, name)) != NULL)
            rc = take(t, keys, base, name, value);
    }
    return rc;
}

/* What is none of them. */

struct search {
    const char *name; /* of the variable */
    struct near near;
    char nearest[NAME];            /* its name; "": none is */
    const struct confkey *section; /* the nearest's; NULL: it is in none */
    const struct confkey *begins;  /* the section that the variable begins like; NULL: none */
    bool known, names_secret;      /* names_secret: there is a key for the name of a variable that has a secret */
};

static void search(struct search *s, const struct confkey *keys, const char *section, const struct confkey *of)
{
    char name[NAME];
    for (; keys->name != NULL; keys++) {
        name_key(name, section, keys->name);
        size_t len = strlen(name);
        if (keys->kind == CONF_SECTION || keys->kind == CONF_SECTIONS) {
            if (strncmp(s->name, name, len) == 0 && s->name[len] == '_')
                s->begins = keys;
            if (keys->kind == CONF_SECTION)
                search(s, keys->inner, name, keys);
            continue;
        }
        s->known |= strcmp(name, s->name) == 0;
        s->names_secret |= strncmp(name, s->name, strlen(s->name)) == 0 && strcmp(name + strlen(s->name), "_ENV") == 0;
        size_t least = s->near.least;
        near_offer(&s->near, name + PREFIX_LEN);
        if (s->near.least < least) {
            memcpy(s->nearest, name, len + 1);
            s->section = of;
        }
    }
}

static bool same(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

/* Kubernetes makes variables of the services that stand beside a program: of one called duet-api DUET_API_SERVICE_HOST,
 * DUET_API_PORT_80_TCP and the like. */
static bool is_of_a_service(const char *name)
{
    const char *port = strstr(name, "_PORT");
    return strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL ||
           (port != NULL && (port[5] == 0 || (port[5] == '_' && isdigit((unsigned char)port[6]))));
}

static int refuse(const struct search *s, char why[CONFIG_WHY])
{
    const char *name = s->name;
    if (s->names_secret)
        snprintf(why, CONFIG_WHY, "%.80s: nothing says that a secret is there; %.80s_ENV=%.80s does", name, name, name);
    else if (s->begins != NULL && s->begins->kind == CONF_SECTIONS)
        snprintf(why, CONFIG_WHY, "%.100s: %s is said in the file alone, as there may be several", name,
                 s->begins->name);
    else if (s->nearest[0] != 0)
        snprintf(why, CONFIG_WHY, "%.100s: there is no such variable; did you mean %s?", name, s->nearest);
    else
        snprintf(why, CONFIG_WHY, "%.100s: there is no such variable: %s has no such key", name, s->begins->name);
    return DUET_ERR_INVALID;
}

/* A variable that is not ours may be there, too, for other programs of the same name. */
static int doubt(struct taker *t, const struct search *s)
{
    char text[CONFIG_WHY];
    if (t->c->doubt != NULL || s->nearest[0] == 0)
        return 0;
    snprintf(text, sizeof(text), "%.100s is no variable of the configuration; did you mean %s?", s->name, s->nearest);
    t->c->doubt = mem_strdup(text);
    if (t->c->doubt != NULL)
        return 0;
    snprintf(t->why, CONFIG_WHY, "out of memory");
    return DUET_ERR_NOMEM;
}

static int judge(struct taker *t, const char *name)
{
    const struct config *c = t->c;
    struct search s = { .name = name, .near = near_to(name + PREFIX_LEN, strlen(name + PREFIX_LEN)) };
    search(&s, confkeys, "", NULL);
    if (s.known || same(c->tokens.secret_env, name) || same(c->admin.token_env, name) || same(c->api.key_env, name) ||
        is_of_a_service(name))
        return 0;
    return s.begins != NULL || s.section != NULL ? refuse(&s, t->why) : doubt(t, &s);
}

int confenv_read(struct config *c, char *const *env, char why[CONFIG_WHY])
{
    struct taker t = { c, env, why };
    int rc = take_all(&t, confkeys, c, "");
    for (; *env != NULL && rc == 0; env++) {
        char name[NAME];
        size_t len = strcspn(*env, "=");
        if (strncmp(*env, PREFIX, PREFIX_LEN) != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", len < NAME ? (int)len : NAME - 1, *env);
        rc = judge(&t, name);
    }
    return rc;
}
