/* SPDX-License-Identifier: MIT */
/* Every way in crossed with every way out, for what is JSON, text and binary: docs/channels.md has the table. */
#include "ways.h"

#define WHO "{\"user\":\"\",\"client\":\"00000000-0000-4000-8000-000000000000\"}"
#define UPGRADE                                                                                                        \
    " HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define CONNECT "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}"

enum kind { JSON, TEXT, BINARY, KINDS };
static const char *const sent[KINDS] = { "{\"a\":[1,\"\xc3\xa9\"]}", "h\xc3\xa9 \"x\"", "\1\2\xff" };
static const char *const as_json[KINDS] = { "{\"a\":[1,\"\xc3\xa9\"]}", "\"h\xc3\xa9 \\\"x\\\"\"",
                                            "{\"b64\":\"AQL/\"}" };

/* Ways in: what each can say is published once on channel c. */

static void open_socket(struct client *c, const char *target, const char *fields)
{
    char request[1000];
    snprintf(request, sizeof(request), "GET %s" UPGRADE "%s\r\n", target, fields);
    client_say(c, request);
    assert_int_equal(client_answer(c, NULL, NULL), 101);
}

static void say_post(struct client *c, const char *target, const char *body)
{
    char request[2000];
    snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s", target,
             strlen(body), body);
    client_say(c, request);
}

static bool by_plain(enum kind kind)
{
    struct client *c = client_new();
    open_socket(c, "/channel/c", "");
    client_frame(c, kind == BINARY ? 0x82 : 0x81, sent[kind], strlen(sent[kind]));
    client_trace(c, 1);
    client_free(c);
    return true;
}

static bool by_envelope(enum kind kind)
{
    struct client *c = client_new();
    open_socket(c, "/channel/c", "Sec-WebSocket-Protocol: duet.v1\r\n");
    client_frame(c, kind == BINARY ? 0x82 : 0x81, sent[kind], strlen(sent[kind]));
    client_trace(c, 2);
    client_free(c);
    return true;
}

/* These say JSON alone. */

static const char *command(void)
{
    static char text[500];
    snprintf(text, sizeof(text), "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":%s}}",
             sent[JSON]);
    return text;
}

static bool by_centrifugal(enum kind kind)
{
    if (kind != JSON)
        return false;
    struct client *c = client_new();
    open_socket(c, "/connection/websocket", "");
    client_frame(c, 0x81, command(), strlen(command()));
    client_trace(c, 2);
    assert_non_null(strstr(c->trace, "\"publish\":{}"));
    client_free(c);
    return true;
}

static bool by_http_stream(enum kind kind)
{
    if (kind != JSON)
        return false;
    struct client *c = client_new();
    say_post(c, "/connection/http_stream", command());
    assert_true(client_wait_text(c, "\"publish\":{}"));
    client_free(c);
    return true;
}

static bool by_events(enum kind kind)
{
    if (kind != JSON)
        return false;
    struct client *c = client_new();
    say_post(c, "/connection/sse", command());
    assert_true(client_wait_text(c, "\"publish\":{}"));
    client_free(c);
    return true;
}

static bool by_api(enum kind kind)
{
    static const char *const bodies[KINDS] = {
        [JSON] = "\"data\":{\"a\":[1,\"\xc3\xa9\"]}", [BINARY] = "\"b64data\":\"AQL/\""
    };
    char body[300];
    if (kind == TEXT)
        return false;
    struct client *c = client_new();
    snprintf(body, sizeof(body), "{\"channel\":\"c\",%s}", bodies[kind]);
    say_post(c, "/api/publish", body);
    assert_int_equal(client_answer(c, NULL, NULL), 200);
    client_free(c);
    return true;
}

static const struct {
    bool (*publish)(enum kind kind); /* false: it cannot say that */
    bool named;                      /* it says who published */
} ways_in[] = {
    { by_plain, true },       { by_envelope, true }, { by_centrifugal, true },
    { by_http_stream, true }, { by_events, true },   { by_api, false },
};
enum { INS = sizeof(ways_in) / sizeof(*ways_in) };

/* Ways out. */

static void out_plain(struct client *c)
{
    open_socket(c, "/channel/c", "");
}

static void out_envelope(struct client *c)
{
    open_socket(c, "/channel/c", "Sec-WebSocket-Protocol: duet.v1\r\n");
    client_trace(c, 1);
}

static void out_sse(struct client *c)
{
    client_say(c, "GET /events?channel=c HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_true(client_wait_text(c, "id: aaaaaaaa:"));
}

static void out_centrifugal(struct client *c)
{
    open_socket(c, "/connection/websocket", "");
    client_frame(c, 0x81, CONNECT, sizeof(CONNECT) - 1);
    client_trace(c, 2);
}

static void out_uni_websocket(struct client *c)
{
    open_socket(c, "/connection/uni_websocket", "");
    client_frame(c, 0x81, "{\"subs\":{\"c\":{}}}", 17);
    client_trace(c, 1);
}

static void out_http_stream(struct client *c)
{
    say_post(c, "/connection/http_stream", CONNECT);
    assert_true(client_wait_text(c, "\"subscribe\":{}"));
}

static void out_events(struct client *c)
{
    say_post(c, "/connection/sse", CONNECT);
    assert_true(client_wait_text(c, "\"subscribe\":{}"));
}

static void out_uni_stream(struct client *c)
{
    say_post(c, "/connection/uni_http_stream", "{\"subs\":{\"c\":{}}}");
    assert_true(client_wait_text(c, "\"subs\":{\"c\":{"));
}

static void out_uni_sse(struct client *c)
{
    say_post(c, "/connection/uni_sse", "{\"subs\":{\"c\":{}}}");
    assert_true(client_wait_text(c, "\"subs\":{\"c\":{"));
}

/* As its wire shows the payload, with what stands around it; %s: the payload as JSON. */
static const struct {
    void (*open)(struct client *c);
    const char *shown;
} ways_out[] = {
    { out_plain, NULL },
    { out_envelope, NULL },
    { out_sse, "data: %s\n\n" },
    { out_centrifugal, "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
    { out_uni_websocket, "{\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
    { out_http_stream, "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
    { out_events, "data: {\"push\":{\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
    { out_uni_stream, "{\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
    { out_uni_sse, "data: {\"channel\":\"c\",\"pub\":{\"data\":%s,\"offset\":1," },
};
enum { OUTS = sizeof(ways_out) / sizeof(*ways_out) };

/* A bare message is its payload and no more, and the frame says what it is; an envelope has a name for each kind. */
static void expected_at(unsigned out, enum kind kind, char to[200])
{
    static const char *const members[KINDS] = { "\"data\":%s}", "\"text\":%s}", "\"b64\":\"AQL/\"}" };
    if (out == 0)
        snprintf(to, 200, "%c%c%s", kind == BINARY ? 0x82 : 0x81, (int)strlen(sent[kind]), sent[kind]);
    else
        snprintf(to, 200, out == 1 ? members[kind] : ways_out[out].shown, as_json[kind]);
}

static void cross(unsigned in, unsigned out, enum kind kind)
{
    char expected[200];
    struct hub_options o = ways_open();
    ways_serve(&o, 1, NULL);
    struct client *c = client_new();
    ways_out[out].open(c);
    client_skip(c, c->len);
    if (ways_in[in].publish(kind)) {
        expected_at(out, kind, expected);
        if (!client_wait_text(c, expected))
            fail_msg("in %u, out %u, kind %d: no %s", in, out, (int)kind, expected);
        static const char who[] = "\"info\":" WHO;
        if (out > 2)
            assert_int_equal(memmem(c->in, c->len, who, sizeof(who) - 1) != NULL, ways_in[in].named);
    }
    client_free(c);
    ways_stop();
}

TEST(crossed, every_way_in_comes_out_by_every_way)
{
    for (unsigned in = 0; in < INS; in++)
        for (unsigned out = 0; out < OUTS; out++)
            for (int kind = 0; kind < KINDS; kind++)
                cross(in, out, (enum kind)kind);
}
