/* SPDX-License-Identifier: MIT */
#include "cmd/top.h"
#include "test.h"

static void add(struct top *t, uint64_t value, const char *name)
{
    struct top_entry e = { .value = value };
    top_name(&e, name, strlen(name));
    top_add(t, &e);
}

TEST(top, keeps_the_most_the_most_first)
{
    struct top t = { .count = 0 };
    /* 1 to 36, each once, in an order that is neither. */
    for (unsigned i = 1; i <= 36; i++)
        add(&t, i * 7 % 37, "x");
    assert_int_equal(t.count, TOP_MOST);
    for (unsigned i = 0; i < TOP_MOST; i++)
        assert_int_equal(t.of[i].value, 36 - i);
}

TEST(top, has_no_place_for_nothing_and_keeps_who_came_first_of_equals)
{
    struct top t = { .count = 0 };
    add(&t, 0, "nothing");
    assert_int_equal(t.count, 0);
    assert_false(top_takes(&t, 0));
    for (unsigned i = 0; i < TOP_MOST; i++)
        add(&t, 5, i == 0 ? "first" : "next");
    assert_false(top_takes(&t, 5));
    assert_true(top_takes(&t, 6));
    add(&t, 5, "late");
    assert_memory_equal(t.of[0].name, "first", 5);
    assert_memory_equal(t.of[TOP_MOST - 1].name, "next", 4);
}

TEST(top, cuts_names_to_their_room)
{
    char name[300];
    struct top_entry e = { .value = 1 };
    memset(name, 'n', sizeof(name));
    top_name(&e, name, sizeof(name));
    assert_int_equal(e.len, HUB_NAME_MOST);
    top_name(&e, NULL, 0);
    assert_int_equal(e.len, 0);
}
