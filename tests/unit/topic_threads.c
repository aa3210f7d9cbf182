/* SPDX-License-Identifier: MIT */
/*
 * Topics across threads: servers of one to four loops, publishers on the loops and on threads of their own. What is
 * published under `one_by_one` is numbered, so each member can tell whether it got all of it, once and in order.
 */
#include "raw.h"
#include <duet/duet.h>
#include <pthread.h>

enum { LOOPS_MOST = 4, CLIENTS = 12, THREADS = 2, EACH = 150 };

static duet_server *server;
static pthread_t runner;
static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;
static unsigned next_number; /* under `one_by_one` */

static void wait_a_bit(void)
{
    struct timespec t = { .tv_nsec = 200000 };
    nanosleep(&t, NULL);
}

static void say(duet_conn *c, const char *what, unsigned number)
{
    char text[40];
    snprintf(text, sizeof(text), "%s %u", what, number);
    duet_send(c, DUET_TEXT, text, strlen(text));
}

static void publish_number(void)
{
    char text[20];
    pthread_mutex_lock(&one_by_one);
    snprintf(text, sizeof(text), "%u", next_number++);
    duet_publish(server, "t", DUET_TEXT, text, strlen(text));
    pthread_mutex_unlock(&one_by_one);
}

/* n publishes the next number, u publishes what follows, + joins and - leaves, q closes. */
static void on_message(duet_conn *c, const duet_msg *m)
{
    const char *text = m->data;
    switch (text[0]) {
    case 'n':
        publish_number();
        break;
    case 'u':
        duet_publish(server, "t", DUET_TEXT, text + 1, m->len - 1);
        break;
    case '+':
        pthread_mutex_lock(&one_by_one);
        duet_subscribe(c, "t");
        say(c, "joined", next_number);
        pthread_mutex_unlock(&one_by_one);
        break;
    case '-':
        pthread_mutex_lock(&one_by_one);
        duet_unsubscribe(c, "t");
        say(c, "left", next_number);
        pthread_mutex_unlock(&one_by_one);
        break;
    default:
        duet_close(c, 1000, "");
        break;
    }
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)why;
    duet_publish(duet_server_of(c), "gone", DUET_TEXT, "gone", 4);
}

static void *serve(void *unused)
{
    (void)unused;
    duet_server_run(server);
    return NULL;
}

static void begin(unsigned loops)
{
    next_number = 0;
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .threads = loops,
                                  .on = { .message = on_message, .close = on_close } };
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(pthread_create(&runner, NULL, serve, NULL), 0);
}

static void end(void)
{
    duet_server_stop(server);
    pthread_join(runner, NULL);
    duet_server_free(server);
}

static struct raw *member(unsigned *from)
{
    static struct raw_frame f;
    struct raw *r = raw_open(duet_server_port(server, 0), 0, wait_a_bit);
    raw_send(r, "+");
    assert_int_equal(raw_read_for(r, &f, RAW_PATIENCE_MS), 1);
    assert_int_equal(sscanf((char *)f.payload, "joined %u", from), 1);
    return r;
}

static void *publish_numbers(void *unused)
{
    (void)unused;
    for (int i = 0; i < EACH; i++)
        publish_number();
    return NULL;
}

TEST(topic_threads, publications_one_after_another_reach_each_member_once_and_in_order)
{
    for (unsigned loops = 1; loops <= LOOPS_MOST; loops++) {
        static struct raw_frame f;
        struct raw *all[CLIENTS];
        pthread_t threads[THREADS];
        unsigned from;
        begin(loops);
        for (int i = 0; i < CLIENTS; i++)
            all[i] = member(&from);
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, publish_numbers, NULL);
        for (int n = 0; n < EACH; n++)
            raw_send(all[n % CLIENTS], "n");
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < CLIENTS; i++)
            for (unsigned n = 0; n < (THREADS + 1) * EACH; n++) {
                assert_int_equal(raw_read_for(all[i], &f, RAW_PATIENCE_MS), 1);
                assert_int_equal(strtoul((char *)f.payload, NULL, 10), n);
            }
        for (int i = 0; i < CLIENTS; i++)
            raw_close(all[i]);
        end();
    }
}

static void *publish_own(void *name)
{
    char text[40];
    for (unsigned i = 0; i < EACH; i++) {
        snprintf(text, sizeof(text), "%s %u", (const char *)name, i);
        duet_publish(server, "t", DUET_TEXT, text, strlen(text));
    }
    return NULL;
}

/* Nothing orders the publishers; yet what one member sees first, all see first. */
TEST(topic_threads, all_loops_see_one_order)
{
    enum { SUM = (THREADS + CLIENTS) * EACH };
    static char seen[SUM][32];
    static struct raw_frame f;
    static const char *const names[THREADS] = { "x", "y" };
    struct raw *all[CLIENTS];
    pthread_t threads[THREADS];
    unsigned from;
    begin(LOOPS_MOST);
    for (int i = 0; i < CLIENTS; i++)
        all[i] = member(&from);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, publish_own, (void *)(uintptr_t)names[i]);
    for (int n = 0; n < EACH; n++)
        for (int i = 0; i < CLIENTS; i++) {
            char text[32];
            snprintf(text, sizeof(text), "u%d %d", i, n);
            raw_send(all[i], text);
        }
    for (int i = 0; i < CLIENTS; i++)
        for (int n = 0; n < SUM; n++) {
            assert_int_equal(raw_read_for(all[i], &f, RAW_PATIENCE_MS), 1);
            if (i == 0)
                snprintf(seen[n], sizeof(seen[n]), "%.31s", (char *)f.payload);
            else
                assert_string_equal((char *)f.payload, seen[n]);
        }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CLIENTS; i++)
        raw_close(all[i]);
    end();
}

static bool enough; /* atomic */

static void *publish_on_and_on(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
        publish_number();
        wait_a_bit();
    }
    return NULL;
}

/* Reads numbers from `from` on; at the word it returns the number behind it. */
static unsigned read_until(struct raw *r, const char *word, unsigned from)
{
    static struct raw_frame f;
    unsigned number;
    char said[20];
    for (;; from++) {
        assert_int_equal(raw_read_for(r, &f, RAW_PATIENCE_MS), 1);
        if (sscanf((char *)f.payload, "%19s %u", said, &number) == 2) {
            assert_string_equal(said, word);
            if (said[0] == 'l')
                assert_int_equal(number, from); /* all that was published before it left */
            return number;
        }
        assert_int_equal(strtoul((char *)f.payload, NULL, 10), from);
    }
}

TEST(topic_threads, a_membership_begins_and_ends_between_two_publications)
{
    for (unsigned loops = 1; loops <= LOOPS_MOST; loops += 3) {
        struct raw *all[CLIENTS];
        unsigned from[CLIENTS];
        pthread_t thread;
        begin(loops);
        __atomic_store_n(&enough, false, __ATOMIC_RELAXED);
        for (int i = 0; i < CLIENTS; i++)
            all[i] = member(&from[i]);
        pthread_create(&thread, NULL, publish_on_and_on, NULL);
        for (int round = 0; round < 40; round++) {
            int i = round % CLIENTS;
            static struct raw_frame f;
            raw_send(all[i], "-");
            unsigned left = read_until(all[i], "left", from[i]);
            wait_a_bit();
            raw_send(all[i], "+");
            from[i] = read_until(all[i], "joined", UINT32_MAX); /* nothing comes in between */
            assert_true(from[i] >= left);
            /* One of the others ends, cleanly or not, and another comes. */
            int other = (i + 5) % CLIENTS;
            if (round % 2)
                raw_send(all[other], "q");
            for (int rc = round % 2; rc == 1 && f.opcode != RAW_CLOSE;)
                rc = raw_read_for(all[other], &f, RAW_PATIENCE_MS);
            f.opcode = 0;
            raw_close(all[other]);
            all[other] = member(&from[other]);
        }
        __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        for (int i = 0; i < CLIENTS; i++) {
            raw_send(all[i], "-");
            assert_int_equal(read_until(all[i], "left", from[i]), next_number);
            raw_close(all[i]);
        }
        end();
    }
}

/* The server has no loops yet, then they come and go; with threads that do not care. */
TEST(topic_threads, publishing_needs_no_running_server)
{
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        next_number = 0;
        duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .threads = 3,
                                      .on = { .close = on_close, .message = on_message } };
        assert_int_equal(duet_server_new(&server, &config, NULL), 0);
        publish_number();
        pthread_create(&thread, NULL, publish_numbers, NULL);
        assert_int_equal(pthread_create(&runner, NULL, serve, NULL), 0);
        unsigned from;
        struct raw *r = member(&from), *s = member(&from);
        pthread_join(thread, NULL);
        duet_server_stop(server);
        pthread_join(runner, NULL);
        publish_number();
        duet_server_free(server); /* `close` publishes for both */
        raw_close(r);
        raw_close(s);
    }
}
