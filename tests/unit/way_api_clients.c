/* SPDX-License-Identifier: MIT */
/* What the API does with clients, as those of the Centrifugal protocol are told of it. */
#include "base/mem.h"
#include "doors.h"
#include "held_engine.h"
#include "talk.h"
#include "wire/api_clients.h"

#define CLIENT_INFO     "\"user\":\"\",\"client\":\"" CLIENT "\""
#define BAD             "{\"error\":{\"code\":107,\"message\":\"bad request\"}}"
#define NONE            "{\"error\":{\"code\":108,\"message\":\"not available\"}}"
#define IS(name, value) "\"" name "\":{\"value\":" value "}"
#define DONE            "{\"result\":{}}"
#define STREAMS         "\"recoverable\":true,\"positioned\":true,\"epoch\":\"aaaaaaaa\""
#define PUSH(what)      "text '{\"push\":{\"channel\":\"c\"," what "}}'\n"
#define PUB(n)          PUSH("\"pub\":{\"data\":\"" #n "\",\"offset\":" #n ",\"time\":1000}")

static char *api(const char *method, const char *body)
{
    static char text[4096];
    char head[300];
    struct client *c = client_new();
    snprintf(head, sizeof(head), "POST /api/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", method,
             strlen(body));
    client_say(c, head);
    client_say(c, body);
    assert_int_equal(client_answer(c, NULL, text), 200);
    client_free(c);
    return text;
}

#define EXPECT_API(method, body, answer) assert_string_equal(api(method, body), answer)
#define SUBSCRIBE(more)                  "{\"user\":\"\",\"channel\":\"c\"" more "}"
#define SINCE(offset, epoch)                                                                                           \
    ",\"recover_since\":{\"offset\":" #offset ",\"epoch\":\"" epoch "\"},\"override\":{\"join_leave\":{\"value\":"     \
    "false}}"

/* [0] has all, "none" has nothing but a history that is not recovered, "bare" has none. */
static void begin(void)
{
    struct hub_options all[3] = { ways_open(), ways_open(), ways_open() };
    all[0].presence = all[0].join_leave = all[0].allow_presence_for_anonymous = true;
    strcpy(all[1].name, "none");
    all[1].allow_recovery = false;
    strcpy(all[2].name, "bare");
    all[2].history_size = 0;
    ways_serve(all, 3, NULL);
    ways.site.expired_ms = 0;
}

TEST(api_clients, are_subscribed_with_all_that_there_is_to_say)
{
    static const char *const said[] = { ",\"info\":{\"here\":\n1},\"data\":[1,\n2]",
                                        ",\"b64info\":\"eyJoZXJlIjoKMX0=\",\"b64data\":\"WzEsCjJd\"" };
    for (int i = 0; i < 2; i++) {
        char body[200];
        begin();
        struct client *c = connected();
        snprintf(body, sizeof(body), SUBSCRIBE("%s"), said[i]);
        EXPECT_API("subscribe", body, DONE);
        EXPECT_FRAMES(c, 2,
                      PUSH("\"subscribe\":{" STREAMS ",\"data\":[1,2]}")
                          PUSH("\"join\":{\"info\":{" CLIENT_INFO ",\"chan_info\":{\"here\":1}}}"));
        ask(c, "{\"id\":2,\"presence\":{\"channel\":\"c\"}}",
            "{\"id\":2,\"presence\":{\"presence\":{\"" CLIENT "\":{" CLIENT_INFO ",\"chan_info\":{\"here\":1}}}}}");
        /* It is there already: nothing more is said. */
        EXPECT_API("subscribe", SUBSCRIBE(",\"data\":3"), DONE);
        EXPECT_API("unsubscribe", SUBSCRIBE(""), DONE);
        EXPECT_FRAMES(c, 1, PUSH("\"unsubscribe\":{\"code\":2000,\"reason\":\"server unsubscribe\"}"));
        client_free(c);
        ways_stop();
    }
}

TEST(api_clients, get_what_they_missed_since_a_position)
{
    begin();
    ways_publish("c", "1");
    ways_publish("c", "2");
    ways_publish("c", "3");
    struct client *c = connected();
    EXPECT_API("subscribe", SUBSCRIBE(SINCE(1, "aaaaaaaa")), DONE);
    EXPECT_FRAMES(c, 3,
                  PUSH("\"subscribe\":{" STREAMS ",\"offset\":1,\"recovered\":true,\"was_recovering\":true}") PUB(2)
                      PUB(3));
    ways_publish("c", "4");
    EXPECT_FRAMES(c, 1, PUB(4));
    client_free(c);
    /* That is no position there; a name for an epoch that is longer than ours is none either. */
    static const char *const unknown[] = { SINCE(1, "aaaaaaab"), SINCE(4, "aaaaaaaaa"), SINCE(5, "aaaaaaaa") };
    for (int i = 0; i < 3; i++) {
        char body[200];
        c = connected();
        snprintf(body, sizeof(body), SUBSCRIBE("%s"), unknown[i]);
        EXPECT_API("subscribe", body, DONE);
        EXPECT_FRAMES(c, 1, PUSH("\"subscribe\":{" STREAMS ",\"offset\":4,\"was_recovering\":true}"));
        client_free(c);
    }
    ways_stop();
}

/* Pushes go bare to who only listens. */
TEST(api_clients, who_only_listen_get_it_too)
{
    begin();
    ways_publish("c", "1");
    struct client *c = open_at("uni_websocket");
    say(c, "{}");
    client_trace(c, 1);
    EXPECT_API("subscribe", SUBSCRIBE(",\"data\":{}" SINCE(0, "")), DONE);
    EXPECT_FRAMES(c, 2,
                  "text '{\"channel\":\"c\",\"subscribe\":{" STREAMS
                  ",\"recovered\":true,\"was_recovering\":true,\"data\":{}}}'\n"
                  "text '{\"channel\":\"c\",\"pub\":{\"data\":\"1\",\"offset\":1,\"time\":1000}}'\n");
    client_free(c);
    ways_stop();
}

TEST(api_clients, are_subscribed_until_a_time)
{
    begin();
    struct client *c = connected();
    EXPECT_API("subscribe", SUBSCRIBE(",\"expire_at\":2"), DONE);
    client_trace(c, 2);
    ways.now_ms = 1990;
    client_frame(c, 0x81, "{}", 2);
    wire_settle();
    for (int i = 0; i < 100 && ways.now_ms < 2000; i++)
        ways.now_ms++;
    EXPECT_API("refresh", "{\"user\":\"\"}", DONE); /* which looks at its times */
    EXPECT_FRAMES(c, 1, PUSH("\"unsubscribe\":{\"code\":2501,\"reason\":\"subscription expired\"}"));
    EXPECT_API("subscribe", SUBSCRIBE(",\"expire_at\":0"), DONE);
    client_trace(c, 2);
    EXPECT_API("subscribe", SUBSCRIBE(",\"expire_at\":2"), "{\"error\":{\"code\":110,\"message\":\"expired\"}}");
    client_free(c);
    ways_stop();
}

TEST(api_clients, are_what_an_override_says)
{
    begin();
    ways_publish("c", "1");
    struct client *c = connected();
    EXPECT_API("subscribe", SUBSCRIBE(",\"override\":{" IS("presence", "false") "," IS("join_leave", "false") "}"),
               DONE);
    EXPECT_FRAMES(c, 1, PUSH("\"subscribe\":{" STREAMS ",\"offset\":1}"));
    ask(c, "{\"id\":2,\"presence_stats\":{\"channel\":\"c\"}}",
        "{\"id\":2,\"presence_stats\":{\"num_clients\":0,\"num_users\":0}}");
    EXPECT_API("unsubscribe", SUBSCRIBE(""), DONE);
    client_trace(c, 1);
    EXPECT_API("subscribe", SUBSCRIBE(",\"override\":{" IS("force_push_join_leave", "false") "}"), DONE);
    EXPECT_FRAMES(c, 1, PUSH("\"subscribe\":{" STREAMS ",\"offset\":1}"));
    ask(c, "{\"id\":3,\"ping\":{}}", "{\"id\":3,\"ping\":{}}"); /* no join before it */
    client_free(c);
    c = connected();
    EXPECT_API("subscribe",
               SUBSCRIBE(",\"override\":{" IS("force_recovery", "false") "," IS("join_leave", "false") "}"), DONE);
    EXPECT_FRAMES(c, 1, PUSH("\"subscribe\":{\"positioned\":true,\"epoch\":\"aaaaaaaa\",\"offset\":1}"));
    client_free(c);
    c = connected();
    EXPECT_API("subscribe",
               SUBSCRIBE(",\"override\":{" IS("force_recovery", "false") "," IS("force_positioning", "false") "," IS(
                   "join_leave", "false") "}"),
               DONE);
    EXPECT_FRAMES(c, 1, PUSH("\"subscribe\":{}"));
    client_free(c);
    ways_stop();
}

/* What its token may be told to recover, where the namespace recovers nothing by itself, is recovered. */
TEST(api_clients, recover_where_an_override_says_so)
{
#define FORCED "\"override\":{\"force_recovery\":{\"value\":true}}"
    static const char said[] = "\"offset\":1,\"recovered\":true,\"was_recovering\":true";
    begin();
    doors_open(false);
    ways_publish("none:c", "1");
    ways_publish("none:c", "2");
    struct client *c = connected();
    EXPECT_API("subscribe", "{\"user\":\"\",\"channel\":\"none:c\"," FORCED ",\"recover_since\":{\"offset\":1}}", DONE);
    assert_non_null(strstr(client_trace(c, 2), said));
    assert_non_null(strstr(c->trace, "\"pub\":{\"data\":\"2\",\"offset\":2"));
    EXPECT_API("unsubscribe", "{\"user\":\"\",\"channel\":\"none:c\"}", DONE);
    client_trace(c, 1);
    /* The client's own wish, too. */
    char command[3000];
    snprintf(command, sizeof(command),
             "{\"id\":2,\"subscribe\":{\"channel\":\"none:c\",\"token\":\"%s\",\"recover\":true,\"offset\":1}}",
             token("{\"sub\":\"\",\"exp\":100,\"channel\":\"none:c\"," FORCED "}"));
    say(c, command);
    assert_non_null(strstr(client_trace(c, 1), said));
    client_free(c);
    ways_stop();
    doors_shut();
}

/* A token's, too, tells what it has to say. */
TEST(api_clients, hear_what_their_tokens_say_of_a_channel)
{
    char command[3000];
    begin();
    doors_open(false);
    struct client *c = open_at("websocket");
    snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
             token("{\"sub\":\"\",\"exp\":100,\"subs\":{\"bare:a\":{\"data\":{\"x\":1}},\"bare:b\":{}}}"));
    say(c, command);
    assert_non_null(strstr(client_trace(c, 1), "\"subs\":{\"bare:a\":{\"data\":{\"x\":1}},\"bare:b\":{}}"));
    client_free(c);
    ways_stop();
    doors_shut();
}

/* Where its token says that nothing is recovered there, a client cannot ask for it. */
TEST(api_clients, recover_nothing_where_an_override_says_so)
{
    char command[3000];
    begin();
    doors_open(false);
    ways_publish("c", "1");
    struct client *c = open_at("websocket");
    snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%s\",\"subs\":{\"c\":{\"recover\":true}}}}",
             token("{\"sub\":\"\",\"exp\":100,\"subs\":{\"c\":{\"override\":{" IS("force_recovery", "false") "}}}}"));
    say(c, command);
    assert_non_null(
        strstr(client_trace(c, 1), "\"subs\":{\"c\":{\"positioned\":true,\"epoch\":\"aaaaaaaa\",\"offset\":1}}"));
    client_free(c);
    ways_stop();
    doors_shut();
}

/* Who is not yet connected is told with that. */
TEST(api_clients, are_subscribed_while_they_come_in)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    struct hub_options o = ways_open();
    struct held *store = held_new();
    char command[3000];
    ways_serve(&o, 1, &store->engine);
    doors_open(false);
    struct client *c = open_at("websocket");
    snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
             token("{\"sub\":\"\",\"exp\":100,\"channels\":[\"a\"]}"));
    say(c, command);
    wire_settle();
    const struct hub_invitation what = { .channel = "b", .len = 1, .data = "7", .data_len = 1 };
    assert_int_equal(hub_subscribe(ways.site.hub, &anybody, &what), 0);
    wire_settle();
    while (held_release(store, 0))
        ;
    const char *trace = client_trace(c, 1);
    const char *a = strstr(trace, "\"a\":{\"recoverable\""), *b = strstr(trace, "\"b\":{\"recoverable\"");
    assert_true(a != NULL && b != NULL && strstr(b, "\"data\":7") != NULL);
    client_free(c);
    ways_stop();
    doors_shut();
    held_free(store);
}

TEST(api_clients, are_chosen_by_the_name_of_their_session)
{
    char session[49], body[300];
    begin();
    struct client *socket = connected(),
                  *other = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}"),
                  *c = stream("POST", "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    struct client *plain = ways_open_channel("c", NULL);
    body_of(other, 10);
    snprintf(session, sizeof(session), "%.48s", strstr(body_of(c, 10), "\"session\":\"") + 11);
    snprintf(body, sizeof(body), "{\"user\":\"\",\"channel\":\"bare:c\",\"session\":\"%s\"}", session);
    EXPECT_API("subscribe", body, DONE);
    assert_string_equal(body_of(c, 10), "{\"push\":{\"channel\":\"bare:c\",\"subscribe\":{}}}\n");
    EXPECT_API("unsubscribe", body, DONE);
    assert_non_null(strstr(body_of(c, 10), "\"unsubscribe\":{\"code\":2000"));
    body[strlen(body) - 3] ^= 1;
    EXPECT_API("disconnect", body, DONE);
    snprintf(body, sizeof(body), "{\"user\":\"\",\"session\":\"%.47s\"}", session);
    EXPECT_API("disconnect", body, DONE);
    assert_string_equal(body_of(c, 0), "");
    snprintf(body, sizeof(body), "{\"user\":\"\",\"client\":\"x\",\"session\":\"%s\"}", session);
    EXPECT_API("disconnect", body, DONE);
    assert_string_equal(body_of(c, 0), "");
    snprintf(body, sizeof(body), "{\"user\":\"\",\"session\":\"%s\"}", session);
    EXPECT_API("refresh", body, DONE);
    EXPECT_API("disconnect", body, DONE);
    assert_non_null(strstr(body_of(c, 10), "\"disconnect\":{\"code\":3503"));
    assert_string_equal(body_of(other, 0), "");
    ask(socket, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
    ways_publish("c", "1");
    EXPECT_FRAMES(plain, 1, "text '1'\n");
    client_free(plain);
    client_free(socket);
    client_free(other);
    client_free(c);
    ways_stop();
}

TEST(api_clients, are_not_told_what_cannot_be)
{
    static const struct {
        const char *more, *answer;
    } rows[] = {
        { ",\"expire_at\":-1", BAD },
        { ",\"expire_at\":1.5", BAD },
        { ",\"expire_at\":\"1\"", BAD },
        { ",\"expire_at\":1", "{\"error\":{\"code\":110,\"message\":\"expired\"}}" }, /* now */
        { ",\"expire_at\":9007199254740992", DONE },
        { ",\"info\":1,\"b64info\":\"MQ==\"", BAD },
        { ",\"data\":1,\"b64data\":\"MQ==\"", BAD },
        { ",\"b64info\":\"x\"", BAD },
        { ",\"b64info\":\"eA==\"", BAD }, /* x */
        { ",\"b64info\":\"\"", BAD },
        { ",\"b64info\":1", BAD },
        { ",\"b64data\":\"\\ud800\"", BAD },
        { ",\"b64data\":\"/w==\"", BAD },
        { ",\"info\":null,\"data\":null,\"override\":null,\"recover_since\":null,\"session\":null", DONE },
        { ",\"override\":1", BAD },
        { ",\"override\":{\"presence\":true}", BAD },
        { ",\"override\":{\"presence\":{\"value\":1}}", BAD },
        { ",\"override\":{}", DONE },
        { ",\"override\":{" IS("presence", "true") "," IS("join_leave", "true") "," IS("force_recovery", "true") "," IS(
              "force_positioning", "true") "," IS("force_push_join_leave", "true") "}",
          DONE },
        { ",\"recover_since\":1", BAD },
        { ",\"recover_since\":{\"offset\":-1}", BAD },
        { ",\"recover_since\":{\"offset\":1.5}", BAD },
        { ",\"recover_since\":{\"epoch\":1}", BAD },
        { ",\"recover_since\":{}", DONE },
        { ",\"recover_since\":{},\"override\":{" IS("force_recovery", "false") "}", NONE },
        { ",\"client\":1", BAD },
        { ",\"session\":1", BAD },
        { ",\"session\":\"0123456789012345678901234567890123456789012345678901234567890123\"", DONE },
        { ",\"session\":\"01234567890123456789012345678901234567890123456789012345678901234\"", BAD },
    };
    static const char *const absent[] = { IS("presence", "true"), IS("join_leave", "true"),
                                          IS("force_push_join_leave", "true"), IS("force_recovery", "true"),
                                          IS("force_positioning", "true") };
    char body[400];
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body), SUBSCRIBE("%s"), rows[i].more);
        EXPECT_API("subscribe", body, rows[i].answer);
    }
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
        snprintf(body, sizeof(body), "{\"user\":\"\",\"channel\":\"bare:c\",\"override\":{%s}}", absent[i]);
        EXPECT_API("subscribe", body, NONE);
        snprintf(body, sizeof(body), "{\"user\":\"\",\"channel\":\"none:c\",\"override\":{%s}}", absent[i]);
        EXPECT_API("subscribe", body, i < 3 ? NONE : DONE);
    }
    EXPECT_API("subscribe", "{\"user\":\"\",\"channel\":\"none:c\",\"recover_since\":{}}", NONE);
    EXPECT_API("subscribe", "{\"user\":\"\",\"channel\":\"bare:c\",\"recover_since\":{}}", NONE);
    EXPECT_API("subscribe", "{\"channel\":\"c\"}", BAD);
    EXPECT_API("subscribe", "{\"user\":\"\",\"channel\":\"x:c\"}",
               "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}");
    EXPECT_API("refresh", "{\"user\":\"\",\"info\":{}}", BAD);
    ways_stop();
}

/* Without memory it is refused, or the client comes back; nothing is told by half. */
TEST(api_clients, mem_1_each_allocation_fails)
{
    static const char text[] = SUBSCRIBE(",\"b64info\":\"WzEsCjJd\",\"data\":{\"x\":\n1}" SINCE(0, ""));
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long asked, after = 0;
        do {
            struct json_slice params;
            begin();
            ways_publish("c", "1");
            struct client *c = connected();
            assert_true(json_check(text, strlen(text), 32, &params));
            mem_fail(after, for_ever);
            enum hub_error error = api_subscribe(ways.site.hub, params);
            for (int i = 0; i < 20; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            assert_true(error == HUB_OK || error == HUB_ERROR_INTERNAL);
            wire_settle();
            client_read(c);
            if (error != HUB_OK)
                ask(c, "{\"id\":2,\"ping\":{}}", "{\"id\":2,\"ping\":{}}");
            client_free(c);
            ways_stop();
        } while (asked > after++);
        assert_true(asked > 8);
    }
}
