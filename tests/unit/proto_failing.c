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
