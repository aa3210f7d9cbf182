/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/map.h"
#include "base/mem.h"
#include <duet/error.h>

static const uint64_t key[2] = { 0xdc504fd368cd90af, 0xb920bb9ffe99e9c1 };
static const uint64_t zero[2];

/* CPython hashes bytes with SipHash-1-3; these are its values for 0, 1, 2, ... under two keys. */
TEST(map, siphash_agrees_with_an_independent_one)
{
    static const struct {
        size_t len;
        uint64_t plain, keyed;
    } known[] = {
        { 1, 0x68a914128e01e473, 0xce880c366bcf3489 },  { 7, 0x2f098ab0c751325a, 0xce280fabc397fbda },
        { 8, 0xead411e67ebe2eea, 0x60866c3c108c6afb },  { 9, 0x75927f9d95124362, 0x68814005f7469e03 },
        { 15, 0xf30eb725bb91c9ea, 0x94ace24d68c18cf8 }, { 16, 0x8972188433a5c5b7, 0x339176f3ac59ce05 },
        { 63, 0x385d3e39e5f37359, 0x06e24d6f0d014c37 },
    };
    uint8_t bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        assert_true(siphash13(zero, bytes, known[i].len) == known[i].plain);
        assert_true(siphash13(key, bytes, known[i].len) == known[i].keyed);
    }
}

TEST(map, an_empty_one_has_nothing)
{
    struct map m;
    size_t at = 0, len;
    const void *name;
    map_init(&m, key);
    assert_null(map_get(&m, "a", 1));
    assert_null(map_take(&m, "a", 1));
    assert_null(map_each(&m, &at, &name, &len));
    map_fini(&m);
    map_fini(&(struct map){ .count = 0 });
}

TEST(map, keys_are_copied_and_may_hold_any_bytes)
{
    struct map m;
    map_init(&m, key);
    char name[3] = { 'a', 0, 'b' };
    int one, two, three;
    assert_int_equal(map_put(&m, name, 3, &one), 0);
    assert_int_equal(map_put(&m, name, 1, &two), 0);
    assert_int_equal(map_put(&m, "", 0, &three), 0);
    memset(name, 'x', 3);
    assert_ptr_equal(map_get(&m, "a\0b", 3), &one);
    assert_ptr_equal(map_get(&m, "a", 1), &two);
    assert_ptr_equal(map_get(&m, NULL, 0), &three);
    assert_null(map_get(&m, name, 3));
    map_fini(&m);
}

TEST(map, a_second_put_replaces_the_value)
{
    struct map m;
    map_init(&m, key);
    int one, two;
    assert_int_equal(map_put(&m, "k", 1, &one), 0);
    assert_int_equal(map_put(&m, "k", 1, &two), 0);
    assert_int_equal(m.count, 1);
    assert_ptr_equal(map_take(&m, "k", 1), &two);
    assert_null(map_get(&m, "k", 1));
    map_fini(&m);
}

/* Random puts and takes against a plain array. */
TEST(map, is_an_array_of_flags)
{
    enum { NAMES = 500, STEPS = 50000 };
    static bool there[NAMES];
    static int values[NAMES];
    struct map m;
    map_init(&m, key);
    uint64_t seed = 1;
    size_t count = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t i = (uint32_t)(seed >> 33) % NAMES;
        /* Fills and empties in turns, so that it grows and shrinks. */
        bool put = (seed >> 20) % 8 < (step / 5000 % 2 ? 1u : 7u);
        if (put) {
            assert_int_equal(map_put(&m, &i, sizeof(i), &values[i]), 0);
            count += !there[i];
            there[i] = true;
        } else {
            assert_ptr_equal(map_take(&m, &i, sizeof(i)), there[i] ? &values[i] : NULL);
            count -= there[i];
            there[i] = false;
        }
        assert_int_equal(m.count, count);
        if (step % 500 == 0)
            for (uint32_t j = 0; j < NAMES; j++)
                assert_ptr_equal(map_get(&m, &j, sizeof(j)), there[j] ? &values[j] : NULL);
    }
    map_fini(&m);
}

TEST(map, shows_each_entry_once_and_shrinks_when_emptied)
{
    enum { NAMES = 1000 };
    static unsigned seen[NAMES];
    struct map m;
    map_init(&m, key);
    for (uint32_t i = 0; i < NAMES; i++)
        assert_int_equal(map_put(&m, &i, sizeof(i), &seen[i]), 0);
    const void *name;
    size_t at = 0, len;
    for (unsigned *value; (value = map_each(&m, &at, &name, &len)) != NULL;) {
        uint32_t i;
        assert_int_equal(len, sizeof(i));
        memcpy(&i, name, sizeof(i));
        assert_ptr_equal(value, &seen[i]);
        (*value)++;
    }
    size_t most = m.cap;
    for (uint32_t i = 0; i < NAMES; i++) {
        assert_int_equal(seen[i], 1);
        assert_ptr_equal(map_take(&m, &i, sizeof(i)), &seen[i]);
    }
    assert_true(m.cap <= most / 64);
    map_fini(&m);
}

TEST(map, survives_every_failed_allocation)
{
    enum { NAMES = 30 };
    static int values[NAMES];
    unsigned long asked = 1;
    for (unsigned long nth = 0; nth < asked; nth++) {
        struct map m;
        bool there[NAMES];
        map_init(&m, key);
        mem_fail(nth, false);
        for (uint32_t i = 0; i < NAMES; i++) {
            int rc = map_put(&m, &i, sizeof(i), &values[i]);
            assert_true(rc == 0 || rc == DUET_ERR_NOMEM);
            there[i] = rc == 0;
        }
        for (uint32_t i = 0; i < NAMES; i++)
            assert_ptr_equal(map_get(&m, &i, sizeof(i)), there[i] ? &values[i] : NULL);
        for (uint32_t i = 0; i < NAMES; i++)
            assert_ptr_equal(map_take(&m, &i, sizeof(i)), there[i] ? &values[i] : NULL);
        asked = mem_fail_end();
        map_fini(&m);
    }
    assert_true(asked > NAMES);
}

enum { HOSTILE = 1000 };

/* How many places beyond their own the names are from where they belong, with all of them in. */
static size_t detours(const uint64_t map_key[2], const uint64_t names[HOSTILE])
{
    struct map m;
    map_init(&m, map_key);
    for (size_t i = 0; i < HOSTILE; i++)
        assert_int_equal(map_put(&m, &names[i], 8, &m), 0);
    const void *name;
    size_t at = 0, len, sum = 0;
    while (map_each(&m, &at, &name, &len) != NULL)
        sum += (at - 1 - (size_t)siphash13(map_key, name, len)) & (m.cap - 1);
    map_fini(&m);
    return sum;
}

TEST(map, mem_10_names_that_collide_under_a_known_key_do_not_under_ours)
{
    static uint64_t hostile[HOSTILE], plain[HOSTILE];
    size_t n = 0;
    for (uint64_t name = 0; n < HOSTILE; name++)
        if ((siphash13(zero, &name, 8) & 511) == 0)
            hostile[n++] = name;
    for (size_t i = 0; i < HOSTILE; i++)
        plain[i] = hostile[HOSTILE - 1] + i;
    size_t ordinary = detours(key, plain), attacked = detours(key, hostile), known = detours(zero, hostile);
    assert_true(attacked < 2 * ordinary);
    assert_true(known > 100 * ordinary); /* or the names above would prove nothing */
}
