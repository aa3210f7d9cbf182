/* SPDX-License-Identifier: MIT */
#include "hub/match.h"
#include "test.h"

static bool matches(const char *pattern, const char *name)
{
    /* From exactly sized memory, so that a read beyond its end is seen. */
    size_t p = strlen(pattern), n = strlen(name);
    char *pattern_copy = malloc(p ? p : 1), *name_copy = malloc(n ? n : 1);
    memcpy(pattern_copy, pattern, p);
    memcpy(name_copy, name, n);
    bool yes = hub_match(pattern_copy, p, name_copy, n);
    free(pattern_copy);
    free(name_copy);
    return yes;
}

/* HUB-13 */
TEST(match, is_of_bytes_and_stars)
{
    static const struct {
        const char *pattern, *name;
        bool yes;
    } table[] = {
        { "news", "news", true },
        { "news", "News", false },
        { "news", "new", false },
        { "news", "news:", false },
        { "news:", "news", false },
        { "", "", true },
        { "", "a", false },
        { "*", "", true },
        { "*", "$chat:room#ann", true },
        { "**", "a", true },
        { "news:*", "news:", true },
        { "news:*", "news:a:b/c", true },
        { "news:*", "news", false },
        { "news:*", "newsx:a", false },
        { "news:*", "$news:a", false },
        { "*:log", "a:b:log", true },
        { "*:log", "a:b:logs", false },
        { "a*b*c", "abc", true },
        { "a*b*c", "axxbxxbxxc", true },
        { "a*b*c", "acb", false },
        { "a*a", "a", false },
        { "a*a", "aa", true },
        { "?", "a", false },
        { "[ab]", "a", false },
        { "\\*", "*", false },
        { "caf\xc3\xa9", "cafe\xcc\x81", false }, /* one letter, two Unicode forms */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (matches(table[i].pattern, table[i].name) != table[i].yes)
            fail_msg("`%s` and `%s`", table[i].pattern, table[i].name);
    }
}

TEST(match, knows_a_zero_byte_from_an_end)
{
    assert_true(hub_match("a\0b", 3, "a\0b", 3));
    assert_false(hub_match("a\0b", 3, "a\0c", 3));
    assert_false(hub_match("a", 1, "a\0", 2));
    assert_true(hub_match("a*", 2, "a\0", 2));
}

static bool naive(const char *p, size_t pn, const char *n, size_t nn)
{
    if (pn == 0)
        return nn == 0;
    if (p[0] == '*')
        return naive(p + 1, pn - 1, n, nn) || (nn > 0 && naive(p, pn, n + 1, nn - 1));
    return nn > 0 && p[0] == n[0] && naive(p + 1, pn - 1, n + 1, nn - 1);
}

/* HUB-13: every pattern of "*ab" and every name of "ab" up to a length. */
TEST(match, says_what_a_naive_one_says)
{
    char p[7], n[8];
    unsigned found = 0;
    for (unsigned pc = 0; pc < 2187; pc++) {
        for (unsigned pn = 0; pn <= 7; pn++) {
            unsigned rest = pc;
            for (unsigned i = 0; i < pn; i++, rest /= 3)
                p[i] = "*ab"[rest % 3];
            if (rest != 0)
                continue;
            for (unsigned nc = 0; nc < 128; nc++) {
                unsigned nn = 7;
                for (unsigned i = 0; i < nn; i++)
                    n[i] = nc >> i & 1 ? 'b' : 'a';
                for (nn = pn % 2; nn <= 7; nn += 2) {
                    bool yes = naive(p, pn, n, nn);
                    assert_int_equal(hub_match(p, pn, n, nn), yes);
                    found += yes;
                }
            }
        }
    }
    assert_true(found > 10000);
}

/* As many steps as pattern and name allow, and not as many as there are ways to spread the stars: that would be no end
 * within anybody's life. */
TEST(match, of_many_stars_ends)
{
    char pattern[255], name[255];
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 ? 'a' : '*';
    memset(name, 'a', sizeof(name));
    name[254] = 'b';
    pattern[254] = 'c';
    assert_false(hub_match(pattern, sizeof(pattern), name, sizeof(name)));
}
