/* SPDX-License-Identifier: MIT */
/* Eight bytes a step, by eight tables ("slicing"): table[n][b] is what byte b does n bytes further on. */
#include "engine/crc32c.h"
#include <pthread.h>

static uint32_t table[8][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make(void)
{
    const uint32_t polynomial = 0x82F63B78; /* bits reversed */
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
        table[0][b] = crc;
    }
    for (int n = 1; n < 8; n++)
        for (uint32_t b = 0; b < 256; b++)
            table[n][b] = table[n - 1][b] >> 8 ^ table[0][table[n - 1][b] & 0xFF];
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    pthread_once(&made, make);
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8)
        crc = table[7][(crc ^ p[0]) & 0xFF] ^ table[6][(crc >> 8 ^ p[1]) & 0xFF] ^ table[5][(crc >> 16 ^ p[2]) & 0xFF] ^
              table[4][crc >> 24 ^ p[3]] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    for (; len > 0; len--, p++)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xFF];
    return ~crc;
}

uint32_t crc32c_number(uint32_t crc, uint64_t n)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(n >> 8 * i);
    return crc32c(crc, bytes, sizeof(bytes));
}

uint32_t crc32c_field(uint32_t crc, const void *data, size_t len)
{
    return crc32c(crc32c_number(crc, len), data, len);
}
