/* SPDX-License-Identifier: MIT */
#include "hub/bucket.h"
#include "test.h"

/* How many are to be had at once. */
static unsigned burst(struct bucket *b, uint64_t now_ms, unsigned per_s)
{
    unsigned n = 0;
    while (n < 10000 && bucket_spend(b, now_ms, per_s))
        n++;
    return n;
}

TEST(bucket, has_two_seconds_worth_and_fills_again)
{
    static const unsigned rates[] = { 1, 2, 3, 10, 1000 };
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bucket b = { 0 };
        unsigned r = rates[i];
        assert_int_equal(burst(&b, 5000, r), 2 * r);
        assert_int_equal(burst(&b, 5000, r), 0);
        assert_int_equal(burst(&b, 6000, r), r);
        assert_int_equal(burst(&b, 60000, r), 2 * r);
    }
}

TEST(bucket, without_a_limit_has_no_bottom)
{
    struct bucket b = { 0 };
    assert_int_equal(burst(&b, 0, 0), 10000);
    assert_int_equal(burst(&b, 0, 2000000), 10000);
}

TEST(bucket, of_a_clock_that_went_back_does_not_fill)
{
    struct bucket b = { 0 };
    assert_int_equal(burst(&b, 5000, 10), 20);
    assert_int_equal(burst(&b, 1000, 10), 0);
    assert_int_equal(burst(&b, 2000, 10), 10);
}
