/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/origin.h"

static bool allowed(const char *origin, bool secure, const char *host, const char *entry)
{
    struct http_origin allow;
    struct http_origin_rule rule = { .secure = secure, .host = { host, strlen(host) } };
    if (entry != NULL) {
        assert_true(http_origin_parse_entry(entry, strlen(entry), &allow));
        rule.allow = &allow;
        rule.allow_count = 1;
    }
    return http_origin_allowed(&rule, origin, origin == NULL ? 0 : strlen(origin));
}

struct row {
    const char *origin, *host, *entry;
    bool secure, passes;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (allowed(rows[i].origin, rows[i].secure, rows[i].host, rows[i].entry) != rows[i].passes)
            fail_msg("row %zu: %s for %s", i, rows[i].origin, rows[i].host);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))

TEST(origin, web_1_equals_the_host_or_is_refused)
{
    static const struct row rows[] = {
        { "http://example.com", "example.com", NULL, false, true },
        { "http://example.com", "example.com:80", NULL, false, true },
        { "http://example.com:80", "example.com", NULL, false, true },
        { "https://example.com", "example.com:443", NULL, true, true },
        { "https://example.com:443", "example.com", NULL, true, true },
        { "HTTP://EXAMPLE.com", "example.COM", NULL, false, true },
        { "http://[::1]:9001", "[0:0:0:0:0:0:0:1]:9001", NULL, false, true },
        { "http://xn--bcher-kva.example", "XN--bcher-kva.example", NULL, false, true },
        { "https://example.com", "example.com", NULL, false, false },
        { "http://example.com", "example.com", NULL, true, false },
        { "http://example.com:8080", "example.com", NULL, false, false },
        { "http://example.com", "example.com:8080", NULL, false, false },
        { "http://example.com:443", "example.com", NULL, true, false },
        { "http://example.com.", "example.com", NULL, false, false },
        { "http://www.example.com", "example.com", NULL, false, false },
        { "http://evil-example.com", "example.com", NULL, false, false },
        { "http://example.com.evil", "example.com", NULL, false, false },
        { "http://localhost:8001", "localhost:8002", NULL, false, false },
        { "http://127.0.0.1:8001", "127.0.0.1:8002", NULL, false, false },
        { "http://localhost", "127.0.0.1", NULL, false, false },
        { "http://127.0.0.1", "[::1]", NULL, false, false },
        { "http://b\xc3\xbc"
          "cher.example",
          "xn--bcher-kva.example", NULL, false, false },
        { "ws://example.com", "example.com", NULL, false, false },
        { "http://example.com/", "example.com", NULL, false, false },
        { "http://example.com?", "example.com", NULL, false, false },
        { "http://u@example.com", "example.com", NULL, false, false },
        { "http://example.com http://example.com", "example.com", NULL, false, false },
        { "http://example.com, http://example.com", "example.com", NULL, false, false },
        { "http:/example.com", "example.com", NULL, false, false },
        { "//example.com", "example.com", NULL, false, false },
        { "example.com", "example.com", NULL, false, false },
        { "", "example.com", NULL, false, false },
        { "http:", "example.com", NULL, false, false },
        { "http{://example.com", "example.com", NULL, false, false },
        { "h/p://example.com", "example.com", NULL, false, false },
        { "h:p://example.com", "example.com", NULL, false, false },
        { "http://[::1]", "[::1]", NULL, false, true },
        { "http://[::1]", "[::2]", NULL, false, false },
        { "http://a", "a b", NULL, false, false },
        { "http://", "example.com", NULL, false, false },
        { "http://a b", "a b", NULL, false, false },
    };
    CHECK_ROWS(rows);
}

TEST(origin, web_4_the_list_is_compared_by_component)
{
    static const struct row rows[] = {
        { "https://example.com", "h", "https://example.com", false, true },
        { "https://EXAMPLE.com:443", "h", "https://example.com", false, true },
        { "https://example.com", "h", "HTTPS://Example.COM:443", false, true },
        { "https://a.example.com", "h", "https://*.example.com", false, true },
        { "https://A.example.com:8443", "h", "https://*.example.com:8443", false, true },
        { "chrome-extension://abc", "h", "chrome-extension://abc", false, true },
        { "http://example.com", "h", "https://example.com", false, false },
        { "https://example.com:8443", "h", "https://example.com", false, false },
        { "https://example.com", "h", "https://*.example.com", false, false },
        { "https://.example.com", "h", "https://*.example.com", false, false },
        { "https://a.b.example.com", "h", "https://*.example.com", false, false },
        { "https://evil-example.com", "h", "https://*.example.com", false, false },
        { "https://evilexample.com", "h", "https://*.example.com", false, false },
        { "https://a.example.com.evil", "h", "https://*.example.com", false, false },
        { "https://a.examplexcom", "h", "https://*.example.com", false, false },
        { "https://a.example.com.", "h", "https://*.example.com", false, false },
        { "http://a.example.com", "h", "https://*.example.com", false, false },
        { "https://a.example.com:444", "h", "https://*.example.com", false, false },
        { "https://[::1]", "h", "https://*.example.com", false, false },
        { "chrome-extension://abd", "h", "chrome-extension://abc", false, false },
        { "z1+a.b-c://abc", "h", "z1+a.b-c://abc", false, true },
        { "wss://abc", "h", "wss://abc:443", false, true },
        { "http://abc", "h", "data://abc:80", false, false },
        { "tftp://abc", "h", "data://abc", false, false },
        { "chrome-extension://abc", "h", "moz-extension://abc", false, false },
    };
    CHECK_ROWS(rows);
}

TEST(origin, web_4_entries_that_promise_more_than_a_label_are_refused)
{
    static const char *const rows[] = {
        "*",
        "https://*",
        "https://*:443",
        "https://a.*.com",
        "https://*a.com",
        "https://a*",
        "https://*.*.com",
        "https://*.[::1]",
        "*.example.com",
        "example.com",
        "https://example.com/",
        "https://*.",
        "NULL",
        "",
        "null ",
        "https://example.com:*",
        "*://example.com",
    };
    struct http_origin entry;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (http_origin_parse_entry(rows[i], strlen(rows[i]), &entry))
            fail_msg("%s", rows[i]);
}

/* RFC-11. */
TEST(origin, web_2_absent_is_allowed_unless_one_is_required)
{
    struct http_origin_rule rule = { .host = { "h", 1 } };
    assert_true(http_origin_allowed(&rule, NULL, 0));
    assert_false(http_origin_allowed(&rule, "", 0));
    rule.require = true;
    assert_false(http_origin_allowed(&rule, NULL, 0));
    assert_true(http_origin_allowed(&rule, "http://h", 8));
}

TEST(origin, web_3_null_only_where_it_is_listed)
{
    static const struct row rows[] = {
        { "null", "h", NULL, false, false },          { "null", "null", NULL, false, false },
        { "null", "h", "http://null", false, false }, { "null", "h", "null", false, true },
        { "NULL", "h", "null", false, false },        { "http://null", "h", "null", false, false },
        { "http://i", "h", "null", false, false },
    };
    CHECK_ROWS(rows);
}
