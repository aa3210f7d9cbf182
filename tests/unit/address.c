/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/address.h"

static const char *address_of(const char *s, bool hop)
{
    static char out[HTTP_ADDRESS_TEXT];
    struct http_address a;
    bool ok = hop ? http_address_parse_hop(s, strlen(s), &a) : http_address_parse(s, strlen(s), &a);
    if (!ok)
        return "-";
    http_address_format(&a, out);
    return out;
}

TEST(address, is_read_and_written)
{
    static const char *const rows[][3] = {
        /* in, as an address, as a hop */
        { "192.0.2.1", "192.0.2.1", "192.0.2.1" },
        { "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1" },
        { "2001:DB8:0::1", "2001:db8::1", "2001:db8::1" },
        { "192.0.2.1:80", "-", "192.0.2.1" },
        { "[2001:db8::1]", "-", "2001:db8::1" },
        { "[2001:db8::1]:80", "-", "2001:db8::1" },
        { "192.0.2", "-", "-" },
        { "192.0.2.256", "-", "-" },
        { "192.0.2.01", "-", "-" },
        { "0x7f.1", "-", "-" },
        { "localhost", "-", "-" },
        { "unknown", "-", "-" },
        { "_hidden", "-", "-" },
        { "", "-", "-" },
        { "fe80::1%eth0", "-", "-" },
        { "192.0.2.1:99999", "-", "-" },
        { " 192.0.2.1", "-", "-" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_string_equal(address_of(rows[i][0], false), rows[i][1]);
        assert_string_equal(address_of(rows[i][0], true), rows[i][2]);
    }
}

TEST(address, is_written_with_its_port)
{
    static const struct {
        const char *in;
        unsigned port;
        const char *out;
    } rows[] = {
        { "192.0.2.1", 80, "192.0.2.1:80" },
        { "0.10.100.255", 0, "0.10.100.255:0" },
        { "2001:db8::1", 65535, "[2001:db8::1]:65535" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_address a;
        char out[HTTP_ADDRESS_PORT_TEXT];
        assert_true(http_address_parse(rows[i].in, strlen(rows[i].in), &a));
        http_address_format_port(&a, rows[i].port, out);
        assert_string_equal(out, rows[i].out);
    }
}

TEST(address, what_is_too_long_or_holds_a_nul_is_none)
{
    static const char longest[] = "0000:0000:0000:0000:0000:ffff:255.255.255.255";
    struct http_address a;
    assert_true(http_address_parse(longest, sizeof(longest) - 1, &a));
    assert_false(http_address_parse("00000:0000:0000:0000:0000:ffff:255.255.255.255", sizeof(longest), &a));
    assert_false(http_address_parse("192.0.2.1\0", 10, &a));
}

TEST(address, networks_hold_what_their_prefix_says)
{
    static const struct {
        const char *network, *address;
        bool held;
    } rows[] = {
        { "10.0.0.0/8", "10.255.255.255", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/8", "9.255.255.255", false },
        { "10.0.0.0/8", "::ffff:10.1.2.3", true },
        { "192.0.2.128/25", "192.0.2.128", true },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.0", false },
        { "192.0.2.1/32", "192.0.2.1", true },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "::1", false },
        { "::/0", "203.0.113.9", true },
        { "::/0", "2001:db8::1", true },
        { "fd00::/8", "fdff::1", true },
        { "fd00::/8", "fe00::1", false },
        { "2001:db8::/127", "2001:db8::1", true },
        { "2001:db8::/127", "2001:db8::2", false },
        { "::1", "::1", true },
        { "::1", "127.0.0.1", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_network n;
        struct http_address a;
        assert_true(http_network_parse(rows[i].network, strlen(rows[i].network), &n));
        assert_true(http_address_parse(rows[i].address, strlen(rows[i].address), &a));
        if (http_networks_hold((struct http_networks){ &n, 1 }, &a) != rows[i].held)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
}

TEST(address, a_wide_network_forgets_the_bits_behind_its_prefix)
{
    struct http_network wide, exact;
    assert_true(http_network_parse_wide("10.1.2.3/8", 10, &wide));
    assert_true(http_network_parse("10.0.0.0/8", 10, &exact));
    assert_memory_equal(&wide, &exact, sizeof(wide));
    assert_true(http_network_parse_wide("2001:db8:ffff::1/33", 19, &wide));
    assert_true(http_network_parse("2001:db8:8000::/33", 18, &exact));
    assert_memory_equal(&wide, &exact, sizeof(wide));
    assert_false(http_network_parse_wide("10.1.2.3/33", 11, &wide));
    assert_false(http_network_parse_wide("10.1.2/8", 8, &wide));
}

TEST(address, malformed_networks_are_refused)
{
    static const char *const rows[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8x",
        "10.0.0.0/0008",
        "10.1.0.0/8",
        "192.0.2.1/31",
        "::1/127",
        "::/129",
        "10/8",
        "10.0.0.0/255.0.0.0",
        "h/8",
        "10.0.0.0/8/8",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_network n;
        if (http_network_parse(rows[i], strlen(rows[i]), &n))
            fail_msg("%s", rows[i]);
    }
}
