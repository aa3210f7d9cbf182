/* SPDX-License-Identifier: MIT */
/* Upgrade requests at a server: which are accepted, and with what status and fields the others end. */
#include "wire.h"

static unsigned opens;
static char agreed[64];

static void on_open(duet_conn *c)
{
    opens++;
    snprintf(agreed, sizeof(agreed), "%s", duet_subprotocol(c) ? duet_subprotocol(c) : "");
}

#define GET      "GET / HTTP/1.1\r\nHost: a.example\r\n"
#define UPGRADE  "Upgrade: websocket\r\n"
#define CONNECT  "Connection: Upgrade\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"
#define KEY      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ALL      GET UPGRADE CONNECT VERSION KEY
#define ASKS(v)  GET UPGRADE CONNECT KEY "Sec-WebSocket-Version: " v "\r\n"
#define KEYED(k) GET UPGRADE CONNECT VERSION "Sec-WebSocket-Key: " k "\r\n"
#define WANTS(p) ALL "Sec-WebSocket-Protocol: " p "\r\n"
#define FROM(o)  ALL "Origin: " o "\r\n"

struct row {
    const char *request; /* without its empty line */
    unsigned status;
    const char *field; /* in the answer's head, or NULL */
};

static const struct row upgrades[] = {
    /* UPG-1 */
    { GET CONNECT VERSION KEY, 426, "Upgrade: websocket" },
    { GET CONNECT VERSION KEY, 426, "Connection: Upgrade, close" },
    { GET CONNECT VERSION KEY, 426, "Sec-WebSocket-Version: 13" },
    { GET CONNECT VERSION KEY "Upgrade: h2c\r\n", 426, NULL },
    { GET CONNECT VERSION KEY "Upgrade: websockets\r\n", 426, NULL },
    { GET CONNECT VERSION KEY "Upgrade: WebSocket\r\n", 101, "Upgrade: websocket" },
    { GET CONNECT VERSION KEY "Upgrade: h2c, websocket\r\n", 101, "Connection: Upgrade" },
    { GET CONNECT VERSION KEY "Upgrade: h2c\r\nUpgrade: websocket\r\n", 101, NULL },
    { "GET / HTTP/1.1\r\nHost: a.example\r\n", 426, "Connection: Upgrade, close" },
    /* UPG-2 */
    { GET UPGRADE VERSION KEY "Connection: keep-alive, Upgrade\r\n", 101, NULL },
    { GET UPGRADE VERSION KEY "Connection: keep-alive\r\nConnection: upgrade\r\n", 101, NULL },
    { GET UPGRADE VERSION KEY "Connection: Upgraded\r\n", 400, NULL },
    { GET UPGRADE VERSION KEY "Connection: not-Upgrade\r\n", 400, NULL },
    { GET UPGRADE VERSION KEY "Connection: keep-alive\r\n", 400, NULL },
    { GET UPGRADE VERSION KEY, 400, NULL },
    /* UPG-3 */
    { ASKS("12"), 426, "Sec-WebSocket-Version: 13" },
    { ASKS("14"), 426, "Sec-WebSocket-Version: 13" },
    { ASKS("8"), 426, "Connection: Upgrade, close" },
    { ASKS("13abcd"), 400, "Connection: close" },
    { ASKS("+13"), 400, NULL },
    { ASKS("013"), 400, NULL },
    { ASKS(""), 400, NULL },
    { ALL VERSION, 400, NULL },
    { GET UPGRADE CONNECT KEY, 400, NULL },
    /* UPG-4 */
    { ALL, 101, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
    { KEYED("  dGhlIHNhbXBsZSBub25jZQ==  "), 101, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
    { KEYED("dGhlIHNhbXBsZSBub25j"), 400, NULL },     /* 15 bytes */
    { KEYED("dGhlIHNhbXBsZSBub25jZWU="), 400, NULL }, /* 17 */
    { KEYED("dGhlIHNhbXBsZSBub25jZR=="), 400, NULL }, /* bits in the tail */
    { KEYED("dGhlIHNhbXBsZSBub25jZQ="), 400, NULL },
    { KEYED("dGhlIHNhbXBsZSBub25jZQ"), 400, NULL },
    { KEYED("dGhlIHNhbXBsZSBub25jZQ==x"), 400, NULL },
    { KEYED("dGhl IHNhbXBsZSBub25jZQ=="), 400, NULL },
    { KEYED("dGhlIHNhbXBsZSBub25jZ-=="), 400, NULL },
    { KEYED(""), 400, NULL },
    { ALL KEY, 400, NULL },
    { GET UPGRADE CONNECT VERSION, 400, "Content-Type: text/plain; charset=utf-8" },
    /* UPG-6 */
    { WANTS("chat"), 101, "Sec-WebSocket-Protocol: chat" },
    { WANTS("other, chat"), 101, "Sec-WebSocket-Protocol: chat" },
    { WANTS("second, chat"), 101, "Sec-WebSocket-Protocol: chat" }, /* our order */
    { WANTS("second\r\nSec-WebSocket-Protocol: other"), 101, "Sec-WebSocket-Protocol: second" },
    { WANTS("other"), 101, NULL },
    { WANTS("Chat"), 101, NULL },
    { WANTS("chat, chat"), 400, NULL },
    { WANTS("chat second"), 400, NULL },
    { WANTS("ch@t"), 400, NULL },
    /* UPG-9 */
    { ALL "Sec-WebSocket-Extensions: x-unknown; a=1, x-unknown\r\n", 101, NULL },
    { ALL "Sec-WebSocket-Extensions: a;;b\r\n", 400, NULL },
    { ALL "Sec-WebSocket-Extensions: a; b=\"unclosed\r\n", 400, NULL },
    /* UPG-10 */
    { FROM("http://a.example"), 101, NULL },
    { FROM("HTTP://A.Example"), 101, NULL },
    { FROM("http://a.example:80"), 101, NULL },
    { FROM("http://a.example:8080"), 403, "Connection: close" },
    { FROM("https://a.example"), 403, NULL },
    { FROM("http://b.example"), 403, NULL },
    { FROM("http://a.example.evil.example"), 403, NULL },
    { FROM("null"), 403, NULL },
    { FROM("https://friend.example"), 101, NULL },
    { FROM("https://www.friends.example"), 101, NULL },
    { FROM("http://a.example\r\nOrigin: http://a.example"), 400, NULL },
    /* HTTP-11, 16, 17 */
    { ALL "Content-Length: 5\r\n", 400, "Connection: close" },
    { ALL "Transfer-Encoding: chunked\r\n", 400, NULL },
    { "HEAD / HTTP/1.1\r\nHost: a.example\r\n" UPGRADE CONNECT VERSION KEY, 405, "Allow: GET" },
    { "POST / HTTP/1.1\r\nHost: a.example\r\n" UPGRADE CONNECT VERSION KEY, 405, "Allow: GET" },
    { "PUT / HTTP/1.1\r\nHost: a.example\r\n", 405, "Allow: GET" },
    { "get / HTTP/1.1\r\nHost: a.example\r\n", 501, NULL },
    { "GET / HTTP/1.0\r\nHost: a.example\r\n" UPGRADE CONNECT VERSION KEY, 426, "Connection: Upgrade, close" },
};

static void expect_accepted(struct client *c, const struct row *row, const char *head)
{
    const char *want = row->field && strncmp(row->field, "Sec-WebSocket-Protocol: ", 24) == 0 ? row->field + 24 : "";
    assert_int_equal(opens, 1);
    assert_string_equal(agreed, want);
    const char *named = strcasestr(head, "Sec-WebSocket-Protocol");
    assert_int_equal(named != NULL, want[0] != 0);
    assert_true(named == NULL || strcasestr(named + 1, "Sec-WebSocket-Protocol") == NULL); /* RFC-15 */
    assert_null(strcasestr(head, "Content-Length"));
    assert_null(strcasestr(head, "Sec-WebSocket-Extensions"));
    client_close(c, 1000, "");
    EXPECT_END(c, "close 1000 ''\neof\n");
}

/* One answer that says its length and that it is the last; nothing behind the request is looked at (HTTP-13). */
static void expect_refused(struct client *c, const struct row *row, const char *head)
{
    char line[64];
    assert_int_equal(opens, 0);
    assert_true(client_has_field(head, "Connection: close") || client_has_field(head, "Connection: Upgrade, close"));
    assert_non_null(strcasestr(head, "\r\nContent-Length: "));
    assert_null(strcasestr(head, "Sec-WebSocket-Accept"));
    client_wait_end(c);
    assert_true(c->eof);
    if (strncmp(row->request, "HEAD", 4) != 0)
        assert_int_equal(c->len, 0);
    snprintf(line, sizeof(line), " %u\n", row->status);
    assert_int_equal(strncmp(wire.log, "refused ", 8), 0);
    assert_non_null(strstr(wire.log, line));
    assert_ptr_equal(strchr(wire.log, '\n') + 1, wire.log + wire.log_len); /* one event */
}

static void judge(size_t from, size_t count, const char *behind, bool bytewise)
{
    static const char *const ours[] = { "chat", "second", NULL };
    static const char *const friends[] = { "https://friend.example", "https://*.friends.example", NULL };
    duet_server_config cfg = { .on.open = on_open, .subprotocols = ours, .origins = friends };
    for (size_t i = from; i < count; i++) {
        const struct row *row = &upgrades[i];
        char head[4096], whole[2048];
        bool accepted = row->status == 101;
        opens = 0;
        wire_serve(WIRE_TCP, &cfg);
        struct client *c = client_new();
        size_t n = (size_t)snprintf(whole, sizeof(whole), "%s\r\n%s", row->request, accepted ? "" : behind);
        for (size_t k = 0; bytewise && k + 1 < n && !c->broken; k++) {
            client_send(c, whole + k, 1);
            duet_loop_turn(wire.loop, 0);
        }
        if (bytewise)
            client_send(c, whole + n - 1, 1);
        else
            client_send(c, whole, n);
        unsigned status = client_answer(c, head, NULL);
        if (status != row->status || (row->field != NULL && !client_has_field(head, row->field)))
            fail_msg("%u instead of %u with %s for\n%s\n%s", status, row->status, row->field ? row->field : "-",
                     row->request, head);
        if (accepted)
            expect_accepted(c, row, head);
        else
            expect_refused(c, row, head);
        client_free(c);
        wire_stop();
    }
}

enum { ROWS = sizeof(upgrades) / sizeof(upgrades[0]) };

/* RFC-1, RFC-10, RFC-12. */
TEST(refusals, upg_1_to_10_and_http_11_to_17_status_and_fields)
{
    judge(0, ROWS, "", false);
}

/* RFC-135. */
TEST(refusals, http_13_what_follows_a_refused_upgrade_is_never_answered)
{
    judge(0, ROWS, "GET /second HTTP/1.1\r\nHost: a.example\r\n\r\n", false);
}

TEST(refusals, upg_1_to_10_byte_by_byte)
{
    judge(0, ROWS, "", true);
}

/* UPG-6: without one of ours in common it is refused, where one is required. */
TEST(refusals, upg_6_a_subprotocol_that_is_required)
{
    static const char *const ours[] = { "chat", NULL };
    static const struct row rows[] = { { WANTS("chat"), 101, "Sec-WebSocket-Protocol: chat" },
                                       { WANTS("other"), 400, NULL },
                                       { ALL, 400, NULL } };
    duet_server_config cfg = { .on.open = on_open, .subprotocols = ours, .require_subprotocol = true };
    for (size_t i = 0; i < 3; i++) {
        wire_serve(WIRE_TCP, &cfg);
        struct client *c = client_new();
        client_say(c, rows[i].request);
        client_say(c, "\r\n");
        assert_int_equal(client_answer(c, NULL, NULL), rows[i].status);
        client_free(c);
        wire_stop();
    }
}

/* UPG-10, WEB-3: programs send no Origin; where one is required they are refused. */
TEST(refusals, upg_10_an_origin_that_is_required)
{
    duet_server_config cfg = { .on.open = on_open, .require_origin = true };
    wire_serve(WIRE_TCP, &cfg);
    struct client *none = client_new(), *own = client_new();
    client_say(none, ALL "\r\n");
    assert_int_equal(client_answer(none, NULL, NULL), 403);
    client_say(own, FROM("http://a.example") "\r\n");
    assert_int_equal(client_answer(own, NULL, NULL), 101);
    client_free(none);
    client_free(own);
    wire_stop();
}
