/* SPDX-License-Identifier: MIT */
/*
 * A host with or without a port, as in a Host field, a URL or an Origin (RFC 3986 3.2.2, 3.2.3). No user info.
 */
#ifndef HTTP_HOST_H
#define HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/field.h"

struct http_host {
    struct http_text name; /* borrowed; an IPv6 address without its brackets */
    bool ipv6;
    bool has_port; /* "h:" has none: RFC 3986 6.2.3 takes it for "h" */
    uint16_t port;
};

/* Takes `s` apart. False when it is empty, or breaks the grammar, or the port is over 65535. */
bool http_host_parse(const char *s, size_t len, struct http_host *host);

/* Whether two names are the same host: IPv6 addresses by value, names in any case, nothing resolved. */
bool http_host_same(const struct http_host *a, const struct http_host *b);

#endif
