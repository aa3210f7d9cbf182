/* SPDX-License-Identifier: MIT */
#include "cmd/reach.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_secure(const char *url)
{
    return strncasecmp(url, "wss:", 4) == 0 || strncasecmp(url, "https:", 6) == 0;
}

/* "[::1]", "example.com", "" of what follows "://". */
static size_t host_len(const char *rest)
{
    return rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
}

/* Whether it means every address. */
static bool is_all(const char *host, size_t len)
{
    return len == 0 || (len == 1 && host[0] == '*');
}

/* The URL as a browser takes it: the port that was picked, and a host where it means all. */
static void put_url(struct buf *b, const char *url, unsigned port)
{
    const char *rest = strstr(url, "://");
    bool secure = is_secure(url);
    if (rest == NULL || port == 0) {
        buf_puts(b, url);
        return;
    }
    rest += 3;
    size_t host = host_len(rest);
    bool all = is_all(rest, host);
    buf_printf(b, "%s://%.*s", secure ? "https" : "http", all ? 9 : (int)host, all ? "localhost" : rest);
    if (port != (secure ? 443 : 80))
        buf_printf(b, ":%u", port);
}

/* The port of this URL's listener, number `*at`, which moves on; a name may have had two, which share it. */
static unsigned port_of(const duet_server *s, const char *url, unsigned *at)
{
    unsigned port = duet_server_port(s, (*at)++);
    while (strstr(url, "://") != NULL && port != 0 && duet_server_port(s, *at) == port)
        ++*at;
    return port;
}

static void put_listener(struct buf *b, const char *url, unsigned port)
{
    if (strstr(url, "://") != NULL) {
        put_url(b, url, port);
        return;
    }
    buf_puts(b, url);
    if (port != 0) /* a socket that was passed */
        buf_printf(b, " (port %u)", port);
}

void reach_put_all(struct buf *b, const duet_server *s, const char *const *urls)
{
    unsigned at = 0;
    for (int i = 0; urls[i] != NULL; i++) {
        buf_puts(b, i > 0 ? ", " : "");
        put_listener(b, urls[i], port_of(s, urls[i], &at));
    }
}

static bool fill(struct reach *out, const char *rest, unsigned port)
{
    size_t len = host_len(rest);
    const char *given = rest + len;
    if (len >= sizeof(out->host))
        return false;
    memcpy(out->heard, rest, len);
    out->heard[len] = 0;
    snprintf(out->host, sizeof(out->host), "%s", is_all(rest, len) ? "127.0.0.1" : out->heard);
    out->port = port;
    out->picked = given[0] == ':' && strspn(given + 1, "0") == strcspn(given + 1, "/");
    return true;
}

bool reach_plain(struct reach *out, const duet_server *s, const char *const *urls)
{
    unsigned at = 0;
    for (; *urls != NULL; urls++) {
        const char *rest = strstr(*urls, "://");
        unsigned port = port_of(s, *urls, &at);
        if (rest != NULL && !is_secure(*urls) && port != 0 && fill(out, rest + 3, port))
            return true;
    }
    return false;
}
