/* SPDX-License-Identifier: MIT */
/* A text is judged as a slow decoder judges it, and alike whole, byte by byte and cut anywhere (MSG-5). */
#include "fuzz.h"
#include "naive_utf8.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const uint8_t *text = data + 1;
    size_t len = size - 1, first = len * data[0] / 256, good = naive_good(text, len);
    uint32_t whole = utf8_next(UTF8_ACCEPT, text, len), single = UTF8_ACCEPT;
    for (size_t i = 0; i < len; i++)
        single = utf8_next(single, text + i, 1);
    CHECK(utf8_valid(text, len) == (good == len));
    CHECK((whole == UTF8_REJECT) == !naive_begins_text(text, len));
    CHECK(single == whole && utf8_next_portable(UTF8_ACCEPT, text, len) == whole);
    CHECK(utf8_next(utf8_next(UTF8_ACCEPT, text, first), text + first, len - first) == whole);
    CHECK(whole == UTF8_REJECT || utf8_cut((const char *)text, len) == good);
    CHECK(utf8_cut((const char *)text, first) <= first);
    return 0;
}
