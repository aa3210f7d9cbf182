/* SPDX-License-Identifier: MIT */
/* What is decoded is what a slow decoder finds, and encodes back to the same text; what is refused is not canonical. */
#include "fuzz.h"
#include "base/digest.h"

static bool is_set(const char *text, size_t bit)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = memchr(alphabet, text[bit / 6], 64);
    CHECK(at != NULL);
    return (size_t)(at - alphabet) >> (5 - bit % 6) & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size * 4 / 3 + 5);
    uint8_t *bytes = malloc(size + 1);
    CHECK(text != NULL && bytes != NULL);
    long n = base64_decode(bytes, size, (const char *)data, size);
    for (size_t bit = 0; n > 0 && bit < 8 * (size_t)n; bit++)
        CHECK((bytes[bit / 8] >> (7 - bit % 8) & 1) == is_set((const char *)data, bit));
    CHECK(n < 0 || (base64_encode(text, bytes, (size_t)n) == size && memcmp(text, data, size) == 0));
    size_t len = base64_encode(text, data, size);
    CHECK(base64_decode(bytes, size, text, len) == (long)size && memcmp(bytes, data, size) == 0);
    CHECK(size == 0 || base64_decode(bytes, size - 1, text, len) == -1);
    free(bytes);
    free(text);
    return 0;
}
