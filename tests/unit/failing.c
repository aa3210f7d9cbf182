/* SPDX-License-Identifier: MIT */
/*
 * MEM-1 at a server: in each scenario each allocation fails once, and then from there on always. Whatever comes of the
 * connection, the server neither crashes nor leaks, and serves the next one. (HTTP's scenarios are in answer.c, files'
 * in files.c, the core's in proto_failing.c.)
 */
#include "wire.h"
#include "base/mem.h"

static duet_http *waiting; /* an upgrade that is answered later */
static uint8_t large[700 * 1024];

/* Turns without waiting, until nothing happens: what goes over loopback is there at once. */
static void spin(struct client *c)
{
    for (int quiet = 0, turns = 0; quiet < 3 && turns < 200; turns++) {
        bool busy = duet_loop_turn(wire.loop, 0) > 0 || duet_loop_wait_ms(wire.loop) == 0;
        quiet = busy ? 0 : quiet + 1;
        if (c != NULL)
            client_read(c);
    }
}

static void on_upgrade(duet_http *x, const duet_request *r)
{
    const char *path = duet_request_path(r);
    if (strcmp(path, "/refuse") == 0)
        duet_http_text(x, 403, "not here");
    else if (strcmp(path, "/later") == 0)
        waiting = x;
    else if (duet_http_upgrade(x, duet_request_offers(r, "chat") ? "chat" : NULL, NULL) < 0)
        duet_http_text(x, 500, "no memory");
}

static void on_gone(duet_http *x)
{
    if (waiting == x)
        waiting = NULL;
}

static uint64_t ids[2];

static void on_open(duet_conn *c)
{
    ids[1] = ids[0];
    ids[0] = duet_id(c);
    duet_subscribe(c, "all");
}

static void resume(duet_server *s, uint64_t id, void *arg)
{
    (void)arg;
    duet_conn *c = duet_conn_find(s, id);
    if (c != NULL)
        duet_resume(c);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    duet_server *s = duet_server_of(c);
    duet_shared *shared;
    duet_conn *other;
    switch (m->len > 0 ? *(const char *)m->data : 0) {
    case '*':
        duet_publish(s, "all", m->type, m->data, m->len);
        break;
    case '^':
        duet_publish_except(c, "all", m->type, m->data, m->len);
        break;
    case '=':
        shared = duet_msg_share(m);
        if (shared != NULL)
            duet_send_shared(c, shared);
        duet_shared_unref(shared);
        break;
    case '@':
        duet_send_to(s, duet_id(c), m->type, m->data, m->len);
        break;
    case '>':
        other = duet_conn_find(s, ids[1]);
        if (other != NULL)
            duet_send(other, m->type, m->data, m->len);
        break;
    case '|':
        if (duet_post(s, duet_id(c), resume, NULL) == 0)
            duet_pause(c);
        break;
    case '%':
        duet_send_begin(c, DUET_TEXT);
        duet_send_part(c, "one ", 4, false);
        duet_send_part(c, m->data, m->len, true);
        break;
    case '#':
        duet_send(c, DUET_BINARY, large, sizeof(large));
        break;
    case '?':
        duet_ping(c);
        break;
    case 'q':
        duet_close(c, 1000, "as you wish");
        break;
    case 'x':
        duet_abort(c);
        break;
    case '-':
        duet_unsubscribe(c, "all");
        duet_subscribe(c, "another");
        break;
    default:
        duet_send(c, m->type, m->data, m->len);
    }
}

static void trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    (void)frame;
}

static void ask(struct client *c, const char *path, const char *fields, const char *behind)
{
    char head[512];
    snprintf(head, sizeof(head), "GET %s%s%s\r\n%s", path, wire_request + 5, fields, behind);
    client_say(c, head);
    spin(c);
}

static void up(struct client *c)
{
    ask(c, "/", "", "");
}

static void say(struct client *c, const char *text)
{
    client_frame(c, 0x81, text, strlen(text));
    spin(c);
}

static void upgrade(struct client *c)
{
    up(c);
}

static void subprotocol(struct client *c)
{
    ask(c, "/", "Sec-WebSocket-Protocol: other, chat\r\n", "");
}

static void first_frame(struct client *c)
{
    ask(c, "/", "", "\x81\x82\1\1\1\1hi");
}

static void cut_head(struct client *c)
{
    client_say(c, "GET / HT");
    spin(c);
    client_say(c, wire_request + 8);
    spin(c);
    client_say(c, "\r\n");
    spin(c);
}

static void half_head(struct client *c)
{
    client_say(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Half");
    spin(c);
}

static void refused(struct client *c)
{
    ask(c, "/refuse", "", "\x81\x82\1\1\1\1hi");
}

static void bad_handshake(struct client *c)
{
    ask(c, "/", "Sec-WebSocket-Version: 12\r\n", "");
}

static void later(struct client *c)
{
    ask(c, "/later", "", "\x81\x82\1\1\1\1hi");
    if (waiting != NULL && duet_http_upgrade(waiting, NULL, NULL) == 0)
        waiting = NULL;
    spin(c);
}

static void later_refused(struct client *c)
{
    ask(c, "/later", "", "\x81\x82\1\1\1\1hi");
    if (waiting != NULL && duet_http_text(waiting, 401, "who are you?") == 0)
        waiting = NULL;
    spin(c);
}

static void later_never(struct client *c)
{
    ask(c, "/later", "", "");
}

static void short_text(struct client *c)
{
    up(c);
    say(c, "hello");
    say(c, "again");
}

static void frames(struct client *c, size_t size, unsigned count)
{
    uint8_t *data = calloc(1, size);
    up(c);
    for (unsigned i = 0; i < count; i++)
        client_frame(c, (i + 1 == count ? 0x80 : 0) | (i == 0 ? 2 : 0), data, size);
    spin(c);
    free(data);
}

static void medium(struct client *c)
{
    frames(c, 5000, 1);
}

static void medium_fragments(struct client *c)
{
    frames(c, 5000, 3);
}

static void big(struct client *c)
{
    frames(c, 300 * 1024, 1);
}

static void big_fragments(struct client *c)
{
    frames(c, 100 * 1024, 4);
}

static void big_slowly(struct client *c)
{
    static uint8_t data[300 * 1024], frame[300 * 1024 + 14];
    size_t n = client_encode(frame, 0x82, data, sizeof(data));
    up(c);
    for (size_t at = 0; at < n; at += 50000) {
        client_send(c, frame + at, n - at < 50000 ? n - at : 50000);
        spin(c);
    }
}

static void ping(struct client *c)
{
    up(c);
    client_frame(c, 0x89, "are you there?", 14);
    spin(c);
}

static void many_pings(struct client *c)
{
    uint8_t wall[40 * 10];
    up(c);
    say(c, "#");
    for (unsigned i = 0; i < 40; i++)
        client_encode(wall + i * 10, 0x89, "ping", 4);
    client_send(c, wall, sizeof(wall));
    spin(c);
}

static void own_ping(struct client *c)
{
    static const uint8_t payload[4] = { 1 };
    up(c);
    say(c, "?");
    client_frame(c, 0x8a, payload, 4);
    spin(c);
}

static void close_frame(struct client *c)
{
    up(c);
    client_close(c, 1000, "bye");
    spin(c);
}

static void server_closes(struct client *c)
{
    up(c);
    say(c, "q");
    client_close(c, 1000, "bye");
    spin(c);
}

static void aborted(struct client *c)
{
    up(c);
    say(c, "x");
}

static void protocol_error(struct client *c)
{
    up(c);
    client_frame(c, 0x83, "opcode", 6);
    spin(c);
}

static void too_big(struct client *c)
{
    up(c);
    client_send(c, "\x82\xff\0\0\0\1\0\0\0\0mask", 14);
    spin(c);
}

static void bad_text(struct client *c)
{
    up(c);
    client_frame(c, 0x81, "\xc0\x80", 2);
    spin(c);
}

static void parts(struct client *c)
{
    up(c);
    say(c, "%two");
}

static void slow_reader(struct client *c)
{
    up(c);
    for (int i = 0; i < 6; i++)
        client_frame(c, 0x81, "#", 1);
    for (int i = 0; i < 5; i++)
        duet_loop_turn(wire.loop, 0);
    client_read(c);
    spin(c);
}

static void stuck_reader(struct client *c)
{
    up(c);
    for (int i = 0; i < 16; i++)
        client_frame(c, 0x81, "#", 1);
    for (int i = 0; i < 5; i++)
        duet_loop_turn(wire.loop, 0);
    client_close(c, 1000, "");
    for (int i = 0; i < 5; i++)
        duet_loop_turn(wire.loop, 0);
}

static void published(struct client *c)
{
    up(c);
    say(c, "*news");
    say(c, "-");
    say(c, "*no news");
}

/* Two of them; the second one speaks. */
static void with_another(struct client *c, const char *text, size_t len)
{
    struct client *second = client_raw();
    up(c);
    up(second);
    client_frame(second, 0x82, text, len);
    spin(second);
    client_read(c);
    client_free(second);
    spin(c);
}

static void broadcast(struct client *c)
{
    with_another(c, "*news", 5);
}

static void all_others(struct client *c)
{
    with_another(c, "^news", 5);
}

static void broadcast_large(struct client *c)
{
    static char news[20000] = "*";
    with_another(c, news, sizeof(news));
}

static void forwarded(struct client *c)
{
    static char news[20000] = ">";
    with_another(c, news, sizeof(news));
}

static void shared(struct client *c)
{
    static char text[20000] = "=";
    up(c);
    say(c, "=small");
    client_frame(c, 0x82, text, sizeof(text));
    spin(c);
}

static void posted(struct client *c)
{
    up(c);
    say(c, "@by id");
}

static void paused(struct client *c)
{
    uint8_t both[32];
    size_t n = client_encode(both, 0x81, "|", 1);
    n += client_encode(both + n, 0x81, "behind", 6);
    up(c);
    client_send(c, both, n);
    spin(c);
}

static void wall_of_messages(struct client *c)
{
    static uint8_t wall[3000 * 8];
    up(c);
    for (unsigned i = 0; i < 3000; i++)
        client_encode(wall + i * 8, 0x81, "ab", 2);
    client_send(c, wall, sizeof(wall));
    spin(c);
}

static void left_in_the_middle(struct client *c)
{
    up(c);
    client_send(c, "\x82\xfe\x20\x00maskdata", 12);
    spin(c);
    client_half_close(c);
    spin(c);
}

static void proxy_1(struct client *c)
{
    client_say(c, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n");
    short_text(c);
}

static void proxy_1_cut(struct client *c)
{
    client_say(c, "PROXY TCP4 192.");
    spin(c);
    client_say(c, "0.2.1 192.0.2.2 1000 80\r\n");
    up(c);
}

static void proxy_2(struct client *c)
{
    client_send(c, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\1\2\0\x50", 28);
    short_text(c);
}

static void proxy_wrong(struct client *c)
{
    client_say(c, "GET / HTTP/1.1\r\n\r\n");
    spin(c);
}

enum { PLAIN, SECURE, PROXIED, IN_PIECES, TRACED, PER_ADDRESS };

static const struct scenario {
    const char *name;
    void (*run)(struct client *c);
    unsigned how;
} scenarios[] = {
    { "upgrade", upgrade, PLAIN },
    { "upgrade with a subprotocol", subprotocol, PLAIN },
    { "first frame behind the head", first_frame, PLAIN },
    { "head in three parts", cut_head, PLAIN },
    { "half a head", half_head, PLAIN },
    { "refused in the hook", refused, PLAIN },
    { "bad handshake", bad_handshake, PLAIN },
    { "accepted later", later, PLAIN },
    { "refused later", later_refused, PLAIN },
    { "left while it waits", later_never, PLAIN },
    { "short text", short_text, PLAIN },
    { "5000 bytes", medium, PLAIN },
    { "5000 bytes, thrice", medium_fragments, PLAIN },
    { "300 KiB", big, PLAIN },
    { "300 KiB in parts", big_slowly, PLAIN },
    { "100 KiB, four times", big_fragments, PLAIN },
    { "ping", ping, PLAIN },
    { "40 pings behind a full queue", many_pings, PLAIN },
    { "own ping", own_ping, PLAIN },
    { "close", close_frame, PLAIN },
    { "server closes", server_closes, PLAIN },
    { "abort", aborted, PLAIN },
    { "protocol error", protocol_error, PLAIN },
    { "too big", too_big, PLAIN },
    { "bad text", bad_text, PLAIN },
    { "message sent in parts", parts, PLAIN },
    { "slow reader", slow_reader, PLAIN },
    { "stuck reader", stuck_reader, PLAIN },
    { "publish", published, PLAIN },
    { "broadcast", broadcast, PLAIN },
    { "broadcast to all others", all_others, PLAIN },
    { "large broadcast", broadcast_large, PLAIN },
    { "sent on to another", forwarded, PLAIN },
    { "shared", shared, PLAIN },
    { "posted", posted, PLAIN },
    { "paused", paused, PLAIN },
    { "3000 messages at once", wall_of_messages, PLAIN },
    { "left in the middle of a message", left_in_the_middle, PLAIN },
    { "short text over TLS", short_text, SECURE },
    { "300 KiB over TLS", big, SECURE },
    { "close over TLS", close_frame, SECURE },
    { "slow reader over TLS", slow_reader, SECURE },
    { "stuck reader over TLS", stuck_reader, SECURE },
    { "left in the middle over TLS", left_in_the_middle, SECURE },
    { "PROXY 1", proxy_1, PROXIED },
    { "PROXY 1 in two parts", proxy_1_cut, PROXIED },
    { "PROXY 2", proxy_2, PROXIED },
    { "no PROXY", proxy_wrong, PROXIED },
    { "5000 bytes, thrice, in pieces", medium_fragments, IN_PIECES },
    { "300 KiB in pieces", big_slowly, IN_PIECES },
    { "traced", short_text, TRACED },
    { "addresses counted", short_text, PER_ADDRESS },
};

static int begin(const struct scenario *s)
{
    static const char *const chat[] = { "chat", NULL }, *const trusted[] = { "127.0.0.0/8", NULL };
    duet_server_config cfg = { .on = { .upgrade = on_upgrade, .gone = on_gone, .open = on_open, .message = on_message },
                               .subprotocols = chat,
                               .trusted_proxies = s->how == PROXIED ? trusted : NULL,
                               .proxy_protocol = s->how == PROXIED,
                               .per_address_max = s->how == PROXIED || s->how == PER_ADDRESS ? 100 : 0,
                               .pieces = s->how == IN_PIECES,
                               .trace = s->how == TRACED ? trace : NULL };
    return wire_try_serve(s->how == SECURE ? WIRE_TLS : WIRE_TCP, &cfg);
}

static unsigned long play(const struct scenario *s, unsigned long after, bool for_ever)
{
    struct client *c = client_raw();
    waiting = NULL;
    mem_fail(after, for_ever);
    if (s->how != SECURE || client_start_tls(c))
        s->run(c);
    unsigned long asked = mem_fail_end();
    if (waiting != NULL && duet_http_text(waiting, 503, "later") == 0)
        waiting = NULL;
    client_free(c);
    spin(NULL);
    return asked;
}

static void still_serves(const struct scenario *s, unsigned long n)
{
    struct client *c = client_new();
    if (s->how == PROXIED)
        client_say(c, "PROXY UNKNOWN\r\n");
    up(c);
    client_answer(c, NULL, NULL);
    client_frame(c, 0x81, "still here", 10);
    if (strcmp(client_trace(c, 1), "text 'still here'\n") != 0)
        fail_msg("after \"%s\", allocation %lu: %s", s->name, n, c->trace);
    client_free(c);
    spin(NULL);
}

static void fail_all(unsigned from, unsigned to, bool for_ever)
{
    for (unsigned i = from; i < to; i++) {
        const struct scenario *s = &scenarios[i];
        assert_int_equal(begin(s), 0);
        unsigned long n = 0;
        while (play(s, n, for_ever) > n)
            still_serves(s, n++);
        if (n == 0)
            fail_msg("\"%s\" needed no memory", s->name);
        for (int k = 0; k < WIRE_TURNS; k++) {
            duet_server_stats stats;
            duet_server_read_stats(wire.server, &stats);
            if (stats.connections == 0)
                break;
            wire_turn();
        }
        wire_stop();
    }
}

enum { COUNT = sizeof(scenarios) / sizeof(scenarios[0]), HALF = COUNT / 2 };

TEST(failing, mem_1_each_allocation_of_each_scenario_fails_once)
{
    fail_all(0, HALF, false);
}

TEST(failing, mem_1_each_allocation_of_each_scenario_fails_for_ever)
{
    fail_all(0, HALF, true);
}

TEST(failing, mem_1_each_allocation_of_the_other_scenarios_fails_once)
{
    fail_all(HALF, COUNT, false);
}

TEST(failing, mem_1_each_allocation_of_the_other_scenarios_fails_for_ever)
{
    fail_all(HALF, COUNT, true);
}

/* The server itself: it starts whole, or says that it cannot. */
TEST(failing, mem_1_a_server_starts_or_says_no)
{
    for (unsigned i = 0; i < COUNT; i += i + 1 < COUNT ? COUNT - 2 : 1)
        for (int for_ever = 0; for_ever < 2; for_ever++)
            for (unsigned long n = 0;; n++) {
                mem_fail(n, for_ever);
                int rc = begin(&scenarios[i]);
                bool enough = mem_fail_end() <= n;
                if (rc == 0)
                    wire_stop();
                else
                    assert_int_equal(rc, DUET_ERR_NOMEM);
                if (enough)
                    break;
            }
}

/* A drain without memory still ends. */
TEST(failing, mem_1_a_drain_ends)
{
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (unsigned long n = 0;; n++) {
            assert_int_equal(begin(&scenarios[0]), 0);
            struct client *c = client_raw(), *half = client_raw();
            up(c);
            half_head(half);
            mem_fail(n, for_ever);
            duet_server_drain(wire.server);
            client_close(c, 1000, "");
            spin(c);
            bool enough = mem_fail_end() <= n;
            client_free(c);
            client_free(half);
            for (int i = 0; i < WIRE_TURNS && !duet_server_over(wire.server); i++)
                wire_turn();
            assert_true(duet_server_over(wire.server));
            wire_stop();
            if (enough)
                break;
        }
}
