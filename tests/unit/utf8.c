/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/utf8.h"

/* The code point's own bytes, by RFC 3629 3; the length. */
static size_t encoded(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (uint8_t)(0xC0 | point >> 6);
        out[1] = (uint8_t)(0x80 | (point & 63));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | point >> 12);
        out[1] = (uint8_t)(0x80 | (point >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (point & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | point >> 18);
    out[1] = (uint8_t)(0x80 | (point >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (point >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (point & 63));
    return 4;
}

/* A bit for each sequence of 3 bytes that begins (or is) a valid text, filled from the code points themselves, not
 * from the rules: the automaton is compared with this. */
static uint8_t *begins;

static void mark(uint32_t three)
{
    begins[three / 8] |= (uint8_t)(1u << three % 8);
}

static bool marked(uint32_t three)
{
    return begins[three / 8] >> three % 8 & 1;
}

TEST(utf8, msg_5_all_code_points_and_no_surrogate_rfc_84)
{
    for (uint32_t point = 0; point <= 0x1FFFFF; point++) {
        uint8_t b[4];
        size_t len = encoded(point, b);
        bool valid = point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        if (utf8_valid(b, len) != valid)
            fail_msg("U+%X", point);
    }
}

TEST(utf8, msg_5_all_sequences_of_one_to_three_bytes)
{
    begins = calloc(1, (1u << 24) / 8);
    assert_non_null(begins);
    for (uint32_t point = 0x80; point <= 0x10FFFF; point++) {
        uint8_t b[4];
        size_t len = encoded(point, b);
        if (len < 3 || (point >= 0xD800 && point <= 0xDFFF))
            continue;
        mark((uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2]);
    }
    for (uint32_t three = 0; three < 1u << 24; three++) {
        uint8_t b[3] = { (uint8_t)(three >> 16), (uint8_t)(three >> 8), (uint8_t)three };
        if (b[0] < 0xE0)
            continue; /* what begins with one or two bytes is in the test below */
        uint32_t state = utf8_next(UTF8_ACCEPT, b, 3);
        if ((state != UTF8_REJECT) != marked(three) || (state == UTF8_ACCEPT && b[0] >= 0xF0))
            fail_msg("%06X: %u", three, state);
    }
    free(begins);
    for (uint32_t two = 0; two < 1u << 16; two++) {
        uint8_t b[2] = { (uint8_t)(two >> 8), (uint8_t)two };
        bool valid = (b[0] < 0x80 && b[1] < 0x80) || (b[0] >= 0xC2 && b[0] < 0xE0 && b[1] >= 0x80 && b[1] < 0xC0);
        if (utf8_valid(b, 2) != valid)
            fail_msg("%04X", two);
    }
    for (unsigned one = 0; one < 256; one++) {
        uint8_t b = (uint8_t)one;
        assert_int_equal(utf8_valid(&b, 1), one < 0x80);
        assert_int_equal(utf8_next(UTF8_ACCEPT, &b, 1) == UTF8_REJECT, (one >= 0x80 && one < 0xC2) || one > 0xF4);
    }
}

TEST(utf8, msg_5_state_goes_over_every_cut_rfc_83)
{
    static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z\xEF\xBF\xBF\xF4\x8F\xBF\xBF";
    const uint8_t *b = (const uint8_t *)text;
    size_t len = sizeof(text) - 1;
    for (size_t i = 0; i <= len; i++)
        for (size_t j = i; j <= len; j++) {
            uint32_t state = utf8_next(UTF8_ACCEPT, b, i);
            state = utf8_next(state, b + i, j - i);
            assert_int_equal(utf8_next(state, b + j, len - j), UTF8_ACCEPT);
        }
}

TEST(utf8, msg_5_is_refused_at_the_first_bad_byte)
{
    static const struct {
        const char *bytes;
        size_t good; /* bytes before the bad one */
    } bad[] = {
        { "\x80", 0 },         { "\xC0\x80", 0 },         { "\xC1\xBF", 0 },         { "\xE0\x9F\xBF", 1 },
        { "\xED\xA0\x80", 1 }, { "\xED\xBF\xBF", 1 },     { "\xF0\x8F\xBF\xBF", 1 }, { "\xF4\x90\x80\x80", 1 },
        { "\xF5\x80", 0 },     { "\xE2\x82\x41", 2 },     { "\xF0\x9F\x98\x41", 3 }, { "\xC3\x41", 1 },
        { "abc\xFF", 3 },      { "\xE2\x82\xAC\x80", 3 }, { "abcdefgh\xFE", 8 },     { "abcdefghi\xC3\xC3", 10 },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const uint8_t *b = (const uint8_t *)bad[i].bytes;
        assert_int_not_equal(utf8_next(UTF8_ACCEPT, b, bad[i].good), UTF8_REJECT);
        assert_int_equal(utf8_next(UTF8_ACCEPT, b, bad[i].good + 1), UTF8_REJECT);
    }
}

TEST(utf8, stays_refused)
{
    assert_int_equal(utf8_next(UTF8_REJECT, (const uint8_t *)"abc", 3), UTF8_REJECT);
    assert_int_equal(utf8_next(UTF8_REJECT, NULL, 0), UTF8_REJECT);
    assert_int_equal(utf8_next(UTF8_ACCEPT, NULL, 0), UTF8_ACCEPT);
}

TEST(utf8, text_that_ends_inside_a_character_is_not_valid)
{
    assert_false(utf8_valid("ab\xC3", 3));
    assert_false(utf8_valid("ab\xE2\x82", 4));
    assert_false(utf8_valid("ab\xF0\x9F\x98", 5));
    assert_true(utf8_valid("", 0));
}

TEST(utf8, cut_never_ends_inside_a_character)
{
    static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t cut[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };
    for (size_t len = 0; len < sizeof(cut) / sizeof(*cut); len++)
        assert_int_equal(utf8_cut(text, len), cut[len]);
}
