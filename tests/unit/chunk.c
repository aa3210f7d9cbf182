/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/chunk.h"

/* Feeds [0, cut) and then the rest, each in pieces of `piece`; writes the body, then how it ended and how many
 * bytes stayed behind. */
static const char *trace_cut(const char *s, size_t len, size_t cut, size_t piece)
{
    static char out[9000];
    struct http_chunk c = { 0 };
    struct http_text in, data;
    size_t n = 0, at = 0;
    int rc = 0;
    while (rc == 0 && at < len) {
        size_t to = at < cut ? cut : len;
        in = (struct http_text){ s + at, to - at < piece ? to - at : piece };
        at += in.len;
        while ((rc = http_chunk_next(&c, &in, &data)) == HTTP_CHUNK_DATA)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s", (int)data.len, data.at);
        at -= in.len;
    }
    if (rc < 0)
        assert_int_equal(http_chunk_next(&c, &in, &data), -400);
    snprintf(out + n, sizeof(out) - n, "|%d|%zu", rc, rc < 0 ? 0 : len - at);
    return out;
}

static void check(const char *s, size_t len, const char *want)
{
    for (size_t cut = 0; cut <= len && len < 200; cut++)
        assert_string_equal(trace_cut(s, len, cut, len), want);
    assert_string_equal(trace_cut(s, len, 0, len), want);
    assert_string_equal(trace_cut(s, len, 0, 1), want);
}

TEST(chunk, http_10_bodies_at_every_cut)
{
    static const char *const rows[][2] = {
        { "0\r\n\r\n", "|2|0" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello|2|0" },
        { "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET /", "hello!|2|5" },
        { "00005\r\nhello\r\n000\r\n\r\n", "hello|2|0" },
        { "A\r\n0123456789\r\n0\r\n\r\n", "0123456789|2|0" },
        { "a;x=y\r\n0123456789\r\n0;z\r\n\r\n", "0123456789|2|0" },
        { "1 ;x\r\na\r\n0\r\n\r\n", "a|2|0" },
        { "1;x=\"\\\"\"\r\na\r\n0\r\n\r\n", "a|2|0" },
        { "0\r\nA: b\r\nC:\r\n\r\nx", "|2|1" },
        { "0\r\nA:\tb\r\n\r\n", "|2|0" },
        { "0\r\nA: \x7f\r\n\r\n", "|-400|0" },
        { "5\r\nhel", "hel|0|0" },
        { "0\r\n\r", "|0|0" },
        { "g\r\n", "|-400|0" },
        { "\r\n", "|-400|0" },
        { " 1\r\na\r\n", "|-400|0" },
        { "1 \r\na\r\n", "|-400|0" },
        { "+1\r\na\r\n", "|-400|0" },
        { "-1\r\na\r\n", "|-400|0" },
        { "0x1\r\na\r\n", "|-400|0" },
        { "1 1\r\na\r\n", "|-400|0" },
        { "1,\r\na\r\n", "|-400|0" },
        { ";x\r\na\r\n", "|-400|0" },
        { "1\na\n0\n\n", "|-400|0" },
        { "1\r\r\na", "|-400|0" },
        { "1\ra", "|-400|0" },
        { "1;x\ny\r\na\r\n", "|-400|0" },
        { "1;\x7f\r\na\r\n", "|-400|0" },
        { "1\r\nab\r\n", "a|-400|0" },
        { "1\r\na\n0\r\n\r\n", "a|-400|0" },
        { "1\r\na0\r\n\r\n", "a|-400|0" },
        { "1\r\na\r0\r\n\r\n", "a|-400|0" },
        { "0\r\nA: b\n\r\n", "|-400|0" },
        { "0\r\nA: b\r\r\n", "|-400|0" },
        { "0\r\nA: b\r\n c\r\n\r\n", "|-400|0" },
        { "0\r\n A: b\r\n\r\n", "|-400|0" },
        { "0\r\nA : b\r\n\r\n", "|-400|0" },
        { "0\r\n: b\r\n\r\n", "|-400|0" },
        { "0\r\nGET / HTTP/1.1\r\n\r\n", "|-400|0" },
        { "0\r\nAbc\r\n\r\n", "|-400|0" },
        { "0\r\n\n", "|-400|0" },
        { "0\r\n\rX", "|-400|0" },
        { "7fffffffffffffff\r\na", "a|0|0" },
        { "8000000000000000\r\na", "|-400|0" },
        { "ffffffffffffffff\r\na", "|-400|0" },
        { "10000000000000000\r\na", "|-400|0" },
        { "10000000000000001\r\na", "|-400|0" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(rows[i][0], strlen(rows[i][0]), rows[i][1]);
}

TEST(chunk, http_10_the_limit_of_a_line)
{
    for (int n = 63; n <= 65; n++) {
        char s[128];
        int len = snprintf(s, sizeof(s), "%0*d\r\na\r\n0\r\n\r\n", n, 1);
        check(s, (size_t)len, n <= 64 ? "a|2|0" : "|-400|0");
        memset(s + 1, 'x', (size_t)n - 1);
        s[0] = '1';
        s[1] = ';';
        check(s, (size_t)len, n <= 64 ? "a|2|0" : "|-400|0");
    }
}

TEST(chunk, http_10_the_limit_of_trailers)
{
    static char s[8192];
    for (int total = 4095; total <= 4097; total++) {
        int first = 1000, n = snprintf(s, sizeof(s), "0\r\nA:%0*d\r\n", first - 4, 0);
        n += snprintf(s + n, sizeof(s) - (size_t)n, "B:%0*d\r\n\r\n", total - first - 4, 0);
        check(s, (size_t)n, total <= 4096 ? "|2|0" : "|-400|0");
    }
}
