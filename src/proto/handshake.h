/* SPDX-License-Identifier: MIT */
/* The opening handshake (RFC 6455 4): a head is judged, an answer is put together, for either role. */
#ifndef PROTO_HANDSHAKE_H
#define PROTO_HANDSHAKE_H

#include "base/buf.h"
#include "http/head.h"
#include "proto/extension.h"
#include <duet/proto.h>

enum { HANDSHAKE_ACCEPT = 28, HANDSHAKE_PROTOCOLS_MOST = 100 };

struct handshake_verdict {
    unsigned status;   /* 0: valid; else what to refuse with */
    const char *error; /* a constant sentence for the log */
};

/* Whether a request asks for a WebSocket at all: its Upgrade names one, in HTTP/1.1. */
bool handshake_asked(const struct http_head *h, const char *data);

/* Judges an upgrade request (RFC 6455 4.2.1). */
struct handshake_verdict handshake_check(const struct http_head *h, const char *data);

/* Sec-WebSocket-Accept for the key, with its zero byte. */
void handshake_accept_text(char out[HANDSHAKE_ACCEPT + 1], const char *key, size_t len);

/* Subprotocol number `i` offered, over all lines; false behind the last. */
bool handshake_offered(const struct http_head *h, const char *data, unsigned i, const char **name, size_t *len);

/* What the 101 says; each may be NULL. */
struct handshake_terms {
    const char *subprotocol;
    const duet_header *headers;
    const struct extension *extension;
};

/* The 101 for a request that was valid. 0, or DUET_ERR_INVALID: see duet_proto_accept(). Memory: check `b`. */
int handshake_answer(struct buf *b, const struct http_head *h, const char *data, const struct handshake_terms *terms);
/* The fields that a refusal with this status needs: 426, 405. */
void handshake_refusal_fields(struct buf *b, unsigned status);

/* A client's request with this key (24 characters). 0 or DUET_ERR_INVALID for a config that would break it. */
int handshake_request(struct buf *b, const duet_proto_config *config, const char *key);
/* Judges the answer (4.1) but for its extensions: NULL, or what is wrong with it, a constant sentence that names the
 * field. *subprotocol is the one agreed on, of the config's, or NULL. */
const char *handshake_response(const struct http_head *h, const char *data, const duet_proto_config *config,
                               const char *accept, const char **subprotocol);

#endif
