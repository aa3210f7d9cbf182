/* SPDX-License-Identifier: MIT */
/* Reading JSON (RFC 8259) token by token, each as it was written: no number is rounded, no name is dropped. */
#ifndef BASE_JSONWALK_H
#define BASE_JSONWALK_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MOST = 512 };

enum json_kind { JSON_OPEN, JSON_CLOSE, JSON_COMMA, JSON_COLON, JSON_NAME, JSON_STRING, JSON_NUMBER, JSON_WORD };

struct json_token {
    enum json_kind kind;
    const char *text; /* as it was written, strings with their quotes; borrowed from what is read */
    size_t len;
    unsigned depth;   /* arrays and objects around it; those it opens or closes do not count */
    bool begins;      /* a line of its own when laid out: an element's first token, or the end of what is not empty */
};

/* Tells `token` (may be NULL) of each token, in order. False: it is no JSON text, or is nested deeper than
 * JSON_DEPTH_MOST; the tokens before the fault were told. */
bool json_walk(const char *text, size_t len, void (*token)(void *arg, const struct json_token *t), void *arg);

#endif
