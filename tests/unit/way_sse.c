/* SPDX-License-Identifier: MIT */
#include "ways.h"

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
