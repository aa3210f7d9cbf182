/* SPDX-License-Identifier: MIT */
/* HUB-15: when a backend that fails is left alone, to the millisecond. */
#include "hook/breaker.h"
#include "test.h"

enum { BEGINS = 10000 };

static struct breaker opened_at(uint64_t now_ms)
{
    struct breaker b = { .state = BREAKER_CLOSED };
    for (int i = 1; i < BREAKER_FAILURES; i++)
        assert_false(breaker_bad(&b, now_ms));
    assert_true(breaker_bad(&b, now_ms));
    return b;
}

TEST(breaker, opens_with_the_fifth_failure_in_a_row)
{
    for (int failures = BREAKER_FAILURES - 1; failures <= BREAKER_FAILURES + 1; failures++) {
        struct breaker b = { .state = BREAKER_CLOSED };
        for (int i = 1; i <= failures; i++)
            assert_int_equal(breaker_bad(&b, BEGINS), i == BREAKER_FAILURES);
        assert_int_equal(breaker_allows(&b, BEGINS), failures < BREAKER_FAILURES);
    }
}

TEST(breaker, counts_anew_when_it_is_answered)
{
    struct breaker b = { .state = BREAKER_CLOSED };
    for (int i = 0; i < 3 * BREAKER_FAILURES; i++) {
        if (i % (BREAKER_FAILURES - 1) == 0)
            assert_false(breaker_good(&b)); /* it was not open */
        assert_false(breaker_bad(&b, BEGINS));
        assert_true(breaker_allows(&b, BEGINS));
    }
}

TEST(breaker, lets_one_question_try_when_its_time_is_over_and_waits_twice_as_long)
{
    static const unsigned waits_ms[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
    struct breaker b = opened_at(BEGINS);
    uint64_t now = BEGINS;
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
        assert_false(breaker_allows(&b, now));
        assert_false(breaker_allows(&b, now + waits_ms[i] - 1));
        struct breaker late = b;
        assert_true(breaker_allows(&late, now + waits_ms[i] + 1));
        now += waits_ms[i];
        assert_true(breaker_allows(&b, now));
        assert_false(breaker_allows(&b, now)); /* one at a time */
        assert_false(breaker_allows(&b, now + BREAKER_MOST_MS));
        now += 7;
        assert_false(breaker_bad(&b, now)); /* that is no news */
    }
}

TEST(breaker, closes_when_the_one_that_tries_is_answered)
{
    struct breaker b = opened_at(BEGINS);
    assert_true(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS));
    assert_true(breaker_good(&b));
    assert_true(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS));
    assert_true(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS));
    for (int i = 1; i < BREAKER_FAILURES; i++)
        assert_false(breaker_bad(&b, BEGINS));
    assert_true(breaker_bad(&b, BEGINS)); /* and opens for a second again */
    assert_true(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS));
}

TEST(breaker, does_not_wait_longer_for_what_was_asked_before_it_opened)
{
    struct breaker b = opened_at(BEGINS);
    for (int i = 0; i < 100; i++)
        assert_false(breaker_bad(&b, BEGINS + 500));
    assert_false(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS - 1));
    assert_true(breaker_allows(&b, BEGINS + BREAKER_LEAST_MS));
}
