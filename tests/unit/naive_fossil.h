/* SPDX-License-Identifier: MIT */
/* Applies a fossil delta, slowly and plainly. */
#ifndef TESTS_NAIVE_FOSSIL_H
#define TESTS_NAIVE_FOSSIL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The digits at the front, moving behind them. */
static inline uint64_t naive_fossil_number(const char **at, const char *end)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    uint64_t n = 0;
    for (const char *d; *at < end && **at != 0 && (d = strchr(digits, **at)) != NULL; ++*at)
        n = n * 64 + (uint64_t)(d - digits);
    return n;
}

/* The target's length; -1: it is no delta of this source, or makes more than `room`. */
static inline long naive_fossil_apply(char *out, size_t room, const char *source, size_t source_len, const char *delta,
                                      size_t len)
{
    const char *at = delta, *end = delta + len;
    uint64_t wanted = naive_fossil_number(&at, end), made = 0;
    if (at == end || *at++ != '\n' || wanted > room)
        return -1;
    while (at < end) {
        uint64_t n = naive_fossil_number(&at, end);
        char what = at < end ? *at++ : 0;
        if (what == '@') {
            uint64_t from = naive_fossil_number(&at, end);
            if (at == end || *at++ != ',' || from + n > source_len || made + n > wanted)
                return -1;
            memcpy(out + made, source + from, (size_t)n);
            made += n;
        } else if (what == ':') {
            if (n > (uint64_t)(end - at) || made + n > wanted)
                return -1;
            memcpy(out + made, at, (size_t)n);
            made += n;
            at += n;
        } else {
            uint32_t sum = 0;
            for (uint64_t i = 0; i < made; i += 4)
                for (uint64_t j = 0; j < 4; j++)
                    sum += (uint32_t)(i + j < made ? (uint8_t)out[i + j] : 0) << (8 * (3 - j));
            return what == ';' && at == end && made == wanted && n == sum ? (long)made : -1;
        }
    }
    return -1;
}

#endif
