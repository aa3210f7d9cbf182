/* SPDX-License-Identifier: MIT */
#include "held_engine.h"
#include "ways.h"
#include <errno.h>

/* One request on a connection of its own; the answer's body. */
static char *ask_with(const char *fields, const char *method, const char *body, unsigned status)
{
    static char text[4096];
    char head[700];
    struct client *c = client_new();
    snprintf(head, sizeof(head), "POST /api/%s HTTP/1.1\r\n%sContent-Length: %zu\r\n\r\n", method, fields,
             strlen(body));
    client_say(c, head);
    client_say(c, body);
    assert_int_equal(client_answer(c, NULL, text), status);
    client_free(c);
    return text;
}

static char *ask(const char *method, const char *body)
{
    return ask_with("Host: localhost\r\n", method, body, 200);
}

#define EXPECT_ANSWER(method, body, expected) assert_string_equal(ask(method, body), expected)
#define REFUSED                               \
    "{\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}"
#define BAD                                   "{\"error\":{\"code\":107,\"message\":\"bad request\"}}"

static void begin(void)
{
    struct hub_options all[3] = { ways_open(), ways_open(), ways_open() };
    all[0].presence = true;
    strcpy(all[1].name, "json");
    all[1].kinds = 1u << HUB_JSON;
    all[1].message_max = 5;
    strcpy(all[2].name, "bare");
    all[2].history_size = 0;
    ways_serve(all, 3, NULL);
}

TEST(api, publishes_what_subscribers_get)
{
    begin();
    struct client *c = ways_open_channel("c", NULL);
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":{\"x\":\n[1, 2]}}",
                  "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"b64data\":\"YWJj\"}",
                  "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":\"text\",\"skip_history\":true}", "{\"result\":{}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"text\":\"a\\nb\",\"skip_history\":true}", "{\"result\":{}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"bare:c\",\"data\":1}", "{\"result\":{}}");
    EXPECT_FRAMES(c, 4, "text '{\"x\":[1, 2]}'\nbinary 'abc'\ntext '\"text\"'\ntext 'a\nb'\n");
    client_free(c);
    EXPECT_ANSWER("publish", "{\"channel\":\"t\",\"data\":1,\"tags\":{\"a\":\"b\",\"c\":\n\"d\"}}",
                  "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    EXPECT_ANSWER("history", "{\"channel\":\"t\",\"limit\":1}",
                  "{\"result\":{\"publications\":[{\"data\":1,\"offset\":1,\"tags\":{\"a\":\"b\",\"c\":\"d\"},"
                  "\"time\":1000}],\"epoch\":\"aaaaaaaa\",\"offset\":1}}");
    ways_stop();
}

/* Section 13: clients that speak JSON have it as it is, whatever it was put into. */
TEST(api, takes_json_out_of_base64_where_json_may_be)
{
    struct hub_options all[2] = { ways_open(), ways_open() };
    strcpy(all[1].name, "bytes");
    all[1].kinds = 1u << HUB_BINARY;
    ways_serve(all, 2, NULL);
    struct client *c = ways_open_channel("c", NULL), *b = ways_open_channel("bytes:c", NULL);
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"b64data\":\"eyJ4IjoKMX0=\",\"skip_history\":true}",
                  "{\"result\":{}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"b64data\":\"eA==\",\"skip_history\":true}", "{\"result\":{}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"b64data\":\"\",\"skip_history\":true}", "{\"result\":{}}");
    EXPECT_FRAMES(c, 3, "text '{\"x\":1}'\nbinary 'x'\nbinary ''\n");
    EXPECT_ANSWER("broadcast", "{\"channels\":[\"bytes:c\",\"c\"],\"b64data\":\"eyJ4IjoKMX0=\",\"skip_history\":true}",
                  "{\"result\":{\"responses\":[{\"result\":{}},{\"result\":{}}]}}");
    EXPECT_FRAMES(b, 1, "binary '{\"x\":\n1}'\n");
    EXPECT_FRAMES(c, 1, "text '{\"x\":1}'\n");
    client_free(b);
    client_free(c);
    ways_stop();
}

/* HUB-3 */
TEST(api, publishes_once_for_each_key_and_version)
{
    static const char first[] = "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}";
    begin();
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":1,\"idempotency_key\":\"k\"}", first);
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":2,\"idempotency_key\":\"k\"}", first);
    ways.now_ms += 5 * 60 * 1000 - 1;
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":2,\"idempotency_key\":\"k\"}", first);
    ways.now_ms += 1;
    EXPECT_ANSWER("publish", "{\"channel\":\"c\",\"data\":3,\"idempotency_key\":\"k\"}",
                  "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"v\",\"data\":1,\"version\":10}", first);
    EXPECT_ANSWER("publish", "{\"channel\":\"v\",\"data\":2,\"version\":10}", first);
    EXPECT_ANSWER("publish", "{\"channel\":\"v\",\"data\":2,\"version\":9}", first);
    EXPECT_ANSWER("publish", "{\"channel\":\"v\",\"data\":2,\"version\":11}",
                  "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}");
    EXPECT_ANSWER("publish", "{\"channel\":\"v\",\"data\":2,\"version\":1,\"version_epoch\":\"other\"}",
                  "{\"result\":{\"offset\":3,\"epoch\":\"aaaaaaaa\"}}");
    ways_stop();
}

TEST(api, says_what_it_does_not_take)
{
    static const struct {
        const char *method, *body, *answer;
    } rows[] = {
        { "publish", "", BAD },
        { "publish", "[]", BAD },
        { "publish", "{\"channel\":\"c\"}", BAD },
        { "publish", "{\"data\":1}", BAD },
        { "publish", "{\"channel\":\"\",\"data\":1}", BAD },
        { "publish", "{\"channel\":5,\"data\":1}", BAD },
        { "publish", "{\"channel\":\"a\\u0000b\",\"data\":1}", BAD },
        { "publish", "{\"channel\":\"\\ud800\",\"data\":1}", BAD },
        { "publish", "{\"channel\":\"c\",\"b64data\":\"x\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"b64data\":\"YWJj\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"text\":\"x\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"text\":\"x\",\"b64data\":\"YWJj\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"text\":1}", BAD },
        { "publish", "{\"channel\":\"c\",\"text\":\"\\ud800\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"tags\":{\"a\":1}}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"tags\":[]}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":-1}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":1.5}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":1e300}", BAD },
        { "publish", "{\"channel\":\"x:c\",\"data\":1}", "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}" },
        { "publish", "{\"channel\":\"json:c\",\"b64data\":\"YWJj\"}", BAD },
        { "publish", "{\"channel\":\"json:c\",\"data\":12345}", "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}" },
        { "publish", "{\"channel\":\"json:c\",\"data\":123456}",
          "{\"error\":{\"code\":106,\"message\":\"limit exceeded\"}}" },
        { "broadcast", "{\"channels\":[],\"data\":1}", BAD },
        { "broadcast", "{\"channels\":\"c\",\"data\":1}", BAD },
        { "history", "{\"channel\":\"bare:c\"}", "{\"error\":{\"code\":108,\"message\":\"not available\"}}" },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":9007199254740994}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":-9007199254740994}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version\":\"1\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"idempotency_key\":5}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":1,\"version_epoch\":5}", BAD },
        { "disconnect", "{\"user\":\"a\",\"session\":1}", BAD },
        { "unsubscribe", "{\"user\":\"a\",\"channel\":\"c\",\"session\":1}", BAD },
        { "publish", "{\"channel\":\"c\",\"b64data\":5}", BAD },
        { "publish", "{\"channel\":\"c\",\"b64data\":\"\\ud800\"}", BAD },
        { "publish", "{\"channel\":\"c\",\"data\":null,\"tags\":null,\"skip_history\":1}", BAD },
        { "broadcast", "{\"data\":1}", BAD },
        { "broadcast", "{\"channels\":[\"c\"]}", BAD },
        { "history", "{}", BAD },
        { "history", "{\"channel\":\"c\",\"since\":{\"offset\":1.5}}", BAD },
        { "history", "{\"channel\":\"c\",\"since\":{\"offset\":1,\"epoch\":1}}", BAD },
        { "history", "{\"channel\":\"c\",\"since\":{\"offset\":1,\"epoch\":\"123456789\"}}", BAD },
        { "history_remove", "{}", BAD },
        { "history_remove", "{\"channel\":\"x:c\"}", "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}" },
        { "history_remove", "{\"channel\":\"bare:c\"}", "{\"error\":{\"code\":108,\"message\":\"not available\"}}" },
        { "presence", "{}", BAD },
        { "presence", "{\"channel\":\"x:c\"}", "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}" },
        { "presence_stats", "{}", BAD },
        { "channels", "{\"pattern\":5}", BAD },
        { "unsubscribe", "{\"user\":\"u\"}", BAD },
        { "unsubscribe", "{\"channel\":\"c\"}", BAD },
        { "unsubscribe", "{\"user\":5,\"channel\":\"c\"}", BAD },
        { "unsubscribe", "{\"user\":\"u\",\"client\":5,\"channel\":\"c\"}", BAD },
        { "disconnect", "{\"user\":\"u\",\"disconnect\":{\"code\":\"3000\"}}", BAD },
        { "disconnect", "{\"user\":\"u\",\"disconnect\":{}}", "{\"result\":{}}" },
        { "batch", "{\"commands\":[1,{\"channels\":{}}]}",
          "{\"replies\":[{\"error\":{\"code\":104,\"message\":\"method not "
          "found\"}},{\"channels\":{\"channels\":{}}}]}" },
        { "history", "{\"channel\":\"c\",\"limit\":\"1\"}", BAD },
        { "history", "{\"channel\":\"c\",\"since\":{\"offset\":-1}}", BAD },
        { "history", "{\"channel\":\"c\",\"since\":{\"offset\":0},\"reverse\":true,\"limit\":1}", BAD },
        { "presence", "{\"channel\":\"bare:c\"}", "{\"error\":{\"code\":108,\"message\":\"not available\"}}" },
        { "subscribe", "{\"user\":\"u\"}", BAD },
        { "subscribe", "{\"channel\":\"c\"}", BAD },
        { "subscribe", "{\"user\":\"u\",\"channel\":\"x:c\"}",
          "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}" },
        { "subscribe", "{\"user\":\"u\",\"channel\":\"c\"}", "{\"result\":{}}" },
        { "disconnect", "{}", BAD },
        { "disconnect", "{\"user\":\"u\",\"disconnect\":{\"code\":2999}}", BAD },
        { "disconnect", "{\"user\":\"u\",\"disconnect\":{\"code\":5000}}", BAD },
        { "disconnect", "{\"user\":\"u\",\"disconnect\":{\"code\":4999}}", "{\"result\":{}}" },
        { "batch", "{\"commands\":[]}", BAD },
        { "batch", "{\"commands\":[{},{\"x\":{}},{\"batch\":{}},{\"info\":1}]}",
          "{\"replies\":[{\"error\":{\"code\":104,\"message\":\"method not found\"}},"
          "{\"error\":{\"code\":104,\"message\":\"method not found\"}},"
          "{\"error\":{\"code\":104,\"message\":\"method not found\"}},"
          "{\"error\":{\"code\":107,\"message\":\"bad request\"}}]}" },
    };
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        EXPECT_ANSWER(rows[i].method, rows[i].body, rows[i].answer);
    ask_with("Host: localhost\r\n", "nothing", "{}", 404);
    ask_with("Host: localhost\r\n", "publish", "{", 400);
    ask_with("Host: localhost\r\n", "info",
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 400);
    ways_stop();
}

TEST(api, tells_history_both_ways)
{
#define P(n) "{\"data\":\"" #n "\",\"offset\":" #n ",\"time\":1000}"
    static const struct {
        const char *params, *publications;
    } rows[] = {
        { "", "" },
        { ",\"limit\":-1", P(3) "," P(4) "," P(5) "," P(6) "," P(7) },
        { ",\"limit\":2", P(3) "," P(4) },
        { ",\"limit\":2,\"reverse\":true", P(7) "," P(6) },
        { ",\"limit\":2,\"since\":{\"offset\":4}", P(5) "," P(6) },
        { ",\"limit\":2,\"since\":{\"offset\":0}", P(3) "," P(4) },
        { ",\"limit\":2,\"since\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}", P(3) "," P(4) },
        { ",\"limit\":2,\"since\":{\"offset\":6}", P(7) },
        { ",\"limit\":2,\"since\":{\"offset\":7}", "" },
        { ",\"limit\":2,\"since\":{\"offset\":99}", "" },
        { ",\"limit\":2,\"since\":{\"offset\":5},\"reverse\":true", P(4) "," P(3) },
        { ",\"limit\":9,\"since\":{\"offset\":4},\"reverse\":true", P(3) },
        { ",\"limit\":9,\"since\":{\"offset\":3},\"reverse\":true", "" },
        { ",\"limit\":1,\"since\":{\"offset\":99},\"reverse\":true", P(7) },
    };
    char body[300], answer[1000];
    begin();
    for (const char *text = "1\0002\0003\0004\0005\0006\0007\0"; *text; text += 2)
        ways_publish("c", text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(body, sizeof(body), "{\"channel\":\"c\"%s%s}", rows[i].params,
                 strstr(rows[i].params, "since") ? "}" : "");
        if (strstr(body, "}}}") || strstr(rows[i].params, "}"))
            body[strlen(body) - 1] = 0;
        snprintf(answer, sizeof(answer), "{\"result\":{\"publications\":[%s],\"epoch\":\"aaaaaaaa\",\"offset\":7}}",
                 rows[i].publications);
        EXPECT_ANSWER("history", body, answer);
    }
    EXPECT_ANSWER("history", "{\"channel\":\"c\",\"since\":{\"offset\":1,\"epoch\":\"other\"}}",
                  "{\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}");
    EXPECT_ANSWER("history_remove", "{\"channel\":\"c\"}", "{\"result\":{}}");
    EXPECT_ANSWER("history", "{\"channel\":\"c\",\"limit\":-1}",
                  "{\"result\":{\"publications\":[],\"epoch\":\"aaaaaaaa\",\"offset\":7}}");
    ways_stop();
#undef P
}

TEST(api, broadcasts_and_batches_in_order)
{
    begin();
    EXPECT_ANSWER("broadcast", "{\"channels\":[\"a\",\"x:b\",5,\"a\"],\"data\":1}",
                  "{\"result\":{\"responses\":[{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}},"
                  "{\"error\":{\"code\":102,\"message\":\"unknown channel\"}},"
                  "{\"error\":{\"code\":107,\"message\":\"bad request\"}},"
                  "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}]}}");
    EXPECT_ANSWER("batch",
                  "{\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":2}},"
                  "{\"broadcast\":{\"channels\":[\"a\"],\"data\":3}},{\"history\":{\"channel\":\"a\"}}]}",
                  "{\"replies\":[{\"publish\":{\"offset\":3,\"epoch\":\"aaaaaaaa\"}},"
                  "{\"broadcast\":{\"responses\":[{\"result\":{\"offset\":4,\"epoch\":\"aaaaaaaa\"}}]}},"
                  "{\"history\":{\"publications\":[],\"epoch\":\"aaaaaaaa\",\"offset\":4}}]}");
    ways_stop();
}

/* Answers that come later, and in the order of the store. */
TEST(api, waits_for_the_store)
{
    struct held *store = held_new();
    struct hub_options o = ways_open();
    struct client *c;
    ways_serve(&o, 1, &store->engine);
    c = client_new();
    static const char body[] = "{\"channels\":[\"a\",\"b\"],\"data\":1}";
    char head[200], text[4096];
    snprintf(head, sizeof(head), "POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
             sizeof(body) - 1);
    client_say(c, head);
    client_say(c, body);
    wire_settle();
    assert_true(held_release(store, 0)); /* both are loaded, */
    assert_true(held_release(store, 0));
    assert_true(held_release(store, -EIO)); /* one fails, one is kept */
    assert_true(held_release(store, 0));
    assert_int_equal(client_answer(c, NULL, text), 200);
    assert_string_equal(text, "{\"result\":{\"responses\":["
                              "{\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}},"
                              "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}]}}");
    client_free(c);
    /* Who asked is gone before the store is done. */
    c = client_new();
    client_say(c, head);
    client_say(c, body);
    wire_settle();
    client_free(c);
    wire_settle();
    ways_stop();
    held_free(store);
}

static struct client *asking(const char *method, const char *body)
{
    char head[200];
    struct client *c = client_new();
    snprintf(head, sizeof(head), "POST /api/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", method,
             strlen(body));
    client_say(c, head);
    client_say(c, body);
    wire_settle();
    return c;
}

/* Its answer has come. */
static void expect_asked(struct client *c, const char *expected)
{
    char text[4096];
    wire_settle();
    assert_int_equal(client_answer(c, NULL, text), 200);
    assert_string_equal(text, expected);
    client_free(c);
}

/* A version counts once it is published, not before. */
TEST(api, sto_1_publishes_a_version_that_could_not_be_kept_when_it_comes_again)
{
    static const char two[] = "{\"channel\":\"a\",\"data\":2,\"version\":2}",
                      one[] = "{\"channel\":\"a\",\"data\":1,\"version\":1}";
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *first = asking("publish", two);
    assert_true(held_release(store, 0)); /* it is loaded */
    /* What is not newer has the answer of what is on its way. */
    struct client *again = asking("publish", two), *older = asking("publish", one);
    assert_int_equal(store->last - store->first, 1);
    assert_true(held_release(store, -ENOSPC));
    expect_asked(first, REFUSED);
    expect_asked(again, REFUSED);
    expect_asked(older, REFUSED);
    first = asking("publish", two);
    assert_true(held_release(store, 0));
    again = asking("publish", one);
    assert_true(held_release(store, 0));
    assert_false(held_release(store, 0));
    expect_asked(first, "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    expect_asked(again, "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    expect_asked(asking("publish", one), "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    ways_stop();
    /* Over a restart, too. */
    ways_serve(&o, 1, &store->engine);
    first = asking("publish", one);
    assert_true(held_release(store, 0));
    assert_false(held_release(store, 0));
    expect_asked(first, "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}");
    first = asking("publish", "{\"channel\":\"a\",\"data\":3,\"version\":3}");
    assert_true(held_release(store, 0));
    expect_asked(first, "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}");
    /* One that is not kept is known all the same, also when the store is asked again. */
    expect_asked(asking("publish", "{\"channel\":\"a\",\"data\":4,\"version\":4,\"skip_history\":true}"),
                 "{\"result\":{}}");
    first = asking("publish", "{\"channel\":\"a\",\"data\":5}");
    assert_true(held_release(store, -ENOSPC));
    expect_asked(first, REFUSED);
    first = asking("publish", "{\"channel\":\"a\",\"data\":4,\"version\":4}");
    assert_true(held_release(store, 0));
    assert_false(held_release(store, 0));
    expect_asked(first, "{\"result\":{\"offset\":2,\"epoch\":\"aaaaaaaa\"}}");
    ways_stop();
    held_free(store);
}

/* Nobody is told the older of two versions behind the newer, though only the older one has to wait for the disk. */
TEST(api, tells_a_version_that_is_not_kept_behind_the_older_one_that_is_on_its_way)
{
    static const char two[] = "{\"channel\":\"a\",\"data\":2,\"version\":2,\"skip_history\":true}",
                      three[] = "{\"channel\":\"a\",\"data\":3,\"version\":3,\"skip_history\":true}",
                      none[] = "{\"channel\":\"a\",\"data\":0,\"skip_history\":true}",
                      five[] = "{\"channel\":\"a\",\"data\":5,\"version\":5,\"skip_history\":true}",
                      first[] = "{\"result\":{\"offset\":1,\"epoch\":\"aaaaaaaa\"}}", done[] = "{\"result\":{}}";
    struct held *store = held_new();
    struct hub_options o = ways_open();
    ways_serve(&o, 1, &store->engine);
    struct client *c = ways_open_channel("a", NULL), *asked[5];
    wire_settle();
    assert_true(held_release(store, 0)); /* it is loaded */
    asked[0] = asking("publish", "{\"channel\":\"a\",\"data\":1,\"version\":1}");
    asked[1] = asking("publish", two);
    asked[2] = asking("publish", three);
    asked[3] = asking("publish", two); /* waits as well, and is then not newer */
    asked[4] = asking("publish", none); /* waits for nothing */
    EXPECT_FRAMES(c, 1, "text '0'\n");
    client_read(c);
    assert_int_equal(c->len, 0);
    assert_true(held_release(store, 0));
    EXPECT_FRAMES(c, 3, "text '1'\ntext '2'\ntext '3'\n");
    expect_asked(asked[0], first);
    expect_asked(asked[1], done);
    expect_asked(asked[2], done);
    expect_asked(asked[3], first);
    expect_asked(asked[4], done);
    expect_asked(asking("publish", three), first);
    /* What it waited for was not kept, so it may come again. */
    asked[0] = asking("publish", "{\"channel\":\"a\",\"data\":4,\"version\":4}");
    asked[1] = asking("publish", five);
    assert_true(held_release(store, -ENOSPC));
    expect_asked(asked[0], REFUSED);
    expect_asked(asked[1], REFUSED);
    asked[1] = asking("publish", five);
    assert_true(held_release(store, 0)); /* it is loaded again */
    expect_asked(asked[1], done);
    EXPECT_FRAMES(c, 1, "text '5'\n");
    client_free(c);
    ways_stop();
    held_free(store);
}

TEST(api, tells_who_is_there_and_sends_them_away)
{
    begin();
    struct client *c = ways_open_channel("c", NULL);
    EXPECT_ANSWER("presence", "{\"channel\":\"c\"}",
                  "{\"result\":{\"presence\":{\"00000000-0000-4000-8000-000000000000\":"
                  "{\"user\":\"\",\"client\":\"00000000-0000-4000-8000-000000000000\"}}}}");
    EXPECT_ANSWER("presence_stats", "{\"channel\":\"c\"}", "{\"result\":{\"num_clients\":1,\"num_users\":1}}");
    EXPECT_ANSWER("presence_stats", "{\"channel\":\"d\"}", "{\"result\":{\"num_clients\":0,\"num_users\":0}}");
    EXPECT_ANSWER("channels", "{}", "{\"result\":{\"channels\":{\"c\":{\"num_clients\":1}}}}");
    EXPECT_ANSWER("channels", "{\"pattern\":\"d*\"}", "{\"result\":{\"channels\":{}}}");
    EXPECT_ANSWER("disconnect", "{\"user\":\"\",\"client\":\"00000000-0000-4000-8000-000000000001\"}",
                  "{\"result\":{}}");
    EXPECT_ANSWER("disconnect", "{\"user\":\"other\"}", "{\"result\":{}}");
    EXPECT_ANSWER("unsubscribe", "{\"user\":\"\",\"channel\":\"d\"}", "{\"result\":{}}");
    EXPECT_ANSWER("presence_stats", "{\"channel\":\"c\"}", "{\"result\":{\"num_clients\":1,\"num_users\":1}}");
    EXPECT_ANSWER("disconnect", "{\"user\":\"\",\"client\":\"00000000-0000-4000-8000-000000000000\"}",
                  "{\"result\":{}}");
    EXPECT_FRAMES(c, 1, "close 3503 'force disconnect'\n");
    client_free(c);
    ways_stop();
}

#define NOBODY "00000000-0000-4000-8000-000000000001"
#define CLIENT "00000000-0000-4000-8000-000000000000"

TEST(api, disconnects_with_a_reason_and_spares_who_is_named)
{
    static const char *const bad[] = {
        "{\"user\":\"\",\"disconnect\":{\"code\":2999}}",
        "{\"user\":\"\",\"disconnect\":{\"code\":5000}}",
        "{\"user\":\"\",\"disconnect\":[]}",
        "{\"user\":\"\",\"disconnect\":{\"reason\":\"a\\u0000b\"}}",
        "{\"user\":\"\",\"whitelist\":[\"x\"]}",
        "{\"user\":\"\",\"whitelist\":[7]}",
        "{\"user\":\"\",\"whitelist\":{}}",
    };
    begin();
    struct client *c = ways_open_channel("c", NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        EXPECT_ANSWER("disconnect", bad[i], BAD);
    EXPECT_ANSWER("disconnect", "{\"user\":\"\",\"whitelist\":[\"" NOBODY "\",\"" CLIENT "\"]}", "{\"result\":{}}");
    EXPECT_ANSWER("presence_stats", "{\"channel\":\"c\"}", "{\"result\":{\"num_clients\":1,\"num_users\":1}}");
    EXPECT_ANSWER("disconnect",
                  "{\"user\":\"\",\"whitelist\":[\"" NOBODY "\"],\"disconnect\":{\"code\":4500,\"reason\":\"out\"}}",
                  "{\"result\":{}}");
    EXPECT_FRAMES(c, 1, "close 4500 'out'\n");
    client_free(c);
    ways_stop();
}

TEST(api, refreshes_and_expires)
{
    begin();
    struct client *c = ways_open_channel("c", NULL);
    EXPECT_ANSWER("refresh", "{\"user\":\"\",\"expire_at\":-1}", BAD);
    EXPECT_ANSWER("refresh", "{\"user\":\"\",\"expire_at\":\"1\"}", BAD);
    EXPECT_ANSWER("refresh", "{\"expire_at\":1}", BAD);
    EXPECT_ANSWER("refresh", "{\"user\":\"x\",\"expired\":true}", "{\"result\":{}}");
    EXPECT_ANSWER("refresh", "{\"user\":\"\",\"expire_at\":2}", "{\"result\":{}}"); /* of who has no time */
    EXPECT_ANSWER("presence_stats", "{\"channel\":\"c\"}", "{\"result\":{\"num_clients\":1,\"num_users\":1}}");
    EXPECT_ANSWER("refresh", "{\"user\":\"\",\"expired\":true}", "{\"result\":{}}");
    EXPECT_FRAMES(c, 1, "close 3005 'connection expired'\n");
    client_free(c);
    ways_stop();
}

/* A reason of 123 bytes fits into a Close, one of 124 does not; a hundred may be spared, 101 not. */
TEST(api, takes_as_much_of_a_disconnect_as_it_can_say)
{
    char body[8192], reason[130], list[5000] = "";
    begin();
    for (int more = 0; more < 2; more++) {
        memset(reason, 'r', sizeof(reason));
        reason[HUB_REASON_MOST + more] = '\0';
        snprintf(body, sizeof(body), "{\"user\":\"x\",\"disconnect\":{\"reason\":\"%s\"}}", reason);
        EXPECT_ANSWER("disconnect", body, more ? BAD : "{\"result\":{}}");
    }
    for (int i = 1; i <= 101; i++) {
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s\"" NOBODY "\"", i > 1 ? "," : "");
        snprintf(body, sizeof(body), "{\"user\":\"x\",\"whitelist\":[%s]}", list);
        if (i >= 99)
            EXPECT_ANSWER("disconnect", body, i <= 100 ? "{\"result\":{}}" : BAD);
    }
    ways_stop();
}

/* HUB-18, WEB-5 */
TEST(api, opens_its_door_to_the_key_or_to_this_machine)
{
    static _Atomic(char *) key = "secret";
    static const struct {
        const char *fields;
        unsigned without_key, with_key;
    } rows[] = {
        { "Host: localhost\r\n", 200, 401 },
        { "Host: localhost:8080\r\n", 200, 401 },
        { "Host: 127.0.0.1:1\r\n", 200, 401 },
        { "Host: [::1]:1\r\n", 200, 401 },
        { "Host: evil.example\r\n", 403, 401 },
        { "Host: localhost.evil.example\r\n", 403, 401 },
        { "Host: localhost\r\nOrigin: http://localhost\r\n", 200, 401 },
        { "Host: localhost\r\nOrigin: http://evil.example\r\n", 403, 403 },
        { "Host: localhost\r\nOrigin: null\r\n", 403, 403 },
        { "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n", 403, 401 },
        { "Host: localhost\r\nX-API-Key: secret\r\n", 200, 200 },
        { "Host: a.example\r\nX-API-Key: secret\r\n", 403, 200 },
        { "Host: localhost\r\nAuthorization: apikey secret\r\n", 200, 200 },
        { "Host: localhost\r\nX-API-Key: secreT\r\n", 200, 401 },
        { "Host: localhost\r\nX-API-Key: secre\r\n", 200, 401 },
        { "Host: localhost\r\nX-API-Key: secrets\r\n", 200, 401 },
        { "Host: localhost\r\nX-API-Key:\r\n", 200, 401 },
        { "Host: localhost\r\nAuthorization: Bearer secret\r\n", 200, 401 },
        { "Host: localhost\r\nX-API-Key: wrong\r\nAuthorization: apikey secret\r\n", 200, 401 },
        { "Host: localhost\r\nForwarded: for=127.0.0.1\r\n", 403, 401 },
        { "Host: localhost\r\nOrigin: http://LOCALHOST\r\n", 200, 401 },
        { "Host: localhost\r\nOrigin: file\r\n", 403, 403 },
    };
    begin();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ways.site.api_key = NULL;
        ask_with(rows[i].fields, "info", "{}", rows[i].without_key);
        ways.site.api_key = &key;
        ask_with(rows[i].fields, "info", "{}", rows[i].with_key);
    }
    ways.site.api_key = NULL;
    ways_stop();
}

/* A program of this machine by a socket that has a name: no Host need be this machine's. */
TEST(api, opens_its_door_to_a_socket_of_this_machine)
{
    struct hub_options o = ways_open();
    ways.by_socket = true;
    ways_serve(&o, 1, NULL);
    ask_with("Host: whatever\r\n", "info", "{}", 200);
    ask_with("Host: whatever\r\nOrigin: http://evil.example\r\n", "info", "{}", 403);
    ask_with("Host: whatever\r\nX-Forwarded-For: 192.0.2.1\r\n", "info", "{}", 403);
    ways_stop();
}

/* So many commands or channels at once. */
TEST(api, takes_so_many_at_once)
{
    static char body[API_COMMANDS_MOST * 12 + 200];
    begin();
    for (unsigned over = 0; over < 2; over++) {
        char *at = body + sprintf(body, "{\"commands\":[{\"info\":{}}");
        for (unsigned i = 1; i < API_COMMANDS_MOST + over; i++)
            at += sprintf(at, ",1");
        strcpy(at, "]}");
        struct client *c = client_new();
        char head[200];
        snprintf(head, sizeof(head), "POST /api/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
                 strlen(body));
        client_say(c, head);
        client_say(c, body);
        assert_true(client_wait_text(c, over ? BAD : "\"replies\":[{\"info\":{\"nodes\""));
        client_free(c);
    }
    ways_stop();
}

TEST(api, tells_all_who_are_there)
{
    static const struct hub_whom nobody = { .user = "", .client = "" };
    begin();
    struct client *a = ways_open_channel("c", NULL), *b = ways_open_channel("c", NULL),
                  *d = ways_open_channel("d", NULL);
    wire_settle();
    assert_non_null(strstr(ask("presence", "{\"channel\":\"c\"}"), "},\"00000000-"));
    const char *channels = ask("channels", "{}");
    assert_non_null(strstr(channels, "\"c\":{\"num_clients\":2}"));
    assert_non_null(strstr(channels, "},\"")); /* two of them */
    assert_non_null(strstr(channels, "\"d\":{\"num_clients\":1}"));
    /* Those of the API alone have no ear for being subscribed. */
    EXPECT_ANSWER("subscribe", "{\"user\":\"\",\"channel\":\"e\"}", "{\"result\":{}}");
    wire_settle();
    EXPECT_ANSWER("channels", "{\"pattern\":\"e\"}", "{\"result\":{\"channels\":{}}}");
    EXPECT_ANSWER("unsubscribe", "{\"user\":\"\",\"channel\":\"c\"}", "{\"result\":{}}");
    EXPECT_FRAMES(a, 1, "close 3503 'server unsubscribe'\n");
    EXPECT_FRAMES(b, 1, "close 3503 'server unsubscribe'\n");
    assert_int_equal(hub_unsubscribe(ways.site.hub, &nobody, "d", 1, HUB_UNSUBSCRIBE_INSUFFICIENT), 0);
    EXPECT_FRAMES(d, 1, "close 3010 'insufficient state'\n"); /* comes back, and hears what it missed */
    client_free(a);
    client_free(b);
    client_free(d);
    ways_stop();
}
