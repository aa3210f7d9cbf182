/* SPDX-License-Identifier: MIT */
#include "hub/fossil.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "naive_fossil.h"
#include "test.h"

static char made[300000];

/* The delta, from exactly sized memory; it makes the target, and is UTF-8. NULL: there is none. The test's to read
 * until the next call. */
static const char *delta(const char *source, size_t source_len, const char *target, size_t target_len)
{
    static char text[300000];
    char *s = malloc(source_len ? source_len : 1), *t = malloc(target_len ? target_len : 1);
    struct buf b;
    memcpy(s, source, source_len);
    memcpy(t, target, target_len);
    buf_init(&b, NULL, 0);
    bool shorter = fossil_delta(&b, s, source_len, t, target_len);
    if (shorter) {
        assert_true(b.len < target_len);
        assert_true(utf8_valid(b.at, b.len));
        assert_int_equal(naive_fossil_apply(made, sizeof(made), s, source_len, b.at, b.len), target_len);
        assert_memory_equal(made, t, target_len);
        memcpy(text, b.at, b.len);
        text[b.len] = 0;
    } else {
        assert_int_equal(b.len, 0);
    }
    buf_fini(&b);
    free(s);
    free(t);
    return shorter ? text : NULL;
}

static const char *delta_of(const char *source, const char *target)
{
    return delta(source, strlen(source), target, strlen(target));
}

/* The vector of the protocol's notes. */
TEST(fossil, makes_the_delta_that_is_known)
{
    assert_string_equal(delta_of("{\"score\":10,\"team\":\"red\",\"players\":[\"ann\",\"bob\",\"cid\"]}",
                                 "{\"score\":11,\"team\":\"red\",\"players\":[\"ann\",\"bob\",\"cid\"]}"),
                        "s\nA@0,1:1h@B,WCBRk;");
}

TEST(fossil, is_left_out_when_it_is_not_shorter)
{
    assert_null(delta_of("", ""));
    assert_null(delta_of("", "abc"));
    assert_null(delta_of("abc", ""));
    assert_null(delta_of("abcdefghijklmnopqrstuvwxyz", "0123456789012345678901234567890"));
    assert_null(delta_of("{\"a\":1}", "{\"a\":2}"));
    /* The same again costs thirteen bytes, which fourteen are more than. */
    assert_null(delta_of("aaaaaaaaaaaaa", "aaaaaaaaaaaaa"));
    assert_string_equal(delta_of("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa"), "E\nE@0,25XIGZ;");
}

TEST(fossil, finds_what_moved)
{
    const char *d = delta_of("0000000000000000 the quick brown fox jumps over the lazy dog, and it is 1111",
                             "and more; the quick brown fox jumps over the lazy dog, 2222 the quick brown fox jumps");
    assert_non_null(d);
    assert_true(strlen(d) < 60);
}

/* Wherever it is: the hash that is rolled on is that of the bytes. */
TEST(fossil, finds_a_block_at_any_place)
{
    static const char source[] = "0123456789abcdefTHE BLOCK OF THIS TEST IS HERE!ghijklmnopqrstuv";
    for (int before = 1; before < 60; before++) {
        char target[200];
        for (int i = 0; i < before; i++)
            target[i] = (char)(' ' + i);
        sprintf(target + before, "THE BLOCK OF THIS TEST IS HERE!~~~");
        const char *d = delta_of(source, target);
        if (d == NULL || strstr(d, "V@G,") == NULL)
            fail_msg("%d: %s", before, d ? d : "none");
    }
}

/* Characters of two to four bytes that share their first or last bytes with others: a cut inside of one would show. */
TEST(fossil, cuts_between_characters)
{
    static const char *const characters[] = { "\xc3\xa9",         "\xc3\xa8",         "\xe2\x82\xac", "\xe2\x82\xad",
                                              "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81", "\xc4\xa9",     "a" };
    unsigned seed = 1, deltas = 0;
    for (int round = 0; round < 3000; round++) {
        char source[800] = "", target[800] = "";
        for (int i = 0; i < 60; i++) {
            seed = seed * 1103515245 + 12345;
            const char *c = characters[(seed >> 16) % 8], *other = characters[(seed >> 20) % 8];
            strcat(source, c);
            strcat(target, (seed >> 24) % 16 ? c : other);
        }
        deltas += delta_of(source, target) != NULL;
    }
    assert_true(deltas > 1000);
}

/* Pieces of one text put together anew, with noise between them. */
TEST(fossil, makes_the_target_whatever_changed)
{
    static char source[5000], target[9000];
    unsigned seed = 7, deltas = 0;
    for (int round = 0; round < 2000; round++) {
        size_t len = 0, source_len = 1 + (size_t)round * 2;
        for (size_t i = 0; i < source_len; i++) {
            seed = seed * 1103515245 + 12345;
            source[i] = "abcdefgh{}\":,0123"[(seed >> 16) % (round % 2 ? 17 : 3)];
        }
        for (int piece = 0; piece < 5; piece++) {
            seed = seed * 1103515245 + 12345;
            size_t from = (seed >> 8) % source_len, n = (seed >> 4) % (source_len - from + 1);
            n = n > 1500 ? 1500 : n;
            memcpy(target + len, source + from, n);
            len += n;
            for (unsigned i = 0; i < (seed >> 28); i++)
                target[len++] = (char)('A' + i);
        }
        deltas += delta(source, source_len, target, len) != NULL;
    }
    assert_true(deltas > 1000);
}

/* The same block over and over, which all have one hash: as long as it may take, and not the square of it. */
TEST(fossil, of_the_same_again_and_again_ends)
{
    static char source[200000], target[200000];
    memset(source, 'a', sizeof(source));
    for (size_t i = 0; i < sizeof(target); i++)
        target[i] = i % 17 ? 'a' : 'b';
    delta(source, sizeof(source), target, sizeof(target));
}

TEST(fossil, lives_without_memory)
{
    static const char source[] = "0000 the quick brown fox jumps over the lazy dog, and it is 1111";
    static const char target[] = "2222 the quick brown fox jumps over the lazy dog, and it was 3333";
    for (unsigned long n = 0;; n++) {
        struct buf b;
        buf_init(&b, NULL, 0);
        mem_fail(n, false);
        bool shorter = fossil_delta(&b, source, strlen(source), target, strlen(target));
        bool enough = mem_fail_end() <= n;
        buf_fini(&b);
        assert_int_equal(shorter, enough);
        if (enough)
            break;
    }
}
