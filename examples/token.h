/* SPDX-License-Identifier: MIT */
/* A token (JWT, HS256) as `duet token` makes it, by a backend that shares the secret with `duet serve`. */
#ifndef EXAMPLES_TOKEN_H
#define EXAMPLES_TOKEN_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { TOKEN_SIZE = 1024, TOKEN_PAYLOAD_MOST = 600 };

/* Base64 as URLs have it: no padding, and two other letters. `out` has room for 4/3 of `len`, and 5 more. */
static size_t put_base64url(char *out, const void *data, size_t len)
{
    size_t n = (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    while (n > 0 && out[n - 1] == '=')
        n--;
    out[n] = 0;
    for (char *at = out; *at != 0; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return n;
}

/* `payload` is a JSON object with `sub` (the user) and `exp` (seconds since 1970), at most TOKEN_PAYLOAD_MOST bytes.
 * Returns 0, or -1 when it is longer or there is no secret. */
static int make_token(char out[TOKEN_SIZE], const char *secret, const char *payload)
{
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    unsigned char mark[EVP_MAX_MD_SIZE];
    unsigned mark_len;
    if (secret == NULL || strlen(payload) > TOKEN_PAYLOAD_MOST)
        return -1;
    size_t n = put_base64url(out, head, strlen(head));
    out[n++] = '.';
    n += put_base64url(out + n, payload, strlen(payload));
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)out, n, mark, &mark_len) == NULL)
        return -1;
    out[n++] = '.';
    put_base64url(out + n, mark, mark_len);
    return 0;
}

#endif
