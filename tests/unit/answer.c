/* SPDX-License-Identifier: MIT */
/* Requests and answers as the application and the peer see them: a server on this thread's loop, and plain sockets. */
#include "plain.h"
#include "base/mem.h"
#include <sys/un.h>

static struct {
    duet_http *kept;
    unsigned gone;
    char peer[64];
    bool secure;
} t;

static void begin(duet_server_config *config)
{
    memset(&t, 0, sizeof(t));
    serve(config);
}

static void count_gone(duet_http *x)
{
    (void)x;
    t.gone++;
}

static void say_hello(duet_http *x, const duet_request *r)
{
    snprintf(t.peer, sizeof(t.peer), "%s", duet_request_peer(r));
    t.secure = duet_request_is_secure(r);
    duet_http_text(x, 200, "hello");
}

static void keep(duet_http *x, const duet_request *r)
{
    (void)r;
    t.kept = x;
}

static void keep_paused(duet_http *x, const duet_request *r)
{
    keep(x, r);
    duet_http_pause(x);
}

static void stream(duet_http *x, const duet_request *r)
{
    keep(x, r);
    assert_int_equal(duet_http_subscribe(x, "news"), DUET_ERR_STATE);
    assert_int_equal(duet_http_begin(x, 200, NULL), 0);
    assert_int_equal(duet_http_write(x, "begin ", 6), 0);
    if (strcmp(duet_request_path(r), "/news") == 0)
        assert_int_equal(duet_http_subscribe(x, "news"), 0);
}

static void count_piece(duet_http *x, const void *data, size_t len, bool last)
{
    static size_t sum;
    char line[32];
    (void)data;
    sum += len;
    if (!last)
        return;
    snprintf(line, sizeof(line), "%zu bytes", sum);
    sum = 0;
    duet_http_text(x, 200, line);
}

/* Takes a piece, and no more until the test says so. */
static void pause_at_piece(duet_http *x, const void *data, size_t len, bool last)
{
    if (!last)
        duet_http_pause(x);
    count_piece(x, data, len, last);
}

static int answer_with(duet_http *x, const duet_request *r, const char *name, const char *value)
{
    const duet_header fields[] = { { "X-Fine", "yes" }, { name, value }, { NULL, NULL } };
    const duet_http_page bad = { .type = value, .data = "", .len = 0 };
    int rc = duet_http_upgrade(x, NULL, fields);
    if (rc == DUET_ERR_STATE)
        rc = duet_http_reply(x, 200, fields, "", 0);
    assert_int_equal(duet_http_reply(x, 200, fields, "", 0), rc);
    assert_int_equal(duet_http_begin(x, 200, fields), rc);
    if (strcmp(name, "X") == 0)
        assert_int_equal(duet_http_page_reply(x, r, &bad, NULL), rc);
    return rc;
}

static void try_fields(duet_http *x, const duet_request *r)
{
    static const char *const ours[] = { "Connection", "upgrade", "Content-Length", "Transfer-Encoding", "Date",
                                        "Sec-WebSocket-Accept", "SEC-WEBSOCKET-PROTOCOL", "Sec-WebSocket-Extensions" };
    for (int byte = 1; byte < 0x80; byte = byte == 0x1f ? 0x7f : byte + 1) {
        char text[] = { 'a', (char)byte, 'b', 0 };
        assert_int_equal(answer_with(x, r, text, "value"), DUET_ERR_INVALID);
        if (byte != '\t')
            assert_int_equal(answer_with(x, r, "X", text), DUET_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        assert_int_equal(answer_with(x, r, ours[i], "5"), DUET_ERR_INVALID);
    const duet_header fine[] = { { "X-Fine", "yes" }, { NULL, NULL } };
    if (duet_http_upgrade(x, NULL, fine) == DUET_ERR_STATE)
        duet_http_reply(x, 200, fine, "", 0);
}

static const duet_http_page constant = { .type = "text/plain", .etag = "\"one\"", .data = "page", .len = 4 };

static void page(duet_http *x, const duet_request *r)
{
    assert_int_equal(duet_http_page_reply(x, r, &constant, NULL), 0);
}

static const duet_route routes[] = {
    { .path = "/hello", .http = say_hello },
    { .path = "/later", .http = keep },
    { .path = "/paused", .http = keep_paused },
    { .path = "/news", .http = stream },
    { .path = "/stream", .http = stream },
    { .path = "/page", .http = page },
    { .path = "/count", .methods = "POST", .http = keep, .piece = count_piece },
    { .path = "/slowly", .methods = "POST", .http = keep, .piece = pause_at_piece },
    { .path = "/fields", .http = try_fields },
    { .path = "/fields/ws", .websocket = true, .upgrade = try_fields },
    { .path = "/ws", .websocket = true },
    { .path = NULL },
};

TEST(answer, http_21_the_last_request_of_a_connection_is_told_so)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes, .requests_max = 3 });
    dial(&c);
    for (int i = 1; i <= 3; i++) {
        say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
        expect_status(&c, "200", i == 3);
    }
    expect(&c, NULL);
    close(c.fd);
    serve_no_more();
}

TEST(answer, upg_14_an_upgrade_is_the_last_request_wherever_it_goes)
{
    begin(&(duet_server_config){ .routes = routes });
    one_request("GET /hello HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "200", true);
    one_request("GET /none HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "404", true);
    one_request("GET /ws HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example\r\n" UPGRADE "\r\n", "403", true);
    one_request("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", "426", true);
    one_request("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "200", false);
    serve_no_more();
}

TEST(answer, http_18_nothing_is_expected_of_an_upgrade)
{
    begin(&(duet_server_config){ .routes = routes });
    one_request("GET /ws HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" UPGRADE "\r\n", "417", true);
    serve_no_more();
}

/* RFC-13. */
TEST(answer, http_16_a_place_that_is_not_there_is_404_for_every_method)
{
    static duet_server_stats stats;
    begin(&(duet_server_config){ .routes = routes });
    one_request("GET /none HTTP/1.1\r\nHost: h\r\n\r\n", "404", false);
    one_request("DELETE /none HTTP/1.1\r\nHost: h\r\n\r\n", "404", false);
    one_request("GET /none HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "404", true);
    one_request("DELETE /hello HTTP/1.1\r\nHost: h\r\n\r\n", "405", true);
    duet_server_read_stats(server, &stats);
    assert_int_equal(stats.reasons[DUET_REASON_not_found], 3);
    assert_int_equal(stats.reasons[DUET_REASON_method], 1);
    serve_no_more();
}

TEST(answer, the_next_request_is_read_although_the_last_one_paused)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes });
    dial(&c);
    say(&c, "GET /paused HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < TURNS && t.kept == NULL; i++)
        turn(&c);
    assert_int_equal(duet_http_text(t.kept, 200, "first"), 0);
    expect(&c, "first");
    say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "hello");
    close(c.fd);
    serve_no_more();
}

TEST(answer, who_takes_pieces_gets_the_last_of_every_body)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes });
    dial(&c);
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345");
    expect(&c, "5 bytes");
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    expect(&c, "0 bytes");
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "0 bytes");
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect(&c, "0 bytes");
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    expect(&c, "3 bytes");
    close(c.fd);
    serve_no_more();
}

/* The peer waits meanwhile, and that is not its fault: its time does not run. */
TEST(answer, a_body_of_pieces_can_be_held_up)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes, .idle_ms = 100, .on.gone = count_gone });
    dial(&c);
    say(&c, "POST /slowly HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab");
    for (int i = 0; i < 300; i++) {
        if (i == 20)
            say(&c, "cdef");
        turn(&c);
    }
    assert_false(c.ended);
    assert_int_equal(t.gone, 0);
    duet_http_resume(t.kept);
    expect(&c, "6 bytes");
    /* Not held up, it does run. */
    say(&c, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab");
    expect_status(&c, "408", true);
    expect(&c, NULL);
    assert_int_equal(t.gone, 1);
    close(c.fd);
    serve_no_more();
}

TEST(answer, a_stream_leaves_a_topic)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes });
    dial(&c);
    say(&c, "GET /news HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "begin ");
    assert_int_equal(duet_publish(server, "news", DUET_TEXT, "first", 5), 0);
    expect(&c, "first");
    assert_int_equal(duet_http_unsubscribe(t.kept, "news"), 0);
    assert_int_equal(duet_http_unsubscribe(t.kept, "news"), 0);
    assert_int_equal(duet_publish(server, "news", DUET_TEXT, "second", 6), 0);
    assert_int_equal(duet_http_write(t.kept, "end", 3), 0);
    assert_int_equal(duet_http_end(t.kept), 0);
    expect(&c, "end\r\n0\r\n\r\n");
    assert_null(strstr(c.got, "second"));
    close(c.fd);
    serve_no_more();
}

TEST(answer, upg_10_of_two_origins_none_counts)
{
    begin(&(duet_server_config){ .routes = routes });
    one_request("POST /count HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\n\r\n", "200", false);
    one_request("POST /count HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nOrigin: http://h\r\n\r\n", "403", true);
    serve_no_more();
}

TEST(answer, http_19_and_upg_13_no_header_splits_an_answer_or_says_what_is_ours)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes });
    one_request("GET /fields HTTP/1.1\r\nHost: h\r\n\r\n", "200", false);
    dial(&c);
    say(&c, "GET /fields/ws HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n");
    expect_status(&c, "101", false);
    assert_non_null(strstr(c.got, "X-Fine: yes\r\n"));
    close(c.fd);
    serve_no_more();
    const duet_header split[] = { { "X", "a\r\nb" }, { NULL, NULL } };
    duet_server *s;
    char why[200];
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .headers = split };
    assert_int_equal(duet_server_new(&s, &config, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "header"));
}

TEST(answer, a_page_is_not_sent_again_to_who_has_it)
{
    begin(&(duet_server_config){ .routes = routes });
    one_request("GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "200", false);
    one_request("GET /page HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"two\", W/\"one\"\r\n\r\n", "304", false);
    one_request("GET /page HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n", "304", false);
    one_request("GET /page HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"\\\"one\"\r\n\r\n", "200", false);
    serve_no_more();
}

TEST(answer, gone_is_told_once_and_only_of_what_the_application_got)
{
    static struct client c;
    begin(&(duet_server_config){ .routes = routes, .on.gone = count_gone });
    dial(&c);
    say(&c, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < TURNS && t.kept == NULL; i++)
        turn(&c);
    close(c.fd);
    for (int i = 0; i < TURNS && t.gone == 0; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(t.gone, 1);
    one_request("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200", true);
    /* Its body never comes, so that its route does not hear of it. */
    dial(&c);
    say(&c, "GET /later HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n1");
    for (int i = 0; i < 20; i++)
        turn(&c);
    close(c.fd);
    for (int i = 0; i < 20; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(t.gone, 1);
    serve_no_more();
}

TEST(answer, ops_1_a_drain_ends_what_listens_to_a_topic_and_waits_for_the_rest)
{
    static struct client news, other;
    begin(&(duet_server_config){ .routes = routes, .on.gone = count_gone });
    dial(&news);
    say(&news, "GET /news HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&news, "begin ");
    dial(&other);
    say(&other, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&other, "begin ");
    assert_int_equal(duet_publish(server, "news", DUET_TEXT, "last words", 10), 0);
    duet_server_drain(server);
    expect(&news, "last words\r\n0\r\n\r\n");
    expect(&news, NULL);
    assert_int_equal(t.gone, 1);
    assert_false(other.ended);
    assert_false(duet_server_over(server));
    assert_int_equal(duet_http_write(t.kept, "whole", 5), 0);
    assert_int_equal(duet_http_end(t.kept), 0);
    expect(&other, "whole\r\n0\r\n\r\n");
    expect(&other, NULL);
    close(news.fd);
    close(other.fd);
    for (int i = 0; i < TURNS && !duet_server_over(server); i++)
        duet_loop_turn(loop, 1);
    assert_true(duet_server_over(server));
    assert_int_equal(t.gone, 1);
    serve_no_more();
}

static void last_words(duet_http *x)
{
    duet_http_write(x, "farewell", 8);
}

static void begin_alone(duet_http *x, const duet_request *r)
{
    (void)r;
    duet_http_begin(x, 200, NULL);
    duet_http_write(x, "begin ", 6);
}

static void close_mine(duet_conn *c)
{
    duet_close(c, 3001, "shutdown");
}

TEST(answer, ops_1_a_route_says_its_last_words_in_a_drain)
{
    static const duet_route own[] = {
        { .path = "/farewell", .http = begin_alone, .drain_http = last_words },
        { .path = "/ws", .websocket = true, .drain = close_mine },
        { 0 },
    };
    static struct client stream, ws;
    begin(&(duet_server_config){ .routes = own, .on.gone = count_gone });
    dial(&stream);
    say(&stream, "GET /farewell HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&stream, "begin ");
    dial(&ws);
    say(&ws, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    expect(&ws, "101 ");
    duet_server_drain(server);
    expect(&stream, "farewell\r\n0\r\n\r\n");
    expect(&stream, NULL);
    expect(&ws, "shutdown");
    assert_int_equal(t.gone, 1);
    close(stream.fd);
    close(ws.fd);
    for (int i = 0; i < TURNS && !duet_server_over(server); i++)
        duet_loop_turn(loop, 1);
    assert_true(duet_server_over(server));
    serve_no_more();
}

enum { PRODUCED = 6 * 1024 * 1024, PIECE = 50000 };

static struct {
    size_t made;
    unsigned waits, refused;
    bool heedless;
} producer;

/* Writes until it is told to wait; the heedless one until nothing more is taken. */
static void produce(duet_http *x)
{
    static uint8_t piece[PIECE];
    while (producer.made < PRODUCED) {
        if (duet_http_congested(x) && !producer.heedless) {
            producer.waits++;
            return;
        }
        for (size_t i = 0; i < PIECE; i++)
            piece[i] = (uint8_t)((producer.made + i) % 251);
        int rc = duet_http_write(x, piece, PIECE);
        if (rc == DUET_ERR_FULL) {
            producer.refused++;
            return;
        }
        assert_int_equal(rc, 0);
        producer.made += PIECE;
    }
    assert_int_equal(duet_http_end(x), 0);
}

static void begin_producing(duet_http *x, const duet_request *r)
{
    (void)r;
    assert_int_equal(duet_http_begin(x, 200, NULL), 0);
    duet_http_on_drain(x, produce);
    produce(x);
}

/* Reads it all, slowly at first, in HTTP/1.0: the bytes as they are, until the end. */
static void read_all(struct client *c)
{
    static uint8_t bytes[20000];
    size_t have = 0;
    bool body = false;
    for (int i = 0; i < 200000; i++) {
        assert_true(duet_loop_turn(loop, 0) >= 0);
        if (i < 1000 && i % 100 != 0)
            continue;
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0)
            break;
        const uint8_t *p = bytes;
        if (n > 0 && !body) {
            p = memmem(bytes, (size_t)n, "\r\n\r\n", 4);
            assert_non_null(p);
            p += 4;
            body = true;
        }
        for (; n > 0 && p < bytes + n; p++, have++)
            assert_int_equal(*p, have % 251);
    }
    assert_int_equal(have, producer.made);
}

TEST(answer, mem_4_a_stream_waits_for_its_reader)
{
    static const duet_route producing[] = { { .path = "/", .http = begin_producing }, { .path = NULL } };
    static struct client c;
    for (int heedless = 0; heedless < 2; heedless++) {
        begin(&(duet_server_config){ .routes = producing, .queue_soft = 65536, .queue_max = 200000 });
        memset(&producer, 0, sizeof(producer));
        producer.heedless = heedless;
        dial(&c);
        say(&c, "GET / HTTP/1.0\r\n\r\n");
        read_all(&c);
        assert_true(producer.made >= PRODUCED);
        assert_true(heedless ? producer.refused > 0 : producer.waits > 0 && producer.refused == 0);
        close(c.fd);
        serve_no_more();
    }
}

static void note_peer(duet_conn *c)
{
    duet_peer(c, t.peer);
    t.secure = duet_is_secure(c);
}

TEST(answer, net_14_a_websocket_knows_the_client_that_its_proxy_named)
{
    static const char *const trusted[] = { "127.0.0.1", NULL };
    static struct client c;
    begin(&(duet_server_config){ .routes = routes, .trusted_proxies = trusted, .on.open = note_peer });
    dial(&c);
    say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n");
    expect(&c, "hello");
    assert_string_equal(t.peer, "192.0.2.7");
    assert_true(t.secure);
    /* The same proxy's connection, for somebody else of whom it says nothing. */
    say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "hello");
    assert_memory_equal(t.peer, "127.0.0.1:", 10);
    assert_false(t.secure);
    say(&c, "GET /ws HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n" UPGRADE
            "\r\n");
    expect_status(&c, "101", false);
    assert_string_equal(t.peer, "2001:db8::1");
    assert_true(t.secure);
    close(c.fd);
    serve_no_more();
}

TEST(answer, net_14_behind_a_unix_socket_the_clients_own_claim_is_not_believed)
{
    static const char *const trusted[] = { "unix", "10.0.0.0/8", NULL };
    static struct client c;
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char url[128];
    snprintf(to.sun_path, sizeof(to.sun_path), "/tmp/duet-answer-%d.sock", (int)getpid());
    snprintf(url, sizeof(url), "unix:%s", to.sun_path);
    begin(&(duet_server_config){ .listen = url, .routes = routes, .trusted_proxies = trusted });
    memset(&c, 0, sizeof(c));
    c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.1.1.1\r\n\r\n");
    expect(&c, "hello");
    assert_string_equal(t.peer, "192.0.2.7");
    say(&c, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "hello");
    assert_string_equal(t.peer, "unix");
    close(c.fd);
    serve_no_more();
}

/* Without memory. */

static void forget(duet_http *x)
{
    t.gone++;
    if (t.kept == x)
        t.kept = NULL;
}

static const duet_route failing_routes[] = {
    { .path = "/hello", .http = say_hello, .methods = "GET, POST", .cors = true },
    { .path = "/later", .http = keep, .methods = "GET, POST" },
    { .path = "/stream", .http = keep },
    { .path = "/page", .http = page },
    { .path = "/count", .methods = "POST", .http = keep, .piece = count_piece },
    { .path = "/ws", .websocket = true },
    { .path = "/ws/later", .websocket = true, .upgrade = keep },
    { .path = NULL },
};

/* What the application does with a request that it kept: the answer that fits its kind, or any. */
static void answer_kept(bool streams)
{
    duet_http *x = t.kept;
    t.kept = NULL;
    if (x == NULL)
        return;
    if (streams) {
        if (duet_http_begin(x, 200, NULL) == 0) {
            uint64_t id = duet_http_id(x);
            duet_http_subscribe(x, "news");
            duet_publish(server, "news", DUET_TEXT, "published", 9);
            if (duet_http_find(server, id) == x && duet_http_write(x, "written", 7) == 0)
                duet_http_end(x);
            return;
        }
    } else if (duet_http_upgrade(x, "chat", NULL) == 0) {
        return;
    }
    if (duet_http_text(x, 200, "late") < 0)
        t.kept = x; /* again in the next turn, or `gone` forgets it */
}

static const struct {
    const char *first, *rest; /* in two writes */
    bool streams;
} scenarios[] = {
    { "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n", "", false },
    { "GET /hel", "lo HTTP/1.1\r\nHost: h\r\n\r\n", false },
    { "GET /%68ello?a=b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "", false },
    { "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\n\r\n", false },
    { "GET /none HTTP/1.1\r\nHost: h\r\n\r\n", "", false },
    { "GET /hello HTTP/1.1\r\n\r\n", "", false },
    { "GET /hello HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\n\r\n", "", false },
    { "OPTIONS /hello HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nAccess-Control-Request-Method: POST\r\n\r\n", "",
      false },
    { "POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc", "def", false },
    { "POST /hello HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "0\r\n\r\n", false },
    { "POST /hello HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "a", false },
    { "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc", "def", false },
    { "GET /page HTTP/1.1\r\nHost: h\r\n\r\n", "", false },
    { "GET /later HTTP/1.1\r\nHost: h\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n", false },
    { "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "abc", false },
    { "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n", true },
    { "GET /stream HTTP/1.0\r\n\r\n", "", true },
    { "GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: other, chat\r\n" UPGRADE "\r\n", "\x81\x80mask", false },
    { "GET /ws/later HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: chat\r\n" UPGRADE "\r\n", "\x81\x80mask", false },
    { "GET /ws HTTP/1.1\r\nHost: h\r\nOrigin: http://evil.example\r\n" UPGRADE "\r\n", "", false },
    { "GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", "", false },
};

/* Plays one with the allocation behind `after` failing. Returns how many were asked for. */
static unsigned long play(size_t i, unsigned long after, bool for_ever)
{
    static struct client c;
    mem_fail(after, for_ever);
    dial(&c);
    say(&c, scenarios[i].first);
    for (int quiet = 0, rest = 0; quiet < 4 && !c.ended; quiet++) {
        size_t before = c.len;
        turn(&c);
        answer_kept(scenarios[i].streams);
        if (quiet == 2 && rest++ == 0) {
            send(c.fd, scenarios[i].rest, strlen(scenarios[i].rest), MSG_NOSIGNAL);
            quiet = 0;
        }
        if (c.len != before)
            quiet = 0;
    }
    unsigned long asked = mem_fail_end();
    close(c.fd);
    for (int k = 0; k < 3; k++)
        duet_loop_turn(loop, 0);
    return asked;
}

static void say_the_least(duet_http *x, const duet_request *r)
{
    (void)r;
    duet_http_text(x, 503, "out of memory, try again later"); /* and that is that, whether or not it could be said */
}

/* Who asks never waits for what nobody could say. */
TEST(answer, mem_2_a_line_that_cannot_be_said_ends_the_connection)
{
    static const duet_route least[] = { { .path = "/", .http = say_the_least }, { .path = NULL } };
    static struct client c;
    bool all = false;
    for (unsigned long n = 0; !all; n++) {
        /* A new one each time: what the last one refused left memory behind to answer with. */
        begin(&(duet_server_config){ .routes = least, .on = { .gone = forget } });
        dial(&c);
        mem_fail(n, false);
        say(&c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        for (int i = 0; i < TURNS && c.len == 0 && !c.ended; i++)
            turn(&c);
        all = mem_fail_end() <= n;
        if (c.len == 0 && !c.ended)
            fail_msg("without allocation %lu there is no answer and no end", n);
        assert_true(!all || strstr(c.got, " 503 ") != NULL);
        close(c.fd);
        serve_no_more();
    }
}

TEST(answer, mem_2_each_allocation_of_each_scenario_fails_once_and_for_ever)
{
    static const char *const trusted[] = { "127.0.0.1", NULL }, *const chat[] = { "chat", NULL };
    begin(&(duet_server_config){ .routes = failing_routes,
                                 .trusted_proxies = trusted,
                                 .subprotocols = chat,
                                 .on = { .gone = forget } });
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
        for (int for_ever = 0; for_ever < 2; for_ever++)
            for (unsigned long n = 0; play(i, n, for_ever) > n; n++)
                ;
    one_request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n", "200", false);
    one_request("GET /ws HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "101", false);
    for (int i = 0; i < TURNS && !duet_server_over(server); i++) {
        duet_server_drain(server);
        duet_loop_turn(loop, 1);
    }
    assert_true(duet_server_over(server)); /* nothing is left behind */
    serve_no_more();
}

/* What a call may not do it does not, and says so; the answer can still be another one. */
static void try_statuses(duet_http *x, const duet_request *r)
{
    static const unsigned none[] = { 0, 100, 101, 199, 600, 1000 };
    (void)r;
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_int_equal(duet_http_reply(x, none[i], NULL, "x", 1), DUET_ERR_INVALID);
        assert_int_equal(duet_http_begin(x, none[i], NULL), DUET_ERR_INVALID);
    }
    assert_int_equal(duet_http_begin(x, 204, NULL), DUET_ERR_INVALID); /* no body, so nothing to stream */
    assert_int_equal(duet_http_begin(x, 304, NULL), DUET_ERR_INVALID);
    assert_int_equal(duet_http_write(x, "x", 1), DUET_ERR_STATE);
    assert_int_equal(duet_http_end(x), DUET_ERR_STATE);
    assert_int_equal(duet_http_reply(x, 204, NULL, "ignored", 7), 0);
    assert_int_equal(duet_http_text(x, 500, "again"), DUET_ERR_STATE);
}

static char long_line[400];
static void say_long(duet_http *x, const duet_request *r)
{
    (void)r;
    assert_non_null(duet_http_data(x));
    assert_int_not_equal(duet_http_id(x), 0);
    assert_int_equal(duet_http_text(x, 200, long_line), 0);
}

static void say_405(duet_http *x, const duet_request *r)
{
    (void)r;
    assert_int_equal(duet_http_text(x, 405, "no"), 0);
}

static void say_426(duet_http *x, const duet_request *r)
{
    (void)r;
    assert_int_equal(duet_http_text(x, 426, "a WebSocket, please"), 0);
}

static void other_page(duet_http *x, const duet_request *r)
{
    static const duet_http_page empty = { .data = "", .len = 0, .cache = "max-age=5" };
    assert_int_equal(duet_http_page_reply(x, r, &empty, NULL), 0);
}

static void no_file(duet_http *x, const duet_request *r)
{
    assert_int_equal(duet_http_file(x, r, NULL), 0);
}

static void stream_and_empty(duet_http *x, const duet_request *r)
{
    keep(x, r);
    assert_int_equal(duet_http_begin(x, 200, NULL), 0);
    assert_int_equal(duet_http_file(x, r, "/"), DUET_ERR_STATE);
    assert_int_equal(duet_http_write(x, "", 0), 0); /* would be the last chunk */
    assert_int_equal(duet_http_write(x, "one ", 4), 0);
    assert_int_equal(duet_http_subscribe(x, "edge"), 0);
}

static const duet_route edges[] = {
    { .path = "/statuses", .http = try_statuses },
    { .path = "/long", .http = say_long },
    { .path = "/405", .http = say_405 },
    { .path = "/426", .http = say_426 },
    { .path = "/cors", .http = say_hello, .cors = true },
    { .path = "/page", .http = other_page },
    { .path = "/file", .http = no_file },
    { .path = "/stream", .http = stream_and_empty },
    { .path = NULL },
};

static void begin_edges(void)
{
    begin(&(duet_server_config){ .routes = edges, .on.gone = count_gone, .data_size = 8 });
}

TEST(answer, upg_13_only_final_statuses_are_answers)
{
    static struct client c;
    begin_edges();
    dial(&c);
    say(&c, "GET /statuses HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(&c, "204", false);
    assert_null(strstr(c.got, "ignored"));
    assert_null(strstr(c.got, "Content-Length"));
    close(c.fd);
    serve_no_more();
}

TEST(answer, a_line_of_text_has_at_most_255_bytes)
{
    static struct client c;
    begin_edges();
    dial(&c);
    for (size_t len = 253; len <= 257; len++) {
        memset(long_line, 'a', len);
        long_line[len] = 0;
        say(&c, "GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
        expect(&c, "aaa");
        c.len = strlen(c.got); /* its body comes with it */
        char field[64];
        snprintf(field, sizeof(field), "\r\nContent-Length: %zu\r\n", len + 1 < 255 ? len + 1 : 255);
        assert_non_null(strstr(c.got, field));
        c.len = 0;
    }
    close(c.fd);
    serve_no_more();
}

/* HTTP/1.0 ends with the answer, 426 always does (UPG-14), 405 says what is allowed only where that is known. */
TEST(answer, upg_14_what_ends_the_connection_says_so)
{
    begin_edges();
    one_request("GET /405 HTTP/1.1\r\nHost: h\r\n\r\n", "405", false);
    one_request("GET /405 HTTP/1.0\r\nHost: h\r\n\r\n", "405", true);
    one_request("GET /426 HTTP/1.1\r\nHost: h\r\n\r\n", "426", true);
    one_request("GET /426 HTTP/1.0\r\nHost: h\r\n\r\n", "426", true);
    one_request("GET /file HTTP/1.1\r\nHost: h\r\n\r\n", "404", false);
    serve_no_more();
}

TEST(answer, upg_10_without_an_origin_nobody_else_may_read)
{
    static struct client c;
    begin_edges();
    dial(&c);
    say(&c, "GET /cors HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(&c, "200", false);
    assert_non_null(strstr(c.got, "\r\nVary: Origin\r\n"));
    assert_null(strstr(c.got, "Access-Control"));
    close(c.fd);
    serve_no_more();
}

TEST(answer, a_page_may_be_empty_and_its_head_alone_be_asked_for)
{
    static const char *const methods[] = { "GET", "HEAD" };
    static struct client c;
    begin_edges();
    dial(&c);
    for (int i = 0; i < 2; i++) {
        char request[100];
        snprintf(request, sizeof(request), "%s /page HTTP/1.1\r\nHost: h\r\n\r\n", methods[i]);
        say(&c, request);
        expect_status(&c, "200", false);
        assert_non_null(strstr(c.got, "\r\nCache-Control: max-age=5\r\n"));
        assert_non_null(strstr(c.got, "\r\nContent-Length: 0\r\n"));
        assert_null(strstr(c.got, "\r\nContent-Type"));
        assert_null(strstr(c.got, "ETag"));
    }
    close(c.fd);
    serve_no_more();
    begin(&(duet_server_config){ .routes = routes });
    dial(&c);
    say(&c, "HEAD /page HTTP/1.1\r\nHost: h\r\n\r\nGET /page HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "\r\n\r\npage");
    assert_null(strstr(c.got, "\r\n\r\npageHTTP"));
    close(c.fd);
    serve_no_more();
}

/* An empty publication is no chunk: a chunk of no bytes would be the end. */
TEST(answer, a_stream_does_not_end_with_an_empty_message)
{
    static struct client c;
    begin_edges();
    dial(&c);
    say(&c, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "4\r\none \r\n");
    assert_int_equal(duet_publish(server, "edge", DUET_TEXT, "", 0), 0);
    assert_int_equal(duet_publish(server, "edge", DUET_TEXT, "two", 3), 0);
    expect(&c, "3\r\ntwo\r\n");
    assert_null(strstr(c.got, "0\r\n\r\n"));
    assert_int_equal(duet_http_end(t.kept), 0);
    expect(&c, "0\r\n\r\n");
    /* HTTP/1.0 knows no chunks: the end of the connection is that of the stream. */
    close(c.fd);
    dial(&c);
    say(&c, "GET /stream HTTP/1.0\r\nHost: h\r\n\r\n");
    expect(&c, "one ");
    assert_int_equal(duet_publish(server, "edge", DUET_TEXT, "two", 3), 0);
    expect(&c, "two");
    assert_null(strstr(c.got, "\r\n"));
    assert_int_equal(duet_http_end(t.kept), 0);
    expect(&c, NULL);
    /* Of HEAD there is nothing but the head. */
    close(c.fd);
    dial(&c);
    say(&c, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "\r\n\r\n");
    assert_null(strstr(c.got, "one"));
    assert_int_equal(duet_publish(server, "edge", DUET_TEXT, "two", 3), 0);
    assert_int_equal(duet_http_end(t.kept), 0);
    say(&c, "GET /statuses HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_status(&c, "204", false);
    assert_null(strstr(c.got, "two"));
    close(c.fd);
    serve_no_more();
}

/* Who reads nothing congests the stream that is written to him by publications alone. */
TEST(answer, mem_4_publications_congest_a_stream)
{
    static struct client c;
    static char block[60000];
    begin(&(duet_server_config){ .routes = edges, .queue_soft = 100000, .queue_max = 400000,
                                 .when_full = DUET_FULL_DROP });
    dial(&c);
    say(&c, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&c, "4\r\none \r\n");
    assert_false(duet_http_congested(t.kept));
    for (int i = 0; i < 400 && !duet_http_congested(t.kept); i++) {
        duet_publish(server, "edge", DUET_BINARY, block, sizeof(block));
        assert_true(duet_loop_turn(loop, 0) >= 0);
    }
    assert_true(duet_http_congested(t.kept));
    assert_int_equal(duet_http_unsubscribe(t.kept, "edge"), 0);
    close(c.fd);
    serve_no_more();
}
