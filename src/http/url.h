/* SPDX-License-Identifier: MIT */
/*
 * URLs that a server listens on or a client connects to: ws, wss, http and https (RFC 3986, RFC 6455 3), and
 * unix:/path for a socket file; to listen, fd:3 for a descriptor, fd+tls:3 with TLS; and those of proxies: http, socks5
 * and socks5h. Strict: what would have to be percent-encoded is an error, and so are user names, but for a proxy's.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/field.h"

enum http_scheme {
    HTTP_SCHEME_WS,
    HTTP_SCHEME_WSS,
    HTTP_SCHEME_HTTP,
    HTTP_SCHEME_HTTPS,
    HTTP_SCHEME_UNIX,
    HTTP_SCHEME_SOCKS5, /* socks5h, too */
    HTTP_SCHEME_FD,     /* fd+tls, too */
};

/* Listening: the host may be missing (all addresses), the port 0 (any), and there is no path but "/". Connecting:
 * host and port are needed. A proxy: connected to, with user name and password, and no path but "/". */
enum http_url_use { HTTP_URL_LISTEN, HTTP_URL_CONNECT, HTTP_URL_PROXY };

struct http_url { /* the texts are borrowed from the URL */
    enum http_scheme scheme;
    bool secure;       /* wss, https, fd+tls */
    bool ipv6;         /* the host is an IPv6 address, here without its brackets */
    uint16_t port;     /* the scheme's own when none is given: 80, 443 or 1080 */
    bool default_port; /* port is the scheme's own, given or not */
    struct http_text host;
    struct http_text target; /* path and query as they are to be sent, with `root` before them */
    const char *root;        /* "/" when the path is empty, else "" */
    struct http_text file;   /* unix: the socket's path, 1 to 107 bytes */
    int descriptor;          /* fd: its number, below 10^7 */
    bool has_user;           /* a proxy's: there is a user name, perhaps an empty one */
    struct http_text user, password; /* still percent-encoded: http_url_decode() */
};

/* Takes `s` apart. False when it cannot be used; *why is then a sentence, constant and without a full stop. */
bool http_url_parse(const char *s, size_t len, enum http_url_use use, struct http_url *url, const char **why);

/* Percent-decodes a user name or password that was parsed into `out`, terminated. Returns its length, or -1 when it
 * does not fit into `cap` bytes or holds a control character (CLI-4: it would end up in what is sent). */
int http_url_decode(struct http_text text, char *out, size_t cap);

/* Writes what a client's Host field holds: the port only when it is not the scheme's own (RFC 6455 4.1), an IPv6
 * address in brackets; "localhost" for a socket file. Returns its length, or 0 when it does not fit. */
size_t http_url_host_field(const struct http_url *url, char *out, size_t cap);

#endif
