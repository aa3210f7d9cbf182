/* SPDX-License-Identifier: MIT */
/* Peers of the Centrifugal protocol that say more than is answered, or hear less than is said: with a store that takes
 * its time, and with sockets that nobody reads. */
#include "doors.h"
#include "held_engine.h"
#include "talk.h"
#include <duet/loop.h>
#include <errno.h>
#include <sys/socket.h>

static struct held *store;

static struct hub_options options(void)
{
    struct hub_options o = ways_open();
    o.presence = o.join_leave = true;
    return o;
}

/* What is kept is in `store`. */
static void begin(void)
{
    struct hub_options o = options();
    store = held_new();
    ways_serve(&o, 1, &store->engine);
}

static void end(void)
{
    ways_stop();
    held_free(store);
}

/* All that the store has to do, and what comes of it. */
static void release_all(void)
{
    do
        wire_settle();
    while (held_release(store, 0));
}

static uint64_t subscriptions(void)
{
    struct hub_stats stats;
    hub_read_stats(ways.site.hub, &stats);
    return stats.subscriptions;
}

static void say_publish(char *to, unsigned id)
{
    sprintf(to, "{\"id\":%u,\"publish\":{\"channel\":\"c\",\"data\":%u}}\n", id, id);
}

/* The answers with these numbers, in order, and one to a ping somewhere. */
static void expect_answers(struct client *c, unsigned first, unsigned last, const char *ping)
{
    client_trace(c, last - first + 2);
    char *at = strstr(c->trace, ping);
    assert_non_null(at);
    memmove(at, at + strlen(ping), strlen(at + strlen(ping)) + 1);
    at = c->trace;
    for (unsigned id = first; id <= last; id++) {
        char line[100];
        snprintf(line, sizeof(line), "text '{\"id\":%u,\"publish\":{}}'\n", id);
        if (strncmp(at, line, strlen(line)) != 0)
            fail_msg("no answer %u in %s", id, at);
        at += strlen(line);
    }
    assert_string_equal(at, "");
}

/* 64 commands wait at most, the rest is read behind them; nothing is lost and nothing is turned round. */
TEST(slow, store_makes_its_clients_wait_and_answers_all_of_it)
{
    static char text[65 * 1024];
    begin();
    struct client *c = connected();
    text[0] = 0;
    for (unsigned id = 2; id < 102; id++)
        say_publish(text + strlen(text), id);
    say(c, text);
    say(c, "{\"id\":102,\"ping\":{}}");
    wire_settle();
    client_read(c);
    assert_int_equal(c->len, 0);
    assert_true(held_release(store, 0)); /* the channel is there; now the publications go */
    wire_settle();
    release_all();
    expect_answers(c, 2, 101, "text '{\"id\":102,\"ping\":{}}'\n");
    client_free(c);
    /* Gone while they wait. */
    c = connected();
    say(c, text);
    wire_settle();
    client_reset(c);
    release_all();
    end();
}

/* By HTTP each letter is a request of its own, and nothing stops it at the socket. */
TEST(slow, store_and_too_much_that_waits_for_it_end_a_stream)
{
    static char letter[70000];
    begin();
    struct client *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    char session[100];
    const char *at = strstr(body_of(c, 10), "\"session\":\"");
    snprintf(session, sizeof(session), "%.48s", at + 11);
    size_t len = (size_t)sprintf(letter, "{\"session\":\"%s\",\"node\":\"0000000000000000\",\"data\":\"", session);
    size_t head = len;
    for (unsigned id = 2; id < 102; id++)
        len += (size_t)sprintf(letter + len,
                               "{\\\"id\\\":%u,\\\"publish\\\":{\\\"channel\\\":\\\"c\\\",\\\"data\\\":1}}\\n", id);
    strcpy(letter + len, "\"}");
    assert_int_equal(post(letter), 204);
    /* Behind those, four letters of almost 64 KiB are kept, a fifth is not. */
    memset(letter + head, ' ', 65000);
    strcpy(letter + head + 65000, "{}\"}");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(body_of(c, 0), "");
        assert_int_equal(post(letter), 204);
    }
    assert_string_equal(body_of(c, 10),
                        "{\"push\":{\"disconnect\":{\"code\":3013,\"reason\":\"too many requests\"}}}\n");
    assert_int_equal(post(letter), 404);
    client_free(c);
    release_all();
    end();
}

/* Joining takes a while, too: what comes behind the connect waits for it. */
TEST(slow, store_holds_up_who_is_to_be_in_a_channel_from_the_start)
{
    static const char connect[] = "{\"id\":1,\"connect\":{\"token\":\"%s\"}}\n{\"id\":2,\"ping\":{}}";
    static const char hello[] = "text '{\"id\":1,\"connect\":{\"client\":\"" CLIENT "\"";
    char command[3000];
    begin();
    doors_open(false);
    snprintf(command, sizeof(command), connect, token("{\"sub\":\"ann\",\"exp\":100,\"channels\":[\"a\"]}"));
    struct client *c = open_at("websocket");
    say(c, command);
    say(c, "{\"id\":3,\"ping\":{}}");
    wire_settle();
    client_read(c);
    assert_int_equal(c->len, 0);
    release_all();
    client_trace(c, 4);
    assert_memory_equal(c->trace, hello, sizeof(hello) - 1);
    assert_non_null(strstr(c->trace, "'{\"id\":2,\"ping\":{}}'\ntext '{\"id\":3,\"ping\":{}}'\n"));
    client_free(c);
    wire_settle();
    hub_remove_history(ways.site.hub, "a", 1);
    doors_shut();
    end();
}

TEST(slow, store_that_fails_or_takes_too_long_ends_who_is_to_be_in_its_channel)
{
    char command[3000];
    static const char *const closes[] = { "close 3004 'internal server error'\n", "close 3502 'stale'\n",
                                          "close 3501 'bad request'\n" };
    for (int how = 0; how < 3; how++) {
        begin();
        doors_open(false);
        snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                 token(how == 2 ? "{\"sub\":\"ann\",\"exp\":100,\"channels\":[\"none:b\",\"a\"]}"
                                : "{\"sub\":\"ann\",\"exp\":100,\"channels\":[\"a\"]}"));
        ways.site.connect_ms = how == 1 ? 20 : 10000;
        struct client *c = open_at("websocket");
        say(c, command);
        wire_settle();
        if (how != 1)
            assert_true(held_release(store, how == 0 ? -EIO : 0));
        EXPECT_FRAMES(c, 1, closes[how]);
        if (how == 1)
            assert_true(held_release(store, 0));
        wire_settle();
        assert_int_equal(subscriptions(), 0);
        client_free(c);
        doors_shut();
        end();
    }
}

static char wish[] = "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}";

/* It left the channel, or altogether, before it was in it. */
TEST(slow, store_brings_nobody_into_a_channel_who_has_left_it)
{
    begin();
    struct client *c = connected();
    say(c, wish);
    say(c, "{\"id\":3,\"subscribe\":{\"channel\":\"d\"}}");
    wire_settle();
    say(c, "{\"id\":4,\"unsubscribe\":{\"channel\":\"c\"}}");
    EXPECT_FRAMES(
        c, 2,
        "text '{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}'\n"
        "text '{\"id\":4,\"unsubscribe\":{}}'\n");
    release_all();
    EXPECT_FRAMES(c, 1, "text '{\"id\":3,\"subscribe\":{}}'\n");
    assert_int_equal(subscriptions(), 1);
    client_free(c);
    wire_settle();
    end();
    for (int left = 0; left < 2; left++) {
        begin();
        c = connected();
        say(c, wish);
        wire_settle();
        if (left == 0)
            client_reset(c);
        else
            say(c, "{\"send\":{}}"); /* out of turn */
        wire_settle();
        release_all();
        assert_int_equal(subscriptions(), 0);
        if (left == 1) {
            EXPECT_FRAMES(c, 1, "close 3508 'not available'\n");
            client_free(c);
        }
        end();
    }
}

TEST(slow, store_that_fails_is_told_with_the_number_of_the_command)
{
    begin();
    struct client *c = connected();
    say(c, wish);
    say(c, "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":1}}");
    wire_settle();
    assert_true(held_release(store, -EIO));
#define FAILED(id)                                                                                                     \
    "text '{\"id\":" #id ",\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}'\n"
    EXPECT_FRAMES(c, 2, FAILED(2) FAILED(3));
    client_free(c);
    end();
}

/* The server subscribes it while it is joining: one answer tells both. And it may be gone before that is done. */
TEST(slow, store_and_a_server_that_subscribes_meanwhile)
{
    static const struct hub_whom ann = { .user = "ann", .user_len = 3, .client = "" };
    char command[3000];
    for (int gone = 0; gone < 2; gone++) {
        begin();
        doors_open(false);
        snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                 token("{\"sub\":\"ann\",\"exp\":100,\"channels\":[\"a\"]}"));
        struct client *c = open_at("websocket");
        say(c, command);
        wire_settle();
        assert_int_equal(hub_subscribe(ways.site.hub, &ann, &(struct hub_invitation){ .channel = "b", .len = 1 }), 0);
        wire_settle();
        if (gone)
            client_reset(c);
        release_all();
        if (!gone) {
            client_trace(c, 1);
            assert_non_null(strstr(c->trace, "\"subs\":{\"a\":{"));
            assert_non_null(strstr(c->trace, "},\"b\":{"));
            client_free(c);
        }
        wire_settle();
        doors_shut();
        end();
    }
}

/* Readers. */

static void say_much(unsigned count)
{
    static char text[60001];
    memset(text, 'x', 60000);
    for (unsigned i = 0; i < count; i++)
        ways_publish("c", text);
}

static void small_window(struct client *c)
{
    int bytes = 128 * 1024;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

/* What a stream cannot take its peer would miss: so it ends, and its peer comes back to where it was. */
TEST(slow, reader_of_a_stream_is_cut_off_and_nobody_else)
{
    static const char *const paths[] = { "/connection/http_stream", "/connection/sse" };
    static const char *const wishes[] = { "", ",\"tf\":{\"key\":\"k\",\"cmp\":\"nex\"}" };
    for (int i = 0; i < 4; i++) {
        struct hub_options o = options();
        char body[300];
        o.allow_tags_filter = true;
        ways_serve(&o, 1, NULL);
        snprintf(body, sizeof(body), "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\"%s}}",
                 wishes[i / 2]);
        struct client *c = stream("POST", paths[i % 2], body), *other = connected();
        small_window(c);
        wire_settle();
        assert_int_equal(subscriptions(), 1);
        for (int n = 0; n < 300 && subscriptions() > 0; n++) {
            say_much(1);
            wire_settle();
        }
        assert_int_equal(subscriptions(), 0);
        /* By itself it is written to by the protocol, which ends it in order. */
        if (i / 2 == 1)
            assert_true(client_wait_text(c, "\r\n0\r\n\r\n"));
        else
            client_wait_end(c);
        client_free(c);
        ask(other, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
        client_free(other);
        ways_stop();
    }
}

/* HUB-6: the same over a WebSocket has a code. */
TEST(slow, reader_of_a_websocket_is_cut_off_and_nobody_else)
{
    for (int direct = 0; direct < 2; direct++) {
        struct hub_options o = options();
        o.allow_tags_filter = true;
        ways_serve(&o, 1, NULL);
        struct client *c = connected(), *other = connected();
        small_window(c);
        ask(c,
            direct ? "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"tf\":{\"key\":\"k\",\"cmp\":\"nex\"}}}"
                   : "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}",
            "{\"id\":2,\"subscribe\":{}}");
        for (int n = 0; n < 300 && subscriptions() > 0; n++) {
            say_much(1);
            wire_settle();
        }
        assert_int_equal(subscriptions(), 0);
        client_free(c);
        ask(other, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
        client_free(other);
        ways_stop();
    }
}

/* What is missed is much, and its reader slow: it comes page by page as it is taken, whole and in order. */
static void catch_up(const char *request)
{
    enum { COUNT = 110 };
    struct hub_options o = options();
    o.history_size = COUNT;
    ways_serve(&o, 1, NULL);
    for (unsigned i = 1; i <= COUNT; i++) {
        static char text[50001];
        memset(text, 'x', 50000);
        snprintf(text, 20, "number %06u.", i);
        text[strlen(text)] = 'x';
        ways_publish("c", text);
    }
    struct client *c = client_new();
    small_window(c);
    client_say(c, request);
    for (int i = 0; i < 2 * COUNT; i++)
        wire_turn(); /* as much as goes without being read, a page a turn */
    ways_publish("c", "the last");
    assert_true(client_wait_text(c, "the last"));
    const uint8_t *at = c->in;
    for (unsigned i = 1; i <= COUNT; i++) {
        char number[20];
        snprintf(number, sizeof(number), "number %06u.", i);
        at = memmem(at, c->len - (size_t)(at - c->in), number, strlen(number));
        if (at == NULL)
            fail_msg("%s is missing", number);
        assert_null(memmem(at + 1, c->len - (size_t)(at + 1 - c->in), number, strlen(number)));
    }
    client_free(c);
    ways_stop();
}

TEST(slow, reader_of_a_long_history_gets_all_of_it)
{
    catch_up("GET /channel/c?since=aaaaaaaa:0 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    catch_up("GET /channel/c?since=aaaaaaaa:0 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Protocol: duet.v1\r\n\r\n");
    catch_up("GET /events?channel=c&since=aaaaaaaa:0 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    catch_up("GET /events?channel=c&channel=d&since=aaaaaaaa:0, HTTP/1.1\r\nHost: a.example\r\n\r\n");
}
