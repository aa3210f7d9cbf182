/* SPDX-License-Identifier: MIT */
#include "held_engine.h"
#include "ways.h"
#include <errno.h>

static struct client *follow(const char *query, const char *fields)
{
    struct client *c = client_new();
    char request[3000];
    snprintf(request, sizeof(request), "GET /events%s HTTP/1.1\r\nHost: a.example\r\n%s\r\n", query,
             fields ? fields : "");
    client_say(c, request);
    return c;
}

/* What has come of the stream's body, chunk heads taken out. */
static void expect_events(struct client *c, const char *expected)
{
    char body[WIRE_TRACE] = "";
    size_t len = 0;
    wire_settle();
    client_read(c);
    char *at = (char *)c->in, *end = at + c->len;
    while (at < end) {
        size_t n = strtoul(at, &at, 16);
        at += 2;
        memcpy(body + len, at, n);
        len += n;
        at += n + 2;
    }
    body[len] = 0;
    assert_string_equal(body, expected);
    client_skip(c, c->len);
}

static struct client *open_events(const char *query, const char *fields)
{
    struct client *c = follow(query, fields);
    char head[4096];
    assert_int_equal(client_answer(c, head, NULL), 200);
    assert_true(client_has_field(head, "Content-Type: text/event-stream"));
    static const char first[] = "d\r\nretry: 1000\n\n\r\n";
    assert_true(client_wait(c, sizeof(first) - 1));
    assert_memory_equal(c->in, first, sizeof(first) - 1);
    client_skip(c, sizeof(first) - 1);
    return c;
}

static void begin(void)
{
    struct hub_options o = ways_open();
    ways_serve(&o, 1, NULL);
}

TEST(sse, shows_one_channel_as_messages_with_their_positions)
{
    begin();
    struct client *a = open_events("?channel=c", NULL);
    expect_events(a, "id: aaaaaaaa:0\n\n");
    ways_publish("c", "one\ntwo");
    ways_publish("other", "not here");
    expect_events(a, "id: aaaaaaaa:1\ndata: \"one\\u000atwo\"\n\n");
    struct client *p = ways_open_channel("c", NULL);
    client_frame(p, 0x81, "{\"x\":\n1}", 8);
    client_frame(p, 0x82, "abc", 3);
    expect_events(a, "id: aaaaaaaa:2\ndata: {\"x\":1}\n\nid: aaaaaaaa:3\ndata: {\"b64\":\"YWJj\"}\n\n");
    client_free(p);
    client_free(a);
    ways_stop();
}

TEST(sse, shows_several_channels_as_events_of_their_names_and_resumes_all)
{
    begin();
    struct client *a = open_events("?channel=a&channel=b%2Fc", NULL);
    expect_events(a, "id: aaaaaaaa:0,\n\nid: aaaaaaaa:0,aaaaaaaa:0\n\n");
    ways_publish("a", "1");
    ways_publish("b/c", "2");
    expect_events(a, "id: aaaaaaaa:1,aaaaaaaa:0\nevent: a\ndata: \"1\"\n\n"
                     "id: aaaaaaaa:1,aaaaaaaa:1\nevent: b/c\ndata: \"2\"\n\n");
    client_free(a);
    ways_publish("b/c", "3");
    ways_publish("a", "4");
    a = open_events("?channel=a&channel=b%2Fc", "Last-Event-ID: aaaaaaaa:1,aaaaaaaa:1\r\n");
    expect_events(a, "id: aaaaaaaa:2,aaaaaaaa:1\nevent: a\ndata: \"4\"\n\n"
                     "id: aaaaaaaa:2,aaaaaaaa:2\nevent: b/c\ndata: \"3\"\n\n");
    client_free(a);
    a = open_events("?channel=a&channel=b%2Fc&since=aaaaaaaa:1,aaaaaaaa:2", NULL);
    expect_events(a, "id: aaaaaaaa:2,aaaaaaaa:2\nevent: a\ndata: \"4\"\n\nid: aaaaaaaa:2,aaaaaaaa:2\n\n");
    client_free(a);
    ways_stop();
}

/* HUB-2 */
TEST(sse, says_what_is_lost)
{
    begin();
    for (const char *text = "1\0002\0003\0004\0005\0006\0007\0"; *text; text += 2)
        ways_publish("c", text);
    struct client *a = open_events("?channel=c", "Last-Event-ID: aaaaaaaa:1\r\n");
    expect_events(a, "event: duet.lost\ndata: {\"channel\":\"c\"}\n\nid: aaaaaaaa:7\n\n");
    ways_publish("c", "8");
    expect_events(a, "id: aaaaaaaa:8\ndata: \"8\"\n\n");
    client_free(a);
    a = open_events("?channel=c&last=2", NULL);
    expect_events(a, "id: aaaaaaaa:7\ndata: \"7\"\n\nid: aaaaaaaa:8\ndata: \"8\"\n\n");
    client_free(a);
    ways_stop();
}

TEST(sse, keeps_a_quiet_stream_alive)
{
    begin();
    struct client *a = open_events("?channel=c", NULL);
    expect_events(a, "id: aaaaaaaa:0\n\n");
    for (uint64_t i = 1; i < SSE_QUIET_S; i++)
        wire_tick(&ways.site, wire.server, i);
    expect_events(a, "");
    wire_tick(&ways.site, wire.server, SSE_QUIET_S);
    expect_events(a, ":\n\n");
    client_free(a);
    ways_stop();
}

TEST(sse, refuses_with_words)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    char query[2000] = "?channel=0";
    strcpy(all[1].name, "shut");
    all[1].allow_subscribe_for_anonymous = false;
    ways_serve(all, 2, NULL);
    struct {
        const char *query, *fields;
        unsigned status;
    } rows[] = {
        { "", NULL, 400 },
        { "?channel=", NULL, 404 },
        { "?channel=a&channel=a", NULL, 400 },
        { "?channel=shut:a", NULL, 401 },
        { "?channel=a&channel=shut:a", NULL, 401 },
        { "?channel=other:a", NULL, 404 },
        { "?channel=a%0ab", NULL, 404 },
        { "?channel=a%00b", NULL, 404 },
        { "?channel=a&last=x", NULL, 400 },
        { "?channel=a&since=x", NULL, 400 },
        { "?channel=a&channel=b&since=aaaaaaaa:1", NULL, 400 },
        { "?channel=a&since=aaaaaaaa:1,", NULL, 400 },
        { "?channel=a", "Last-Event-ID: x\r\n", 400 },
        { "?channel=a", "Last-Event-ID: \r\n", 200 },
        { "?channel=a&last=", NULL, 400 },
        { "?channel=a&last=99999999999", NULL, 200 },
        { "?channel=a&since=", NULL, 200 },
        { "?channel", NULL, 400 },
        { "?chann=a&channels=a", NULL, 400 },
        { query, NULL, 200 },
        { query, NULL, 400 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].query == query) /* 16 of them, then 17 */
            for (unsigned n = rows[i].status == 200 ? 1 : 16; n < (rows[i].status == 200 ? 16u : 17u); n++)
                snprintf(query + strlen(query), sizeof(query) - strlen(query), "&channel=%u", n);
        struct client *c = follow(rows[i].query, rows[i].fields);
        assert_int_equal(client_answer(c, NULL, NULL), rows[i].status);
        client_free(c);
    }
    ways_stop();
}

TEST(sse, refuses_more_channels_than_a_connection_may_have)
{
    static const unsigned status[] = { 200, 200, 400 };
    static const char query[] = "?channel=a&channel=b&channel=c";
    struct hub_options o = ways_open();
    ways.channels_per_connection = 2;
    ways_serve(&o, 1, NULL);
    for (int i = 0; i < 3; i++) {
        char some[sizeof(query)];
        snprintf(some, sizeof(some), "%.*s", 10 * (i + 1), query);
        struct client *c = follow(some, NULL);
        assert_int_equal(client_answer(c, NULL, NULL), status[i]);
        client_free(c);
    }
    ways_stop();
}

TEST(sse, ends_with_its_peer_and_leaves_nothing)
{
    struct hub_options o = ways_open();
    struct hub_stats stats;
    o.history_size = 0;
    ways_serve(&o, 1, NULL);
    struct client *a = open_events("?channel=a&channel=b", NULL), *b = open_events("?channel=a", NULL);
    wire_settle();
    hub_read_stats(ways.site.hub, &stats);
    assert_int_equal(stats.subscriptions, 3);
    client_free(a);
    wire_settle();
    client_reset(b);
    wire_settle();
    hub_read_stats(ways.site.hub, &stats);
    assert_int_equal(stats.subscriptions, 0);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.channels, 0);
    ways_stop();
}

/* What stands in an address is what browsers read there. */
TEST(sse, names_are_read_as_an_address_has_them)
{
    static const struct {
        const char *query, *name;
    } rows[] = { { "?channel=a+b", "a b" },   { "?channel=a%2bb", "a+b" }, { "?channel=%zz", "%zz" },
                 { "?channel=100%", "100%" }, { "?channel=a%2", "a%2" },   { "?x=1&channel=c", "c" },
                 { "?&&channel=d&", "d" },    { "?channel=a%3Db", "a=b" } };
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct client *a = open_events(rows[i].query, NULL);
        expect_events(a, "id: aaaaaaaa:0\n\n");
        ways_publish(rows[i].name, "here");
        expect_events(a, "id: aaaaaaaa:1\ndata: \"here\"\n\n");
        client_free(a);
        wire_settle();
        hub_remove_history(ways.site.hub, rows[i].name, strlen(rows[i].name));
    }
    char query[600] = "?channel=";
    memset(query + 9, 'n', 500);
    struct client *a = follow(query, NULL); /* longer than any name */
    assert_int_equal(client_answer(a, NULL, NULL), 404);
    client_free(a);
    ways_stop();
}

/* What is missed comes in pages, as the peer takes them, and what is said meanwhile comes behind it, once. */
TEST(sse, long_history_comes_in_pages_to_whoever_takes_them)
{
    enum { COUNT = 120, SIZE = 20000, LATE = COUNT / 2 };
    static char text[SIZE + 1];
    struct hub_options o = ways_open();
    o.history_size = 2 * COUNT;
    ways_serve(&o, 1, NULL);
    memset(text, 'x', SIZE);
    for (int i = 0; i < COUNT; i++)
        ways_publish("c", text);
    struct client *a = open_events("?channel=c&last=120", NULL);
    for (int i = 0; i < LATE; i++) {
        ways_publish("c", text);
        wire_settle(); /* it does not read: what is queued has its limit, what is kept does not count */
    }
    assert_true(client_wait_text(a, "id: aaaaaaaa:180\n"));
    wire_settle();
    client_read(a);
    uint8_t *at = a->in;
    for (unsigned i = 1; i <= COUNT + LATE; i++) {
        char id[40];
        snprintf(id, sizeof(id), "id: aaaaaaaa:%u\n", i);
        at = memmem(at, a->len - (size_t)(at - a->in), id, strlen(id));
        if (at++ == NULL)
            fail_msg("%s is missing", id);
    }
    assert_null(memmem(at, a->len - (size_t)(at - a->in), "id: ", 4));
    client_free(a);
    ways_stop();
}

/* A slow reader of several channels is cut off in order; it comes back with the id it has. */
TEST(sse, reader_that_is_too_slow_is_cut_off)
{
    static char text[60001];
    struct hub_options o = ways_open();
    struct hub_stats stats;
    ways_serve(&o, 1, NULL);
    memset(text, 'x', 60000);
    struct client *a = open_events("?channel=a&channel=b", NULL);
    wire_settle();
    for (int i = 0; i < 300; i++) {
        ways_publish("a", text);
        wire_settle();
        hub_read_stats(ways.site.hub, &stats);
        if (stats.sessions == 0)
            break;
    }
    assert_int_equal(stats.sessions, 0);
    assert_true(client_wait_text(a, "\r\n0\r\n\r\n"));
    client_free(a);
    ways_stop();
}

/* Whoever is sent away, or loses the channel, comes back by itself: so the stream just ends. */
TEST(sse, ends_when_its_session_or_its_channel_does)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    begin();
    for (int how = 0; how < 2; how++) {
        struct client *a = open_events("?channel=a&channel=b", NULL);
        wire_settle();
        client_read(a);
        client_skip(a, a->len);
        if (how == 0)
            assert_int_equal(hub_disconnect(ways.site.hub, &anybody, 3503, NULL), 0);
        else
            assert_int_equal(hub_unsubscribe(ways.site.hub, &anybody, "b", 1, 2000), 0);
        assert_true(client_wait_text(a, "0\r\n\r\n"));
        client_free(a);
        wire_settle();
    }
    ways_stop();
}

/* STO-4 */
TEST(sse, ends_when_its_channel_cannot_be_loaded)
{
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *a = open_events("?channel=a", NULL), *gone = open_events("?channel=b", NULL);
    wire_settle();
    client_reset(gone);
    wire_settle();
    assert_true(held_release(store, -EIO));
    assert_true(client_wait_text(a, "0\r\n\r\n"));
    assert_true(held_release(store, 0)); /* nobody is there any more */
    client_free(a);
    ways_stop();
    held_free(store);
}

/* Without a history there is no position; an order of channels says which has one. */
TEST(sse, channels_without_history_have_no_position)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    strcpy(all[1].name, "bare");
    all[1].history_size = 0;
    ways_serve(all, 2, NULL);
    struct client *a = open_events("?channel=bare:a", NULL), *b = open_events("?channel=bare:a&channel=c", NULL);
    expect_events(a, "");
    expect_events(b, "id: ,aaaaaaaa:0\n\n");
    ways_publish("bare:a", "1");
    ways_publish("c", "2");
    expect_events(a, "data: \"1\"\n\n");
    expect_events(b, "event: bare:a\ndata: \"1\"\n\nid: ,aaaaaaaa:1\nevent: c\ndata: \"2\"\n\n");
    client_free(a);
    client_free(b);
    b = open_events("?channel=bare:a&channel=c&since=,aaaaaaaa:0", NULL);
    expect_events(b, "id: ,aaaaaaaa:1\nevent: c\ndata: \"2\"\n\n");
    client_free(b);
    ways_stop();
}
