/* SPDX-License-Identifier: MIT */
/* A text is judged as a decoder by the definition judges it, and alike whole, byte by byte and cut anywhere (MSG-5). */
#include "fuzz.h"
#include "base/utf8.h"

/* The length of the character at the front, or 0: decodes it, then asks for the shortest form of a scalar value. */
static size_t character(const uint8_t *data, size_t size)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = data[0] < 0x80 ? 1 : data[0] >> 5 == 6 ? 2 : data[0] >> 4 == 14 ? 3 : data[0] >> 3 == 30 ? 4 : 0;
    if (len == 0 || len > size)
        return 0;
    uint32_t point = len == 1 ? data[0] : data[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (data[i] >> 6 != 2)
            return 0;
        point = point << 6 | (data[i] & 63);
    }
    return point >= least[len] && point <= 0x10FFFF && point >> 11 != 0xD800 >> 11 ? len : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const uint8_t *text = data + 1;
    size_t len = size - 1, first = len * data[0] / 256, good = 0;
    for (size_t n; good < len && (n = character(text + good, len - good)) > 0;)
        good += n;
    uint32_t whole = utf8_next(UTF8_ACCEPT, text, len), single = UTF8_ACCEPT;
    for (size_t i = 0; i < len; i++)
        single = utf8_next(single, text + i, 1);
    CHECK(utf8_valid(text, len) == (good == len));
    CHECK(single == whole && utf8_next_portable(UTF8_ACCEPT, text, len) == whole);
    CHECK(utf8_next(utf8_next(UTF8_ACCEPT, text, first), text + first, len - first) == whole);
    CHECK(whole == UTF8_REJECT || utf8_cut((const char *)text, len) == good);
    CHECK(utf8_cut((const char *)text, first) <= first);
    return 0;
}
