/* SPDX-License-Identifier: MIT */
#include "http/url.h"
#include "base/hex.h"
#include "http/host.h"
#include <stdio.h>
#include <string.h>

enum {
    SOCKET_FILE_MOST = 107, /* sun_path with its terminating zero is 108 */
    DESCRIPTOR_DIGITS = 7,
    LISTEN = 1 << HTTP_URL_LISTEN,
    CONNECT = 1 << HTTP_URL_CONNECT,
    PROXY = 1 << HTTP_URL_PROXY,
};

static const struct {
    const char *name;
    enum http_scheme scheme;
    bool secure;
    int uses;
} schemes[] = {
    { "ws", HTTP_SCHEME_WS, false, LISTEN | CONNECT },
    { "wss", HTTP_SCHEME_WSS, true, LISTEN | CONNECT },
    { "http", HTTP_SCHEME_HTTP, false, LISTEN | CONNECT | PROXY },
    { "https", HTTP_SCHEME_HTTPS, true, LISTEN | CONNECT },
    { "unix", HTTP_SCHEME_UNIX, false, LISTEN | CONNECT },
    { "socks5", HTTP_SCHEME_SOCKS5, false, PROXY },
    { "socks5h", HTTP_SCHEME_SOCKS5, false, PROXY },
    { "fd", HTTP_SCHEME_FD, false, LISTEN },
    { "fd+tls", HTTP_SCHEME_FD, true, LISTEN },
};

static const char *const no_scheme[] = {
    [HTTP_URL_LISTEN] = "the URL begins with none of ws: wss: http: https: unix: fd: fd+tls:",
    [HTTP_URL_CONNECT] = "the URL begins with none of ws: wss: http: https: unix:",
    [HTTP_URL_PROXY] = "the URL of a proxy begins with none of http: socks5: socks5h:",
};

static bool refuse(const char **why, const char *sentence)
{
    *why = sentence;
    return false;
}

static bool parse_scheme(struct http_text name, enum http_url_use use, struct http_url *url)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (http_text_is(name, schemes[i].name) && (schemes[i].uses & 1 << use) != 0) {
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

static bool parse_descriptor(struct http_text rest, struct http_url *url, const char **why)
{
    bool good = rest.len > 0 && rest.len <= DESCRIPTOR_DIGITS;
    for (size_t i = 0; good && i < rest.len; i++) {
        good = rest.at[i] >= '0' && rest.at[i] <= '9';
        url->descriptor = url->descriptor * 10 + (rest.at[i] - '0');
    }
    if (!good)
        return refuse(why, "a descriptor is written fd:3, with its number");
    return true;
}

/* A character of a path or query, percent-encoded ones apart. */
static bool is_target_char(char c)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return letter || (c != 0 && strchr("0123456789-._~!$&'()*+,;=:@/?", c) != NULL);
}

/* User info (RFC 3986 3.2.1) up to the last "@", which is taken off. */
static bool parse_user(struct http_text *authority, struct http_url *url, const char **why)
{
    const char *at = authority->len > 0 ? memrchr(authority->at, '@', authority->len) : NULL;
    if (at == NULL)
        return true;
    struct http_text info = { authority->at, (size_t)(at - authority->at) };
    for (size_t i = 0; i < info.len; i++) {
        if (info.at[i] == '%' && info.len - i > 2 && hex_pair(info.at + i + 1) >= 0)
            i += 2;
        else if (!is_target_char(info.at[i]) || strchr("@/?", info.at[i]) != NULL)
            return refuse(why, "a character in the user name or password that has to be percent-encoded");
    }
    const char *colon = info.len > 0 ? memchr(info.at, ':', info.len) : NULL;
    url->has_user = true;
    url->user = (struct http_text){ info.at, colon != NULL ? (size_t)(colon - info.at) : info.len };
    if (colon != NULL)
        url->password = (struct http_text){ colon + 1, (size_t)(at - colon) - 1 };
    *authority = (struct http_text){ at + 1, authority->len - info.len - 1 };
    return true;
}

static uint16_t own_port(const struct http_url *url)
{
    if (url->scheme == HTTP_SCHEME_SOCKS5)
        return 1080;
    return url->secure ? 443 : 80;
}

static bool parse_host(struct http_text authority, enum http_url_use use, struct http_url *url, const char **why)
{
    struct http_host host;
    bool anywhere = use == HTTP_URL_LISTEN && (authority.len == 0 || *authority.at == ':');
    if (use == HTTP_URL_PROXY && !parse_user(&authority, url, why))
        return false;
    if (authority.len > 0 && memchr(authority.at, '@', authority.len) != NULL)
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
    uint16_t own = own_port(url);
    url->host = host.name;
    url->ipv6 = host.ipv6;
    url->port = host.has_port ? host.port : own;
    url->default_port = url->port == own;
    if (use != HTTP_URL_LISTEN && url->port == 0)
        return refuse(why, "port 0 cannot be connected to");
    return true;
}

static bool parse_target(struct http_text target, enum http_url_use use, struct http_url *url, const char **why)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] == '#')
            return refuse(why, "a fragment (#) has no meaning here; in a path it is written %23");
        if (target.at[i] == '%' && target.len - i > 2 && hex_pair(target.at + i + 1) >= 0)
            i += 2;
        else if (!is_target_char(target.at[i]))
            return refuse(why, "a character in the path that has to be percent-encoded");
    }
    if (use != HTTP_URL_CONNECT && target.len > 0 && !http_text_is(target, "/"))
        return refuse(why, use == HTTP_URL_LISTEN ? "a path in a URL to listen on" : "a path in the URL of a proxy");
    url->target = target;
    url->root = target.len == 0 || *target.at == '?' ? "/" : "";
    return true;
}

bool http_url_parse(const char *s, size_t len, enum http_url_use use, struct http_url *url, const char **why)
{
    *url = (struct http_url){ .root = "" };
    const char *colon = len > 0 ? memchr(s, ':', len) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - s) : 0;
    if (!parse_scheme((struct http_text){ s, n }, use, url))
        return refuse(why, no_scheme[use]);
    struct http_text rest = { s + n + 1, len - n - 1 };
    if (url->scheme == HTTP_SCHEME_UNIX)
        return parse_file(rest, url, why);
    if (url->scheme == HTTP_SCHEME_FD)
        return parse_descriptor(rest, url, why);
    if (rest.len < 2 || memcmp(rest.at, "//", 2) != 0)
        return refuse(why, "the scheme is not followed by ://");
    rest = (struct http_text){ rest.at + 2, rest.len - 2 };
    for (n = 0; n < rest.len && strchr("/?#", rest.at[n]) == NULL;)
        n++;
    return parse_host((struct http_text){ rest.at, n }, use, url, why) &&
           parse_target((struct http_text){ rest.at + n, rest.len - n }, use, url, why);
}

int http_url_decode(struct http_text text, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.at[i];
        if (c == '%') { /* the parser saw two digits behind it */
            c = hex_pair(text.at + i + 1);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= cap)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return (int)n;
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
