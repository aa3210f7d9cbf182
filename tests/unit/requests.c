/* SPDX-License-Identifier: MIT */
/* Requests that break a rule, or stretch it, at a whole server: one answer, the right one, and nothing behind it. */
#include "plain.h"

static void echo(duet_http *x, const duet_request *r)
{
    size_t len;
    const void *body = duet_request_body(r, &len);
    duet_http_reply(x, 200, NULL, body, len);
}

static void wait_for_body(duet_http *x, const duet_request *r)
{
    (void)x;
    (void)r;
}

static void piece(duet_http *x, const void *data, size_t len, bool last)
{
    (void)data;
    (void)len;
    if (last)
        duet_http_text(x, 200, "all of it");
}

static const duet_route routes[] = {
    { .path = "/pieces", .methods = "POST", .http = wait_for_body, .piece = piece },
    { .path = "/echo", .methods = "GET, POST", .http = echo },
    { .path = "/ws", .websocket = true },
    { .path = NULL },
};

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

struct row {
    const char *request, *status;
    const char *with; /* also in the answer; NULL: nothing to look for */
    bool stays;       /* the connection is kept */
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n"
#define POST      "POST /echo HTTP/1.1\r\nHost: h\r\n"
#define SECOND    "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"
#define CHUNKED   "Transfer-Encoding: chunked\r\n"

/* Each row whole, then byte by byte: the same answer, once. */
static void judge(const struct row *rows, size_t count)
{
    static struct client c;
    serve(&(duet_server_config){ .routes = routes });
    for (size_t i = 0; i < 2 * count; i++) {
        const struct row *row = &rows[i / 2];
        dial(&c);
        if (i % 2 == 0) {
            say(&c, row->request);
        } else {
            for (const char *p = row->request; *p != 0; p++) {
                if (send(c.fd, p, 1, MSG_NOSIGNAL) != 1)
                    break; /* the answer came before the end of the request */
                duet_loop_turn(loop, 0);
            }
        }
        for (int k = 0; k < TURNS && !c.ended && !(row->stays && strstr(c.got, "\r\n\r\n")); k++)
            turn(&c);
        unsigned interim = row->with && strstr(row->with, " 100 ") ? 1 : 0;
        for (int k = 0; row->stays && k < 3; k++)
            turn(&c);
        const char *final = interim ? strstr(c.got + 1, "HTTP/1.1 ") : c.got;
        if (c.len == 0 || final == NULL || strncmp(final + 9, row->status, 3) != 0 || c.ended == row->stays ||
            count_of(c.got, "HTTP/1.1 ") != 1 + interim || (row->with && strstr(c.got, row->with) == NULL))
            fail_msg("%s\nexpected %s %s, got %s", row->request, row->status, row->with ? row->with : "", c.got);
        close(c.fd);
    }
    serve_no_more();
}

#define JUDGE(rows) judge(rows, sizeof(rows) / sizeof(*(rows)))

TEST(requests, http_9_a_body_has_one_length)
{
    static const struct row rows[] = {
        { POST CHUNKED "Content-Length: 3\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Transfer-Encoding: identity\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nab" SECOND, "400", NULL, false },
        { POST "Content-Length: +1\r\n\r\na" SECOND, "400", NULL, false },
    };
    JUDGE(rows);
}

TEST(requests, http_10_a_chunk_that_is_none_ends_it)
{
    static const struct row rows[] = {
        { POST CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n", "200", "\r\n\r\nabc", true },
        { POST CHUNKED "\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n", "200", "\r\n\r\nabc", true },
        { POST CHUNKED "\r\nzz\r\nabc\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST CHUNKED "\r\n3\r\nabcd\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST CHUNKED "\r\n3\nabc\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { POST CHUNKED "\r\n-1\r\n\r\n" SECOND, "400", NULL, false },
        { POST CHUNKED "\r\nfffffffffffffffff\r\n" SECOND, "400", NULL, false },
    };
    JUDGE(rows);
}

TEST(requests, http_11_http_13_and_upg_14_nothing_behind_a_refused_upgrade_is_answered)
{
    static const struct row rows[] = {
        { GET("/ws") UPGRADE "Content-Length: 35\r\n\r\n" SECOND, "400", NULL, false },
        { GET("/ws") UPGRADE CHUNKED "\r\n0\r\n\r\n" SECOND, "400", NULL, false },
        { GET("/echo") UPGRADE "Content-Length: 35\r\n\r\n" SECOND, "400", NULL, false },
        { GET("/ws") "Upgrade: websocket\r\n" KEY "\r\n" SECOND, "400", NULL, false },
        { GET("/ws") UPGRADE "Origin: http://evil.example\r\n\r\n" SECOND, "403", NULL, false },
        { GET("/none") UPGRADE "\r\n" SECOND, "404", NULL, false },
        { GET("/ws") "\r\n" SECOND, "426", "Connection: Upgrade, close\r\n", false },
        { GET("/ws") "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 12\r\n\r\n" SECOND,
          "426", "Sec-WebSocket-Version: 13\r\n", false },
    };
    JUDGE(rows);
}

TEST(requests, http_14_one_host_and_an_absolute_target_wins_over_it)
{
    static const struct row rows[] = {
        { "GET /echo HTTP/1.1\r\n\r\n" SECOND, "400", NULL, false },
        { GET("/echo") "Host: h\r\n\r\n" SECOND, "400", NULL, false },
        { "GET /echo HTTP/1.1\r\nHost: a@b\r\n\r\n" SECOND, "400", NULL, false },
        { "GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n" SECOND, "400", NULL, false },
        { GET("http://a.example/echo") "\r\n", "200", NULL, true },
        { GET("http://a.example/ws") UPGRADE "Origin: http://h\r\n\r\n" SECOND, "403", NULL, false },
        { GET("http://a.example/ws") UPGRADE "Origin: http://a.example\r\n\r\n", "101", NULL, true },
    };
    JUDGE(rows);
}

TEST(requests, http_16_methods)
{
    static const struct row rows[] = {
        { "HEAD /ws HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n" SECOND, "405", "Allow: GET\r\n", false },
        { "POST /ws HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab" SECOND, "405", "Allow: GET\r\n", false },
        { "OPTIONS /ws HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "405", "Allow: GET\r\n", false },
        { "TRACE /ws HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "405", "Allow: GET\r\n", false },
        { "PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "405", "Allow: GET, POST\r\n", false },
        { "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "400", NULL, false },
        { "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "400", NULL, false },
        { "get /echo HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "501", NULL, false },
        { "BREW /echo HTTP/1.1\r\nHost: h\r\n\r\n" SECOND, "501", NULL, false },
        { "HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n", "200", "Content-Length: 0\r\n", true },
    };
    JUDGE(rows);
}

TEST(requests, http_17_versions)
{
    static const struct row rows[] = {
        { "GET /echo HTTP/1.0\r\n\r\n", "200", "Connection: close\r\n", false },
        { "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200", "Connection: keep-alive\r\n", true },
        { "GET /ws HTTP/1.0\r\nHost: h\r\n" UPGRADE "\r\n" SECOND, "426", "Upgrade, close\r\n", false },
        { "GET /echo HTTP/1.2\r\nHost: h\r\n\r\n", "200", NULL, true },
        { "GET /echo HTTP/2.0\r\nHost: h\r\n\r\n" SECOND, "505", NULL, false },
        { "GET /echo HTTP/11.1\r\nHost: h\r\n\r\n" SECOND, "400", NULL, false },
        { "GET /echo\r\n\r\n" SECOND, "400", NULL, false },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", NULL, false },
    };
    JUDGE(rows);
}

TEST(requests, http_18_only_100_continue_is_expected_and_only_of_a_body)
{
    static const struct row rows[] = {
        { GET("/ws") UPGRADE "Expect: 100-continue\r\n\r\n" SECOND, "417", NULL, false },
        { POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "200", "HTTP/1.1 100 Continue\r\n\r\n", true },
        { POST "Expect: tea\r\nContent-Length: 3\r\n\r\nabc" SECOND, "417", NULL, false },
        { POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", "413", NULL, false },
    };
    JUDGE(rows);
}

/* What a peer sent comes back in no error page: the marker would. */
TEST(requests, http_20_no_bytes_of_the_client_are_in_an_error)
{
    static const char *const requests[] = {
        "GET /<marker HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /%3Cmarker HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: <marker\r\n\r\n",
        "<marker / HTTP/1.1\r\nHost: h\r\n\r\n",
        "marker / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: h\r\nOrigin: http://marker\r\n" UPGRADE "\r\n",
        "GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: marker, marker\r\n" UPGRADE "\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: marker\r\nContent-Length: 1\r\n\r\na",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: marker\r\n\r\n",
    };
    static struct client c;
    serve(&(duet_server_config){ .routes = routes });
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        dial(&c);
        say(&c, requests[i]);
        expect(&c, NULL);
        assert_memory_not_equal(c.got, "HTTP/1.1 2", 10);
        assert_null(strstr(c.got, "marker"));
        close(c.fd);
    }
    serve_no_more();
}

/* A head has one deadline from its first byte on, however it trickles in; who sends nothing gets nothing. */
TEST(requests, http_1_a_head_has_one_deadline)
{
    static struct client slow, silent;
    const char *p = GET("/echo");
    duet_server_stats *stats = malloc(sizeof(*stats));
    serve(&(duet_server_config){ .routes = routes, .open_ms = 200 });
    dial(&slow);
    dial(&silent);
    uint64_t from = duet_loop_now_ms(loop);
    while (!slow.ended && !silent.ended) {
        if (*p != 0)
            send(slow.fd, p++, 1, MSG_NOSIGNAL);
        duet_loop_turn(loop, 20);
        turn(&slow);
        turn(&silent);
    }
    expect(&slow, NULL);
    expect(&silent, NULL);
    slow.got[strlen("HTTP/1.1 408")] = 0;
    assert_string_equal(slow.got, "HTTP/1.1 408");
    assert_string_equal(silent.got, "");
    assert_in_range(duet_loop_now_ms(loop) - from, 150, 2000);
    duet_server_read_stats(server, stats);
    assert_int_equal(stats->reasons[DUET_REASON_open_timeout], 2);
    free(stats);
    close(slow.fd);
    close(silent.fd);
    serve_no_more();
}

/* As a head's, but a body of pieces may take as long as it moves on. */
TEST(requests, a_body_that_trickles_in_has_its_end)
{
    static struct client c;
    uint64_t until;
    serve(&(duet_server_config){ .routes = routes, .message_ms = 200, .idle_ms = 1000 });
    dial(&c);
    say(&c, POST "Content-Length: 1000\r\n\r\n");
    for (until = duet_loop_now_ms(loop) + 5000; !c.ended && duet_loop_now_ms(loop) < until; turn(&c)) {
        send(c.fd, "x", 1, MSG_NOSIGNAL);
        duet_loop_turn(loop, 20);
    }
    assert_memory_equal(c.got, "HTTP/1.1 408", 12);
    assert_in_range(duet_loop_now_ms(loop), until - 4900, until - 4000);
    close(c.fd);
    dial(&c);
    say(&c, "POST /pieces HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        say(&c, "x");
        for (until = duet_loop_now_ms(loop) + 20; duet_loop_now_ms(loop) < until; turn(&c))
            ;
    }
    expect(&c, "all of it");
    close(c.fd);
    serve_no_more();
}

TEST(requests, http_21_a_connection_may_be_idle_for_so_long)
{
    static struct client c;
    serve(&(duet_server_config){ .routes = routes, .idle_ms = 150 });
    dial(&c);
    for (int i = 0; i < 3; i++) {
        say(&c, SECOND);
        expect_status(&c, "200", false);
        uint64_t until = duet_loop_now_ms(loop) + 75;
        while (duet_loop_now_ms(loop) < until)
            turn(&c);
        assert_false(c.ended);
    }
    expect(&c, NULL);
    close(c.fd);
    serve_no_more();
}
