/* SPDX-License-Identifier: MIT */
/* The opening handshake by the core alone, both roles: what is refused, with which status, and what is answered. The
 * same judge stands behind the server's upgrades. */
#include "peer.h"
#include "proto/handshake.h"

#define HEAD       "GET /chat HTTP/1.1\r\nHost: example.com\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define END        "\r\n"

/* The answer to a request fed whole and byte by byte; both must be the same. Returns the status. */
static unsigned answer(const char *request, size_t len, char *out, size_t cap)
{
    char first[4096] = "";
    unsigned status = 0;
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        struct peer *p = peer_new(DUET_SERVER, NULL);
        for (size_t i = 0; i < len; i += bytewise ? 1 : len) {
            duet_event ev;
            uint8_t *copy = malloc(len);
            size_t n = bytewise ? 1 : len;
            memcpy(copy, request + i, n);
            duet_input in = { copy, n };
            int rc;
            while ((rc = duet_proto_recv(p->proto, &in, p->now_ms, &ev)) == 1 && ev.kind == DUET_EVENT_REQUEST)
                assert_int_equal(duet_proto_accept(p->proto, NULL, NULL, p->now_ms), 0);
            free(copy);
        }
        struct iovec iov[4];
        size_t have = 0;
        int n = duet_proto_output(p->proto, iov, 4);
        char text[4096] = "";
        for (int i = 0; i < n; i++) {
            memcpy(text + have, iov[i].iov_base, iov[i].iov_len);
            have += iov[i].iov_len;
        }
        text[have] = 0;
        status = duet_proto_status(p->proto);
        if (bytewise)
            assert_string_equal(text, first);
        memcpy(first, text, have + 1);
        peer_free(p);
    }
    if (out)
        snprintf(out, cap, "%s", first);
    return status;
}

static unsigned status_of(const char *request)
{
    return answer(request, strlen(request), NULL, 0);
}

struct row {
    const char *lines; /* besides HEAD */
    unsigned status;
};

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char request[32768];
        snprintf(request, sizeof(request), HEAD "%s" END, rows[i].lines);
        unsigned status = status_of(request);
        if (status != rows[i].status)
            print_error("row %zu: %s\n", i, rows[i].lines);
        assert_int_equal(status, rows[i].status);
    }
}
#define ROWS(rows) run_rows(rows, sizeof(rows) / sizeof(*(rows)))

/* RFC-21, RFC-24. */
TEST(handshake, the_sample_of_the_rfc)
{
    char out[4096];
    assert_int_equal(answer(peer_request, strlen(peer_request), out, sizeof(out)), 101);
    assert_string_equal(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

/* RFC-5. */
TEST(handshake, upg_1_upgrade_names_websocket_among_others)
{
    static const struct row rows[] = {
        { "Upgrade: websocket\r\n" CONNECTION KEY VERSION, 101 },
        { "Upgrade: WebSocket\r\n" CONNECTION KEY VERSION, 101 },
        { "Upgrade: h2c, websocket\r\n" CONNECTION KEY VERSION, 101 },
        { "Upgrade: h2c\r\nUpgrade: websocket\r\n" CONNECTION KEY VERSION, 101 },
        { CONNECTION KEY VERSION, 426 },
        { "Upgrade:\r\n" CONNECTION KEY VERSION, 426 },
        { "Upgrade: websockets\r\n" CONNECTION KEY VERSION, 426 },
        { "Upgrade: xwebsocket\r\n" CONNECTION KEY VERSION, 426 },
        { "Upgrade: \"websocket\"\r\n" CONNECTION KEY VERSION, 426 },
    };
    ROWS(rows);
    char out[4096];
    answer(HEAD CONNECTION KEY VERSION END, strlen(HEAD CONNECTION KEY VERSION END), out, sizeof(out));
    assert_non_null(strstr(out, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(out, "\r\nConnection: Upgrade, close\r\n"));
    assert_non_null(strstr(out, "\r\nSec-WebSocket-Version: 13\r\n"));
}

/* RFC-6. */
TEST(handshake, upg_2_connection_holds_the_token_upgrade)
{
    static const struct row rows[] = {
        { UPGRADE "Connection: keep-alive, Upgrade\r\n" KEY VERSION, 101 },
        { UPGRADE "Connection: UPGRADE\r\n" KEY VERSION, 101 },
        { UPGRADE "Connection: close\r\nConnection: upgrade\r\n" KEY VERSION, 101 },
        { UPGRADE KEY VERSION, 400 },
        { UPGRADE "Connection: Upgraded\r\n" KEY VERSION, 400 },
        { UPGRADE "Connection: keep-alive\r\n" KEY VERSION, 400 },
    };
    ROWS(rows);
}

/* RFC-9. */
TEST(handshake, upg_3_the_version_is_13_once)
{
    static const struct row rows[] = {
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 12\r\n", 426 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 14\r\n", 426 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 0\r\n", 426 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 255\r\n", 426 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 256\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13abcd\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: +13\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13x\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 013\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 13, 8\r\n", 400 },
        { UPGRADE CONNECTION KEY "Sec-WebSocket-Version:\r\n", 400 },
        { UPGRADE CONNECTION KEY VERSION VERSION, 400 },
        { UPGRADE CONNECTION KEY, 400 },
    };
    ROWS(rows);
    char out[4096];
    const char *old = HEAD UPGRADE CONNECTION KEY "Sec-WebSocket-Version: 8\r\n" END;
    answer(old, strlen(old), out, sizeof(out));
    assert_non_null(strstr(out, "\r\nSec-WebSocket-Version: 13\r\n"));
}

/* RFC-7, RFC-8. */
TEST(handshake, upg_4_the_key_is_16_bytes_once)
{
#define K(key)                                                                                                         \
    {                                                                                                                  \
        UPGRADE CONNECTION VERSION "Sec-WebSocket-Key: " key "\r\n", 400                                               \
    }
    static const struct row rows[] = {
        K(""),
        K("dGhlIHNhbXBsZSBub25j"),
        K("dGhlIHNhbXBsZSBub25jZXg="),
        K("dGhlIHNhbXBsZSBub25jZQ="),
        K("dGhlIHNhbXBsZSBub25jZQ"),
        K("dGhlIHNhbXBsZSBub25jZQ==="),
        K("dGhlIHNhbXBsZSBub25jZR=="),
        K("dGhlIHNhbXBsZSBub25jZQ=a"),
        K("dGhlIHNhbXBsZSBub25=ZQ=="),
        K("dGhlIHNhbXBsZSBub2-jZQ=="),
        K("dGhlIHNhbXBsZSBub2_jZQ=="),
        K("dGhlIHNhbXBsZSB b25jZQ=="),
        K("dGhlIHNhbXBsZSBub25jZQ==, a"),
        K("\"dGhlIHNhbXBsZSBub25jZQ==\""),
        K("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        K("===="),
        { UPGRADE CONNECTION VERSION, 400 },
        { UPGRADE CONNECTION VERSION KEY KEY, 400 },
        { UPGRADE CONNECTION VERSION "Sec-WebSocket-Key:   AQIDBAUGBwgJCgsMDQ4PEA==\t \r\n", 101 },
        { UPGRADE CONNECTION VERSION "sec-websocket-KEY: AQIDBAUGBwgJCgsMDQ4PEA==\r\n", 101 },
    };
#undef K
    ROWS(rows);
}

/* RFC-16. */
TEST(handshake, upg_6_subprotocols_are_distinct_tokens)
{
    static const struct row rows[] = {
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: chat\r\n", 101 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: chat, superchat\r\n", 101 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", 101 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: chat, Chat\r\n", 101 },             /* case counts */
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: constructor, __proto__\r\n", 101 }, /* UPG-8 */
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: chat, chat\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a,,b\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a b\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a/b\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: \"a\"\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: \"a\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: a, \"b\r\n", 400 },
        { UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol:\r\n", 400 },
    };
    ROWS(rows);
    for (int count = HANDSHAKE_PROTOCOLS_MOST - 1; count <= HANDSHAKE_PROTOCOLS_MOST + 1; count++) {
        char request[8192];
        int n = snprintf(request, sizeof(request), HEAD UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Protocol: p0");
        for (int i = 1; i < count; i++)
            n += snprintf(request + n, sizeof(request) - (size_t)n, ", p%d", i);
        snprintf(request + n, sizeof(request) - (size_t)n, "\r\n\r\n");
        assert_int_equal(status_of(request), count <= HANDSHAKE_PROTOCOLS_MOST ? 101 : 400);
    }
}

/* RFC-18, RFC-19, RFC-20. */
TEST(handshake, upg_9_extensions_keep_their_grammar)
{
#define X(value, status)                                                                                               \
    {                                                                                                                  \
        UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Extensions: " value "\r\n", status                               \
    }
    static const struct row rows[] = {
        X("permessage-deflate", 101),
        X("permessage-deflate, permessage-deflate", 101),
        X("permessage-deflate; client_max_window_bits, x; a=b; c=\"d\"", 101),
        X("a; b=\"10\"", 101),
        X("a; b=\"1 0\"", 400),
        X("a; b=\"\"", 400),
        X("a; b=\"1", 400),
        X("a;", 400),
        X("; a", 400),
        X("a b", 400),
        X("a; b=", 400),
        X("a; =b", 400),
        X("", 400),
    };
#undef X
    ROWS(rows);
    /* A thousand offers cost no more than their bytes (UPG-7); none of them is taken. */
    char request[16000], out[4096];
    int n = snprintf(request, sizeof(request), HEAD UPGRADE CONNECTION VERSION KEY "Sec-WebSocket-Extensions: a");
    for (int i = 0; i < 1000; i++)
        n += snprintf(request + n, sizeof(request) - (size_t)n, ", x-%d", i);
    snprintf(request + n, sizeof(request) - (size_t)n, "\r\n\r\n");
    assert_int_equal(answer(request, strlen(request), out, sizeof(out)), 101);
    assert_null(strstr(out, "Sec-WebSocket-Extensions"));
}

TEST(handshake, upg_10_one_origin_at_most)
{
    static const struct row rows[] = {
        { UPGRADE CONNECTION VERSION KEY "Origin: http://example.com\r\n", 101 },
        { UPGRADE CONNECTION VERSION KEY "Origin: a\r\nOrigin: a\r\n", 400 },
    };
    ROWS(rows);
}

/* RFC-23. */
TEST(handshake, http_11_an_upgrade_with_a_body_is_400_and_nothing_of_it_is_read)
{
    static const char *const bodies[] = {
        "Content-Length: 5\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        char request[2048], out[4096];
        snprintf(request, sizeof(request), HEAD UPGRADE CONNECTION VERSION KEY "%s", bodies[i]);
        assert_int_equal(answer(request, strlen(request), out, sizeof(out)), 400);
        assert_null(strstr(out + 1, "HTTP/1.1 ")); /* one answer */
        assert_non_null(strstr(out, "Connection: close"));
    }
    assert_int_equal(status_of(HEAD UPGRADE CONNECTION VERSION KEY "Content-Length: 0\r\n\r\n"), 101);
}

TEST(handshake, http_13_what_follows_a_refusal_is_never_answered)
{
    char request[2048], out[4096];
    snprintf(request, sizeof(request), HEAD CONNECTION KEY VERSION END "%s", peer_request);
    assert_int_equal(answer(request, strlen(request), out, sizeof(out)), 426);
    assert_null(strstr(out + 1, "HTTP/1.1 "));
}

TEST(handshake, http_4_a_field_behind_the_hundredth_is_never_lost_silently)
{
    for (int before = 95; before <= 97; before++) { /* five more follow */
        char request[16000];
        int n = snprintf(request, sizeof(request), HEAD);
        for (int i = 1; i < before; i++)
            n += snprintf(request + n, sizeof(request) - (size_t)n, "X-%d: y\r\n", i);
        snprintf(request + n, sizeof(request) - (size_t)n, CONNECTION VERSION KEY "X: y\r\n" UPGRADE END);
        assert_int_equal(status_of(request), before + 5 <= 100 + 0 ? 101 : 431);
    }
}

/* RFC-2, RFC-3. */
TEST(handshake, http_16_only_get_is_upgraded)
{
    static const struct {
        const char *line;
        unsigned status;
    } rows[] = {
        { "POST / HTTP/1.1\r\n", 405 },
        { "HEAD / HTTP/1.1\r\n", 405 },
        { "TRACE / HTTP/1.1\r\n", 405 },
        { "get / HTTP/1.1\r\n", 501 },
        { "BREW / HTTP/1.1\r\n", 501 },
        { "GET / HTTP/1.0\r\n", 426 },
        { "GET / HTTP/1.2\r\n", 101 },
        { "GET / HTTP/2.0\r\n", 505 },
        { "GET /\r\n", 400 },
        { "GET http://example.com/chat HTTP/1.1\r\n", 101 },
        { "GET * HTTP/1.1\r\n", 400 },
        { "GET /%zz HTTP/1.1\r\n", 400 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char request[1024];
        snprintf(request, sizeof(request), "%sHost: example.com\r\n" UPGRADE CONNECTION KEY VERSION END, rows[i].line);
        unsigned status = status_of(request);
        if (status != rows[i].status)
            print_error("%s", rows[i].line);
        assert_int_equal(status, rows[i].status);
    }
}

/* RFC-25. */
TEST(handshake, text_that_is_not_utf_8_is_400)
{
    static const struct row rows[] = {
        { UPGRADE CONNECTION VERSION KEY "X: \xc3\xa9\r\n", 101 },
        { UPGRADE CONNECTION VERSION KEY "X: \xe9\r\n", 400 },
    };
    ROWS(rows);
}

TEST(handshake, upg_13_fields_of_the_handshake_are_not_the_application_s)
{
    static const char *const names[] = { "Upgrade",
                                         "connection",
                                         "Sec-WebSocket-Accept",
                                         "Content-Length",
                                         "Transfer-Encoding",
                                         "Sec-WebSocket-Protocol",
                                         "a b",
                                         "",
                                         "X:" };
    struct peer *p = peer_new(DUET_SERVER, NULL);
    char copy[512];
    duet_event ev;
    strcpy(copy, peer_request);
    duet_input in = { (uint8_t *)copy, strlen(copy) };
    assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        duet_header fields[] = { { names[i], "x" }, { NULL, NULL } };
        assert_int_equal(duet_proto_accept(p->proto, NULL, fields, p->now_ms), DUET_ERR_INVALID);
        assert_int_equal(duet_proto_reject(p->proto, 403, fields, "", 0), DUET_ERR_INVALID);
    }
    for (int c = 1; c < 128; c++) { /* HTTP-19 */
        char value[] = { 'a', (char)c, 'b', 0 };
        duet_header fields[] = { { "X", value }, { NULL, NULL } };
        if (c < 32 ? c != '\t' : c == 127)
            assert_int_equal(duet_proto_accept(p->proto, NULL, fields, p->now_ms), DUET_ERR_INVALID);
    }
    assert_int_equal(duet_proto_accept(p->proto, "not-offered", NULL, p->now_ms), DUET_ERR_INVALID);
    duet_header fine[] = { { "X-Fine", "yes" }, { NULL, NULL } };
    assert_int_equal(duet_proto_accept(p->proto, NULL, fine, p->now_ms), 0);
    assert_int_equal(duet_proto_accept(p->proto, NULL, fine, p->now_ms), DUET_ERR_STATE); /* UPG-5: one answer */
    assert_int_equal(duet_proto_reject(p->proto, 403, NULL, "", 0), DUET_ERR_STATE);
    peer_free(p);
}

/* RFC-26, RFC-37, RFC-38, RFC-39, RFC-41. */
TEST(handshake, cli_1_a_client_believes_only_a_right_answer)
{
#define OK "HTTP/1.1 101 Switching Protocols\r\n"
    static const char *const lines[] = {
        /* right; %s is the Accept */
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\n",
        OK "upgrade: WEBSOCKET\r\nconnection: keep-alive, upgrade\r\nsec-websocket-accept:  %s \r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: b\r\n",
        /* wrong */
        "HTTP/1.1 200 OK\r\n" UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\n",
        "HTTP/1.1 401 Unauthorized\r\nX: %s\r\n",
        OK CONNECTION "Sec-WebSocket-Accept: %s\r\n",
        OK "Upgrade: h2c\r\n" CONNECTION "Sec-WebSocket-Accept: %s\r\n",
        OK UPGRADE "Sec-WebSocket-Accept: %s\r\n",
        OK UPGRADE "Connection: close\r\nSec-WebSocket-Accept: %s\r\n",
        OK UPGRADE CONNECTION "X: %s\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: x%s\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX: %s\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Accept: x\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: b\r\n"
                              "Sec-WebSocket-Extensions: x\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: c\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: A\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: a, b\r\n",
        OK UPGRADE CONNECTION "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
        "garbage %s\r\n",
    };
#undef OK
    static const char *const offered[] = { "a", "b", NULL };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        for (size_t step = 1; step <= 1000; step += 999) {
            char reply[1024];
            struct peer *p = peer_new(DUET_CLIENT, &(duet_proto_config){ .subprotocols = offered });
            EXPECT_TRACE(p, "request\n");
            int n = snprintf(reply, sizeof(reply), lines[i], p->proto->busy->opening->accept);
            n += snprintf(reply + n, sizeof(reply) - (size_t)n, "\r\n\x81\x02Hi"); /* a frame behind it (RFC-26) */
            for (size_t at = 0; at < (size_t)n; at += step)
                peer_feed(p, reply + at, (size_t)n - at < step ? (size_t)n - at : step);
            EXPECT_TRACE(p, i < 3 ? "request\nopen\nmessage text 'Hi'\n" : "request\nerror HANDSHAKE\n");
            if (i == 2)
                assert_string_equal(duet_proto_subprotocol(p->proto), "b");
            else
                assert_null(duet_proto_subprotocol(p->proto));
            peer_free(p);
        }
}

/* RFC-34. */
TEST(handshake, cli_4_nothing_is_sent_for_a_config_that_would_break_the_request)
{
    static const char *const doubled[] = { "a", "a", NULL }, *const blank[] = { "a b", NULL },
                             *const none[] = { "", NULL };
    static const duet_header broken[] = { { "X", "a\r\nY: b" }, { NULL, NULL } },
                             host[] = { { "Host", "x" }, { NULL, NULL } },
                             origin[] = { { "origin", "x" }, { NULL, NULL } };
    const duet_proto_config configs[] = {
        { .host = "a\r\nX: y" },   { .host = "a b" },        { .target = "/a b" },  { .target = "/a#b" },
        { .target = "a" },         { .target = "/\r\n" },    { .origin = "a\n" },   { .subprotocols = doubled },
        { .subprotocols = blank }, { .subprotocols = none }, { .headers = broken }, { .headers = host },
        { .headers = origin },
    };
    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        struct peer *p = peer_new(DUET_CLIENT, &configs[i]);
        assert_true(p->failed_new);
        assert_int_equal(p->error, DUET_ERR_INVALID);
        peer_free(p);
    }
}

TEST(handshake, upg_6_a_client_offers_as_many_subprotocols_as_a_server_takes)
{
    static char names[HANDSHAKE_PROTOCOLS_MOST + 1][16];
    for (int count = HANDSHAKE_PROTOCOLS_MOST - 1; count <= HANDSHAKE_PROTOCOLS_MOST + 1; count++) {
        const char *many[HANDSHAKE_PROTOCOLS_MOST + 2] = { NULL };
        for (int i = 0; i < count; i++) {
            snprintf(names[i], sizeof(names[i]), "p%d", i);
            many[i] = names[i];
        }
        struct peer *p = peer_new(DUET_CLIENT, &(duet_proto_config){ .subprotocols = many });
        assert_int_equal(p->failed_new, count > HANDSHAKE_PROTOCOLS_MOST);
        peer_free(p);
    }
}

static void said(const duet_proto *p, char *text, size_t cap)
{
    struct iovec iov[4];
    size_t len = 0;
    int n = duet_proto_output(p, iov, 4);
    for (int i = 0; i < n; i++) {
        assert_true(len + iov[i].iov_len < cap);
        memcpy(text + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    text[len] = 0;
}

static int no_random(void *arg, void *to, size_t len)
{
    (void)to;
    (void)len;
    return *(int *)arg;
}

static int zeros(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 0, len);
    return 0;
}

TEST(handshake, cli_4_a_request_has_what_it_was_told_and_a_new_needs_a_config)
{
    static const char *const names[] = { "a", "b", NULL }, *const no_names[] = { NULL };
    static const duet_header headers[] = { { "X-Y", "z" }, { NULL, NULL } };
    char text[4096];
    int fault = -5;
    duet_proto *p = NULL;
    duet_proto_config c = { DUET_PROTO_CONFIG_INIT, .role = DUET_CLIENT, .host = "h:81", .random = zeros };
    assert_int_equal(duet_proto_new(&p, NULL, 0), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_new(&p, &(duet_proto_config){ .role = DUET_SERVER }, 0), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_new(&p, &c, 0), 0);
    said(p, text, sizeof(text));
    assert_string_equal(text, "GET / HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    duet_proto_free(p);
    c.origin = "https://o";
    c.target = "";
    c.subprotocols = no_names;
    c.headers = headers;
    assert_int_equal(duet_proto_new(&p, &c, 0), 0);
    said(p, text, sizeof(text));
    assert_non_null(strstr(text, "GET / HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "\r\nOrigin: https://o\r\nX-Y: z\r\n\r\n"));
    duet_proto_free(p);
    c.subprotocols = names;
    assert_int_equal(duet_proto_new(&p, &c, 0), 0);
    said(p, text, sizeof(text));
    assert_non_null(strstr(text, "\r\nSec-WebSocket-Protocol: a, b\r\n"));
    duet_proto_free(p);
    duet_proto_free(NULL);

    c.random = NULL;
    assert_int_equal(duet_proto_new(&p, &c, 0), DUET_ERR_INVALID);
    c.random = no_random;
    c.arg = &fault;
    assert_int_equal(duet_proto_new(&p, &c, 0), DUET_ERR_RANDOM);
    c.random = zeros;
    c.deflate = (duet_deflate){ .on = true, .window_bits = 16 };
    assert_int_equal(duet_proto_new(&p, &c, 0), DUET_ERR_INVALID);
    c.deflate = (duet_deflate){ 0 };
    c.host = NULL;
    assert_int_equal(duet_proto_new(&p, &c, 0), DUET_ERR_INVALID);
    c.host = "";
    assert_int_equal(duet_proto_new(&p, &c, 0), DUET_ERR_INVALID);
}

/* A server that waits for the answer to peer_request. */
static struct peer *waiting(void)
{
    struct peer *p = peer_new(DUET_SERVER, NULL);
    char copy[512];
    duet_event ev;
    strcpy(copy, peer_request);
    duet_input in = { (uint8_t *)copy, strlen(copy) };
    assert_null(duet_proto_request(p->proto));
    assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
    assert_string_equal(duet_request_path(duet_proto_request(p->proto)), "/chat");
    return p;
}

/* Any other answer than 101 (4.2.2): once, and it is the end. */
TEST(handshake, a_request_may_be_rejected_with_300_to_599)
{
    static const unsigned statuses[] = { 0, 101, 200, 299, 300, 403, 405, 426, 599, 600 };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        struct peer *p = waiting();
        unsigned status = statuses[i];
        bool fine = status >= 300 && status <= 599;
        char text[4096], start[32];
        duet_header more[] = { { "X-Why", "so" }, { NULL, NULL } };
        assert_int_equal(duet_proto_close(p->proto, 1000, NULL), DUET_ERR_STATE);
        assert_int_equal(duet_proto_reject(p->proto, status, more, "no\n", 3), fine ? 0 : DUET_ERR_INVALID);
        said(p->proto, text, sizeof(text));
        snprintf(start, sizeof(start), "HTTP/1.1 %u ", status);
        assert_int_equal(strncmp(text, start, strlen(start)) == 0, fine);
        assert_int_equal(duet_proto_status(p->proto), fine ? status : 0);
        assert_int_equal(duet_proto_request(p->proto) == NULL, fine);
        if (fine) {
            assert_non_null(strstr(text, "\r\nContent-Length: 3\r\nX-Why: so\r\n\r\nno\n"));
            assert_non_null(strstr(text, "close\r\n")); /* UPG-14 */
            assert_int_equal(strstr(text, "\r\nAllow: GET\r\n") != NULL, status == 405);
            assert_int_equal(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n") != NULL, status == 426);
            assert_int_equal(duet_proto_tick(p->proto, p->now_ms), DUET_ERR_HANDSHAKE);
        }
        peer_free(p);
    }
}

static char traced_head[4096];
static void keep_head(void *arg, bool sent, const char *head, size_t len)
{
    (void)arg;
    if (sent)
        snprintf(traced_head, sizeof(traced_head), "%.*s", (int)len, head);
}

TEST(handshake, a_long_rejection_is_queued_whole_and_its_trace_is_the_head)
{
    static char body[100000], text[101000];
    char copy[512];
    duet_event ev;
    struct peer *p = peer_new(DUET_SERVER, &(duet_proto_config){ .trace_head = keep_head });
    strcpy(copy, peer_request);
    duet_input in = { (uint8_t *)copy, strlen(copy) };
    assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
    memset(body, 'b', sizeof(body));
    assert_int_equal(duet_proto_reject(p->proto, 403, NULL, body, sizeof(body)), 0);
    said(p->proto, text, sizeof(text));
    size_t len = strlen(text);
    assert_int_equal(len, strlen(traced_head) + sizeof(body));
    assert_memory_equal(text, traced_head, strlen(traced_head));
    assert_memory_equal(text + len - sizeof(body), body, sizeof(body));
    peer_free(p);
}

TEST(handshake, http_13_bytes_behind_a_request_wait_for_its_answer)
{
    struct peer *p = waiting();
    duet_event ev;
    uint8_t byte = 0x81;
    duet_input in = { &byte, 1 };
    assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 0);
    assert_int_equal(in.len, 1);
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), DUET_ERR_STATE);
    assert_int_equal(duet_proto_deadline(p->proto), p->now_ms + 10000);
    peer_tick(p, p->now_ms + 10000);
    assert_int_equal(p->error, DUET_ERR_TIMEOUT);
    peer_free(p);
}
