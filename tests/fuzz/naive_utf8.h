/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 defines it, read slowly: decode, then ask for the shortest form of a scalar value. */
#ifndef TESTS_FUZZ_NAIVE_UTF8_H
#define TESTS_FUZZ_NAIVE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The length of the character at the front, or 0. */
static inline size_t naive_character(const uint8_t *data, size_t size)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (size == 0)
        return 0;
    size_t len = data[0] < 0x80 ? 1 : data[0] >> 5 == 6 ? 2 : data[0] >> 4 == 14 ? 3 : data[0] >> 3 == 30 ? 4 : 0;
    if (len == 0 || len > size)
        return 0;
    uint32_t point = len == 1 ? data[0] : data[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (data[i] >> 6 != 2)
            return 0;
        point = point << 6 | (data[i] & 63);
    }
    return point >= least[len] && point <= 0x10FFFF && point >> 11 != 0xD800 >> 11 ? len : 0;
}

/* The length of the longest beginning that is whole characters. */
static inline size_t naive_good(const uint8_t *data, size_t size)
{
    size_t good = 0;
    for (size_t n; (n = naive_character(data + good, size - good)) > 0;)
        good += n;
    return good;
}

/* Whether some ending would make a text of it: tries what may follow. The second byte decides; the later ones of a
 * character may be any continuation. */
static inline bool naive_begins_text(const uint8_t *data, size_t size)
{
    size_t good = naive_good(data, size), rest = size - good;
    if (rest == 0)
        return true;
    for (int second = 0x80; rest < 4 && second < 0xc0; second++) {
        uint8_t whole[4] = { 0, (uint8_t)second, 0x80, 0x80 };
        memcpy(whole, data + good, rest);
        if (naive_character(whole, 4) > rest)
            return true;
    }
    return false;
}

#endif
