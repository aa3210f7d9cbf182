/* SPDX-License-Identifier: MIT */
/* What the plain ways ask a backend: who comes in, to which channels, and what may be said there. */
#include "held_hooks.h"
#include "signed.h"
#include "ways.h"

#define CLIENT          "00000000-0000-4000-8000-000000000000"
#define WHO(way)        "{\"transport\":\"" way "\",\"protocol\":\"json\",\"encoding\":\"json\""
#define NAMED(way)      WHO(way) ",\"user\":\"ann\""
#define RESULT(members) "{\"result\":{" members "}}"
#define SAID            "{\"error\":{\"code\":1400,\"message\":\"not you\"}}"
#define MUTE            "{\"error\":{\"code\":1400}}"
#define LEFT            "{\"disconnect\":{\"code\":4503,\"reason\":\"out\"}}"

static char *fields[] = { "cookie", NULL };

static void begin(bool connects)
{
    struct hub_options o[3] = { ways_open(), ways_open(), ways_open() };
    strcpy(o[1].name, "asked");
    o[1].allow_subscribe_for_client = o[1].allow_subscribe_for_anonymous = false;
    o[1].subscribe_hook = true;
    strcpy(o[2].name, "looked");
    o[2].publish_hook = true;
    ways_serve(o, 3, NULL);
    held = (struct hooks){ .count = 0 };
    held.has[HOOK_SUBSCRIBE] = held.has[HOOK_PUBLISH] = true;
    held.has[HOOK_CONNECT] = connects;
    ways.site.hooks = &held;
    ways.site.hook_fields = fields;
}

static void end(void)
{
    held_end();
    ways_stop();
}

/* A request that waits: an upgrade of /channel/WHAT, or a stream of /events?channel=WHAT. */
static struct client *come(bool stream, const char *what, const char *more)
{
    struct client *c = client_new();
    char request[3000];
    static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    snprintf(request, sizeof(request), "GET %s%s HTTP/1.1\r\nHost: a.example\r\nCookie: s=1\r\n%s%s\r\n",
             stream ? "/events?channel=" : "/channel/", what, stream ? "" : upgrade, more);
    client_say(c, request);
    return c;
}

static unsigned status_of(struct client *c, const char *words)
{
    char body[4096];
    unsigned status = client_answer(c, NULL, body);
    if (words != NULL && strstr(body, words) == NULL)
        fail_msg("there is no \"%s\" in %s", words, body);
    return status;
}

/* What it is told when the answer to its last question is this; and nothing is left when it went before that. */
static void is_told(bool stream, const char *what, enum hook_kind kind, const char *question, const char *answer,
                    unsigned status, const char *words)
{
    struct client *c = come(stream, what, "");
    unsigned n = held_expect(kind, question);
    assert_string_equal(held.asked[n].fields, "cookie: s=1\r\n");
    held_answer(n, answer);
    assert_int_equal(status_of(c, words), status);
    client_free(c);
    c = come(stream, what, "");
    n = held_expect(kind, question);
    client_reset(c);
    wire_settle();
    held_answer(n, answer);
}

static const char *const silent = "the backend does not answer";

/* HUB-15 */
TEST(knock, lets_in_whom_the_backend_names)
{
    begin(true);
    for (int stream = 0; stream < 2; stream++) {
        const char *question = stream ? WHO("events") "}" : WHO("plain") "}";
        unsigned in = stream ? 200 : 101;
        static const char *const nothing[] = { NULL, "x", "{}", RESULT("\"user\":1"), RESULT("\"expire_at\":\"x\"") };
        for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++)
            is_told(stream, "c", HOOK_CONNECT, question, nothing[i], 503, silent);
        is_told(stream, "c", HOOK_CONNECT, question, SAID, 401, "not you");
        is_told(stream, "c", HOOK_CONNECT, question, LEFT, 401, "out");
        is_told(stream, "c", HOOK_CONNECT, question, MUTE, 401, "does not let this in");
        is_told(stream, "c", HOOK_CONNECT, question, RESULT("\"user\":\"ann\""), in, NULL);
        is_told(stream, "none:c", HOOK_CONNECT, question, RESULT(""), 404, "no such namespace");
        is_told(stream, "$c", HOOK_CONNECT, question, RESULT(""), 403, "does not open this channel");
    }
    held.full = true;
    struct client *c = come(false, "c", "");
    assert_int_equal(status_of(c, silent), 503);
    client_free(c);
    end();
}

TEST(knock, asks_about_the_channel)
{
    begin(false);
    for (int stream = 0; stream < 2; stream++) {
        const char *question =
            stream ? WHO("events") ",\"channel\":\"asked:c\"}" : WHO("plain") ",\"channel\":\"asked:c\"}";
        is_told(stream, "asked:c", HOOK_SUBSCRIBE, question, NULL, 503, silent);
        is_told(stream, "asked:c", HOOK_SUBSCRIBE, question, RESULT("\"expire_at\":-5"), 503, silent);
        is_told(stream, "asked:c", HOOK_SUBSCRIBE, question, SAID, 403, "not you");
        is_told(stream, "asked:c", HOOK_SUBSCRIBE, question, LEFT, 403, "out");
        is_told(stream, "asked:c", HOOK_SUBSCRIBE, question, RESULT(""), stream ? 200 : 101, NULL);
    }
    held.full = true;
    struct client *c = come(true, "asked:c", "");
    assert_int_equal(status_of(c, silent), 503);
    client_free(c);
    /* Nobody is asked about others. */
    unsigned asked = held.count;
    c = come(false, "c", "");
    assert_int_equal(status_of(c, NULL), 101);
    client_free(c);
    assert_int_equal(held.count, asked);
    end();
}

TEST(knock, asks_one_thing_after_the_other)
{
    begin(true);
    struct client *c = come(true, "asked:a&channel=b&channel=asked:c", "");
    held_answer(held_expect(HOOK_CONNECT, WHO("events") "}"), RESULT("\"user\":\"ann\",\"meta\":{\"m\":1}"));
    unsigned n = held_expect(HOOK_SUBSCRIBE, NAMED("events") ",\"meta\":{\"m\":1},\"channel\":\"asked:a\"}");
    wire_settle();
    assert_int_equal(held.count, n + 1);
    held_answer(n, RESULT(""));
    n = held_expect(HOOK_SUBSCRIBE, NAMED("events") ",\"meta\":{\"m\":1},\"channel\":\"asked:c\"}");
    held_answer(n, RESULT(""));
    assert_int_equal(status_of(c, NULL), 200);
    size_t users;
    wire_settle();
    assert_int_equal(hub_presence(ways.site.hub, "asked:c", 7, &users, NULL, NULL), 1);
    ways_publish("asked:c", "heard");
    assert_true(client_wait_text(c, "event: asked:c\ndata: \"heard\""));
    client_free(c);
    /* Refused at the last, it hears of none. */
    c = come(true, "b&channel=asked:c", "");
    held_answer(held_expect(HOOK_CONNECT, WHO("events") "}"), RESULT("\"user\":\"ann\""));
    held_answer(held_expect(HOOK_SUBSCRIBE, NAMED("events") ",\"channel\":\"asked:c\"}"), SAID);
    assert_int_equal(status_of(c, "not you"), 403);
    client_free(c);
    end();
}

/* A token says who it is; the backend is asked about the rest, with that. */
TEST(knock, asks_not_who_brings_a_token)
{
    struct hub_doors *doors;
    struct config config;
    char why[HUB_KEYS_WHY], token[2000], field[2100];
    begin(true);
    ways.site.needs_token = true;
    assert_int_equal(hub_doors_new(&doors), 0);
    config_init(&config);
    setenv("WAY_KNOCK_SECRET", SIGNED_SECRET, 1);
    config.tokens.secret_env = strdup("WAY_KNOCK_SECRET");
    assert_int_equal(hub_doors_set(doors, &config, why), 0);
    config_fini(&config);
    ways.site.doors = doors;
    signed_with(token, SIGNED_SECRET, "{\"alg\":\"HS256\"}", "{\"sub\":\"ann\",\"exp\":100,\"meta\":{\"m\":1}}");
    snprintf(field, sizeof(field), "Authorization: Bearer %s\r\n", token);
    struct client *c = come(false, "asked:c", field);
    held_answer(held_expect(HOOK_SUBSCRIBE, NAMED("plain") ",\"meta\":{\"m\":1},\"channel\":\"asked:c\"}"), RESULT(""));
    assert_int_equal(status_of(c, NULL), 101);
    client_free(c);
    c = come(false, "asked:c", "Authorization: Bearer x\r\n");
    assert_int_equal(status_of(c, "the token is not good"), 401);
    client_free(c);
    /* Without one the backend may name it, though nobody else comes in without. */
    c = come(false, "c", "");
    held_answer(held_expect(HOOK_CONNECT, WHO("plain") "}"), RESULT(""));
    assert_int_equal(status_of(c, NULL), 101);
    client_free(c);
    held.has[HOOK_CONNECT] = false;
    c = come(false, "c", "");
    assert_int_equal(status_of(c, "without a token"), 401);
    client_free(c);
    /* Its time is over while the backend thinks. */
    c = come(true, "asked:c", field);
    unsigned n = held_expect(HOOK_SUBSCRIBE, NAMED("events") ",\"meta\":{\"m\":1},\"channel\":\"asked:c\"}");
    ways.now_ms = 100000;
    held_answer(n, RESULT(""));
    assert_int_equal(status_of(c, NULL), 200);
    assert_true(client_wait_text(c, "\r\n0\r\n\r\n"));
    client_free(c);
    end();
    hub_doors_free(doors);
    ways.site.doors = NULL;
    ways.site.needs_token = false;
}

/* It may go on until then; also when that is over already. */
TEST(knock, ends_with_the_time_that_the_backend_gave)
{
    begin(true);
    for (int stream = 0; stream < 2; stream++)
        for (int of_channel = 0; of_channel < 2; of_channel++)
            for (int past = 0; past < 2; past++) {
                ways.now_ms = 1990;
                const char *until = past ? RESULT("\"expire_at\":1") : RESULT("\"expire_at\":2");
                struct client *c = come(stream, "asked:c", "");
                held_answer(held_expect(HOOK_CONNECT, stream ? WHO("events") "}" : WHO("plain") "}"),
                            of_channel ? RESULT("\"expire_at\":50") : until);
                held_answer(held_expect(HOOK_SUBSCRIBE, stream
                                                            ? WHO("events") ",\"user\":\"\",\"channel\":\"asked:c\"}"
                                                            : WHO("plain") ",\"user\":\"\",\"channel\":\"asked:c\"}"),
                            of_channel ? until : RESULT("\"expire_at\":60"));
                assert_int_equal(status_of(c, NULL), stream ? 200 : 101);
                if (!past) {
                    wire_settle();
                    client_read(c);
                    assert_false(c->eof);
                    ways.now_ms = 2000;
                }
                assert_true(client_wait_text(c, stream ? "\r\n0\r\n\r\n" : "connection expired"));
                client_free(c);
            }
    end();
}

/* Publishing. */

static struct client *open_channel(const char *what, bool envelope)
{
    struct client *c = come(false, what, envelope ? "Sec-WebSocket-Protocol: duet.v1\r\n" : "");
    assert_int_equal(status_of(c, NULL), 101);
    if (envelope)
        assert_non_null(strstr(client_trace(c, 1), "\"channel\""));
    return c;
}

#define LOOK(kind, data)                                                                                               \
    WHO("plain") ",\"client\":\"" CLIENT "\",\"channel\":\"looked:c\",\"kind\":\"" kind "\",\"data\":" data "}"

TEST(plain, has_what_is_said_looked_at)
{
    begin(false);
    struct client *c = open_channel("looked:c", false);
    client_frame(c, 0x81, "{\"a\" :1}", 8);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("json", "{\"a\" :1}")), RESULT(""));
    EXPECT_FRAMES(c, 1, "text '{\"a\" :1}'\n");
    client_frame(c, 0x81, "no json", 7);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("text", "\"no json\"")), RESULT("\"data\":[\n2]"));
    EXPECT_FRAMES(c, 1, "text '[2]'\n");
    client_frame(c, 0x82, "\1\2", 2);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("binary", "{\"b64\":\"AQI=\"}")), RESULT("\"skip_history\":true"));
    assert_non_null(strstr(client_trace(c, 1), "binary"));
    client_free(c);
    end();
}

TEST(plain, keeps_the_order_of_what_is_looked_at)
{
    begin(false);
    struct client *c = open_channel("looked:c", false);
    uint8_t frames[100];
    size_t len = 0;
    for (int i = 1; i <= 3; i++)
        len += client_encode(frames + len, 0x81, (char[]){ (char)('0' + i) }, 1);
    client_send(c, frames, len); /* in one piece */
    static const char *const looks[] = { LOOK("json", "1"), LOOK("json", "2"), LOOK("json", "3") };
    for (int i = 0; i < 3; i++) {
        unsigned n = held_expect(HOOK_PUBLISH, looks[i]);
        wire_settle();
        assert_int_equal(held.count, n + 1);
        held_answer(n, RESULT(""));
    }
    EXPECT_FRAMES(c, 3, "text '1'\ntext '2'\ntext '3'\n");
    client_free(c);
    end();
}

/* HUB-15 */
TEST(plain, is_told_when_what_it_said_is_refused)
{
    static const struct {
        const char *answer, *envelope, *bare;
    } rows[] = {
        { SAID, "text '{\"error\":{\"code\":1400,\"message\":\"not you\"}}'\n", "close 1008 'not you'\n" },
        { NULL, "text '{\"error\":{\"code\":100,\"message\":\"internal server error\"}}'\n",
          "close 1013 'internal server error'\n" },
        { LEFT, "close 4503 'out'\n", "close 4503 'out'\n" },
    };
    begin(false);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (int envelope = 0; envelope < 2; envelope++)
            for (int gone = 0; gone < 3; gone++) {
                struct client *c = open_channel("looked:c", envelope);
                client_frame(c, 0x81, "1", 1);
                unsigned n = held_expect(HOOK_PUBLISH, LOOK("json", "1"));
                if (gone == 1) {
                    client_reset(c);
                    wire_settle();
                } else if (gone == 2) {
                    static const struct hub_whom anybody = { .user = "", .client = "" };
                    hub_disconnect(ways.site.hub, &anybody, HUB_DISCONNECT_FORCE, NULL);
                }
                held_answer(n, rows[i].answer);
                if (gone == 0)
                    EXPECT_FRAMES(c, 1, envelope ? rows[i].envelope : rows[i].bare);
                else if (gone == 2)
                    EXPECT_FRAMES(c, 1, "close 3503 'force disconnect'\n");
                if (gone != 1)
                    client_free(c);
            }
    /* It goes on with an error. */
    struct client *c = open_channel("looked:c", true);
    client_frame(c, 0x81, "1", 1);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("json", "1")), SAID);
    client_trace(c, 1);
    held.full = true;
    client_frame(c, 0x81, "2", 1);
    EXPECT_FRAMES(c, 1, "text '{\"error\":{\"code\":100,\"message\":\"internal server error\"}}'\n");
    held.full = false;
    client_frame(c, 0x81, "3", 1);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("json", "3")), RESULT(""));
    assert_non_null(strstr(client_trace(c, 1), "\"data\":3"));
    client_free(c);
    end();
}

/* Without memory. */

/* Each allocation of a request fails, from its coming to its end, and so does each while it is answered. */
TEST(knock, mem_1_each_allocation_fails)
{
    static const char *const whats[] = { "asked:c", "asked:c", "looked:c" };
    for (int kind = 0; kind < 3; kind++) {
        bool stream = kind == 1;
        unsigned long asked = 0;
        for (unsigned long after = 0; after <= asked; after++) {
            begin(true);
            struct client *c = come(stream, whats[kind], kind == 2 ? "Sec-WebSocket-Protocol: duet.v1\r\n" : "");
            mem_fail(after, false);
            for (int i = 0; i < 10; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            held_end();
            client_free(c);
            ways_stop();
        }
        assert_in_range(asked, 3, 100);
    }
    for (int kind = 0; kind < 3; kind++)
        for (int step = 0; step < 2; step++) {
            unsigned long asked = 0;
            for (unsigned long after = 0; after <= asked; after++) {
                begin(true);
                struct client *c = come(kind == 1, whats[kind], kind == 2 ? "Sec-WebSocket-Protocol: duet.v1\r\n" : "");
                unsigned n = held_expect(HOOK_CONNECT, kind == 1 ? WHO("events") "}" : WHO("plain") "}");
                if (step == 1) {
                    held_answer(n, RESULT("\"user\":\"ann\",\"expire_at\":90"));
                    if (kind == 2) {
                        assert_int_equal(status_of(c, NULL), 101);
                        client_trace(c, 1);
                        client_frame(c, 0x81, "1", 1);
                    }
                    wire_settle();
                    n = held.count - 1;
                    assert_int_equal(held.asked[n].kind, kind == 2 ? HOOK_PUBLISH : HOOK_SUBSCRIBE);
                }
                held.asked[n].fail_at = (long)after;
                held_answer(n, step == 1 ? RESULT("\"data\":[\n1],\"expire_at\":70")
                                         : RESULT("\"user\":\"ann\",\"expire_at\":90,\"info\":{}"));
                asked = held.asked[n].asked;
                wire_settle();
                client_free(c);
                end();
            }
            assert_true(asked > 2);
        }
}

TEST(plain, mem_1_a_message_that_cannot_be_asked_about_is_refused)
{
    unsigned long asked = 0;
    for (unsigned long after = 0; after <= asked; after++) {
        begin(false);
        struct client *c = open_channel("looked:c", true);
        client_frame(c, 0x81, "{\n}", 3);
        mem_fail(after, false);
        for (int i = 0; i < 5; i++)
            duet_loop_turn(wire.loop, 0);
        asked = mem_fail_end();
        client_free(c);
        end();
    }
    assert_true(asked > 1);
}
