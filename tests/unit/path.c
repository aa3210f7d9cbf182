/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/path.h"

static const char *path_of(const char *s)
{
    static char out[256];
    int rc = http_path_decode(s, strlen(s), out, sizeof(out));
    if (rc < 0)
        snprintf(out, sizeof(out), "%d", rc);
    else
        assert_int_equal(rc, strlen(out));
    return out;
}

TEST(path, http_15_is_decoded_once_and_stays_below_the_root)
{
    static const char *const rows[][2] = {
        { "", "/" },
        { "?a", "/" },
        { "/", "/" },
        { "/a", "/a" },
        { "/a/", "/a/" },
        { "/a?b/../c", "/a" },
        { "/a%20b", "/a b" },
        { "/%41%7a%7A", "/Azz" },
        { "//evil", "/evil" },
        { "///evil//x//", "/evil/x/" },
        { "/%2fevil", "/evil" },
        { "/.", "/" },
        { "/./", "/" },
        { "/..", "/" },
        { "/../", "/" },
        { "/../../..", "/" },
        { "/../etc/passwd", "/etc/passwd" },
        { "/a/../b", "/b" },
        { "/a/..", "/" },
        { "/a/../", "/" },
        { "/a/b/..", "/a/" },
        { "/a/b/.", "/a/b/" },
        { "/a/b/../..", "/" },
        { "/a/b/../../../../c", "/c" },
        { "/a//../b", "/b" },
        { "/a/./b/./c", "/a/b/c" },
        { "/%2e%2e%2f", "/" },
        { "/%2e%2e%2fetc", "/etc" },
        { "/%2E%2E/etc", "/etc" },
        { "/.%2e/etc", "/etc" },
        { "/a%2f..%2f..%2fetc", "/etc" },
        { "/a/%2e%2e/%2e%2e/etc", "/etc" },
        { "/%252e%252e/", "/%2e%2e/" },
        { "/%252e%252e%252f", "/%2e%2e%2f" },
        { "/%25%32%65", "/%2e" },
        { "/...", "/..." },
        { "/.../", "/.../" },
        { "/..a", "/..a" },
        { "/a..", "/a.." },
        { "/.a", "/.a" },
        { "/..;/a", "/..;/a" },
        { "/..\\a", "/..\\a" },
        { "/\\..\\a", "/\\..\\a" },
        { "/%5c..%5c", "/\\..\\" },
        { "/a:b", "/a:b" },
        { "/~root", "/~root" },
        { "/a+b", "/a+b" },
        { "/%c3%a9", "/\xc3\xa9" },
        { "/%c0%ae%c0%ae/", "/\xc0\xae\xc0\xae/" },
        { "/%ff", "/\xff" },
        { "/%0d%0aX", "/\r\nX" },
        { "/%3f", "/?" },
        { "/%23", "/#" },
        { "/%00", "-400" },
        { "/a%00.html", "-400" },
        { "/%", "-400" },
        { "/%2", "-400" },
        { "/%zz", "-400" },
        { "/%2z", "-400" },
        { "/%z2", "-400" },
        { "/%u002e", "-400" },
        { "/% 2e", "-400" },
        { "/%+2", "-400" },
        { "/%-1", "-400" },
        { "/%%", "-400" },
        { "/\xc3\xa9", "-400" },
        { "/\x80", "-400" },
        { "/\xff", "-400" },
        { "/\xc0\xae\xc0\xae/", "-400" },
        { "a", "-400" },
        { "..", "-400" },
        { "*", "-400" },
        { "%2f", "-400" },
        { "\\", "-400" },
        { "/?%zz", "/" },
        { "/a/?", "/a/" },
        { "/?", "/" },
        { "/a/b/c/../../d/./e/..", "/a/d/" },
        { "/a/%2e", "/a/" },
        { "/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd", "/etc/passwd" },
        { "/a/..%2f", "/" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(path_of(rows[i][0]), rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], path_of(rows[i][0]));
}

TEST(path, a_raw_zero_is_refused)
{
    char out[16];
    assert_int_equal(http_path_decode("/a\0b", 4, out, sizeof(out)), -400);
}

TEST(path, fits_or_is_refused)
{
    char out[8];
    assert_int_equal(http_path_decode("/abc", 4, out, 6), 4);
    assert_int_equal(http_path_decode("/abc", 4, out, 5), 4);
    assert_int_equal(http_path_decode("/abc", 4, out, 4), -414);
    assert_int_equal(http_path_decode("", 0, out, 2), 1);
    assert_int_equal(http_path_decode("", 0, out, 1), -414);
}

TEST(path, is_decoded_in_place)
{
    char s[] = "/a/%2e%2e/b%20c?d";
    assert_int_equal(http_path_decode(s, strlen(s), s, sizeof(s)), 4);
    assert_string_equal(s, "/b c");
}

TEST(path, the_query_is_what_follows_the_first_question_mark)
{
    struct http_text q = http_path_query("/a?b?c", 6);
    assert_int_equal(q.len, 3);
    assert_memory_equal(q.at, "b?c", 3);
    q = http_path_query("/a?", 3);
    assert_true(q.at != NULL && q.len == 0);
    assert_null(http_path_query("/a", 2).at);
    assert_null(http_path_query(NULL, 0).at);
}
