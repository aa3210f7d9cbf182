/* SPDX-License-Identifier: MIT */
#include "http/field.h"

#include <assert.h>
#include <string.h>

/* RFC 9110 5.6.2. */
static const bool token_chars[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,        ['*'] = true, ['+'] = true, ['-'] = true,
    ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip(struct http_text *t, size_t n)
{
    t->at += n;
    t->len -= n;
}

static void skip_space(struct http_text *t)
{
    while (t->len > 0 && is_space(*t->at))
        skip(t, 1);
}

struct http_text http_trim(const char *s, size_t len)
{
    struct http_text t = { s, len };
    skip_space(&t);
    while (t.len > 0 && is_space(t.at[t.len - 1]))
        t.len--;
    return t;
}

bool http_is_token_char(unsigned char c)
{
    return token_chars[c];
}

/* The length of the token that `t` begins with. */
static size_t token_len(struct http_text t)
{
    size_t n = 0;
    while (n < t.len && token_chars[(unsigned char)t.at[n]])
        n++;
    return n;
}

bool http_is_token(const char *s, size_t len)
{
    return len > 0 && token_len((struct http_text){ s, len }) == len;
}

bool http_text_is(struct http_text t, const char *lower)
{
    return t.len == strlen(lower) && http_same_name(t.at, lower, t.len);
}

/* The length of the quoted string that `t` begins with, quotes included; 0 when it is not closed. */
static size_t quoted_len(struct http_text t)
{
    for (size_t n = 1; n < t.len; n++) {
        if (t.at[n] == '"')
            return n + 1;
        if (t.at[n] == '\\')
            n++;
    }
    return 0;
}

int http_list_next(struct http_text *rest, struct http_text *element)
{
    if (rest->at == NULL)
        return 0;
    size_t n = 0;
    while (n < rest->len && rest->at[n] != ',') {
        size_t step = 1;
        if (rest->at[n] == '"')
            step = quoted_len((struct http_text){ rest->at + n, rest->len - n });
        if (step == 0)
            return -1;
        n += step;
    }
    *element = http_trim(rest->at, n);
    if (n == rest->len)
        *rest = (struct http_text){ NULL, 0 };
    else
        skip(rest, n + 1);
    return 1;
}

static bool take_token(struct http_text *rest, struct http_text *token)
{
    size_t n = token_len(*rest);
    *token = (struct http_text){ rest->at, n };
    skip(rest, n);
    skip_space(rest);
    return n > 0;
}

/* What may follow a complete part of an element. */
static bool at_part_end(const struct http_text *rest)
{
    return rest->len == 0 || *rest->at == ';';
}

int http_param_first(struct http_text *rest, struct http_text *name)
{
    skip_space(rest);
    if (rest->len == 0)
        return 0;
    return take_token(rest, name) && at_part_end(rest) ? 1 : -1;
}

/* Copies the quoted string that *rest begins with, unescaped. False when it is open, too long or no token. */
static bool take_quoted(struct http_text *rest, char *value, size_t cap)
{
    size_t len = quoted_len(*rest), out = 0;
    if (len == 0)
        return false;
    for (size_t i = 1; i < len - 1; i++) {
        if (rest->at[i] == '\\')
            i++;
        if (!token_chars[(unsigned char)rest->at[i]] || out + 1 >= cap)
            return false;
        value[out++] = rest->at[i];
    }
    value[out] = 0;
    skip(rest, len);
    skip_space(rest);
    return out > 0;
}

static bool take_value(struct http_text *rest, char *value, size_t cap)
{
    if (rest->len > 0 && *rest->at == '"')
        return take_quoted(rest, value, cap);
    struct http_text token;
    if (!take_token(rest, &token) || token.len >= cap)
        return false;
    memcpy(value, token.at, token.len);
    value[token.len] = 0;
    return true;
}

int http_param_next(struct http_text *rest, struct http_text *name, char *value, size_t cap, bool *has_value)
{
    skip_space(rest);
    if (rest->len == 0)
        return 0;
    assert(*rest->at == ';' && cap > 0); /* at_part_end() saw to it */
    skip(rest, 1);
    skip_space(rest);
    value[0] = 0;
    *has_value = false;
    if (!take_token(rest, name))
        return -1;
    if (rest->len > 0 && *rest->at == '=') {
        skip(rest, 1);
        skip_space(rest);
        if (!take_value(rest, value, cap))
            return -1;
        *has_value = true;
    }
    return at_part_end(rest) ? 1 : -1;
}
