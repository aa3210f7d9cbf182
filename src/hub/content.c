/* SPDX-License-Identifier: MIT */
#include "hub/content.h"
#include "base/jsonwalk.h"
#include "base/mem.h"
#include <string.h>

static void note_depth(void *arg, const struct json_token *t)
{
    unsigned *deepest = arg;
    if (t->kind == JSON_OPEN && t->depth + 1 > *deepest)
        *deepest = t->depth + 1;
}

static bool is_json(const char *text, size_t len)
{
    unsigned deepest = 0;
    return json_walk(text, len, note_depth, &deepest) && deepest <= CONTENT_DEPTH_MOST;
}

/* In a string a newline is written \n, so each raw one is outside (RFC 8259 7). */
static int drop_newlines(struct content *p, const char *text, size_t len)
{
    if (memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL)
        return 0;
    p->owned = mem_alloc(len);
    if (p->owned == NULL)
        return DUET_ERR_NOMEM;
    p->len = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\n' && text[i] != '\r')
            p->owned[p->len++] = text[i];
    p->data = p->owned;
    return 0;
}

int content_take_json(struct content *out, const char *text, size_t len)
{
    *out = (struct content){ .kind = HUB_JSON, .data = text, .len = len };
    return is_json(text, len) ? drop_newlines(out, text, len) : DUET_ERR_INVALID;
}

int content_take(struct content *out, duet_type type, const void *data, size_t len)
{
    if (type == DUET_BINARY) {
        *out = (struct content){ .kind = HUB_BINARY, .data = data, .len = len };
        return 0;
    }
    int rc = content_take_json(out, data, len);
    if (rc != DUET_ERR_INVALID)
        return rc;
    *out = (struct content){ .kind = HUB_TEXT, .data = data, .len = len };
    return 0;
}

void content_fini(struct content *p)
{
    mem_free(p->owned);
    p->owned = NULL;
}
