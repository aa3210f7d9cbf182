/* SPDX-License-Identifier: MIT */
/*
 * The negotiation of permessage-deflate (RFC 7692 7.1), for either role. "Own" is the direction we compress, "peer" the
 * one that the peer does: a server's own parameters are the server_* ones, a client's the client_* ones.
 *
 * Our own compressor has windows of 9 to 15 bits: zlib's raw deflate has no 8 and would silently take 9 (PMD-9).
 */
#ifndef PROTO_EXTENSION_H
#define PROTO_EXTENSION_H

#include "base/buf.h"
#include "http/head.h"
#include <duet/proto.h>

enum { EXTENSION_OFFERS_MOST = 16, EXTENSION_BITS_LEAST = 9, EXTENSION_BITS_MOST = 15 };

/* What was agreed on. */
struct extension {
    bool own_reset, peer_reset; /* each message begins with an empty window (no context takeover) */
    uint8_t own_bits, peer_bits;
    bool own_said, peer_said; /* server: the answer names the window */
};

/* Whether windows, threshold and level of these options are possible; zeros are. */
bool extension_options_valid(const duet_deflate *options);

/* Server: the first offer that can be met, over all lines; at most 16 are looked at. False: none, or `options` are off.
 * An offer with an unknown, repeated or impossible parameter is passed over (PMD-7). */
bool extension_choose(const struct http_head *h, const char *data, const duet_deflate *options, struct extension *out);
/* Server: the field of the 101. */
void extension_answer(struct buf *b, const struct extension *agreed);

/* Client: the field of the request; nothing when `options` are off. */
void extension_offer(struct buf *b, const duet_deflate *options);
/* Client: judges the answer to that (PMD-8). 1: agreed, in `out`; 0: the server names no extension; DUET_ERR_HANDSHAKE:
 * it names one that was not offered, or with a parameter that is unknown, repeated or impossible, or leaves out what
 * was asked of it. */
int extension_agree(const struct http_head *h, const char *data, const duet_deflate *options, struct extension *out);

#endif
