/* SPDX-License-Identifier: MIT */
/*
 * Masking (RFC 6455 5.3). A key is held as the four bytes lie in memory, in a uint32_t read with memcpy, on either
 * byte order.
 */
#ifndef PROTO_MASK_H
#define PROTO_MASK_H

#include <stddef.h>
#include <stdint.h>

/* XORs `len` bytes with the key, in place or from `src` to `dst` (which are equal or do not overlap). Returns the key
 * turned so that the next byte goes on in phase. Never touches a byte outside the ranges (FRM-11). */
uint32_t mask_apply(uint8_t *data, size_t len, uint32_t key);
uint32_t mask_copy(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key);

/* The twins behind them, picked at the program's start; tests compare them. NULL where the processor has no AVX2. */
typedef uint32_t mask_copier(uint8_t *dst, const uint8_t *src, size_t len, uint32_t key);
mask_copier mask_copy_portable;
mask_copier *mask_avx2(void);

#endif
