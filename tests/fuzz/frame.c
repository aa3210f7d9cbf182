/* SPDX-License-Identifier: MIT */
/* A frame's head is read as a second reader, which takes a byte at a time, reads it; and written, it is those bytes. */
#include "fuzz.h"
#include "naive_frame.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool masked = data[0] & 1;
    struct naive_frame naive = { .due_masked = masked };
    size_t n = 0, len = size - 1;
    uint8_t *head = exactly(data + 1, len), again[FRAME_HEAD_MOST];
    for (naive.state = NAIVE_MORE; naive.state == NAIVE_MORE && n < len; n++)
        naive_frame_byte(&naive, head[n]);
    struct frame f;
    bool start = len < 2 || frame_start_valid(head, masked), whole = len >= 2 && len >= frame_head_size(head, len);
    if (!start || !whole) {
        CHECK(naive.state == (start ? NAIVE_MORE : NAIVE_BAD));
    } else {
        CHECK(frame_decode(&f, head) == (naive.state == NAIVE_HEAD) && f.size == n);
        CHECK(f.opcode == naive.opcode && f.final == naive.final && f.rsv == 0 && f.length == naive.length);
        CHECK(f.masked == masked && (!masked || memcmp(&f.key, naive.key, 4) == 0));
    }
    if (naive.state == NAIVE_HEAD)
        CHECK(frame_encode(again, f.opcode, f.final, f.length, masked ? &f.key : NULL) == n &&
              memcmp(again, head, n) == 0);
    free(head);
    return 0;
}
