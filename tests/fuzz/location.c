/* SPDX-License-Identifier: MIT */
/* A URL and a Location, a newline between them: the result fits, is one line, and a path alone leads nowhere else. */
#include "fuzz.h"
#include "http/location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data, *end = size > 0 ? memchr(s, '\n', size) : NULL, *why;
    struct http_url base, next;
    if (end == NULL || !http_url_parse(s, (size_t)(end - s), HTTP_URL_CONNECT, &base, &why) ||
        base.scheme == HTTP_SCHEME_UNIX)
        return 0;
    const char *value = end + 1;
    size_t len = size - (size_t)(value - s), cap = size + 32;
    char *out = malloc(cap);
    size_t n = out != NULL ? http_location(&base, value, len, out, cap) : 0;
    if (n > 0) {
        CHECK(n < cap && strlen(out) == n && strchr(out, '#') == NULL);
        bool path = len == 0 || (value[0] == '/' && (len == 1 || value[1] != '/')) || value[0] == '?';
        if (http_url_parse(out, n, HTTP_URL_CONNECT, &next, &why) && path)
            CHECK(http_url_same_origin(&base, &next));
        const char *dots = path ? strstr(strchr(out, ':') + 3, "/../") : NULL;
        CHECK(dots == NULL || len == 0 || value[0] != '/' || strcspn(out, "?") < (size_t)(dots - out));
    }
    free(out);
    return 0;
}
