/* SPDX-License-Identifier: MIT */
#include "hub/conftake.h"
#include "hub/conflines.h"
#include "hub/confvalue.h"
#include <assert.h>
#include <duet/error.h>
#include <stdio.h>
#include <string.h>

static int note(const struct conftake *t, const void *what)
{
    if (conflines_note(t->c, what, 0, t->by))
        return 0;
    snprintf(t->why, CONFIG_WHY, "out of memory");
    return DUET_ERR_NOMEM;
}

/* Puts who said it in front of what is wrong. */
static int told(const struct conftake *t, int rc)
{
    char said[CONFIG_WHY];
    if (rc != DUET_ERR_INVALID)
        return rc;
    snprintf(said, sizeof(said), "%s", t->why);
    snprintf(t->why, CONFIG_WHY, "%.100s: %.180s", t->by, said);
    return rc;
}

int conftake_clear(const struct conftake *t, const struct confkey *key, void *base)
{
    int rc = 0;
    assert(key->kind == CONF_TEXT || key->kind == CONF_LIST || key->kind == CONF_WORDS);
    if (key->kind == CONF_TEXT)
        confvalue_free(key, base);
    else
        rc = confvalue_clear(key, base, t->why);
    return rc == 0 ? note(t, (char *)base + key->at) : rc;
}

int conftake_add(const struct conftake *t, const struct confkey *key, void *base, const char *text, size_t len)
{
    int rc = told(t, confvalue_add(key, base, text, len, t->why));
    return rc == 0 ? note(t, confvalue_text(key, base)) : rc;
}

int conftake_set(const struct conftake *t, const struct confkey *key, void *base, const char *text)
{
    int rc = told(t, confvalue_take(key, base, text, strlen(text), t->why));
    if (rc == 0)
        rc = note(t, confvalue_text(key, base));
    return rc == 0 ? note(t, (char *)base + key->at) : rc;
}

/* "store.data": the key, whose section begins at `*base` from then on. */
static const struct confkey *find(const char *name, void **base)
{
    const struct confkey *key = confkey_find(confkeys, name, strcspn(name, "."));
    const char *dot = strchr(name, '.');
    if (dot != NULL && key != NULL) {
        *base = (char *)*base + key->at;
        key = confkey_find(key->inner, dot + 1, strlen(dot + 1));
    }
    assert(key != NULL);
    return key;
}

int conftake_word(struct config *c, const struct config_word *word, char why[CONFIG_WHY])
{
    struct conftake t = { c, word->by, why };
    void *base = c;
    const struct confkey *key = find(word->key, &base);
    if (word->text != NULL)
        return conftake_set(&t, key, base, word->text);
    int rc = conftake_clear(&t, key, base);
    for (const char *const *text = word->list; rc == 0 && text != NULL && *text != NULL; text++)
        rc = conftake_add(&t, key, base, *text, strlen(*text));
    return rc;
}
