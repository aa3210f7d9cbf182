/* SPDX-License-Identifier: MIT */
/* What is not deprecated looks SHA-1 up by its name each time, which takes 5,000 instructions of a handshake. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"
#include <openssl/sha.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void digest_sha1(const void *data, size_t len, uint8_t out[20])
{
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, data, len);
    SHA1_Final(out, &sha);
}

size_t base64_encode(char *out, const void *data, size_t len)
{
    const uint8_t *in = data;
    char *at = out;
    for (; len >= 3; in += 3, len -= 3) {
        *at++ = alphabet[in[0] >> 2];
        *at++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
        *at++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
        *at++ = alphabet[in[2] & 63];
    }
    if (len > 0) {
        unsigned second = len == 2 ? in[1] : 0;
        *at++ = alphabet[in[0] >> 2];
        *at++ = alphabet[(in[0] & 3u) << 4 | second >> 4];
        *at++ = len == 2 ? alphabet[(second & 15) << 2] : '=';
        *at++ = '=';
    }
    *at = '\0';
    return (size_t)(at - out);
}

/* 0-63, or 64 for what is not in the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

static size_t padding_of(const char *text, size_t len)
{
    if (len == 0 || text[len - 1] != '=')
        return 0;
    return text[len - 2] == '=' ? 2 : 1;
}

long base64_decode(uint8_t *out, size_t cap, const char *text, size_t len)
{
    if (len % 4 != 0)
        return -1;
    size_t padding = padding_of(text, len), size = len / 4 * 3 - padding;
    if (size > cap)
        return -1;
    uint32_t bits = 0; /* read and not yet written: the low `have` ones */
    unsigned have = 0;
    size_t written = 0;
    for (size_t i = 0; i < len - padding; i++) {
        unsigned value = value_of(text[i]);
        if (value > 63)
            return -1;
        bits = bits << 6 | value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[written++] = (uint8_t)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    return bits == 0 ? (long)written : -1;
}
