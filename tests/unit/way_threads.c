/* SPDX-License-Identifier: MIT */
/*
 * A hub over the loops of three threads, publishers on two more, and clients that come, go, and come back with their
 * position: one order for all, nothing missed, nothing twice (HUB-1). What the simulation cannot show is that the locks
 * are the right ones; ThreadSanitizer looks at that here.
 */
#include "test.h"
#include "wire/plain.h"
#include "wire/wire.h"
#include <pthread.h>
#include <stdatomic.h>

enum { LOOPS = 3, PUBLISHERS = 2, EACH = 1500, MEMBERS = 6, AHEAD = 150, TOTAL = PUBLISHERS * EACH, PATIENCE = 60000 };

static struct {
    struct wire_site site; /* first */
    duet_server *server;
    duet_loop *loop;
} w;

static struct member {
    duet_client *client;
    char epoch[STREAM_EPOCH + 1];
    uint64_t offset; /* the last it has */
    bool known, over;
    unsigned visits;
} members[MEMBERS];

static char story[TOTAL + 1][16]; /* by offset, as the first who saw it tells it */
static atomic_uint answered;
static atomic_ullong slowest; /* what all members have */

static void on_answer(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *r)
{
    (void)s;
    (void)id;
    (void)tag;
    if (r->error == HUB_OK)
        answered++;
}

static void *publish_all(void *arg)
{
    const char *who = arg;
    for (int i = 0; i < EACH; i++) {
        char text[16];
        int len = snprintf(text, sizeof(text), "%s-%d", who, i);
        hub_publish(w.site.hub,
                    &(struct hub_publish){
                        .channel = "c", .len = 1, .parts = { .kind = HUB_TEXT, .data = text, .len = (size_t)len } },
                    &(struct hub_reply){ .server = w.server, .done = on_answer });
        /* Not so far ahead that all is said before somebody comes back: it is to come in the middle. */
        while ((unsigned long long)i > slowest / PUBLISHERS + AHEAD)
            sched_yield();
    }
    return NULL;
}

static void take(struct member *m, const char *text)
{
    unsigned long long offset;
    char said[16];
    const char *data = strstr(text, "\"text\":\"");
    assert_int_equal(sscanf(text, "{\"offset\":%llu", &offset), 1);
    assert_int_equal(sscanf(data, "\"text\":\"%15[^\"]", said), 1);
    assert_int_equal(offset, m->offset + 1);
    m->offset = offset;
    if (story[offset][0] == '\0')
        strcpy(story[offset], said);
    assert_string_equal(story[offset], said);
}

static void on_message(duet_conn *c, const duet_msg *msg)
{
    struct member *m = duet_client_arg(duet_client_of(c));
    char text[400];
    unsigned long long offset;
    assert_true(msg->len < sizeof(text));
    memcpy(text, msg->data, msg->len);
    text[msg->len] = '\0';
    const char *at = strstr(text, "\"epoch\":\"");
    if (at == NULL) {
        take(m, text);
        if (m->offset % 97 == 0 && m->offset < TOTAL) /* enough for now */
            duet_abort(c);
    } else if (!m->known) {
        assert_int_equal(sscanf(at, "\"epoch\":\"%8[^\"]\",\"offset\":%llu", m->epoch, &offset), 2);
        m->offset = offset;
        m->known = true;
    } else {
        assert_non_null(strstr(text, "\"recovered\":true"));
    }
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    struct member *m = duet_client_arg(duet_client_of(c));
    (void)why;
    m->over = true;
}

static void on_failed(duet_client *cl, const duet_failure *why)
{
    fail_msg("%s", why->detail);
    (void)cl;
}

static void come(struct member *m)
{
    static const char *const protocols[] = { "duet.v1", NULL };
    char url[120];
    int n = snprintf(url, sizeof(url), "ws://127.0.0.1:%u/channel/c", duet_server_port(w.server, 0));
    if (m->known)
        snprintf(url + n, sizeof(url) - (size_t)n, "?since=%s:%llu", m->epoch, (unsigned long long)m->offset);
    m->over = false;
    m->visits++;
    const duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT, .url = url, .on = { .message = on_message, .close = on_close },
        .failed = on_failed,     .arg = m,   .subprotocols = protocols
    };
    assert_int_equal(duet_connect(&m->client, w.loop, &config, NULL), 0);
}

static bool all_there(void)
{
    uint64_t least = TOTAL;
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].offset < least)
            least = members[i].offset;
    slowest = least;
    return least == TOTAL;
}

static void *serve(void *arg)
{
    (void)arg;
    assert_int_equal(duet_server_run(w.server), 0);
    return NULL;
}

static void begin(void)
{
    static const duet_route routes[] = { { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade }, { 0 } };
    struct hub_options o;
    struct hub *hub;
    char why[HUB_WHY];
    hub_options_default(&o);
    o.history_size = TOTAL;
    o.history_ttl_ms = 3600 * 1000;
    o.allow_recovery = o.allow_subscribe_for_anonymous = true;
    struct hub_config config = { .namespaces = &o, .count = 1 };
    hub_limits_default(&config.limits);
    assert_int_equal(hub_new(&hub, &config, why), 0);
    assert_int_equal(wire_init(&w.site, hub), 0);
    const duet_server_config server = { DUET_SERVER_CONFIG_INIT,
                                        .listen = "ws://127.0.0.1:0",
                                        .threads = LOOPS,
                                        .on = wire_handler,
                                        .arg = &w,
                                        .data_size = WIRE_DATA,
                                        .routes = routes };
    assert_int_equal(duet_server_new(&w.server, &server, NULL), 0);
    hub_attach(hub, w.server);
    assert_int_equal(duet_loop_new(&w.loop), 0);
}

TEST(threads, tell_one_story_to_all_who_come_and_go)
{
    pthread_t server, publishers[PUBLISHERS];
    begin();
    assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
    for (int i = 0; i < MEMBERS; i++)
        come(&members[i]);
    for (int i = 0; i < 200; i++) /* most of them are there when it begins */
        duet_loop_turn(w.loop, 1);
    for (int i = 0; i < PUBLISHERS; i++)
        assert_int_equal(pthread_create(&publishers[i], NULL, publish_all, i == 0 ? "a" : "b"), 0);
    for (int turns = 0; !all_there(); turns++) {
        assert_true(turns < PATIENCE);
        duet_loop_turn(w.loop, 1);
        for (int i = 0; i < MEMBERS; i++)
            if (members[i].over) {
                duet_client_free(members[i].client);
                come(&members[i]);
            }
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    assert_int_equal(answered, TOTAL);
    /* What one publisher said one after the other stands in that order. */
    int last[PUBLISHERS] = { -1, -1 };
    for (int o = 1; o <= TOTAL; o++) {
        int whose = story[o][0] == 'a' ? 0 : 1, number = story[o][0] != '\0' ? atoi(story[o] + 2) : last[whose] + 1;
        assert_true(number > last[whose]);
        last[whose] = number;
    }
    for (int i = 0; i < MEMBERS; i++) {
        assert_true(members[i].visits > 10);
        duet_client_free(members[i].client);
    }
    duet_server_stop(w.server);
    pthread_join(server, NULL);
    hub_stop(w.site.hub);
    duet_server_free(w.server);
    hub_free(w.site.hub);
    duet_loop_free(w.loop);
}
