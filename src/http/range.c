/* SPDX-License-Identifier: MIT */
#include "http/range.h"

#include <stdbool.h>

#include "http/field.h"

/* Takes the digits at the front; a number that is too large counts as the largest. False when there are none. */
static bool take_number(struct http_text *t, uint64_t *value)
{
    size_t n = 0;
    *value = 0;
    for (; n < t->len && t->at[n] >= '0' && t->at[n] <= '9'; n++) {
        unsigned digit = (unsigned)(t->at[n] - '0');
        *value = *value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *value * 10 + digit;
    }
    t->at += n;
    t->len -= n;
    return n > 0;
}

int http_range_parse(const char *s, size_t len, uint64_t size, uint64_t *first, uint64_t *last)
{
    struct http_text unit = { s, len < 6 ? len : 6 };
    if (!http_text_is(unit, "bytes="))
        return 0;
    struct http_text t = http_trim(s + 6, len - 6);
    bool has_first = take_number(&t, first);
    if (t.len == 0 || *t.at != '-')
        return 0;
    t.at++;
    t.len--;
    bool has_last = take_number(&t, last);
    if (t.len > 0 || (!has_first && !has_last) || (has_first && has_last && *first > *last))
        return 0;
    if (!has_first) { /* the last so many bytes; the last none is behind the end */
        *first = *last < size ? size - *last : 0;
        has_last = false;
    }
    if (*first >= size)
        return -416;
    if (!has_last || *last >= size)
        *last = size - 1;
    return 1;
}
