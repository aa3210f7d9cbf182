/* SPDX-License-Identifier: MIT */
#include "http/path.h"
#include "base/hex.h"
#include <string.h>

/* The byte at the front of `s`, decoded, and how many bytes it took; -1 when it may not be there. */
static int decode(const char *s, size_t len, size_t *used)
{
    *used = 1;
    unsigned char c = (unsigned char)*s;
    if (c != '%')
        return c == 0 || c >= 0x80 ? -1 : c;
    int value = len < 3 ? -1 : hex_pair(s + 1);
    if (value <= 0)
        return -1;
    *used = 3;
    return value;
}

/* The start of the segment before the one that starts at `segment`; the root is its own parent. */
static size_t parent_of(const char *out, size_t segment)
{
    if (segment == 1)
        return 1;
    segment--;
    while (out[segment - 1] != '/')
        segment--;
    return segment;
}

/* Where writing goes on once the segment [segment, end) is complete: dot segments and empty ones vanish. */
static size_t close_segment(const char *out, size_t segment, size_t end)
{
    size_t len = end - segment;
    if (len == 2 && out[segment] == '.' && out[segment + 1] == '.')
        return parent_of(out, segment);
    return len == 0 || (len == 1 && out[segment] == '.') ? segment : end;
}

int http_path_decode(const char *target, size_t len, char *out, size_t cap)
{
    const char *query = len > 0 ? memchr(target, '?', len) : NULL;
    size_t n = query != NULL ? (size_t)(query - target) : len;
    size_t at = n > 0, used, segment = 1, end = 1;
    if (n > 0 && *target != '/')
        return -400;
    if (cap < 2)
        return -414;
    out[0] = '/';
    for (; at < n; at += used) {
        int c = decode(target + at, n - at, &used);
        if (c < 0)
            return -400;
        if (end + 1 >= cap)
            return -414;
        if (c != '/') {
            out[end++] = (char)c;
            continue;
        }
        size_t closed = close_segment(out, segment, end);
        if (closed == end && end > segment)
            out[closed++] = '/';
        segment = end = closed;
    }
    end = close_segment(out, segment, end);
    out[end] = 0;
    return (int)end;
}

struct http_text http_path_query(const char *target, size_t len)
{
    const char *query = len > 0 ? memchr(target, '?', len) : NULL;
    if (query == NULL)
        return (struct http_text){ NULL, 0 };
    return (struct http_text){ query + 1, len - (size_t)(query + 1 - target) };
}
