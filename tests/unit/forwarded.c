/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/forwarded.h"

static struct http_network proxies[2];

/* What is believed of a request with these field lines that came from `peer`; 10/8 and ::1 are trusted. */
static const char *trace(const char *peer, const char *lines)
{
    static const struct http_limits limits = { 16384, 8192, 100 };
    static struct http_head head;
    static char out[256];
    char data[1024], text[HTTP_ADDRESS_TEXT];
    int n = snprintf(data, sizeof(data), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    struct http_address address;
    struct http_forwarded f;
    http_head_init(&head);
    assert_int_equal(http_head_request(&head, data, (size_t)n, &limits), 1);
    assert_true(http_address_parse(peer, strlen(peer), &address));
    assert_true(http_network_parse("10.0.0.0/8", 10, &proxies[0]));
    assert_true(http_network_parse("::1", 3, &proxies[1]));
    http_forwarded_read(&head, data, &address, (struct http_networks){ proxies, 2 }, &f);
    http_address_format(&f.client, text);
    snprintf(out, sizeof(out), "%s %s %.*s", text,
             !f.has_scheme ? "-"
             : f.secure    ? "https"
                           : "http",
             (int)f.host.len, f.host.len > 0 ? f.host.at : "");
    return out;
}

#define FOR   "X-Forwarded-For: "
#define PROTO "X-Forwarded-Proto: "
#define NAME  "X-Forwarded-Host: "

TEST(forwarded, net_14_the_right_most_untrusted_hop)
{
    static const char *const rows[][3] = {
        { "192.0.2.9", FOR "203.0.113.1\r\n" PROTO "https\r\n" NAME "evil\r\n", "192.0.2.9 - " },
        { "10.0.0.1", "", "10.0.0.1 - " },
        { "10.0.0.1", FOR "203.0.113.1\r\n", "203.0.113.1 - " },
        { "::1", FOR "203.0.113.1\r\n", "203.0.113.1 - " },
        { "::ffff:10.0.0.1", FOR "203.0.113.1\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "1.1.1.1, 203.0.113.1\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "1.1.1.1, 203.0.113.1, 10.0.0.2\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "10.0.0.9, 203.0.113.1, 10.0.0.2, 10.0.0.3\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "10.0.0.9, 10.0.0.2\r\n", "10.0.0.9 - " },
        { "10.0.0.1", FOR "1.1.1.1\r\n" FOR "203.0.113.1\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "203.0.113.1\r\n" FOR "10.0.0.2\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "1.1.1.1, garbage\r\n", "10.0.0.1 - " },
        { "10.0.0.1", FOR "1.1.1.1, garbage, 10.0.0.2\r\n", "10.0.0.2 - " },
        { "10.0.0.1", FOR "1.1.1.1, garbage, 203.0.113.1, 10.0.0.2\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "1.1.1.1,\r\n", "10.0.0.1 - " },
        { "10.0.0.1", FOR "1.1.1.1, \"\r\n", "10.0.0.1 - " },
        { "10.0.0.1", FOR "unknown\r\n", "10.0.0.1 - " },
        { "10.0.0.1", FOR "203.0.113.1:4711\r\n", "203.0.113.1 - " },
        { "10.0.0.1", FOR "[2001:db8::1]:4711\r\n", "2001:db8::1 - " },
        { "10.0.0.1", FOR "2001:db8::1\r\n", "2001:db8::1 - " },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(trace(rows[i][0], rows[i][1]), rows[i][2]);
}

TEST(forwarded, net_14_scheme_and_host_are_the_nearest_proxys)
{
    static const char *const rows[][2] = {
        { PROTO "https\r\n", "10.0.0.1 https " },
        { PROTO "WSS\r\n", "10.0.0.1 https " },
        { PROTO "http\r\n", "10.0.0.1 http " },
        { PROTO "https, http\r\n", "10.0.0.1 http " },
        { PROTO "https\r\n" PROTO "http\r\n", "10.0.0.1 http " },
        { PROTO "ftp\r\n", "10.0.0.1 - " },
        { PROTO "https,\r\n", "10.0.0.1 - " },
        { PROTO "https, \"\r\n", "10.0.0.1 - " },
        { PROTO "ws\r\n", "10.0.0.1 http " },
        { NAME "example.com:8443\r\n", "10.0.0.1 - example.com:8443" },
        { NAME "evil, example.com\r\n", "10.0.0.1 - example.com" },
        { NAME "evil\r\n" NAME "example.com\r\n", "10.0.0.1 - example.com" },
        { NAME "u@h\r\n", "10.0.0.1 - " },
        { NAME "a b\r\n", "10.0.0.1 - " },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(trace("10.0.0.1", rows[i][0]), rows[i][1]);
}
