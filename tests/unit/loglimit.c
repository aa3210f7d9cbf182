/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/loglimit.h"

static unsigned logged_of(struct loglimit *l, const char *reason, unsigned events, uint64_t now_ms)
{
    unsigned logged = 0;
    uint64_t suppressed;
    for (unsigned i = 0; i < events; i++)
        logged += loglimit_take(l, reason, now_ms, &suppressed);
    return logged;
}

TEST(loglimit, ten_a_second_for_each_reason)
{
    struct loglimit l = { 0 };
    assert_int_equal(logged_of(&l, "a", 9, 5000), 9);
    assert_int_equal(logged_of(&l, "a", 1, 5999), 1);
    assert_int_equal(logged_of(&l, "a", 1, 5999), 0);
    assert_int_equal(logged_of(&l, "b", 11, 5999), 10);
    assert_int_equal(logged_of(&l, NULL, 11, 5999), 10);
    assert_int_equal(logged_of(&l, "a", 11, 6000), 10);
}

TEST(loglimit, the_next_that_is_logged_tells_the_count)
{
    struct loglimit l = { 0 };
    uint64_t suppressed = 99;
    assert_true(loglimit_take(&l, "a", 0, &suppressed));
    assert_int_equal(suppressed, 0);
    logged_of(&l, "a", 109, 1);
    assert_true(loglimit_take(&l, "a", 1000, &suppressed));
    assert_int_equal(suppressed, 100);
    assert_true(loglimit_take(&l, "a", 1000, &suppressed));
    assert_int_equal(suppressed, 0);
}

TEST(loglimit, what_nobody_told_is_due_after_its_second)
{
    struct loglimit l = { 0 };
    uint64_t suppressed = 0;
    logged_of(&l, "a", 13, 500);
    assert_null(loglimit_due(&l, 1499, &suppressed));
    assert_string_equal(loglimit_due(&l, 1500, &suppressed), "a");
    assert_int_equal(suppressed, 3);
    assert_null(loglimit_due(&l, 1500, &suppressed));
}

TEST(loglimit, reasons_beyond_the_table_share_a_place_and_none_is_lost)
{
    struct loglimit l = { 0 };
    char name[8];
    unsigned logged = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        logged += logged_of(&l, name, 11, 7);
    }
    assert_int_equal(logged, LOGLIMIT_EACH_SECOND * LOGLIMIT_REASONS);
    uint64_t suppressed, sum = 0;
    bool other = false;
    for (const char *reason; (reason = loglimit_due(&l, 1007, &suppressed)) != NULL;) {
        sum += suppressed;
        other |= strcmp(reason, "other") == 0;
    }
    assert_true(other);
    assert_int_equal(sum + logged, 11 * 1000);
    /* Places that are over go to new reasons. */
    assert_int_equal(logged_of(&l, "new", 10, 1007), 10);
    assert_int_equal(logged_of(&l, "newer", 10, 1007), 10);
}

TEST(loglimit, long_reasons_count_by_their_beginning)
{
    struct loglimit l = { 0 };
    char one[100], two[100];
    memset(one, 'x', sizeof(one));
    memset(two, 'x', sizeof(two));
    one[99] = two[99] = '\0';
    one[60] = 'y';
    assert_int_equal(logged_of(&l, one, 5, 0) + logged_of(&l, two, 6, 0), 10);
    two[LOGLIMIT_NAME - 2] = 'z';
    assert_int_equal(logged_of(&l, two, 6, 0), 6);
    two[LOGLIMIT_NAME - 2] = '\0'; /* shorter than the one that is kept */
    assert_int_equal(logged_of(&l, two, 6, 0), 6);
}

TEST(loglimit, a_clock_that_goes_back_does_not_silence)
{
    struct loglimit l = { 0 };
    assert_int_equal(logged_of(&l, "a", 11, 100000), 10);
    assert_int_equal(logged_of(&l, "a", 11, 500), 10);
}

TEST(loglimit, a_place_with_something_to_tell_is_not_given_away)
{
    struct loglimit l = { 0 };
    char name[8];
    for (unsigned i = 0; i < LOGLIMIT_REASONS - 1; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        logged_of(&l, name, 11, 7);
    }
    logged_of(&l, "late", 1, 5000);
    uint64_t suppressed, sum = 0;
    while (loglimit_due(&l, 5000, &suppressed) != NULL)
        sum += suppressed;
    assert_int_equal(sum, LOGLIMIT_REASONS - 1);
}
