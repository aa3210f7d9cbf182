/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate's payloads (RFC 7692 7.2): by zlib, and by pack.h where that has a faster way.
 *
 * Without context takeover a compressor or decompressor is needed for the length of a message only: those of a loop are
 * in a pool. A compressor does a message at once. A decompressor is lent to a connection: compressed bytes that come in
 * parts wait, up to HELD bytes, for the end of their message; only a longer message holds one while it comes, so
 * nothing is spent for what is merely begun. With takeover, and without a pool, a connection has its own.
 *
 * Inflating writes to memory that grows with what comes out and never past the limit (PMD-1): what a message takes at
 * most is the limit, HELD, and a decompressor.
 */
#ifndef PROTO_DEFLATE_H
#define PROTO_DEFLATE_H

#include "proto/extension.h"
#include "proto/shared.h"

struct z_stream_s;
struct pack;

enum {
    DEFLATE_HELD = 8 * 1024,
    DEFLATE_ROOM = 16, /* more than a message's length, so that what does not get shorter is seen; PACK_ROOM, too */
    DEFLATE_RSV = 0x40 /* RSV1, the mark of a compressed message, in a frame's first byte */
};

/* What the connections of one loop share; zeroed is empty. Outlives their `struct deflate`. */
struct deflate_pool {
    struct z_stream_s *out[2][EXTENSION_BITS_MOST + 1]; /* for short and for long messages, by window */
    struct pack *pack;
    struct z_stream_s *in[4];
    unsigned in_count;
    uint64_t bytes; /* taken by the pool and its connections, kept windows included; any thread may read it */
};

void deflate_pool_fini(struct deflate_pool *pool);

/* One connection's part. `pool` may be NULL; `options` are resolved. NULL: no memory. */
struct deflate *deflate_new(const struct extension *agreed, const duet_deflate *options, struct deflate_pool *pool);
void deflate_free(struct deflate *d); /* NULL is fine */

/*
 * Compresses a message of 1 to 2^30 bytes to `to`, with room for len + DEFLATE_ROOM. Returns its length without the
 * tail of 7.2.1. 0: send it as it is, since it does not get shorter, is below the threshold, or there is no memory
 * (PMD-14). When what was compressed is not sent after all, deflate_forget() is due.
 */
size_t deflate_pack(struct deflate *d, const uint8_t *data, size_t len, uint8_t *to);
/* The peer never sees the last message: the next one begins with an empty window (PMD-10). */
void deflate_forget(struct deflate *d);
/* The compressed form of a message for many, made once for each window; good as long as `s`. `s` itself when that is
 * to be sent. Any number of threads, each with its own `d`. */
duet_shared *deflate_shared(struct deflate *d, duet_shared *s);

/*
 * Inflates the next bytes of a message to the end of *out (NULL before the first), at most `most` bytes in all; `last`:
 * they are the end of the message, and *out is then there. 0; DUET_ERR_TOO_BIG; DUET_ERR_NOMEM; DUET_ERR_PROTOCOL for
 * what is no deflate stream. After an error only deflate_drop() and deflate_free() may come.
 */
int deflate_take(struct deflate *d, const uint8_t *data, size_t len, bool last, size_t most, duet_shared **out);
/* Counts `n` more bytes that came out. False: they are more than the options' `inflated_per_s` (PMD-2). */
bool deflate_allows(struct deflate *d, size_t n, uint64_t now_ms);
void deflate_drop(struct deflate *d); /* lets go what a message that will not end holds */

#endif
