/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/payload.h"
#include "test.h"

static struct payload p;

static void make(enum payload_kind kind, const char *sizes)
{
    struct payload_sizes s;
    assert_true(payload_read_sizes(&s, sizes));
    assert_int_equal(payload_init(&p, kind, &s, 42), 0);
}

static bool reads(const char *text)
{
    struct payload_sizes s;
    return payload_read_sizes(&s, text);
}

TEST(payload, sizes_are_read)
{
    struct payload_sizes s;
    assert_true(payload_read_sizes(&s, "20"));
    assert_int_equal(s.count, 1);
    assert_int_equal(s.sizes[0], 20);
    assert_true(payload_read_sizes(&s, "1k-2M"));
    assert_true(s.range);
    assert_int_equal(s.sizes[0], 1024);
    assert_int_equal(s.sizes[1], 2 << 20);
    assert_true(payload_read_sizes(&s, "8,1k,64k"));
    assert_int_equal(s.count, 3);
    assert_int_equal(payload_largest(&s), 65536);
    assert_true(reads("16m"));
    assert_true(reads("9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9"));
    assert_false(reads("9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9"));
    static const char *const bad[] = { "", "7", "0", "-1", "16777217", "17m", "20-", "20-10", "20-30-40", "20,", ",20",
                                       "20k k", "1g", "20-30,40", "20,30-40", "99999999999999999999", "8k-8x" };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (reads(bad[i]))
            fail_msg("`%s` was taken", bad[i]);
}

static void expect_every_change_is_seen(uint32_t connection, uint64_t number)
{
    size_t len, other_len;
    const void *made = payload_make(&p, connection, number, &len);
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, made, len);
    assert_true(payload_is(&p, payload_type(&p), copy, len, connection, number));
    /* Another one is made over it meanwhile. */
    payload_make(&p, connection + 1, number + 1, &other_len);
    assert_true(payload_is(&p, payload_type(&p), copy, len, connection, number));
    for (size_t i = 0; i < len; i++) {
        copy[i] ^= 1;
        if (payload_is(&p, payload_type(&p), copy, len, connection, number))
            fail_msg("byte %zu of %zu was changed, and not seen", i, len);
        copy[i] ^= 1;
    }
    assert_false(payload_is(&p, payload_type(&p), copy, len - 1, connection, number));
    assert_false(payload_is(&p, payload_type(&p), copy, len + 1, connection, number));
    duet_type other = payload_type(&p) == DUET_TEXT ? DUET_BINARY : DUET_TEXT;
    assert_false(payload_is(&p, other, copy, len, connection, number));
    assert_false(payload_is(&p, payload_type(&p), copy, len, connection, number + 1));
    assert_false(payload_is(&p, payload_type(&p), copy, len, connection + 1, number));
    free(copy);
}

TEST(payload, every_byte_is_checked_in_every_kind_and_size)
{
    static const char *const sizes[] = { "8", "9", "19", "20", "21", "31", "32", "33", "125", "126", "4096", "8-100",
                                         "8,20,300" };
    for (int kind = PAYLOAD_BINARY; kind <= PAYLOAD_MIXED; kind++)
        for (unsigned s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
            make((enum payload_kind)kind, sizes[s]);
            for (uint64_t n = 0; n < 20; n++)
                expect_every_change_is_seen((uint32_t)n * 7, n * n);
            payload_fini(&p);
        }
}

TEST(payload, text_is_utf8_of_any_size)
{
    size_t len, wide = 0;
    for (int kind = PAYLOAD_TEXT; kind <= PAYLOAD_MIXED; kind++) {
        make((enum payload_kind)kind, "8-200");
        for (uint64_t n = 0; n < 2000; n++) {
            const uint8_t *at = payload_make(&p, 5, n, &len);
            assert_true(utf8_valid(at, len));
            for (size_t i = 0; i < len; i++)
                wide += at[i] >= 0x80;
        }
        assert_true(kind == PAYLOAD_MIXED ? wide > 0 : wide == 0);
        payload_fini(&p);
    }
}

TEST(payload, a_range_is_used_from_end_to_end)
{
    size_t len, seen[4] = { 0 };
    make(PAYLOAD_BINARY, "10-13");
    for (uint64_t n = 0; n < 1000; n++) {
        payload_make(&p, 1, n, &len);
        assert_in_range(len, 10, 13);
        seen[len - 10]++;
    }
    payload_fini(&p);
    for (unsigned i = 0; i < 4; i++)
        assert_true(seen[i] > 150);
}

static void expect_name(uint32_t connection, uint64_t number, uint64_t about)
{
    size_t len;
    uint32_t whose;
    uint64_t which;
    const void *at = payload_make(&p, connection, number, &len);
    assert_true(payload_whose(at, len, about, &whose, &which));
    assert_int_equal(whose, connection);
    assert_int_equal(which, number);
}

TEST(payload, the_head_tells_whose_it_is_and_which)
{
    static const uint64_t turn = (uint64_t)1 << 28, half = (uint64_t)1 << 27;
    make(PAYLOAD_TEXT, "8");
    expect_name(0, 0, 0);
    expect_name(PAYLOAD_CONNECTIONS - 1, turn - 1, turn - 1);
    expect_name(1, turn - 1, turn);
    expect_name(1, turn, turn - 1);
    expect_name(1, 5 * turn + 3, 5 * turn + 3 - half + 1);
    expect_name(1, 5 * turn + 3, 5 * turn + 3 + half);
    uint32_t whose;
    uint64_t which;
    assert_false(payload_whose("AAAAAAA", 7, 0, &whose, &which));
    assert_true(payload_whose("AAAAAAAA", 8, 0, &whose, &which));
    for (unsigned i = 0; i < 8; i++) {
        char head[] = "AAAAAAAA";
        head[i] = '!';
        assert_false(payload_whose(head, 8, 0, &whose, &which));
    }
    payload_fini(&p);
}

TEST(payload, another_seed_is_another_content)
{
    struct payload_sizes s;
    struct payload other;
    size_t len;
    make(PAYLOAD_BINARY, "64");
    assert_true(payload_read_sizes(&s, "64"));
    assert_int_equal(payload_init(&other, PAYLOAD_BINARY, &s, 43), 0);
    const void *at = payload_make(&p, 1, 1, &len);
    assert_false(payload_is(&other, DUET_BINARY, at, len, 1, 1));
    payload_fini(&p);
    payload_fini(&other);
}

TEST(payload, without_memory_there_is_none)
{
    struct payload_sizes s;
    assert_true(payload_read_sizes(&s, "64"));
    mem_fail(0, false);
    assert_int_equal(payload_init(&p, PAYLOAD_BINARY, &s, 1), DUET_ERR_NOMEM);
    mem_fail_end();
    payload_fini(&p);
}
