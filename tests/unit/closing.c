/* SPDX-License-Identifier: MIT */
/* How connections end: by whom, inside which callback, at which byte, and that the application hears of it once. */
#include "wire.h"
#include <sys/stat.h>
#include <unistd.h>

/* The matrix of CLS-1: one action, inside one kind of callback. */
enum place {
    NOWHERE,
    IN_UPGRADE,
    IN_OPEN,
    IN_MESSAGE,
    IN_PONG,
    IN_DRAIN,
    IN_CLOSE,
    IN_HTTP,
    IN_GONE,
    IN_TIMER,
    PLACES
};
static const char *const place_names[] = { "",      "upgrade", "open", "message", "pong",
                                           "drain", "close",   "http", "gone",    "timer" };

static void act_close(duet_conn *c)
{
    duet_close(c, 1000, "bye");
}

static void act_close_twice(duet_conn *c)
{
    duet_close(c, 1000, "bye");
    duet_close(c, 1001, "again");
}

static void act_send(duet_conn *c)
{
    duet_send(c, DUET_TEXT, "from inside", 11);
}

static uint8_t large[700 * 1024];

static void act_send_large(duet_conn *c)
{
    duet_send(c, DUET_BINARY, large, sizeof(large));
}

static void act_send_then_close(duet_conn *c)
{
    duet_send(c, DUET_BINARY, large, sizeof(large));
    duet_close(c, 1000, "bye");
}

static void act_close_then_abort(duet_conn *c)
{
    duet_close(c, 1000, "bye");
    duet_abort(c);
    duet_close(c, 1000, "bye");
    duet_send(c, DUET_TEXT, "late", 4);
    duet_ping(c);
    duet_pause(c);
    duet_resume(c);
    duet_subscribe(c, "topic");
    duet_abort(c);
}

static void act_pause(duet_conn *c)
{
    duet_pause(c);
}

static void act_pause_resume(duet_conn *c)
{
    duet_pause(c);
    duet_resume(c);
}

static void act_ping(duet_conn *c)
{
    duet_ping(c);
}

static void act_topic(duet_conn *c)
{
    duet_subscribe(c, "topic");
    duet_publish(duet_server_of(c), "topic", DUET_TEXT, "news", 4);
    duet_unsubscribe(c, "topic");
    duet_subscribe(c, "topic");
    duet_publish(duet_server_of(c), "topic", DUET_TEXT, "more", 4);
}

static void act_parts(duet_conn *c)
{
    duet_send_begin(c, DUET_TEXT);
    duet_send_part(c, "half", 4, false);
    duet_close(c, 1000, "");
    duet_send_part(c, "half", 4, true);
}

static const struct {
    const char *name;
    void (*run)(duet_conn *c);
} conn_actions[] = {
    { "close", act_close },
    { "close twice", act_close_twice },
    { "abort", duet_abort },
    { "send", act_send },
    { "send large", act_send_large },
    { "send, close", act_send_then_close },
    { "close, abort, all", act_close_then_abort },
    { "pause", act_pause },
    { "pause, resume", act_pause_resume },
    { "ping", act_ping },
    { "topic", act_topic },
    { "parts, close", act_parts },
};

static duet_http *kept;

static void do_nothing(duet_http *x)
{
    kept = x;
}

static void do_reply(duet_http *x)
{
    duet_http_text(x, 200, "here");
}

static void do_refuse_twice(duet_http *x)
{
    duet_http_text(x, 403, "no");
    duet_http_text(x, 500, "no");
}

static void do_large(duet_http *x)
{
    duet_http_reply(x, 200, NULL, large, sizeof(large));
}

static void do_stream(duet_http *x)
{
    duet_http_begin(x, 200, NULL);
    duet_http_subscribe(x, "topic");
    duet_http_write(x, "piece", 5);
    duet_publish(duet_http_server(x), "topic", DUET_TEXT, "news", 4);
}

static void do_stream_end(duet_http *x)
{
    duet_http_begin(x, 200, NULL);
    duet_http_write(x, large, sizeof(large));
    duet_http_end(x);
}

static void do_upgrade(duet_http *x)
{
    duet_http_upgrade(x, NULL, NULL);
}

static void do_upgrade_reply(duet_http *x)
{
    if (duet_http_upgrade(x, NULL, NULL) < 0)
        duet_http_text(x, 400, "no upgrade");
}

static void do_pause(duet_http *x)
{
    duet_http_pause(x);
    duet_http_text(x, 200, "paused");
}

static const struct {
    const char *name;
    void (*run)(duet_http *x);
} http_actions[] = {
    { "nothing", do_nothing },
    { "reply", do_reply },
    { "refuse twice", do_refuse_twice },
    { "large", do_large },
    { "stream", do_stream },
    { "stream, end", do_stream_end },
    { "upgrade", do_upgrade },
    { "upgrade or reply", do_upgrade_reply },
    { "pause", do_pause },
};

enum { CONN_ACTIONS = sizeof(conn_actions) / sizeof(conn_actions[0]) };
enum { HTTP_ACTIONS = sizeof(http_actions) / sizeof(http_actions[0]) };

static enum place place;
static unsigned action;
static unsigned opens, closes, asked, gones;
static duet_closing last;
static duet_timer *timer;
static uint64_t timer_id;

struct block {
    unsigned opened, closed;
};

static void act(enum place here, duet_conn *c)
{
    struct block *b = duet_data(c);
    assert_int_equal(b->opened, 1);
    assert_int_equal(b->closed, here == IN_CLOSE);
    if (here == place)
        conn_actions[action].run(c);
}

static void on_timer(void *arg)
{
    (void)arg;
    duet_conn *c = duet_conn_find(wire.server, timer_id);
    if (c != NULL)
        act(IN_TIMER, c);
}

static void on_upgrade(duet_http *x, const duet_request *r)
{
    (void)r;
    if (place == IN_UPGRADE)
        http_actions[action].run(x);
    else
        duet_http_upgrade(x, NULL, NULL);
}

static void on_open(duet_conn *c)
{
    struct block *b = duet_data(c);
    assert_int_equal(b->opened++, 0);
    opens++;
    timer_id = duet_id(c);
    if (timer != NULL)
        duet_timer_set(timer, 2);
    act(IN_OPEN, c);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    struct block *b = duet_data(c);
    assert_int_equal(b->closed, 0);
    if (m->len == 4 && memcmp(m->data, "ping", 4) == 0)
        duet_ping(c);
    else if (m->len == 3 && memcmp(m->data, "big", 3) == 0)
        duet_send(c, DUET_BINARY, large, sizeof(large));
    else if (m->len == 3 && memcmp(m->data, "bye", 3) == 0)
        duet_close(c, 1000, "bye");
    else if (m->len == 4 && memcmp(m->data, "fail", 4) == 0)
        duet_abort(c);
    else if (m->len != 4 || memcmp(m->data, "mute", 4) != 0)
        duet_send(c, m->type, m->data, m->len);
    act(IN_MESSAGE, c);
}

static void on_pong(duet_conn *c, unsigned rtt_us)
{
    (void)rtt_us;
    act(IN_PONG, c);
}

static void on_drain(duet_conn *c)
{
    act(IN_DRAIN, c);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    struct block *b = duet_data(c);
    assert_int_equal(b->closed++, 0);
    closes++;
    last = *why;
    last.reason = NULL;
    assert_int_equal(duet_send(c, DUET_TEXT, "no", 2), DUET_ERR_CLOSED);
    act(IN_CLOSE, c);
}

static void on_http(duet_http *x, const duet_request *r)
{
    (void)r;
    asked++;
    if (place == IN_HTTP)
        http_actions[action].run(x);
}

static void on_gone(duet_http *x)
{
    gones++;
    if (place == IN_GONE)
        http_actions[action].run(x);
}

static uint8_t huge[12 * 1024 * 1024];

static void on_huge(duet_http *x, const duet_request *r)
{
    (void)r;
    duet_http_reply(x, 200, NULL, huge, sizeof(huge));
}

static void on_begun(duet_http *x, const duet_request *r)
{
    (void)r;
    asked++;
    duet_http_begin(x, 200, NULL);
}

static void on_piece(duet_http *x, const void *data, size_t len, bool last_piece)
{
    (void)x;
    (void)data;
    (void)len;
    (void)last_piece;
}

static const duet_route routes[] = {
    { .path = "/http", .http = on_http },
    { .path = "/begun", .methods = "POST", .http = on_begun, .piece = on_piece },
    { .path = "/", .websocket = true },
    { 0 },
};

static duet_server_config config(void)
{
    place = NOWHERE;
    opens = closes = asked = gones = 0;
    last = (duet_closing){ .code = 0 };
    return (duet_server_config){ .on = { .upgrade = on_upgrade,
                                         .open = on_open,
                                         .message = on_message,
                                         .pong = on_pong,
                                         .drain = on_drain,
                                         .close = on_close,
                                         .gone = on_gone },
                                 .routes = routes,
                                 .data_size = sizeof(struct block) };
}

/* Says what it can, in whatever state the server's action has left the connection. */
static void talk(void)
{
    static const uint8_t pong[4] = { 1 };
    struct client *c = client_new();
    client_say(c, wire_request);
    client_say(c, "\r\n");
    client_frame(c, 0x81, "hi", 2);
    wire_settle();
    client_read(c);
    client_frame(c, 0x81, "ping", 4);
    wire_settle();
    client_read(c);
    client_frame(c, 0x8a, pong, 4);
    wire_settle();
    client_frame(c, 0x81, "big", 3);
    for (int i = 0; i < 8; i++) {
        wire_settle();
        client_read(c);
    }
    client_close(c, 1000, "");
    wire_settle();
    client_read(c);
    client_free(c);
    wire_settle();
}

static void ask(void)
{
    struct client *c = client_new();
    client_say(c, "GET /http HTTP/1.1\r\nHost: a\r\n\r\nGET /http HTTP/1.1\r\nHost: a\r\n\r\n");
    wire_settle();
    client_read(c);
    client_free(c);
    wire_settle();
}

static void try_place(enum wire_kind kind, enum place where, unsigned what)
{
    duet_server_config cfg = config();
    place = where;
    action = what;
    wire_serve(kind, &cfg);
    timer = duet_timer_new(wire.loop, on_timer, NULL);
    talk();
    if (where == IN_HTTP || where == IN_GONE || where == IN_CLOSE)
        ask();
    place = NOWHERE;
    /* All else goes on. */
    struct client *c = client_open(NULL);
    client_frame(c, 0x81, "still here", 10);
    EXPECT_FRAMES(c, 1, "text 'still here'\n");
    client_free(c);
    wire_settle();
    duet_timer_free(timer);
    timer = NULL;
    wire_stop();
    if (opens != closes)
        fail_msg("in %s, action %u: %u opened, %u closed", place_names[where], what, opens, closes);
    if (where == IN_GONE && gones == 0)
        fail_msg("gone was never called");
}

static void matrix(enum wire_kind kind, enum place where)
{
    bool http = where == IN_UPGRADE || where == IN_HTTP || where == IN_GONE;
    for (unsigned i = 0; i < (http ? HTTP_ACTIONS : CONN_ACTIONS); i++)
        try_place(kind, where, i);
}

#define MATRIX(name, where)                                                                                            \
    TEST(closing, cls_1_in_##name)                                                                                     \
    {                                                                                                                  \
        matrix(WIRE_TCP, where);                                                                                       \
    }                                                                                                                  \
    TEST(closing, cls_1_in_##name##_over_tls)                                                                          \
    {                                                                                                                  \
        matrix(WIRE_TLS, where);                                                                                       \
    }
MATRIX(upgrade, IN_UPGRADE)
MATRIX(open, IN_OPEN)
MATRIX(message, IN_MESSAGE)
MATRIX(pong, IN_PONG)
MATRIX(drain, IN_DRAIN)
MATRIX(close, IN_CLOSE)
MATRIX(http, IN_HTTP)
MATRIX(gone, IN_GONE)
MATRIX(timer, IN_TIMER)

TEST(closing, cls_1_stop_and_drain_inside_a_callback_end_every_connection)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *a = client_open(NULL), *b = client_open(NULL);
    client_frame(a, 0x81, "hi", 2);
    EXPECT_FRAMES(a, 1, "text 'hi'\n");
    duet_server_drain(wire.server);
    EXPECT_FRAMES(a, 1, "close 1001 'going away'\n");
    EXPECT_FRAMES(b, 1, "close 1001 'going away'\n");
    client_close(a, 1001, "");
    client_close(b, 1001, "");
    EXPECT_END(a, "eof\n");
    EXPECT_END(b, "eof\n");
    client_free(a);
    client_free(b);
    for (int i = 0; i < WIRE_TURNS && !duet_server_over(wire.server); i++)
        wire_turn();
    assert_true(duet_server_over(wire.server));
    wire_stop();
    assert_int_equal(closes, 2);
}

/* An upgrade that is accepted when all others were closed already does not hold up the end. */
TEST(closing, ops_1_an_upgrade_accepted_in_a_drain_is_closed)
{
    duet_server_config cfg = config();
    place = IN_UPGRADE;
    action = 0;
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_new();
    client_say(c, wire_request);
    client_say(c, "\r\n");
    wire_settle();
    duet_server_drain(wire.server);
    for (uint64_t began = duet_loop_now_ms(wire.loop); duet_loop_now_ms(wire.loop) - began < 100;)
        wire_turn();
    assert_int_equal(duet_http_upgrade(kept, NULL, NULL), 0);
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    EXPECT_FRAMES(c, 1, "close 1001 'going away'\n");
    client_close(c, 1001, "");
    EXPECT_END(c, "eof\n");
    client_free(c);
    for (int i = 0; i < WIRE_TURNS && !duet_server_over(wire.server); i++)
        wire_turn();
    assert_true(duet_server_over(wire.server));
    wire_stop();
    assert_int_equal(opens, 1);
    assert_int_equal(closes, 1);
}

/* The end of the server is the end of its connections, in whatever state they are. */
TEST(closing, freeing_the_server_tells_each_connection_once)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *open = client_open(NULL), *closing = client_open(NULL), *half = client_new(), *asking = client_new();
    client_frame(closing, 0x81, "bye", 3);
    EXPECT_FRAMES(closing, 1, "close 1000 'bye'\n");
    client_say(half, "GET / HT");
    client_say(asking, "GET /http HTTP/1.1\r\nHost: a\r\n\r\n");
    wire_settle();
    assert_int_equal(asked, 1);
    wire_stop();
    assert_int_equal(opens, 2);
    assert_int_equal(closes, 2);
    assert_int_equal(gones, 1);
    client_free(open);
    client_free(closing);
    client_free(half);
    client_free(asking);
}

static const enum wire_kind kinds[] = { WIRE_TCP, WIRE_UNIX, WIRE_TLS };
#define EACH_KIND(k) for (size_t each = 0; each < 3 && (k = kinds[each], true); each++)

TEST(closing, the_peers_close_is_answered_once_then_comes_the_end)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_frame(c, 0x81, "first", 5);
        client_close(c, 4001, "mine");
        EXPECT_END(c, "text 'first'\nclose 4001 ''\neof\n");
        assert_int_equal(c->shut, kind == WIRE_TLS);
        client_free(c);
        wire_stop();
        assert_int_equal(closes, 1);
        assert_int_equal(last.code, 4001);
        assert_int_equal(last.error, 0);
    }
}

/* RFC 6455 7.1.1: the end comes in the turn of the Close, not by a timeout. */
TEST(closing, rfc_71_the_fin_follows_the_close_in_the_same_turn)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    client_close(c, 1000, "");
    unsigned turns = 0;
    while (!c->eof && turns++ < 50) {
        duet_loop_turn(wire.loop, 0);
        client_read(c);
    }
    assert_true(c->eof);
    EXPECT_END(c, "close 1000 ''\neof\n");
    client_free(c);
    wire_stop();
}

TEST(closing, cls_5_data_that_crosses_our_close_is_dropped_and_a_crossing_close_is_no_second_one)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    client_frame(c, 0x81, "bye", 3);
    client_frame(c, 0x81, "crossing", 8);
    client_frame(c, 0x01, "half a", 6);
    client_frame(c, 0x89, "ping", 4);
    client_close(c, 1001, "crossing");
    client_close(c, 1001, "twice");
    EXPECT_END(c, "close 1000 'bye'\neof\n");
    client_free(c);
    wire_stop();
    assert_int_equal(closes, 1);
    assert_int_equal(last.code, 1001);
    assert_int_equal(last.sent, 1000);
    assert_int_equal(last.error, 0);
}

TEST(closing, cls_6_a_close_for_each_close_gets_one)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    for (int i = 0; i < 20; i++)
        client_close(c, 1000, "echo");
    EXPECT_END(c, "close 1000 ''\neof\n");
    client_close(c, 1000, "late");
    wire_settle();
    client_free(c);
    wire_stop();
    assert_int_equal(closes, 1);
}

TEST(closing, cls_7_a_close_that_nobody_answers_times_out)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        cfg.close_ms = 30;
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_frame(c, 0x81, "bye", 3);
        EXPECT_FRAMES(c, 1, "close 1000 'bye'\n");
        client_wait_end(c);
        for (int i = 0; i < 50 && closes == 0; i++)
            wire_turn();
        assert_int_equal(closes, 1);
        assert_int_equal(last.error, DUET_ERR_TIMEOUT);
        assert_int_equal(last.code, DUET_CODE_LOST);
        assert_string_equal(wire.log, "failed close_timeout 1000\n");
        client_free(c);
        wire_stop();
    }
}

static uint64_t connections(void)
{
    duet_server_stats s;
    duet_server_read_stats(wire.server, &s);
    return s.connections;
}

/* The deadline is the whole wait: what is still queued then goes with it (MEM-4). */
TEST(closing, cls_7_a_close_behind_a_stuck_queue_ends_at_its_deadline)
{
    duet_server_config cfg = config();
    cfg.close_ms = 50;
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    for (int i = 0; i < 12; i++)
        client_frame(c, 0x81, "big", 3);
    wire_settle();
    client_frame(c, 0x81, "bye", 3);
    uint64_t conns = connections(), began = duet_loop_now_ms(wire.loop);
    assert_int_equal(conns, 1);
    duet_server_drain(wire.server); /* choked, it cannot read "bye" */
    for (int i = 0; i < WIRE_TURNS && connections() > 0; i++)
        wire_turn();
    assert_int_equal(connections(), 0);
    assert_true(duet_loop_now_ms(wire.loop) - began < 1000);
    assert_int_equal(closes, 1);
    assert_true(last.unsent > 0);
    client_free(c);
    wire_stop();
}

/* Both Closes passed, and the peer keeps TCP open: a second, then it is closed. */
TEST(closing, cls_7_a_peer_that_never_closes_tcp_is_closed)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    client_close(c, 1000, "");
    EXPECT_END(c, "close 1000 ''\neof\n");
    assert_int_equal(closes, 1);
    uint64_t began = duet_loop_now_ms(wire.loop);
    assert_int_equal(connections(), 1);
    for (int i = 0; i < WIRE_TURNS && connections() > 0; i++)
        wire_turn();
    assert_int_equal(connections(), 0);
    assert_in_range(duet_loop_now_ms(wire.loop) - began, 900, 5000);
    client_free(c);
    wire_stop();
}

/* RFC-74, RFC-75. */
TEST(closing, cls_8_a_flood_behind_a_failure_is_thrown_away_for_a_second_at_most)
{
    static uint8_t rubbish[256 * 1024];
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_open(NULL);
    client_send(c, "\x83\x80mask", 6); /* opcode 3 */
    uint64_t began = duet_loop_now_ms(wire.loop), most = 0;
    while (connections() > 0 && most < 10000) {
        for (int k = 0; k < 4; k++)
            client_try(c, rubbish, sizeof(rubbish));
        wire_turn();
        most = duet_loop_now_ms(wire.loop) - began;
    }
    assert_int_equal(connections(), 0);
    assert_in_range(most, 900, 5000);
    assert_int_equal(closes, 1);
    assert_int_equal(last.error, DUET_ERR_PROTOCOL);
    assert_int_equal(last.sent, 1002);
    client_free(c);
    wire_stop();
}

/* RFC 6455 7.1.1: unread input must not turn our Close into a reset. */
TEST(closing, rfc_72_a_peer_that_writes_16_mib_before_it_reads_gets_its_1009)
{
    enum { MANY = 16 * 1024 * 1024 };
    enum wire_kind kind;
    uint8_t *message = calloc(1, MANY);
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        cfg.message_max = 65536;
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_frame(c, 0x82, message, MANY);
        EXPECT_END(c, "close 1009 ''\neof\n");
        client_free(c);
        wire_stop();
        assert_int_equal(closes, 1);
        assert_int_equal(last.error, DUET_ERR_TOO_BIG);
    }
    free(message);
}

/* MEM-4: what was accepted before the bad frame comes first. */
TEST(closing, mem_4_a_good_message_before_a_bad_frame_is_answered_first)
{
    enum wire_kind kind;
    uint8_t both[64];
    size_t n = client_encode(both, 0x81, "good", 4);
    n += client_encode(both + n, 0xc1, "bad", 3); /* RSV1 */
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_send(c, both, n);
        EXPECT_END(c, "text 'good'\nclose 1002 ''\neof\n");
        client_free(c);
        wire_stop();
    }
}

/* RFC-70. */
TEST(closing, a_close_follows_all_that_was_sent_before_it)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        uint8_t both[64];
        size_t n = client_encode(both, 0x81, "big", 3);
        n += client_encode(both + n, 0x81, "bye", 3);
        client_send(c, both, n);
        EXPECT_FRAMES(c, 2, "binary 716800 bytes\nclose 1000 'bye'\n");
        client_close(c, 1000, "");
        EXPECT_END(c, "eof\n");
        client_free(c);
        wire_stop();
        assert_int_equal(last.error, 0);
        assert_int_equal(last.unsent, 0);
    }
}

/* A peer that has said its Close and shut its side still reads: what was queued reaches it. */
TEST(closing, a_half_closed_peer_gets_what_was_queued_and_the_close)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_frame(c, 0x81, "big", 3);
        client_frame(c, 0x81, "big", 3);
        wire_settle();
        client_close(c, 1000, "");
        if (kind != WIRE_TLS)
            client_half_close(c);
        wire_settle();
        EXPECT_END(c, "binary 716800 bytes\nbinary 716800 bytes\nclose 1000 ''\neof\n");
        client_free(c);
        wire_settle();
        assert_int_equal(connections(), 0);
        wire_stop();
        assert_int_equal(closes, 1);
        assert_int_equal(last.error, 0);
        assert_int_equal(last.unsent, 0);
    }
}

/* Its end came before ours, so there is nothing to wait for; and nothing is left to ask when `close` ended it. */
TEST(closing, cls_1_aborted_in_close_by_whose_peer_is_gone_already)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        place = IN_CLOSE;
        for (action = 0; conn_actions[action].run != duet_abort;)
            action++;
        cfg.read_on = true;
        cfg.queue_max = DUET_OFF;
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        for (int i = 0; i < 30; i++) /* more than sockets hold */
            client_frame(c, 0x81, "big", 3);
        wire_settle();
        client_close(c, 1000, "");
        if (c->ssl != NULL)
            SSL_shutdown(c->ssl); /* half of it */
        client_half_close(c);
        wire_settle();
        assert_int_equal(closes, 0); /* it is not all written */
        client_wait_end(c);
        client_free(c);
        wire_settle();
        assert_int_equal(closes, 1);
        assert_int_equal(connections(), 0);
        wire_stop();
    }
}

/* All that a peer wrote before it left counts, however much it is. */
TEST(closing, a_thousand_messages_before_the_end_of_file_are_all_delivered)
{
    enum { EACH = 10, COUNT = 5000 };
    enum wire_kind kind;
    uint8_t *wall = malloc(COUNT * EACH);
    for (size_t i = 0; i < COUNT; i++)
        client_encode(wall + i * EACH, 0x81, "mute", 4);
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        client_send(c, wall, COUNT * EACH);
        if (kind == WIRE_TCP)
            client_half_close(c);
        else if (kind == WIRE_UNIX)
            client_free(c);
        wire_settle();
        duet_server_stats s;
        duet_server_read_stats(wire.server, &s);
        assert_int_equal(s.messages_in, COUNT);
        if (kind != WIRE_UNIX)
            client_free(c);
        wire_stop();
    }
    free(wall);
}

/* The same of an answer, whether it is queued already or comes out of a file. */
TEST(closing, a_half_closed_peer_gets_the_whole_answer)
{
    static const duet_route huge_routes[] = { { .path = "/huge", .http = on_huge }, { 0 } };
    char folder[64], path[128];
    snprintf(folder, sizeof(folder), "/tmp/duet-closing-%d", (int)getpid());
    snprintf(path, sizeof(path), "%s/file", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite(huge, 1, sizeof(huge), f), sizeof(huge));
    fclose(f);
    for (int file = 0; file < 2; file++)
        for (int keep = 0; keep < 2; keep++) {
            duet_server_config cfg = config();
            cfg.routes = huge_routes;
            cfg.root = folder;
            wire_serve(WIRE_TCP, &cfg);
            struct client *c = client_new();
            client_say(c, file ? "GET /file HTTP/1.1\r\nHost: a\r\n" : "GET /huge HTTP/1.1\r\nHost: a\r\n");
            client_say(c, keep ? "\r\n" : "Connection: close\r\n\r\n");
            wire_settle();
            client_half_close(c);
            wire_settle();
            client_wait_end(c);
            assert_true(c->eof && c->total > sizeof(huge));
            client_free(c);
            wire_settle();
            assert_int_equal(connections(), 0);
            wire_stop();
        }
    unlink(path);
    rmdir(folder);
}

/* It is too late for a status: the answer that was begun is cut. */
TEST(closing, http_10_a_broken_chunk_behind_a_begun_answer_ends_it)
{
    duet_server_config cfg = config();
    wire_serve(WIRE_TCP, &cfg);
    struct client *c = client_new();
    client_say(c, "POST /begun HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nmore of it");
    client_wait_end(c);
    assert_int_equal(asked, 1);
    assert_int_equal(gones, 1);
    assert_string_equal(wire.log, "dropped bad_request -1020\n");
    client_free(c);
    wire_stop();
}

/* TLS-3, TLS-4: the end comes at each step of the handshake, from each side. */
TEST(closing, tls_3_the_end_comes_while_the_handshake_is_in_flight)
{
    for (int how = 0; how < 4; how++)
        for (int steps = 0; steps < 8; steps++) {
            duet_server_config cfg = config();
            wire_serve(WIRE_TLS, &cfg);
            struct client *c = client_raw();
            if (steps > 0)
                client_begin_tls(c);
            for (int i = 1; i < steps; i++) {
                if (i % 2)
                    wire_turn();
                else
                    client_begin_tls(c);
            }
            if (how == 0)
                client_reset(c);
            else if (how == 1)
                client_half_close(c);
            else if (how == 2)
                duet_server_drain(wire.server);
            if (how < 3)
                for (int i = 0; i < WIRE_TURNS && connections() > 0; i++)
                    wire_turn();
            if (how < 3)
                assert_int_equal(connections(), 0);
            wire_stop(); /* how 3: the server is freed under it */
            if (how > 0)
                client_free(c);
            assert_int_equal(opens, 0);
        }
}

/* TLS-2: one deadline for all before the upgrade, and a hello of 16 MiB is refused by its length. */
TEST(closing, tls_2_a_hello_has_a_deadline_and_a_size)
{
    static const struct {
        const char *hello;
        size_t len;
        const char *log;
    } rows[] = {
        { "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, "dropped open_timeout 0\n" },
        { "\x16\x03\x01\x00\x06\x01\xff\xff\xfc\x03\x03", 11, "dropped tls_handshake_failed -1019\n" },
        { "\x16", 1, "dropped open_timeout 0\n" },
        { "GET / HTTP/1.1\r\n\r\n", 18, "dropped tls_handshake_failed -1019\n" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        duet_server_config cfg = config();
        cfg.open_ms = 60;
        wire_serve(WIRE_TLS, &cfg);
        struct client *c = client_raw();
        uint64_t began = duet_loop_now_ms(wire.loop);
        /* A byte for every turn: none of them buys time. */
        for (size_t k = 0; k < rows[i].len; k++) {
            client_send(c, rows[i].hello + k, 1);
            wire_turn();
        }
        client_wait_end(c);
        assert_true(duet_loop_now_ms(wire.loop) - began < 3000);
        assert_string_equal(wire.log, rows[i].log);
        client_free(c);
        wire_stop();
    }
}

static uint8_t script[512];

static size_t write_script(void)
{
    size_t n = (size_t)snprintf((char *)script, sizeof(script), "%s\r\n", wire_request);
    n += client_encode(script + n, 0x81, "hello", 5);
    n += client_encode(script + n, 0x01, "frag", 4);
    n += client_encode(script + n, 0x89, "ping", 4);
    return n + client_encode(script + n, 0x80, "ment", 4);
}

static void cut_everywhere(enum wire_kind kind, bool reset)
{
    duet_server_config cfg = config();
    size_t head = strlen(wire_request) + 2, whole = write_script();
    wire_serve(kind, &cfg);
    for (size_t cut = 0; cut <= whole; cut++) {
        opens = closes = 0;
        struct client *c = client_new();
        client_send(c, script, cut);
        wire_settle();
        if (reset) {
            client_reset(c);
        } else {
            client_half_close(c);
            client_wait_end(c);
            client_free(c);
        }
        for (int i = 0; i < WIRE_TURNS && connections() > 0; i++)
            wire_turn();
        assert_int_equal(connections(), 0);
        assert_int_equal(opens, cut >= head);
        assert_int_equal(closes, opens);
        if (opens) {
            assert_int_equal(last.code, DUET_CODE_LOST);
            assert_int_not_equal(last.error, 0);
        }
    }
    wire_stop();
}

TEST(closing, net_6_half_closed_at_each_byte)
{
    cut_everywhere(WIRE_TCP, false);
}

TEST(closing, net_6_half_closed_at_each_byte_over_tls)
{
    cut_everywhere(WIRE_TLS, false);
}

TEST(closing, net_8_reset_at_each_byte)
{
    cut_everywhere(WIRE_TCP, true);
}

TEST(closing, net_8_reset_at_each_byte_over_tls)
{
    cut_everywhere(WIRE_TLS, true);
}

TEST(closing, net_8_reset_with_much_queued_is_one_close_that_says_how_much)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        struct client *c = client_open(NULL);
        for (int i = 0; i < 12; i++)
            client_frame(c, 0x81, "big", 3);
        wire_settle();
        client_reset(c);
        wire_settle();
        assert_int_equal(connections(), 0);
        assert_int_equal(closes, 1);
        assert_int_equal(last.code, DUET_CODE_LOST);
        assert_int_not_equal(last.error, 0);
        assert_true(last.unsent > 0);
        wire_stop();
    }
}

/* The reset has happened when the callback that answers runs. */
TEST(closing, net_8_reset_before_the_callback_that_sends)
{
    enum wire_kind kind;
    EACH_KIND(kind)
    {
        duet_server_config cfg = config();
        wire_serve(kind, &cfg);
        for (int i = 0; i < 20; i++) {
            struct client *c = client_open(NULL);
            client_frame(c, 0x81, i & 1 ? "big" : "bye", 3);
            client_reset(c);
        }
        wire_settle();
        assert_int_equal(connections(), 0);
        assert_int_equal(opens, 20);
        assert_int_equal(closes, 20);
        wire_stop();
    }
}
