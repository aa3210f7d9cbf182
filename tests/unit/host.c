/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/host.h"

TEST(host, http_14_the_grammar)
{
    static const struct {
        const char *in, *name; /* NULL: refused */
        int port;              /* -1: none */
    } rows[] = {
        { "h", "h", -1 },
        { "example.com:8080", "example.com", 8080 },
        { "127.0.0.1", "127.0.0.1", -1 },
        { "[::1]", "::1", -1 },
        { "[::1]:443", "::1", 443 },
        { "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4", 1 },
        { "h:", "h", -1 },
        { "h:0", "h", 0 },
        { "h:65534", "h", 65534 },
        { "h:65535", "h", 65535 },
        { "h:65536", NULL, 0 },
        { "h:4294967376", NULL, 0 },
        { "a%2db", "a%2db", -1 },
        { "a!b", "a!b", -1 },
        { "", NULL, 0 },
        { ":80", NULL, 0 },
        { "h:80a", NULL, 0 },
        { "h:+8", NULL, 0 },
        { "h:-1", NULL, 0 },
        { "h: 80", NULL, 0 },
        { "h:1:2", NULL, 0 },
        { "::1", NULL, 0 },
        { "[::1", NULL, 0 },
        { "[::1]x", NULL, 0 },
        { "[]", NULL, 0 },
        { "[1.2.3.4]", NULL, 0 },
        { "[fe80::1%eth0]", NULL, 0 },
        { "[v1.x]", NULL, 0 },
        { "a b", NULL, 0 },
        { "u@h", NULL, 0 },
        { "h/", NULL, 0 },
        { "h?", NULL, 0 },
        { "h#", NULL, 0 },
        { "h\\", NULL, 0 },
        { "a%2", NULL, 0 },
        { "a%zz", NULL, 0 },
        { "a%2g", NULL, 0 },
        { "a%/0", NULL, 0 },
        { "a%2!", NULL, 0 },
        { "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL, 0 },
        { "\xc3\xa9", NULL, 0 },
        { "a\x7f", NULL, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct http_host h;
        bool ok = http_host_parse(rows[i].in, strlen(rows[i].in), &h);
        if (ok != (rows[i].name != NULL))
            fail_msg("%s", rows[i].in);
        if (!ok)
            continue;
        assert_int_equal(h.name.len, strlen(rows[i].name));
        assert_memory_equal(h.name.at, rows[i].name, h.name.len);
        assert_int_equal(h.has_port ? h.port : -1, rows[i].port);
    }
}

TEST(host, a_nul_inside_is_refused)
{
    struct http_host h;
    assert_false(http_host_parse("a\0b", 3, &h));
    assert_false(http_host_parse("[::1\0]", 6, &h));
}
