/* SPDX-License-Identifier: MIT */
#include "proto/frame.h"
#include <string.h>

enum { FINAL_BIT = 0x80, RSV_BITS = 0x70, OPCODE_BITS = 0x0f, MASK_BIT = 0x80, LENGTH_BITS = 0x7f };

/* Heads are gathered until this many bytes are there and then decoded once, so a head split over many reads takes the
 * same path as one that came whole. */
size_t frame_head_size(const uint8_t *h, size_t have)
{
    if (have < 2)
        return 2;
    size_t mask = (h[1] & MASK_BIT) ? 4 : 0;
    switch (h[1] & LENGTH_BITS) {
    case 126: return 4 + mask;
    case 127: return 10 + mask;
    default:  return 2 + mask;
    }
}

bool frame_start_valid(const uint8_t h[2], bool masked)
{
    static const uint16_t known = 1u << FRAME_CONTINUATION | 1u << FRAME_TEXT | 1u << FRAME_BINARY |
                                  1u << FRAME_CLOSE | 1u << FRAME_PING | 1u << FRAME_PONG;
    unsigned opcode = h[0] & OPCODE_BITS;
    if ((h[0] & RSV_BITS) != 0 || !(known >> opcode & 1) || ((h[1] & MASK_BIT) != 0) != masked)
        return false;
    return !frame_is_control(opcode) || ((h[0] & FINAL_BIT) && (h[1] & LENGTH_BITS) <= FRAME_CONTROL_MOST);
}

static uint64_t big_endian(const uint8_t *h, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | h[i];
    return v;
}

bool frame_decode(struct frame *f, const uint8_t *h)
{
    f->opcode = h[0] & OPCODE_BITS;
    f->rsv = (h[0] & RSV_BITS) >> 4;
    f->final = h[0] & FINAL_BIT;
    f->masked = h[1] & MASK_BIT;
    f->length = h[1] & LENGTH_BITS;
    f->key = 0;
    size_t at = 2;
    uint64_t least = 0;
    if (f->length == 126) {
        f->length = big_endian(h + 2, 2);
        least = 126;
        at = 4;
    } else if (f->length == 127) {
        f->length = big_endian(h + 2, 8);
        least = 65536;
        at = 10;
    }
    if (f->masked) {
        memcpy(&f->key, h + at, 4);
        at += 4;
    }
    f->size = (uint8_t)at;
    return f->length >= least && f->length >> 63 == 0;
}

size_t frame_encode(uint8_t *to, unsigned opcode, bool final, uint64_t length, const uint32_t *key)
{
    uint8_t mask = key ? MASK_BIT : 0;
    size_t at = 2;
    to[0] = (uint8_t)((final ? FINAL_BIT : 0) | opcode);
    if (length < 126) {
        to[1] = (uint8_t)(mask | length);
    } else if (length < 65536) {
        to[1] = mask | 126;
        to[2] = (uint8_t)(length >> 8);
        to[3] = (uint8_t)length;
        at = 4;
    } else {
        to[1] = mask | 127;
        for (int i = 0; i < 8; i++)
            to[2 + i] = (uint8_t)(length >> (56 - 8 * i));
        at = 10;
    }
    if (key) {
        memcpy(to + at, key, 4);
        at += 4;
    }
    return at;
}
