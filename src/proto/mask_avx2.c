/* SPDX-License-Identifier: MIT */
#include "proto/mask.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static void mask_32(uint8_t *dst, const uint8_t *src, __m256i key)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)src);
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_xor_si256(bytes, key));
}

/* Every step is a multiple of four bytes, so the key keeps its phase up to the rest. */
__attribute__((target("avx2"))) static uint32_t copy(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key)
{
    __m256i wide = _mm256_set1_epi32((int)key);
    size_t i = 0;
    for (; len - i >= 128; i += 128) {
        mask_32(dst + i, src + i, wide);
        mask_32(dst + i + 32, src + i + 32, wide);
        mask_32(dst + i + 64, src + i + 64, wide);
        mask_32(dst + i + 96, src + i + 96, wide);
    }
    for (; len - i >= 32; i += 32)
        mask_32(dst + i, src + i, wide);
    return mask_copy_portable(dst + i, src + i, len - i, key);
}

mask_copier *mask_simd(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? copy : NULL; /* GCOV_EXCL_BR_LINE: it has or not */
}

#elif !defined(__aarch64__)

mask_copier *mask_simd(void)
{
    return NULL;
}

#endif
