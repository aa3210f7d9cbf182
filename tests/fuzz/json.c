/* SPDX-License-Identifier: MIT */
/* Any bytes become a JSON string (RFC 8259 7) of UTF-8 without a control byte, which reads as those bytes did. */
#include "fuzz.h"
#include "naive_utf8.h"
#include "base/json.h"
#include <stdio.h>

/* What a character of the string stands for, or -1; *len of its bytes. */
static int unescaped(const char *s, size_t left, size_t *len, unsigned *point)
{
    *len = naive_character((const uint8_t *)s, left);
    if (*len == 0 || (uint8_t)*s < 0x20 || *s == 0x7f || *s == '"')
        return -1;
    if (*s != '\\')
        return 0;
    *len = left > 1 && s[1] == 'u' ? 6 : 2;
    *point = *len <= left ? (uint8_t)s[1] : 0;
    if (*len == 6) {
        char digits[5] = "";
        memcpy(digits, s + 2, *len <= left ? 4 : 0);
        return sscanf(digits, "%4x", point) == 1 ? 1 : -1;
    }
    return *point == '"' || *point == '\\' ? 1 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b;
    unsigned point = 0;
    size_t at = 0, n = 0, len;
    buf_init(&b, NULL, 0);
    json_put_string(&b, (const char *)data, size);
    CHECK(!b.failed && b.len >= 2 && b.at[0] == '"' && b.at[b.len - 1] == '"');
    for (size_t i = 1; i < b.len - 1; i += len, at += n) {
        int kind = unescaped(b.at + i, b.len - 1 - i, &len, &point);
        n = naive_character(data + at, size - at);
        CHECK(kind >= 0 && at < size);
        if (kind == 1)
            CHECK(n == 0 ? point == 0xfffd : n == 1 && point == data[at]);
        else
            CHECK(n == len && memcmp(b.at + i, data + at, n) == 0);
        n = n > 0 ? n : 1;
    }
    CHECK(at == size);
    buf_fini(&b);
    return 0;
}
