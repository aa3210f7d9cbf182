/* SPDX-License-Identifier: MIT */
/* Tokens by the Centrifugal protocol: who comes in with one, what it opens, and what happens when it ends. */
#include "doors.h"
#include "held_engine.h"
#include "talk.h"

#define AS(who, exp)    "{\"sub\":\"" who "\",\"exp\":" #exp "}"
#define OF(channel)     "{\"sub\":\"ann\",\"exp\":100,\"channel\":\"" channel "\"}"
#define HELLO           "{\"id\":1,\"connect\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\""
#define TTL(n)          ",\"expires\":true,\"ttl\":" #n
#define REST            ",\"ping\":25,\"pong\":true,\"node\":\"0000000000000000\"}}"
#define ERROR(id, text) "{\"id\":" #id ",\"error\":{\"code\":" text "}}"
#define INVALID         "close 3500 'invalid token'\n"
#define STREAMS         "{\"recoverable\":true,\"positioned\":true,\"epoch\":\"aaaaaaaa\""

static struct hub_options options(void)
{
    struct hub_options o = ways_open();
    o.presence = true;
    o.allow_subscribe_for_anonymous = o.allow_publish_for_anonymous = false;
    o.allow_presence_for_client = true;
    return o;
}

/* A token needs no exp where `eternal` is. */
static void begin_where(bool eternal)
{
    struct hub_options all[2] = { options(), options() };
    strcpy(all[1].name, "shut");
    all[1].allow_subscribe_for_client = all[1].allow_publish_for_client = all[1].allow_presence_for_client = false;
    ways_serve(all, 2, NULL);
    doors_open(eternal);
    ways.site.expired_ms = 0;
}

static void begin(void)
{
    begin_where(false);
}

static void end(void)
{
    ways_stop();
    doors_shut();
}

/* `text` with a token in place of its %s. */
static const char *with(const char *text, const char *payload)
{
    static char command[4000];
    int n = (int)(strstr(text, "%s") - text);
    snprintf(command, sizeof(command), "%.*s%s%s", n, text, token(payload), text + n + 2);
    return command;
}

static void ask_with(struct client *c, const char *command, const char *payload, const char *answer)
{
    ask(c, with(command, payload), answer);
}

#define CONNECT_WITH "{\"id\":1,\"connect\":{\"token\":\"%s\"}}"
#define REFRESH      "{\"id\":2,\"refresh\":{\"token\":\"%s\"}}"
#define SUBSCRIBE(c) "{\"id\":2,\"subscribe\":{\"channel\":\"" c "\",\"token\":\"%s\"}}"
#define RENEW(c)     "{\"id\":3,\"sub_refresh\":{\"channel\":\"" c "\",\"token\":\"%s\"}}"

/* The connection of a client that came in with this. */
static struct client *enter(const char *payload)
{
    struct client *c = open_at("websocket");
    say(c, with(CONNECT_WITH, payload));
    client_trace(c, 1);
    assert_non_null(strstr(c->trace, "\"connect\":{\"client\""));
    return c;
}

/* What a command with a token ends the connection with. */
static void ends(const char *first, const char *command, const char *payload, const char *close)
{
    struct client *c = first ? enter(first) : open_at("websocket");
    say(c, with(command, payload));
    EXPECT_FRAMES(c, 1, close);
    client_free(c);
}

TEST(token, says_who_it_is_and_until_when)
{
    begin();
    struct client *c = open_at("websocket");
    ask_with(c, CONNECT_WITH, "{\"sub\":\"ann\",\"exp\":100,\"info\":{\"n\":1}}", HELLO TTL(99) REST);
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", "{\"id\":2,\"subscribe\":{}}");
    say(c, "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":1}}");
    EXPECT_FRAMES(c, 2,
                  "text '{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":1,\"offset\":1,\"info\":{\"user\":\"ann\","
                  "\"client\":\"" CLIENT "\",\"conn_info\":{\"n\":1}},\"time\":1000}}}'\n"
                  "text '{\"id\":3,\"publish\":{}}'\n");
    client_free(c);
    end();
}

TEST(token, may_have_no_name_and_no_end)
{
    begin_where(true);
    struct client *c = open_at("websocket");
    ask_with(c, CONNECT_WITH, "{}", HELLO REST);
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", ERROR(2, "103,\"message\":\"permission denied\""));
    client_free(c);
    c = enter("{\"sub\":\"ann\"}");
    ask_with(c, REFRESH, AS("ann", 3),
             "{\"id\":2,\"refresh\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\"" TTL(2) "}}");
    ask_with(c, REFRESH, "{\"sub\":\"ann\"}",
             "{\"id\":2,\"refresh\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\"}}");
    ask_with(c, SUBSCRIBE("$c"), "{\"sub\":\"ann\",\"channel\":\"$c\"}", "{\"id\":2,\"subscribe\":{}}");
    ask_with(c, RENEW("$c"), "{\"sub\":\"ann\",\"channel\":\"$c\"}", "{\"id\":3,\"sub_refresh\":{}}");
    client_free(c);
    end();
}

/* HUB-10 */
TEST(token, that_is_not_good_brings_nobody_in)
{
    begin();
    ends(NULL, CONNECT_WITH, "x", INVALID);
    ends(NULL, CONNECT_WITH, OF("c"), INVALID); /* a subscription's */
    ends(NULL, CONNECT_WITH, "{\"sub\":\"ann\"}", INVALID);
    ends(NULL, "{\"id\":1,\"connect\":{\"token\":\"a.b%s\"}}", AS("ann", 100), INVALID);
    /* One that is over is asked for again, and whoever goes on without is out of turn. */
    struct client *c = open_at("websocket");
    ask_with(c, CONNECT_WITH, AS("ann", 1), ERROR(1, "109,\"message\":\"token expired\""));
    say(c, "{\"id\":2,\"ping\":{}}");
    EXPECT_FRAMES(c, 1, "close 3501 'bad request'\n");
    client_free(c);
    ways.site.doors = NULL;
    ends(NULL, CONNECT_WITH, AS("ann", 100), INVALID);
    ways.site.doors = doors;
    ways.site.needs_token = true;
    ends(NULL, "{\"id\":1,\"connect\":{}}%s", "", "close 3501 'bad request'\n");
    end();
}

/* Who only listens is told by the code alone. */
TEST(token, of_one_that_only_listens_ends_it_with_a_code)
{
    begin();
    for (int late = 0; late < 2; late++) {
        struct client *c = open_at("uni_websocket");
        say(c, with("{\"token\":\"%s\"}", late ? AS("ann", 1) : "x"));
        EXPECT_FRAMES(c, 1, late ? "close 3005 'connection expired'\n" : INVALID);
        client_free(c);
    }
    struct client *c = open_at("uni_websocket");
    say(c, with("{\"token\":\"%s\",\"subs\":{\"c\":{}}}", AS("ann", 100)));
    EXPECT_FRAMES(c, 1,
                  "text '{\"connect\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION
                  "\"" TTL(99) ",\"subs\":{\"c\":" STREAMS "}},\"ping\":25,\"node\":\"0000000000000000\"}}'\n");
    client_free(c);
    end();
}

TEST(token, of_a_user_is_good_for_so_many_connections)
{
    ways.connections_per_user = 2;
    begin();
    struct client *a = enter(AS("ann", 100)), *b = enter(AS("ann", 100)), *other = enter(AS("bob", 100));
    ends(NULL, CONNECT_WITH, AS("ann", 100), "close 3504 'connection limit'\n");
    client_free(a);
    wire_settle();
    a = enter(AS("ann", 100));
    client_free(a);
    client_free(b);
    client_free(other);
    end();
}

/* Channels that it is in from the start. */

static void connects(const char *payload, const char *subs, const char *answer)
{
    char command[4000];
    struct client *c = open_at("websocket");
    snprintf(command, sizeof(command), "{\"id\":1,\"connect\":{\"token\":\"%%s\"%s%s}}", subs[0] ? ",\"subs\":" : "",
             subs);
    say(c, with(command, payload));
    EXPECT_FRAMES(c, 1, answer);
    client_free(c);
}

#define CHANNELS(list)  "{\"sub\":\"ann\",\"exp\":100,\"channels\":[" list "]}"
#define JOINED(subs)    "text '" HELLO TTL(99) ",\"subs\":{" subs "}" REST "'\n"
#define TELLS(position) STREAMS position "}"

TEST(token, puts_its_client_into_channels_from_the_start)
{
    begin();
    ways_publish("a", "1");
    ways_publish("a", "2");
#define PUB(n) "{\"data\":\"" #n "\",\"offset\":" #n ",\"time\":1000}"
    connects(CHANNELS("\"a\",\"shut:b\""), "", JOINED("\"a\":" TELLS(",\"offset\":2") ",\"shut:b\":" TELLS("")));
    connects(CHANNELS("\"a\",\"a\""), "", JOINED("\"a\":" TELLS(",\"offset\":2")));
    /* Where it stands there it says itself, of those alone that it is in. */
    connects(CHANNELS("\"a\""),
             "{\"b\":{\"recover\":true},\"c\":1,\"\\u0061\":{\"recover\":true,\"offset\":1,\"epoch\":\"aaaaaaaa\"}}",
             JOINED("\"a\":" TELLS(
                 ",\"offset\":1,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(2) "]")));
    connects(CHANNELS("\"a\""), "{\"a\":{\"recover\":true,\"offset\":1}}",
             JOINED("\"a\":" TELLS(
                 ",\"offset\":1,\"recovered\":true,\"was_recovering\":true,\"publications\":[" PUB(2) "]")));
    connects(CHANNELS("\"a\""), "{\"a\":{\"recover\":true,\"offset\":2,\"epoch\":\"too long to be one\"}}",
             JOINED("\"a\":" TELLS(",\"offset\":2,\"was_recovering\":true")));
    connects(CHANNELS("\"a\""), "{\"a\":{\"recover\":1}}", "close 3501 'bad request'\n");
    connects("{\"sub\":\"ann\",\"exp\":100,\"subs\":{\"a\":{\"info\":{\"here\":1}}}}", "",
             JOINED("\"a\":" TELLS(",\"offset\":2")));
    connects(CHANNELS("\"none:a\""), "", "close 3501 'bad request'\n");
    char many[900] = "\"0\"", payload[1000];
    for (int i = 1; i < 129; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), ",\"%d\"", i);
    snprintf(payload, sizeof(payload), CHANNELS("%s"), many);
    connects(payload, "", "close 3505 'channel limit'\n");
    end();
}

TEST(token, shows_what_its_channel_knows_of_the_client)
{
    begin();
    struct client *c = enter("{\"sub\":\"ann\",\"exp\":100,\"subs\":{\"a\":{\"info\":{\"here\":1}}}}");
    ask(c, "{\"id\":2,\"presence\":{\"channel\":\"a\"}}",
        "{\"id\":2,\"presence\":{\"presence\":{\"" CLIENT "\":{\"user\":\"ann\",\"client\":\"" CLIENT
        "\",\"chan_info\":{\"here\":1}}}}}");
    client_free(c);
    end();
}

/* Who is there unseen, and comes and goes unheard: by the connection's token and by the channel's own. */
TEST(token, hides_who_may_not_be_seen)
{
#define NOT_SEEN "\"override\":{\"presence\":{\"value\":false},\"join_leave\":{\"value\":false}}"
    static const char stats[] = "{\"id\":2,\"presence_stats\":{\"channel\":\"a\"}}";
    struct hub_options o = options();
    o.join_leave = o.force_push_join_leave = true;
    ways_serve(&o, 1, NULL);
    doors_open(false);
    struct client *bob = enter(AS("bob", 100));
    ask(bob, "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}", "{\"id\":2,\"subscribe\":{}}");
    client_trace(bob, 1); /* its own coming */
    struct client *ann = enter("{\"sub\":\"ann\",\"exp\":100,\"subs\":{\"a\":{" NOT_SEEN "}}}");
    struct client *eve = enter(AS("eve", 100));
    say(eve, with(SUBSCRIBE("a"), "{\"sub\":\"eve\",\"exp\":100,\"channel\":\"a\"," NOT_SEEN "}"));
    assert_non_null(strstr(client_trace(eve, 1), "\"subscribe\":{"));
    ask(bob, stats, "{\"id\":2,\"presence_stats\":{\"num_clients\":1,\"num_users\":1}}");
    client_free(ann);
    client_free(eve);
    ask(bob, stats, "{\"id\":2,\"presence_stats\":{\"num_clients\":1,\"num_users\":1}}");
    client_free(bob);
    end();
#undef NOT_SEEN
}

/* HUB-11 */
TEST(token, is_renewed_by_one_of_the_same_user)
{
    begin();
    struct client *c = enter(AS("ann", 2));
    ask_with(c, REFRESH, AS("ann", 3),
             "{\"id\":2,\"refresh\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\"" TTL(2) "}}");
    ask_with(c, REFRESH, AS("ann", 1), ERROR(2, "109,\"message\":\"token expired\""));
    ways.now_ms = 2500; /* the first one is over */
    ask(c, "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":1}}", "{\"id\":3,\"publish\":{}}");
    client_free(c);
    ways.now_ms = 1000;
    ends(AS("ann", 100), REFRESH, AS("bob", 100), INVALID);
    ends(AS("ann", 100), REFRESH, AS("anne", 100), INVALID);
    ends(AS("ann", 100), REFRESH, "{\"exp\":100}", INVALID);
    ends(AS("ann", 100), REFRESH, "x", INVALID);
    ends(AS("ann", 100), "{\"id\":2,\"refresh\":{\"token\":\"\"}}%s", "", "close 3501 'bad request'\n");
    /* Nobody becomes somebody. */
    ends("{\"exp\":100}", REFRESH, AS("ann", 100), INVALID);
    c = connected();
    ask_with(c, REFRESH, "{\"exp\":100}",
             "{\"id\":2,\"refresh\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\"" TTL(99) "}}");
    client_free(c);
    end();
}

/* HUB-11 */
TEST(token, ends_its_connection_when_no_other_comes)
{
    begin();
    ways.site.expired_ms = 1000;
    ways.now_ms = 1990;
    struct client *c = enter(AS("ann", 2));
    ways.now_ms = 2000; /* over, and yet there is time: but nothing is taken of it any more */
    ask(c, "{\"id\":3,\"publish\":{\"channel\":\"c\",\"data\":1}}", ERROR(3, "110,\"message\":\"expired\""));
    ask(c, "{\"id\":4,\"ping\":{}}", "{\"id\":4,\"ping\":{}}");
    ways.site.expired_ms = 0;
    ask_with(c, REFRESH, AS("ann", 100),
             "{\"id\":2,\"refresh\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION "\"" TTL(98) "}}");
    client_free(c);
    ways.now_ms = 1990;
    c = enter(AS("ann", 2));
    for (int i = 0; i < 30; i++)
        wire_turn(); /* the hub's clock stands, whatever the loop's says */
    ask(c, "{\"id\":4,\"ping\":{}}", "{\"id\":4,\"ping\":{}}");
    ways.now_ms = 2000;
    EXPECT_FRAMES(c, 1, "close 3005 'connection expired'\n");
    client_free(c);
    end();
}

/* HUB-12 */
TEST(token, opens_the_one_channel_it_names)
{
    begin();
    struct client *c = enter(AS("ann", 100));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"$c\"}}", ERROR(2, "103,\"message\":\"permission denied\""));
    ask_with(c, SUBSCRIBE("$c"), OF("$c"), "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":99}}");
    ask_with(c, SUBSCRIBE("$c"), OF("$c"), ERROR(2, "105,\"message\":\"already subscribed\""));
    ask_with(c, SUBSCRIBE("shut:c"), "{\"sub\":\"ann\",\"exp\":1,\"channel\":\"shut:c\"}",
             ERROR(2, "109,\"message\":\"token expired\""));
    ask_with(c, SUBSCRIBE("shut:c"), "x", ERROR(2, "103,\"message\":\"permission denied\""));
    ask_with(c, SUBSCRIBE("none:c"), OF("none:c"), ERROR(2, "102,\"message\":\"unknown channel\""));
    client_free(c);
    ends(AS("ann", 100), SUBSCRIBE("shut:c"), OF("shut:d"), INVALID);
    ends(AS("bob", 100), SUBSCRIBE("shut:c"), OF("shut:c"), INVALID);
    end();
}

/* HUB-12 */
TEST(token, of_a_channel_ends_its_subscription_when_no_other_comes)
{
#define UNTIL(exp) "{\"sub\":\"ann\",\"exp\":" #exp ",\"channel\":\"$c\"}"
    begin();
    struct client *c = enter(AS("ann", 100));
    ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"before\"}}", "{\"id\":2,\"subscribe\":{}}");
    ask_with(c, SUBSCRIBE("$c"), UNTIL(2), "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1}}");
    ask_with(c, RENEW("$c"), UNTIL(3), "{\"id\":3,\"sub_refresh\":{\"expires\":true,\"ttl\":2}}");
    ways.now_ms = 2990;
    ask_with(c, RENEW("$c"), UNTIL(2), ERROR(3, "109,\"message\":\"token expired\""));
    ask_with(c, RENEW("d"), OF("d"), ERROR(3, "103,\"message\":\"permission denied\""));
    ask_with(c, RENEW("$c"), "x", ERROR(3, "103,\"message\":\"permission denied\""));
    ask(c, "{\"id\":3,\"sub_refresh\":{\"channel\":\"$c\"}}", ERROR(3, "103,\"message\":\"permission denied\""));
    ways.now_ms = 3000;
    ask_with(c, RENEW("$c"), UNTIL(4), "{\"id\":3,\"sub_refresh\":{\"expires\":true,\"ttl\":1}}");
    wire_settle();
    ways_publish("$c", "heard");
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"$c\",\"pub\":{\"data\":\"heard\",\"offset\":1,\"time\":3000}}}'\n");
    ways.now_ms = 4000;
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"$c\",\"unsubscribe\":{\"code\":2501,"
                  "\"reason\":\"subscription expired\"}}}'\n");
    ways_publish("$c", "unheard");
    ways_publish("before", "heard");
    EXPECT_FRAMES(
        c, 1, "text '{\"push\":{\"channel\":\"before\",\"pub\":{\"data\":\"heard\",\"offset\":1,\"time\":4000}}}'\n");
    client_free(c);
    ways.now_ms = 1000;
    c = enter(AS("ann", 100));
    ask_with(c, SUBSCRIBE("$c"), UNTIL(2), "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1}}");
    say(c, with(RENEW("$c"), OF("$d")));
    EXPECT_FRAMES(c, 1, INVALID);
    client_free(c);
    end();
}

/* What a subscriber may that others may not; and what a token allows that the namespace does not (HUB-13). */
TEST(token, allows_what_the_namespace_does_or_it_does_itself)
{
#define CAN(words) "{\"sub\":\"ann\",\"exp\":100,\"caps\":[{\"channels\":[\"c\"],\"allow\":[" words "]}]}"
    static const struct {
        const char *command, *answer;
    } acts[] = {
        { "{\"id\":2,\"publish\":{\"channel\":\"c\",\"data\":1}}", "{\"id\":2,\"publish\":{}}" },
        { "{\"id\":2,\"history\":{\"channel\":\"c\"}}",
          "{\"id\":2,\"history\":{\"epoch\":\"aaaaaaaa\",\"offset\":1}}" },
        { "{\"id\":2,\"presence_stats\":{\"channel\":\"c\"}}",
          "{\"id\":2,\"presence_stats\":{\"num_clients\":1,\"num_users\":1}}" },
    };
    static const char *const payloads[] = { CAN("\"pub\""), CAN("\"hst\""), CAN("\"prs\"") };
    static const char denied[] = ERROR(2, "103,\"message\":\"permission denied\"");
    for (int for_subscribers = 0; for_subscribers < 2; for_subscribers++) {
        struct hub_options o = options();
        o.allow_publish_for_client = o.allow_presence_for_client = false;
        o.allow_publish_for_subscriber = o.allow_history_for_subscriber = o.allow_presence_for_subscriber =
            for_subscribers;
        ways_serve(&o, 1, NULL);
        doors_open(false);
        struct client *c = enter(AS("ann", 100));
        for (int i = 0; i < 3; i++)
            ask(c, acts[i].command, denied);
        ask(c, "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}", "{\"id\":2,\"subscribe\":{}}");
        for (int i = 0; i < 3; i++) {
            say(c, acts[i].command);
            client_trace(c, for_subscribers && i == 0 ? 2 : 1);
            assert_non_null(strstr(c->trace, for_subscribers ? acts[i].answer : denied));
        }
        client_free(c);
        wire_settle();
        for (int has = 0; has < 3 && !for_subscribers; has++) {
            c = enter(payloads[has]);
            for (int i = 0; i < 3; i++)
                if (i != has)
                    ask(c, acts[i].command, denied);
            say(c, acts[has].command);
            client_trace(c, 1);
            assert_null(strstr(c->trace, "error"));
            client_free(c);
        }
        end();
    }
}

/* Its time is set when it is there, which may be long after it was asked for. */
TEST(token, of_a_channel_that_has_to_be_loaded_ends_its_subscription_likewise)
{
    struct hub_options o = options();
    struct held *store = held_new();
    ways_serve(&o, 1, &store->engine);
    doors_open(false);
    ways.site.expired_ms = 0;
    struct client *c = enter(AS("ann", 100));
    say(c, with(SUBSCRIBE("$c"), UNTIL(2)));
    wire_settle();
    client_read(c);
    assert_int_equal(c->len, 0);
    ways.now_ms = 1990;
    assert_true(held_release(store, 0));
    EXPECT_FRAMES(c, 1, "text '{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":1}}'\n");
    ways.now_ms = 2000;
    EXPECT_FRAMES(c, 1,
                  "text '{\"push\":{\"channel\":\"$c\",\"unsubscribe\":{\"code\":2501,"
                  "\"reason\":\"subscription expired\"}}}'\n");
    client_free(c);
    ways_stop();
    held_free(store);
    doors_shut();
}
