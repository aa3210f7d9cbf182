/* SPDX-License-Identifier: MIT */
/*
 * A client's way through a proxy (CLI-11). The proxy is a socket that answers what a test says; behind the tunnel it is
 * the server itself, or passes bytes on to a server of ours.
 */
#include "test.h"
#include "base/digest.h"
#include "base/mem.h"
#include "cert.h"
#include "client/client.h"
#include "proto/handshake.h"
#include "played.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <duet/duet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

static duet_server *server;
static duet_client *client;
static char proxy_url[200];
static int onward = -1; /* the proxy's socket to the server */
static char got[70000];
static size_t got_len;

static struct {
    unsigned opened, messages, closed, failed;
    int error;
    unsigned status, proxy_status, retry_ms, code;
    bool final;
    char detail[200], last[64], peer[64];
} told;

/* The password of all tests, also as Basic has it ("me:sesame"): in no line for people. */
#define SECRET "sesame"
#define BASIC  "bWU6c2VzYW1l"

static void expect_no_secret(const char *line)
{
    assert_null(strstr(line, SECRET));
    assert_null(strstr(line, BASIC));
}

static void on_open(duet_conn *c)
{
    told.opened++;
    duet_peer(c, told.peer);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    told.messages++;
    snprintf(told.last, sizeof(told.last), "%.*s", (int)(m->len < 60 ? m->len : 60), (const char *)m->data);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    told.closed++;
    told.code = why->code;
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl;
    told.failed++;
    told.error = f->error;
    told.status = f->status;
    told.proxy_status = f->proxy_status;
    told.final = f->final;
    told.retry_ms = f->retry_ms;
    snprintf(told.detail, sizeof(told.detail), "%s", f->detail);
    expect_no_secret(f->detail);
    assert_int_equal(f->body_len, 0);
}

static void server_message(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

/* A loop and a proxy that listens; `form` is its URL with the port left open. */
static void begin(const char *form)
{
    memset(&told, 0, sizeof(told));
    client = NULL;
    server = NULL;
    onward = -1;
    got_len = 0;
    assert_int_equal(duet_loop_new(&loop), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(proxy_url, sizeof(proxy_url), form, played_listen());
#pragma GCC diagnostic pop
}

static void end(void)
{
    duet_client_free(client);
    duet_server_free(server);
    duet_loop_free(loop);
    close(listener);
    if (accepted >= 0)
        close(accepted);
    if (onward >= 0)
        close(onward);
}

static duet_client_config config_for(const char *url)
{
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT,
                                 .url = url,
                                 .on = { .open = on_open, .message = on_message, .close = on_close },
                                 .failed = on_failed,
                                 .retry = true,
                                 .retry_first_ms = 1,
                                 .retry_most_ms = 1,
                                 .proxy = proxy_url };
}

static void connect_to(const duet_client_config *c)
{
    char why[200];
    if (duet_connect(&client, loop, c, why) < 0)
        fail_msg("%s", why);
    memset(proxy_url, 'x', strlen(proxy_url)); /* it was copied */
}

#define HTTP      "http://127.0.0.1:%u"
#define HTTP_USER "http://me:" SECRET "@127.0.0.1:%u/"
#define SOCKS     "socks5://127.0.0.1:%u"
#define SOCKS_USER "socks5h://me:" SECRET "@127.0.0.1:%u"

static void accept_client(void)
{
    if (accepted >= 0)
        close(accepted);
    TURN_UNTIL((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
    got_len = 0;
}

static void open_through(const char *form, const char *url)
{
    begin(form);
    duet_client_config c = config_for(url);
    connect_to(&c);
    accept_client();
}

static void hear(void)
{
    ssize_t n = recv(accepted, got + got_len, sizeof(got) - 1 - got_len, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    assert_true(n > 0);
    got_len += (size_t)n;
    got[got_len] = 0;
}

/* What comes next from the client is this, and no more. */
static void expect(const void *bytes, size_t len)
{
    TURN_UNTIL((hear(), got_len >= len));
    for (int i = 0; i < 3; i++)
        duet_loop_turn(loop, 0);
    hear();
    assert_int_equal(got_len, len);
    assert_memory_equal(got, bytes, len);
    got_len = 0;
}

#define EXPECT(bytes) expect(bytes, sizeof(bytes) - 1)

#define SAY(bytes) played_say(bytes, sizeof(bytes) - 1)

/* The handshake with a server that the proxy plays; `host` is its Host field. */
static void serve_request(const char *host)
{
    char accept[32], text[256], field[128];
    TURN_UNTIL((hear(), got_len > 4 && memcmp(got + got_len - 4, "\r\n\r\n", 4) == 0));
    assert_memory_equal(got, "GET / HTTP/1.1\r\n", 16);
    snprintf(field, sizeof(field), "\r\nHost: %s\r\n", host);
    assert_non_null(strstr(got, field));
    assert_null(strstr(got, "Proxy-"));
    expect_no_secret(got);
    const char *key = strstr(got, "Sec-WebSocket-Key: ");
    handshake_accept_text(accept, key + 19, 24);
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                     "\x81\x02hi",
                     accept);
    got_len = 0;
    played_say(text, (size_t)n);
    TURN_UNTIL(told.messages);
    assert_string_equal(told.last, "hi");
}

/* RFC-29. */
TEST(client_proxy, cli_11_asks_for_the_url_host_and_port)
{
    static const char *const rows[][3] = {
        { "ws://a.invalid", "a.invalid:80", "a.invalid" },
        { "ws://a.invalid:81/", "a.invalid:81", "a.invalid:81" },
        { "http://192.0.2.1:443", "192.0.2.1:443", "192.0.2.1:443" },
        { "ws://[2001:db8::1]/", "[2001:db8::1]:80", "[2001:db8::1]" },
        { "ws://[::1]:9001/", "[::1]:9001", "[::1]:9001" },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[256];
        open_through(HTTP, rows[i][0]);
        int n = snprintf(text, sizeof(text), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i][1], rows[i][1]);
        expect(text, (size_t)n);
        SAY("HTTP/1.1 200 Connection established\r\n\r\n");
        serve_request(rows[i][2]);
        assert_memory_equal(told.peer, "127.0.0.1:", 10);
        end();
        assert_int_equal(told.opened + told.closed, 2);
        assert_int_equal(told.failed, 0);
    }
}

TEST(client_proxy, cli_11_credentials_go_where_they_belong)
{
    begin(HTTP_USER);
    duet_client_config c = config_for("ws://a.invalid");
    static const duet_header headers[] = { { "Authorization", "Bearer server-only" }, { NULL, NULL } };
    c.headers = headers;
    connect_to(&c);
    accept_client();
    EXPECT("CONNECT a.invalid:80 HTTP/1.1\r\nHost: a.invalid:80\r\nProxy-Authorization: Basic " BASIC "\r\n\r\n");
    SAY("HTTP/1.1 200 OK\r\n\r\n");
    TURN_UNTIL((hear(), got_len > 4 && memcmp(got + got_len - 4, "\r\n\r\n", 4) == 0));
    assert_non_null(strstr(got, "\r\nAuthorization: Bearer server-only\r\n"));
    serve_request("a.invalid");
    end();
}

TEST(client_proxy, cli_11_an_http_answer_means_what_it_says)
{
    static const struct {
        const char *answer, *says; /* NULL: there is a tunnel */
        unsigned status;
        bool final;
    } rows[] = {
        { "HTTP/1.1 200 Connection established\r\n\r\n", NULL, 0, false },
        { "HTTP/1.0 200\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 204 x\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 299 x\r\nConnection: close\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 x\r\n\r\n", NULL, 0, false },
        { "HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhello", "spoke before it was asked", 0, false },
        { "HTTP/1.1 200 x\r\n\r\nH", "spoke before it was asked", 0, false },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", "101: it is no HTTP proxy", 101, true },
        { "HTTP/1.1 301 x\r\nLocation: ws://b\r\n\r\n", "301: Moved Permanently", 301, true },
        { "HTTP/1.1 400 x\r\n\r\n", "400: Bad Request", 400, true },
        { "HTTP/1.1 401 x\r\n\r\n", "401: it does not take this user name and password", 401, true },
        { "HTTP/1.1 403 " BASIC "\r\nContent-Length: 1\r\n\r\nx", "403: Forbidden", 403, true },
        { "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", "407: it does not take this user", 407,
          true },
        { "HTTP/1.1 408 x\r\n\r\n", "408: Request Timeout", 408, false },
        { "HTTP/1.1 410 x\r\n\r\n", "410: Gone", 410, true },
        { "HTTP/1.1 425 x\r\n\r\n", "answered 425: ", 425, false },
        { "HTTP/1.1 429 x\r\n\r\n", "429: Too Many Requests", 429, false },
        { "HTTP/1.1 500 x\r\n\r\n", "500: Internal Server Error", 500, false },
        { "HTTP/1.1 502 x\r\n\r\n", "502: Bad Gateway", 502, false },
        { "HTTP/1.1 504 x\r\n\r\n", "504: Gateway Timeout", 504, false },
        { "HTTP/1.1 200 x\n\n", "bare LF", 0, false },
        { "HTTP/2 200 x\r\n\r\n", "status line", 0, false },
        { "SSH-2.0-x\r\n", "status line", 0, false },
        { "HTTP/1.1 200 x\r\nA : b\r\n\r\n", "field line", 0, false },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t len = strlen(rows[i].answer);
        open_through(HTTP_USER, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        got_len = 0;
        played_say(rows[i].answer, len);
        if (rows[i].says == NULL) {
            serve_request("a.invalid");
        } else {
            TURN_UNTIL(told.failed);
            assert_int_equal(told.error, DUET_ERR_PROXY);
            if (strstr(told.detail, rows[i].says) == NULL || told.final != rows[i].final)
                fail_msg("row %u: %s", i, told.detail);
            assert_int_equal(told.proxy_status, rows[i].status);
            assert_int_equal(told.status, 0);
            played_silent_end();
        }
        end();
        assert_int_equal(told.opened, rows[i].says == NULL);
    }
}

TEST(client_proxy, cli_11_an_http_answer_comes_in_any_two_pieces_and_in_single_bytes)
{
    static const char answer[] = "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nVia: y\r\n\r\n";
    for (size_t cut = 0; cut < sizeof(answer); cut++) {
        open_through(HTTP, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        got_len = 0;
        for (size_t i = 0; cut == 0 && i < sizeof(answer) - 1; i++)
            played_say(answer + i, 1);
        if (cut > 0) {
            played_say(answer, cut);
            for (int i = 0; i < 2; i++)
                duet_loop_turn(loop, 0);
            if (cut < sizeof(answer) - 1) {
                hear();
                assert_int_equal(got_len, 0);
            }
            played_say(answer + cut, sizeof(answer) - 1 - cut);
        }
        serve_request("a.invalid");
        end();
        assert_int_equal(told.failed, 0);
    }
}

/* CLI-5: the limits of a head. */
TEST(client_proxy, cli_11_and_cli_5_a_head_has_64_kib_and_200_fields)
{
    static char text[70000];
    for (int more = -1; more <= 1; more++) {
        size_t len = (size_t)(HTTP_HEAD_MOST + more);
        memset(text, 'x', len);
        memcpy(text, "HTTP/1.1 200 OK\r\nA: ", 20);
        memcpy(text + len - 4, "\r\n\r\n", 4);
        open_through(HTTP, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        got_len = 0;
        played_say(text, len);
        TURN_UNTIL(told.failed || (hear(), got_len > 0));
        assert_int_equal(told.failed, more > 0);
        if (told.failed)
            assert_non_null(strstr(told.detail, "over the limit"));
        end();
    }
    for (int count = 199; count <= 201; count++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "A: b\r\n");
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
        open_through(HTTP, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        got_len = 0;
        played_say(text, len);
        TURN_UNTIL(told.failed || (hear(), got_len > 0));
        assert_int_equal(told.failed, count > 200);
        end();
    }
}

TEST(client_proxy, cli_11_a_head_without_end_and_interim_answers_end)
{
    static char line[1024];
    memset(line, 'a', sizeof(line));
    open_through(HTTP, "ws://a.invalid");
    SAY("HTTP/1.1 200 x\r\nX: ");
    for (int i = 0; i < 100 && !told.failed; i++)
        played_say(line, sizeof(line));
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_PROXY);
    end();
    for (int count = 8; count <= 9; count++) {
        open_through(HTTP, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        got_len = 0;
        for (int i = 0; i < count; i++)
            SAY("HTTP/1.1 102 x\r\n\r\n");
        if (count == 8) {
            SAY("HTTP/1.1 200 x\r\n\r\n");
            serve_request("a.invalid");
        }
        TURN_UNTIL(told.opened || told.failed);
        assert_int_equal(told.opened, count == 8);
        if (count == 9)
            assert_non_null(strstr(told.detail, "too many interim answers"));
        end();
    }
}

TEST(client_proxy, cli_11_the_time_to_open_holds_for_the_proxy_too)
{
    static const char *const forms[] = { HTTP_USER, SOCKS_USER };
    for (unsigned i = 0; i < 2; i++) {
        begin(forms[i]);
        duet_client_config c = config_for("ws://a.invalid");
        c.open_ms = 60;
        c.retry = false;
        connect_to(&c);
        accept_client();
        i == 0 ? SAY("HTTP/1.1 200 x\r\n") : SAY("\5\2");
        TURN_UNTIL(told.failed);
        assert_int_equal(told.error, DUET_ERR_TIMEOUT);
        assert_string_equal(told.detail, "the proxy did not answer in time");
        end();
    }
}

TEST(client_proxy, cli_11_a_proxy_that_closes_is_said_so)
{
    for (int reset = 0; reset < 2; reset++) {
        open_through(HTTP_USER, "ws://a.invalid");
        TURN_UNTIL((hear(), got_len > 0));
        SAY("HTTP/1.1 2");
        struct linger now = { .l_onoff = reset };
        setsockopt(accepted, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(accepted);
        accepted = -1;
        TURN_UNTIL(told.failed);
        assert_int_equal(told.error, reset ? -ECONNRESET : DUET_ERR_EOF);
        assert_string_equal(told.detail, "the proxy closed the connection before it answered");
        assert_false(told.final);
        end();
    }
}

#define NAME_REQUEST "\5\1\0\3\11a.invalid\0\x50"
#define GRANTED      "\5\0\0\1\0\0\0\0\0\0"

TEST(client_proxy, cli_11_socks5_without_a_user)
{
    open_through(SOCKS, "ws://a.invalid");
    EXPECT("\5\1\0");
    SAY("\5\0");
    EXPECT(NAME_REQUEST);
    SAY(GRANTED);
    serve_request("a.invalid");
    end();
    assert_int_equal(told.failed, 0);
    open_through(SOCKS, "ws://[2001:db8::1]:9001");
    EXPECT("\5\1\0");
    SAY("\5\0");
    EXPECT("\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x23\x29");
    SAY("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    serve_request("[2001:db8::1]:9001");
    end();
    char url[300] = "ws://", request[300] = "\5\1\0\3\xff";
    memset(url + 5, 'n', 255);
    memset(request + 5, 'n', 255);
    memcpy(request + 260, "\0\x50", 2);
    open_through(SOCKS, url);
    EXPECT("\5\1\0");
    SAY("\5\0");
    expect(request, 262);
    end();
}

/* The sign-in's every cut: after each answer the next thing is said, and not before. */
TEST(client_proxy, cli_11_socks5_answers_come_in_single_bytes)
{
    open_through(SOCKS_USER, "ws://a.invalid");
    EXPECT("\5\2\0\2");
    SAY("\5");
    EXPECT("");
    SAY("\2");
    EXPECT("\1\2me\6" SECRET);
    SAY("\1");
    EXPECT("");
    SAY("\0");
    EXPECT(NAME_REQUEST);
    static const char reply[] = "\5\0\0\3\7gateway\x12\x34";
    for (size_t i = 0; i < sizeof(reply) - 1; i++) {
        EXPECT("");
        played_say(reply + i, 1);
    }
    serve_request("a.invalid");
    end();
    assert_int_equal(told.failed, 0);
    /* The proxy may let it in without. */
    open_through(SOCKS_USER, "ws://a.invalid");
    EXPECT("\5\2\0\2");
    SAY("\5\0");
    EXPECT(NAME_REQUEST);
    end();
}

TEST(client_proxy, cli_11_a_socks5_answer_means_what_it_says)
{
    static const struct {
        const char *form, *method, *status, *reply; /* NULL: none */
        size_t len;                                 /* of the last of them */
        const char *says;
        bool final;
    } rows[] = {
        { SOCKS, "\5\xff", NULL, NULL, 2, "it wants a user name and password", true },
        { SOCKS, "\5\2", NULL, NULL, 2, "not offered", true },
        { SOCKS_USER, "\5\xff", NULL, NULL, 2, "it takes no user name and password", true },
        { SOCKS, "HTTP/1.1 400 x\r\n\r\n", NULL, NULL, 18, "not that of a SOCKS5 proxy", false },
        { SOCKS, "\5\0\5", NULL, NULL, 3, "spoke before it was asked", false },
        { SOCKS_USER, "\5\2\1\0", NULL, NULL, 4, "spoke before it was asked", false },
        { SOCKS_USER, "\5\2", "\1\1", NULL, 2, "it does not take this user name and password", true },
        { SOCKS_USER, "\5\2", "\1\0\5", NULL, 3, "spoke before it was asked", false },
        { SOCKS, "\5\0", NULL, "\5\1\0\1\0\0\0\0\0\0", 10, "general", false },
        { SOCKS, "\5\0", NULL, "\5\2\0\1\0\0\0\0\0\0", 10, "its rules", true },
        { SOCKS_USER, "\5\2", "\1\0", "\5\5\0\1\0\0\0\0\0\0", 10, "the server refused the connection (5)", false },
        { SOCKS, "\5\0", NULL, "\5\0\0\1\0\0\0\0\0\0H", 11, "spoke before it was asked", false },
        { SOCKS, "\5\0", NULL, "\5\0\0\7", 4, "not that of a SOCKS5 proxy", false },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *answers[] = { rows[i].method, rows[i].status, rows[i].reply };
        open_through(rows[i].form, "ws://a.invalid");
        for (unsigned k = 0; k < 3; k++) {
            if (answers[k] == NULL)
                continue;
            TURN_UNTIL((hear(), got_len > 0));
            got_len = 0;
            bool last = k == 2 || (answers[k + 1] == NULL && (k == 1 || answers[2] == NULL));
            played_say(answers[k], last ? rows[i].len : 2);
        }
        TURN_UNTIL(told.failed);
        assert_int_equal(told.error, DUET_ERR_PROXY);
        if (strstr(told.detail, rows[i].says) == NULL || told.final != rows[i].final)
            fail_msg("row %u: %s", i, told.detail);
        assert_int_equal(told.status + told.proxy_status, 0);
        played_silent_end();
        end();
        assert_int_equal(told.opened, 0);
    }
}

/* CLI-4: nothing is sent, nobody is called. */
TEST(client_proxy, cli_4_what_cannot_be_sent_to_a_proxy_is_an_error)
{
    static const char *const rows[][2] = {
        { "http://h\r\nX: y/", "malformed" },
        { "http://h/\r\n", "percent-encoded" },
        { "http://me:" SECRET "\r\n@h", "percent-encoded" },
        { "http://me\n:" SECRET "@h", "percent-encoded" },
        { "http://me:" SECRET "%0d%0aX:y@h", "control character" },
        { "http://m%00e:" SECRET "@h", "control character" },
        { "socks5://m%7fe:" SECRET "@h", "control character" },
        { "http://m%3ae:" SECRET "@h", "colon" },
        { "socks5://:" SECRET "@h", "empty" },
        { "https://me:" SECRET "@h", "none of http: socks5: socks5h:" },
        { SECRET "://h", "none of http: socks5: socks5h:" },
        { "http://me:" SECRET "@h:70000", "port" },
        { "http://me:" SECRET "@", "host" },
        { "", "none of http: socks5: socks5h:" },
    };
    begin(HTTP);
    char why[200];
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        duet_client_config c = config_for("ws://127.0.0.1:1");
        c.proxy = rows[i][0];
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_URL);
        if (strstr(why, rows[i][1]) == NULL || memcmp(why, "the proxy: ", 11) != 0)
            fail_msg("row %u: %s", i, why);
        expect_no_secret(why);
    }
    static const char *const forms[] = { "http://%s@h", "socks5://%s@h", "http://u:%s@h", "http://%s" };
    for (unsigned i = 0; i < 4; i++)
        for (int len = 254; len <= 256; len++) {
            char text[300], url[300];
            memset(text, 'n', sizeof(text));
            text[len] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(url, sizeof(url), forms[i], text);
#pragma GCC diagnostic pop
            duet_client_config c = config_for("ws://127.0.0.1:1");
            c.proxy = url;
            assert_int_equal(duet_connect(&client, loop, &c, why), len > 255 ? DUET_ERR_URL : 0);
            if (len <= 255)
                duet_client_free(client);
            duet_loop_turn(loop, 0);
        }
    client = NULL;
    for (int i = 0; i < 5; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    end();
    assert_int_equal(told.opened, 0);
}

/* The longest there is: it is said whole. */
TEST(client_proxy, cli_11_the_longest_user_password_and_name)
{
    static char url[300] = "ws://", text[2000], pair[600];
    begin(HTTP);
    unsigned port = (unsigned)atoi(strrchr(proxy_url, ':') + 1);
    memset(url + 5, 'n', 255);
    memset(pair, 'u', 511);
    pair[255] = ':';
    static char with_user[700];
    snprintf(with_user, sizeof(with_user), "http://%s@127.0.0.1:%u", pair, port);
    duet_client_config c = config_for(url);
    c.proxy = with_user;
    connect_to(&c);
    accept_client();
    int n = snprintf(text, sizeof(text), "CONNECT %s:80 HTTP/1.1\r\nHost: %s:80\r\nProxy-Authorization: Basic ",
                     url + 5, url + 5);
    n += (int)base64_encode(text + n, pair, 511);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n\r\n");
    expect(text, (size_t)n);
    end();
}

TEST(client_proxy, a_socket_file_needs_none)
{
    char path[] = "/tmp/duet-proxy-XXXXXX", to[64];
    assert_non_null(mkdtemp(path));
    snprintf(to, sizeof(to), "unix:%s/s", path);
    begin(HTTP);
    duet_server_config s = { DUET_SERVER_CONFIG_INIT, .listen = to, .on = { .message = server_message } };
    assert_int_equal(duet_server_new(&server, &s, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    setenv("all_proxy", proxy_url, 1);
    for (int by_env = 0; by_env < 2; by_env++) {
        duet_client_config c = config_for(to);
        if (by_env) {
            c.proxy = NULL;
            c.proxy_env = true;
        }
        if (duet_connect(&client, loop, &c, NULL) < 0)
            fail_msg("no client");
        TURN_UNTIL(told.opened == 1u + (unsigned)by_env);
        assert_string_equal(told.peer, "unix");
        duet_client_free(client);
        client = NULL;
    }
    unsetenv("all_proxy");
    end();
    unlink(to + 5);
    rmdir(path);
}

static const char *const variables[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                         "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY" };

static void clear_environment(void)
{
    for (unsigned i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
}

/* "NAME=VALUE NAME=VALUE": what duet_connect() makes of them. */
TEST(client_proxy, the_environment_says_which)
{
    static const struct {
        const char *set, *url, *proxy; /* "KIND NAME PORT USER"; NULL: none; "!" and a part of the error */
    } rows[] = {
        { "", "ws://h", NULL },
        { "http_proxy=http://p:3128", "ws://h", "1 p 3128 " },
        { "http_proxy=http://p:3128", "http://h", "1 p 3128 " },
        { "http_proxy=http://p:3128", "wss://h", NULL },
        { "HTTP_PROXY=http://p:3128", "ws://h", NULL }, /* httpoxy */
        { "HTTP_PROXY=http://evil all_proxy=http://p", "ws://h", "1 p 80 " },
        { "https_proxy=http://p", "wss://h", "1 p 80 " },
        { "HTTPS_PROXY=http://p", "https://h", "1 p 80 " },
        { "HTTPS_PROXY=http://p https_proxy=http://q", "wss://h", "1 q 80 " },
        { "HTTPS_PROXY=http://p", "ws://h", NULL },
        { "all_proxy=socks5h://me:x@p", "ws://h", "2 p 1080 me" },
        { "ALL_PROXY=socks5://[::1]:1", "wss://h", "2 ::1 1 " },
        { "all_proxy=http://p https_proxy=http://q", "wss://h", "1 q 80 " },
        { "all_proxy=http://p https_proxy=", "wss://h", "1 p 80 " },
        { "http_proxy=p:3128", "ws://h", "1 p 3128 " },
        { "http_proxy=p", "ws://h", "1 p 80 " },
        { "http_proxy=me:x@p:3128/", "ws://h", "1 p 3128 me" },
        { "http_proxy=http://p no_proxy=h", "ws://h", NULL },
        { "http_proxy=http://p NO_PROXY=.example,[::1]", "ws://[::1]", NULL },
        { "http_proxy=http://p NO_PROXY=h no_proxy=i", "ws://h", "1 p 80 " },
        { "http_proxy=http://p no_proxy=h:81", "ws://h", "1 p 80 " },
        { "http_proxy=http://p no_proxy=h:81", "ws://h:81", NULL },
        { "http_proxy=http://p no_proxy=*", "ws://192.0.2.1", NULL },
        { "all_proxy=http://p no_proxy=192.0.2.0/24", "wss://192.0.2.1", NULL },
        { "https_proxy=https://me:" SECRET "@p", "wss://h", "!https_proxy in the environment: the URL of a proxy" },
        { "ALL_PROXY=me:" SECRET "@p:x", "wss://h", "!ALL_PROXY in the environment: the host" },
        { "https_proxy=https://p no_proxy=h", "wss://h", NULL },
    };
    begin(HTTP);
    clear_environment();
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char set[200], why[200], line[600] = "";
        snprintf(set, sizeof(set), "%s", rows[i].set);
        for (char *at = strtok(set, " "); at != NULL; at = strtok(NULL, " ")) {
            char *value = strchr(at, '=');
            *value = 0;
            setenv(at, value + 1, 1);
        }
        duet_client_config c = config_for(rows[i].url);
        c.proxy = NULL;
        c.insecure = true; /* or else each reads the system's certificates */
        assert_int_equal(duet_connect(&client, loop, &c, why), 0); /* nobody asked for the environment */
        assert_int_equal(client->proxy.kind, PROXY_NONE);
        duet_client_free(client);
        c.proxy_env = true;
        int rc = duet_connect(&client, loop, &c, why);
        if (rc < 0) {
            expect_no_secret(why);
            snprintf(line, sizeof(line), "!%s", why);
        } else if (client->proxy.kind != PROXY_NONE) {
            const struct proxy *p = &client->proxy;
            snprintf(line, sizeof(line), "%u %s %u %s", p->kind, p->name, p->port, p->user);
        }
        const char *wanted = rows[i].proxy ? rows[i].proxy : "";
        if (strncmp(line, wanted, wanted[0] == '!' ? strlen(wanted) : sizeof(line)) != 0)
            fail_msg("%s and %s: %s", rows[i].set, rows[i].url, line);
        assert_int_equal(rc, wanted[0] == '!' ? DUET_ERR_URL : 0);
        if (rc == 0)
            duet_client_free(client);
        c.proxy = "http://other";
        assert_int_equal(duet_connect(&client, loop, &c, why), 0);
        assert_string_equal(client->proxy.name, "other");
        duet_client_free(client);
        duet_loop_turn(loop, 0);
        client = NULL;
        clear_environment();
    }
    end();
}

/* The names of the tests are never looked up outside: the program's own function comes before the library's. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return strstr(host, ".invalid") != NULL ? EAI_NONAME : real(host, service, hints, out);
}

/* CLI-12, with the proxy's addresses. */
TEST(client_proxy, cli_12_the_proxys_addresses_are_tried_in_turn)
{
    begin("http://localhost:%u"); /* ::1 first, where nobody listens */
    duet_client_config c = config_for("ws://a.invalid");
    c.retry = false;
    connect_to(&c);
    accept_client();
    EXPECT("CONNECT a.invalid:80 HTTP/1.1\r\nHost: a.invalid:80\r\n\r\n");
    end();
    begin("http://127.0.0.1:%u");
    close(listener);
    connect_to(&(duet_client_config){ DUET_CLIENT_CONFIG_INIT, .url = "ws://a.invalid", .failed = on_failed,
                                      .proxy = proxy_url });
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, -ECONNREFUSED);
    assert_string_equal(told.detail, "the proxy 127.0.0.1: Connection refused");
    end();
    begin("socks5://me:" SECRET "@nowhere.invalid:%u");
    connect_to(&(duet_client_config){ DUET_CLIENT_CONFIG_INIT, .url = "ws://127.0.0.1", .failed = on_failed,
                                      .proxy = proxy_url });
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_RESOLVE);
    assert_string_equal(told.detail, "the proxy nowhere.invalid: the host name has no address");
    end();
}

/* CLI-10: a proxy's Retry-After counts, and the next attempt goes the same way from its start. */
TEST(client_proxy, cli_10_it_comes_back_through_the_proxy)
{
    static const char asked[] =
        "CONNECT a.invalid:80 HTTP/1.1\r\nHost: a.invalid:80\r\nProxy-Authorization: Basic " BASIC "\r\n\r\n";
    open_through(HTTP_USER, "ws://a.invalid");
    EXPECT(asked);
    SAY("HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy");
    TURN_UNTIL(told.failed == 1);
    assert_false(told.final);
    assert_in_range(told.retry_ms, 1000, 1001);
    accept_client();
    EXPECT(asked);
    SAY("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 2"); /* half an answer is forgotten */
    close(accepted);
    accepted = -1;
    TURN_UNTIL(told.failed == 2);
    assert_int_equal(told.proxy_status, 0);
    assert_in_range(told.retry_ms, 0, 1);
    accept_client();
    EXPECT(asked);
    SAY("HTTP/1.1 200 x\r\n\r\n");
    serve_request("a.invalid");
    close(accepted); /* lost: it comes back again */
    accepted = -1;
    TURN_UNTIL(told.closed == 1);
    accept_client();
    EXPECT(asked);
    SAY("HTTP/1.1 407 x\r\n\r\n");
    TURN_UNTIL(told.failed == 3);
    assert_true(told.final);
    assert_int_equal(client->state, CLIENT_OVER);
    end();
}

/* What is refused for lack of a password, and what the server says through the tunnel. */
TEST(client_proxy, a_servers_refusal_is_the_servers)
{
    open_through(HTTP, "ws://a.invalid");
    TURN_UNTIL((hear(), got_len > 0));
    SAY("HTTP/1.1 407 x\r\n\r\n");
    TURN_UNTIL(told.failed);
    assert_string_equal(told.detail, "the proxy answered 407: it wants a user name and password");
    end();
    open_through(HTTP, "ws://a.invalid");
    TURN_UNTIL((hear(), got_len > 0));
    SAY("HTTP/1.1 200 x\r\n\r\n");
    got_len = 0;
    TURN_UNTIL((hear(), got_len > 0));
    SAY("HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n");
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_HANDSHAKE);
    assert_int_equal(told.status, 407);
    assert_int_equal(told.proxy_status, 0);
    end();
}

/* A proxy that lets all pass, both ways, between a client and a server of ours. */
static void pass(int from, int to)
{
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof(bytes), 0);
    for (ssize_t done = 0; done < n;) {
        ssize_t some = send(to, bytes + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (some < 0 && errno != EAGAIN)
            return;
        done += some > 0 ? some : 0;
    }
}

static void pass_on(void)
{
    pass(accepted, onward);
    pass(onward, accepted);
}

static duet_tls *tls;
static char folder[] = "/tmp/duet-proxy-XXXXXX", cert_path[64], key_path[64];

static void make_certificate(void)
{
    assert_non_null(mkdtemp(folder));
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    cert_make(cert_path, key_path, "DNS:localhost");
    const char *cert = cert_path, *key = key_path;
    assert_int_equal(duet_tls_new(&tls, &cert, &key, 1, NULL), 0);
}

static void remove_certificate(void)
{
    duet_tls_free(tls);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
    memcpy(strrchr(folder, '-'), "-XXXXXX", 7);
}

/* A server with TLS, and a client on its way to the proxy. */
static void begin_secure(const char *form)
{
    char url[64];
    begin(form);
    duet_server_config s = { DUET_SERVER_CONFIG_INIT, .listen = "wss://127.0.0.1:0",
                             .on = { .message = server_message }, .tls = tls };
    char why[200] = "";
    int rc = duet_server_new(&server, &s, why);
    if (rc < 0)
        fail_msg("%s (%d)", why, rc);
    assert_int_equal(duet_server_attach(server, loop), 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)duet_server_port(server, 0)) };
    onward = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(onward, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(fcntl(onward, F_SETFL, O_NONBLOCK), 0);
    snprintf(url, sizeof(url), "wss://localhost:%u/", ntohs(at.sin_port));
    duet_client_config c = config_for(url);
    c.ca = cert_path;
    connect_to(&c);
}

/* What a proxy of either kind says, one after the other. */
struct line {
    const char *bytes;
    size_t len;
};
static const struct line http_lines[] = { { "HTTP/1.1 200 OK\r\n\r\n", 19 }, { NULL, 0 } };
static const struct line socks_lines[] = { { "\5\2", 2 }, { "\1\0", 2 }, { GRANTED, 10 }, { NULL, 0 } };

/* One turn of the loop and of the proxy, which is at `at` of its lines. */
static void step(const struct line **at)
{
    duet_loop_turn(loop, 1);
    if (accepted < 0) {
        accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return;
    }
    if ((*at)->bytes == NULL) {
        pass_on();
    } else if (recv(accepted, got, sizeof(got), 0) > 0) {
        assert_int_equal(send(accepted, (*at)->bytes, (*at)->len, MSG_NOSIGNAL), (*at)->len); /* without a turn */
        ++*at;
    }
}

static unsigned states; /* that were seen, a bit each */

/* CLI-13: freed after each number of steps through the proxy and TLS. Returns whether it was open by then. */
static bool freed_after(const char *form, const struct line *lines, int steps)
{
    begin_secure(form);
    for (int i = 0; i < steps; i++)
        step(&lines);
    states |= 1u << client->state;
    bool open = told.opened;
    duet_client_free(client);
    assert_int_equal(told.failed + told.closed, 1);
    assert_int_equal(told.closed, told.opened);
    if (steps % 2)
        duet_loop_turn(loop, 0);
    client = NULL;
    end();
    assert_int_equal(told.failed + told.closed, 1);
    return open;
}

TEST(client_proxy, cli_13_freed_in_each_state_it_has_one_final_event)
{
    make_certificate();
    static const char *const forms[] = { HTTP_USER, SOCKS_USER };
    for (unsigned i = 0; i < 2; i++) {
        states = 0;
        for (int steps = 0; !freed_after(forms[i], i == 0 ? http_lines : socks_lines, steps); steps++)
            assert_in_range(steps, 0, 1000);
        assert_int_equal(states & ~(1u << CLIENT_RESOLVING | 1u << CLIENT_CONNECTING),
                         1u << CLIENT_PROXYING | 1u << CLIENT_OPENING | 1u << CLIENT_OPEN);
    }
    remove_certificate();
}

TEST(client_proxy, cli_11_tls_is_with_the_server_inside_the_tunnel)
{
    make_certificate();
    static const char *const forms[] = { HTTP, SOCKS_USER };
    for (unsigned i = 0; i < 2; i++) {
        const struct line *at = i == 0 ? http_lines : socks_lines;
        begin_secure(forms[i]);
        TURN_UNTIL((step(&at), told.opened));
        assert_true(duet_is_secure(duet_client_conn(client)));
        assert_int_equal(duet_send(duet_client_conn(client), DUET_TEXT, "through", 7), 0);
        TURN_UNTIL((step(&at), told.messages));
        assert_string_equal(told.last, "through");
        duet_close(duet_client_conn(client), 1000, "");
        TURN_UNTIL((step(&at), told.closed));
        assert_int_equal(told.code, 1000);
        end();
    }
    remove_certificate();
}

/* What TLS says of the server's answer is told as without a proxy. */
TEST(client_proxy, a_server_without_tls_is_said_so)
{
    begin(HTTP);
    duet_client_config c = config_for("wss://a.invalid");
    c.insecure = true;
    connect_to(&c);
    accept_client();
    TURN_UNTIL((hear(), got_len > 0));
    got_len = 0;
    SAY("HTTP/1.1 200 x\r\n\r\n");
    TURN_UNTIL((hear(), got_len > 0));
    SAY("HTTP/1.1 400 x\r\n\r\n");
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_TLS);
    assert_memory_equal(told.detail, "TLS failed: ", 12);
    end();
}

static void free_on_failed(duet_client *cl, const duet_failure *f)
{
    on_failed(cl, f);
    client = NULL;
    duet_client_free(cl);
}

TEST(client_proxy, cli_13_it_may_free_itself_when_the_proxy_refuses)
{
    static const char *const answers[] = { "HTTP/1.1 502 x\r\n\r\n", "HTTP/1.1 200 x\r\n\r\nearly" };
    for (unsigned i = 0; i < 2; i++) {
        begin(HTTP);
        duet_client_config c = config_for("ws://a.invalid");
        c.failed = free_on_failed;
        connect_to(&c);
        accept_client();
        played_say(answers[i], strlen(answers[i]));
        TURN_UNTIL(told.failed);
        duet_loop_turn(loop, 0);
        end();
        assert_int_equal(told.failed, 1);
    }
}

/* Up to the first byte behind the tunnel: TLS's, or the request's. */
static unsigned long fail_one(const char *form, const char *url, unsigned long after, bool for_ever)
{
    begin(form);
    const struct line *at = strstr(form, "socks") ? socks_lines : http_lines;
    duet_client_config c = config_for(url);
    c.retry = false;
    c.insecure = true; /* the system's certificates take long to read */
    mem_fail(after, for_ever);
    int rc = duet_connect(&client, loop, &c, NULL);
    if (rc < 0) {
        assert_int_equal(rc, DUET_ERR_NOMEM);
        client = NULL;
    }
    bool spoke = false;
    for (int i = 0; i < 200 && rc == 0 && !told.failed && !spoke; i++) {
        spoke = at->bytes == NULL && recv(accepted, got, 1, 0) == 1;
        if (!spoke && at->bytes != NULL)
            step(&at);
        else
            duet_loop_turn(loop, 1);
    }
    unsigned long asked_for = mem_fail_end();
    assert_true(rc < 0 || told.failed || spoke);
    end();
    if (rc == 0)
        assert_int_equal(told.failed, 1);
    return asked_for;
}

TEST(client_proxy, mem_2_each_allocation_fails_once_and_for_ever)
{
    static const char *const forms[] = { HTTP_USER, SOCKS_USER };
    static const char *const urls[] = { "ws://a.invalid", "wss://a.invalid" };
    for (unsigned i = 0; i < 8; i++) {
        unsigned long after = 0;
        while (fail_one(forms[i & 1], urls[i >> 1 & 1], after, i >> 2) > after)
            after++;
        assert_in_range(after, 6, 1000);
    }
    /* And a variable without a scheme, which is put together. */
    begin(HTTP);
    clear_environment();
    setenv("all_proxy", "h:1", 1);
    duet_client_config c = config_for("ws://a.invalid");
    c.proxy = NULL;
    c.proxy_env = true;
    bool failing = true;
    for (unsigned long after = 0; failing; after++) {
        mem_fail(after, false);
        int rc = duet_connect(&client, loop, &c, NULL);
        unsigned long asked_for = mem_fail_end();
        failing = asked_for > after;
        assert_int_equal(rc, failing ? DUET_ERR_NOMEM : 0);
        if (rc == 0)
            duet_client_free(client);
        client = NULL;
    }
    clear_environment();
    end();
}
