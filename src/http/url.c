/* SPDX-License-Identifier: MIT */
#include "http/url.h"

#include <stdio.h>
#include <string.h>

#include "http/host.h"

enum { SOCKET_FILE_MOST = 107 }; /* sun_path with its terminating zero is 108 */

static const struct {
    const char *name;
    enum http_scheme scheme;
    bool secure;
} schemes[] = {
    { "ws", HTTP_SCHEME_WS, false },      { "wss", HTTP_SCHEME_WSS, true },    { "http", HTTP_SCHEME_HTTP, false },
    { "https", HTTP_SCHEME_HTTPS, true }, { "unix", HTTP_SCHEME_UNIX, false },
};

static bool refuse(const char **why, const char *sentence)
{
    *why = sentence;
    return false;
}

static bool parse_scheme(struct http_text name, struct http_url *url)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (http_text_is(name, schemes[i].name)) {
            url->scheme = schemes[i].scheme;
            url->secure = schemes[i].secure;
            return true;
        }
    return false;
}

static bool parse_file(struct http_text rest, struct http_url *url, const char **why)
{
    url->file = rest;
    if (rest.len == 0 || *rest.at != '/' || (rest.len > 1 && rest.at[1] == '/'))
        return refuse(why, "a socket file is written unix:/path, with an absolute path");
    if (memchr(rest.at, 0, rest.len) != NULL)
        return refuse(why, "a zero byte in the path of a socket file");
    if (rest.len > SOCKET_FILE_MOST)
        return refuse(why, "the path of a socket file is longer than 107 bytes");
    return true;
}

static bool parse_host(struct http_text authority, enum http_url_use use, struct http_url *url, const char **why)
{
    struct http_host host;
    bool anywhere = use == HTTP_URL_LISTEN && (authority.len == 0 || *authority.at == ':');
    if (memchr(authority.at, '@', authority.len) != NULL)
        return refuse(why, "a user name in the URL; credentials go elsewhere");
    if (anywhere) { /* ":80" is "h:80" without its host */
        char text[8] = "h";
        if (authority.len >= sizeof(text))
            return refuse(why, "the port is not a number up to 65535");
        memcpy(text + 1, authority.at, authority.len);
        if (!http_host_parse(text, authority.len + 1, &host))
            return refuse(why, "the port is not a number up to 65535");
        host.name = (struct http_text){ authority.at, 0 };
    } else if (!http_host_parse(authority.at, authority.len, &host)) {
        return refuse(why, "the host is missing or malformed, or the port is not a number up to 65535");
    }
    uint16_t own = url->secure ? 443 : 80;
    url->host = host.name;
    url->ipv6 = host.ipv6;
    url->port = host.has_port ? host.port : own;
    url->default_port = url->port == own;
    if (use == HTTP_URL_CONNECT && url->port == 0)
        return refuse(why, "port 0 cannot be connected to");
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_target_char(char c)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return letter || (c != 0 && strchr("0123456789-._~!$&'()*+,;=:@/?", c) != NULL);
}

static bool parse_target(struct http_text target, enum http_url_use use, struct http_url *url, const char **why)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] == '#')
            return refuse(why, "a fragment (#) has no meaning here; in a path it is written %23");
        if (target.at[i] == '%' && target.len - i > 2 && is_hex(target.at[i + 1]) && is_hex(target.at[i + 2]))
            i += 2;
        else if (!is_target_char(target.at[i]))
            return refuse(why, "a character in the path that has to be percent-encoded");
    }
    if (use == HTTP_URL_LISTEN && target.len > 0 && !http_text_is(target, "/"))
        return refuse(why, "a path in a URL to listen on");
    url->target = target;
    url->root = target.len == 0 || *target.at == '?' ? "/" : "";
    return true;
}

bool http_url_parse(const char *s, size_t len, enum http_url_use use, struct http_url *url, const char **why)
{
    *url = (struct http_url){ .root = "" };
    const char *colon = len > 0 ? memchr(s, ':', len) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - s) : 0;
    if (!parse_scheme((struct http_text){ s, n }, url))
        return refuse(why, "the URL begins with none of ws: wss: http: https: unix:");
    struct http_text rest = { s + n + 1, len - n - 1 };
    if (url->scheme == HTTP_SCHEME_UNIX)
        return parse_file(rest, url, why);
    if (rest.len < 2 || memcmp(rest.at, "//", 2) != 0)
        return refuse(why, "the scheme is not followed by ://");
    rest = (struct http_text){ rest.at + 2, rest.len - 2 };
    for (n = 0; n < rest.len && strchr("/?#", rest.at[n]) == NULL;)
        n++;
    return parse_host((struct http_text){ rest.at, n }, use, url, why) &&
           parse_target((struct http_text){ rest.at + n, rest.len - n }, use, url, why);
}

size_t http_url_host_field(const struct http_url *url, char *out, size_t cap)
{
    char port[8] = "";
    if (!url->default_port)
        snprintf(port, sizeof(port), ":%u", url->port);
    int n;
    if (url->scheme == HTTP_SCHEME_UNIX)
        n = snprintf(out, cap, "localhost");
    else
        n = snprintf(out, cap, "%s%.*s%s%s", url->ipv6 ? "[" : "", (int)url->host.len, url->host.at,
                     url->ipv6 ? "]" : "", port);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
