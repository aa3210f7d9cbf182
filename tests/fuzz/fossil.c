/* SPDX-License-Identifier: MIT */
/* Fossil deltas: a delta makes the target again, as a naive decoder has it; it is shorter; and where both texts are
 * UTF-8, so is it. The first byte says where the source ends. */
#include "fuzz.h"
#include "../unit/naive_fossil.h"
#include "base/utf8.h"
#include "hub/fossil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b;
    if (size < 1)
        return 0;
    size_t source_len = (size - 1) * data[0] / 256, len = size - 1 - source_len;
    char *source = exactly(data + 1, source_len), *target = exactly(data + 1 + source_len, len);
    buf_init(&b, NULL, 0);
    if (fossil_delta(&b, source, source_len, target, len)) {
        char *again = malloc(len);
        CHECK(b.len < len);
        CHECK(naive_fossil_apply(again, len, source, source_len, b.at, b.len) == (long)len);
        CHECK(memcmp(again, target, len) == 0);
        CHECK(!utf8_valid(target, len) || !utf8_valid(source, source_len) || utf8_valid(b.at, b.len));
        free(again);
    } else {
        CHECK(b.len == 0);
    }
    buf_fini(&b);
    free(source);
    free(target);
    return 0;
}
