/* SPDX-License-Identifier: MIT */
#include "held_engine.h"
#include "ways.h"
#include <errno.h>

#define ENVELOPE "Sec-WebSocket-Protocol: duet.v1\r\n"
#define ANYBODY  "\"user\":\"\",\"client\":\"00000000-0000-4000-8000-000000000000\""
#define WHO      "\"who\":{" ANYBODY "}"
#define HELLO    "text '{\"channel\":\"c\",\"client\":\"00000000-0000-4000-8000-000000000000\",\"epoch\":\"aaaaaaaa\","

static void begin(void)
{
    struct hub_options o = ways_open();
    ways_serve(&o, 1, NULL);
}

TEST(plain, shows_what_was_said_as_it_was_said)
{
    begin();
    struct client *a = ways_open_channel("c", NULL), *b = ways_open_channel("c", NULL);
    client_frame(a, 0x81, "{\"x\":1}", 7);
    client_frame(a, 0x81, "hello", 5);
    client_frame(a, 0x82, "abc", 3);
    EXPECT_FRAMES(a, 3, "text '{\"x\":1}'\ntext 'hello'\nbinary 'abc'\n");
    EXPECT_FRAMES(b, 3, "text '{\"x\":1}'\ntext 'hello'\nbinary 'abc'\n");
    client_free(a);
    client_free(b);
    ways_stop();
}

TEST(plain, envelope_tells_position_time_and_who)
{
    begin();
    struct client *a = ways_open_channel("c", ENVELOPE);
    EXPECT_FRAMES(a, 1, HELLO "\"offset\":0}'\n");
    a->trace_len = 0;
    client_frame(a, 0x81, "{\"x\":\n 1}", 9);
    client_frame(a, 0x81, "a\nb", 3);
    client_frame(a, 0x82, "abc", 3);
    EXPECT_FRAMES(a, 3,
                  "text '{\"offset\":1,\"time\":1000," WHO ",\"data\":{\"x\": 1}}'\n"
                  "text '{\"offset\":2,\"time\":1000," WHO ",\"text\":\"a\\u000ab\"}'\n"
                  "text '{\"offset\":3,\"time\":1000," WHO ",\"b64\":\"YWJj\"}'\n");
    client_free(a);
    ways_stop();
}

TEST(plain, since_brings_what_was_missed_then_goes_on_live)
{
    begin();
    for (const char *text = "1\0002\0003\0004\0"; *text; text += 2)
        ways_publish("c", text);
    struct client *a = ways_open_channel("c?since=aaaaaaaa:2", NULL);
    EXPECT_FRAMES(a, 2, "text '3'\ntext '4'\n");
    a->trace_len = 0;
    ways_publish("c", "5");
    EXPECT_FRAMES(a, 1, "text '5'\n");
    struct client *b = ways_open_channel("c", "Last-Event-ID: aaaaaaaa:4\r\n");
    EXPECT_FRAMES(b, 1, "text '5'\n");
    client_free(a);
    client_free(b);
    ways_stop();
}

TEST(plain, last_brings_the_newest)
{
    static const struct {
        const char *path, *frames;
        unsigned count;
    } rows[] = {
        { "c?last=1", "text '3'\ntext 'end'\n", 2 },
        { "c?last=2", "text '2'\ntext '3'\ntext 'end'\n", 3 },
        { "c?last=3", "text '1'\ntext '2'\ntext '3'\ntext 'end'\n", 4 },
        { "c?last=4", "text '1'\ntext '2'\ntext '3'\ntext 'end'\n", 4 },
        { "c?last=99999999999999999999", "text '1'\ntext '2'\ntext '3'\ntext 'end'\n", 4 },
        { "c?last=0", "text 'end'\n", 1 },
        { "c", "text 'end'\n", 1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        for (const char *text = "1\0002\0003\0"; *text; text += 2)
            ways_publish("c", text);
        struct client *a = ways_open_channel(rows[i].path, NULL);
        wire_settle();
        ways_publish("c", "end");
        EXPECT_FRAMES(a, rows[i].count, rows[i].frames);
        client_free(a);
        ways_stop();
    }
}

/* HUB-2: never a gap that is claimed to be none. */
TEST(plain, what_is_gone_is_said_to_be_gone)
{
    begin();
    for (const char *text = "1\0002\0003\0004\0005\0006\0007\0"; *text; text += 2)
        ways_publish("c", text);
    static const char *const gone[] = { "c?since=aaaaaaaa:1", "c?since=aaaaaaaa:8", "c?since=aaaaaaab:7" };
    for (size_t i = 0; i < 3; i++) {
        struct client *a = ways_open_channel(gone[i], NULL);
        EXPECT_FRAMES(a, 1, "close 4410 'what came since is not kept any more'\n");
        client_free(a);
        a = ways_open_channel(gone[i], ENVELOPE);
        EXPECT_FRAMES(a, 1, HELLO "\"offset\":7,\"recovered\":false}'\n");
        client_free(a);
    }
    struct client *a = ways_open_channel("c?since=aaaaaaaa:2", ENVELOPE);
    client_trace(a, 6);
    assert_memory_equal(a->trace, HELLO "\"offset\":2,\"recovered\":true}'\n", sizeof(HELLO "\"offset\":2") - 1);
    client_free(a);
    ways_stop();
}

TEST(plain, a_long_backlog_comes_page_by_page_while_more_is_published)
{
    enum { KEPT = 400, SIZE = 10000 };
    struct hub_options o = ways_open();
    char *text = malloc(SIZE + 1);
    o.history_size = KEPT;
    ways_serve(&o, 1, NULL);
    memset(text, 'x', SIZE);
    text[SIZE] = 0;
    for (unsigned i = 0; i < KEPT; i++) {
        snprintf(text, 8, "%06u", i);
        text[6] = '.';
        ways_publish("c", text);
    }
    struct client *a = ways_open_channel("c?since=aaaaaaaa:0", NULL);
    for (unsigned i = 0; i < KEPT + 1; i++) {
        uint8_t head[4];
        char number[8];
        assert_true(client_wait(a, 4 + SIZE));
        memcpy(head, a->in, 4);
        assert_int_equal(head[0], 0x81);
        assert_int_equal(head[2] << 8 | head[3], SIZE);
        snprintf(number, sizeof(number), "%06u.", i);
        assert_memory_equal(a->in + 4, number, 7);
        client_skip(a, 4 + SIZE);
        if (i == 100) { /* in the middle of it; one is dropped for it that this peer has already */
            snprintf(text, 8, "%06u", KEPT);
            text[6] = '.';
            ways_publish("c", text);
        }
    }
    client_free(a);
    ways_stop();
    free(text);
}

TEST(plain, what_is_no_position_is_refused_with_words)
{
    static const char *const bad[] = { "c?since=",
                                       "c?since=x",
                                       "c?since=aaaaaaaa:",
                                       "c?since=aaaaaaaaa:1",
                                       "c?since=aaaaaaaa:1x",
                                       "c?since=aaaaaaaa:-1",
                                       "c?since=aaaaaaaa:18446744073709551616",
                                       "c?last=",
                                       "c?last=x",
                                       "c?last=-1",
                                       "c?listen=",
                                       "c?listen=n",
                                       "c?listen=now",
                                       "c?listen=yet",
                                       "c?presence=",
                                       "c?presence=yesterday" };
    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct client *a = client_new();
        assert_int_equal(ways_ask(a, bad[i], NULL), 400);
        client_free(a);
    }
    struct client *a = ways_open_channel("c?since=aaaaaaaa:18446744073709551615", NULL);
    EXPECT_FRAMES(a, 1, "close 4410 'what came since is not kept any more'\n");
    client_free(a);
    ways_stop();
}

/* HUB-5 */
TEST(plain, doors_are_those_of_the_namespace)
{
    struct hub_options all[3] = { ways_open(), ways_open(), ways_open() };
    strcpy(all[1].name, "shut");
    strcpy(all[2].name, "read");
    all[1].allow_subscribe_for_anonymous = false;
    all[2].allow_publish_for_anonymous = false;
    ways_serve(all, 3, NULL);
    struct client *a = client_new();
    assert_int_equal(ways_ask(a, "shut:c", NULL), 401);
    client_free(a);
    a = client_new();
    assert_int_equal(ways_ask(a, "other:c", NULL), 404);
    client_free(a);
    a = client_new();
    assert_int_equal(ways_ask(a, "", NULL), 404);
    client_free(a);
    a = ways_open_channel("read:c", NULL);
    client_frame(a, 0x81, "x", 1);
    EXPECT_FRAMES(a, 1, "close 1008 'permission denied'\n");
    client_free(a);
    a = ways_open_channel("read:c", ENVELOPE);
    client_trace(a, 1);
    a->trace_len = 0;
    client_frame(a, 0x81, "x", 1);
    EXPECT_FRAMES(a, 1, "text '{\"error\":{\"code\":103,\"message\":\"permission denied\"}}'\n");
    client_free(a);
    ways_stop();
}

/* HUB-5: and needs no leave to listen. */
TEST(plain, who_only_speaks_hears_nothing_but_what_is_wrong)
{
    struct hub_options all[3] = { ways_open(), ways_open(), ways_open() };
    strcpy(all[1].name, "deaf");
    strcpy(all[2].name, "shut");
    all[1].allow_subscribe_for_anonymous = all[2].allow_subscribe_for_anonymous = false;
    all[2].allow_publish_for_anonymous = false;
    ways_serve(all, 3, NULL);
    struct client *all_of_it = ways_open_channel("c?listen=yes", NULL), *a = ways_open_channel("c?listen=no", NULL);
    client_frame(a, 0x81, "[1]", 3);
    EXPECT_FRAMES(all_of_it, 1, "text '[1]'\n");
    ways_publish("c", "2");
    client_free(a);
    EXPECT_FRAMES(all_of_it, 1, "text '2'\n");
    client_free(all_of_it);
    a = ways_open_channel("deaf:c?listen=no&last=3", ENVELOPE);
    EXPECT_FRAMES(a, 1, "text '{\"channel\":\"deaf:c\",\"client\":\"00000000-0000-4000-8000-000000000000\"}'\n");
    a->trace_len = 0;
    client_frame(a, 0x81, "[1]", 3);
    ways_publish("deaf:c", "2");
    client_frame(a, 0x89, "", 0);
    EXPECT_FRAMES(a, 1, "pong ''\n");
    client_free(a);
    a = ways_open_channel("shut:c?listen=no", NULL);
    client_frame(a, 0x81, "x", 1);
    EXPECT_FRAMES(a, 1, "close 1008 'permission denied'\n");
    client_free(a);
    a = ways_open_channel("other:c?listen=no", ENVELOPE);
    client_trace(a, 1);
    a->trace_len = 0;
    client_frame(a, 0x81, "x", 1);
    EXPECT_FRAMES(a, 1, "text '{\"error\":{\"code\":103,\"message\":\"permission denied\"}}'\n");
    client_free(a);
    ways_stop();
}

TEST(plain, tells_who_asks_who_comes_and_goes)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    strcpy(all[1].name, "quiet");
    all[0].join_leave = true;
    ways_serve(all, 2, NULL);
    struct client *asks = ways_open_channel("c?presence=yes", ENVELOPE);
    EXPECT_FRAMES(asks, 2, HELLO "\"offset\":0}'\ntext '{\"joined\":{" ANYBODY "}}'\n"); /* itself */
    struct client *bare = ways_open_channel("c?presence=yes", NULL), *no = ways_open_channel("c?presence=no", ENVELOPE);
    asks->trace_len = 0;
    EXPECT_FRAMES(asks, 2, "text '{\"joined\":{" ANYBODY "}}'\ntext '{\"joined\":{" ANYBODY "}}'\n");
    asks->trace_len = 0;
    client_free(ways_open_channel("c", NULL));
    EXPECT_FRAMES(asks, 2, "text '{\"joined\":{" ANYBODY "}}'\ntext '{\"left\":{" ANYBODY "}}'\n");
    asks->trace_len = 0;
    ways_publish("c", "x");
    EXPECT_FRAMES(asks, 1, "text '{\"offset\":1,\"time\":1000,\"text\":\"x\"}'\n");
    EXPECT_FRAMES(no, 2, HELLO "\"offset\":0}'\ntext '{\"offset\":1,\"time\":1000,\"text\":\"x\"}'\n");
    EXPECT_FRAMES(bare, 1, "text 'x'\n");
    client_free(bare);
    client_free(no);
    client_free(asks);
    ways_stop();
}

TEST(plain, tells_nobody_where_the_namespace_does_not)
{
    begin();
    struct client *asks = ways_open_channel("c?presence=yes", ENVELOPE), *other = ways_open_channel("c", NULL);
    client_frame(other, 0x81, "x", 1);
    EXPECT_FRAMES(other, 1, "text 'x'\n");
    EXPECT_FRAMES(asks, 2, HELLO "\"offset\":0}'\ntext '{\"offset\":1,\"time\":1000," WHO ",\"text\":\"x\"}'\n");
    client_free(other);
    client_free(asks);
    ways_stop();
}

TEST(plain, kinds_and_sizes_are_those_of_the_namespace)
{
    struct hub_options o = ways_open();
    o.kinds = 1u << HUB_JSON;
    o.message_max = 4;
    ways_serve(&o, 1, NULL);
    struct client *a = ways_open_channel("c", NULL);
    client_frame(a, 0x81, "123", 3);
    client_frame(a, 0x81, "1234", 4);
    client_frame(a, 0x81, "12345", 5);
    EXPECT_FRAMES(a, 3, "text '123'\ntext '1234'\nclose 1009 'limit exceeded'\n");
    client_free(a);
    a = ways_open_channel("c", NULL);
    client_frame(a, 0x81, "abc", 3);
    EXPECT_FRAMES(a, 1, "close 1003 'bad request'\n");
    client_free(a);
    a = ways_open_channel("c", NULL);
    client_frame(a, 0x82, "abc", 3);
    EXPECT_FRAMES(a, 1, "close 1003 'bad request'\n");
    client_free(a);
    ways_stop();
}

TEST(plain, speaks_as_often_as_the_namespace_lets_it)
{
    struct hub_options o = ways_open();
    o.publish_per_s = 1;
    ways_serve(&o, 1, NULL);
    struct client *a = ways_open_channel("c", ENVELOPE), *b = ways_open_channel("c", NULL);
    client_trace(a, 1);
    for (int i = 0; i < 3; i++)
        client_frame(a, 0x81, "1", 1);
    assert_non_null(strstr(client_trace(a, 3), "\"code\":111"));
    ways.now_ms += 1000;
    client_frame(a, 0x81, "2", 1);
    assert_non_null(strstr(client_trace(a, 1), "\"data\":2"));
    for (int i = 0; i < 3; i++)
        client_frame(b, 0x81, "3", 1);
    assert_non_null(strstr(client_trace(b, 6), "close 1013 'too many requests'"));
    client_free(a);
    client_free(b);
    ways_stop();
}

/* STO-4: a store that does not take it; STO-1: and nobody sees what is not kept. */
TEST(plain, what_the_store_refuses_is_told_to_its_sender_alone)
{
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *a = ways_open_channel("c", ENVELOPE), *b = ways_open_channel("c", NULL);
    wire_settle();
    assert_true(held_release(store, 0)); /* it is loaded */
    EXPECT_FRAMES(a, 1, HELLO "\"offset\":0}'\n");
    a->trace_len = 0;
    client_frame(a, 0x81, "1", 1);
    wire_settle();
    assert_true(held_release(store, -EIO));
    EXPECT_FRAMES(a, 1, "text '{\"error\":{\"code\":100,\"message\":\"internal server error\"}}'\n");
    a->trace_len = 0;
    client_frame(a, 0x81, "2", 1);
    wire_settle();
    assert_true(held_release(store, 0)); /* loaded again */
    assert_true(held_release(store, 0)); /* kept */
    EXPECT_FRAMES(a, 1, "text '{\"offset\":1,\"time\":1000," WHO ",\"data\":2}'\n");
    EXPECT_FRAMES(b, 1, "text '2'\n");
    store->full = true;
    a->trace_len = 0;
    client_frame(a, 0x81, "3", 1);
    EXPECT_FRAMES(a, 1, "text '{\"error\":{\"code\":100,\"message\":\"internal server error\"}}'\n");
    client_free(a);
    client_free(b);
    ways_stop();
    held_free(store);
}

TEST(plain, channels_are_gone_when_nobody_needs_them)
{
    struct hub_options o = ways_open();
    struct hub_stats stats;
    o.history_size = 0;
    ways_serve(&o, 1, NULL);
    struct client *a = ways_open_channel("c", NULL), *b = ways_open_channel("d", NULL);
    wire_settle();
    hub_read_stats(ways.site.hub, &stats);
    assert_int_equal(stats.channels, 2);
    assert_int_equal(stats.subscriptions, 2);
    client_free(a);
    client_close(b, 1000, "");
    EXPECT_FRAMES(b, 1, "close 1000 ''\n");
    client_free(b);
    wire_settle();
    hub_read_stats(ways.site.hub, &stats);
    assert_int_equal(stats.channels, 0);
    assert_int_equal(stats.sessions, 0);
    ways_stop();
}

/* It may speak before it hears, while its channel is loaded; and what comes of it then is nobody's any more. */
TEST(plain, speaks_and_leaves_while_its_channel_is_loaded)
{
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *a = ways_open_channel("c", NULL), *gone = ways_open_channel("d", NULL);
    client_frame(a, 0x81, "1", 1);
    client_frame(gone, 0x81, "1", 1);
    wire_settle();
    client_reset(gone);
    wire_settle();
    for (int i = 0; i < 4; i++) {
        assert_true(held_release(store, 0));
        wire_settle();
    }
    ways_publish("c", "2");
    wire_settle();
    assert_true(held_release(store, 0));
    EXPECT_FRAMES(a, 2, "text '1'\ntext '2'\n"); /* its own, too: it waited in front of it */
    client_free(a);
    ways_stop();
    held_free(store);
}

/* STO-4: it comes back later. */
TEST(plain, ends_when_its_channel_cannot_be_loaded)
{
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *a = ways_open_channel("c", NULL);
    wire_settle();
    assert_true(held_release(store, -EIO));
    EXPECT_FRAMES(a, 1, "close 1013 'internal server error'\n");
    client_free(a);
    a = ways_open_channel("c", NULL);
    wire_settle();
    assert_true(held_release(store, 0));
    wire_settle();
    client_frame(a, 0x81, "1", 1);
    wire_settle();
    assert_true(held_release(store, -EIO));
    EXPECT_FRAMES(a, 1, "close 1013 'internal server error'\n");
    client_free(a);
    ways_stop();
    held_free(store);
}

/* Without a history there is no position to tell, and nothing to come back to. */
TEST(plain, channel_without_history_has_no_position)
{
    struct hub_options o = ways_open();
    o.history_size = 0;
    ways_serve(&o, 1, NULL);
    struct client *a = ways_open_channel("c", ENVELOPE);
    EXPECT_FRAMES(a, 1, "text '{\"channel\":\"c\",\"client\":\"00000000-0000-4000-8000-000000000000\"}'\n");
    ways_publish("c", "1");
    EXPECT_FRAMES(a, 1, "text '{\"time\":1000,\"text\":\"1\"}'\n");
    client_free(a);
    ways_stop();
}

/* So many channels there are at most. */
TEST(plain, comes_back_later_where_there_are_too_many_channels)
{
    struct hub_options o = ways_open();
    ways.channels_max = 1;
    ways_serve(&o, 1, NULL);
    struct client *a = ways_open_channel("c", NULL);
    wire_settle();
    struct client *b = ways_open_channel("d", NULL);
    EXPECT_FRAMES(b, 1, "close 1013 'too many channels'\n");
    client_free(b);
    b = ways_open_channel("c", NULL);
    ways_publish("c", "1");
    EXPECT_FRAMES(b, 1, "text '1'\n");
    client_free(a);
    client_free(b);
    ways_stop();
}
