/* SPDX-License-Identifier: MIT */
/*
 * MEM-1 for the ways in: each allocation of each scene fails once, and then for ever. Who follows a channel hears all
 * of it, or is told that he does not; nobody is left behind in the hub; and the next one is served.
 */
#include "base/mem.h"
#include "doors.h"
#include "talk.h"

#define SOCKET                                                                                                         \
    " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ANN       "{\"sub\":\"ann\",\"exp\":1000,\"info\":{\"n\":1},\"channels\":[\"c\",\"b\"]}"
#define ANN_IN(c) "{\"sub\":\"ann\",\"exp\":1000,\"channel\":\"" c "\",\"info\":1}"

/* Tokens are made before memory fails. */
static char by_token[2000], in_channel[2000];

/* Without waiting: what cannot come does not. */
static void spin(struct client *c)
{
    for (int i = 0; i < 12; i++) {
        duet_loop_turn(wire.loop, 0);
        client_read(c);
    }
}

static void say_head(struct client *c, const char *head)
{
    char all[4000];
    snprintf(all, sizeof(all), "%s\r\n", head);
    client_try(c, all, strlen(all));
    spin(c);
}

static void say_frame(struct client *c, unsigned type, const char *text)
{
    uint8_t frame[4000];
    client_try(c, frame, client_encode(frame, 0x80 | type, text, strlen(text)));
    spin(c);
}

static void say_body(struct client *c, const char *target, const char *body)
{
    char all[4000];
    snprintf(all, sizeof(all), "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", target,
             strlen(body), body);
    client_try(c, all, strlen(all));
    spin(c);
}

/* Scenes: each ends in channel c, where 1 and 2 were said before. */

static void bare(struct client *c)
{
    say_head(c, "GET /channel/c?last=9" SOCKET);
    say_frame(c, 1, "{\"x\":\n1}");
    say_frame(c, 2, "bytes");
}

static void speaker(struct client *c)
{
    say_head(c, "GET /channel/c?listen=no" SOCKET "Sec-WebSocket-Protocol: duet.v1\r\n");
    say_frame(c, 1, "[1]");
}

static void envelope(struct client *c)
{
    char head[4000];
    snprintf(head, sizeof(head),
             "GET /channel/c?since=aaaaaaaa:0" SOCKET "Sec-WebSocket-Protocol: duet.v1\r\nAuthorization: Bearer %s\r\n",
             by_token);
    say_head(c, head);
    say_frame(c, 1, "[1]");
    say_frame(c, 2, "bytes");
}

static void events(struct client *c)
{
    char head[4000];
    snprintf(head, sizeof(head), "GET /events?channel=c&last=2&token=%s HTTP/1.1\r\nHost: localhost\r\n", by_token);
    say_head(c, head);
}

static void many_events(struct client *c)
{
    say_head(c, "GET /events?channel=c&channel=d HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: aaaaaaaa:1,\r\n");
}

static void subscribed(struct client *c)
{
    say_head(c, "GET /connection/websocket" SOCKET);
    say_frame(c, 1,
              "{\"id\":1,\"connect\":{}}\n"
              "{\"id\":2,\"subscribe\":{\"channel\":\"\\u0063\",\"recover\":true,\"offset\":1,\"join_leave\":true}}\n"
              "{\"id\":3,\"history\":{\"channel\":\"c\",\"limit\":9,\"since\":{\"offset\":0,\"epoch\":\"\\u0061\"}}}");
}

static void with_tokens(struct client *c)
{
    char text[4000];
    say_head(c, "GET /connection/websocket" SOCKET);
    snprintf(text, sizeof(text), "{\"id\":1,\"connect\":{\"token\":\"%s\",\"subs\":{\"c\":{\"recover\":true}}}}",
             by_token);
    say_frame(c, 1, text);
    snprintf(text, sizeof(text), "{\"id\":2,\"subscribe\":{\"channel\":\"$d\",\"token\":\"%s\"}}", in_channel);
    say_frame(c, 1, text);
    snprintf(text, sizeof(text), "{\"id\":3,\"sub_refresh\":{\"channel\":\"$d\",\"token\":\"%s\"}}", in_channel);
    say_frame(c, 1, text);
    snprintf(text, sizeof(text), "{\"id\":4,\"refresh\":{\"token\":\"%s\"}}", by_token);
    say_frame(c, 1, text);
}

static void delta(struct client *c)
{
    say_head(c, "GET /connection/websocket" SOCKET);
    say_frame(
        c, 1,
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"recover\":true,\"delta\":\"fossil\","
        "\"join_leave\":true}}\n{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":[1,\n2]}}");
}

static void filtered(struct client *c)
{
    say_head(c, "GET /connection/websocket" SOCKET);
    say_frame(c, 1,
              "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"recover\":true,"
              "\"tf\":{\"op\":\"or\",\"nodes\":[{\"key\":\"k\",\"cmp\":\"nex\"},{\"key\":\"k\",\"cmp\":\"in\","
              "\"vals\":[\"v\",\"w\\u0061\"]}]}}}");
}

static void by_stream(struct client *c)
{
    say_body(c, "/connection/http_stream",
             "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\",\"recover\":true}}");
}

static void by_sse(struct client *c)
{
    say_head(c, "GET /connection/sse?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D%0A%7B%22id%22%3A2%2C"
                "%22subscribe%22%3A%7B%22channel%22%3A%22c%22%7D%7D HTTP/1.1\r\nHost: localhost\r\n");
}

static void listens(struct client *c)
{
    say_head(c, "GET /connection/uni_websocket?cf_connect=%7B%22subs%22%3A%7B%22c%22%3A%7B%7D%7D%7D" SOCKET);
}

static void listens_to_stream(struct client *c)
{
    say_body(c, "/connection/uni_http_stream", "{\"subs\":{\"c\":{\"recover\":true},\"d\":{}}}");
}

static bool sender_told; /* that his letter did not arrive */

/* What was said in a letter, to a stream that is there. */
static void by_letter(struct client *c)
{
    char letter[1000];
    struct client *sender = client_raw();
    say_body(c, "/connection/http_stream", "{\"id\":1,\"connect\":{}}");
    const char *name = memmem(c->in, c->len, "\"session\":\"", 11);
    if (name != NULL) {
        snprintf(letter, sizeof(letter),
                 "{\"session\":\"%.48s\",\"node\":\"0000000000000000\",\"data\":"
                 "\"{\\\"id\\\":2,\\\"subscribe\\\":{\\\"channel\\\":\\\"c\\\"}}\"}",
                 name + 11);
        say_body(sender, "/emulation", letter);
        spin(c);
        sender_told = sender->eof || sender->reset || memmem(sender->in, sender->len, " 503 ", 5) ||
                      memmem(sender->in, sender->len, " 404 ", 5);
    }
    client_free(sender);
}

static const struct scene {
    const char *name;
    void (*enter)(struct client *c);
    const char *offset; /* what stands before a publication's offset; NULL: it shows none */
    bool deaf;          /* it hears nothing */
} scenes[] = {
    { "bare", bare, NULL },
    { "only speaks", speaker, NULL, .deaf = true },
    { "envelope", envelope, "{\"offset\":" },
    { "events", events, "id: aaaaaaaa:" },
    { "events of several channels", many_events, "id: aaaaaaaa:" },
    { "subscribed", subscribed, "\"offset\":" },
    { "with tokens", with_tokens, "\"offset\":" },
    { "delta", delta, "\"offset\":" },
    { "filtered", filtered, "\"offset\":" },
    { "by stream", by_stream, "\"offset\":" },
    { "by sse", by_sse, "\"offset\":" },
    { "listens", listens, "\"offset\":" },
    { "listens to a stream", listens_to_stream, "\"offset\":" },
    { "by letter", by_letter, "\"offset\":" },
};

/* More than the stack has room for where it is shown, and worth a delta to the one before it. */
static void say_long(const char *first)
{
    char text[1500];
    memset(text, 'x', sizeof(text));
    memcpy(text, first, strlen(first));
    text[sizeof(text) - 1] = 0;
    ways_publish("c", text);
}

static void begin(void)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    all[0].presence = all[0].join_leave = all[0].allow_delta_fossil = all[0].delta_publish = all[0].allow_tags_filter =
        true;
    all[0].allow_history_for_anonymous = all[0].allow_presence_for_anonymous = true;
    all[0].history_size = 20;
    strcpy(all[1].name, "other");
    ways_serve(all, 2, NULL);
    doors_open(false);
    snprintf(by_token, sizeof(by_token), "%s", token(ANN));
    snprintf(in_channel, sizeof(in_channel), "%s", token(ANN_IN("$d")));
    say_long("the first ");
    say_long("the second ");
}

static bool has(const struct client *c, const char *bytes, size_t len)
{
    return memmem(c->in, c->len, bytes, len) != NULL;
}

/* Whether a WebSocket was told to close. */
static bool closed(const struct client *c)
{
    const uint8_t *at = memmem(c->in, c->len, "\r\n\r\n", 4), *end = c->in + c->len;
    if (at == NULL || !has(c, " 101 ", 5))
        return false;
    for (at += 4; end - at >= 4;) {
        if (at[0] == 0x88)
            return true;
        at += at[1] < 126 ? 2 + (size_t)at[1] : 4 + ((size_t)at[2] << 8 | at[3]); /* none is longer */
    }
    return false;
}

/* Whether it knows that it does not hear everything: it was told so, or has no answer. */
static bool told(const struct client *c)
{
    static const char *const signs[] = { "\"code\":100,", "\"code\":2500,", " 503 ", "\r\n0\r\n\r\n",
                                         "\"disconnect\":" };
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (has(c, signs[i], strlen(signs[i])))
            return true;
    return sender_told || c->len == 0 || c->eof || c->reset || closed(c);
}

/* The last publication's offset; fails where one is left out. */
static uint64_t last_offset(const struct scene *s, const struct client *c, unsigned long n)
{
    static const char last[] = "the last";
    const char *at = (const char *)c->in, *end = at + c->len;
    uint64_t seen = 0;
    while ((at = memmem(at, (size_t)(end - at), s->offset, strlen(s->offset))) != NULL) {
        at += strlen(s->offset);
        uint64_t offset = strtoull(at, NULL, 10);
        if (seen > 0 && offset > seen + 1 && !told(c))
            fail_msg("%.*s\n\"%s\", allocation %lu: from %u to %u", (int)c->len, (char *)c->in, s->name, n,
                     (unsigned)seen, (unsigned)offset);
        seen = offset > seen ? offset : seen;
    }
    return has(c, last, sizeof(last) - 1) ? seen : 0;
}

static void nobody_is_left(void)
{
    struct hub_stats stats;
    for (int i = 0; i < 20; i++)
        duet_loop_turn(wire.loop, 0);
    hub_read_stats(ways.site.hub, &stats);
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.subscriptions, 0);
}

static void next_is_served(const struct scene *s, unsigned long n)
{
    struct client *c = client_raw();
    s->enter(c);
    ways_publish("c", "the last");
    spin(c);
    if (s->deaf ? !has(c, "\"client\":", 9) : !has(c, "the last", 8))
        fail_msg("\"%s\", behind allocation %lu: the next is not served", s->name, n);
    client_free(c);
    nobody_is_left();
}

static unsigned long play(const struct scene *s, unsigned long after, bool for_ever)
{
    begin();
    struct client *c = client_raw();
    sender_told = false;
    spin(c);
    mem_fail(after, for_ever);
    s->enter(c);
    say_long("the third ");
    spin(c);
    say_long("the fourth ");
    spin(c);
    unsigned long asked = mem_fail_end();
    spin(c);
    hub_tick(ways.site.hub);
    spin(c);
    ways_publish("c", "the last");
    spin(c);
    if (s->offset != NULL && last_offset(s, c, after) == 0 && !told(c))
        fail_msg("%.*s\n\"%s\", allocation %lu: it neither hears nor knows", (int)c->len, (char *)c->in, s->name,
                 after);
    client_free(c);
    nobody_is_left();
    next_is_served(s, after);
    ways_stop();
    doors_shut();
    return asked;
}

static void each_fails(bool for_ever)
{
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        unsigned long n = 0;
        while (play(&scenes[i], n, for_ever) > n)
            n++;
        assert_true(n > 5);
    }
}

TEST(way_failing, mem_1_each_allocation_fails_once)
{
    each_fails(false);
}

TEST(way_failing, mem_1_each_allocation_fails_for_ever)
{
    each_fails(true);
}

/* The API: what it answers is so, and the same asked again is answered. */

static const struct request {
    const char *method, *body, *answer;
} requests[] = {
    { "publish", "{\"channel\":\"c\",\"b64data\":\"AAEC\",\"tags\":{\"k\":\n\"v\"},\"idempotency_key\":\"key\"}",
      "{\"result\":{\"offset\":3,\"epoch\":\"aaaaaaaa\"}}" },
    { "publish", "{\"channel\":\"c\",\"data\":{\"n\":\n1},\"version\":3}",
      "{\"result\":{\"offset\":3,\"epoch\":\"aaaaaaaa\"}}" },
    { "broadcast", "{\"channels\":[\"x\",\"y\"],\"data\":1}",
      "{\"result\":{\"responses\":[{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}},"
      "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}]}}" },
    { "batch",
      "{\"commands\":[{\"presence_stats\":{\"channel\":\"c\"}},{\"history\":{\"channel\":\"c\",\"limit\":1,"
      "\"since\":{\"offset\":7}}},{\"channels\":{}}]}",
      "{\"replies\":[{\"presence_stats\":{\"num_clients\":1,\"num_users\":1}},{\"history\":{\"publications\":[],"
      "\"epoch\":\"aaaaaaaa\",\"offset\":2}},{\"channels\":{\"channels\":{\"c\":{\"num_clients\":1}}}}]}" },
    { "presence", "{\"channel\":\"c\"}",
      "{\"result\":{\"presence\":{\"" CLIENT "\":{\"user\":\"\",\"client\":\"" CLIENT "\"}}}}" },
    { "subscribe", "{\"user\":\"\",\"channel\":\"d\"}", "{\"result\":{}}" },
    { "unsubscribe", "{\"user\":\"\",\"channel\":\"c\"}", "{\"result\":{}}" },
    { "disconnect", "{\"user\":\"\"}", "{\"result\":{}}" },
};

static void api_says(const struct request *r, struct client *c)
{
    char target[40];
    snprintf(target, sizeof(target), "/api/%s", r->method);
    say_body(c, target, r->body);
}

static unsigned long api_play(const struct request *r, unsigned long after, bool for_ever)
{
    begin();
    struct client *other = ways_open_channel("c", NULL), *c = client_raw();
    wire_settle();
    mem_fail(after, for_ever);
    api_says(r, c);
    unsigned long asked = mem_fail_end();
    spin(c);
    bool good = has(c, r->answer, strlen(r->answer));
    if (!good && !told(c))
        fail_msg("\"%s\", allocation %lu: %.*s", r->method, after, (int)c->len, (char *)c->in);
    client_free(c);
    c = client_raw();
    client_free(other);
    other = ways_open_channel("c", NULL);
    wire_settle();
    api_says(r, c);
    assert_true(has(c, "{\"re", 4));
    assert_false(has(c, "error", 5));
    client_free(c);
    client_free(other);
    nobody_is_left();
    ways_stop();
    doors_shut();
    return asked;
}

TEST(way_failing, mem_1_the_api_says_what_it_could_not_do)
{
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
            unsigned long n = 0;
            while (api_play(&requests[i], n, for_ever) > n)
                n++;
            assert_true(n > 2);
        }
}
