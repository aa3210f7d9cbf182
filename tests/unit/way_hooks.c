/* SPDX-License-Identifier: MIT */
/*
 * What the ways in ask a backend, and what they make of each answer: a result, an error, a disconnect, and nothing
 * (HUB-15), by WebSocket, by the streams, by those who only listen, and by the plain ways.
 */
#include "held_hooks.h"
#include "hub/trace.h"
#include "ways.h"

#define CLIENT              "00000000-0000-4000-8000-000000000000"
/* How questions begin. */
#define WHO(transport)      "{\"transport\":\"" transport "\",\"protocol\":\"json\",\"encoding\":\"json\""
#define OF(transport, user) WHO(transport) ",\"client\":\"" CLIENT "\",\"user\":\"" user "\""
#define GUEST(user)         WHO("plain") ",\"user\":\"" user "\""
#define RESULT(members)     "{\"result\":{" members "}}"
#define SAID                "{\"error\":{\"code\":1400,\"message\":\"no \\u00e9\",\"temporary\":true}}"
#define LEFT                "{\"disconnect\":{\"code\":4503,\"reason\":\"out\"}}"
#define ERROR(id, error)    "text '{\"id\":" #id ",\"error\":{" error "}}'\n"
#define REFUSED(id)         ERROR(id, "\"code\":1400,\"message\":\"no \xc3\xa9\",\"temporary\":true")
#define INTERNAL(id)        ERROR(id, "\"code\":100,\"message\":\"internal server error\",\"temporary\":true")
#define ENDED               "close 4503 'out'\n"
#define ALL_WAYS_TO_FAIL                                                                                               \
    { SAID, REFUSED(2) }, { NULL, INTERNAL(2) }, { "[]", INTERNAL(2) },                                                \
    {                                                                                                                  \
        LEFT, ENDED                                                                                                    \
    }

static char *fields[] = { "cookie", "x-real", NULL };

static void begin(void)
{
    struct hub_options o[4] = { ways_open(), ways_open(), ways_open(), ways_open() };
    o[0].presence = o[0].allow_presence_for_anonymous = true;
    strcpy(o[1].name, "asked");
    o[1].allow_subscribe_for_client = o[1].allow_subscribe_for_anonymous = false;
    o[1].subscribe_hook = true;
    strcpy(o[2].name, "looked");
    o[2].publish_hook = true;
    strcpy(o[3].name, "shut");
    o[3].allow_subscribe_for_client = o[3].allow_subscribe_for_anonymous = false;
    ways_serve(o, 4, NULL);
    held = (struct hooks){ .count = 0 };
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        held.has[kind] = kind != HOOK_CONNECT;
    ways.site.hooks = &held;
    ways.site.hook_fields = fields;
}

static void end(void)
{
    held_end();
    ways_stop();
}

static struct client *open_with(const char *path, const char *more)
{
    char request[3000];
    struct client *c = client_new();
    snprintf(request, sizeof(request),
             "GET /connection/%s HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             path, more);
    client_say(c, request);
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    return c;
}

static struct client *open_at(const char *path)
{
    return open_with(path, "");
}

static void say(struct client *c, const char *text)
{
    client_frame(c, 0x81, text, strlen(text));
}

static struct client *connected(void)
{
    struct client *c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{}}");
    assert_non_null(strstr(client_trace(c, 1), "\"connect\":{\"client\""));
    return c;
}

/* Nothing comes. */
static void expect_quiet(struct client *c)
{
    wire_settle();
    client_read(c);
    assert_int_equal(c->len, 0);
    assert_false(c->eof);
}

static void ask(struct client *c, const char *command, const char *answer)
{
    say(c, command);
    EXPECT_FRAMES(c, 1, answer);
}

/* A stream that began with this body. */
static struct client *stream(const char *path, const char *body)
{
    char request[3000], head[4096];
    struct client *c = client_new();
    snprintf(request, sizeof(request),
             "POST /connection/%s HTTP/1.1\r\nHost: a.example\r\nCookie: s=1\r\nContent-Length: %zu\r\n\r\n%s", path,
             strlen(body), body);
    client_say(c, request);
    assert_int_equal(client_answer(c, head, NULL), 200);
    return c;
}

/* Connecting. */

static const struct way {
    const char *path, *transport;
    bool listens, streams;
} ways_in[] = {
    { "websocket", "websocket", false, false },
    { "uni_websocket", "uni_websocket", true, false },
    { "http_stream", "http_stream", false, true },
    { "uni_http_stream", "uni_http_stream", true, true },
    { "sse", "sse", false, true },
    { "uni_sse", "uni_sse", true, true },
};
enum { WAYS = sizeof(ways_in) / sizeof(*ways_in) };

#define WISH "\"name\":\"js\",\"version\":\"1\",\"data\":{\"a\" :1},\"headers\":{\"Cookie\":\"forged=1\"}"

/* It wants to connect, and the backend is asked; the number of that. */
static unsigned knock(const struct way *w, struct client **c)
{
    const char *wish = w->listens ? "{" WISH "}" : "{\"id\":2,\"connect\":{" WISH "}}";
    char expected[600];
    if (w->streams) {
        *c = stream(w->path, wish);
    } else {
        *c = open_with(w->path, "Cookie: s=1\r\nX-Other: 2\r\n");
        say(*c, wish);
    }
    snprintf(expected, sizeof(expected),
             WHO("%s") ",\"name\":\"js\",\"version\":\"1\",\"data\":{\"a\" :1},"
                       "\"headers\":{\"Cookie\":\"forged=1\"}}",
             w->transport);
    unsigned n = held_expect(HOOK_CONNECT, expected);
    /* HUB-12: of its request, and nothing that it says of itself. */
    assert_string_equal(held.asked[n].fields, "cookie: s=1\r\n");
    return n;
}

/* What came holds this. */
static void expect_text(struct client *c, const char *text)
{
    if (!client_wait_text(c, text)) {
        client_read(c);
        fail_msg("there is no %s in %.*s", text, (int)c->len, (char *)c->in);
    }
}

/* HUB-12, HUB-15 */
TEST(hooks, say_who_comes_by_each_way)
{
    begin();
    held.has[HOOK_CONNECT] = true;
    for (const struct way *w = ways_in; w < ways_in + WAYS; w++) {
        struct client *c;
        unsigned n = knock(w, &c);
        held_answer(n, RESULT("\"user\":\"ann\",\"data\":{\"b\":\n2},\"info\":{\"n\":1},\"channels\":[\"own\"],"
                              "\"meta\":{\"m\":1}"));
        expect_text(c, "\"version\":\"duet " DUET_VERSION "\",\"data\":{\"b\":2},\"subs\":{\"own\":{");
        client_free(c);

        n = knock(w, &c);
        held_answer(n, SAID);
        expect_text(c, w->listens
                           ? w->streams ? "\"code\":3004" : "internal server error"
                           : "\"id\":2,\"error\":{\"code\":1400,\"message\":\"no \xc3\xa9\",\"temporary\":true}");
        client_free(c);

        n = knock(w, &c);
        held_answer(n, LEFT);
        expect_text(c, w->streams ? "\"disconnect\":{\"code\":4503,\"reason\":\"out\"}" : "out");
        client_free(c);

        static const char *const nothing[] = { NULL,
                                               "",
                                               "x",
                                               "{}",
                                               "{\"result\":[]}",
                                               RESULT("\"user\":5"),
                                               RESULT("\"expire_at\":\"soon\""),
                                               RESULT("\"caps\":1") };
        for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++) {
            n = knock(w, &c);
            held_answer(n, nothing[i]);
            expect_text(c, w->listens ? w->streams ? "\"code\":3004" : "internal server error"
                                      : "\"id\":2,\"error\":{\"code\":100,");
            client_free(c);
        }
    }
    end();
}

TEST(hooks, know_a_client_by_what_the_backend_said_of_it)
{
    begin();
    held.has[HOOK_CONNECT] = true;
    struct client *c;
    unsigned n = knock(&ways_in[0], &c);
    held_answer(
        n, RESULT("\"user\":\"ann\",\"meta\":{\"m\":1},\"caps\":[{\"channels\":[\"shut:a\"],\"allow\":[\"sub\"]}]"));
    client_trace(c, 1);
    ask(c, "{\"id\":3,\"subscribe\":{\"channel\":\"shut:b\"}}",
        ERROR(3, "\"code\":103,\"message\":\"permission denied\""));
    say(c, "{\"id\":4,\"subscribe\":{\"channel\":\"shut:a\"}}");
    assert_non_null(strstr(client_trace(c, 1), "{\"id\":4,\"subscribe\":{"));
    say(c, "{\"id\":5,\"rpc\":{\"method\":\"m\"}}");
    held_expect(HOOK_RPC, OF("websocket", "ann") ",\"meta\":{\"m\":1},\"method\":\"m\"}");
    client_free(c);
    end();
}

TEST(hooks, ask_nobody_about_who_has_a_token_or_where_there_is_no_hook)
{
    begin();
    client_free(connected());
    held.has[HOOK_CONNECT] = true;
    struct client *c = open_at("websocket");
    ask(c, "{\"id\":1,\"connect\":{\"token\":\"x\"}}", "close 3500 'invalid token'\n");
    client_free(c);
    assert_int_equal(held.count, 0);
    end();
}

/* HUB-16: whoever was not let in has its time for another try, as without a backend. */
TEST(hooks, end_who_was_refused_and_stays)
{
    static const char *const answers[] = { SAID, NULL, RESULT("\"user\":5") };
    begin();
    held.has[HOOK_CONNECT] = true;
    ways.site.connect_ms = 30;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        struct client *c;
        unsigned n = knock(&ways_in[0], &c);
        for (uint64_t until = duet_loop_now_ms(wire.loop) + 60; duet_loop_now_ms(wire.loop) < until;)
            wire_turn(); /* it is not its fault that this takes so long */
        expect_quiet(c);
        held_answer(n, answers[i]);
        client_trace(c, 1);
        EXPECT_FRAMES(c, 1, "close 3502 'stale'\n");
        client_free(c);
    }
    end();
}

TEST(hooks, let_what_comes_behind_a_connect_wait_for_it)
{
    begin();
    held.has[HOOK_CONNECT] = true;
    for (int one_frame = 0; one_frame < 2; one_frame++) {
        struct client *c = open_at("websocket");
        if (one_frame) {
            say(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"ping\":{}}\n{\"id\":3,\"ping\":{}}");
        } else {
            say(c, "{\"id\":1,\"connect\":{}}");
            say(c, "{\"id\":2,\"ping\":{}}");
            say(c, "{\"id\":3,\"ping\":{}}");
        }
        unsigned n = held_expect(HOOK_CONNECT, WHO("websocket") "}");
        expect_quiet(c);
        held_answer(n, RESULT(""));
        client_trace(c, 3);
        assert_non_null(strstr(c->trace, "text '{\"id\":2,\"ping\":{}}'\ntext '{\"id\":3,\"ping\":{}}'\n"));
        client_free(c);
    }
    /* Refused, what comes behind it is out of turn. */
    struct client *c = open_at("websocket");
    say(c, "{\"id\":2,\"connect\":{}}\n{\"id\":3,\"ping\":{}}");
    held_answer(held_expect(HOOK_CONNECT, WHO("websocket") "}"), SAID);
    EXPECT_FRAMES(c, 2, REFUSED(2) "close 3501 'bad request'\n");
    client_free(c);
    end();
}

TEST(hooks, take_no_question_is_an_error_of_the_command)
{
    begin();
    held.has[HOOK_CONNECT] = true;
    held.full = true;
    struct client *c = open_at("websocket");
    ask(c, "{\"id\":2,\"connect\":{}}", INTERNAL(2));
    client_free(c);
    held.has[HOOK_CONNECT] = false;
    c = connected();
    ask(c, "{\"id\":2,\"rpc\":{}}", INTERNAL(2));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"asked:a\"}}", INTERNAL(2));
    ask(c, "{\"id\":2,\"publish\":{\"channel\":\"looked:a\",\"data\":1}}", INTERNAL(2));
    say(c, "{\"send\":{}}");
    ask(c, "{\"id\":2,\"ping\":{}}", "text '{\"id\":2,\"ping\":{}}'\n");
    client_free(c);
    end();
}

/* Commands. Each is refused in every way, and goes on. */

static const struct row {
    const char *answer, *frames;
} failures[] = { ALL_WAYS_TO_FAIL };
enum { FAILURES = sizeof(failures) / sizeof(*failures) };

static void is_refused(const char *command, enum hook_kind kind, const char *question)
{
    for (int i = 0; i < FAILURES; i++) {
        struct client *c = connected();
        say(c, command);
        unsigned n = held_expect(kind, question);
        expect_quiet(c);
        held_answer(n, failures[i].answer);
        EXPECT_FRAMES(c, 1, failures[i].frames);
        client_free(c);
        /* Gone before the answer, by itself or by a Close that is on its way. */
        c = connected();
        say(c, command);
        n = held_expect(kind, question);
        client_reset(c);
        wire_settle();
        held_answer(n, failures[i].answer);
        c = connected();
        say(c, command);
        n = held_expect(kind, question);
        static const struct hub_whom anybody = { .user = "", .client = "" };
        hub_disconnect(ways.site.hub, &anybody, HUB_DISCONNECT_FORCE, NULL);
        held_answer(n, failures[i].answer);
        EXPECT_FRAMES(c, 1, "close 3503 'force disconnect'\n");
        client_free(c);
    }
}

TEST(hooks, allow_subscriptions)
{
    static const char wish[] = "{\"id\":2,\"subscribe\":{\"channel\":\"asked:\\u0061\",\"data\":{\"d\":1}}}";
    static const char question[] = OF("websocket", "") ",\"channel\":\"asked:a\",\"data\":{\"d\":1}}";
    begin();
    is_refused(wish, HOOK_SUBSCRIBE, question);
    struct client *c = connected();
    static const char *const bad[] = { RESULT("\"expire_at\":true"), RESULT("\"expire_at\":-1"),
                                       RESULT("\"override\":1") };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        say(c, wish);
        held_answer(held_expect(HOOK_SUBSCRIBE, question), bad[i]);
        EXPECT_FRAMES(c, 1, INTERNAL(2));
    }
    say(c, wish);
    held_answer(held_expect(HOOK_SUBSCRIBE, question),
                RESULT("\"info\":{\"i\":1},\"data\":[\n1],\"override\":{\"force_recovery\":{\"value\":true}}"));
    EXPECT_FRAMES(c, 1,
                  "text '{\"id\":2,\"subscribe\":{\"recoverable\":true,\"positioned\":true,\"epoch\":\"aaaaaaaa\","
                  "\"data\":[1]}}'\n");
    ask(c, wish, ERROR(2, "\"code\":105,\"message\":\"already subscribed\""));
    ways_publish("asked:a", "x");
    assert_non_null(strstr(client_trace(c, 1), "\"push\":{\"channel\":\"asked:a\",\"pub\""));
    client_free(c);
    /* Who only listens cannot be asked about. */
    c = open_at("uni_websocket");
    say(c, "{\"subs\":{\"asked:a\":{}}}");
    EXPECT_FRAMES(c, 1, "close 3507 'permission denied'\n");
    client_free(c);
    end();
}

TEST(hooks, answer_subscriptions_in_any_order_and_those_that_nobody_wants_any_more)
{
    begin();
    struct client *c = connected();
    unsigned n[3];
    for (int i = 0; i < 3; i++) {
        char command[100], question[300];
        snprintf(command, sizeof(command), "{\"id\":%d,\"subscribe\":{\"channel\":\"asked:%c\"}}", 2 + i, 'a' + i);
        snprintf(question, sizeof(question), OF("websocket", "") ",\"channel\":\"asked:%c\"}", 'a' + i);
        say(c, command);
        n[i] = held_expect(HOOK_SUBSCRIBE, question);
    }
    held_answer(n[2], RESULT(""));
    EXPECT_FRAMES(c, 1, "text '{\"id\":4,\"subscribe\":{}}'\n");
    say(c, "{\"id\":5,\"unsubscribe\":{\"channel\":\"asked:b\"}}");
    EXPECT_FRAMES(c, 2, INTERNAL(3) "text '{\"id\":5,\"unsubscribe\":{}}'\n");
    held_answer(n[0], SAID);
    EXPECT_FRAMES(c, 1, ERROR(2, "\"code\":1400,\"message\":\"no \xc3\xa9\",\"temporary\":true"));
    held_answer(n[1], RESULT(""));
    expect_quiet(c);
    ways_publish("asked:b", "unheard");
    ask(c, "{\"id\":6,\"ping\":{}}", "text '{\"id\":6,\"ping\":{}}'\n");
    client_free(c);
    end();
}

/* The question of a publication. */
#define LOOK(data) OF("websocket", "") ",\"channel\":\"looked:a\",\"data\":" data "}"

TEST(hooks, look_at_publications)
{
    static const char command[] = "{\"id\":2,\"publish\":{\"channel\":\"looked:\\u0061\",\"data\":{\"x\" :1}}}";
    static const char published[] = "text '{\"id\":2,\"publish\":{}}'\n";
    char deep[200] = "";
    begin();
    is_refused(command, HOOK_PUBLISH, LOOK("{\"x\" :1}"));
    struct client *c = connected(), *ear = connected();
    ask(ear, "{\"id\":2,\"subscribe\":{\"channel\":\"looked:a\"}}", "text '{\"id\":2,\"subscribe\":{}}'\n");
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32); /* as deep as a client may say it itself */
    const char *const rows[][2] = {
        { RESULT(""), "\"data\":{\"x\" :1},\"offset\":1," },
        { RESULT("\"data\":{\"y\":\n2}"), "\"data\":{\"y\":2},\"offset\":2," },
        { RESULT("\"skip_history\":true"), "\"data\":{\"x\" :1},\"info\":" },
        { RESULT("\"data\":null,\"skip_history\":1"), "\"data\":{\"x\" :1},\"offset\":3," },
        { deep, deep },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char said[300];
        snprintf(said, sizeof(said), rows[i][0] == deep ? "{\"result\":{\"data\":%s}}" : "%s", rows[i][0]);
        say(c, command);
        held_answer(held_expect(HOOK_PUBLISH, LOOK("{\"x\" :1}")), said);
        EXPECT_FRAMES(c, 1, published);
        assert_non_null(strstr(client_trace(ear, 1), rows[i][1]));
    }
    client_free(c);
    /* By who is subscribed itself. */
    say(ear, command);
    held_answer(held_expect(HOOK_PUBLISH, LOOK("{\"x\" :1}")), RESULT(""));
    client_trace(ear, 2);
    assert_non_null(strstr(ear->trace, published));
    client_free(ear);
    end();
}

static void no_news(duet_server *server, uint64_t id, void *unused)
{
    (void)server;
    (void)id;
    (void)unused;
}

/* The next publication that the tracer saw was refused so. */
static void expect_refused(struct tracer *t, const char *way, int code, const char *words)
{
    struct trace_step steps[3];
    uint64_t lost;
    assert_int_equal(hub_trace_take(t, steps, 3, &lost), 2);
    assert_int_equal(steps[0].kind, TRACE_CAME);
    assert_string_equal(steps[0].way, way);
    assert_int_equal(steps[1].kind, TRACE_REFUSED);
    assert_int_equal(steps[1].run, steps[0].run);
    assert_int_equal(steps[1].error, code);
    assert_string_equal(steps[1].text, words);
}

TEST(hooks, tell_who_follows_a_channel_why_the_backend_refused_it)
{
    static const struct {
        const char *answer;
        int code;
        const char *words;
    } rows[] = { { SAID, 1400, "no \xc3\xa9" }, { NULL, 100, "internal server error" }, { LEFT, 4503, "out" } };
    struct tracer *t;
    begin();
    assert_int_equal(hub_trace_begin(&t, ways.site.hub, "looked:a", 8, wire.server, 0, no_news), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct client *c = connected(), *plain = ways_open_channel("looked:a", NULL);
        say(c, "{\"id\":2,\"publish\":{\"channel\":\"looked:a\",\"data\":1}}");
        held_answer(held_expect(HOOK_PUBLISH, LOOK("1")), rows[i].answer);
        expect_refused(t, "centrifugal", rows[i].code, rows[i].words);
        say(plain, "x");
        wire_settle();
        held_answer(held.seen++, rows[i].answer);
        expect_refused(t, "channel", rows[i].code, rows[i].words);
        client_free(c);
        client_free(plain);
    }
    hub_trace_end(t);
    end();
}

TEST(hooks, keep_the_order_of_what_one_publishes)
{
    begin();
    struct client *c = connected(), *ear = connected();
    ask(ear, "{\"id\":2,\"subscribe\":{\"channel\":\"looked:a\"}}", "text '{\"id\":2,\"subscribe\":{}}'\n");
    for (int i = 1; i <= 3; i++) {
        char command[100];
        snprintf(command, sizeof(command), "{\"id\":%d,\"publish\":{\"channel\":\"looked:a\",\"data\":%d}}", i, i);
        say(c, command);
    }
    say(c, "{\"id\":4,\"publish\":{\"channel\":\"open\",\"data\":4}}");
    static const char *const looks[] = { LOOK("1"), LOOK("2"), LOOK("3") };
    for (int i = 0; i < 3; i++) {
        unsigned n = held_expect(HOOK_PUBLISH, looks[i]);
        expect_quiet(c);
        assert_int_equal(held.count, n + 1); /* the next is not asked about yet */
        held_answer(n, i == 1 ? SAID : RESULT(""));
        client_trace(c, i == 2 ? 2 : 1);
    }
    assert_non_null(strstr(c->trace, "\"id\":3,\"publish\""));
    assert_non_null(strstr(c->trace, "\"id\":4,\"publish\""));
    client_trace(ear, 2);
    const char *first = strstr(ear->trace, "\"data\":1,\"offset\":1"),
               *third = strstr(ear->trace, "\"data\":3,\"offset\":2");
    assert_true(first != NULL && third > first);
    client_free(c);
    client_free(ear);
    end();
}

TEST(hooks, do_not_end_who_answered_a_ping_while_the_backend_took_long)
{
    begin();
    ways.site.ping_ms = 10;
    ways.site.pong_ms = 20;
    struct client *c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"publish\":{\"channel\":\"looked:a\",\"data\":1}}\n{}");
    unsigned n = held_expect(HOOK_PUBLISH, LOOK("1"));
    say(c, "{}");
    for (uint64_t until = duet_loop_now_ms(wire.loop) + 100; duet_loop_now_ms(wire.loop) < until;)
        wire_turn();
    client_read(c);
    assert_null(memmem(c->in, c->len, "no pong", 7));
    ways.site.pong_ms = 10000;
    held_answer(n, RESULT(""));
    assert_true(client_wait_text(c, "{\"id\":2,\"publish\":{}}"));
    /* Who answers none is ended as ever. */
    client_free(c);
    ways.site.pong_ms = 20;
    c = connected();
    assert_true(client_wait_text(c, "no pong"));
    client_free(c);
    end();
}

TEST(hooks, take_calls_and_words)
{
    static const char call[] = "{\"id\":2,\"rpc\":{\"method\":\"m\",\"data\":[1]}}";
    static const char question[] = OF("websocket", "") ",\"method\":\"m\",\"data\":[1]}";
    begin();
    is_refused(call, HOOK_RPC, question);
    struct client *c = connected();
    say(c, call);
    held_answer(held_expect(HOOK_RPC, question), RESULT("\"data\":{\n\"a\":1}"));
    EXPECT_FRAMES(c, 1, "text '{\"id\":2,\"rpc\":{\"data\":{\"a\":1}}}'\n");
    say(c, "{\"id\":2,\"rpc\":{}}");
    held_answer(held_expect(HOOK_RPC, OF("websocket", "") ",\"method\":\"\"}"), RESULT("\"data\":null"));
    EXPECT_FRAMES(c, 1, "text '{\"id\":2,\"rpc\":{}}'\n");
    /* They are answered as the backend does it, in any order. */
    say(c, "{\"id\":7,\"rpc\":{}}\n{\"id\":8,\"rpc\":{}}");
    unsigned first = held_expect(HOOK_RPC, OF("websocket", "") ",\"method\":\"\"}");
    unsigned second = held_expect(HOOK_RPC, OF("websocket", "") ",\"method\":\"\"}");
    held_answer(second, RESULT(""));
    held_answer(first, RESULT(""));
    EXPECT_FRAMES(c, 2, "text '{\"id\":8,\"rpc\":{}}'\ntext '{\"id\":7,\"rpc\":{}}'\n");
    /* Words have no answer, but for an end. */
    static const char *const answers[] = { RESULT(""), NULL, SAID, LEFT };
    for (int i = 0; i < 4; i++) {
        say(c, "{\"send\":{\"data\":\"w\"}}");
        unsigned n = held_expect(HOOK_SEND, OF("websocket", "") ",\"data\":\"w\"}");
        held_answer(n, answers[i]);
        if (i < 3)
            expect_quiet(c);
    }
    EXPECT_FRAMES(c, 1, ENDED);
    client_free(c);
    end();
}

/* HUB-6: as many questions as commands may wait; what comes then waits to be read. */
TEST(hooks, have_so_many_questions_of_one_client_at_once)
{
    begin();
    struct client *c = connected();
    for (int i = 0; i < 80; i++)
        say(c, "{\"id\":2,\"rpc\":{}}");
    for (int i = 0; i < 64; i++)
        held_expect(HOOK_RPC, OF("websocket", "") ",\"method\":\"\"}");
    expect_quiet(c);
    assert_int_equal(held.count, 64);
    for (unsigned i = 0; i < 64; i++)
        held_answer(i, RESULT(""));
    for (int i = 0; i < 16; i++)
        held_expect(HOOK_RPC, OF("websocket", "") ",\"method\":\"\"}");
    for (unsigned i = 64; i < 80; i++)
        held_answer(i, RESULT(""));
    client_trace(c, 80);
    client_free(c);
    end();
}

/* Each subscription is one command, and stays one when nobody wants it any more: its question is still under way. */
TEST(hooks, have_so_many_subscriptions_of_one_client_asked_about_at_once)
{
    begin();
    struct client *c = connected();
    for (int i = 0; i < 80; i++) {
        char command[200];
        snprintf(command, sizeof(command),
                 "{\"id\":2,\"subscribe\":{\"channel\":\"asked:%d\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"asked:%"
                 "d\"}}",
                 i, i);
        if (i % 2 == 0)
            *strchr(command, '\n') = '\0'; /* each second one leaves at once */
        say(c, command);
    }
    wire_settle();
    assert_int_equal(held.count, 64);
    for (unsigned i = 0; i < 80; i++)
        held_answer(i, i % 3 == 0 ? SAID : RESULT(""));
    assert_int_equal(held.count, 80);
    say(c, "{\"id\":9,\"ping\":{}}");
    assert_non_null(strstr(client_trace(c, 80 + 40 + 1), "{\"id\":9,\"ping\":{}}"));
    client_free(c);
    end();
}

/* Times. The hub's clock stands where the test puts it; timers run on the loop's. */

static struct client *connected_until(const char *seconds)
{
    struct client *c;
    char said[100];
    held.has[HOOK_CONNECT] = true;
    unsigned n = knock(&ways_in[0], &c);
    snprintf(said, sizeof(said), RESULT("\"user\":\"ann\",\"expire_at\":%s"), seconds);
    held_answer(n, said);
    return c;
}

static void pass_ms(uint64_t ms)
{
    for (uint64_t until = duet_loop_now_ms(wire.loop) + ms; duet_loop_now_ms(wire.loop) < until;)
        wire_turn();
}

/* What says neither that it goes on nor that it ends. */
static const char *const no_renewals[] = {
    NULL,
    SAID,
    "[]",
    "{}",
    "{\"result\":null}",
    "{\"result\":[]}",
    "{\"result\":true}",
    "{\"disconnect\":{\"code\":200,\"reason\":\"bye\"}}",
    RESULT("\"expire_at\":\"soon\""),
    RESULT("\"expire_at\":[]"),
    RESULT("\"expire_at\":-1"),
    RESULT("\"expire_at\":-1,\"expired\":true"),
    RESULT("\"expired\":\"true\""),
    RESULT("\"expired\":1"),
    RESULT("\"expired\":{},\"expire_at\":90000"),
};
/* Those after which it goes on for ever, and those that end it. */
static const char *const for_ever[] = { RESULT(""), RESULT("\"expired\":false"), RESULT("\"expire_at\":0"),
                                        RESULT("\"expire_at\":null,\"expired\":null") };
static const char *const over_now[] = { RESULT("\"expired\":true"), RESULT("\"expire_at\":2"),
                                        RESULT("\"expire_at\":90000,\"expired\":true") };
enum {
    NO_RENEWALS = sizeof(no_renewals) / sizeof(*no_renewals),
    FOR_EVER = sizeof(for_ever) / sizeof(*for_ever),
    OVER_NOW = sizeof(over_now) / sizeof(*over_now)
};

TEST(hooks, let_a_connection_go_on_as_long_as_the_backend_says)
{
    static const char question[] = OF("websocket", "ann") "}";
    begin();
    ways.now_ms = 1995;
    struct client *c = connected_until("2");
    assert_null(strstr(client_trace(c, 1), "ttl")); /* it is not the client that is asked */
    ways.now_ms = 1999;
    pass_ms(20);
    unsigned before = held.count;
    ways.now_ms = 2000;
    held_answer(held_expect(HOOK_REFRESH, question), RESULT("\"expire_at\":2.5"));
    assert_int_equal(held.count, before + 1);
    ways.now_ms = 2500;
    say(c, "{}"); /* it looks again */
    unsigned n = held_expect(HOOK_REFRESH, question);
    say(c, "{}");
    pass_ms(10);
    assert_int_equal(held.count, n + 1); /* once, while it is asked */
    /* What is no answer is asked again a second later. */
    for (size_t i = 0; i < NO_RENEWALS; i++) {
        held_answer(n, no_renewals[i]);
        ways.now_ms += 999;
        say(c, "{}");
        pass_ms(10);
        assert_int_equal(held.count, n + 1);
        ways.now_ms++;
        say(c, "{}");
        n = held_expect(HOOK_REFRESH, question);
    }
    /* Nor can it be asked: the same. */
    held_answer(n, NULL);
    held.full = true;
    ways.now_ms += 1000;
    say(c, "{}");
    pass_ms(10);
    held.full = false;
    ways.now_ms += 1000;
    say(c, "{}");
    held_expect(HOOK_REFRESH, question);
    client_free(c);
    for (size_t i = 0; i < FOR_EVER; i++) {
        ways.now_ms = 2000;
        c = connected_until("2");
        client_trace(c, 1);
        n = held_expect(HOOK_REFRESH, question);
        held_answer(n, for_ever[i]);
        ways.now_ms += 1000000;
        say(c, "{}");
        ask(c, "{\"id\":9,\"ping\":{}}", "text '{\"id\":9,\"ping\":{}}'\n");
        assert_int_equal(held.count, n + 1);
        client_free(c);
    }
    /* Over: said, by a time that is past, by a disconnect; and for good, when no answer comes. */
    for (size_t i = 0; i <= OVER_NOW; i++) {
        ways.now_ms = 2000;
        c = connected_until("2");
        client_trace(c, 1);
        held_answer(held_expect(HOOK_REFRESH, question), i < OVER_NOW ? over_now[i] : LEFT);
        EXPECT_FRAMES(c, 1, i < OVER_NOW ? "close 3005 'connection expired'\n" : ENDED);
        client_free(c);
    }
    ways.now_ms = 2000;
    c = connected_until("2");
    client_trace(c, 1);
    held_expect(HOOK_REFRESH, question);
    ways.now_ms = 2000 + ways.site.expired_ms;
    say(c, "{}");
    EXPECT_FRAMES(c, 1, "close 3005 'connection expired'\n");
    client_free(c);
    /* Without that hook it is the client's to renew. */
    held.has[HOOK_REFRESH] = false;
    ways.now_ms = 1000;
    c = connected_until("2");
    assert_non_null(strstr(client_trace(c, 1), "\"expires\":true,\"ttl\":1"));
    client_free(c);
    end();
}

#define TIMED "{\"id\":2,\"subscribe\":{\"channel\":\"asked:a\"}}"
#define ABOUT OF("websocket", "") ",\"channel\":\"asked:a\"}"

static struct client *subscribed_until(const char *said)
{
    struct client *c = connected();
    say(c, TIMED);
    held_answer(held_expect(HOOK_SUBSCRIBE, ABOUT), said);
    assert_non_null(strstr(client_trace(c, 1), "{\"id\":2,\"subscribe\":{"));
    return c;
}

TEST(hooks, let_a_subscription_go_on_as_long_as_the_backend_says)
{
    begin();
    ways.now_ms = 1995;
    struct client *c = subscribed_until(RESULT("\"expire_at\":2"));
    assert_null(strstr(c->trace, "ttl"));
    ways.now_ms = 1999;
    pass_ms(20);
    unsigned before = held.count;
    ways.now_ms = 2000;
    unsigned n = held_expect(HOOK_SUB_REFRESH, ABOUT);
    assert_int_equal(n, before);
    for (size_t i = 0; i < NO_RENEWALS; i++) {
        held_answer(n, no_renewals[i]);
        ways.now_ms += 999;
        say(c, "{}");
        pass_ms(10);
        assert_int_equal(held.count, n + 1);
        ways.now_ms++;
        say(c, "{}");
        n = held_expect(HOOK_SUB_REFRESH, ABOUT);
    }
    held_answer(n, NULL);
    held.full = true;
    ways.now_ms += 1000;
    say(c, "{}");
    pass_ms(10);
    held.full = false;
    ways.now_ms += 1000;
    say(c, "{}");
    held_answer(held_expect(HOOK_SUB_REFRESH, ABOUT), RESULT("\"expire_at\":20"));
    ways.now_ms = 20000;
    say(c, "{}");
    held_answer(held_expect(HOOK_SUB_REFRESH, ABOUT), RESULT("\"expire_at\":20"));
    static const char over[] = "text '{\"push\":{\"channel\":\"asked:a\",\"unsubscribe\":{\"code\":2501,"
                               "\"reason\":\"subscription expired\"}}}'\n";
    EXPECT_FRAMES(c, 1, over);
    client_free(c);
    ways.now_ms = 2000;
    for (size_t i = 0; i < OVER_NOW; i++) {
        c = subscribed_until(RESULT("\"expire_at\":2"));
        held_answer(held_expect(HOOK_SUB_REFRESH, ABOUT), over_now[i]);
        EXPECT_FRAMES(c, 1, over);
        client_free(c);
    }
    for (size_t i = 0; i < FOR_EVER; i++) {
        ways.now_ms = 2000;
        c = subscribed_until(RESULT("\"expire_at\":2"));
        n = held_expect(HOOK_SUB_REFRESH, ABOUT);
        held_answer(n, for_ever[i]);
        ways.now_ms += 1000000;
        say(c, "{}");
        ask(c, "{\"id\":9,\"ping\":{}}", "text '{\"id\":9,\"ping\":{}}'\n");
        assert_int_equal(held.count, n + 1);
        client_free(c);
    }
    ways.now_ms = 2000;
    c = subscribed_until(RESULT("\"expire_at\":2"));
    held_answer(held_expect(HOOK_SUB_REFRESH, ABOUT), LEFT);
    EXPECT_FRAMES(c, 1, ENDED);
    client_free(c);
    /* Without that hook it is told to the client. */
    held.has[HOOK_SUB_REFRESH] = false;
    ways.now_ms = 1000;
    c = subscribed_until(RESULT("\"expire_at\":2"));
    assert_non_null(strstr(c->trace, "\"expires\":true,\"ttl\":1"));
    client_free(c);
    end();
}

TEST(hooks, take_no_answer_about_one_subscription_for_another)
{
    begin();
    ways.now_ms = 2000;
    struct client *c = subscribed_until(RESULT("\"expire_at\":2"));
    unsigned n = held_expect(HOOK_SUB_REFRESH, ABOUT);
    ask(c, "{\"id\":3,\"unsubscribe\":{\"channel\":\"asked:a\"}}", "text '{\"id\":3,\"unsubscribe\":{}}'\n");
    unsigned early = held.count;
    say(c, TIMED);
    held_answer(held_expect(HOOK_SUBSCRIBE, ABOUT), RESULT(""));
    assert_int_equal(early + 1, held.count);
    client_trace(c, 1);
    held_answer(n, RESULT("\"expired\":true"));
    expect_quiet(c);
    client_free(c);
    /* Gone, and not back. */
    c = subscribed_until(RESULT("\"expire_at\":2"));
    n = held_expect(HOOK_SUB_REFRESH, ABOUT);
    ask(c, "{\"id\":3,\"unsubscribe\":{\"channel\":\"asked:a\"}}", "text '{\"id\":3,\"unsubscribe\":{}}'\n");
    held_answer(n, RESULT("\"expired\":true"));
    expect_quiet(c);
    client_free(c);
    end();
}

/* Without memory. */

static const struct scene {
    const char *path, *command; /* command NULL: it is the connect that is asked about */
    const char *answer;
} scenes[] = {
    { "websocket", NULL, RESULT("\"user\":\"ann\",\"data\":[\n1],\"channels\":[\"c\"],\"expire_at\":90") },
    { "uni_websocket", NULL, RESULT("\"user\":\"ann\",\"data\":[\n1],\"channels\":[\"c\"]") },
    { "websocket", NULL, SAID },
    { "websocket", "{\"id\":2,\"subscribe\":{\"channel\":\"asked:\\u0061\"}}", RESULT("\"data\":[\n1],\"info\":{}") },
    { "websocket", "{\"id\":2,\"publish\":{\"channel\":\"looked:\\u0061\",\"data\":1}}", RESULT("\"data\":[\n1]") },
    { "websocket", "{\"id\":2,\"publish\":{\"channel\":\"looked:\\u0061\",\"data\":1}}", LEFT },
    { "websocket", "{\"id\":2,\"rpc\":{\"data\":1}}", RESULT("\"data\":[\n1]") },
    { "websocket", "{\"send\":{\"data\":1}}", LEFT },
};
enum { SCENES = sizeof(scenes) / sizeof(*scenes) };

/* Up to where the question is to be asked. */
static struct client *set(const struct scene *s)
{
    begin();
    held.has[HOOK_CONNECT] = s->command == NULL;
    struct client *c = s->command ? connected() : open_with(s->path, "Cookie: s=1\r\n");
    const char *connect = s->path[0] == 'u' ? "{}" : "{\"id\":2,\"connect\":{\"name\":\"\\u0061\"}}";
    say(c, s->command ? s->command : connect);
    return c;
}

TEST(hooks, mem_1_each_allocation_fails_while_asking)
{
    for (const struct scene *s = scenes; s < scenes + SCENES; s++) {
        unsigned long asked = 0;
        for (unsigned long after = 0; after <= asked; after++) {
            struct client *c = set(s);
            mem_fail(after, false);
            for (int i = 0; i < 10; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            end();
            client_free(c);
        }
        assert_int_equal(held.count, 1); /* the last lacked nothing */
    }
}

TEST(hooks, mem_1_each_allocation_fails_while_it_is_answered)
{
    for (const struct scene *s = scenes; s < scenes + SCENES; s++) {
        unsigned long asked = 0;
        for (unsigned long after = 0; after <= asked; after++) {
            struct client *c = set(s);
            for (int i = 0; i < WIRE_TURNS && held.count == 0; i++)
                wire_turn();
            held.asked[0].fail_at = (long)after;
            held_answer(0, s->answer);
            asked = held.asked[0].asked;
            wire_settle();
            client_read(c);
            bool waits = s->command == NULL || strstr(s->command, "\"id\"") != NULL;
            assert_true(!waits || c->len > 0 || c->eof || c->reset); /* it is told something */
            client_free(c);
            end();
        }
    }
}

/* Renewals that cannot be asked for are asked for later. */
TEST(hooks, mem_1_each_allocation_fails_while_renewing)
{
    for (int sub = 0; sub < 2; sub++) {
        unsigned long asked = 0;
        for (unsigned long after = 0; after <= asked; after++) {
            begin();
            ways.now_ms = 1000;
            struct client *c = sub ? subscribed_until(RESULT("\"expire_at\":2")) : connected_until("2");
            if (!sub)
                client_trace(c, 1);
            unsigned before = held.count;
            ways.now_ms = 2000;
            say(c, "{}");
            mem_fail(after, false);
            for (int i = 0; i < 10; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            ways.now_ms = 3000;
            say(c, "{}");
            for (int i = 0; i < WIRE_TURNS && held.count == before && !c->eof; i++) {
                wire_turn();
                client_read(c);
            }
            assert_true(held.count == before + 1 || c->eof);
            client_free(c);
            end();
        }
    }
}

TEST(hooks, mem_1_a_request_whose_fields_cannot_be_kept_is_refused)
{
    for (int streams = 0; streams < 2; streams++) {
        unsigned long asked = 0;
        for (unsigned long after = 0; after <= asked; after++) {
            char request[1000];
            begin();
            held.has[HOOK_CONNECT] = true;
            struct client *c = client_new();
            snprintf(request, sizeof(request),
                     streams
                         ? "POST /connection/uni_sse HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\nContent-Length: 2\r\n\r\n{}"
                         : "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nCookie: s=1\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            client_say(c, request);
            mem_fail(after, false);
            for (int i = 0; i < 10; i++)
                duet_loop_turn(wire.loop, 0);
            asked = mem_fail_end();
            end();
            client_free(c);
        }
        assert_int_equal(held.count, streams);
    }
}
