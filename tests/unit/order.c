/* SPDX-License-Identifier: MIT */
#include "cmd/order.h"
#include "test.h"

/* Feeds numbers and compares a trace: n next, a ahead (and how many are missing), l late, x again. */
static void expect_trace(const char *trace, const uint64_t *numbers, unsigned count)
{
    struct order o = { 0 };
    char got[400] = "";
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t missing;
        switch (order_take(&o, numbers[i], &missing)) {
        case ORDER_NEXT:
            at += (size_t)snprintf(got + at, sizeof(got) - at, "n ");
            break;
        case ORDER_AHEAD:
            at += (size_t)snprintf(got + at, sizeof(got) - at, "a%u ", (unsigned)missing);
            break;
        case ORDER_LATE:
            at += (size_t)snprintf(got + at, sizeof(got) - at, "l ");
            break;
        case ORDER_AGAIN:
            at += (size_t)snprintf(got + at, sizeof(got) - at, "x ");
            break;
        }
    }
    assert_string_equal(got, trace);
}

#define EXPECT(trace, ...)                                                                                   \
    do {                                                                                                     \
        const uint64_t numbers_[] = { __VA_ARGS__ };                                                         \
        expect_trace(trace, numbers_, sizeof(numbers_) / sizeof(*numbers_));                                 \
    } while (0)

TEST(order, one_after_the_other_is_next)
{
    EXPECT("n n n n ", 0, 1, 2, 3);
}

TEST(order, a_loss_is_ahead)
{
    EXPECT("n a1 n ", 0, 2, 3);
    EXPECT("a3 n ", 3, 4);
}

TEST(order, twice_is_again)
{
    EXPECT("n x n x x ", 0, 0, 1, 1, 0);
}

TEST(order, a_swap_is_late_and_no_loss)
{
    EXPECT("n a1 l n ", 0, 2, 1, 3);
    EXPECT("a1 l n ", 1, 0, 2);
    EXPECT("a1 l x x ", 1, 0, 0, 1);
}

TEST(order, the_window_ends)
{
    struct order o = { 0 };
    uint64_t missing;
    assert_int_equal(order_take(&o, ORDER_WINDOW, &missing), ORDER_AHEAD);
    assert_int_equal(missing, ORDER_WINDOW);
    assert_int_equal(order_take(&o, 0, &missing), ORDER_AGAIN); /* too long ago to be known */
    assert_int_equal(order_take(&o, 1, &missing), ORDER_LATE);
    assert_int_equal(order_take(&o, ORDER_WINDOW - 1, &missing), ORDER_LATE);
    assert_int_equal(order_take(&o, (uint64_t)1 << 40, &missing), ORDER_AHEAD);
    assert_int_equal(order_take(&o, 2, &missing), ORDER_AGAIN);
    assert_int_equal(order_take(&o, ((uint64_t)1 << 40) - 1, &missing), ORDER_LATE);
}

/* Each number of a shuffled run comes once: nothing is told twice, and all that was missing is told late. */
TEST(order, shuffled_pieces_add_up)
{
    struct order o = { 0 };
    uint64_t missing, gaps = 0, late = 0, again = 0, state = 7;
    for (uint64_t from = 0; from < 3200; from += 32) {
        uint64_t run[32];
        for (unsigned i = 0; i < 32; i++)
            run[i] = from + i;
        for (unsigned i = 31; i > 0; i--) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            unsigned j = (unsigned)(state >> 33) % (i + 1);
            uint64_t t = run[i];
            run[i] = run[j];
            run[j] = t;
        }
        for (unsigned i = 0; i < 32; i++) {
            enum order_verdict v = order_take(&o, run[i], &missing);
            gaps += missing;
            late += v == ORDER_LATE;
            again += v == ORDER_AGAIN;
        }
    }
    assert_int_equal(o.want, 3200);
    assert_int_equal(again, 0);
    assert_true(late > 0);
    assert_int_equal(gaps, late);
}
