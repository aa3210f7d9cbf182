/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "hub/retries.h"
#include "test.h"

static const uint64_t seed[2] = { 1, 2 };

static struct retry *add(struct retries *k, const char *text, uint64_t expire_ms, uint32_t most)
{
    return retries_add(k, text, strlen(text), expire_ms, most, seed);
}

static struct retry *find(struct retries *k, const char *text, uint64_t now_ms)
{
    return retries_find(k, text, strlen(text), now_ms);
}

/* HUB-3 */
TEST(retries, are_known_until_their_time_is_over)
{
    struct retries k = { 0 };
    assert_null(find(&k, "a", 0));
    add(&k, "a", 10, 100)->offset = 7;
    assert_int_equal(find(&k, "a", 9)->offset, 7);
    assert_null(find(&k, "A", 9));
    assert_null(find(&k, "a", 10));
    assert_true(retries_expire(&k, 10));
    retries_fini(&k);
}

TEST(retries, beyond_the_limit_the_oldest_goes)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    for (uint32_t most = 2; most <= 4; most++) {
        struct retries k = { 0 };
        for (int i = 0; i < 3; i++)
            add(&k, names[i], 10, most);
        assert_int_equal(find(&k, "a", 0) != NULL, most >= 3);
        add(&k, names[3], 10, most);
        assert_int_equal(find(&k, "a", 0) != NULL, most >= 4);
        assert_int_equal(find(&k, "b", 0) != NULL, most >= 3);
        assert_non_null(find(&k, "c", 0));
        assert_non_null(find(&k, "d", 0));
        retries_fini(&k);
    }
}

TEST(retries, on_their_way_stay_and_what_failed_never_was)
{
    struct retries k = { 0 };
    struct retry *flying = add(&k, "a", 10, 1);
    flying->flight = (struct flight *)&k;
    add(&k, "b", 10, 1);
    assert_ptr_equal(find(&k, "a", 99), flying);
    retries_drop(&k, flying);
    assert_null(find(&k, "a", 0));
    assert_non_null(add(&k, "a", 20, 100));
    assert_non_null(find(&k, "a", 19));
    assert_false(retries_expire(&k, 19));
    assert_true(retries_expire(&k, 20));
    retries_fini(&k);
}

TEST(retries, without_memory_are_as_before)
{
    for (unsigned long n = 0; n < 4; n++) {
        struct retries k = { 0 };
        mem_fail(n, false);
        struct retry *key = add(&k, "a", 10, 100);
        mem_fail_end();
        assert_ptr_equal(find(&k, "a", 0), key);
        assert_non_null(key ? key : add(&k, "a", 10, 100));
        retries_fini(&k);
    }
}
