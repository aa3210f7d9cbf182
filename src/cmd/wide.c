/* SPDX-License-Identifier: MIT */
#include "cmd/wide.h"
#include "base/mem.h"
#include "base/utf8.h"

int wide_take(const void *from, size_t len, wchar_t *to)
{
    uint32_t c;
    size_t n = utf8_character(from, len, &c);
    if (n == 0) /* it may only be cut off */
        return utf8_next(UTF8_ACCEPT, from, len < UTF8_MOST ? len : UTF8_MOST) == UTF8_REJECT ? -1 : 0;
    *to = (wchar_t)c;
    return (int)n;
}

wchar_t *wide_from(const char *text, size_t len, size_t *wide_len)
{
    wchar_t *wide = mem_alloc((len + 1) * sizeof(*wide));
    size_t out = 0;
    if (wide == NULL)
        return NULL;
    for (size_t at = 0; at < len;) {
        int n = wide_take(text + at, len - at, &wide[out]);
        out += n > 0;
        at += n > 0 ? (size_t)n : 1;
    }
    wide[out] = 0;
    *wide_len = out;
    return wide;
}

static void put_one(struct buf *b, uint32_t c)
{
    static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(first[n] | c);
    buf_put(b, bytes, n);
}

void wide_put(struct buf *b, const wchar_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_one(b, (uint32_t)text[i]);
}
