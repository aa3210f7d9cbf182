/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/mem.h"
#include "test.h"
#include <stdint.h>

TEST(buf, grows_out_of_the_callers_memory_and_keeps_what_is_there)
{
    char start[8], long_text[1000];
    struct buf b;
    memset(long_text, 'x', sizeof(long_text));
    buf_init(&b, start, sizeof(start));
    buf_puts(&b, "12345678");
    assert_false(b.owned);
    buf_put(&b, "9", 1);
    assert_true(b.owned);
    buf_put(&b, long_text, sizeof(long_text));
    buf_printf(&b, "%d", 42);
    assert_int_equal(b.len, 9 + sizeof(long_text) + 2);
    assert_memory_equal(b.at, "123456789x", 10);
    assert_memory_equal(b.at + b.len - 3, "x42", 3);
    buf_drop(&b, 9 + sizeof(long_text) - 1);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.at, "x42", 3);
    buf_fini(&b);
}

TEST(buf, mem_1_what_failed_once_takes_nothing_more_and_keeps_what_it_had)
{
    char start[4];
    for (int begun = 0; begun < 2; begun++) {
        struct buf b;
        buf_init(&b, begun ? start : NULL, begun ? sizeof(start) : 0);
        buf_put(&b, "abcd", begun ? 4 : 0);
        mem_fail(0, false);
        buf_put(&b, "e", 1);
        assert_int_equal(mem_fail_end(), 1);
        assert_true(b.failed);
        buf_puts(&b, "f");
        buf_printf(&b, "%s", "g");
        assert_int_equal(b.len, begun ? 4 : 0);
        buf_fini(&b);
    }
}

TEST(buf, mem_11_what_no_memory_can_hold_fails)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_fini(&b);
}
