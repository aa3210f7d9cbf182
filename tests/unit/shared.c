/* SPDX-License-Identifier: MIT */
#include "proto/shared.h"
#include "base/mem.h"
#include "test.h"

TEST(shared, holds_a_copy_with_its_head_before_it)
{
    char text[] = "all";
    size_t len;
    duet_shared *s = duet_shared_new(DUET_TEXT, text, 3), *empty = duet_shared_new(DUET_BINARY, NULL, 0);
    text[0] = 'x';
    assert_int_equal(duet_shared_type(s), DUET_TEXT);
    assert_memory_equal(duet_shared_data(s, &len), "all", 3);
    assert_int_equal(len, 3);
    assert_int_equal(shared_wire_len(s), 5);
    assert_memory_equal(shared_wire(s), "\x81\x03" "all", 5);
    duet_shared_data(empty, &len);
    assert_int_equal(len, 0);
    assert_int_equal(duet_shared_type(empty), DUET_BINARY);
    assert_memory_equal(shared_wire(empty), "\x82\0", 2);
    duet_shared_unref(s);
    duet_shared_unref(empty);
    duet_shared_unref(NULL);
}

TEST(shared, only_valid_messages_are_made)
{
    assert_null(duet_shared_new(DUET_TEXT, "\xff", 1));
    assert_null(duet_shared_new(DUET_PING, "x", 1));
    assert_null(duet_shared_new((duet_type)0, "x", 1));
}

TEST(shared, a_length_that_no_memory_has_is_refused)
{
    duet_shared *s = shared_alloc(10);
    assert_null(shared_alloc(SIZE_MAX));
    assert_null(shared_alloc(SIZE_MAX - sizeof(*s) + 1));
    assert_null(shared_grow(s, SIZE_MAX));
    assert_null(shared_grow(s, SIZE_MAX - sizeof(*s) + 1));
    mem_fail(0, true);
    assert_null(shared_alloc(10));
    assert_null(shared_grow(s, 1000));
    assert_null(duet_shared_new(DUET_TEXT, "x", 1));
    mem_fail_end();
    assert_int_equal(s->cap, 10);
    duet_shared_unref(s);
}
