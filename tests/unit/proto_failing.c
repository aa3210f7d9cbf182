/* SPDX-License-Identifier: MIT */
/* MEM-1 for the core: each allocation of each scenario fails once, and from there on for ever; the object then reports
 * an error, stays failed, and frees all it had. */
#include "base/mem.h"
#include "peer.h"

static uint8_t wire[400000], payload[200000];

static void feed(struct peer *p, unsigned first, const void *data, size_t len, size_t step)
{
    size_t n = peer_frame(p, wire, first, data, len);
    for (size_t at = 0; at < n; at += step)
        peer_feed(p, wire + at, n - at < step ? n - at : step);
}

static void small(struct peer *p)
{
    feed(p, 0x81, "Hi", 2, 100);
}
static void split(struct peer *p)
{
    feed(p, 0x81, "Hello", 5, 1);
}
static void fragments(struct peer *p)
{
    feed(p, 0x01, "a", 1, 100);
    feed(p, 0x00, payload, 3000, 1000);
    feed(p, 0x80, "b", 1, 100);
}
static void large(struct peer *p)
{
    feed(p, 0x82, payload, sizeof(payload), 30000);
}
static void large_to_its_place(struct peer *p)
{
    size_t n = peer_frame(p, wire, 0x82, payload, sizeof(payload));
    peer_feed_room(p, wire, n);
}
static void empty_fragments(struct peer *p)
{
    feed(p, 0x01, "", 0, 100);
    feed(p, 0x80, "", 0, 100);
}
static void ping(struct peer *p)
{
    feed(p, 0x89, "ping", 4, 100);
}
static void split_ping(struct peer *p)
{
    feed(p, 0x89, "ping", 4, 1);
}
static void many_pings(struct peer *p)
{
    size_t len = 0;
    for (int i = 0; i < 40; i++)
        len += peer_frame(p, wire + len, 0x89, "xy", 2);
    peer_feed(p, wire, len);
}
static void closing(struct peer *p)
{
    feed(p, 0x88,
         "\x03\xe8"
         "bye",
         5, 100);
}
static void split_close(struct peer *p)
{
    feed(p, 0x88,
         "\x03\xe8"
         "bye",
         5, 1);
}
static void our_close(struct peer *p)
{
    duet_proto_close(p->proto, 1000, "bye");
    peer_flush(p);
    feed(p, 0x88, "", 0, 100);
}
static void bad_frame(struct peer *p)
{
    feed(p, 0x83, "x", 1, 100);
}
static void parts(struct peer *p)
{
    if (duet_proto_send_begin(p->proto, DUET_TEXT) == 0)
        for (int i = 0; i < 5; i++)
            duet_proto_send_part(p->proto, payload, 3000, i == 4);
    duet_proto_settle(p->proto);
    peer_flush(p);
}
static void borrowed(struct peer *p)
{
    duet_proto_send(p->proto, DUET_BINARY, payload, 5000);
    duet_proto_send(p->proto, DUET_BINARY, "x", 1);
    duet_proto_send(p->proto, DUET_BINARY, payload, 5000);
    duet_proto_settle(p->proto);
    peer_flush(p);
}
static void shared(struct peer *p)
{
    duet_shared *s = duet_shared_new(DUET_BINARY, payload, 5000);
    if (s == NULL)
        return;
    for (int i = 0; i < 300; i++) /* more records than a chunk holds */
        duet_proto_send_shared(p->proto, s);
    duet_shared_unref(s);
    peer_flush(p);
}
static void many_small(struct peer *p)
{
    for (int i = 0; i < 3000; i++)
        duet_proto_send(p->proto, DUET_BINARY, "0123456789", 10);
    peer_flush(p);
}
static void idle(struct peer *p)
{
    peer_tick(p, duet_proto_deadline(p->proto));
    peer_tick(p, duet_proto_deadline(p->proto));
}

/* A second failure of memory does not cover the first error. */
static void failed_then_settled(struct peer *p)
{
    duet_proto_send(p->proto, DUET_BINARY, payload, 5000);
    uint8_t bad[2] = { 0x83, 0x80 };
    duet_input in = { bad, 2 };
    int error = duet_proto_recv(p->proto, &in, p->now_ms, &(duet_event){ 0 });
    int settled = duet_proto_settle(p->proto);
    assert_true(settled == 0 || settled == DUET_ERR_NOMEM);
    assert_int_equal(duet_proto_tick(p->proto, p->now_ms), error);
    p->error = error;
    peer_flush(p);
}

static const struct scenario {
    const char *name;
    void (*run)(struct peer *);
    bool echo, pieces;
} scenarios[] = {
    { "small", small, true, false },
    { "split", split, true, false },
    { "fragments", fragments, true, false },
    { "fragments in pieces", fragments, false, true },
    { "large", large, true, false },
    { "large in pieces", large, true, true },
    { "large to its place", large_to_its_place, true, false },
    { "empty fragments", empty_fragments, true, false },
    { "ping", ping, false, false },
    { "split ping", split_ping, false, false },
    { "many pings", many_pings, false, false },
    { "close", closing, false, false },
    { "split close", split_close, false, false },
    { "our close", our_close, false, false },
    { "bad frame", bad_frame, false, false },
    { "parts", parts, false, false },
    { "borrowed", borrowed, false, false },
    { "shared", shared, false, false },
    { "many small", many_small, false, false },
    { "idle", idle, false, false },
    { "failed, then settled", failed_then_settled, false, false },
};

/* Returns whether an allocation was left to fail. */
static bool run(const struct scenario *s, duet_role role, unsigned long nth, bool for_ever, bool opening)
{
    duet_proto_config config = { .pieces = s->pieces };
    struct peer *p;
    if (opening) {
        mem_fail(nth, for_ever);
        p = peer_open(role, &config);
    } else {
        p = peer_open(role, &config);
        mem_fail(nth, for_ever);
    }
    if (!p->failed_new) {
        p->echo = s->echo;
        if (p->error == 0 && !p->gave_up)
            s->run(p);
    }
    bool more = mem_fail_end() > nth;
    if (!p->failed_new && p->error != 0) /* the first error stays */
        assert_int_equal(duet_proto_recv(p->proto, &(duet_input){ NULL, 0 }, p->now_ms, &(duet_event){ 0 }), p->error);
    peer_free(p);
    return more;
}

TEST(proto, mem_1_every_allocation_fails_in_turn)
{
    unsigned long failed = 0;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
        for (int role = 0; role < 2; role++)
            for (int how = 0; how < 4; how++)
                for (unsigned long nth = 0; run(&scenarios[i], (duet_role)role, nth, how & 1, how & 2); nth++)
                    failed++;
    assert_true(failed > 300);
}

/* The opening of a subprotocol, and answers too long for a chunk. */
static int open_agreed(duet_role role, bool reject, unsigned long nth, unsigned long *asked)
{
    static const char *const names[] = { "chat", NULL };
    static char copy[1024], value[6000];
    memset(value, 'v', sizeof(value) - 1);
    duet_header headers[] = { { "X-Long", value }, { NULL, NULL } };
    struct peer *p = peer_new(role, &(duet_proto_config){ .subprotocols = names });
    duet_event ev;
    int rc;
    duet_input in = { (uint8_t *)copy, 0 };
    if (role == DUET_SERVER)
        in.len = (size_t)snprintf(copy, sizeof(copy), "%.*sSec-WebSocket-Protocol: chat\r\n\r\n",
                                  (int)strlen(peer_request) - 2, peer_request);
    else
        in.len = (size_t)snprintf(copy, sizeof(copy),
                                  "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
                                  p->proto->busy->opening->accept);
    mem_fail(nth, false);
    rc = duet_proto_recv(p->proto, &in, p->now_ms, &ev);
    if (rc == 1 && role == DUET_SERVER)
        rc = reject ? duet_proto_reject(p->proto, 403, headers, value, sizeof(value)) :
                      duet_proto_accept(p->proto, "chat", headers, p->now_ms);
    *asked = mem_fail_end();
    if (rc >= 0 && !reject) {
        assert_true(duet_proto_is_open(p->proto));
        assert_string_equal(duet_proto_subprotocol(p->proto), "chat");
    } else if (rc < 0) {
        assert_int_equal(rc, DUET_ERR_NOMEM);
        assert_false(duet_proto_is_open(p->proto));
        assert_null(duet_proto_subprotocol(p->proto));
        assert_int_equal(duet_proto_queued(p->proto), 0);
    }
    peer_free(p);
    return rc;
}

TEST(proto, mem_1_an_opening_without_memory_leaves_nothing_half_done)
{
    for (int how = 0; how < 3; how++) {
        unsigned failed = 0;
        for (unsigned long nth = 0, asked = 1; nth <= asked; nth++) /* the last round has no failure */
            failed += open_agreed(how == 2 ? DUET_CLIENT : DUET_SERVER, how == 1, nth, &asked) < 0;
        assert_true(failed >= 2);
    }
}

/* A client that cannot even put its request together. */
TEST(proto, mem_1_a_long_request_without_memory_is_no_client)
{
    static char target[6000];
    memset(target, 'a', sizeof(target) - 1);
    target[0] = '/';
    duet_proto_config c = { .target = target };
    unsigned failed = 0;
    for (unsigned long nth = 0, asked = 1; nth <= asked; nth++) {
        mem_fail(nth, false);
        struct peer *p = peer_new(DUET_CLIENT, &c);
        asked = mem_fail_end();
        assert_true(!p->failed_new || p->error == DUET_ERR_NOMEM);
        failed += p->failed_new;
        peer_free(p);
    }
    assert_true(failed >= 4);
}
