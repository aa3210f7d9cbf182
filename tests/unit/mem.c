/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/mem.h"

TEST(mem, fails_once_where_it_was_told_to)
{
    mem_fail(1, false);
    void *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(1);
    assert_int_equal(mem_fail_end(), 3);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(c);
}

TEST(mem, fails_for_ever_from_where_it_was_told_to)
{
    mem_fail(1, true);
    void *a = mem_zalloc(1), *b = mem_zalloc(1), *c = mem_realloc(NULL, 1);
    mem_fail_end();
    assert_non_null(a);
    assert_null(b);
    assert_null(c);
    mem_free(a);
}

TEST(mem, counts_what_is_taken_less_what_is_given_back)
{
    mem_count(true);
    char *a = mem_alloc(1000), *b = mem_zalloc(500);
    int64_t both = mem_counted();
    assert_in_range(both, 1500, 1600);
    b = mem_realloc(b, 5000);
    assert_in_range(mem_counted() - both, 4400, 4600);
    mem_free(a);
    mem_free(b);
    assert_int_equal(mem_counted(), 0);
    mem_count(false);
}

/* Both watches at once, ended in either order: neither ends the other. */
TEST(mem, counts_and_fails_by_itself)
{
    mem_count(true);
    mem_fail(1, true);
    void *a = mem_alloc(1000);
    assert_null(mem_alloc(1000));
    assert_in_range(mem_counted(), 1000, 1100); /* what failed takes nothing */
    mem_count(false);
    assert_null(mem_alloc(1));
    assert_int_equal(mem_fail_end(), 3);
    mem_free(a);
    assert_int_equal(mem_counted(), 0); /* nothing is counted any more */
    mem_count(true);
    mem_fail(0, false);
    mem_fail_end();
    a = mem_alloc(1000);
    assert_in_range(mem_counted(), 1000, 1100);
    mem_free(a);
    mem_count(false);
}
