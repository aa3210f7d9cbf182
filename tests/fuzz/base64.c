/* SPDX-License-Identifier: MIT */
/* Encoding is OpenSSL's; what is decoded is what OpenSSL finds; what is refused is not how OpenSSL would write it. */
#include "fuzz.h"
#include "base/digest.h"
#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size * 4 / 3 + 5), *theirs = malloc(size * 4 / 3 + 5);
    uint8_t *bytes = malloc(size + 3), *decoded = malloc(size + 3);
    CHECK(text != NULL && theirs != NULL && bytes != NULL && decoded != NULL);
    size_t len = base64_encode(text, data, size);
    CHECK(EVP_EncodeBlock((uint8_t *)theirs, data, (int)size) == (int)len && memcmp(text, theirs, len + 1) == 0);
    CHECK(base64_decode(bytes, size, text, len) == (long)size && memcmp(bytes, data, size) == 0);
    CHECK(size == 0 || base64_decode(bytes, size - 1, text, len) == -1);
    /* EVP_DecodeBlock() counts the zeros that padding stands for, and is lax about blanks and tail bits. */
    long n = base64_decode(bytes, size, (const char *)data, size);
    int m = EVP_DecodeBlock(decoded, data, (int)size);
    if (m > 0)
        m -= (data[size - 1] == '=') + (data[size - 2] == '=');
    CHECK(n <= 0 || (m == n && memcmp(bytes, decoded, (size_t)n) == 0));
    if (m > 0) {
        len = (size_t)EVP_EncodeBlock((uint8_t *)theirs, decoded, m);
        CHECK((n >= 0) == (len == size && memcmp(theirs, data, size) == 0));
    }
    free(decoded);
    free(bytes);
    free(theirs);
    free(text);
    return 0;
}
