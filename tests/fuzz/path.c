/* SPDX-License-Identifier: MIT */
/* A path is decoded as a slow reading does it, in place too: percent signs once, then segment by segment on a stack, so
 * that nothing climbs above the root (HTTP-15). */
#include "fuzz.h"
#include "http/path.h"
#include <stdio.h>

/* Decodes; the length or -1. */
static long decoded(const char *s, size_t len, char *out)
{
    long n = 0;
    for (size_t i = 0; i < len && s[i] != '?'; i++) {
        unsigned c = (unsigned char)s[i];
        char digits[3] = { i + 1 < len ? s[i + 1] : 0, i + 1 < len && i + 2 < len ? s[i + 2] : 0, 0 };
        if (c >= 0x80 || (c == '%' && strspn(digits, "0123456789abcdefABCDEF") != 2))
            return -1;
        if (c == '%' && sscanf(digits, "%x", &c) == 1)
            i += 2;
        if (c == 0)
            return -1;
        out[n++] = (char)c;
    }
    return n;
}

/* Puts the segments together again, without the dots and the empty ones. */
static size_t resolved(char *s, char *out)
{
    size_t n = 1, starts[4096], depth = 0;
    bool folder = true;
    out[0] = '/';
    for (char *end; *s != 0; s = end) {
        end = s + 1 + strcspn(s + 1, "/");
        size_t len = (size_t)(end - s - 1);
        bool up = len == 2 && memcmp(s + 1, "..", 2) == 0, stays = len == 0 || (len == 1 && s[1] == '.');
        folder = up || stays;
        if (up && depth > 0)
            n = starts[--depth];
        if (folder)
            continue;
        if (n == 1)
            n = 0;
        starts[depth++] = n > 0 ? n : 1;
        out[n++] = '/';
        memcpy(out + n, s + 1, len);
        n += len;
    }
    if (folder && n > 1)
        out[n++] = '/';
    out[n] = 0;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4000)
        return 0;
    static char slow[4096], want[4096];
    char *out = malloc(size + 2), *s = exactly(data, size);
    CHECK(out != NULL);
    int len = http_path_decode(s, size, out, size + 2);
    long n = decoded(s, size, slow + 1);
    slow[0] = '/';
    slow[n < 0 ? 0 : n + 1] = 0;
    bool empty = size == 0 || s[0] == '?';
    CHECK((len > 0) == (n >= 0 && (empty || s[0] == '/')));
    if (len > 0) {
        CHECK((size_t)len == resolved(empty ? slow : slow + 1, want) && memcmp(out, want, (size_t)len + 1) == 0);
        CHECK(http_path_decode(s, size, out, (size_t)len) == -414);
    }
    struct http_text query = http_path_query(s, size);
    CHECK(query.at == NULL ? size == 0 || memchr(s, '?', size) == NULL : query.at + query.len == s + size);
    if (len > 0 && size >= 2 && http_path_decode(s, size, s, size) == len)
        CHECK(memcmp(s, want, (size_t)len) == 0);
    free(s);
    free(out);
    return 0;
}
