/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/bypass.h"

static bool holds(const char *list, const char *host, unsigned port)
{
    return http_bypass_holds((struct http_text){ list, strlen(list) }, (struct http_text){ host, strlen(host) },
                             (uint16_t)port);
}

TEST(bypass, holds_names_addresses_and_networks)
{
    static const struct {
        const char *list, *host;
        bool holds;
    } rows[] = {
        { "", "a.example", false },
        { " , ,", "a.example", false },
        { "*", "a.example", true },
        { "b,*", "127.0.0.1", true },
        { "*", "::1", true },
        { "a.example", "a.example", true },
        { "A.Example", "a.eXample", true },
        { "a.example", "b.a.example", true },
        { "a.example", "ba.example", false },
        { "a.example", "example", false },
        { ".a.example", "a.example", true },
        { ".a.example", "b.a.example", true },
        { ".a.example", "ba.example", false },
        { "a.example.", "a.example", true },
        { "a.example", "a.example.", true },
        { "a.example.", "b.a.example.", true },
        { ".", "a.example", false },
        { "..", "a.example", false },
        { "x,y a.example\tz", "a.example", true },
        { "x,y ,a.example\r\n", "a.example", true },
        { "x\r\ny\n\ra.example\r\nz", "a.example", true },
        { "x\ry\nz", "y", true },
        { "localhost", "localhost", true },
        { "localhost", "127.0.0.1", false },
        { "a.example:80", "a.example", true },
        { "a.example:81", "a.example", false },
        { ".example:80", "a.example", true },
        { "a.example:x", "a.example", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "0.0.1", "127.0.0.1", false }, /* no suffix of an address */
        { ".0.0.1", "127.0.0.1", false },
        { "127.0.0.1:80", "127.0.0.1", true },
        { "127.0.0.1:81", "127.0.0.1", false },
        { "::ffff:127.0.0.1", "127.0.0.1", true },
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.1.2.3/8", "10.255.0.1", true },
        { "10.0.0.0/33", "10.0.0.1", false },
        { "10.0.0.0/8:80", "10.0.0.1", false },
        { "10.0.0.0/8", "10.example", false },
        { "0.0.0.0/0", "192.0.2.1", true },
        { "0.0.0.0/0", "::1", false },
        { "::/0", "192.0.2.1", true },
        { "::1", "::1", true },
        { "[::1]", "::1", true },
        { "[::1]:80", "::1", true },
        { "[::1]:81", "::1", false },
        { "[::2]", "::1", false },
        { "a.example", "::1", false },
        { "0:0:0::1", "::1", true },
        { "fd00::/8", "fd12::1", true },
        { "fd00::/8", "fe80::1", false },
        { "2001:db8::1/32", "2001:db8:1::1", true },
        { "http://a.example", "a.example", false },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (holds(rows[i].list, rows[i].host, 80) != rows[i].holds)
            fail_msg("`%s` and %s", rows[i].list, rows[i].host);
}
