/* SPDX-License-Identifier: MIT */
/* A text is judged alike whole, byte by byte and cut anywhere (MSG-2). */
#include "fuzz.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const uint8_t *text = data + 1;
    size_t len = size - 1, first = len * data[0] / 256;
    uint32_t whole = utf8_next(UTF8_ACCEPT, text, len), single = UTF8_ACCEPT;
    for (size_t i = 0; i < len; i++)
        single = utf8_next(single, text + i, 1);
    CHECK(single == whole);
    CHECK(utf8_next(utf8_next(UTF8_ACCEPT, text, first), text + first, len - first) == whole);
    CHECK(utf8_valid(text, len) == (whole == UTF8_ACCEPT));
    size_t kept = utf8_cut((const char *)text, first);
    CHECK(kept <= first && (whole != UTF8_ACCEPT || utf8_valid(text, kept)));
    return 0;
}
