/* SPDX-License-Identifier: MIT */
/* SHA-1 (from libcrypto) and base64 (RFC 4648 4), for the opening handshake and entity tags. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

void digest_sha1(const void *data, size_t len, uint8_t out[20]);

/* Writes 4 * ((len + 2) / 3) characters and a terminating zero; returns the number of characters. */
size_t base64_encode(char *out, const void *data, size_t len);

/* Strict: canonical alphabet and padding, zero tail bits, nothing around it. Returns the number of bytes written (at
 * most `cap`), or -1. */
long base64_decode(uint8_t *out, size_t cap, const char *text, size_t len);

#endif
