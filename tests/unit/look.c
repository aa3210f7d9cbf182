/* SPDX-License-Identifier: MIT */
#include "wire.h"
#include <pthread.h>
#include <stdatomic.h>

enum { CLIENTS = 7 };

static struct seen {
    unsigned calls, conns, next;
    uint64_t ids[CLIENTS + 1], longest_ms;
} seen;

static void each(const duet_conn *c, void *arg)
{
    struct seen *s = arg;
    assert_true(s->conns <= CLIENTS);
    s->ids[s->conns++] = duet_id(c);
    if (duet_age_ms(c) > s->longest_ms)
        s->longest_ms = duet_age_ms(c);
}

/* A page of two places. */
static void look(duet_server *s, uint64_t loop, void *arg)
{
    assert_int_equal(loop, 0);
    assert_ptr_equal(arg, &seen);
    seen.next = duet_look(s, seen.next, 2, each, &seen);
    seen.calls++;
}

static void look_through(void)
{
    memset(&seen, 0, sizeof(seen));
    do {
        assert_int_equal(duet_post_all(wire.server, look, &seen), 0);
        wire_settle();
        assert_true(seen.calls < 100);
    } while (seen.next != 0);
}

TEST(look, passes_each_open_websocket_once_some_at_a_time)
{
    struct client *c[CLIENTS], *plain;
    wire_serve(WIRE_TCP, &(duet_server_config){ DUET_SERVER_CONFIG_INIT });
    for (int i = 0; i < CLIENTS; i++)
        c[i] = client_open(NULL);
    plain = client_raw();
    wire_settle();
    look_through();
    assert_int_equal(seen.conns, CLIENTS);
    assert_int_equal(seen.calls, (CLIENTS + 1 + 1) / 2);
    for (int i = 0; i < CLIENTS; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(seen.ids[i], seen.ids[j]);
    client_free(c[3]);
    wire_settle();
    look_through();
    assert_int_equal(seen.conns, CLIENTS - 1);
    for (int i = 0; i < CLIENTS; i++)
        if (i != 3)
            client_free(c[i]);
    client_free(plain);
    wire_settle();
    look_through();
    assert_int_equal(seen.conns, 0);
    wire_stop();
}

TEST(look, sees_nothing_from_a_thread_that_is_no_loop_s)
{
    duet_loop *loop;
    duet_server *s;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(
        duet_server_new(&s, &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0" }, NULL), 0);
    assert_int_equal(duet_look(s, 0, 100, each, &seen), 0);
    assert_int_equal(seen.conns, 0);
    duet_server_free(s);
    duet_loop_free(loop);
}

static atomic_uint loops;

static void count(duet_server *s, uint64_t loop, void *arg)
{
    (void)arg;
    if ((atomic_fetch_or(&loops, 1u << loop) | 1u << loop) == 7)
        duet_server_stop(s);
}

static void *tell_all(void *arg)
{
    while (atomic_load(&loops) != 7) /* those that do not turn yet hear of it later, or the next time */
        duet_post_all(arg, count, NULL);
    return NULL;
}

TEST(look, can_be_asked_of_every_loop)
{
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .threads = 3 };
    duet_server *s;
    pthread_t thread;
    assert_int_equal(duet_server_new(&s, &config, NULL), 0);
    pthread_create(&thread, NULL, tell_all, s);
    assert_int_equal(duet_server_run(s), 0);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&loops), 7);
    duet_server_free(s);
}

/* duet_topic_read() */

static duet_topic_stats topic_stats[2];

static void publish_and_read(duet_server *s, uint64_t loop, void *arg)
{
    (void)loop;
    (void)arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(duet_publish(s, "t", DUET_TEXT, "x", 1), 0);
    duet_topic_read(s, "t", &topic_stats[0]);
}

static void read_again(duet_server *s, uint64_t loop, void *arg)
{
    (void)loop;
    duet_topic_read(s, arg, &topic_stats[1]);
}

static void join(duet_conn *c)
{
    assert_int_equal(duet_subscribe(c, "t"), 0);
}

TEST(topic, tells_how_many_publications_its_members_have_been_given)
{
    wire_serve(WIRE_TCP, &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .on = { .open = join } });
    struct client *a = client_open(NULL), *b = client_open(NULL);
    assert_int_equal(duet_post(wire.server, 0, publish_and_read, NULL), 0);
    wire_settle();
    assert_int_equal(topic_stats[0].members, 2);
    assert_int_equal(topic_stats[0].published, 3);
    assert_int_equal(topic_stats[0].given, 0); /* that is for the end of the turn */
    assert_int_equal(duet_post(wire.server, 0, read_again, "t"), 0);
    wire_settle();
    assert_int_equal(topic_stats[1].members, 2);
    assert_int_equal(topic_stats[1].published, 3);
    assert_int_equal(topic_stats[1].given, 3);
    assert_int_equal(duet_post(wire.server, 0, read_again, "other"), 0);
    wire_settle();
    assert_int_equal(topic_stats[1].members + topic_stats[1].published + topic_stats[1].given, 0);
    duet_topic_read(wire.server, "t", &topic_stats[1]); /* attached: this thread counts as the loop's */
    assert_int_equal(topic_stats[1].members, 2);
    client_free(a);
    client_free(b);
    wire_stop();
}
