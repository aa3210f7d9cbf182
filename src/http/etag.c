/* SPDX-License-Identifier: MIT */
#include "http/etag.h"

#include <string.h>

#include "http/field.h"

static bool is_weak(struct http_text tag)
{
    return tag.len > 1 && tag.at[0] == 'W' && tag.at[1] == '/';
}

/*
 * Takes [ W/ ] DQUOTE *etagc DQUOTE from the front of a list, and the comma behind it. Not http_list_next(): a
 * backslash in an entity tag is a byte like any other.
 */
static bool take_tag(struct http_text *rest, struct http_text *tag)
{
    *rest = http_trim(rest->at, rest->len);
    size_t n = is_weak(*rest) ? 2 : 0;
    if (n >= rest->len || rest->at[n] != '"')
        return false;
    do
        n++;
    while (n < rest->len && rest->at[n] != '"' && (unsigned char)rest->at[n] > ' ');
    if (n == rest->len || rest->at[n] != '"')
        return false;
    n++;
    *tag = (struct http_text){ rest->at, n };
    *rest = http_trim(rest->at + n, rest->len - n);
    if (rest->len == 0)
        return true;
    bool comma = *rest->at == ',';
    rest->at++;
    rest->len--;
    return comma;
}

static bool same(struct http_text a, struct http_text b, enum http_etag_comparison how)
{
    size_t skip_a = is_weak(a) ? 2 : 0, skip_b = is_weak(b) ? 2 : 0;
    if (how == HTTP_ETAG_STRONG && skip_a + skip_b > 0)
        return false;
    return a.len - skip_a == b.len - skip_b && memcmp(a.at + skip_a, b.at + skip_b, a.len - skip_a) == 0;
}

bool http_etag_listed(const struct http_head *head, const char *data, const char *name, const char *etag,
                      enum http_etag_comparison how)
{
    struct http_text rest, tag, own = { etag, strlen(etag) };
    unsigned from = 0;
    while (http_head_next(head, data, name, &from, &rest.at, &rest.len)) {
        if (http_text_is(rest, "*"))
            return true;
        while (take_tag(&rest, &tag))
            if (same(tag, own, how))
                return true;
    }
    return false;
}
