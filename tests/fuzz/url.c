/* SPDX-License-Identifier: MIT */
/* A URL's parts lie inside it, in their order; put together again they are the URL of the same parts. */
#include "fuzz.h"
#include "http/url.h"
#include <stdio.h>

static const char *const names[] = { "ws", "wss", "http", "https", "unix", "socks5" };

static void written_again(const struct http_url *url, enum http_url_use use, size_t size)
{
    char field[512], user[256], *whole = malloc(size + 64);
    const char *why;
    struct http_url again;
    size_t n = http_url_host_field(url, field, sizeof(field));
    CHECK(whole != NULL && (n > 0 || url->host.len == 0 || url->host.len > 500));
    if (url->scheme == HTTP_SCHEME_FD)
        n = (size_t)sprintf(whole, "%s:%d", url->secure ? "fd+tls" : "fd", url->descriptor);
    else if (url->scheme == HTTP_SCHEME_UNIX)
        n = (size_t)sprintf(whole, "unix:%.*s", (int)url->file.len, url->file.at);
    else
        n = (size_t)sprintf(whole, "%s://%.*s%s%.*s%s%s%.*s%s:%u%s%.*s", names[url->scheme], (int)url->user.len,
                            url->user.at, url->has_user ? ":" : "", (int)url->password.len, url->password.at,
                            url->has_user ? "@" : "", url->ipv6 ? "[" : "", (int)url->host.len, url->host.at,
                            url->ipv6 ? "]" : "", url->port, url->root, (int)url->target.len, url->target.at);
    CHECK(http_url_parse(whole, n, use, &again, &why));
    CHECK(again.scheme == url->scheme && again.port == url->port && again.secure == url->secure);
    CHECK(again.host.len == url->host.len && again.descriptor == url->descriptor);
    CHECK(url->host.len == 0 || memcmp(again.host.at, url->host.at, url->host.len) == 0);
    CHECK(again.target.len == url->target.len + strlen(url->root) && again.file.len == url->file.len);
    CHECK(again.ipv6 == url->ipv6 && again.default_port == url->default_port && again.has_user == url->has_user);
    CHECK(again.user.len == url->user.len && again.password.len == url->password.len);
    int len = http_url_decode(url->user, user, sizeof(user));
    for (int i = 0; i < len; i++)
        CHECK((unsigned char)user[i] >= 0x20 && user[i] != 0x7f);
    CHECK(len < (int)sizeof(user) && (len < 0 || (user[len] == 0 && (size_t)len <= url->user.len)));
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = exactly(data, size);
    struct http_url url;
    for (int use = HTTP_URL_LISTEN; use <= HTTP_URL_PROXY; use++) {
        const char *why = NULL;
        if (!http_url_parse(s, size, (enum http_url_use)use, &url, &why)) {
            CHECK(why != NULL);
            continue;
        }
        CHECK(url.host.len + url.target.len + url.file.len + url.user.len + url.password.len <= size);
        CHECK(memchr(s, 0, size) == NULL);
        CHECK(url.scheme != HTTP_SCHEME_FD || (use == HTTP_URL_LISTEN && url.descriptor >= 0));
        CHECK(url.scheme == HTTP_SCHEME_UNIX || url.scheme == HTTP_SCHEME_FD ||
              (url.root[0] ? url.root[0] : url.target.at[0]) == '/');
        CHECK(url.target.len == 0 || url.target.at + url.target.len == s + size);
        CHECK(use == HTTP_URL_LISTEN || url.scheme == HTTP_SCHEME_UNIX || (url.host.len > 0 && url.port > 0));
        written_again(&url, (enum http_url_use)use, size);
    }
    free(s);
    return 0;
}
