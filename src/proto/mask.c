/* SPDX-License-Identifier: MIT */
#include "proto/mask.h"
#include <string.h>

enum { WORTH_IT = 64 }; /* shorter ones end sooner without the indirect call */

/* The key as it must be for the byte `n` places later. */
static uint32_t turned(uint32_t key, size_t n)
{
    uint8_t twice[8];
    memcpy(twice, &key, 4);
    memcpy(twice + 4, &key, 4);
    memcpy(&key, twice + n % 4, 4);
    return key;
}

uint32_t mask_copy_portable(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, src + i, 8);
        word ^= wide;
        memcpy(dst + i, &word, 8);
    }
    uint8_t bytes[4];
    memcpy(bytes, &key, 4);
    for (; i < len; i++)
        dst[i] = src[i] ^ bytes[i % 4];
    return turned(key, len);
}

static mask_copier *fast;

/* Before anything else runs; who comes earlier still gets the portable code. */
__attribute__((constructor)) static void choose(void)
{
    fast = mask_simd();
}

uint32_t mask_copy(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key)
{
    if (fast == NULL || len < WORTH_IT) /* GCOV_EXCL_BR_LINE: a processor has SIMD or not */
        return mask_copy_portable(dst, src, len, key);
    return fast(dst, src, len, key);
}

uint32_t mask_apply(uint8_t *data, size_t len, uint32_t key)
{
    return mask_copy(data, data, len, key);
}
