/* SPDX-License-Identifier: MIT */
/* The frame's head (RFC 6455 5.2): bytes to numbers and back. */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_CONTINUATION = 0, FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };
enum { FRAME_HEAD_MOST = 14, FRAME_CONTROL_MOST = 125 };

struct frame {
    uint8_t opcode, rsv, size; /* size: bytes of the head */
    bool final, masked;
    uint32_t key;              /* as it lies in memory; see mask.h */
    uint64_t length;
};

static inline bool frame_is_control(unsigned opcode)
{
    return opcode & 8;
}

/* Length of a head whose first `have` bytes are at `h`, as far as they tell. */
size_t frame_head_size(const uint8_t *h, size_t have);
/* Whether the first two bytes can begin a frame from a peer that masks (`masked`) or not: no reserved bit or opcode,
 * the mask as due, control frames whole and short. What they break is 1002. */
bool frame_start_valid(const uint8_t h[2], bool masked);
/* Reads a whole head. False when the length is not minimal or its top bit is set (FRM-3, FRM-4). */
bool frame_decode(struct frame *f, const uint8_t *h);
/* Writes a head; `key` is NULL for none. Returns its length, at most FRAME_HEAD_MOST. */
size_t frame_encode(uint8_t *to, unsigned opcode, bool final, uint64_t length, const uint32_t *key);

#endif
