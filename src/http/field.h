/* SPDX-License-Identifier: MIT */
/*
 * The grammar inside field values (RFC 9110 5.6): tokens, comma-separated lists, parameters, quoted strings.
 * All of it is linear in the bytes given (UPG-7). Nothing is allocated.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct http_text {
    const char *at;
    size_t len;
};

struct http_text http_trim(const char *s, size_t len); /* without spaces and tabs around it */
bool http_is_token_char(unsigned char c);
bool http_is_token(const char *s, size_t len);            /* false for an empty one */
bool http_text_is(struct http_text t, const char *lower); /* equal to a lower-case constant, in any case */

/* The same for `n` bytes of each. */
static inline bool http_same_name(const char *at, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = at[i];
        if (c != lower[i] && (c < 'A' || c > 'Z' || (c | 0x20) != lower[i]))
            return false;
    }
    return true;
}

/*
 * Walks a list: each call takes the next element, white space around it removed, commas inside quoted strings
 * kept, and moves *rest past it. Returns 1 with an element (it may be empty: n commas part n + 1 elements), 0 at
 * the end (rest->at is then NULL), -1 when a quoted string is not closed.
 */
int http_list_next(struct http_text *rest, struct http_text *element);

/*
 * Takes a list element of the form  token *( ; token [= token | = quoted-string] )  apart.
 * http_param_first() takes the leading token; each http_param_next() one parameter, whose value is copied,
 * unescaped, into `value` (`cap` bytes, terminated; *has_value says whether there was one). Both return 1, 0 at
 * the end, -1 on a violation of the grammar (a value that is not a token after unescaping is one: RFC 6455 9.1)
 * and for a value that does not fit. White space may stand around ";" and "=", as RFC 6455's grammar has it.
 */
int http_param_first(struct http_text *rest, struct http_text *name);
int http_param_next(struct http_text *rest, struct http_text *name, char *value, size_t cap, bool *has_value);

#endif
