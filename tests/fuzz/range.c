/* SPDX-License-Identifier: MIT */
/* A range is what RFC 9110 14.1.2 says, read slowly with numbers that cannot overflow. The first byte is the file's
 * size, from nothing to far more than what numbers fit. */
#include "fuzz.h"
#include "http/range.h"
#include <strings.h>

typedef unsigned __int128 wide;

/* Digits as a number, at most 2^64-1; how many. */
static size_t number(const char *s, wide *n)
{
    size_t len = 0;
    for (*n = 0; s[len] >= '0' && s[len] <= '9'; len++)
        if ((*n = *n * 10 + (unsigned)(s[len] - '0')) > UINT64_MAX)
            *n = UINT64_MAX;
    return len;
}

static int read_slowly(const char *s, wide size, wide *first, wide *last)
{
    if (strncasecmp(s, "bytes=", 6) != 0)
        return 0;
    for (s += 6; *s == ' ' || *s == '\t'; s++)
        ;
    size_t n = number(s, first), m = s[n] == '-' ? number(s + n + 1, last) : 0;
    if (s[n] != '-' || n + m == 0 || (s + n + 1 + m)[strspn(s + n + 1 + m, " \t")] != 0 || (n && m && *first > *last))
        return 0;
    if (n == 0) {
        *first = *last < size ? size - *last : 0;
        *last = size - 1;
    } else if (m == 0 || *last >= size) {
        *last = size - 1;
    }
    return *first >= size ? -416 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || memchr(data + 1, 0, size - 1) != NULL)
        return 0;
    uint64_t bytes = data[0] < 64 ? data[0] / 4 : UINT64_MAX >> (data[0] - 64) % 64, first, last;
    char *text = exactly(data + 1, size - 1), *whole = calloc(1, size);
    wide naive_first, naive_last;
    CHECK(whole != NULL);
    memcpy(whole, text, size - 1);
    int rc = http_range_parse(text, size - 1, bytes, &first, &last);
    CHECK(rc == read_slowly(whole, bytes, &naive_first, &naive_last));
    CHECK(rc != 1 || (first == naive_first && last == naive_last && first <= last && last < bytes));
    free(whole);
    free(text);
    return 0;
}
