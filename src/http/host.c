/* SPDX-License-Identifier: MIT */
#include "http/host.h"
#include "base/hex.h"
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return letter || is_digit(c) || (c != 0 && strchr("-._~!$&'()*+,;=", c) != NULL);
}

/* The length of the registered name or IPv4 address at the front: up to ":" or the end. 0 when there is none. */
static size_t name_len(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && s[n] != ':') {
        if (s[n] == '%' && len - n > 2 && hex_pair(s + n + 1) >= 0)
            n += 3;
        else if (is_name_char(s[n]))
            n++;
        else
            return 0;
    }
    return n;
}

/* Zones ("%eth0") and the future forms of RFC 3986 are refused: nobody may send them to another machine. */
static bool parse_ipv6(struct http_text t, struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN];
    if (t.len >= sizeof(text))
        return false;
    memcpy(text, t.at, t.len);
    text[t.len] = 0;
    return memchr(text, 0, t.len) == NULL && inet_pton(AF_INET6, text, address) == 1;
}

static bool parse_port(const char *s, size_t len, struct http_host *host)
{
    uint32_t port = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(s[i]))
            return false;
        port = port * 10 + (uint32_t)(s[i] - '0');
        if (port > UINT16_MAX)
            return false;
    }
    host->has_port = len > 0;
    host->port = (uint16_t)port;
    return true;
}

bool http_host_parse(const char *s, size_t len, struct http_host *host)
{
    *host = (struct http_host){ 0 };
    size_t used;
    if (len > 0 && *s == '[') {
        const char *close = memchr(s, ']', len);
        if (close == NULL)
            return false;
        used = (size_t)(close - s) + 1;
        host->name = (struct http_text){ s + 1, used - 2 };
        host->ipv6 = true;
        struct in6_addr address;
        if (!parse_ipv6(host->name, &address))
            return false;
    } else {
        used = name_len(s, len);
        host->name = (struct http_text){ s, used };
    }
    if (used == 0)
        return false;
    if (used == len)
        return true;
    return s[used] == ':' && parse_port(s + used + 1, len - used - 1, host);
}

bool http_host_same(const struct http_host *a, const struct http_host *b)
{
    struct in6_addr one, other;
    if (a->ipv6 != b->ipv6)
        return false;
    if (!a->ipv6)
        return a->name.len == b->name.len && strncasecmp(a->name.at, b->name.at, a->name.len) == 0;
    return parse_ipv6(a->name, &one) && parse_ipv6(b->name, &other) && /* GCOV_EXCL_BR_LINE: both were parsed once */
           memcmp(&one, &other, sizeof(one)) == 0;
}
