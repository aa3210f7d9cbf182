/* SPDX-License-Identifier: MIT */
#include "hub/conflines.h"
#include "base/mem.h"
#include <stdio.h>

struct said {
    const void *what;
    unsigned line;
    char *variable; /* NULL: the file said it */
};

struct conflines {
    size_t count, room;
    struct said *at;
};

static bool grow(struct conflines *l)
{
    size_t room = l->room ? 2 * l->room : 32;
    void *grown = l->count < l->room ? l->at : mem_realloc(l->at, room * sizeof(*l->at));
    if (grown == NULL)
        return false;
    l->room = l->count < l->room ? l->room : room;
    l->at = grown;
    return true;
}

bool conflines_note(struct config *c, const void *what, unsigned line, const char *variable)
{
    if (what == NULL)
        return true;
    if (c->lines == NULL)
        c->lines = mem_zalloc(sizeof(*c->lines));
    if (c->lines == NULL || !grow(c->lines))
        return false;
    char *copy = variable ? mem_strdup(variable) : NULL;
    if (variable != NULL && copy == NULL)
        return false;
    c->lines->at[c->lines->count++] = (struct said){ what, line, copy };
    return true;
}

void conflines_free(struct config *c)
{
    for (size_t i = 0; c->lines != NULL && i < c->lines->count; i++)
        mem_free(c->lines->at[i].variable);
    if (c->lines != NULL)
        mem_free(c->lines->at);
    mem_free(c->lines);
    c->lines = NULL;
}

/* The newest note of it, since a text may stand where another one was. */
static const struct said *find(const struct config *c, const void *what)
{
    for (size_t i = c->lines ? c->lines->count : 0; i > 0; i--)
        if (c->lines->at[i - 1].what == what)
            return &c->lines->at[i - 1];
    return NULL;
}

unsigned config_line(const struct config *c, const void *what)
{
    const struct said *s = find(c, what);
    return s ? s->line : 0;
}

bool config_where(const struct config *c, const char *file, const void *what, char out[CONFIG_WHERE])
{
    const struct said *s = find(c, what);
    if (s == NULL)
        out[0] = '\0';
    else if (s->variable != NULL)
        snprintf(out, CONFIG_WHERE, "%.130s: ", s->variable);
    else
        snprintf(out, CONFIG_WHERE, "%.110s:%u: ", file, s->line);
    return s != NULL;
}
