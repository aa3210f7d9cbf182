/* SPDX-License-Identifier: MIT */
/*
 * One automaton for all of RFC 3629. A state inside a character says which bytes may come next and which state follows;
 * the narrowed ranges after E0, ED, F0 and F4 are what keeps out overlong forms, surrogates and all above U+10FFFF.
 */
#include "base/utf8.h"
#include <string.h>

enum { WORTH_IT = 32 }; /* shorter pieces end sooner without the indirect call */
enum { LAST_1 = 2, LAST_2, LAST_3, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4 };

static const struct {
    uint8_t low, high, next;
} inside[] = {
    [LAST_1] = { 0x80, 0xBF, UTF8_ACCEPT }, [LAST_2] = { 0x80, 0xBF, LAST_1 },   [LAST_3] = { 0x80, 0xBF, LAST_2 },
    [AFTER_E0] = { 0xA0, 0xBF, LAST_1 },    [AFTER_ED] = { 0x80, 0x9F, LAST_1 }, [AFTER_F0] = { 0x90, 0xBF, LAST_2 },
    [AFTER_F4] = { 0x80, 0x8F, LAST_2 },
};

/* The state after a character's first byte. C0 and C1 could only begin overlong forms. */
static const uint8_t first[256] = {
    [0x00 ... 0x7F] = UTF8_ACCEPT, [0x80 ... 0xC1] = UTF8_REJECT, [0xC2 ... 0xDF] = LAST_1,
    [0xE0] = AFTER_E0,             [0xE1 ... 0xEC] = LAST_2,      [0xED] = AFTER_ED,
    [0xEE ... 0xEF] = LAST_2,      [0xF0] = AFTER_F0,             [0xF1 ... 0xF3] = LAST_3,
    [0xF4] = AFTER_F4,             [0xF5 ... 0xFF] = UTF8_REJECT,
};

static size_t ascii_run(const uint8_t *data, size_t len)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t eight;
        memcpy(&eight, data + i, 8);
        if (eight & 0x8080808080808080u)
            break;
    }
    while (i < len && data[i] < 0x80)
        i++;
    return i;
}

static uint32_t inner(uint32_t state, uint8_t byte)
{
    return byte >= inside[state].low && byte <= inside[state].high ? inside[state].next : UTF8_REJECT;
}

uint32_t utf8_next_portable(uint32_t state, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len && state != UTF8_REJECT;) {
        if (state != UTF8_ACCEPT) {
            state = inner(state, data[i++]);
            continue;
        }
        i += ascii_run(data + i, len - i);
        if (i < len)
            state = first[data[i++]];
    }
    return state;
}

static utf8_skipper *skip;

/* Before anything else runs; who comes earlier still gets the portable code. */
__attribute__((constructor)) static void choose(void)
{
    skip = utf8_simd();
}

uint32_t utf8_next(uint32_t state, const uint8_t *data, size_t len)
{
    if (skip == NULL || len < WORTH_IT) /* GCOV_EXCL_BR_LINE: a processor has SIMD or not */
        return utf8_next_portable(state, data, len);
    size_t i = 0;
    while (state > UTF8_REJECT) /* three bytes more at most */
        state = inner(state, data[i++]);
    if (state == UTF8_ACCEPT)
        i += skip(data + i, len - i);
    return utf8_next_portable(state, data + i, len - i);
}

bool utf8_valid(const void *data, size_t len)
{
    return utf8_next(UTF8_ACCEPT, data, len) == UTF8_ACCEPT;
}

size_t utf8_character(const void *data, size_t len, uint32_t *point)
{
    const uint8_t *at = data;
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (n > len || !utf8_valid(at, n))
        return 0;
    *point = n == 1 ? at[0] : at[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++)
        *point = *point << 6 | (at[i] & 0x3F);
    return n;
}

size_t utf8_cut(const char *data, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint8_t byte = (uint8_t)data[len - back];
        if (byte < 0x80)
            break;
        if (byte >= 0xC0) {
            size_t whole = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            return back < whole ? len - back : len;
        }
    }
    return len;
}
