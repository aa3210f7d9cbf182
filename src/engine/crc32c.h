/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), which each row of the store carries. Any thread. */
#ifndef ENGINE_CRC32C_H
#define ENGINE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, which is 0 at first: crc32c(crc32c(0, a), b) is that of a and b one after the other. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same of a number's eight bytes, lowest first. */
uint32_t crc32c_number(uint32_t crc, uint64_t n);
/* The same of a length and that many bytes, so that two fields cannot be mistaken for two others. */
uint32_t crc32c_field(uint32_t crc, const void *data, size_t len);

#endif
