/* SPDX-License-Identifier: MIT */
/*
 * What a peer asked for: the head of an HTTP request, of an upgrade or of an ordinary one.
 *
 * A `duet_request *` is good until the callback that got it returns; its strings end with a zero byte.
 */
#ifndef DUET_REQUEST_H
#define DUET_REQUEST_H

#include <duet/error.h>
#include <duet/header.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_request duet_request;

DUET_API const char *duet_request_method(const duet_request *r);
DUET_API const char *duet_request_path(const duet_request *r);  /* decoded, without dot segments; begins with '/' */
DUET_API const char *duet_request_query(const duet_request *r); /* as sent, without '?'; NULL: none */
/* Copies the decoded value of the first `key=value` in the query to `out`, cut to `cap` with its zero byte. The length
 * of what was copied, or -1. It may hold any bytes, zeros too. */
DUET_API long duet_request_param(const duet_request *r, const char *key, char *out, size_t cap);
/* The value of the first field of this name (any case); NULL: none. */
DUET_API const char *duet_request_header(const duet_request *r, const char *name);
/* Field number `i` in the order sent; false behind the last. */
DUET_API bool duet_request_field(const duet_request *r, unsigned i, duet_header *out);
DUET_API const char *duet_request_origin(const duet_request *r); /* NULL: absent (no browser; RFC 6455 4.2.1) */
DUET_API const char *duet_request_host(const duet_request *r);   /* behind trusted proxies the one the client used */
DUET_API const char *duet_request_peer(const duet_request *r);   /* as duet_peer() */
DUET_API bool duet_request_is_secure(const duet_request *r);
/* The body, when it is taken whole; `len` 0 without one. */
DUET_API const void *duet_request_body(const duet_request *r, size_t *len);
/* Subprotocol number `i` that an upgrade request offers, copied to `out`; false behind the last. */
DUET_API bool duet_request_subprotocol(const duet_request *r, unsigned i, char *out, size_t cap);
/* Whether it offers this one. */
DUET_API bool duet_request_offers(const duet_request *r, const char *subprotocol);

#ifdef __cplusplus
}
#endif
#endif
