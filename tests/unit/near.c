/* SPDX-License-Identifier: MIT */
#include "base/near.h"
#include "test.h"

static const char *nearest(const char *word, const char *const *names)
{
    struct near n = near_to(word, strlen(word));
    for (; *names != NULL; names++)
        near_offer(&n, *names);
    return n.name;
}

TEST(near, is_what_was_meant)
{
    static const char *const names[] = { "listen", "threads", "root", "log", "history_size", "on", NULL };
    static const struct {
        const char *word, *meant;
    } rows[] = {
        { "listen", "listen" },
        { "listn", "listen" },
        { "lissten", "listen" },
        { "lizten", "listen" },
        { "lisetn", "listen" },
        { "liesten", "listen" },
        { "ilsten", "listen" },
        { "histroy_size", "history_size" },
        { "hstry_sise", "history_size" },
        { "lg", "log" },
        { "gol", NULL },
        { "port", NULL },
        { "rot", "root" },
        { "ro", NULL },
        { "roots", "root" },
        { "thrad", "threads" },
        { "thrd", NULL },
        { "on", "on" },
        { "of", "on" },
        { "x", NULL },
        { "", NULL },
        { "something", NULL },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *name = nearest(rows[i].word, names);
        if (rows[i].meant != name && (name == NULL || rows[i].meant == NULL || strcmp(name, rows[i].meant) != 0))
            fail_msg("%s: %s", rows[i].word, name ? name : "none");
    }
}

TEST(near, is_the_first_of_those_that_are_equally_near)
{
    static const char *const names[] = { "cert", "cent", NULL };
    assert_string_equal(nearest("cest", names), "cert");
    assert_string_equal(nearest("cent", names), "cent");
}

/* One letter of it is wrong. */
static const char *alike(size_t len)
{
    static char word[64], name[64];
    static const char *const names[] = { name, NULL };
    memset(word, 'a', len);
    memset(name, 'a', len);
    word[len] = name[len] = 0;
    word[len / 2] = 'b';
    return nearest(word, names);
}

TEST(near, has_a_length_from_which_on_nothing_is)
{
    assert_non_null(alike(46));
    assert_non_null(alike(47));
    assert_null(alike(48));
    static char name[49];
    static const char *const names[] = { name, NULL };
    memset(name, 'a', 48);
    assert_null(nearest(name + 1, names));
}
