/* SPDX-License-Identifier: MIT */
#include "conn/slots.h"
#include "base/mem.h"
#include "test.h"

enum { SIZE = 48, KEPT = 16 };

static struct conn_slots begin(void)
{
    return (struct conn_slots){ .size = SIZE, .kept = KEPT };
}

TEST(slots, each_has_its_number_and_is_found_by_it)
{
    struct conn_slots s = begin();
    for (uint32_t i = 0; i < 5 * SLOTS_EACH; i++) {
        uint32_t number = 0;
        assert_null(slots_at(&s, i));
        char *slot = slots_take(&s, &number);
        assert_non_null(slot);
        assert_int_equal(number, i);
        assert_ptr_equal(slots_at(&s, i), slot);
        for (int k = 0; k < SIZE; k++)
            assert_int_equal(slot[k], 0);
        memset(slot, 1, SIZE); /* and no other is touched by it */
    }
    assert_int_equal(s.count, 5);
    slots_fini(&s);
    assert_null(slots_at(&s, 0));
}

TEST(slots, the_last_free_one_is_used_first_and_keeps_its_front)
{
    struct conn_slots s = begin();
    uint32_t number;
    char *slot[3];
    for (int i = 0; i < 3; i++) {
        slot[i] = slots_take(&s, &number);
        memset(slot[i], i + 1, SIZE);
    }
    slots_give(&s, slot[0]);
    slots_give(&s, slot[2]);
    assert_ptr_equal(slots_take(&s, &number), slot[2]);
    assert_int_equal(number, UINT32_MAX);
    for (int k = 0; k < SIZE; k++)
        assert_int_equal(slot[2][k], k < KEPT ? 3 : 0);
    assert_ptr_equal(slots_take(&s, &number), slot[0]);
    assert_non_null(slots_take(&s, &number));
    assert_int_equal(number, 3);
    slots_fini(&s);
}

TEST(slots, without_memory_there_is_none_and_then_there_is)
{
    for (unsigned long nth = 0, asked = 1; asked > nth; nth++) {
        struct conn_slots s = begin();
        uint32_t number, had = 0;
        mem_fail(nth, false);
        for (int i = 0; i < 5 * SLOTS_EACH; i++)
            had += slots_take(&s, &number) != NULL;
        asked = mem_fail_end();
        assert_int_equal(had, asked > nth ? 5 * SLOTS_EACH - 1 : 5 * SLOTS_EACH);
        slots_fini(&s);
    }
}

TEST(slots, there_are_so_many_and_no_more)
{
    struct conn_slots s = { .size = KEPT + 8, .kept = KEPT };
    uint32_t number;
    s.blocks = mem_zalloc(SLOTS_MOST / SLOTS_EACH * sizeof(*s.blocks));
    assert_non_null(s.blocks);
    s.cap = SLOTS_MOST / SLOTS_EACH;
    s.count = s.cap - 1; /* as if these had been */
    s.next = s.count * SLOTS_EACH;
    for (int i = 0; i < SLOTS_EACH; i++) {
        assert_non_null(slots_take(&s, &number));
        assert_int_equal(number, SLOTS_MOST - SLOTS_EACH + i);
    }
    assert_null(slots_take(&s, &number));
    slots_fini(&s);
}
