/* SPDX-License-Identifier: MIT */
#include "wire/query.h"
#include "base/hex.h"
#include <string.h>

/* A '%' that begins no escape stands for itself, as browsers have it. */
static long decode(const char *from, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (n + 1 >= cap)
            return -2;
        int byte = from[i] == '%' && len - i > 2 ? hex_pair(from + i + 1) : -1;
        out[n++] = byte >= 0 ? (char)byte : from[i] == '+' ? ' ' : from[i];
        i += byte >= 0 ? 2 : 0;
    }
    out[n] = '\0';
    return (long)n;
}

long query_next(const char **at, const char *key, char *out, size_t cap)
{
    size_t key_len = strlen(key);
    while (*at != NULL && **at != '\0') {
        const char *pair = *at;
        size_t len = strcspn(pair, "&");
        *at = pair + len + (pair[len] == '&');
        if (len > key_len && memcmp(pair, key, key_len) == 0 && pair[key_len] == '=')
            return decode(pair + key_len + 1, len - key_len - 1, out, cap);
    }
    return -1;
}
