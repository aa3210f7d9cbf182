/* SPDX-License-Identifier: MIT */
/*
 * Every order in which a publisher, a subscriber that comes and goes, and a store can take their steps (HUB-1): 34,650
 * of them for each plan of the store, with the loop turned after each step, after the subscriber's only, or not before
 * the end. The subscriber keeps a position as a client does, and checks everything it is given against it.
 */
#include "held_engine.h"
#include "hub/session.h"
#include <errno.h>

enum { STEPS = 4, ACTORS = 3 };
enum turning { TURN_ALWAYS, TURN_AFTER_SUBSCRIBER, TURN_AT_END, TURNINGS };

static duet_loop *loop;
static duet_server *server;
static struct hub *hub;
static struct held *engine;
static struct session *session; /* NULL: away */
static uint64_t now_ms;
static bool may_fail;

/* What the client knows. */
static struct stream_position position;
static bool known; /* it has a position */
static unsigned got, lost, acknowledged, refused, published;
static char texts[64][8]; /* by offset: what was acknowledged as that */

static uint64_t clock_of_test(void *arg)
{
    (void)arg;
    return now_ms;
}

static struct session *find(duet_server *s, uint64_t id)
{
    (void)s;
    return session != NULL && session_id(session) == id ? session : NULL;
}

static void take(const struct publication *p)
{
    assert_int_equal(p->offset, position.offset + 1);
    position.offset = p->offset;
    got++;
    if (texts[p->offset][0] == '\0')
        memcpy(texts[p->offset], p->is.data, p->is.len);
    assert_string_equal(p->is.data, texts[p->offset]); /* no offset ever carries two payloads */
}

static void publication(struct session *s, const struct subscription *sub, struct publication *p)
{
    (void)s;
    (void)sub;
    take(p);
}

static void away(struct session *s, int code, const char *reason)
{
    (void)s;
    (void)code;
    (void)reason;
    fail_msg("disconnected");
}

static void unsubscribed(struct session *s, const char *channel, size_t len, bool server_side, int code)
{
    (void)channel;
    (void)len;
    (void)server_side;
    away(s, code, NULL);
}

static const struct session_calls calls = {
    .find = find, .publication = publication, .unsubscribed = unsubscribed, .disconnect = away
};

static void subscribed(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    (void)s;
    (void)tag;
    if (r->error == HUB_ERROR_INTERNAL && may_fail)
        return; /* the channel could not be loaded; a client tries again */
    assert_int_equal(r->error, HUB_OK);
    assert_int_equal(r->was_recovering, known);
    if (known && !r->recovered)
        lost++;
    if (!known || !r->recovered) {
        memcpy(position.epoch, r->epoch, sizeof(position.epoch));
        position.offset = r->offset;
        assert_int_equal(r->count, 0);
    } else {
        assert_string_equal(r->epoch, position.epoch);
        assert_int_equal(r->offset, position.offset);
    }
    known = true;
    for (uint32_t i = 0; i < r->count; i++)
        take(r->publications[i]);
}

static void come(void)
{
    static uint64_t ids = 0;
    static const struct session_who who = { .user = "", .info = "" };
    assert_int_equal(session_new(&session, hub, &calls, server, ++ids << 8, &who, NULL), 0);
    session_subscribe(
        session,
        &(struct session_subscribe){
            .channel = "c", .len = 1, .direct = true, .recover = known, .from = position, .done = subscribed });
}

static void go(void)
{
    session_free(session);
    session = NULL;
}

static void answered(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *r)
{
    (void)s;
    (void)id;
    if (r->error != HUB_OK) {
        refused++;
        return;
    }
    acknowledged++;
    char text[8];
    snprintf(text, sizeof(text), "%u", (unsigned)tag);
    assert_true(r->offset > 0 && r->offset < 64);
    if (texts[r->offset][0] == '\0')
        memcpy(texts[r->offset], text, sizeof(text));
    assert_string_equal(texts[r->offset], text);
}

static void publish(void)
{
    char text[8];
    int len = snprintf(text, sizeof(text), "%u", ++published);
    hub_publish(hub,
                &(struct hub_publish){
                    .channel = "c", .len = 1, .parts = { .kind = HUB_TEXT, .data = text, .len = (size_t)len } },
                &(struct hub_reply){ .server = server, .id = 0, .tag = published, .done = answered });
}

/* The store's plan: c one thing happens, f it fails, t what is kept is dropped. */
static void store(char what)
{
    if (what == 't')
        hub_remove_history(hub, "c", 1);
    else
        held_release(engine, what == 'f' ? -EIO : 0);
}

static void turn(void)
{
    duet_loop_turn(loop, 0);
}

static void begin(void)
{
    struct hub_options o;
    char why[HUB_WHY];
    hub_options_default(&o);
    o.history_size = 100;
    o.history_ttl_ms = 1000;
    o.allow_recovery = true;
    struct hub_config config = { .namespaces = &o, .count = 1, .clock = clock_of_test };
    hub_limits_default(&config.limits);
    engine = held_new();
    config.engine = &engine->engine;
    assert_int_equal(hub_new(&hub, &config, why), 0);
    hub_attach(hub, server);
    known = false;
    got = lost = acknowledged = refused = published = 0;
    position = (struct stream_position){ .offset = 0 };
    memset(texts, 0, sizeof(texts));
}

/* Whatever happened, in the end the subscriber is where the stream is. */
static void finish(bool may_lose)
{
    may_fail = false;
    if (session != NULL)
        go();
    turn();
    for (int i = 0; i < 20; i++) { /* all that waits, and what that brings */
        while (held_release(engine, 0))
            ;
        turn();
    }
    come();
    for (int i = 0; i < 3; i++) {
        while (held_release(engine, 0))
            ;
        turn();
    }
    publish();
    while (held_release(engine, 0))
        ;
    turn();
    assert_int_equal(acknowledged + refused, published);
    assert_int_equal(position.offset, held_channel(engine, "c", 1)->top);
    assert_int_equal(held_channel(engine, "c", 1)->top, acknowledged);
    assert_true(may_lose || lost == 0);
    go();
    hub_stop(hub);
    hub_free(hub);
    held_free(engine);
}

static void run_order(const unsigned order[STEPS * ACTORS], const char *plan, enum turning turning)
{
    unsigned done[ACTORS] = { 0 };
    may_fail = strchr(plan, 'f') != NULL;
    begin();
    for (int i = 0; i < STEPS * ACTORS; i++) {
        unsigned actor = order[i], step = done[actor]++;
        if (actor == 0)
            publish();
        else if (actor == 1 && step % 2 == 0)
            come();
        else if (actor == 1)
            go();
        else
            store(plan[step]);
        if (turning == TURN_ALWAYS || (turning == TURN_AFTER_SUBSCRIBER && actor == 1))
            turn();
    }
    finish(strchr(plan, 't') != NULL);
}

static unsigned every_order(unsigned order[STEPS * ACTORS], int at, unsigned left[ACTORS], const char *plan)
{
    unsigned n = 0;
    if (at == STEPS * ACTORS) {
        /* What the other turnings add has nothing to do with the store's plan. */
        for (int t = 0; t < (strcmp(plan, "cccc") == 0 ? TURNINGS : TURN_AFTER_SUBSCRIBER); t++)
            run_order(order, plan, (enum turning)t);
        return 1;
    }
    for (unsigned a = 0; a < ACTORS; a++) {
        if (left[a] == 0)
            continue;
        left[a]--;
        order[at] = a;
        n += every_order(order, at + 1, left, plan);
        left[a]++;
    }
    return n;
}

static void every_order_of(const char *plan)
{
    unsigned order[STEPS * ACTORS], left[ACTORS] = { STEPS, STEPS, STEPS };
    const duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0" };
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    assert_int_equal(every_order(order, 0, left, plan), 34650);
    duet_server_free(server);
    duet_loop_free(loop);
}

TEST(recovery, is_exact_in_every_order_with_a_store_that_works)
{
    every_order_of("cccc");
}

TEST(recovery, is_exact_in_every_order_with_a_store_that_fails_once)
{
    every_order_of("cfcc");
}

TEST(recovery, is_exact_or_says_it_is_not_in_every_order_with_history_dropped)
{
    every_order_of("cctc");
}
