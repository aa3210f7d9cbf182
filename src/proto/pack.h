/* SPDX-License-Identifier: MIT */
/*
 * Compresses a whole message from an empty window where something does that faster than zlib: igzip (libisal), by
 * pack_igzip.c, in builds that have it; pack_none.c in the others, where deflate.c leaves all to zlib.
 */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACK_ROOM = 16 }; /* what pack_message() may write beyond a message's length */

/* Whether this build has it for messages of that level (1 to 9). If not, the rest is not to be called. */
bool pack_does(unsigned level);

struct pack; /* one thread's at a time; holds nothing from one message to the next */

struct pack *pack_new(void); /* NULL: no memory */
void pack_free(struct pack *p); /* NULL is fine */
size_t pack_size(void); /* bytes that one takes */

/*
 * Packs 1 to 2^30 bytes to `to`, which has room for len + PACK_ROOM, with distances up to 2^bits, `bits` from 9 to 15.
 * Returns the length without the tail of RFC 7692 7.2.1; 0: it would not be shorter than the message.
 */
size_t pack_message(struct pack *p, const uint8_t *data, size_t len, unsigned bits, uint8_t *to);

#endif
