/* SPDX-License-Identifier: MIT */
/* Masking is the exclusive or of byte i with key byte i mod 4 (RFC 6455 5.3), in place and copied, in one piece and in
 * two, at any address, and nothing beyond (FRM-11). Data: key, cut, offset of the source, of the target. */
#include "fuzz.h"
#include "proto/mask.h"

static void judge(const uint8_t *got, const uint8_t *data, size_t len, const uint8_t key[4])
{
    for (size_t i = 0; i < len; i++)
        CHECK(got[i] == (data[i] ^ key[i % 4]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 7)
        return 0;
    const uint8_t *text = data + 7;
    size_t len = size - 7, from = 1 + data[5] % 64, to = 1 + data[6] % 64, cut = len * data[4] / 256;
    uint32_t key, next;
    memcpy(&key, data, 4);
    uint8_t *in = malloc(from + len), *out = malloc(to + len);
    CHECK(in != NULL && out != NULL);
    memcpy(in + from, text, len);
    mask_copier *wide = mask_simd();
    next = mask_copy(out + to, in + from, len, key);
    judge(out + to, text, len, data);
    for (size_t i = 0; i < 4; i++)
        CHECK(((uint8_t *)&next)[i] == data[(len + i) % 4]);
    CHECK(mask_copy_portable(out + to, in + from, len, key) == next);
    judge(out + to, text, len, data);
    CHECK(wide == NULL || wide(out + to, in + from, len, key) == next);
    judge(out + to, text, len, data);
    CHECK(mask_apply(in + from + cut, len - cut, mask_apply(in + from, cut, key)) == next);
    judge(in + from, text, len, data);
    mask_short(in + from, len, key);
    CHECK(memcmp(in + from, text, len) == 0);
    free(out);
    free(in);
    return 0;
}
