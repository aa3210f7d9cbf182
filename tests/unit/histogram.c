/* SPDX-License-Identifier: MIT */
#include "cmd/histogram.h"
#include "test.h"

static struct histogram h, other;

static void clear(void)
{
    memset(&h, 0, sizeof(h));
    memset(&other, 0, sizeof(other));
}

static uint64_t off_by(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* What is read back of each value, with others around it that keep it from being the exact least or greatest. */
static void expect_near(uint64_t ns)
{
    clear();
    histogram_add(&h, 0);
    histogram_add(&h, ns);
    histogram_add(&h, UINT64_MAX / 2);
    assert_true(off_by(histogram_at(&h, 50), ns) * 250 <= ns);
}

TEST(histogram, an_empty_one_has_zeros)
{
    clear();
    assert_int_equal(histogram_at(&h, 0), 0);
    assert_int_equal(histogram_at(&h, 50), 0);
    assert_int_equal(histogram_at(&h, 100), 0);
    assert_int_equal(histogram_mean(&h), 0);
    histogram_merge(&h, &other);
    assert_int_equal(h.count, 0);
}

TEST(histogram, values_come_back_within_four_in_a_thousand)
{
    for (unsigned bit = 0; bit < HISTOGRAM_TOP; bit++)
        for (int around = -1; around <= 1; around++) {
            expect_near(((uint64_t)1 << bit) + (uint64_t)around);
            expect_near(((uint64_t)3 << bit >> 1) + (uint64_t)around);
        }
    uint64_t state = 1;
    for (unsigned i = 0; i < 5000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        expect_near(state >> (64 - HISTOGRAM_TOP + i % HISTOGRAM_TOP));
    }
}

TEST(histogram, what_is_too_long_counts_in_the_last_bucket_and_stays_in_max)
{
    static const uint64_t top = (uint64_t)1 << HISTOGRAM_TOP;
    clear();
    histogram_add(&h, top - 1);
    assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
    histogram_add(&h, top);
    histogram_add(&h, top + 1);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 4);
    assert_int_equal(histogram_at(&h, 0), top - 1);
    assert_true(histogram_at(&h, 100) == UINT64_MAX);
}

TEST(histogram, percentiles_are_of_ranks)
{
    clear();
    for (uint64_t i = 1; i <= 100; i++)
        histogram_add(&h, i);
    assert_int_equal(histogram_at(&h, 0), 1);
    assert_int_equal(histogram_at(&h, 1), 1);
    assert_int_equal(histogram_at(&h, 1.5), 2);
    assert_int_equal(histogram_at(&h, 50), 50);
    assert_int_equal(histogram_at(&h, 90), 90);
    assert_int_equal(histogram_at(&h, 99), 99);
    assert_int_equal(histogram_at(&h, 99.9), 100);
    assert_int_equal(histogram_at(&h, 100), 100);
    assert_int_equal(histogram_mean(&h), 50);
}

/* One message in a hundred that took a second is p99.9, however quick the others were. */
TEST(histogram, a_tail_is_seen)
{
    clear();
    for (unsigned i = 0; i < 990; i++)
        histogram_add(&h, 100000);
    for (unsigned i = 0; i < 10; i++)
        histogram_add(&h, 1000000000);
    assert_true(histogram_at(&h, 99) < 101000);
    assert_true(histogram_at(&h, 99.1) > 990000000);
    assert_int_equal(histogram_at(&h, 99.9), 1000000000);
}

TEST(histogram, two_make_one)
{
    clear();
    for (uint64_t i = 0; i < 1000; i++)
        histogram_add(i % 3 ? &h : &other, i * i);
    struct histogram *all = calloc(1, sizeof(*all));
    for (uint64_t i = 0; i < 1000; i++)
        histogram_add(all, i * i);
    histogram_merge(&h, &other);
    assert_memory_equal(&h, all, sizeof(h));
    free(all);
}
