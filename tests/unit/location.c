/* SPDX-License-Identifier: MIT */
/* References are resolved as RFC 3986 5.4 has it, and what does not fit is nothing. */
#include "test.h"
#include "http/location.h"

static const char *resolve_n(const char *base, const char *value, size_t len, size_t cap)
{
    static char out[256];
    struct http_url u;
    const char *why;
    assert_true(http_url_parse(base, strlen(base), HTTP_URL_CONNECT, &u, &why));
    memset(out, 'x', sizeof(out));
    size_t n = http_location(&u, value, len, out, cap);
    if (n == 0)
        return "nothing";
    assert_int_equal(out[n], 0);
    return out;
}

static const char *resolve(const char *base, const char *value)
{
    return resolve_n(base, value, strlen(value), 256);
}

TEST(location, cli_3_is_resolved_as_the_rfc_says)
{
    static const char *const rows[][2] = {
        /* 5.4.1; without fragments */
        { "g:h", "g:h" },
        { "g", "ws://a/b/c/g" },
        { "./g", "ws://a/b/c/g" },
        { "g/", "ws://a/b/c/g/" },
        { "/g", "ws://a/g" },
        { "//g", "ws://g" },
        { "?y", "ws://a/b/c/d;p?y" },
        { "g?y", "ws://a/b/c/g?y" },
        { "#s", "ws://a/b/c/d;p?q" },
        { "g#s", "ws://a/b/c/g" },
        { "g?y#s", "ws://a/b/c/g?y" },
        { ";x", "ws://a/b/c/;x" },
        { "g;x", "ws://a/b/c/g;x" },
        { "g;x?y#s", "ws://a/b/c/g;x?y" },
        { "", "ws://a/b/c/d;p?q" },
        { ".", "ws://a/b/c/" },
        { "./", "ws://a/b/c/" },
        { "..", "ws://a/b/" },
        { "../", "ws://a/b/" },
        { "../g", "ws://a/b/g" },
        { "../..", "ws://a/" },
        { "../../", "ws://a/" },
        { "../../g", "ws://a/g" },
        /* 5.4.2 */
        { "../../../g", "ws://a/g" },
        { "../../../../g", "ws://a/g" },
        { "/./g", "ws://a/g" },
        { "/../g", "ws://a/g" },
        { "g.", "ws://a/b/c/g." },
        { ".g", "ws://a/b/c/.g" },
        { "g..", "ws://a/b/c/g.." },
        { "..g", "ws://a/b/c/..g" },
        { "./../g", "ws://a/b/g" },
        { "./g/.", "ws://a/b/c/g/" },
        { "g/./h", "ws://a/b/c/g/h" },
        { "g/../h", "ws://a/b/c/h" },
        { "g;x=1/./y", "ws://a/b/c/g;x=1/y" },
        { "g;x=1/../y", "ws://a/b/c/y" },
        { "g?y/./x", "ws://a/b/c/g?y/./x" },
        { "g?y/../x", "ws://a/b/c/g?y/../x" },
        { "http:g", "http:g" },
        /* and */
        { "/g//h", "ws://a/g//h" },
        { "/g/x:y", "ws://a/g/x:y" },
        { "?u=http://x/", "ws://a/b/c/d;p?u=http://x/" },
        { ":x", "ws://a/b/c/:x" },
        { "https://u@h/../x#y", "https://u@h/../x" },
        { "//g:81/x", "ws://g:81/x" },
        { "file:///etc/passwd", "file:///etc/passwd" },
        { "/..", "ws://a/" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(resolve("ws://a/b/c/d;p?q", rows[i][0]), rows[i][1]);
}

TEST(location, has_what_its_base_has)
{
    assert_string_equal(resolve("wss://a:444", "/x"), "wss://a:444/x");
    assert_string_equal(resolve("https://a", "x"), "wss://a/x");
    assert_string_equal(resolve("https://a?q", ""), "wss://a/?q");
    assert_string_equal(resolve("https://a?q/r", "x"), "wss://a/x");
    assert_string_equal(resolve("http://[::1]:81/a/b", "../c"), "ws://[::1]:81/c");
    assert_string_equal(resolve("wss://a", "//b/c"), "wss://b/c");
}

TEST(location, what_does_not_fit_is_nothing)
{
    for (size_t cap = 0; cap < 20; cap++)
        assert_string_equal(resolve_n("ws://a/b/", "c/d", 3, cap), cap < 13 ? "nothing" : "ws://a/b/c/d");
    for (size_t cap = 0; cap < 14; cap++)
        assert_string_equal(resolve_n("ws://a/b/", "ws://bcd/", 9, cap), cap < 10 ? "nothing" : "ws://bcd/");
    for (size_t cap = 0; cap < 20; cap++)
        assert_string_equal(resolve_n("ws://a/b/", "/c/d/e", 6, cap), cap < 13 ? "nothing" : "ws://a/c/d/e");
    assert_string_equal(resolve_n("ws://a/b/", "c\0d", 3, 100), "nothing");
}

/* Whatever a server's name may be here: what would be cut is nothing. */
TEST(location, a_base_with_an_endless_host_has_none)
{
    static char base[400] = "ws://", out[1024];
    struct http_url u;
    const char *why;
    for (size_t len = 298; len <= 300; len++) { /* of the host; it stands in 300 bytes, with its end */
        memset(base + 5, 'a', len);
        memcpy(base + 5 + len, "/x", 3);
        assert_true(http_url_parse(base, strlen(base), HTTP_URL_CONNECT, &u, &why));
        assert_int_equal(http_location(&u, "y", 1, out, sizeof(out)), len < 300 ? 5 + len + 2 : 0);
    }
}

TEST(location, origins_are_security_host_and_port)
{
    static const struct {
        const char *a, *b;
        bool host, origin;
    } rows[] = {
        { "ws://a/x", "http://A:80/y", true, true }, { "wss://a", "https://a:443", true, true },
        { "ws://a", "wss://a", true, false },        { "ws://a", "ws://a:81", true, false },
        { "ws://a", "ws://b", false, false },        { "ws://a", "ws://a.b", false, false },
        { "ws://[::1]", "http://[::1]", true, true }, { "ws://a:443", "wss://a", true, false },
        { "unix:/a", "unix:/a", false, false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_url a, b;
        const char *why;
        assert_true(http_url_parse(rows[i].a, strlen(rows[i].a), HTTP_URL_CONNECT, &a, &why));
        assert_true(http_url_parse(rows[i].b, strlen(rows[i].b), HTTP_URL_CONNECT, &b, &why));
        assert_int_equal(http_url_same_host(&a, &b), rows[i].host);
        assert_int_equal(http_url_same_origin(&a, &b), rows[i].origin);
    }
}
