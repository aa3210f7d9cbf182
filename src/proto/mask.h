/* SPDX-License-Identifier: MIT */
/*
 * Masking (RFC 6455 5.3). A key is held as the four bytes lie in memory, in a uint32_t read with memcpy, on either
 * byte order.
 */
#ifndef PROTO_MASK_H
#define PROTO_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* XORs `len` bytes with the key, in place or from `src` to `dst` (which are equal or do not overlap). Returns the key
 * turned so that the next byte goes on in phase. Never touches a byte outside the ranges (FRM-11). */
uint32_t mask_apply(uint8_t *data, size_t len, uint32_t key);
uint32_t mask_copy(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key);

/* For a short payload that is whole: no call, no key to go on with. */
static inline void mask_short(uint8_t *data, size_t len, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key, word;
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    if (len - i >= 4) {
        uint32_t half;
        memcpy(&half, data + i, 4);
        half ^= key;
        memcpy(data + i, &half, 4);
        i += 4;
    }
    uint8_t bytes[4];
    memcpy(bytes, &key, 4);
    for (; i < len; i++)
        data[i] ^= bytes[i & 3];
}

/* The twins behind them, picked at the program's start; tests compare them. NULL where the processor has neither AVX2
 * nor NEON. */
typedef uint32_t mask_copier(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key);
mask_copier mask_copy_portable;
mask_copier *mask_simd(void);

#endif
