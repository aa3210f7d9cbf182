/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/etag.h"

static bool listed(const char *lines, const char *etag, enum http_etag_comparison how)
{
    static const struct http_limits limits = { 16384, 8192, 100 };
    static struct http_head head;
    char data[512];
    int n = snprintf(data, sizeof(data), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    http_head_init(&head);
    assert_int_equal(http_head_request(&head, data, (size_t)n, &limits), 1);
    return http_etag_listed(&head, data, "if-none-match", etag, how);
}

#define MATCH "If-None-Match: "

TEST(etag, is_found_in_lists)
{
    static const struct {
        const char *lines, *etag;
        bool weak, strong;
    } rows[] = {
        { "", "\"a\"", false, false },
        { MATCH "\"a\"\r\n", "\"a\"", true, true },
        { MATCH "W/\"a\"\r\n", "\"a\"", true, false },
        { MATCH "\"a\"\r\n", "W/\"a\"", true, false },
        { MATCH "W/\"a\"\r\n", "W/\"a\"", true, false },
        { MATCH "\"b\", \"a\"\r\n", "\"a\"", true, true },
        { MATCH "\"b\",W/\"c\" ,\"a\"\r\n", "\"a\"", true, true },
        { MATCH "\"b\"\r\n" MATCH "\"a\"\r\n", "\"a\"", true, true },
        { MATCH "*\r\n", "\"a\"", true, true },
        { MATCH "\"\"\r\n", "\"\"", true, true },
        { MATCH "\"x,y\"\r\n", "\"x,y\"", true, true },
        { MATCH "\"x\\\", \"a\"\r\n", "\"a\"", true, true },
        { MATCH "\"A\"\r\n", "\"a\"", false, false },
        { MATCH "\"ab\"\r\n", "\"a\"", false, false },
        { MATCH "a\r\n", "\"a\"", false, false },
        { MATCH "\"a\r\n", "\"a\"", false, false },
        { MATCH "\"a\" \"b\"\r\n", "\"a\"", false, false },
        { MATCH "\"a b\", \"a\"\r\n", "\"a\"", false, false },
        { MATCH "w/\"a\"\r\n", "\"a\"", false, false },
        { MATCH "W/\r\n", "\"a\"", false, false },
        { MATCH "W\r\n", "\"a\"", false, false },
        { MATCH "W\"a\"\r\n", "\"a\"", false, false },
        { MATCH "\"b\", *\r\n", "\"a\"", false, false },
        { MATCH "\r\n", "\"a\"", false, false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (listed(rows[i].lines, rows[i].etag, HTTP_ETAG_WEAK) != rows[i].weak ||
            listed(rows[i].lines, rows[i].etag, HTTP_ETAG_STRONG) != rows[i].strong)
            fail_msg("row %zu: %s", i, rows[i].lines);
}
