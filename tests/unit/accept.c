/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/accept.h"

static void check(const char *lines, unsigned br, unsigned gzip, unsigned identity)
{
    static const struct http_limits limits = { 16384, 8192, 100 };
    static struct http_head head;
    char data[512];
    int n = snprintf(data, sizeof(data), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    http_head_init(&head);
    assert_int_equal(http_head_request(&head, data, (size_t)n, &limits), 1);
    if (http_accept_encoding(&head, data, "br") != br || http_accept_encoding(&head, data, "gzip") != gzip ||
        http_accept_encoding(&head, data, "identity") != identity)
        fail_msg("%s", lines);
}

#define ACCEPT "Accept-Encoding: "

TEST(accept, what_is_named_is_welcome)
{
    check("", 0, 0, 1);
    check(ACCEPT "\r\n", 0, 0, 1);
    check(ACCEPT "gzip, deflate, br, zstd\r\n", 1000, 1000, 1);
    check(ACCEPT "GZIP\r\n", 0, 1000, 1);
    check(ACCEPT "gzip\r\n" ACCEPT "br\r\n", 1000, 1000, 1);
    check(ACCEPT "xgzip, brx\r\n", 0, 0, 1);
}

TEST(accept, weights_are_read)
{
    check(ACCEPT "br;q=0, gzip;q=0.5\r\n", 0, 500, 1);
    check(ACCEPT "br;q=0.0, gzip;q=0.000\r\n", 0, 0, 1);
    check(ACCEPT "br ; Q=0.123, gzip;q=1.000\r\n", 123, 1000, 1);
    check(ACCEPT "br;q=1., gzip;q=0.\r\n", 1000, 0, 1);
    check(ACCEPT "*\r\n", 1000, 1000, 1000);
    check(ACCEPT "*;q=0, gzip\r\n", 0, 1000, 0);
    check(ACCEPT "gzip;q=0, *;q=0.3\r\n", 300, 0, 300);
    check(ACCEPT "identity;q=0, br\r\n", 1000, 0, 0);
}

TEST(accept, what_is_malformed_counts_as_absent)
{
    check(ACCEPT "br;q=1.001, gzip;q=0.1234\r\n", 0, 0, 1);
    check(ACCEPT "br;q=2, gzip;q=-1\r\n", 0, 0, 1);
    check(ACCEPT "br;q=10, gzip;q=0.!\r\n", 0, 0, 1);
    check(ACCEPT "br;q=0.a, gzip\r\n", 0, 1000, 1);
    check(ACCEPT "br;q=, gzip;q\r\n", 0, 0, 1);
    check(ACCEPT "br;x=1, gzip;q=1;q=0\r\n", 0, 0, 1);
    check(ACCEPT "br;q=a, gzip;q=0,1\r\n", 0, 0, 1);
    check(ACCEPT "br gzip, ,gzip\r\n", 0, 1000, 1);
    check(ACCEPT "gzip, \"br\r\n", 0, 1000, 1);
}
