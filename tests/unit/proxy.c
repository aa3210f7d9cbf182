/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/proxy.h"

static const char *trace_of(int rc, const struct http_proxy *p, size_t len)
{
    static char out[128];
    char text[HTTP_ADDRESS_TEXT] = "-";
    if (rc == 1 && p->has_client)
        http_address_format(&p->client, text);
    if (rc == 1)
        snprintf(out, sizeof(out), "%s %u%s +%zu", text, p->port, p->secure ? " tls" : "", len - p->size);
    else
        snprintf(out, sizeof(out), "%d", rc);
    return out;
}

/* Whole, and grown byte by byte from copies that end where the data ends. */
static void check(const void *data, size_t len, const char *want)
{
    struct http_proxy p;
    assert_string_equal(trace_of(http_proxy_read(&p, data, len), &p, len), want);
    int rc = 0;
    for (size_t have = 1; rc == 0 && have <= len; have++) {
        char *copy = malloc(have);
        assert_non_null(copy);
        memcpy(copy, data, have);
        rc = http_proxy_read(&p, copy, have);
        free(copy);
    }
    assert_string_equal(trace_of(rc, &p, len), want);
}

TEST(proxy, net_13_version_1)
{
    static const char *const rows[][2] = {
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\nGET", "192.0.2.1 4711 +3" },
        { "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", "2001:db8::1 65535 +0" },
        { "PROXY UNKNOWN\r\n", "- 0 +0" },
        { "PROXY UNKNOWN what ever\r\nX", "- 0 +1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r", "0" },
        { "PROXY", "0" },
        { "P", "0" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80 \r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n", "-1" },
        { "PROXY TCP4  192.0.2.1 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 65536\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 04711 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 -1 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 99999999999 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.256 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 h 4711 80\r\n", "-1" },
        { "PROXY TCP4 2001:db8::1 ::1 4711 80\r\n", "-1" },
        { "PROXY TCP6 192.0.2.1 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY TCP5 192.0.2.1 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY tcp4 192.0.2.1 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY UDP4 192.0.2.1 192.0.2.2 4711 80\r\n", "-1" },
        { "PROXY \r\n", "-1" },
        { "PROXY UNKNOWM\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4:11 80\r\n", "-1" },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4/11 80\r\n", "-1" },
        { "PROXY\r\n", "-1" },
        { "proxy TCP4", "-1" },
        { "GET / HTTP/1.1\r\n", "-1" },
        { "\x16\x03\x01", "-1" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(rows[i][0], strlen(rows[i][0]), rows[i][1]);
}

TEST(proxy, net_13_the_limit_of_version_1)
{
    for (int n = 106; n <= 108; n++) {
        char s[128];
        int len = snprintf(s, sizeof(s), "PROXY UNKNOWN %0*d\r\n", n - 16, 0);
        assert_int_equal(len, n);
        check(s, (size_t)len, n <= 107 ? "- 0 +0" : "-1");
    }
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4      "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x50"
#define TCP6                                                                                                           \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"                                                                         \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"                                                                                 \
    "\x12\x67\x00\x50"
#define SIXTEEN "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define UNIX8   SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ROW(bytes, want)                                                                                               \
    {                                                                                                                  \
        SIGNATURE bytes, sizeof(SIGNATURE bytes) - 1, want                                                             \
    }

TEST(proxy, net_13_version_2)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want;
    } rows[] = {
        ROW("\x21\x11\x00\x0c" TCP4 "GET", "192.0.2.1 4711 +3"),
        ROW("\x21\x21\x00\x24" TCP6, "2001:db8::1 4711 +0"),
        ROW("\x21\x31\x00\xd8" UNIX8 UNIX8, "- 0 +0"),
        ROW("\x21\x00\x00\x00", "- 0 +0"),
        ROW("\x20\x00\x00\x00GET", "- 0 +3"),
        ROW("\x20\x11\x00\x0c" TCP4, "- 0 +0"),
        ROW("\x20\xff\x00\x03"
            "abc",
            "- 0 +0"),
        ROW("\x21\x11\x00\x0f" TCP4 "\x04\x00\x00", "192.0.2.1 4711 +0"),
        ROW("\x21\x11\x00\x14" TCP4 "\x20\x00\x05\x01\0\0\0\0", "192.0.2.1 4711 tls +0"),
        ROW("\x21\x11\x00\x14" TCP4 "\x20\x00\x05\x00\0\0\0\0", "192.0.2.1 4711 +0"),
        ROW("\x21\x11\x00\x0f" TCP4 "\x20\x00\x00", "192.0.2.1 4711 +0"),
        ROW("\x21\x11\x00\x13" TCP4 "\x20\x00\x05\x01\0\0\0\0", "-1"),
        ROW("\x21\x11\x00\x0d" TCP4 "\x04", "-1"),
        ROW("\x21\x11\x00\x0e" TCP4 "\x04\x00", "-1"),
        ROW("\x21\x11\x00\x0f" TCP4 "\x04\x00\x01", "-1"),
        ROW("\x21\x11\x00\x0f" TCP4 "\x04\xff\xff", "-1"),
        ROW("\x21\x11\x00\x0b" TCP4, "-1"),
        ROW("\x21\x11\x00\x00", "-1"),
        ROW("\x21\x21\x00\x23" TCP6, "-1"),
        ROW("\x21\x31\x00\xd7" UNIX8 UNIX8, "-1"),
        ROW("\x21\x12\x00\x0c" TCP4, "-1"),
        ROW("\x21\x41\x00\x0c" TCP4, "-1"),
        ROW("\x21\x10\x00\x0c" TCP4, "-1"),
        ROW("\x22\x11\x00\x0c" TCP4, "-1"),
        ROW("\x11\x11\x00\x0c" TCP4, "-1"),
        ROW("\x31\x11\x00\x0c" TCP4, "-1"),
        ROW("\x21\x11\xff\xff", "-1"),
        ROW("\x21\x11\x0f\xf1", "-1"),
        ROW("\x21\x11\x0f\xf0", "0"),
        ROW("\x21\x11\x00\x0c\xc0\x00\x02", "0"),
        ROW("\x21\x11\x00", "0"),
        ROW("", "0"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(rows[i].bytes, rows[i].len, rows[i].want);
}

TEST(proxy, net_13_nothing_yet_is_no_verdict)
{
    struct http_proxy p;
    assert_int_equal(http_proxy_read(&p, "", 0), 0);
}
