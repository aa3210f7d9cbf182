/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2 (NET-13): what a load balancer says about the client before the client's
 * first byte. Read only from trusted peers: anyone can write it.
 */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

#include "http/address.h"

enum { HTTP_PROXY_MOST = 4096 }; /* bytes of a header; version 1 ends within 107 */

struct http_proxy {
    size_t size;     /* bytes of the header; the client's own begin behind it */
    bool has_client; /* false: the balancer speaks for itself, or the client's address has no IP */
    struct http_address client;
    uint16_t port;
    bool secure; /* version 2 says that the client came by TLS */
};

/*
 * Reads from the `len` bytes at `data`, which hold everything since the connection's first byte. Returns 1 when the
 * header is complete, 0 when more is needed, -1 as soon as it cannot become a header (drop the connection). The
 * verdict depends on the bytes alone, not on the pieces they came in.
 */
int http_proxy_read(struct http_proxy *p, const void *data, size_t len);

#endif
