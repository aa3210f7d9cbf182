/* SPDX-License-Identifier: MIT */
/* Tokens that a test signs itself: whatever the head and the payload are, with HMAC by OpenSSL and a base64url of the
 * test's own. */
#ifndef TESTS_SIGNED_H
#define TESTS_SIGNED_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define SIGNED_SECRET "0123456789abcdef0123456789abcdef"

static inline size_t signed_part(char *out, const void *data, size_t len)
{
    size_t n = (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    while (n > 0 && out[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
    out[n] = 0;
    return n;
}

/* HS256 over it, whatever the head says. */
static inline void signed_with(char *out, const char *secret, const char *head, const char *payload)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t n = signed_part(out, head, strlen(head));
    out[n++] = '.';
    n += signed_part(out + n, payload, strlen(payload));
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out, n, mac, &mac_len);
    out[n++] = '.';
    signed_part(out + n, mac, mac_len);
}

#endif
