/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "http/head.h"

static const struct http_limits limits = { 16384, 8192, 100 };
static const struct http_limits response_limits = { 65535, 8192, 200 };
static struct http_head head;

typedef int read_fn(struct http_head *h, const char *data, size_t len, const struct http_limits *limits);

/* Feeds the bytes in pieces of `piece` from copies that end where the data ends, so that ASan sees any byte
 * looked at beyond it. Checks HTTP-2 on the way. */
static int read_in_pieces(read_fn *read, const char *data, size_t len, size_t piece, const struct http_limits *l)
{
    int rc = 0;
    http_head_init(&head);
    for (size_t have = 0; rc == 0 && have < len;) {
        have = len - have < piece ? len : have + piece;
        char *copy = malloc(have);
        assert_non_null(copy);
        memcpy(copy, data, have);
        rc = read(&head, copy, have, l);
        assert_true(head.looked <= 2 * have);
        free(copy);
    }
    return rc;
}

static int request_of(const char *data, size_t len)
{
    int whole = read_in_pieces(http_head_request, data, len, len, &limits);
    assert_int_equal(read_in_pieces(http_head_request, data, len, 7, &limits), whole);
    assert_int_equal(read_in_pieces(http_head_request, data, len, 1, &limits), whole);
    return whole;
}

struct row {
    const char *bytes;
    int verdict;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = request_of(rows[i].bytes, strlen(rows[i].bytes));
        if (rc != rows[i].verdict)
            fail_msg("row %zu: %s: %d (%s)", i, rows[i].bytes, rc, head.error == NULL ? "" : head.error);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))

#define HOST  "Host: h\r\n"
#define START "GET / HTTP/1.1\r\n" HOST

static bool span_is(const char *data, struct http_span s, const char *want)
{
    return s.len == strlen(want) && memcmp(data + s.at, want, s.len) == 0;
}

TEST(head, is_read_into_offsets)
{
    static const char in[] = "\r\nGET /a?b HTTP/1.1\r\nHost: h:1\r\nX:\t a b \r\nEmpty:\r\n\r\nrest";
    assert_int_equal(request_of(in, sizeof(in) - 1), 1);
    assert_int_equal(head.size, sizeof(in) - 1 - 4);
    assert_int_equal(head.method, HTTP_GET);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.count, 3);
    assert_true(span_is(in, head.method_text, "GET"));
    assert_true(span_is(in, head.target, "/a?b"));
    assert_true(span_is(in, head.path, "/a?b"));
    assert_true(span_is(in, head.host, "h:1"));
    assert_true(span_is(in, head.fields[1].name, "X"));
    assert_true(span_is(in, head.fields[1].value, "a b"));
    assert_true(span_is(in, head.fields[2].value, ""));
}

TEST(head, http_3_any_two_cuts_give_the_same)
{
    static const char in[] = "\r\nPOST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t a = 1; a < sizeof(in); a++)
        for (size_t b = a; b < sizeof(in); b++) {
            http_head_init(&head);
            int rc = http_head_request(&head, in, a, &limits);
            if (rc == 0)
                rc = http_head_request(&head, in, b, &limits);
            if (rc == 0)
                rc = http_head_request(&head, in, sizeof(in) - 1, &limits);
            assert_int_equal(rc, 1);
            assert_int_equal(head.size, sizeof(in) - 1 - 5);
            assert_int_equal(head.length, 5);
        }
}

TEST(head, http_2_a_head_of_single_bytes_is_looked_at_twice_at_most)
{
    static char in[16384];
    size_t n = (size_t)snprintf(in, sizeof(in), START);
    while (n < sizeof(in) - 200)
        n += (size_t)snprintf(in + n, sizeof(in) - n, "Field-Of-Some-Length: %0150d\r\n", 0);
    n += (size_t)snprintf(in + n, sizeof(in) - n, "\r\n");
    http_head_init(&head);
    for (size_t have = 1; have < n; have++)
        assert_int_equal(http_head_request(&head, in, have, &limits), 0);
    assert_int_equal(http_head_request(&head, in, n, &limits), 1);
    assert_true(head.looked >= n);
    assert_true(head.looked <= 2 * n);
}

/* A head of `size` bytes, filled up by one long field. */
static size_t head_of(char *out, size_t size)
{
    size_t n = (size_t)sprintf(out, START "X: ");
    memset(out + n, 'x', size - n - 4);
    memcpy(out + size - 4, "\r\n\r\n", 4);
    return size;
}

TEST(head, http_3_the_limit_of_bytes)
{
    static char in[16386];
    assert_int_equal(request_of(in, head_of(in, 16383)), 1);
    assert_int_equal(request_of(in, head_of(in, 16384)), 1);
    assert_int_equal(request_of(in, head_of(in, 16385)), -431);
}

static int fields_verdict(unsigned fields, const struct http_limits *l, read_fn *read, const char *start)
{
    static char in[16384];
    size_t n = (size_t)sprintf(in, "%s", start);
    for (unsigned i = 0; i < fields; i++)
        n += (size_t)sprintf(in + n, "a:\r\n");
    n += (size_t)sprintf(in + n, "\r\n");
    int whole = read_in_pieces(read, in, n, n, l);
    assert_int_equal(read_in_pieces(read, in, n, 1, l), whole);
    return whole;
}

TEST(head, http_3_and_4_the_limit_of_fields)
{
    assert_int_equal(fields_verdict(98, &limits, http_head_request, START), 1);
    assert_int_equal(fields_verdict(99, &limits, http_head_request, START), 1);
    assert_int_equal(fields_verdict(100, &limits, http_head_request, START), -431);
    static const struct http_limits off = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
    assert_int_equal(fields_verdict(199, &off, http_head_request, START), 1);
    assert_int_equal(fields_verdict(200, &off, http_head_request, START), -431);
    assert_int_equal(fields_verdict(200, &response_limits, http_head_response, "HTTP/1.1 200 OK\r\n"), 1);
    assert_int_equal(fields_verdict(201, &response_limits, http_head_response, "HTTP/1.1 200 OK\r\n"), -1);
}

static int target_verdict(size_t size, bool finished)
{
    static char in[16384];
    size_t n = (size_t)sprintf(in, "GET /");
    memset(in + n, 'x', size - 1);
    n += size - 1;
    if (finished)
        n += (size_t)sprintf(in + n, " HTTP/1.1\r\n" HOST "\r\n");
    return request_of(in, n);
}

TEST(head, http_3_the_limit_of_the_target)
{
    assert_int_equal(target_verdict(8191, true), 1);
    assert_int_equal(target_verdict(8192, true), 1);
    assert_int_equal(target_verdict(8193, true), -414);
    assert_int_equal(target_verdict(8192, false), 0);
    assert_int_equal(target_verdict(8193, false), -414);
}

TEST(head, http_3_a_field_without_end_is_431)
{
    static char in[20000] = START "X: ";
    memset(in + strlen(in), 'x', sizeof(in) - strlen(in));
    assert_int_equal(request_of(in, 16383), 0);
    assert_int_equal(request_of(in, 16384), -431);
    assert_int_equal(request_of(in, sizeof(in)), -431);
}

/* RFC-125, RFC-127. */
TEST(head, http_5_only_crlf_ends_a_line)
{
    static const struct row rows[] = {
        { "GET / HTTP/1.1\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r\n" HOST HOST HOST "\r\n", -400 },
        { "GET / HTTP/1.1x\n" HOST "\r\n", -400 },
        { "GET / HTTP/:.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP//.1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.:\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1./\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1x1\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r\r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\n\r" HOST "\r\n", -400 },
        { "GET / HTTP/1.1 \r\n" HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: h\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: h\n\r\r\n", -400 },
        { START "\n", -400 },
        { START "\r\r\n", -400 },
        { START "\r \n", -400 },
        { START "X: a\rb\r\n\r\n", -400 },
        { START "X: a\nb\r\n\r\n", -400 },
        { START "X: a\nY: b\r\n\r\n", -400 },
        { START "X: a\n\r\n", -400 },
        { START "X\r\n\r\n", -400 },
        { START "X: a\r\n b\r\n\r\n", -400 },
        { START "X: a\r\n\tb\r\n\r\n", -400 },
        { START "X: a\r\n \r\n\r\n", -400 },
        { START "X:\r\n\r\n", 1 },
        { START "X: a\t b\r\n\r\n", 1 },
        { START "X: \xc3\xa9\r\n\r\n", 1 },
        { START "X: \x7f\r\n\r\n", -400 },
        { START "X: \x01\r\n\r\n", -400 },
        { START "X: \x1b[0m\r\n\r\n", -400 },
        { "GET /\r\n\r\n", -400 },
        { "GET /\n", -400 },
        { "GET\r\n", -400 },
        { "GET / HTTP/1.1", 0 },
        { START "\r", 0 },
        { START, 0 },
        { START "\r\n", 1 },
    };
    CHECK_ROWS(rows);
}

/* The same head with each byte value at each place: the verdict is that of the grammar's row, and never depends
 * on the pieces. (RFC-134) */
TEST(head, http_5_each_byte_at_each_position)
{
    static const struct {
        const char *before, *after, *extra; /* allowed beside tokens or text */
        bool text;
    } places[] = {
        { "G", "ET / HTTP/1.1\r\n" HOST "\r\n", " ", false },
        { START "X", "Y: a\r\n\r\n", ":", false },
        { START "X: a", "b\r\n\r\n", "\t", true },
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        for (int c = 0; c < 256; c++) {
            char in[128];
            size_t n = (size_t)sprintf(in, "%s", places[i].before);
            in[n++] = (char)c;
            n += (size_t)sprintf(in + n, "%s", places[i].after);
            bool token = c != 0 && (strchr("!#$%&'*+-.^_`|~", c) != NULL || (c >= '0' && c <= '9') ||
                                    ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 128));
            bool text = places[i].text && c >= 0x20 && c != 0x7f;
            bool good = token || text || (c != 0 && strchr(places[i].extra, c) != NULL);
            int rc = request_of(in, n);
            int want = !good ? -400 : i == 0 && c != ' ' ? -501 : i == 0 ? -400 : 1;
            if (rc != want)
                fail_msg("place %zu, byte %d: %d", i, c, rc);
        }
}

/* RFC-133. */
TEST(head, http_6_only_a_few_empty_lines_come_before)
{
    static const struct row rows[] = {
        { "\r\n\r\n\r\n" START "\r\n", 1 },
        { "\r\n\r\n\r\n\r\n" START "\r\n", 1 },
        { "\r\n\r\n\r\n\r\n\r\n" START "\r\n", -400 },
        { "\n" START "\r\n", -400 },
        { "\r" START "\r\n", -400 },
        { " " START "\r\n", -400 },
        { "\t" START "\r\n", -400 },
        { "\x01", -400 },
        { "\x16\x03\x01", -400 },
        { "\xef\xbb\xbf" START "\r\n", -400 },
    };
    CHECK_ROWS(rows);
    assert_int_equal(request_of("\0GET", 4), -400);
}

/* RFC-126, RFC-131. */
TEST(head, http_7_field_names_are_tokens)
{
    static const struct row rows[] = {
        { START "X : a\r\n\r\n", -400 },
        { START "X\t: a\r\n\r\n", -400 },
        { START ": a\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n Host: h\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", -400 },
        { START "X Y: a\r\n\r\n", -400 },
        { START "X(: a\r\n\r\n", -400 },
        { START "X\xc3\xa9: a\r\n\r\n", -400 },
        { START "no colon\r\n\r\n", -400 },
        { START "X::\r\n\r\n", 1 },
    };
    CHECK_ROWS(rows);
    static const char nul[] = START "X\0Y: a\r\n\r\n", nul_value[] = START "X: a\0\r\n\r\n";
    assert_int_equal(request_of(nul, sizeof(nul) - 1), -400);
    assert_int_equal(request_of(nul_value, sizeof(nul_value) - 1), -400);
}

#define LENGTH(value) START "Content-Length:" value "\r\n\r\n"

/* RFC-128. */
TEST(head, http_8_content_length)
{
    static const struct row rows[] = {
        { LENGTH(" 0"), 1 },
        { LENGTH(" 007 "), 1 },
        { LENGTH(" 9223372036854775806"), 1 },
        { LENGTH(" 9223372036854775807"), 1 },
        { LENGTH(" 9223372036854775808"), -400 },
        { LENGTH(" 18446744073709551615"), -400 },
        { LENGTH(" 18446744073709551616"), -400 },
        { LENGTH(" 99999999999999999999999999999999"), -400 },
        { LENGTH(" -1"), -400 },
        { LENGTH(" +1"), -400 },
        { LENGTH(" 0x10"), -400 },
        { LENGTH(" 1,1"), -400 },
        { LENGTH(" 1, 1"), -400 },
        { LENGTH(" 1 1"), -400 },
        { LENGTH(" 1\x0b"), -400 },
        { LENGTH(""), -400 },
        { LENGTH(" "), -400 },
        { LENGTH(" a"), -400 },
        { LENGTH(" 1.0"), -400 },
        { START "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", -400 },
        { START "Content-Length: 1\r\ncontent-length: 2\r\n\r\n", -400 },
    };
    CHECK_ROWS(rows);
}

#define CODING(value) START "Transfer-Encoding: " value "\r\n\r\n"

/* RFC-129, RFC-130. */
TEST(head, http_9_transfer_encoding)
{
    static const struct row rows[] = {
        { CODING("chunked"), 1 },
        { CODING("Chunked"), 1 },
        { CODING("gzip, chunked"), -501 },
        { START "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", -501 },
        { CODING("gzip"), -400 },
        { CODING("identity"), -400 },
        { CODING("chunked, gzip"), -400 },
        { CODING("chunked, chunked"), -400 },
        { START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", -400 },
        { CODING("chunked,"), -400 },
        { CODING(",chunked"), -400 },
        { CODING("chunked;a=b"), -400 },
        { CODING("\"chunked\""), -400 },
        { CODING("xchunked"), -400 },
        { CODING("chunked\x0b"), -400 },
        { CODING(""), -400 },
        { START "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", -400 },
        { START "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", -400 },
        { "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400 },
        { START "Transfer_Encoding: chunked\r\n\r\n", 1 },
    };
    CHECK_ROWS(rows);
}

/* RFC-4. */
TEST(head, http_14_host)
{
    static const struct row rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", -400 },
        { "GET / HTTP/1.0\r\n\r\n", 1 },
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400 },
        { "GET / HTTP/1.0\r\n" HOST HOST "\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost:\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", -400 },
        { "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 1 },
        { "GET http://a/ HTTP/1.1\r\n\r\n", -400 },
        { "GET http://a/ HTTP/1.1\r\n" HOST "\r\n", 1 },
    };
    CHECK_ROWS(rows);
}

/* RFC-132. */
TEST(head, http_14_an_absolute_target_wins_over_host)
{
    static const char in[] = "GET HTTP://A:8/p?q HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_int_equal(request_of(in, sizeof(in) - 1), 1);
    assert_true(span_is(in, head.host, "A:8"));
    assert_true(span_is(in, head.path, "/p?q"));
    static const char bare[] = "GET https://a?q HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_int_equal(request_of(bare, sizeof(bare) - 1), 1);
    assert_true(span_is(bare, head.host, "a"));
    assert_true(span_is(bare, head.path, "?q"));
}

#define TARGET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"

TEST(head, rfc_3_the_forms_of_a_target)
{
    static const struct row rows[] = {
        { TARGET("/"), 1 },
        { TARGET("//evil"), 1 },
        { TARGET("*"), -400 },
        { TARGET("a"), -400 },
        { TARGET("a:80"), -400 },
        { TARGET(""), -400 },
        { TARGET("/a b"), -400 },
        { TARGET("/a\tb"), -400 },
        { TARGET("/a#b"), -400 },
        { TARGET("/\xc3\xa9"), -400 },
        { TARGET("/\x7f"), -400 },
        { TARGET("/?a|b"), 1 },
        { TARGET("ftp://h/"), -400 },
        { TARGET("ws://h/"), -400 },
        { TARGET("http:///a"), -400 },
        { TARGET("http://u@h/a"), -400 },
        { TARGET("http://h:x/a"), -400 },
        { TARGET("http:/h"), -400 },
    };
    CHECK_ROWS(rows);
}

TEST(head, http_16_methods)
{
    static const struct row rows[] = {
        { "HEAD / HTTP/1.1\r\n" HOST "\r\n", 1 },
        { "OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 1 },
        { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "CONNECT / HTTP/1.1\r\n" HOST "\r\n", -400 },
        { "get / HTTP/1.1\r\n" HOST "\r\n", -501 },
        { "GETS / HTTP/1.1\r\n" HOST "\r\n", -501 },
        { "GE(", -400 },
        { " GET", -400 },
        { "{\"a\"", -400 },
    };
    CHECK_ROWS(rows);
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char in[64];
        int n = snprintf(in, sizeof(in), "%s / HTTP/1.1\r\n" HOST "\r\n", names[i]);
        assert_int_equal(request_of(in, (size_t)n), 1);
        assert_int_equal(head.method, (int)i + HTTP_GET);
    }
    static char lengthy[8300];
    memset(lengthy, 'A', sizeof(lengthy));
    memcpy(lengthy + 8192, " / HTTP/1.1\r\n", 13);
    assert_int_equal(request_of(lengthy, sizeof(lengthy)), -501);
    lengthy[8192] = 'A';
    assert_int_equal(request_of(lengthy, sizeof(lengthy)), -414);
}

#define VERSION(v) "GET / " v "\r\n" HOST "\r\n"

TEST(head, http_17_versions)
{
    static const struct row rows[] = {
        { VERSION("HTTP/1.0"), 1 },     { VERSION("HTTP/1.1"), 1 },
        { VERSION("HTTP/1.2"), 1 },     { VERSION("HTTP/2.0"), -505 },
        { VERSION("HTTP/0.9"), -505 },  { VERSION("HTTP/11.1"), -400 },
        { VERSION("HTTP/1.11"), -400 }, { VERSION("HTTP/1"), -400 },
        { VERSION("http/1.1"), -400 },  { VERSION("HTTP/1,1"), -400 },
        { VERSION("HTTP/a.1"), -400 },  { VERSION("HTTP/1. "), -400 },
        { VERSION(""), -400 },          { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -400 },
    };
    CHECK_ROWS(rows);
}

TEST(head, that_was_refused_stays_refused)
{
    http_head_init(&head);
    assert_int_equal(http_head_request(&head, "(", 1, &limits), -400);
    assert_int_equal(http_head_request(&head, START "\r\n", strlen(START "\r\n"), &limits), -400);
}

TEST(head, fields_are_found)
{
    static const char in[] = START "Connection: keep-alive, Upgrade\r\nx: Upgraded\r\nCONNECTION: a\r\n\r\n";
    assert_int_equal(request_of(in, sizeof(in) - 1), 1);
    assert_int_equal(http_head_count(&head, in, "connection"), 2);
    assert_int_equal(http_head_count(&head, in, "y"), 0);
    assert_true(http_head_has_token(&head, in, "connection", "upgrade"));
    assert_true(http_head_has_token(&head, in, "connection", "a"));
    assert_false(http_head_has_token(&head, in, "connection", "keep"));
    assert_false(http_head_has_token(&head, in, "x", "upgrade"));
    unsigned from = 0;
    const char *value;
    size_t len;
    assert_true(http_head_next(&head, in, "connection", &from, &value, &len));
    assert_true(http_head_next(&head, in, "connection", &from, &value, &len));
    assert_int_equal(len, 1);
    assert_false(http_head_next(&head, in, "connection", &from, &value, &len));
}

TEST(head, what_is_over_a_limit_is_looked_at_no_further)
{
    static const struct http_limits tight = { 16384, 4, 100 };
    assert_int_equal(read_in_pieces(http_head_request, "GET /abcdefgh HTTP/1.1\r\n", 24, 24, &tight), -414);
    assert_true(head.looked <= 14);
    assert_int_equal(read_in_pieces(http_head_request, "ABCDEFGHIJKL / HTTP/1.1\r\n", 25, 25, &tight), -414);
    assert_true(head.looked <= 6);
}

TEST(head, one_that_is_whole_stays_so)
{
    static const char in[] = START "\r\n";
    assert_int_equal(request_of(in, sizeof(in) - 1), 1);
    uint32_t size = head.size;
    assert_int_equal(http_head_request(&head, in, sizeof(in) - 1, &limits), 1);
    assert_int_equal(head.size, size);
}

TEST(head, tells_what_follows_a_request)
{
    uint64_t n = 0;
    assert_int_equal(request_of(LENGTH(" 0"), strlen(LENGTH(" 0"))), 1);
    assert_int_equal(http_head_body(&head, &n), HTTP_BODY_NONE);
    assert_int_equal(request_of(LENGTH(" 12"), strlen(LENGTH(" 12"))), 1);
    assert_int_equal(http_head_body(&head, &n), HTTP_BODY_LENGTH);
    assert_int_equal(n, 12);
    assert_int_equal(request_of(CODING("chunked"), strlen(CODING("chunked"))), 1);
    assert_int_equal(http_head_body(&head, &n), HTTP_BODY_CHUNKED);
}

TEST(head, tells_whether_the_connection_stays)
{
    static const struct {
        const char *bytes;
        bool stays;
    } rows[] = {
        { START "\r\n", true },
        { START "Connection: close\r\n\r\n", false },
        { START "Connection: Keep-Alive, Close\r\n\r\n", false },
        { START "Connection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(request_of(rows[i].bytes, strlen(rows[i].bytes)), 1);
        assert_int_equal(http_head_keep_alive(&head, rows[i].bytes), rows[i].stays);
    }
}

/* RFC 9110 9.3.6: to who asked CONNECT the lengths of a 2xx say nothing. */
TEST(head, cli_11_a_tunnels_head_has_no_body)
{
    static const struct {
        const char *fields;
        int verdict;
    } rows[] = {
        { "Content-Length: 5\r\n\r\n", 1 },
        { "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 1 },
        { "Content-Length: x\r\n\r\n", 1 },
        { "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\n", 1 },
        { "Content-Length: \1\r\n\r\n", -1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (int status = 200; status < 400; status += 99) {
            char text[128];
            int len = snprintf(text, sizeof(text), "HTTP/1.1 %d x\r\n%s", status, rows[i].fields);
            http_head_init(&head);
            head.tunnel = true;
            int rc = http_head_response(&head, text, (size_t)len, &response_limits);
            if (rc != (status < 300 || i == 0 ? rows[i].verdict : -1))
                fail_msg("row %zu with %d: %d", i, status, rc);
        }
}

TEST(head, reads_responses)
{
    static const struct {
        const char *bytes;
        int verdict, status, body;
    } rows[] = {
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81", 1, 101, HTTP_BODY_NONE },
        { "HTTP/1.1 101 \r\n\r\n", 1, 101, HTTP_BODY_NONE },
        { "HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n", 1, 204, HTTP_BODY_NONE },
        { "HTTP/1.0 200 OK\r\n\r\n", 1, 200, HTTP_BODY_CLOSE },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 1, 200, HTTP_BODY_LENGTH },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, 200, HTTP_BODY_CHUNKED },
        { "HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\n\r\n", 1, 200, HTTP_BODY_CLOSE },
        { "HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nHost: c\r\n\r\n", 1, 200, HTTP_BODY_CLOSE },
        { "HTTP/1.1x200 OK\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 20/ OK\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 20: OK\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 599 x\r\n\r\n", 1, 599, HTTP_BODY_CLOSE },
        { "HTTP/1.1 600 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 099 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 1010 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 10\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1  101 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/2.0 101 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 101 x\ry\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 101 x\n\r\n", -1, 0, 0 },
        { "\r\nHTTP/1.1 101 x\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 101 x\r\nA : b\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", -1, 0, 0 },
        { "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", -1, 0, 0 },
        { "SSH-2.0-x\r\n", -1, 0, 0 },
        { "HTTP/1.1 101 x\r\n", 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t len = strlen(rows[i].bytes);
        uint64_t n;
        int rc = read_in_pieces(http_head_response, rows[i].bytes, len, len, &response_limits);
        if (rc != rows[i].verdict)
            fail_msg("row %zu: %d", i, rc);
        assert_int_equal(read_in_pieces(http_head_response, rows[i].bytes, len, 1, &response_limits), rc);
        if (rc == 1) {
            assert_int_equal(head.status, rows[i].status);
            assert_int_equal(http_head_body(&head, &n), rows[i].body);
        }
    }
}
