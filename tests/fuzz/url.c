/* SPDX-License-Identifier: MIT */
/* A URL's parts lie inside it; a decoded path has no dot segment left and fits; an origin equals itself. */
#include "fuzz.h"
#include "http/origin.h"
#include "http/path.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data, *why = NULL;
    struct http_url url;
    for (int use = HTTP_URL_LISTEN; use <= HTTP_URL_PROXY; use++)
        if (http_url_parse(s, size, (enum http_url_use)use, &url, &why))
            CHECK(url.host.len + url.target.len + url.file.len + url.user.len + url.password.len <= size);
        else
            CHECK(why != NULL);
    struct http_origin origin;
    if (http_origin_parse(s, size, &origin))
        CHECK(http_origin_matches(&origin, &origin));
    char *out = malloc(size + 2);
    int len = out == NULL ? -1 : http_path_decode(s, size, out, size + 2);
    if (len > 0) {
        CHECK((size_t)len < size + 2 && out[0] == '/' && out[len] == 0 && strlen(out) == (size_t)len);
        CHECK(strstr(out, "//") == NULL && strstr(out, "/../") == NULL && strstr(out, "/./") == NULL);
    }
    free(out);
    return 0;
}
