/* SPDX-License-Identifier: MIT */
/* Tokens by the plain ways: where they are looked for, what they open, and what happens when they end. */
#include "doors.h"
#include <duet/loop.h>

static void begin(void)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    all[0].allow_subscribe_for_anonymous = all[0].allow_publish_for_anonymous = false;
    all[1].allow_subscribe_for_client = all[1].allow_subscribe_for_anonymous = false;
    all[1].allow_publish_for_client = all[1].allow_publish_for_anonymous = false;
    all[1].allow_user_limited_channels = true;
    strcpy(all[1].name, "shut");
    ways_serve(all, 2, NULL);
    doors_open(false);
}

static void end(void)
{
    ways_stop();
    doors_shut();
}

static unsigned ask(const char *what, const char *fields)
{
    struct client *c = client_new();
    unsigned status = ways_ask(c, what, fields);
    client_free(c);
    return status;
}

/* The status when the token comes this way: a field with %s in it, or NULL: in the query. */
static unsigned ask_with(const char *channel, const char *field, const char *payload)
{
    char fields[3000] = "", what[3000];
    const char *t = token(payload);
    snprintf(what, sizeof(what), field ? "%s" : "%s?token=%s", channel, t);
    if (field != NULL)
        snprintf(fields, sizeof(fields), field, t);
    return ask(what, fields);
}

#define BEARER "Authorization: Bearer %s\r\n"

TEST(guest, token_is_found_where_it_may_be)
{
    static const char good[] = "{\"sub\":\"ann\",\"exp\":100}";
    begin();
    assert_int_equal(ask("c", NULL), 401);
    assert_int_equal(ask_with("c", BEARER, good), 101);
    assert_int_equal(ask_with("c", "authorization: bearer %s\r\n", good), 101);
    assert_int_equal(ask_with("c", "Sec-WebSocket-Protocol: duet.v1, token.%s\r\n", good), 101); /* WEB-7 */
    assert_int_equal(ask_with("c", NULL, good), 101);
    assert_int_equal(ask_with("c", "Authorization: Basic %s\r\n", good), 401);
    assert_int_equal(ask("c", "Authorization: Bearer x\r\n"), 401);
    assert_int_equal(ask("c?token=", NULL), 401);
    assert_int_equal(ask("c", "Sec-WebSocket-Protocol: token., duet.v1\r\n"), 401);
    end();
}

/* WEB-7 */
TEST(guest, token_among_the_subprotocols_is_never_selected)
{
    char request[3000], head[4096];
    begin();
    for (int both = 0; both < 2; both++) {
        struct client *c = client_new();
        snprintf(request, sizeof(request),
                 "GET /channel/c HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Protocol: token.%s%s\r\n\r\n",
                 token("{\"sub\":\"ann\",\"exp\":100}"), both ? ", duet.v1" : "");
        client_say(c, request);
        assert_int_equal(client_answer(c, head, NULL), 101);
        assert_int_equal(client_has_field(head, "Sec-WebSocket-Protocol: duet.v1"), both);
        assert_null(strstr(head, "token."));
        client_free(c);
    }
    end();
}

/* HUB-10 */
TEST(guest, bad_token_opens_nothing)
{
    static const struct {
        const char *payload;
        unsigned status;
    } rows[] = {
        { "{\"sub\":\"ann\",\"exp\":2}", 101 }, /* it is second 1 */
        { "{\"sub\":\"ann\",\"exp\":1}", 401 },
        { "{\"sub\":\"ann\"}", 401 },
        { "{\"sub\":\"ann\",\"exp\":100,\"nbf\":99}", 401 },
        { "{\"sub\":\"ann\",\"exp\":100,\"channel\":\"c\"}", 401 }, /* a subscription's */
        { "{\"sub\":5,\"exp\":100}", 401 },
        { "x", 401 },
    };
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(ask_with("c", BEARER, rows[i].payload), rows[i].status);
    ways.site.doors = NULL;
    assert_int_equal(ask_with("c", BEARER, rows[0].payload), 401);
    ways.site.doors = doors;
    end();
}

/* HUB-13 */
TEST(guest, opens_what_its_token_names)
{
    static const char ann[] = "{\"sub\":\"ann\",\"exp\":100}";
    static const char cap[] = "{\"sub\":\"ann\",\"exp\":100,\"caps\":[{\"channels\":[\"shut:a*\",\"$p\"],"
                              "\"match\":\"wildcard\",\"allow\":[\"sub\"]}]}";
    begin();
    assert_int_equal(ask_with("shut:a", BEARER, ann), 403);
    assert_int_equal(ask_with("shut:a1", BEARER, cap), 101);
    assert_int_equal(ask_with("shut:b", BEARER, cap), 403);
    assert_int_equal(ask_with("shut:A1", BEARER, cap), 403);
    assert_int_equal(ask_with("$p", BEARER, ann), 403);
    assert_int_equal(ask_with("$p", BEARER, cap), 101);
    assert_int_equal(ask_with("shut:x%23ann", BEARER, ann), 101);
    assert_int_equal(ask_with("shut:x%23bob", BEARER, ann), 403);
    assert_int_equal(ask_with("none:x", BEARER, ann), 404);
    ways.site.needs_token = true;
    assert_int_equal(ask("c", NULL), 401);
    end();
}

static struct client *enter(const char *channel, const char *payload)
{
    struct client *c = client_new();
    char fields[3000];
    snprintf(fields, sizeof(fields), BEARER "Sec-WebSocket-Protocol: duet.v1\r\n", token(payload));
    assert_int_equal(ways_ask(c, channel, fields), 101);
    client_trace(c, 1);
    c->trace_len = 0;
    return c;
}

TEST(guest, is_named_in_what_it_says_and_says_what_it_may)
{
    begin();
    struct client *a = enter("c", "{\"sub\":\"ann\",\"exp\":100,\"info\":{\"n\":1}}");
    client_frame(a, 0x81, "1", 1);
    EXPECT_FRAMES(a, 1,
                  "text '{\"offset\":1,\"time\":1000,\"who\":{\"user\":\"ann\","
                  "\"client\":\"00000000-0000-4000-8000-000000000000\",\"conn_info\":{\"n\":1}},\"data\":1}'\n");
    struct client *b = enter("shut:a", "{\"sub\":\"ann\",\"exp\":100,\"caps\":[{\"channels\":[\"shut:a\"],"
                                       "\"allow\":[\"sub\"]}]}");
    client_frame(b, 0x81, "1", 1);
    EXPECT_FRAMES(b, 1, "text '{\"error\":{\"code\":103,\"message\":\"permission denied\"}}'\n");
    client_free(a);
    client_free(b);
    end();
}

/* HUB-11 */
TEST(guest, leaves_when_its_token_ends)
{
    begin();
    ways.now_ms = 1990;
    struct client *a = enter("c", "{\"sub\":\"ann\",\"exp\":2}"), *b = enter("c", "{\"sub\":\"bob\",\"exp\":100}");
    ways.now_ms = 2000;
    EXPECT_FRAMES(a, 1, "close 3005 'connection expired'\n");
    client_frame(b, 0x81, "1", 1);
    client_trace(b, 1);
    assert_memory_equal(b->trace, "text", 4);
    client_free(a);
    client_free(b);
    end();
}

TEST(guest, goes_on_as_long_as_the_api_says)
{
    static const struct hub_whom ann = { .user = "ann", .user_len = 3, .client = "" };
    begin();
    ways.now_ms = 1000;
    struct client *c = enter("c", "{\"sub\":\"ann\",\"exp\":2}");
    assert_int_equal(hub_refresh(ways.site.hub, &ann, 3000), 0);
    ways.now_ms = 2500; /* its token is over */
    client_frame(c, 0x81, "1", 1);
    client_trace(c, 1);
    assert_memory_equal(c->trace, "text", 4);
    assert_int_equal(hub_refresh(ways.site.hub, &ann, 0), 0);
    wire_settle();
    ways.now_ms = 1000000;
    assert_int_equal(hub_refresh(ways.site.hub, &ann, 1000010), 0);
    wire_settle();
    ways.now_ms = 1000010;
    EXPECT_FRAMES(c, 1, "close 3005 'connection expired'\n");
    client_free(c);
    end();
}

TEST(guest, of_an_event_stream_is_the_same)
{
    char request[3000], head[4096];
    begin();
    snprintf(request, sizeof(request), "GET /events?channel=c HTTP/1.1\r\nHost: a\r\n" BEARER "\r\n",
             token("{\"sub\":\"ann\",\"exp\":2}"));
    struct client *c = client_new();
    client_say(c, "GET /events?channel=c HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_answer(c, head, NULL), 401);
    assert_true(client_has_field(head, "WWW-Authenticate: Bearer"));
    ways.now_ms = 1990;
    client_say(c, request);
    assert_int_equal(client_answer(c, head, NULL), 200);
    assert_true(client_wait_text(c, "id: aaaaaaaa:0"));
    ways.now_ms = 2000;
    assert_true(client_wait_text(c, "\r\n0\r\n\r\n")); /* its end */
    client_free(c);
    end();
}

TEST(guest, without_a_name_is_one_of_everybody)
{
    begin();
    assert_int_equal(ask_with("c", BEARER, "{\"exp\":100}"), 403);
    end();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, NULL);
    doors_open(false);
    struct client *c = enter("c", "{\"exp\":100,\"info\":{\"n\":1}}");
    client_frame(c, 0x81, "1", 1);
    EXPECT_FRAMES(c, 1,
                  "text '{\"offset\":1,\"time\":1000,\"who\":{\"user\":\"\","
                  "\"client\":\"00000000-0000-4000-8000-000000000000\",\"conn_info\":{\"n\":1}},\"data\":1}'\n");
    client_free(c);
    end();
}

/* Of one user there may be so many. */
TEST(guest, has_so_many_connections)
{
    static const char ann[] = "{\"sub\":\"ann\",\"exp\":100}";
    char request[3000];
    ways.connections_per_user = 1;
    begin();
    struct client *a = enter("c", ann), *b = client_new();
    snprintf(request, sizeof(request), BEARER, token(ann));
    assert_int_equal(ways_ask(b, "c", request), 101); /* browsers show codes, not statuses */
    EXPECT_FRAMES(b, 1, "close 3504 'connection limit'\n");
    client_free(b);
    snprintf(request, sizeof(request), "GET /events?channel=c HTTP/1.1\r\nHost: a\r\n" BEARER "\r\n", token(ann));
    b = client_new();
    client_say(b, request);
    assert_int_equal(client_answer(b, NULL, NULL), 429);
    client_free(b);
    client_free(a);
    end();
}

/* An hour is what a timer takes; whoever stays longer is looked at again. */
TEST(guest, may_stay_for_years)
{
    begin();
    struct client *a = enter("c", "{\"sub\":\"ann\",\"exp\":4000000000}");
    client_frame(a, 0x81, "1", 1);
    client_trace(a, 1);
    assert_memory_equal(a->trace, "text", 4);
    client_free(a);
    end();
}
