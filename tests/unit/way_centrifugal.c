/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "hub/session.h"
#include "talk.h"

static struct hub_options open_options(void)
{
    struct hub_options o = ways_open();
    o.presence = o.join_leave = true;
    o.allow_history_for_anonymous = o.allow_presence_for_anonymous = true;
    return o;
}

static void begin(void)
{
    struct hub_options o = open_options();
    ways_serve(&o, 1, NULL);
}

/* What ends the connection, and how. Each twice: alone and with another command behind it in the frame. */
static void ends(bool first_connects, const char *text, const char *close)
{
    for (int more = 0; more < 2; more++) {
        struct client *c = first_connects ? connected() : open_at("websocket");
        char frame[4096];
        snprintf(frame, sizeof(frame), "%s%s", text, more ? "\n{\"id\":99,\"ping\":{}}" : "");
        say(c, frame);
        client_trace(c, 1);
        assert_string_equal(c->trace, close);
        client_free(c);
    }
}

/* HUB-16 */
TEST(centrifugal, what_comes_out_of_turn_ends_the_connection)
{
    begin();
    static const char bad[] = "close 3501 'bad request'\n";
    ends(false, "{\"id\":1,\"subscribe\":{\"channel\":\"c\"}}", bad);
    ends(false, "{\"id\":1,\"ping\":{}}", bad);
    ends(false, "{}", bad);
    ends(false, "{\"send\":{}}", bad);
    ends(false, "{\"connect\":{}}", bad);
    ends(false, "nonsense", bad);
    ends(true, "{\"id\":2,\"connect\":{}}", bad);
    ends(true, "{\"id\":2,\"unknown\":{}}", bad);
    ends(true, "{\"id\":2,\"subscribe\":{}}", bad);
    ends(true, "{\"id\":2,\"subscribe\":{\"channel\":\"\"}}", bad);
    ends(true, "{\"id\":2,\"publish\":{\"data\":1}}", bad);
    ends(true, "{\"id\":2,\"publish\":{\"channel\":3}}", bad);
    ends(true, "{\"id\":2,\"history\":{\"channel\":\"c\",\"since\":{\"offset\":-1}}}", bad);
    ends(true, "{\"id\":2,\"refresh\":{}}", bad);
    ends(true, "{\"send\":{\"data\":1}}", "close 3508 'not available'\n");
    struct client *c = connected();
    say(c, "\n\n");
    EXPECT_FRAMES(c, 1, bad);
    client_free(c);
    c = connected();
    client_frame(c, 0x82, "\1\2", 2);
    EXPECT_FRAMES(c, 1, "close 3506 'inappropriate protocol'\n");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, commands_are_answered_with_their_numbers)
{
    begin();
    struct client *c = connected();
    ask(c, "{\"id\":7,\"ping\":{}}", "{\"id\":7,\"ping\":{}}");
    say(c, "{\"id\":4294967295,\"ping\":{}}\n{\"id\":3,\"rpc\":{}}\n{}\n");
    EXPECT_FRAMES(c, 2,
                  "text '{\"id\":4294967295,\"ping\":{}}'\n"
                  "text '{\"id\":3,\"error\":{\"code\":108,\"message\":\"not available\"}}'\n");
    client_free(c);
    /* Connect and more in one frame. */
    c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}\n{\"id\":3,\"ping\":{}}");
    EXPECT_FRAMES(c, 3,
                  CONNECTED(1) "text '{\"id\":2,\"subscribe\":{}}'\n"
                               "text '{\"id\":3,\"ping\":{}}'\n");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, subscribers_are_told_what_is_published)
{
    begin();
    struct client *a = connected(), *b = connected();
    ask(a, "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"flag\":1}}", "{\"id\":2,\"subscribe\":{}}");
    ask(b, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":{\"a\" : \"\\u00e9\"}}}", "{\"id\":2,\"publish\":{}}");
    EXPECT_FRAMES(a, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{\"a\" : \"\\u00e9\"},\"offset\":1,"
                  "\"info\":{\"user\":\"\",\"client\":\"" CLIENT "\"},\"time\":1000}}}'\n");
    ways_publish("c", "text\n");
    EXPECT_FRAMES(
        a, 1, "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":\"text\\u000a\",\"offset\":2,\"time\":1000}}}'\n");
    ask(a, "{\"id\":3,\"subscribe\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}");
    ask(a, "{\"id\":4,\"unsubscribe\":{\"channel\":\"c\"}}", "{\"id\":4,\"unsubscribe\":{}}");
    ask(a, "{\"id\":5,\"unsubscribe\":{\"channel\":\"never\"}}", "{\"id\":5,\"unsubscribe\":{}}");
    ways_publish("c", "unheard");
    ask(a, "{\"id\":6,\"ping\":{}}", "{\"id\":6,\"ping\":{}}");
    client_free(a);
    client_free(b);
    ways_stop();
}

/* HUB-1, HUB-2: section 6.1, each line of it */
TEST(centrifugal, recovery_is_exact_or_says_that_it_is_not)
{
    begin();
    struct client *c = connected();
#define WISH(more) "{\"id\":2,\"subscribe\":{\"channel\":\"c\"" more "}}"
#define LEAVE      say(c, "{\"id\":9,\"unsubscribe\":{\"channel\":\"c\"}}"), client_trace(c, 1)
#define HEAD       "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"aaaaaaaa\""
#define PUB(n)     "{\"data\":\"" #n "\",\"offset\":" #n ",\"time\":1000}"
    ask(c, WISH(",\"recoverable\":true"), HEAD "}}");
    LEAVE;
    ask(c, WISH(",\"recover\":true"), HEAD ",\"recovered\":true,\"was_recovering\":true}}");
    LEAVE;
    for (const char *text = "1\0002\0003\0004\0005\0006\0007\0"; *text; text += 2)
        ways_publish("c", text);
    ask(c, WISH(",\"recover\":true,\"offset\":5,\"epoch\":\"aaaaaaaa\""),
        HEAD ",\"offset\":5,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(6) "," PUB(7) "]}}");
    ways_publish("c", "8");
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"pub\":" PUB(8) "}}'\n");
    LEAVE;
    ask(c, WISH(",\"recover\":true,\"offset\":8,\"epoch\":\"\""),
        HEAD ",\"offset\":8,\"recovered\":true,\"was_recovering\":true}}");
    LEAVE;
    /* Trimmed, another epoch, one that can be none, from the future. */
    static const char lost[] = HEAD ",\"offset\":8,\"was_recovering\":true}}";
    ask(c, WISH(",\"recover\":true,\"offset\":2"), lost);
    LEAVE;
    ask(c, WISH(",\"recover\":true,\"offset\":8,\"epoch\":\"aaaaaaab\""), lost);
    LEAVE;
    ask(c, WISH(",\"recover\":true,\"offset\":8,\"epoch\":\"aaaaaaaaa\""), lost);
    LEAVE;
    ask(c, WISH(",\"recover\":true,\"offset\":9"), lost);
    LEAVE;
    static const char unrecoverable[] = "{\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}";
    ask(c, WISH(",\"recover\":true,\"offset\":2,\"flag\":2"), unrecoverable);
    ask(c, WISH(",\"recover\":true,\"offset\":2,\"flag\":3"), unrecoverable);
    ask(c, WISH(",\"recover\":true,\"offset\":3,\"flag\":2"),
        HEAD ",\"offset\":3,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(4) "," PUB(5) "," PUB(
            6) "," PUB(7) "," PUB(8) "]}}");
    client_free(c);
    ways_stop();
}

/* Section 6.2 */
TEST(centrifugal, a_cache_brings_the_newest_alone)
{
    struct hub_options o = open_options();
    o.cache = true;
    ways_serve(&o, 1, NULL);
    struct client *c = connected();
    ask(c, WISH(",\"recover\":true"), HEAD ",\"recovered\":true,\"was_recovering\":true}}");
    LEAVE;
    ways_publish("c", "1");
    ways_publish("c", "2");
    ask(c, WISH(",\"recover\":true"),
        HEAD ",\"offset\":2,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(2) "]}}");
    LEAVE;
    ask(c, WISH(",\"recover\":true,\"offset\":2,\"epoch\":\"aaaaaaaa\""),
        HEAD ",\"offset\":2,\"recovered\":true,\"was_recovering\":true}}");
    client_free(c);
    ways_stop();
}

/* Section 15 */
TEST(centrifugal, a_cache_that_says_so_brings_the_newest_unasked)
{
    struct hub_options o = open_options();
    o.cache = o.auto_cache_recover = true;
    ways_serve(&o, 1, NULL);
    struct client *c = connected();
    ways_publish("c", "1");
    ways_publish("c", "2");
    ask(c, WISH(""), HEAD ",\"offset\":2,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(2) "]}}");
    client_free(c);
    ways_stop();
}

#define DENIED(id)  "{\"id\":" #id ",\"error\":{\"code\":103,\"message\":\"permission denied\"}}"
#define MISSING(id) "{\"id\":" #id ",\"error\":{\"code\":108,\"message\":\"not available\"}}"
#define BAD(id)     "{\"id\":" #id ",\"error\":{\"code\":107,\"message\":\"bad request\"}}"

/* HUB-5, section 8.1 */
TEST(centrifugal, errors_have_their_codes_and_the_connection_stays)
{
    struct hub_options o[2] = { open_options() };
    hub_options_default(&o[1]);
    strcpy(o[1].name, "closed");
    o[1].allow_user_limited_channels = true;
    ways_serve(o, 2, NULL);
    struct client *c = connected();
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"nowhere:x\"}}",
        "{\"id\":2,\"error\":{\"code\":102,\"message\":\"unknown channel\"}}");
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"nowhere:x\",\"data\":1}}",
        "{\"id\":2,\"error\":{\"code\":102,\"message\":\"unknown channel\"}}");
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"closed:x\"}}", DENIED(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"closed:x#ann\"}}", DENIED(2));
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"closed:x\",\"data\":1}}", DENIED(2));
    ask(c, "{\"id\":2,\"history\":{\"channel\":\"closed:x\"}}", MISSING(2));
    ask(c, "{\"id\":2,\"presence\":{\"channel\":\"closed:x\"}}", MISSING(2));
    ask(c, "{\"id\":2,\"presence_stats\":{\"channel\":\"closed:x\"}}", MISSING(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"$x\"}}", DENIED(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"token\":\"x.y.z\"}}", DENIED(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"type\":1}}", MISSING(2));
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"type\":1,\"data\":1}}", MISSING(2));
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\"}}", BAD(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\\u0000b\"}}", BAD(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"a\\nb\"}}", BAD(2));
    ask(c, "{\"id\":2,\"refresh\":{\"token\":\"x\"}}", MISSING(2));
    ask(c, "{\"id\":2,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"x\"}}", DENIED(2));
    for (int over = -1; over <= 1; over++) {
        char name[300], command[500], answer[300];
        memset(name, 'n', (size_t)(255 + over));
        name[255 + over] = 0;
        snprintf(command, sizeof(command), "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", name);
        snprintf(answer, sizeof(answer), over > 0 ? BAD(2) : "{\"id\":2,\"subscribe\":{}}");
        ask(c, command, answer);
    }
    for (int i = 2; i <= 128; i++) {
        char command[100];
        snprintf(command, sizeof(command), "{\"id\":2,\"subscribe\":{\"channel\":\"c%d\"}}", i);
        ask(c, command,
            i < 128 ? "{\"id\":2,\"subscribe\":{}}"
                    : "{\"id\":2,\"error\":{\"code\":106,\"message\":\"limit exceeded\"}}");
    }
    ask(c, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, history_is_read_both_ways)
{
    begin();
    struct client *c = connected();
#define PAGE(more) "{\"id\":2,\"history\":{\"channel\":\"c\"" more "}}"
#define TOP(n)     "\"epoch\":\"aaaaaaaa\",\"offset\":" #n "}}"
    ask(c, PAGE(""), "{\"id\":2,\"history\":{\"epoch\":\"aaaaaaaa\"}}");
    for (const char *text = "1\0002\0003\0004\0005\0006\0007\0"; *text; text += 2)
        ways_publish("c", text);
    ask(c, PAGE(""), "{\"id\":2,\"history\":{" TOP(7));
    ask(c, PAGE(",\"limit\":2"), "{\"id\":2,\"history\":{\"publications\":[" PUB(3) "," PUB(4) "]," TOP(7));
    ask(c, PAGE(",\"limit\":-1,\"since\":{\"offset\":5,\"epoch\":\"aaaaaaaa\"}"),
        "{\"id\":2,\"history\":{\"publications\":[" PUB(6) "," PUB(7) "]," TOP(7));
    ask(c, PAGE(",\"limit\":2,\"reverse\":true"),
        "{\"id\":2,\"history\":{\"publications\":[" PUB(7) "," PUB(6) "]," TOP(7));
    ask(c, PAGE(",\"limit\":1,\"reverse\":true,\"since\":{\"offset\":5}"),
        "{\"id\":2,\"history\":{\"publications\":[" PUB(4) "]," TOP(7));
    ask(c, PAGE(",\"limit\":1,\"reverse\":true,\"since\":{}"), BAD(2));
    ask(c, PAGE(",\"limit\":1,\"since\":{\"epoch\":\"x\"}"),
        "{\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}");
    ask(c, PAGE(",\"limit\":1,\"since\":{\"epoch\":\"aaaaaaaaa\"}"),
        "{\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}");
    client_free(c);
    ways_stop();
}

#define INFO "{\"user\":\"\",\"client\":\"" CLIENT "\"}"

/* HUB-7: the join comes behind the subscriber's own answer, the leave behind the join. */
TEST(centrifugal, presence_tells_who_comes_and_goes)
{
    begin();
    struct client *a = connected(), *b = connected();
    say(a, "{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"join_leave\":true}}");
    EXPECT_FRAMES(a, 2,
                  "text '{\"id\":2,\"subscribe\":{}}'\n"
                  "text '{\"push\":{\"channel\":\"c\",\"join\":{\"info\":" INFO "}}}'\n");
    ask(b, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", "{\"id\":2,\"subscribe\":{}}");
    EXPECT_FRAMES(a, 1, "text '{\"push\":{\"channel\":\"c\",\"join\":{\"info\":" INFO "}}}'\n");
    ask(b, "{\"id\":3,\"presence_stats\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"presence_stats\":{\"num_clients\":2,\"num_users\":1}}");
    client_reset(b);
    EXPECT_FRAMES(a, 1, "text '{\"push\":{\"channel\":\"c\",\"leave\":{\"info\":" INFO "}}}'\n");
    ask(a, "{\"id\":3,\"presence\":{\"channel\":\"c\"}}",
        "{\"id\":3,\"presence\":{\"presence\":{\"" CLIENT "\":" INFO "}}}");
    client_free(a);
    ways_stop();
}

/* Section 7; HUB-16: no connect in time */
TEST(centrifugal, silence_ends_with_its_code)
{
    begin();
    ways.site.connect_ms = 30;
    struct client *c = open_at("websocket");
    EXPECT_FRAMES(c, 1, "close 3502 'stale'\n");
    client_free(c);
    ways.site.connect_ms = 10000;
    ways.site.ping_ms = 20;
    c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{}}");
    client_trace(c, 1);
    for (int i = 0; i < 3; i++) {
        EXPECT_FRAMES(c, 1, "text '{}'\n");
        say(c, "{}");
    }
    ways.site.pong_ms = 30;
    ways.site.ping_ms = 10;
    do
        client_trace(c, 1);
    while (strcmp(c->trace, "text '{}'\n") == 0);
    assert_string_equal(c->trace, "close 3012 'no pong'\n");
    client_free(c);
    ways.site.ping_ms = 20;
    c = open_at("websocket?cf_ws_frame_ping_pong=true");
    say(c, "{\"id\":1,\"connect\":{}}");
    client_trace(c, 1);
    assert_null(strstr(c->trace, "ping"));
    client_free(c);
    ways_stop();
}

/* HUB-17, sections 9 and 10 */
TEST(centrifugal, deltas_begin_whole_and_filters_let_through)
{
    struct hub_options o = open_options();
    o.allow_delta_fossil = o.delta_publish = o.allow_tags_filter = true;
    ways_serve(&o, 1, NULL);
    struct client *c = connected(), *f = connected();
#define LONG "the same and the same and the same and the same "
    ask(c, WISH(",\"delta\":\"fossil\",\"recoverable\":true"), HEAD ",\"delta\":true}}");
    say(f, WISH(",\"tf\":{\"key\":\"k\",\"cmp\":\"ex\"}"));
    client_trace(f, 1);
    ways_publish("c", LONG "1");
    ways_publish("c", LONG "2");
    client_trace(c, 2);
    assert_non_null(strstr(c->trace, "\"data\":\"\\\"" LONG "1\\\"\",\"offset\":1"));
    assert_non_null(strstr(c->trace, ",\"delta\":true,\"offset\":2"));
    LEAVE;
    say(c, WISH(",\"delta\":\"fossil\",\"recover\":true,\"offset\":1"));
    client_trace(c, 1);
    assert_non_null(strstr(c->trace, "\"publications\":[{\"data\":\"\\\"" LONG "2\\\"\",\"offset\":2"));
    hub_publish(ways.site.hub,
                &(struct hub_publish){ .channel = "c",
                                       .len = 1,
                                       .parts = { .data = "7", .len = 1, .tags = "{\"k\":\"v\"}", .tags_len = 9 } },
                NULL);
    LEAVE;
    client_trace(f, 1);
    assert_non_null(strstr(f->trace, "\"data\":7,\"offset\":3,\"tags\":{\"k\":\"v\"}"));
    ask(c, WISH(",\"delta\":\"fossil\",\"tf\":{\"key\":\"k\",\"cmp\":\"ex\"}"), BAD(2));
    ask(c, WISH(",\"tf\":{\"cmp\":\"ex\",\"nodes\":1}"), BAD(2));
    client_free(c);
    client_free(f);
    ways_stop();
}

/* HUB-9 */
TEST(centrifugal, who_was_disconnected_hears_nothing_more_and_is_not_there)
{
    begin();
    struct client *c = connected();
    size_t users;
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", "{\"id\":2,\"subscribe\":{}}");
    assert_int_equal(hub_presence(ways.site.hub, "c", 1, &users, NULL, NULL), 1);
    say(c, "{\"send\":{}}");
    wire_settle(); /* its Close is out, ours is not */
    ways_publish("c", "late");
    assert_int_equal(hub_presence(ways.site.hub, "c", 1, &users, NULL, NULL), 0);
    wire_settle();
    EXPECT_FRAMES(c, 1, "close 3508 'not available'\n");
    client_read(c);
    assert_int_equal(c->len, 0);
    client_free(c);
    ways_stop();
}

/* HUB-6 */
TEST(centrifugal, a_storm_ends_the_connection_and_no_other)
{
    begin();
    ways.site.changes_per_s = 10;
    struct client *c = connected(), *other = connected();
    for (int i = 0; i < 10; i++) {
        say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}");
        client_trace(c, 2);
        assert_non_null(strstr(c->trace, "\"unsubscribe\":{}"));
    }
    say(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}");
    EXPECT_FRAMES(c, 1, "close 3013 'too many requests'\n");
    client_free(c);
    ways.site.commands_per_s = 10;
    c = connected(); /* one of twenty */
    for (int i = 0; i < 19; i++)
        ask(c, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
    say(c, "{\"id\":2,\"ping\":{}}");
    EXPECT_FRAMES(c, 1, "close 3013 'too many requests'\n");
    client_free(c);
    ways.now_ms += 10000;
    ask(other, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
    client_free(other);
    ways_stop();
}

TEST(centrifugal, publishing_too_fast_is_refused_with_111)
{
    struct hub_options o = open_options();
    o.publish_per_s = 5;
    ways_serve(&o, 1, NULL);
    struct client *c = connected();
    for (int i = 0; i < 10; i++)
        ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":1}}", "{\"id\":2,\"publish\":{}}");
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":1}}",
        "{\"id\":2,\"error\":{\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}");
    ways.now_ms += 200;
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":1}}", "{\"id\":2,\"publish\":{}}");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, a_message_has_its_limit)
{
    begin();
    for (int over = -1; over <= 1; over++) {
        struct client *c = connected();
        size_t len = (size_t)(64 * 1024 + over);
        char *text = mem_alloc(len);
        memset(text, ' ', len);
        memcpy(text, "{\"id\":2,\"ping\":{}}", 18);
        client_frame(c, 0x81, text, len);
        EXPECT_FRAMES(c, 1, over > 0 ? "close 1009 'message too big'\n" : "text '{\"id\":2,\"ping\":{}}'\n");
        mem_free(text);
        client_free(c);
    }
    ways_stop();
}

/* WEB-12: what ends a connection of the hub is a code that a browser may see as its own. */
TEST(centrifugal, all_codes_are_for_clients)
{
#define HOLDS(name, code, reason)                                                                                      \
    assert_true((code) >= 3000 && (code) < 5000);                                                                      \
    assert_true(strlen(reason) <= 123);
    HUB_DISCONNECTS(HOLDS)
#undef HOLDS
}

/* Sections 11 and 12. */

TEST(centrifugal, streams_hear_what_is_sent_to_emulation)
{
    begin();
    struct client *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    char session[100], letter[400];
    const char *text = body_of(c, 10), *at = strstr(text, "\"session\":\"");
    assert_non_null(at);
    assert_int_equal(text[strlen(text) - 1], '\n');
    snprintf(session, sizeof(session), "%.48s", at + 11);
    assert_int_equal(session[47] != '"', 1);
    snprintf(letter, sizeof(letter),
             "{\"session\":\"%s\",\"node\":\"0000000000000000\",\"data\":\"{\\\"id\\\":2,\\\"ping\\\":{}}\\n{}\"}",
             session);
    assert_int_equal(post(letter), 204);
    assert_string_equal(body_of(c, 10), "{\"id\":2,\"ping\":{}}\n");
    static const char *const bad[] = { "{}", "[]", "x", "{\"session\":1,\"node\":\"\",\"data\":\"{}\"}",
                                       "{\"session\":\"x\",\"node\":\"0000000000000000\",\"data\":\"\"}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(post(bad[i]), 400);
    /* Another node, another secret, nobody's loop, no session at all. */
    char *node = strstr(letter, "node") + 7;
    node[0] = '1';
    assert_int_equal(post(letter), 404);
    node[0] = '0';
    char *secret = strstr(letter, "session") + 10 + 47;
    secret[0] ^= 1;
    assert_int_equal(post(letter), 404);
    secret[0] ^= 1;
    secret[1 - 48] = '7';
    assert_int_equal(post(letter), 404);
    assert_int_equal(post("{\"session\":\"x\",\"node\":\"0000000000000000\",\"data\":\"{}\"}"), 404);
    assert_string_equal(body_of(c, 0), "");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, streams_end_with_a_disconnect)
{
    begin();
    struct client *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"ping\":{}}");
    assert_string_equal(body_of(c, 10), "{\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bad request\"}}}\n");
    client_free(c);
    c = stream("GET", "/connection/sse?cf_connect=%7B%22id%22%3A1%2C%22ping%22%3A%7B%7D%7D", "");
    assert_string_equal(body_of(c, 10),
                        "\ndata: {\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bad request\"}}}\n\n");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, who_only_listens_gets_pushes_bare)
{
    begin();
    static const char *const ways_in[] = { "uni_http_stream", "uni_sse" };
    static const char subs[] = "{\"subs\":{\"c\":{\"recover\":true}}}";
    ways_publish("c", "1");
    for (int i = 0; i < 2; i++) {
        char path[100], expected[1000];
        snprintf(path, sizeof(path), "/connection/%s", ways_in[i]);
        struct client *c = stream("POST", path, subs);
        snprintf(
            expected, sizeof(expected),
            "%s{\"connect\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION
            "\",\"subs\":{\"c\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"aaaaaaaa\",\"recovered\":true,"
            "\"was_recovering\":true,\"publications\":[" PUB(1) "]}},\"ping\":25,\"node\":\"0000000000000000\"}}%s",
            i ? "\ndata: " : "", i ? "\n\n" : "\n");
        char *text = body_of(c, 10);
        char *rest = strstr(text, "{\"channel\":\"c\",\"join\":");
        assert_non_null(rest);
        rest[i ? -6 : 0] = '\0';
        assert_string_equal(text, expected);
        client_free(c);
        ways.now_ms += 70000; /* the history is gone */
        hub_tick(ways.site.hub);
        hub_remove_history(ways.site.hub, "c", 1);
        if (i == 0) {
            ways.now_ms = 1000;
            ways_stop();
            begin();
            ways_publish("c", "1");
        }
    }
    ways_stop();
    begin();
    struct client *c = open_at("uni_websocket?cf_connect=%7B%22subs%22%3A%7B%22c%22%3A%7B%7D%7D%7D");
    client_trace(c, 2);
    assert_int_equal(strncmp(c->trace, "text '{\"connect\":{", 18), 0);
    ways_publish("c", "1");
    EXPECT_FRAMES(c, 1, "text '{\"channel\":\"c\",\"pub\":" PUB(1) "}'\n");
    client_free(c);
    c = open_at("uni_websocket");
    say(c, "{\"subs\":{\"$c\":{}}}");
    EXPECT_FRAMES(c, 1, "close 3507 'permission denied'\n");
    client_free(c);
    ways_stop();
}

/* Each allocation of a whole life fails once, and for ever: nothing is lost but the connection. */
TEST(centrifugal, mem_1_each_allocation_fails)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long asked, after = 0;
        do {
            begin();
            struct client *c = open_at("websocket");
            wire_settle();
            static const char life[] = "{\"id\":1,\"connect\":{}}\n"
                                       "{\"id\":2,\"subscribe\":{\"channel\":\"c\\u0061\",\"join_leave\":true}}\n"
                                       "{\"id\":3,\"publish\":{\"channel\":\"ca\",\"data\":[1]}}\n"
                                       "{\"id\":4,\"history\":{\"channel\":\"ca\",\"limit\":9}}\n"
                                       "{\"id\":5,\"presence\":{\"channel\":\"ca\"}}\n"
                                       "{\"id\":6,\"unsubscribe\":{\"channel\":\"ca\"}}";
            uint8_t frame[1000];
            size_t len = client_encode(frame, 0x81, life, sizeof(life) - 1);
            client_send(c, frame, len);
            mem_fail(after, for_ever);
            for (int i = 0; i < 20; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            client_free(c);
            ways_stop();
        } while (asked > after++);
        assert_true(asked > 10);
    }
}

TEST(centrifugal, server_says_until_when_it_goes_on)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    begin();
    struct client *c = connected(), *listener = open_at("uni_websocket");
    say(listener, "{}");
    EXPECT_FRAMES(listener, 1,
                  "text '{\"connect\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION
                  "\",\"ping\":25,\"node\":\"0000000000000000\"}}'\n");
    assert_int_equal(hub_refresh(ways.site.hub, &anybody, 61000), 0);
    EXPECT_FRAMES(listener, 1, "text '{\"refresh\":{\"expires\":true,\"ttl\":60}}'\n");
    ways.now_ms = 61000; /* its publications count no more (HUB-11), while it may be refreshed yet */
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":1}}",
        "{\"id\":2,\"error\":{\"code\":110,\"message\":\"expired\"}}");
    assert_int_equal(hub_refresh(ways.site.hub, &anybody, 0), 0);
    EXPECT_FRAMES(listener, 1, "text '{\"refresh\":{\"expires\":false}}'\n");
    ask(c, "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":1}}", "{\"id\":3,\"publish\":{}}");
    assert_int_equal(hub_refresh(ways.site.hub, &anybody, 61000), 0); /* over already */
    EXPECT_FRAMES(c, 1, "close 3005 'connection expired'\n");
    EXPECT_FRAMES(listener, 1, "close 3005 'connection expired'\n");
    client_free(c);
    client_free(listener);
    ways_stop();
}

TEST(centrifugal, server_subscribes_it_and_takes_it_out_again)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    begin();
    struct client *c = connected(), *early = open_at("websocket");
    assert_int_equal(hub_subscribe(ways.site.hub, &anybody, &(struct hub_invitation){ .channel = "c", .len = 1 }), 0);
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"subscribe\":{\"recoverable\":true,\"positioned\":true,"
                  "\"epoch\":\"aaaaaaaa\"}}}'\n");
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"join\":{\"info\":" INFO "}}}'\n");
    assert_int_equal(hub_subscribe(ways.site.hub, &anybody, &(struct hub_invitation){ .channel = "c", .len = 1 }),
                     0); /* twice is once */
    ways_publish("c", "1");
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":\"1\",\"offset\":1,\"time\":1000}}}'\n");
    assert_int_equal(hub_unsubscribe(ways.site.hub, &anybody, "c", 1, HUB_UNSUBSCRIBE_SERVER), 0);
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"unsubscribe\":{\"code\":2000,"
                  "\"reason\":\"server unsubscribe\"}}}'\n");
    ways_publish("c", "2");
    ask(c, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
    client_free(c);
    client_free(early);
    ways_stop();
}

/* Requests. */

static unsigned status_of(const char *method, const char *target, const char *fields, const char *body)
{
    struct client *c = client_new();
    char head[4000];
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a.example\r\nContent-Length: %zu\r\n%s\r\n", method, target,
             strlen(body), fields);
    client_say(c, head);
    client_say(c, body);
    unsigned status = client_answer(c, NULL, NULL);
    client_free(c);
    return status;
}

#define UPGRADE                                                                                                        \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TEST(centrifugal, protobuf_is_refused_and_json_selected)
{
    begin();
    assert_int_equal(status_of("GET", "/connection/websocket?format=protobuf", UPGRADE, ""), 400);
    assert_int_equal(status_of("GET", "/connection/websocket?cf_protocol=protobuf", UPGRADE, ""), 400);
    assert_int_equal(status_of("GET", "/connection/websocket?format=json&cf_protocol=json", UPGRADE, ""), 101);
    struct client *c = client_new();
    char head[4096];
    client_say(c, "GET /connection/websocket HTTP/1.1\r\nHost: a.example\r\n" UPGRADE
                  "Sec-WebSocket-Protocol: centrifuge-protobuf, centrifuge-json\r\n\r\n");
    assert_int_equal(client_answer(c, head, NULL), 101);
    assert_true(client_has_field(head, "Sec-WebSocket-Protocol: centrifuge-json"));
    client_free(c);
    ways_stop();
}

/* What one connects with is as long as a message may be, or as an address. */
TEST(centrifugal, what_is_too_long_or_missing_opens_no_stream)
{
    static char body[66 * 1024], target[12000];
    static const char *const paths[] = { "/connection/http_stream", "/connection/sse", "/connection/uni_http_stream",
                                         "/connection/uni_sse" };
    ways.target_max = 12 * 1024;
    begin();
    memset(body, ' ', 64 * 1024 + 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(status_of("POST", paths[i], "", body), 413);
    assert_int_equal(status_of("POST", EMULATION_PATH, "", body), 413);
    assert_int_equal(status_of("POST", paths[0], "", ""), 400);
    assert_int_equal(status_of("GET", paths[1], "", ""), 400);
    for (int i = 1; i < 4; i++)
        for (int over = 0; over < 2; over++) {
            struct client *c = client_new();
            int head = snprintf(target, sizeof(target), "GET %s?cf_connect=", paths[i]);
            memset(target + head, ' ' + 11, 8192 + (size_t)over); /* "+", which stands for a space */
            strcpy(target + head + 8192 + over, " HTTP/1.1\r\nHost: a.example\r\n\r\n");
            client_say(c, target);
            assert_int_equal(client_answer(c, NULL, NULL), over ? 414 : 200);
            client_free(c);
        }
    struct client *c = client_new();
    int head = snprintf(target, sizeof(target), "GET /connection/uni_websocket?cf_connect=");
    memset(target + head, 'x', 8193);
    strcpy(target + head + 8193, " HTTP/1.1\r\nHost: a.example\r\n" UPGRADE "\r\n");
    client_say(c, target);
    assert_int_equal(client_answer(c, NULL, NULL), 414);
    client_free(c);
    ways_stop();
}

TEST(centrifugal, who_only_listens_has_one_thing_to_say)
{
    begin();
    static const char bad[] = "close 3501 'bad request'\n";
    static const char *const firsts[] = {
        "x", "[]", "{\"subs\":1}", "{\"subs\":{\"\":{}}}", "{\"subs\":{\"none:a\":{}}}", "{\"subs\":{\"\\ud800\":{}}}"
    };
    for (size_t i = 0; i < sizeof(firsts) / sizeof(*firsts); i++) {
        struct client *c = open_at("uni_websocket");
        say(c, firsts[i]);
        EXPECT_FRAMES(c, 1, bad);
        client_free(c);
    }
    struct client *c = open_at("uni_websocket");
    say(c, "{}");
    client_trace(c, 1);
    assert_memory_equal(c->trace, "text '{\"connect\":{", 18);
    say(c, "{}");
    EXPECT_FRAMES(c, 1, bad);
    client_free(c);
    /* A name that is longer than any. */
    char text[2000];
    memset(text, 'n', sizeof(text));
    memcpy(text, "{\"subs\":{\"", 10);
    strcpy(text + sizeof(text) - 8, "\":{}}}");
    c = open_at("uni_websocket");
    say(c, text);
    EXPECT_FRAMES(c, 1, bad);
    client_free(c);
    ways_stop();
}

/* In a drain clients are told to come back elsewhere. */
TEST(centrifugal, drain_says_shutdown_to_all_of_them)
{
    begin();
    struct client *c = connected(), *s = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}"),
                  *plain = ways_open_channel("c", NULL);
    body_of(s, 10);
    duet_server_drain(wire.server);
    EXPECT_FRAMES(c, 1, "close 3001 'shutdown'\n");
    client_free(c);
    assert_string_equal(body_of(s, 10), "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}\n");
    client_free(s);
    client_trace(plain, 1);
    assert_memory_equal(plain->trace, "close 1001", 10);
    client_free(plain);
    ways_stop();
}

/* Letters to a stream. */

static void letter_to(struct client *c, const char *data, unsigned status)
{
    char session[100], letter[1000];
    const char *text = body_of(c, 10), *at = strstr(text, "\"session\":\"");
    assert_non_null(at);
    snprintf(session, sizeof(session), "%.48s", at + 11);
    snprintf(letter, sizeof(letter), "{\"more\":[1],\"data\":\"%s\",\"node\":\"0000000000000000\",\"session\":\"%s\"}",
             data, session);
    assert_int_equal(post(letter), status);
}

TEST(centrifugal, letters_subscribe_a_stream_and_take_it_out_again)
{
    begin();
    struct client *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    letter_to(c,
              "{\\\"id\\\":2,\\\"subscribe\\\":{\\\"channel\\\":\\\"c\\\"}}\\n"
              "{\\\"id\\\":3,\\\"unsubscribe\\\":{\\\"channel\\\":\\\"c\\\"}}\\n"
              "{\\\"id\\\":4,\\\"subscribe\\\":{\\\"channel\\\":\\\"d\\\"}}",
              204);
    assert_string_equal(body_of(c, 10), "{\"id\":2,\"subscribe\":{}}\n{\"id\":3,\"unsubscribe\":{}}\n"
                                        "{\"id\":4,\"subscribe\":{}}\n");
    ways_publish("c", "unheard");
    ways_publish("d", "heard");
    assert_string_equal(body_of(c, 10), "{\"push\":{\"channel\":\"d\",\"pub\":{\"data\":\"heard\",\"offset\":1,"
                                        "\"time\":1000}}}\n");
    client_free(c);
    /* What is in a letter is judged where it arrives. */
    c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    letter_to(c, "x", 204);
    assert_string_equal(body_of(c, 10), "{\"push\":{\"disconnect\":{\"code\":3501,\"reason\":\"bad request\"}}}\n");
    client_free(c);
    static const char *const bad[] = {
        "{\"session\":\"a\",\"session\":\"a\",\"node\":\"\",\"data\":\"{}\"}",
        "{\"session\":\"a\",\"node\":\"\",\"data\":\"\\ud800\"}",
        "{\"session\":\"a\",\"node\":\"\",\"data\":{}}",
        "{\"node\":\"\",\"data\":\"{}\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(post(bad[i]), 400);
    /* A name as long as a session's that is none. */
    assert_int_equal(post("{\"session\":\"00000000000000zz00000000000000000000000000000000\","
                          "\"node\":\"0000000000000000\",\"data\":\"{}\"}"),
                     404);
    assert_int_equal(post("{\"session\":\"x\",\"node\":\"\",\"data\":\"{}\"}"), 404);
    ways_stop();
}

/* Who sent a letter may be gone before it is there. */
TEST(centrifugal, letters_of_senders_who_are_gone_arrive)
{
    begin();
    struct client *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}"), *sender = client_new();
    char session[100], body[400], request[1000];
    snprintf(session, sizeof(session), "%.48s", strstr(body_of(c, 10), "\"session\":\"") + 11);
    snprintf(body, sizeof(body),
             "{\"session\":\"%s\",\"node\":\"0000000000000000\",\"data\":\"{\\\"id\\\":2,\\\"ping\\\":{}}\"}", session);
    snprintf(request, sizeof(request), "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    client_say(sender, request);
    client_reset(sender);
    wire_settle();
    client_free(c);
    ways_stop();
}

/* What one gets of a channel that no other gets. */

static void publish_json(const char *data, const char *tags)
{
    hub_publish(
        ways.site.hub,
        &(struct hub_publish){ .channel = "c",
                               .len = 1,
                               .parts = { .data = data, .len = strlen(data), .tags = tags, .tags_len = strlen(tags) } },
        NULL);
}

/* HUB-17: a delta has its base in what was written to this client. */
TEST(centrifugal, delta_has_all_that_a_publication_has)
{
    struct hub_options o = open_options();
    o.allow_delta_fossil = o.allow_tags_filter = true;
    ways_serve(&o, 1, NULL);
    struct client *c = connected(), *plain = connected();
    ask(c, WISH(",\"delta\":\"fossil\",\"recoverable\":true,\"join_leave\":true"), HEAD ",\"delta\":true}}");
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"join\":{\"info\":" INFO "}}}'\n");
    say(plain, "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":[1]}}");
    client_trace(plain, 1);
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":\"[1]\",\"offset\":1,\"info\":" INFO
                  ",\"time\":1000}}}'\n");
    publish_json("[1]", "{\"k\":\"v\"}"); /* whole again, since the namespace does not compute any */
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":\"[1]\",\"offset\":2,\"tags\":{\"k\":\"v\"},"
                  "\"time\":1000}}}'\n");
    say(plain, WISH(",\"join_leave\":true"));
    client_trace(plain, 2);
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"join\":{\"info\":" INFO "}}}'\n");
    client_free(plain);
    EXPECT_FRAMES(c, 1, "text '{\"push\":{\"channel\":\"c\",\"leave\":{\"info\":" INFO "}}}'\n");
    /* Another kind of delta is none, and so is one without a position. */
    LEAVE;
    ask(c, WISH(",\"delta\":\"fossi1\",\"recoverable\":true"), HEAD ",\"offset\":2}}");
    LEAVE;
    ask(c, WISH(",\"delta\":\"fossil\""), "{\"id\":2,\"subscribe\":{}}");
    client_free(c);
    ways_stop();
}

TEST(centrifugal, filter_holds_for_what_was_missed_and_for_each_channel_by_itself)
{
    struct hub_options o = open_options();
    o.allow_tags_filter = true;
    ways_serve(&o, 1, NULL);
    struct client *c = connected();
#define FILTER ",\"tf\":{\"key\":\"k\",\"cmp\":\"ex\"}"
    publish_json("1", "{\"k\":\"v\"}");
    publish_json("2", "{}");
    publish_json("3", "{\"k\":\"w\"}");
    ask(c, WISH(FILTER ",\"recover\":true,\"offset\":0"),
        HEAD ",\"recovered\":true,\"was_recovering\":true,\"publications\":["
             "{\"data\":1,\"offset\":1,\"tags\":{\"k\":\"v\"},\"time\":1000},"
             "{\"data\":3,\"offset\":3,\"tags\":{\"k\":\"w\"},\"time\":1000}]}}");
    ask(c, "{\"id\":3,\"subscribe\":{\"channel\":\"d\"" FILTER "}}", "{\"id\":3,\"subscribe\":{}}");
    publish_json("4", "{}");
    publish_json("5", "{\"k\":\"x\"}");
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":5,\"offset\":5,\"tags\":{\"k\":\"x\"},"
                  "\"time\":1000}}}'\n");
    ask(c, "{\"id\":4,\"unsubscribe\":{\"channel\":\"d\"}}", "{\"id\":4,\"unsubscribe\":{}}");
    publish_json("6", "{\"k\":\"x\"}");
    client_trace(c, 1);
    assert_non_null(strstr(c->trace, "\"data\":6"));
    LEAVE;
    ask(c, WISH(FILTER ",\"recover\":true,\"offset\":3"),
        HEAD ",\"offset\":3,\"recovered\":true,\"was_recovering\":true,\"publications\":["
             "{\"data\":5,\"offset\":5,\"tags\":{\"k\":\"x\"},\"time\":1000},"
             "{\"data\":6,\"offset\":6,\"tags\":{\"k\":\"x\"},\"time\":1000}]}}");
    client_free(c);
    ways_stop();
}

/* One that did not ask for its channel does not ask again: it comes back as a whole. */
TEST(centrifugal, insufficient_state_ends_a_subscription_or_the_connection)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    begin();
    struct client *c = connected();
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", "{\"id\":2,\"subscribe\":{}}");
    assert_int_equal(hub_unsubscribe(ways.site.hub, &anybody, "c", 1, HUB_UNSUBSCRIBE_INSUFFICIENT), 0);
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"c\",\"unsubscribe\":{\"code\":2500,"
                  "\"reason\":\"insufficient state\"}}}'\n");
    assert_int_equal(hub_subscribe(ways.site.hub, &anybody, &(struct hub_invitation){ .channel = "c", .len = 1 }), 0);
    client_trace(c, 2);
    assert_int_equal(hub_unsubscribe(ways.site.hub, &anybody, "c", 1, HUB_UNSUBSCRIBE_INSUFFICIENT), 0);
    EXPECT_FRAMES(c, 1, "close 3010 'insufficient state'\n");
    client_free(c);
    ways_stop();
}

/* Forcing is the namespace's, asking the client's. */
TEST(centrifugal, positions_are_told_where_the_namespace_has_them)
{
    static const struct {
        bool streams, force_recovery, allow_recovery, cache, force_positioning, allow_positioning;
        const char *wish, *said;
    } rows[] = {
        { false, true, true, false, true, true, ",\"recoverable\":true", "{" },
        { true, true, false, false, false, false, "", "{\"recoverable\":true,\"positioned\":true," },
        { true, false, false, false, false, false, ",\"recoverable\":true,\"positioned\":true", "{" },
        { true, false, false, true, false, false, ",\"recoverable\":true",
          "{\"recoverable\":true,\"positioned\":true," },
        { true, false, false, false, true, false, "", "{\"positioned\":true," },
        { true, false, false, false, false, true, "", "{" },
        { true, false, false, false, false, true, ",\"positioned\":true", "{\"positioned\":true," },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct hub_options o = open_options();
        o.history_ttl_ms = rows[i].streams ? 60000 : 0;
        o.force_recovery = rows[i].force_recovery;
        o.allow_recovery = rows[i].allow_recovery;
        o.cache = rows[i].cache;
        o.force_positioning = rows[i].force_positioning;
        o.allow_positioning = rows[i].allow_positioning;
        ways_serve(&o, 1, NULL);
        struct client *c = connected();
        char command[200], answer[200];
        bool positioned = strlen(rows[i].said) > 1;
        snprintf(command, sizeof(command), "{\"id\":2,\"subscribe\":{\"channel\":\"c\"%s}}", rows[i].wish);
        snprintf(answer, sizeof(answer), "{\"id\":2,\"subscribe\":%s%s}}", rows[i].said,
                 positioned ? "\"epoch\":\"aaaaaaaa\"" : "");
        ask(c, command, answer);
        ask(c, "{\"id\":3,\"history\":{\"channel\":\"c\"}}",
            rows[i].streams ? "{\"id\":3,\"history\":{\"epoch\":\"aaaaaaaa\"}}" : MISSING(3));
        client_free(c);
        ways_stop();
    }
}
