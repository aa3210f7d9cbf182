/* SPDX-License-Identifier: MIT */
/* A client against a server of ours in the same loop, and against sockets that answer what a test says. */
#include "test.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "cert.h"
#include "client/backoff.h"
#include "client/client.h"
#include "proto/handshake.h"
#include "played.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <duet/duet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static duet_server *server;
static duet_client *client;
static char url[200];

/* What the client's application was told. */
static struct {
    unsigned opened, messages, closed, failed;
    int error;
    unsigned status, code, retry_ms;
    bool final;
    char detail[200], body[200], last[64];
    size_t len;
    duet_conn *conn;
} told;

static void on_open(duet_conn *c)
{
    told.opened++;
    told.conn = c;
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    told.messages++;
    told.len = m->len;
    snprintf(told.last, sizeof(told.last), "%.*s", (int)(m->len < 60 ? m->len : 60), (const char *)m->data);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    told.closed++;
    told.code = why->code;
    told.error = why->error;
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl;
    told.failed++;
    told.error = f->error;
    told.status = f->status;
    told.final = f->final;
    told.retry_ms = f->retry_ms;
    snprintf(told.detail, sizeof(told.detail), "%s", f->detail);
    snprintf(told.body, sizeof(told.body), "%.*s", (int)(f->body_len < 190 ? f->body_len : 190),
             f->body ? f->body : "");
    told.len = f->body_len;
}

static duet_client_config config_for(const char *to)
{
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT,
                                 .url = to,
                                 .on = { .open = on_open, .message = on_message, .close = on_close },
                                 .failed = on_failed };
}

static void server_message(duet_conn *c, const duet_msg *m)
{
    if (m->len == 3 && memcmp(m->data, "bye", 3) == 0)
        duet_close(c, 4000, "bye");
    else
        duet_send(c, m->type, m->data, m->len);
}

static void begin(void)
{
    memset(&told, 0, sizeof(told));
    client = NULL;
    server = NULL;
    assert_int_equal(duet_loop_new(&loop), 0);
}

static void end(void)
{
    duet_client_free(client);
    duet_server_free(server);
    duet_loop_free(loop);
}

static void serve(const char *listen, duet_tls *tls)
{
    duet_server_config c = { DUET_SERVER_CONFIG_INIT, .listen = listen, .on = { .message = server_message }, .tls = tls,
                             .message_max = 20 << 20 };
    char why[200];
    if (duet_server_new(&server, &c, why) < 0)
        fail_msg("%s", why);
    assert_int_equal(duet_server_attach(server, loop), 0);
}

static void connect_to(const duet_client_config *c)
{
    char why[200];
    if (duet_connect(&client, loop, c, why) < 0)
        fail_msg("%s", why);
}

static void open_to_own_server(void)
{
    begin();
    serve("ws://127.0.0.1:0", NULL);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/a?b=c", duet_server_port(server, 0));
    duet_client_config c = config_for(url);
    connect_to(&c);
}

/* A socket that answers as a test says. */

static char asked[8192];
static size_t asked_len;

static unsigned listen_raw(void)
{
    asked_len = 0;
    memset(asked, 0, sizeof(asked));
    return played_listen();
}

/* Takes the client's request, whole. */
static void take_request(void)
{
    TURN_UNTIL((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
    asked_len = 0;
    memset(asked, 0, sizeof(asked));
    while (strstr(asked, "\r\n\r\n") == NULL) {
        duet_loop_turn(loop, 1);
        ssize_t n = recv(accepted, asked + asked_len, sizeof(asked) - 1 - asked_len, 0);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        asked_len += n > 0 ? (size_t)n : 0;
    }
}

static void end_raw(void)
{
    end();
    if (accepted >= 0)
        close(accepted);
    close(listener);
}

static void accept_text(char out[32])
{
    const char *key = strstr(asked, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    handshake_accept_text(out, key + 19, 24);
}

/* Begins a client to a raw socket and takes its request. */
static void open_raw(void)
{
    begin();
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
    duet_client_config c = config_for(url);
    static const char *const subprotocols[] = { "chat", "b", NULL };
    static const duet_header headers[] = { { "Cookie", "a=b; c=\"d\"" }, { NULL, NULL } };
    c.subprotocols = subprotocols;
    c.headers = headers;
    connect_to(&c);
    take_request();
}

TEST(client, speaks_with_a_server_in_the_same_loop)
{
    char peer[64];
    open_to_own_server();
    assert_null(duet_client_conn(client));
    TURN_UNTIL(told.opened);
    duet_conn *c = duet_client_conn(client);
    assert_ptr_equal(c, told.conn);
    assert_ptr_equal(duet_client_of(c), client);
    assert_null(duet_server_of(c));
    assert_int_equal(duet_subscribe(c, "x"), DUET_ERR_INVALID);
    assert_memory_equal(duet_peer(c, peer), url + 5, strlen(peer));
    assert_false(duet_is_secure(c));
    assert_int_equal(duet_send(c, DUET_TEXT, "hello", 5), 0);
    TURN_UNTIL(told.messages);
    assert_string_equal(told.last, "hello");
    assert_int_equal(duet_send(c, DUET_TEXT, "bye", 3), 0);
    TURN_UNTIL(told.closed);
    assert_int_equal(told.code, 4000);
    assert_int_equal(told.error, 0);
    end();
    assert_int_equal(told.opened + told.closed, 2);
    assert_int_equal(told.failed, 0);
}

TEST(client, sends_and_gets_messages_of_many_sizes)
{
    static char data[17 << 20];
    begin();
    serve("ws://127.0.0.1:0", NULL);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", duet_server_port(server, 0));
    duet_client_config c = config_for(url);
    c.message_max = 20 << 20;
    c.queue_max = DUET_OFF;
    connect_to(&c);
    TURN_UNTIL(told.opened);
    memset(data, 'x', sizeof(data));
    static const size_t sizes[] = { 0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20 };
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_int_equal(duet_send(told.conn, DUET_BINARY, data, sizes[i]), 0);
        TURN_UNTIL(told.messages == i + 1);
        assert_int_equal(told.len, sizes[i]);
    }
    assert_int_equal(duet_close(told.conn, 1000, "done"), 0);
    TURN_UNTIL(told.closed);
    assert_int_equal(told.code, 1000);
    end();
}

static char heads[200];

static void on_head(duet_client *cl, bool sent, const char *head, size_t len)
{
    assert_ptr_equal(cl, client);
    assert_memory_equal(head + len - 4, "\r\n\r\n", 4);
    size_t have = strlen(heads);
    snprintf(heads + have, sizeof(heads) - have, "%c %.*s\n", sent ? '>' : '<', (int)strcspn(head, "\r"), head);
}

TEST(client, the_heads_of_an_attempt_are_told)
{
    begin();
    serve("ws://127.0.0.1:0", NULL);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/x", duet_server_port(server, 0));
    heads[0] = 0;
    duet_client_config c = config_for(url);
    c.trace_head = on_head;
    connect_to(&c);
    TURN_UNTIL(told.opened);
    assert_string_equal(heads, "> GET /x HTTP/1.1\n< HTTP/1.1 101 Switching Protocols\n");
    end();
}

TEST(client, connects_to_a_socket_file)
{
    char path[] = "/tmp/duet-client-XXXXXX", to[64], peer[64];
    assert_non_null(mkdtemp(path));
    snprintf(to, sizeof(to), "unix:%s/s", path);
    begin();
    serve(to, NULL);
    duet_client_config c = config_for(to);
    connect_to(&c);
    TURN_UNTIL(told.opened);
    assert_string_equal(duet_peer(told.conn, peer), "unix");
    end();
    assert_int_equal(told.closed, 1);
    unlink(to + 5);
    rmdir(path);
}

/* RFC-31, RFC-33. */
TEST(client, asks_as_the_rfc_says)
{
    char host[256];
    open_raw();
    assert_memory_equal(asked, "GET / HTTP/1.1\r\n", 16);
    snprintf(host, sizeof(host), "Host: %s\r\n", url + 5);
    assert_non_null(strstr(asked, host));
    assert_non_null(strstr(asked, "Sec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr(asked, "Sec-WebSocket-Protocol: chat, b\r\n"));
    assert_non_null(strstr(asked, "\r\nCookie: a=b; c=\"d\"\r\n"));
    /* Nothing is sent before the answer (RFC-35). */
    for (int i = 0; i < 20; i++)
        duet_loop_turn(loop, 1);
    char byte;
    assert_int_equal(recv(accepted, &byte, 1, 0), -1);
    end_raw();
    assert_int_equal(told.failed, 1);
    assert_int_equal(told.error, DUET_ERR_CLOSED);
}

/* %s: the right Sec-WebSocket-Accept. */
#define GOOD                                                                                                           \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
#define RIGHT "Sec-WebSocket-Accept: %s\r\n"

/* RFC-37, RFC-38, RFC-39, RFC-40, RFC-41. */
TEST(client, cli_1_a_wrong_answer_fails_and_names_the_field)
{
    static const struct {
        const char *answer, *says;
    } rows[] = {
        { "HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" RIGHT "\r\n", "Upgrade" },
        { "HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" RIGHT "\r\n", "Upgrade" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocketx\r\nConnection: Upgrade\r\n" RIGHT "\r\n", "Upgrade" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" RIGHT "\r\n", "Connection" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close\r\n" RIGHT "\r\n", "Connection" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n%.0s", "Accept" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
          "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n%.0s", "Accept" },
        { "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x%s\r\n\r\n",
          "Accept" },
        { GOOD "Sec-WebSocket-Accept: x\r\n\r\n", "Accept" },
        { GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "Extensions" },
        { GOOD "Sec-WebSocket-Extensions: x\r\n\r\n", "Extensions" },
        { GOOD "Sec-WebSocket-Protocol: other\r\n\r\n", "Protocol" },
        { GOOD "Sec-WebSocket-Protocol: Chat\r\n\r\n", "Protocol" },
        { GOOD "Sec-WebSocket-Protocol: chat, b\r\n\r\n", "Protocol" },
        { GOOD "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", "Protocol" },
        { "HTTP/2 101 x\r\n\r\n%.0s", "" },
        { "hello\r\n\r\n%.0s", "" },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char accept[32], text[1024];
        open_raw();
        accept_text(accept);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(text, sizeof(text), rows[i].answer, accept);
#pragma GCC diagnostic pop
        played_say(text, (size_t)n);
        TURN_UNTIL(told.failed);
        assert_int_equal(told.error, DUET_ERR_HANDSHAKE);
        if (strstr(told.detail, rows[i].says) == NULL)
            fail_msg("row %u: %s", i, told.detail);
        played_silent_end();
        end_raw();
        assert_int_equal(told.opened, 0);
        assert_int_equal(told.failed, 1);
    }
}

static void answer_rightly(const char *more)
{
    char accept[32], text[512];
    accept_text(accept);
    int n = snprintf(text, sizeof(text), GOOD "%s\r\n", accept, more);
    played_say(text, (size_t)n);
}

/* RFC-26. */
TEST(client, frames_behind_the_answer_in_one_piece_are_read)
{
    char accept[32], text[512];
    open_raw();
    accept_text(accept);
    int n = snprintf(text, sizeof(text), GOOD "Sec-WebSocket-Protocol: b\r\n\r\n\x81\x02hi\x88\x02\x03\xe8", accept);
    played_say(text, (size_t)n);
    TURN_UNTIL(told.closed);
    assert_string_equal(told.last, "hi");
    assert_int_equal(told.code, 1000);
    end_raw();
}

TEST(client, rfc_42_a_server_may_choose_no_subprotocol)
{
    open_raw(); /* it asks for two */
    answer_rightly("");
    TURN_UNTIL(told.opened);
    assert_null(duet_subprotocol(told.conn));
    end_raw();
    open_raw();
    answer_rightly("Sec-WebSocket-Protocol: b\r\n");
    TURN_UNTIL(told.opened);
    assert_string_equal(duet_subprotocol(told.conn), "b");
    end_raw();
}

/* RFC 6455 7.1.1: the side that ends TCP first has to remember it (TIME_WAIT), and that is to be the server. */
TEST(client, rfc_81_the_end_of_tcp_is_left_to_the_server)
{
    uint8_t answered[64];
    open_raw();
    answer_rightly("");
    TURN_UNTIL(told.opened);
    played_say("\x88\x02\x03\xe8", 4);
    ssize_t n = 0;
    TURN_UNTIL((n = recv(accepted, answered, sizeof(answered), 0)) > 0);
    assert_int_equal(n, 2 + 4 + 2);
    assert_int_equal(answered[0], 0x88);
    for (int i = 0; i < 20; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(recv(accepted, answered, sizeof(answered), 0), -1); /* no end of it yet */
    assert_int_equal(errno, EAGAIN);
    shutdown(accepted, SHUT_WR);
    TURN_UNTIL((n = recv(accepted, answered, sizeof(answered), 0)) == 0);
    TURN_UNTIL(told.closed);
    assert_int_equal(told.code, 1000);
    end_raw();
}

/* RFC-36. */
TEST(client, cli_2_a_refusal_comes_with_status_and_body)
{
    static const struct {
        const char *answer, *body;
        unsigned status;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200 },
        { "HTTP/1.1 204 No Content\r\n\r\n", "", 204 },
        { "HTTP/1.1 304 Not Modified\r\n\r\n", "", 304 },
        { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", "no", 401 },
        { "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", 503 },
        { "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx", "x", 403 },
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        open_raw();
        /* In single bytes, too. */
        for (const char *at = rows[i].answer; *at != 0 && !told.failed; at++)
            played_say(at, 1);
        TURN_UNTIL(told.failed);
        assert_int_equal(told.error, DUET_ERR_HANDSHAKE);
        assert_int_equal(told.status, rows[i].status);
        assert_string_equal(told.body, rows[i].body);
        assert_true(told.final);
        end_raw();
    }
}

TEST(client, cli_2_eight_interim_answers_are_passed_over_and_no_more)
{
    static const char early[] = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n";
    for (int count = 8; count <= 9; count++) {
        open_raw();
        for (int i = 0; i < count; i++)
            played_say(early, sizeof(early) - 1);
        if (count == 8)
            answer_rightly("");
        TURN_UNTIL(told.opened || told.failed);
        assert_int_equal(told.opened, count == 8);
        end_raw();
    }
}

TEST(client, cli_2_a_body_is_cut_at_64_kib)
{
    static const char head[] = "HTTP/1.1 500 x\r\n\r\n";
    static char body[4096];
    memset(body, 'b', sizeof(body));
    open_raw();
    played_say(head, sizeof(head) - 1);
    for (int i = 0; i < 40 && !told.failed; i++)
        played_say(body, sizeof(body));
    TURN_UNTIL(told.failed);
    assert_int_equal(told.status, 500);
    assert_int_equal(told.len, 64 * 1024);
    end_raw();
}

TEST(client, cli_4_what_would_break_the_request_is_an_error_and_nothing_is_sent)
{
    static const char *const urls[] = { "ws://h\r\nX: y/", "ws://h/a\r\nb", "ws://h/a b", "ws://h/#f", "ws://u:p@h/",
                                        "ftp://h/", "ws://", "ws://h:0/", "ws://h:70000/", "", "unix:relative" };
    char why[200];
    begin();
    for (unsigned i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        duet_client_config c = config_for(urls[i]);
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_URL);
        assert_true(why[0] != 0);
    }
    for (int byte = 0; byte < 6; byte++) {
        static const char *const bad[] = { "\r", "\n", "a\r\nb: c", "\x7f", "\x01", "x\n" };
        const duet_header values[] = { { "X-A", bad[byte] }, { NULL, NULL } };
        const duet_header names[] = { { bad[byte], "v" }, { NULL, NULL } };
        const char *const protocols[] = { bad[byte], NULL };
        duet_client_config c = config_for("ws://127.0.0.1:9/");
        c.headers = values;
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
        c.headers = names;
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
        c.headers = NULL;
        c.origin = bad[byte];
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
        c.origin = NULL;
        c.subprotocols = protocols;
        assert_int_equal(duet_connect(&client, loop, &c, NULL), DUET_ERR_INVALID);
    }
    client = NULL;
    end();
    assert_int_equal(told.failed, 0);
}

TEST(client, cli_5_an_endless_head_ends_at_its_limit)
{
    static char line[1024];
    memset(line, 'a', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    open_raw();
    played_say("HTTP/1.1 101 x\r\n", 16);
    for (int i = 0; i < 200 && !told.failed; i++)
        played_say(line, sizeof(line));
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_HANDSHAKE);
    end_raw();
}

TEST(client, cli_5_200_fields_are_taken_and_201_are_not)
{
    for (int count = 196; count <= 198; count++) { /* and 4 of the handshake's, one of them by answer_rightly() */
        char more[4096] = "";
        size_t n = 0;
        for (int i = 0; i < count; i++)
            n += (size_t)snprintf(more + n, sizeof(more) - n, "X%d: y\r\n", i);
        open_raw();
        char accept[32], text[5000];
        accept_text(accept);
        int len = snprintf(text, sizeof(text), GOOD "%s\r\n", accept, more);
        played_say(text, (size_t)len);
        TURN_UNTIL(told.opened || told.failed);
        assert_int_equal(told.opened, count <= 197);
        end_raw();
    }
}

TEST(client, cli_5_a_server_that_never_answers_is_given_up)
{
    begin();
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
    duet_client_config c = config_for(url);
    c.open_ms = 60;
    connect_to(&c);
    take_request();
    played_say("HTTP/1.1 101 x\r\n", 16);
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_TIMEOUT);
    end_raw();
}

TEST(client, cli_8_a_flood_of_pings_from_a_peer_that_does_not_read_ends)
{
    static uint8_t pings[127 * 512];
    for (unsigned i = 0; i < sizeof(pings); i += 127) {
        pings[i] = 0x89;
        pings[i + 1] = 125;
    }
    open_raw();
    answer_rightly("");
    TURN_UNTIL(told.opened);
    size_t most = 0;
    for (int i = 0; i < 100000 && !told.closed; i++) {
        ssize_t n = send(accepted, pings, sizeof(pings), MSG_NOSIGNAL);
        if (n > 0 && n % 127 != 0) /* the rest of a frame that was cut */
            for (size_t at = (size_t)n % 127; at < 127 && !told.closed;) {
                ssize_t more = send(accepted, pings + at, 127 - at, MSG_NOSIGNAL);
                at += more > 0 ? (size_t)more : 0;
                duet_loop_turn(loop, 0);
            }
        duet_loop_turn(loop, 0);
        if (!told.closed && duet_queued(told.conn) > most)
            most = duet_queued(told.conn);
    }
    assert_true(told.closed);
    assert_int_equal(told.error, DUET_ERR_POLICY);
    assert_in_range(most, 0, 256 * 1024);
    end_raw();
}

TEST(client, nobody_listens_is_the_systems_error)
{
    begin();
    unsigned port = listen_raw();
    close(listener);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", port);
    duet_client_config c = config_for(url);
    connect_to(&c);
    assert_int_equal(told.failed, 0); /* never inside of duet_connect() */
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, -ECONNREFUSED);
    assert_true(told.final);
    end();
    assert_int_equal(told.failed, 1);
}

/* The system's resolver, as a test wants it: the program's own function comes before the library's. */
static struct {
    struct sockaddr_in v4[4];
    struct sockaddr_in6 v6[4];
    struct addrinfo list[8];
    unsigned count;
    int rc;
    _Atomic bool hold;
    _Atomic unsigned inside;
} names;

static void name_v4(const char *text)
{
    struct sockaddr_in *at = &names.v4[names.count];
    *at = (struct sockaddr_in){ .sin_family = AF_INET };
    inet_pton(AF_INET, text, &at->sin_addr);
    names.list[names.count++] = (struct addrinfo){ .ai_family = AF_INET, .ai_addr = (struct sockaddr *)at,
                                                   .ai_addrlen = sizeof(*at) };
}

static void name_v6(const char *text)
{
    struct sockaddr_in6 *at = &names.v6[names.count];
    *at = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
    inet_pton(AF_INET6, text, &at->sin6_addr);
    names.list[names.count++] = (struct addrinfo){ .ai_family = AF_INET6, .ai_addr = (struct sockaddr *)at,
                                                   .ai_addrlen = sizeof(*at) };
}

/* Any other name is the library's. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    if (strstr(host, ".invalid") == NULL) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(host, service, hints, out);
    }
    names.inside++;
    while (names.hold)
        usleep(1000);
    for (unsigned i = 0; i < names.count; i++)
        names.list[i].ai_next = i + 1 < names.count ? &names.list[i + 1] : NULL;
    *out = names.list;
    int rc = names.count > 0 ? 0 : EAI_NONAME;
    names.inside--; /* the last look at `names` */
    return rc;
}

void freeaddrinfo(struct addrinfo *list)
{
    void (*real)(struct addrinfo *);
    *(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
    if (list != names.list)
        real(list);
}

TEST(client, cli_12_a_name_without_an_address_is_said_so)
{
    begin();
    names.count = 0;
    duet_client_config c = config_for("ws://nowhere.invalid/");
    connect_to(&c);
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_RESOLVE);
    assert_non_null(strstr(told.detail, "nowhere.invalid"));
    end();
}

TEST(client, cli_12_a_resolver_that_hangs_holds_up_nobody)
{
    begin();
    names.count = 0;
    names.hold = true;
    duet_client_config c = config_for("ws://slow.invalid/");
    c.resolve_ms = 30;
    connect_to(&c);
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_TIMEOUT);
    end(); /* with the thread inside of its call */
    assert_int_equal(names.inside, 1);
    begin();
    c.resolve_ms = 0;
    connect_to(&c);
    TURN_UNTIL(names.inside == 2);
    end(); /* and this client freed meanwhile */
    assert_int_equal(told.failed, 1);
    names.hold = false;
    while (names.inside > 0)
        usleep(1000);
}

TEST(client, cli_12_the_next_address_is_tried_when_one_refuses)
{
    begin();
    serve("ws://127.0.0.1:0", NULL);
    names.count = 0;
    name_v6("::1"); /* nobody listens there */
    name_v4("127.0.0.1");
    snprintf(url, sizeof(url), "ws://both.invalid:%u", duet_server_port(server, 0));
    duet_client_config c = config_for(url);
    connect_to(&c);
    TURN_UNTIL(client->next > 0);
    timer_cancel(&loop->wheel, &client->stagger); /* it is the refusal that leads on */
    TURN_UNTIL(told.opened);
    end();
}

/* An address where a connect waits, as if its packets were dropped: the backlog is full. */
static int silent[5];

static void be_silent(unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    inet_pton(AF_INET, "127.0.0.2", &at.sin_addr);
    silent[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(silent[0], (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(silent[0], 0), 0);
    for (int i = 1; i < 5; i++) {
        silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(silent[i], (struct sockaddr *)&at, sizeof(at));
    }
}

static void be_silent_no_more(void)
{
    for (int i = 0; i < 5; i++)
        close(silent[i]);
}

TEST(client, cli_12_the_next_address_is_tried_after_250_ms_of_silence)
{
    begin();
    serve("ws://127.0.0.1:0", NULL);
    be_silent(duet_server_port(server, 0));
    names.count = 0;
    name_v4("127.0.0.2");
    name_v4("127.0.0.1");
    snprintf(url, sizeof(url), "ws://both.invalid:%u", duet_server_port(server, 0));
    duet_client_config c = config_for(url);
    connect_to(&c);
    uint64_t from = clock_us();
    TURN_UNTIL(told.opened);
    assert_true(clock_us() - from >= 240 * 1000);
    end();
    be_silent_no_more();
}

TEST(client, cli_12_an_address_that_never_answers_ends_with_the_time_for_all)
{
    begin();
    serve("ws://127.0.0.1:0", NULL); /* for its port */
    be_silent(duet_server_port(server, 0));
    snprintf(url, sizeof(url), "ws://127.0.0.2:%u", duet_server_port(server, 0));
    duet_client_config c = config_for(url);
    c.open_ms = 50;
    connect_to(&c);
    TURN_UNTIL(told.failed);
    assert_int_equal(told.error, DUET_ERR_TIMEOUT);
    assert_non_null(strstr(told.detail, "no address answered"));
    end();
    /* And freed while it connects. */
    begin();
    c.open_ms = 0;
    connect_to(&c);
    for (int i = 0; i < 3; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(client->state, CLIENT_CONNECTING);
    end();
    assert_int_equal(told.failed, 1);
    be_silent_no_more();
}

TEST(client, families_take_turns)
{
    struct resolved r = { .count = 6 };
    static const int in[] = { AF_INET6, AF_INET6, AF_INET6, AF_INET, AF_INET, AF_INET6 };
    static const int out[] = { AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6, AF_INET6 };
    for (unsigned i = 0; i < 6; i++)
        r.address[i].at.ss_family = (sa_family_t)in[i];
    resolve_interleave(&r);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(r.address[i].at.ss_family, out[i]);
}

/* CLI-13: freed after each number of turns, which passes through every state. */
TEST(client, cli_13_freed_in_each_state_it_has_one_final_event)
{
    unsigned states = 0;
    for (int turns = 0; turns < 12; turns++) {
        open_to_own_server();
        for (int i = 0; i < turns; i++)
            duet_loop_turn(loop, 1);
        if (turns == 11) {
            TURN_UNTIL(told.opened);
            duet_close(told.conn, 1000, "");
        }
        states |= 1u << client->state;
        duet_client_free(client);
        assert_int_equal(told.failed + told.closed, 1);
        assert_int_equal(told.closed, told.opened);
        if (turns % 2)
            duet_loop_turn(loop, 0);
        client = NULL;
        end();
        assert_int_equal(told.failed + told.closed, 1);
    }
    assert_true(states & 1u << CLIENT_OPEN);
    assert_true(states & 1u << CLIENT_OPENING);
}

static unsigned free_at; /* the callback in which the client frees itself */

static void free_on_open(duet_conn *c)
{
    on_open(c);
    if (free_at == 0)
        duet_client_free(duet_client_of(c));
    else
        duet_send(c, DUET_TEXT, free_at == 1 ? "x" : "bye", free_at == 1 ? 1 : 3);
}

static void free_on_message(duet_conn *c, const duet_msg *m)
{
    on_message(c, m);
    duet_client_free(duet_client_of(c));
}

static void free_on_close(duet_conn *c, const duet_closing *why)
{
    on_close(c, why);
    duet_client_free(duet_client_of(c));
}

static void free_on_failed(duet_client *cl, const duet_failure *f)
{
    on_failed(cl, f);
    duet_client_free(cl);
}

TEST(client, cli_13_it_may_free_itself_in_each_callback)
{
    for (free_at = 0; free_at < 4; free_at++) {
        begin();
        serve("ws://127.0.0.1:0", NULL);
        snprintf(url, sizeof(url), "ws://127.0.0.1:%u", free_at == 3 ? 1 : duet_server_port(server, 0));
        duet_client_config c = config_for(url);
        c.on = (duet_handler){ .open = free_on_open, .message = free_on_message, .close = free_on_close };
        c.failed = free_on_failed;
        c.retry = true;
        connect_to(&c);
        TURN_UNTIL(told.closed + told.failed);
        duet_loop_turn(loop, 0);
        client = NULL;
        end();
        assert_int_equal(told.closed + told.failed, 1);
    }
}

TEST(client, cli_13_freed_while_it_waits_for_another_attempt_it_says_no_more)
{
    begin();
    duet_client_config c = config_for("ws://127.0.0.1:1");
    c.retry = true;
    connect_to(&c);
    TURN_UNTIL(told.failed);
    assert_false(told.final);
    assert_int_equal(client->state, CLIENT_WAITING);
    end();
    assert_int_equal(told.failed, 1);
}

TEST(client, cli_10_it_does_not_come_back_when_it_was_told_to_leave)
{
    for (int by_abort = 0; by_abort < 2; by_abort++) {
        begin();
        serve("ws://127.0.0.1:0", NULL);
        snprintf(url, sizeof(url), "ws://localhost:%u", duet_server_port(server, 0));
        duet_client_config c = config_for(url);
        c.retry = true;
        c.retry_first_ms = c.retry_most_ms = 1;
        connect_to(&c);
        TURN_UNTIL(told.opened);
        if (by_abort)
            duet_abort(told.conn);
        else
            duet_close(told.conn, 1000, "");
        TURN_UNTIL(told.closed);
        for (int i = 0; i < 10; i++)
            duet_loop_turn(loop, 5);
        assert_int_equal(client->state, CLIENT_OVER);
        end();
        assert_int_equal(told.opened, 1);
    }
}

TEST(client, mem_2_each_allocation_fails_once_and_for_ever)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (unsigned long after = 0;; after++) {
            begin();
            snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
            duet_client_config c = config_for(url);
            mem_fail(after, for_ever);
            int rc = duet_connect(&client, loop, &c, NULL);
            if (rc == 0) {
                for (int i = 0; i < 50 && !told.failed && accepted < 0; i++) {
                    duet_loop_turn(loop, 1);
                    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                }
                for (int i = 0; i < 50 && !told.failed && asked_len == 0; i++) {
                    duet_loop_turn(loop, 1);
                    ssize_t n = recv(accepted, asked, sizeof(asked) - 1, 0);
                    asked_len = n > 0 ? (size_t)n : 0;
                }
                if (!told.failed) {
                    answer_rightly("Sec-WebSocket-Protocol: chat\r\n");
                    for (int i = 0; i < 50 && !told.failed && !told.opened; i++)
                        duet_loop_turn(loop, 1);
                }
            } else {
                assert_int_equal(rc, DUET_ERR_NOMEM);
                client = NULL;
            }
            unsigned long asked_for = mem_fail_end();
            end_raw();
            if (rc == 0)
                assert_int_equal(told.failed + told.closed, 1);
            if (asked_for <= after)
                break;
        }
    }
}

/* CLI-6: what a fork does not share. */
TEST(client, cli_6_a_fork_has_randomness_of_its_own)
{
    static struct random r;
    uint8_t ours[16], theirs[16];
    int pipes[2], status;
    assert_int_equal(random_fill(&r, ours, 4), 0);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = random_fill(&r, theirs, sizeof(theirs)) == 0 && write(pipes[1], theirs, sizeof(theirs)) == 16;
        _exit(!ok);
    }
    assert_int_equal(random_fill(&r, ours, sizeof(ours)), 0);
    assert_int_equal(read(pipes[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    close(pipes[0]);
    close(pipes[1]);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* RFC-45, RFC-53. */
TEST(client, cli_6_each_frame_has_a_key_of_its_own)
{
    enum { FRAMES = 1000, FRAME = 2 + 4 + 1 };
    static uint8_t wire[FRAMES * FRAME];
    static uint32_t keys[FRAMES];
    open_raw();
    answer_rightly("");
    TURN_UNTIL(told.opened);
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(duet_send(told.conn, DUET_TEXT, "x", 1), 0);
    for (size_t have = 0; have < sizeof(wire);) {
        duet_loop_turn(loop, 1);
        ssize_t n = recv(accepted, wire + have, sizeof(wire) - have, 0);
        assert_true(n > 0 || errno == EAGAIN);
        have += n > 0 ? (size_t)n : 0;
    }
    for (int i = 0; i < FRAMES; i++) {
        const uint8_t *f = wire + (size_t)i * FRAME;
        assert_int_equal(f[1], 0x81);
        assert_int_equal(f[6] ^ f[2], 'x');
        memcpy(&keys[i], f + 2, 4);
    }
    qsort(keys, FRAMES, sizeof(*keys), by_value);
    unsigned same = 0;
    for (int i = 1; i < FRAMES; i++)
        same += keys[i] == keys[i - 1];
    assert_in_range(same, 0, 1);
    end_raw();
}

TEST(client, cli_6_a_million_keys_are_distinct_and_even)
{
    enum { KEYS = 1000000 };
    static struct random r;
    uint32_t *keys = malloc(KEYS * sizeof(*keys));
    double counts[256] = { 0 }, expected = KEYS * 4 / 256.0, chi = 0;
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(random_fill(&r, &keys[i], 4), 0);
        for (int b = 0; b < 4; b++)
            counts[keys[i] >> 8 * b & 0xff]++;
    }
    for (int b = 0; b < 256; b++)
        chi += (counts[b] - expected) * (counts[b] - expected) / expected;
    assert_true(chi > 150 && chi < 380); /* 255 degrees of freedom: 255 +- 22.6 */
    qsort(keys, KEYS, sizeof(*keys), by_value);
    unsigned same = 0;
    for (size_t i = 1; i < KEYS; i++)
        same += keys[i] == keys[i - 1];
    assert_in_range(same, 50, 200); /* 116 by birthday */
    free(keys);
}

/* The next `want` payload bytes that the client sent, unmasked, whatever the frames. */
static void take_payload(uint8_t *to, size_t want)
{
    size_t have = 0;
    while (have < want) {
        uint8_t head[14], *mask;
        size_t n = 0, size = 6;
        uint64_t len = 0;
        while (n < size) {
            duet_loop_turn(loop, 0);
            ssize_t got = recv(accepted, head + n, size - n, 0);
            n += got > 0 ? (size_t)got : 0;
            if (n >= 2)
                size = (head[1] & 0x7f) == 127 ? 14 : (head[1] & 0x7f) == 126 ? 8 : 6;
        }
        if (size == 6)
            len = head[1] & 0x7f;
        for (size_t i = 2; i < size - 4; i++)
            len = len << 8 | head[i];
        mask = head + size - 4;
        assert_true(len <= want - have);
        size_t due = (size_t)len;
        for (size_t at = 0; at < due;) {
            duet_loop_turn(loop, 0);
            ssize_t got = recv(accepted, to + have + at, due - at < 65536 ? due - at : 65536, 0);
            for (ssize_t i = 0; i < got; i++, at++)
                to[have + at] ^= mask[at & 3];
        }
        have += due;
    }
}

/* RFC 6455 5.3: a payload that changes behind its mask would let the sender choose the bytes on the wire. */
TEST(client, cli_7_what_was_given_to_send_may_be_changed_at_once)
{
    enum { SIZE = 4 << 20, PIECE = 100000 };
    uint8_t *data = malloc(SIZE), *got = malloc(SIZE);
    for (int way = 0; way < 3; way++) {
        begin();
        snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
        duet_client_config c = config_for(url);
        c.queue_max = DUET_OFF;
        connect_to(&c);
        take_request();
        answer_rightly("");
        TURN_UNTIL(told.opened);
        memset(data, 'a', SIZE);
        if (way == 0) {
            assert_int_equal(duet_send(told.conn, DUET_BINARY, data, SIZE), 0);
        } else if (way == 1) {
            assert_int_equal(duet_send_begin(told.conn, DUET_BINARY), 0);
            for (size_t at = 0; at < SIZE; at += PIECE) {
                size_t n = SIZE - at < PIECE ? SIZE - at : PIECE;
                assert_int_equal(duet_send_part(told.conn, data + at, n, at + n == SIZE), 0);
                memset(data + at, 'b', n);
            }
        } else { /* and while it is half sent */
            assert_int_equal(duet_send(told.conn, DUET_BINARY, data, SIZE), 0);
            for (int i = 0; i < 5; i++)
                duet_loop_turn(loop, 0);
            assert_in_range(duet_queued(told.conn), 1, SIZE);
        }
        memset(data, 'c', SIZE);
        take_payload(got, SIZE);
        memset(data, 'a', SIZE);
        assert_memory_equal(got, data, SIZE);
        end_raw();
    }
    free(data);
    free(got);
}

TEST(client, cli_10_each_busy_answer_may_say_when)
{
    static const unsigned statuses[] = { 408, 425, 429, 500, 502, 503, 504 };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        char text[128];
        begin();
        snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
        duet_client_config c = config_for(url);
        c.retry = true;
        c.retry_first_ms = c.retry_most_ms = 20;
        connect_to(&c);
        take_request();
        int n = snprintf(text, sizeof(text), "HTTP/1.1 %u x\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n",
                         statuses[i]);
        played_say(text, (size_t)n);
        TURN_UNTIL(told.failed);
        assert_false(told.final);
        assert_in_range(told.retry_ms, 77000, 77020);
        end_raw();
    }
}

/* RFC-44. */
TEST(client, cli_10_a_storm_of_clients_is_spread)
{
    static unsigned bins[50];
    static struct random r;
    uint32_t drawn;
    for (int i = 0; i < 10000; i++) {
        random_fill(&r, &drawn, sizeof(drawn));
        unsigned ms = backoff_ms(5000, 60000, 0, drawn);
        assert_in_range(ms, 0, 5000);
        bins[ms == 5000 ? 49 : ms / 100]++;
    }
    for (int i = 0; i < 50; i++)
        assert_in_range(bins[i], 120, 280); /* 200 +- 14 each */
    assert_int_equal(backoff_ms(5000, 60000, 0, UINT32_MAX), 5000);
    assert_int_equal(backoff_ms(5000, 60000, 3, UINT32_MAX), 40000);
    assert_int_equal(backoff_ms(5000, 60000, 4, UINT32_MAX), 60000);
    assert_int_equal(backoff_ms(5000, 60000, 100, UINT32_MAX), 60000);
    assert_int_equal(backoff_ms(5000, 60000, 100, 0), 0);
}

TEST(client, cli_10_retry_after_is_seconds_or_a_date)
{
    assert_int_equal(backoff_after_s("120", 3, 0), 120);
    assert_int_equal(backoff_after_s("1.5", 3, 0), 0);
    assert_int_equal(backoff_after_s("-1", 2, 0), 0);
    assert_int_equal(backoff_after_s("", 0, 0), 0);
    assert_int_equal(backoff_after_s("99999999999999999999999", 23, 0), 86400);
    assert_int_equal(backoff_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 29, 40), 60);
    assert_int_equal(backoff_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 29, 400), 0);
}

TEST(client, cli_10_it_comes_back_after_a_failure_and_waits_as_it_was_told)
{
    begin();
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", listen_raw());
    duet_client_config c = config_for(url);
    c.retry = true;
    c.retry_first_ms = c.retry_most_ms = 20;
    connect_to(&c);
    take_request();
    static const char busy[] = "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    char first_key[25] = "";
    memcpy(first_key, strstr(asked, "-Key: ") + 6, 24);
    uint64_t from = clock_us();
    played_say(busy, sizeof(busy) - 1);
    TURN_UNTIL(told.failed == 1);
    assert_false(told.final);
    assert_in_range(told.retry_ms, 1000, 1020);
    close(accepted);
    take_request();
    assert_true(clock_us() - from >= 980 * 1000); /* a turn's time is in whole ms */
    assert_null(strstr(asked, first_key)); /* RFC-32: a fresh key */
    answer_rightly("");
    TURN_UNTIL(told.opened == 1);
    close(accepted); /* lost: it comes back again */
    TURN_UNTIL(told.closed == 1);
    assert_int_equal(told.code, DUET_CODE_LOST); /* RFC-82 */
    take_request();
    played_say("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", 37);
    TURN_UNTIL(told.failed == 2);
    assert_true(told.final);
    for (int i = 0; i < 10; i++)
        duet_loop_turn(loop, 10);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    end_raw();
    assert_int_equal(told.failed, 2);
}
