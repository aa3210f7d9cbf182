/* SPDX-License-Identifier: MIT */
/* The method of utf8_tables.h with 16 bytes at a time. */
#include "base/utf8.h"

#if defined(__aarch64__)
#include "base/utf8_tables.h"
#include <arm_neon.h>
#include <string.h>

struct tables {
    uint8x16_t first_high, first_low, second_high;
};

/* Non-zero bytes where `now` has an error; `before` are the 16 bytes in front of it. */
static inline uint8x16_t errors(uint8x16_t now, uint8x16_t before, const struct tables *t)
{
    uint8x16_t back1 = vextq_u8(before, now, 15);
    uint8x16_t back2 = vextq_u8(before, now, 14);
    uint8x16_t back3 = vextq_u8(before, now, 13);
    uint8x16_t a = vqtbl1q_u8(t->first_high, vshrq_n_u8(back1, 4));
    uint8x16_t b = vqtbl1q_u8(t->first_low, vandq_u8(back1, vdupq_n_u8(0x0F)));
    uint8x16_t c = vqtbl1q_u8(t->second_high, vshrq_n_u8(now, 4));
    /* The top bit is left exactly in bytes from E0, and from F0. */
    uint8x16_t third = vqsubq_u8(back2, vdupq_n_u8(0xE0 - 0x80));
    uint8x16_t fourth = vqsubq_u8(back3, vdupq_n_u8(0xF0 - 0x80));
    uint8x16_t two = vandq_u8(vorrq_u8(third, fourth), vdupq_n_u8(TWO));
    return veorq_u8(vandq_u8(vandq_u8(a, b), c), two);
}

/* Whether the 64 bytes are good so far; a character may be open at their end. */
static inline bool block(const uint8_t *data, uint8x16_t *before, const struct tables *t)
{
    uint8x16x4_t in = vld1q_u8_x4(data);
    uint8x16_t any = vorrq_u8(vorrq_u8(in.val[0], in.val[1]), vorrq_u8(in.val[2], in.val[3]));
    /* ASCII after ASCII has no errors; after anything else a character could have been left open. */
    if (vmaxvq_u8(vorrq_u8(any, *before)) >= 0x80) {
        uint8x16_t bad = vorrq_u8(vorrq_u8(errors(in.val[0], *before, t), errors(in.val[1], in.val[0], t)),
                                  vorrq_u8(errors(in.val[2], in.val[1], t), errors(in.val[3], in.val[2], t)));
        if (vmaxvq_u8(bad) != 0)
            return false;
    }
    *before = in.val[3];
    return true;
}

static size_t skip(const uint8_t *data, size_t len)
{
    const struct tables t = { vld1q_u8(first_high), vld1q_u8(first_low), vld1q_u8(second_high) };
    uint8x16_t before = vdupq_n_u8(0);
    size_t i = 0;
    while (len - i >= UTF8_BLOCK && block(data + i, &before, &t))
        i += UTF8_BLOCK;
    if (len - i < UTF8_BLOCK) {
        /* The zeros after the rest make an open character an error, so a good block is a whole end. */
        uint8_t rest[UTF8_BLOCK] = { 0 };
        memcpy(rest, data + i, len - i);
        if (block(rest, &before, &t))
            return len;
    }
    return utf8_cut((const char *)data, i);
}

utf8_skipper *utf8_simd(void)
{
    return skip; /* each of these processors has NEON */
}

#endif
