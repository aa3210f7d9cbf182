/* SPDX-License-Identifier: MIT */
/*
 * The Origin rule (WEB-1 to WEB-4): which pages may open a socket here. Origins are taken apart and compared by
 * component: scheme, host, port. Nothing is matched as a piece of text, and loopback is no exception.
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include "http/field.h"
#include "http/host.h"

struct http_origin { /* the texts are borrowed from what was parsed */
    bool opaque;     /* "null": a sandboxed frame, a file */
    bool any_label;  /* "*." stands before the host: exactly one more label, whatever it is */
    struct http_text scheme;
    struct http_host host;
    uint16_t port; /* the scheme's own when none is given; 0 where we know none */
};

/* An Origin field's value: scheme://host[:port] and nothing behind it, or "null". */
bool http_origin_parse(const char *s, size_t len, struct http_origin *origin);

/* An entry of the allow-list: the same, or with "*." before the host. There is no entry for all origins. */
bool http_origin_parse_entry(const char *s, size_t len, struct http_origin *entry);

/* Whether every component of the entry and the origin agrees. */
bool http_origin_matches(const struct http_origin *entry, const struct http_origin *origin);

struct http_origin_rule {
    bool secure;                     /* the page that may connect is https, else http (ws and wss follow these) */
    struct http_text host;           /* the request's authority, as the client sent it */
    const struct http_origin *allow; /* beside the request's own */
    size_t allow_count;
    bool require; /* refuse requests without an Origin, too */
};

/* Whether a request may pass whose Origin field holds `value` (NULL: it has none, so it is no browser's). */
bool http_origin_allowed(const struct http_origin_rule *rule, const char *value, size_t len);

#endif
