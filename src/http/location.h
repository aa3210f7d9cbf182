/* SPDX-License-Identifier: MIT */
/* Where a Location field leads (RFC 9110 10.2.2): references beside a URL, resolved as RFC 3986 5.2 has it. */
#ifndef HTTP_LOCATION_H
#define HTTP_LOCATION_H

#include "http/url.h"

/*
 * Writes the URL that `value` names, seen from `base`, which is none of a socket file: absolute, without a fragment, a
 * relative path without its dot segments, terminated. It is not judged: http_url_parse() does that. Returns its
 * length, or 0 when it does not fit, or holds a zero byte.
 */
size_t http_location(const struct http_url *base, const char *value, size_t len, char *out, size_t cap);

/* Whether two URLs have one origin: security, host and port; ws and http are the same thing, wss and https too. */
bool http_url_same_origin(const struct http_url *a, const struct http_url *b);
bool http_url_same_host(const struct http_url *a, const struct http_url *b);

#endif
