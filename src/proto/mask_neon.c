/* SPDX-License-Identifier: MIT */
#include "proto/mask.h"

#if defined(__aarch64__)
#include <arm_neon.h>

/* Every step is a multiple of four bytes, so the key keeps its phase up to the rest. */
static uint32_t copy(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key)
{
    uint8x16_t wide = vreinterpretq_u8_u32(vdupq_n_u32(key));
    size_t i = 0;
    for (; len - i >= 64; i += 64) {
        uint8x16x4_t bytes = vld1q_u8_x4(src + i);
        bytes.val[0] = veorq_u8(bytes.val[0], wide);
        bytes.val[1] = veorq_u8(bytes.val[1], wide);
        bytes.val[2] = veorq_u8(bytes.val[2], wide);
        bytes.val[3] = veorq_u8(bytes.val[3], wide);
        vst1q_u8_x4(dst + i, bytes);
    }
    for (; len - i >= 16; i += 16)
        vst1q_u8(dst + i, veorq_u8(vld1q_u8(src + i), wide));
    return mask_copy_portable(dst + i, src + i, len - i, key);
}

mask_copier *mask_simd(void)
{
    return copy; /* each of these processors has it */
}

#endif
