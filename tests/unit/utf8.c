/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "guard.h"
#include "base/utf8.h"
#include <time.h>

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

TEST(utf8, msg_5_rfc_84_all_code_points_and_no_surrogate)
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

TEST(utf8, msg_5_rfc_83_state_goes_over_every_cut)
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

TEST(utf8, a_character_is_what_its_bytes_say)
{
    static const struct {
        const char *text;
        size_t len;
        uint32_t point;
    } cases[] = {
        { "a", 1, 'a' },
        { "\x7f.", 1, 0x7f },
        { "\xc2\x80.", 2, 0x80 },
        { "\xdf\xbf", 2, 0x7ff },
        { "\xe0\xa0\x80.", 3, 0x800 },
        { "\xef\xbf\xbf", 3, 0xffff },
        { "\xf0\x90\x80\x80.", 4, 0x10000 },
        { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
    };
    uint32_t point;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(utf8_character(cases[i].text, strlen(cases[i].text), &point), cases[i].len);
        assert_int_equal(point, cases[i].point);
        for (size_t cut = 1; cut < cases[i].len; cut++)
            assert_int_equal(utf8_character(cases[i].text, cut, &point), 0);
    }
    assert_int_equal(utf8_character("", 1, &point), 1);
    assert_int_equal(point, 0);
    assert_int_equal(utf8_character("\x80", 1, &point), 0);
    assert_int_equal(utf8_character("\xc1\x80", 2, &point), 0);
    assert_int_equal(utf8_character("\xed\xa0\x80", 3, &point), 0);
    assert_int_equal(utf8_character("\xf8\x90\x80\x80", 4, &point), 0);
}

TEST(utf8, cut_never_ends_inside_a_character)
{
    static const char text[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t cut[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11 };
    for (size_t len = 0; len < sizeof(cut) / sizeof(*cut); len++)
        assert_int_equal(utf8_cut(text, len), cut[len]);
}

/* Every byte at which some rule changes its mind. */
static const uint8_t borders[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                   0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF };
enum { BORDERS = sizeof(borders) };

TEST(utf8, msg_5_the_twins_agree_on_all_four_bytes_of_borders_across_blocks)
{
    static const size_t places[] = { 0, 29, 30, 31, 61, 62, 63, 124 };
    uint8_t block[2 * UTF8_BLOCK];
    memset(block, 'a', sizeof(block));
    if (utf8_simd() == NULL)
        skip();
    for (size_t n = 0; n < BORDERS * BORDERS * BORDERS * BORDERS; n++) {
        const uint8_t four[4] = { borders[n % BORDERS], borders[n / BORDERS % BORDERS],
                                  borders[n / BORDERS / BORDERS % BORDERS],
                                  borders[n / BORDERS / BORDERS / BORDERS] };
        uint32_t at_end = utf8_next_portable(UTF8_ACCEPT, four, 4), within = at_end ? UTF8_REJECT : UTF8_ACCEPT;
        for (size_t p = n % 2; p < sizeof(places) / sizeof(*places); p += 2) {
            size_t at = places[p];
            memcpy(block + at, four, 4);
            uint32_t state = utf8_next(UTF8_ACCEPT, block, sizeof(block));
            if (state != (at == 124 ? at_end : within))
                fail_msg("%02X %02X %02X %02X at %zu", four[0], four[1], four[2], four[3], at);
            memset(block + at, 'a', 4);
        }
    }
}

/* Random text with characters of all lengths, one byte of it perhaps spoilt; returns its length. */
static size_t random_text(uint8_t *out, size_t most, uint64_t *seed)
{
    size_t len = 0;
    uint32_t kind = 0;
    while (most - len >= 4) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(*seed >> 32);
        static const uint32_t limits[] = { 0x80, 0x800, 0xD800, 0x110000, 0x80, 0x80, 0x80, 0x80 };
        if (bits % 16 == 0)
            kind = bits >> 4 & 7;
        uint32_t point = bits % limits[kind];
        if (point >= 0xD800 && point <= 0xDFFF)
            point = 0xFFFD;
        len += encoded(point, out + len);
    }
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    if (*seed >> 63)
        out[(*seed >> 32) % len] = borders[(*seed >> 20) % BORDERS];
    return len;
}

TEST(utf8, the_twins_agree_on_random_text_from_any_state)
{
    static uint8_t text[600];
    uint64_t seed = 7;
    size_t valid = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = random_text(text, 8 + (size_t)round % (sizeof(text) - 8), &seed), from = (seed >> 40) % len % 64;
        uint32_t state = utf8_next_portable(UTF8_ACCEPT, text, from);
        uint32_t wanted = utf8_next_portable(state, text + from, len - from);
        assert_int_equal(utf8_next(state, text + from, len - from), wanted);
        valid += wanted == UTF8_ACCEPT;
    }
    assert_true(valid > 5000 && valid < 15000);
}

TEST(utf8, a_skipper_stops_at_a_characters_end_before_the_first_error)
{
    static uint8_t text[600];
    uint64_t seed = 9;
    utf8_skipper *skipper = utf8_simd();
    if (skipper == NULL)
        skip();
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = random_text(text, 8 + (size_t)round % (sizeof(text) - 8), &seed), good = 0;
        uint32_t state = UTF8_ACCEPT;
        while (good < len && (state = utf8_next_portable(state, text + good, 1)) != UTF8_REJECT)
            good++;
        size_t skipped = skipper(text, len);
        assert_true(utf8_next_portable(UTF8_ACCEPT, text, skipped) == UTF8_ACCEPT);
        assert_true(skipped + UTF8_BLOCK + 3 > good);
    }
}

TEST(utf8, msg_6_reads_nothing_outside_between_guard_pages)
{
    uint8_t *page = guard_new();
    utf8_skipper *skipper = utf8_simd();
    for (size_t fill = 0; fill < 2; fill++)
        for (size_t len = 0; len <= 257; len++)
            for (size_t offset = 0; offset < 64; offset++) {
                uint8_t *low = page + offset, *high = page + GUARD_SIZE - offset - len;
                for (size_t i = 0; i < GUARD_SIZE; i += 2)
                    memcpy(page + i, fill ? "\xC3\xA4" : "ab", 2);
                (void)utf8_next(UTF8_ACCEPT, low, len);
                (void)utf8_next(UTF8_ACCEPT, high, len);
                (void)utf8_next_portable(UTF8_ACCEPT, high, len);
                (void)utf8_cut((const char *)high, len);
                (void)utf8_cut((const char *)low, len);
                if (skipper != NULL)
                    (void)(skipper(low, len) + skipper(high, len));
            }
}

/* The least of some runs, in ns. */
static uint64_t cost(const uint8_t *data, size_t len, uint32_t wanted)
{
    uint64_t least = UINT64_MAX;
    for (unsigned run = 0; run < 7; run++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_int_equal(utf8_next(UTF8_ACCEPT, data, len), wanted);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        uint64_t ns = (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000u + (uint64_t)(to.tv_nsec - from.tv_nsec);
        least = ns < least ? ns : least;
    }
    return least;
}

TEST(utf8, msg_7_one_bad_last_byte_costs_no_more_than_a_good_one)
{
    enum { MIB = 1 << 20 };
    uint8_t *text = malloc(4 * MIB);
    assert_non_null(text);
    memset(text, 'a', 4 * MIB);
    uint64_t quarter = cost(text, MIB, UTF8_ACCEPT), good = cost(text, 4 * MIB, UTF8_ACCEPT);
    text[4 * MIB - 1] = 0xFF;
    uint64_t bad = cost(text, 4 * MIB, UTF8_REJECT);
    assert_true(bad < 3 * good);
    assert_true(good < 4 * 4 * quarter);
    free(text);
}
