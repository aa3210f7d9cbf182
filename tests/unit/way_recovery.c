/* SPDX-License-Identifier: MIT */
/*
 * Every order in which a client that subscribes, leaves and comes back with its position, a publisher, and who drops
 * the history can take their steps (HUB-1), by the topics that nearly all subscriptions use: 2,520 of them, with the
 * loop turned after each step, after the client's only, or not before the end. The client keeps a position and checks
 * all it is given against it; the n-th publication says n, so that a hole, a double and a wrong one are seen (HUB-2 for
 * the history).
 */
#include "talk.h"

enum { CLIENT_STEPS = 5, PUBLICATIONS = 3, TRIMS = 2, STEPS = CLIENT_STEPS + PUBLICATIONS + TRIMS, KEPT = 2 };
enum actor { SUBSCRIBER, PUBLISHER, TRIMMER, ACTORS };
enum turning { TURN_ALWAYS, TURN_AFTER_SUBSCRIBER, TURN_AT_END, TURNINGS };

static struct client *client, *witness; /* who is in the channel all the time, so that its topic is there */
static char channel[16];
static unsigned orders, recovered, lost;

/* What the client knows; and of the channel, what is true. */
static unsigned position;
static bool known, in, answered, ponged;
static uint32_t id, wish; /* the last command's, and the last subscribe's */
static unsigned top, bottom;

static void take(const char *publication)
{
    unsigned data, offset;
    assert_int_equal(sscanf(publication, "\"data\":\"%u\",\"offset\":%u", &data, &offset), 2);
    assert_int_equal(offset, position + 1);
    assert_int_equal(data, offset);
    position = offset;
}

static void take_answer(const char *text)
{
    unsigned offset = 0;
    const char *said = strstr(text, "\"epoch\":\"aaaaaaaa\",\"offset\":"), *more = strstr(text, "\"publications\":[");
    bool whole = strstr(text, "\"recovered\":true") != NULL;
    assert_non_null(strstr(text, "\"epoch\":\"aaaaaaaa\""));
    assert_true(said == NULL || sscanf(said, "\"epoch\":\"aaaaaaaa\",\"offset\":%u", &offset) == 1);
    assert_int_equal(strstr(text, "\"was_recovering\":true") != NULL, known);
    assert_true(more == NULL || whole);
    recovered += whole;
    if (whole) {
        assert_int_equal(offset, position);
    } else if (known) {
        assert_true(position < bottom);
        lost++;
    }
    position = offset;
    known = in = answered = true;
    while (more != NULL && (more = strstr(more + 1, "\"data\":")) != NULL)
        take(more);
}

/* Who has left hears nothing of what was still under way. */
static void hear(const char *text)
{
    unsigned of = 0;
    assert_null(strstr(text, "\"error\""));
    if (strstr(text, "\"push\":") != NULL) {
        if (in && strstr(text, channel) != NULL)
            take(strstr(text, "\"data\":"));
    } else if (sscanf(text, "text '{\"id\":%u", &of) == 1 && strstr(text, "\"ping\"") != NULL) {
        ponged = true;
    } else if (of == wish && strstr(text, "\"subscribe\"") != NULL) {
        take_answer(text);
    }
}

static void hear_all(void)
{
    client_read(client);
    while (client->len > 0)
        hear(client_trace(client, 1));
}

static void turn(void)
{
    duet_loop_turn(wire.loop, 0);
    hear_all();
}

static void turn_until(const bool *done)
{
    for (int i = 0; i < WIRE_TURNS && !*done; i++) {
        wire_turn();
        hear_all();
    }
    assert_true(*done);
}

static void subscribe(bool turns)
{
    char text[200];
    int n = snprintf(text, sizeof(text), "{\"id\":%u,\"subscribe\":{\"channel\":\"%s\",\"recoverable\":true", ++id,
                     channel);
    if (known)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ",\"recover\":true,\"epoch\":\"aaaaaaaa\",\"offset\":%u",
                      position);
    snprintf(text + n, sizeof(text) - (size_t)n, "}}");
    say(client, text);
    wish = id;
    answered = false;
    if (!turns)
        return;
    /* What is told now is exact. */
    bool expect_lost = known && position < bottom;
    unsigned before = lost;
    turn_until(&answered);
    assert_int_equal(lost - before, expect_lost);
}

static void leave(void)
{
    char text[100];
    snprintf(text, sizeof(text), "{\"id\":%u,\"unsubscribe\":{\"channel\":\"%s\"}}", ++id, channel);
    say(client, text);
    wish = 0;
    in = false;
}

static void publish(void)
{
    char text[8];
    snprintf(text, sizeof(text), "%u", ++top);
    ways_publish(channel, text);
    if (top > KEPT && bottom < top - KEPT)
        bottom = top - KEPT;
}

static void trim(void)
{
    hub_remove_history(ways.site.hub, channel, strlen(channel));
    bottom = top;
}

/* One who is there gets every publication once. */
static void hear_witness(void)
{
    client_read(witness);
    for (unsigned n = 1; n <= top; n++) {
        char expected[120];
        snprintf(expected, sizeof(expected), "\"push\":{\"channel\":\"%s\",\"pub\":{\"data\":\"%u\",\"offset\":%u,",
                 channel, n, n);
        assert_non_null(strstr(client_trace(witness, 1), expected));
    }
}

static void bring_witness(bool in_it)
{
    char text[100], answer[100];
    snprintf(text, sizeof(text), "{\"id\":7,\"%ssubscribe\":{\"channel\":\"%s\"}}", in_it ? "" : "un", channel);
    snprintf(answer, sizeof(answer), "{\"id\":7,\"%ssubscribe\":{}}", in_it ? "" : "un");
    ask(witness, text, answer);
}

static void begin_order(void)
{
    snprintf(channel, sizeof(channel), "c%u", ++orders);
    bring_witness(true);
    ways.now_ms += 1000; /* so many commands are allowed in a second */
    known = in = ponged = false;
    position = top = bottom = id = wish = 0;
}

/* Whatever happened, in the end the client is where the stream is, and goes on from there. */
static void end_order(void)
{
    char text[40];
    turn();
    if (wish == 0)
        subscribe(false);
    publish();
    snprintf(text, sizeof(text), "{\"id\":%u,\"ping\":{}}", ++id);
    say(client, text);
    turn_until(&ponged);
    for (int i = 0; i < 3; i++)
        turn();
    assert_true(in);
    assert_int_equal(position, top);
    leave();
    hear_witness();
    bring_witness(false);
}

static void run_order(const uint8_t order[STEPS], enum turning turning)
{
    unsigned came = 0;
    begin_order();
    for (int i = 0; i < STEPS; i++) {
        bool turns = turning == TURN_ALWAYS || (turning == TURN_AFTER_SUBSCRIBER && order[i] == SUBSCRIBER);
        if (order[i] == PUBLISHER)
            publish();
        else if (order[i] == TRIMMER)
            trim();
        else if (came++ % 2 == 0)
            subscribe(turns);
        else
            leave();
        if (turns)
            turn();
    }
    end_order();
}

static unsigned every_order(uint8_t order[STEPS], int at, unsigned left[ACTORS])
{
    unsigned n = 0;
    if (at == STEPS) {
        for (int t = 0; t < TURNINGS; t++)
            run_order(order, (enum turning)t);
        return 1;
    }
    for (unsigned a = 0; a < ACTORS; a++) {
        if (left[a] == 0)
            continue;
        left[a]--;
        order[at] = (uint8_t)a;
        n += every_order(order, at + 1, left);
        left[a]++;
    }
    return n;
}

static struct client *come(void)
{
    struct client *c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{}}");
    assert_non_null(strstr(client_trace(c, 1), "\"connect\":{"));
    return c;
}

TEST(recovery, by_topics_is_exact_or_says_it_is_not_in_every_order_of_subscribing_publishing_and_trimming)
{
    struct hub_options o = ways_open();
    uint8_t order[STEPS];
    unsigned left[ACTORS] = { CLIENT_STEPS, PUBLICATIONS, TRIMS };
    o.history_size = KEPT;
    o.history_ttl_ms = UINT32_MAX;
    ways.by_socket = true;
    ways_serve(&o, 1, NULL);
    ways.site.ping_ms = 3600000; /* a slow machine takes longer than the first one would */
    client = come();
    witness = come();
    assert_int_equal(every_order(order, 0, left), 2520);
    assert_true(recovered > 0 && lost > 0);
    client_free(client);
    client_free(witness);
    ways_stop();
}
