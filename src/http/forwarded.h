/* SPDX-License-Identifier: MIT */
/*
 * Who the client is when a reverse proxy stands between (NET-14): X-Forwarded-For, -Proto and -Host, believed only
 * from peers in the list of trusted proxies.
 */
#ifndef HTTP_FORWARDED_H
#define HTTP_FORWARDED_H

#include "http/address.h"
#include "http/field.h"
#include "http/head.h"

struct http_forwarded {
    struct http_address client;
    bool trusted;            /* the peer is a trusted proxy; else nothing below is set */
    bool has_scheme, secure; /* X-Forwarded-Proto: https and wss are secure */
    struct http_text host;   /* X-Forwarded-Host, checked; borrowed from `data`; len 0: none */
};

/*
 * The client is the right-most hop of X-Forwarded-For that is no trusted proxy, since everything to the left of it
 * is that hop's own claim. If all are trusted it is the left-most; an element that is no address ends the search, as
 * if the line began behind it. Of -Proto and -Host the last element counts, which the nearest proxy wrote; one that
 * is malformed counts as absent.
 */
void http_forwarded_read(const struct http_head *head, const char *data, const struct http_address *peer,
                         struct http_networks trusted, struct http_forwarded *out);

#endif
