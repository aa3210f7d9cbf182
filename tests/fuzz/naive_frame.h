/* SPDX-License-Identifier: MIT */
/* The frame's head (RFC 6455 5.2), a byte at a time, each rule where the RFC has it. */
#ifndef TESTS_FUZZ_NAIVE_FRAME_H
#define TESTS_FUZZ_NAIVE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum naive_state { NAIVE_MORE, NAIVE_HEAD, NAIVE_BAD };

struct naive_frame {
    enum naive_state state;
    bool due_masked; /* frames come from a client */
    unsigned have;   /* bytes so far */
    unsigned opcode, length_bytes;
    bool final, masked;
    uint8_t key[4];
    uint64_t length;
};

static inline void naive_frame_byte(struct naive_frame *f, uint8_t byte)
{
    unsigned at = f->have++, key_at = 2 + f->length_bytes;
    f->state = NAIVE_MORE;
    if (at == 0) {
        f->final = byte >= 0x80;
        f->opcode = byte % 16;
        if (byte / 16 % 8 != 0) /* reserved bits; told at the second byte, as two are read at once */
            f->opcode = 15;
        return;
    }
    if (at == 1) {
        f->masked = byte >= 0x80;
        f->length = byte % 128;
        f->length_bytes = f->length == 126 ? 2 : f->length == 127 ? 8 : 0;
        bool known = f->opcode <= 2 || (f->opcode >= 8 && f->opcode <= 10);
        bool control = f->opcode >= 8;
        if (!known || f->masked != f->due_masked || (control && (!f->final || f->length > 125)))
            f->state = NAIVE_BAD;
        else if (f->length_bytes == 0 && !f->masked)
            f->state = NAIVE_HEAD;
        if (f->length_bytes > 0)
            f->length = 0;
        return;
    }
    if (at < key_at)
        f->length = f->length * 256 + byte;
    else
        f->key[at - key_at] = byte;
    if (f->have < key_at + (f->masked ? 4u : 0u))
        return;
    bool shortest = f->length_bytes == 0 || (f->length_bytes == 2 && f->length >= 126) ||
                    (f->length_bytes == 8 && f->length >= 65536);
    f->state = shortest && f->length < UINT64_C(1) << 63 ? NAIVE_HEAD : NAIVE_BAD;
}

#endif
