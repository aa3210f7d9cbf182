/* SPDX-License-Identifier: MIT */
/* Ids used from other threads: a server with three loops, and a thread that is none of theirs. */
#include "raw.h"
#include <duet/duet.h>
#include <pthread.h>

enum { CONNS = 24, SENDS = 200 };

static struct {
    duet_server *server;
    pthread_t thread;
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    uint64_t ids[CONNS];
    pthread_t threads[CONNS]; /* whose loop it is */
    unsigned count, closed, called, found, astray, gone;
    uint64_t asked; /* a request that waits */
} t = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Counts up, and wakes who waits for it. */
static void count_up(unsigned *what)
{
    pthread_mutex_lock(&t.lock);
    ++*what;
    pthread_cond_broadcast(&t.changed);
    pthread_mutex_unlock(&t.lock);
}

static void wait_for(const unsigned *what, unsigned value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&t.lock);
    while (*what < value && pthread_cond_timedwait(&t.changed, &t.lock, &until) == 0)
        ;
    unsigned is = *what;
    pthread_mutex_unlock(&t.lock);
    assert_int_equal(is, value);
}

static void opened(duet_conn *c)
{
    pthread_mutex_lock(&t.lock);
    t.ids[t.count] = duet_id(c);
    t.threads[t.count] = pthread_self();
    pthread_mutex_unlock(&t.lock);
    count_up(&t.count);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    (void)c;
    (void)why;
    count_up(&t.closed);
}

static void later(duet_http *x, const duet_request *r)
{
    (void)r;
    pthread_mutex_lock(&t.lock);
    t.asked = duet_http_id(x);
    pthread_mutex_unlock(&t.lock);
    count_up(&t.count);
}

static void gone(duet_http *x)
{
    (void)x;
    count_up(&t.gone);
}

static void *run(void *unused)
{
    (void)unused;
    assert_int_equal(duet_server_run(t.server), 0);
    return NULL;
}

static void begin(unsigned threads)
{
    static const duet_route routes[] = { { .path = "/", .websocket = true },
                                         { .path = "/later", .http = later },
                                         { .path = NULL } };
    t.count = t.closed = t.called = t.found = t.astray = t.gone = 0;
    duet_server_config config = { DUET_SERVER_CONFIG_INIT,
                                  .listen = "ws://127.0.0.1:0",
                                  .threads = threads,
                                  .routes = routes,
                                  .on = { .open = opened, .close = closed, .gone = gone } };
    assert_int_equal(duet_server_new(&t.server, &config, NULL), 0);
    assert_int_equal(pthread_create(&t.thread, NULL, run, NULL), 0);
}

static void end(void)
{
    duet_server_stop(t.server);
    pthread_join(t.thread, NULL);
    duet_server_free(t.server);
}

static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void open_all(struct raw **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        clients[i] = raw_open(duet_server_port(t.server, 0), 0, nap);
        wait_for(&t.count, i + 1);
    }
}

/* Posted with the connection's place in `ids`. */
static void look(duet_server *s, uint64_t id, void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    duet_conn *c = duet_conn_find(s, id);
    if (c != NULL && duet_id(c) == id && duet_server_loop(s) != NULL)
        count_up(&t.found);
    pthread_mutex_lock(&t.lock);
    bool here = pthread_equal(t.threads[i], pthread_self());
    pthread_mutex_unlock(&t.lock);
    if (!here)
        count_up(&t.astray);
    count_up(&t.called);
}

TEST(call, what_another_thread_sends_arrives_in_its_order)
{
    static struct raw *clients[CONNS];
    begin(3);
    open_all(clients, CONNS);
    for (int n = 0; n < SENDS; n++)
        for (int i = 0; i < CONNS; i++) {
            char text[32];
            int len = snprintf(text, sizeof(text), "%d for %d", n, i);
            assert_int_equal(duet_send_to(t.server, t.ids[i], DUET_TEXT, text, (size_t)len), 0);
        }
    for (int i = 0; i < CONNS; i++)
        for (int n = 0; n < SENDS; n++) {
            char text[32];
            snprintf(text, sizeof(text), "%d for %d", n, i);
            raw_expect(clients[i], text);
        }
    assert_int_equal(duet_send_to(t.server, t.ids[0], DUET_TEXT, "\xff", 1), DUET_ERR_UTF8);
    for (int i = 0; i < CONNS; i++)
        raw_close(clients[i]);
    end();
}

TEST(call, a_posted_function_runs_on_the_loop_of_its_id)
{
    static struct raw *clients[CONNS];
    begin(3);
    open_all(clients, CONNS);
    for (size_t i = 0; i < CONNS; i++)
        assert_int_equal(duet_post(t.server, t.ids[i], look, (void *)(uintptr_t)i), 0);
    wait_for(&t.called, CONNS);
    assert_int_equal(t.found, CONNS);
    assert_int_equal(t.astray, 0);
    /* Here is no loop: nothing can be found. */
    assert_null(duet_conn_find(t.server, t.ids[0]));
    assert_null(duet_server_loop(t.server));
    for (int i = 0; i < CONNS; i++)
        raw_close(clients[i]);
    wait_for(&t.closed, CONNS);
    for (size_t i = 0; i < CONNS; i++)
        assert_int_equal(duet_post(t.server, t.ids[i], look, (void *)(uintptr_t)i), 0);
    wait_for(&t.called, 2 * CONNS);
    assert_int_equal(t.found, CONNS);
    assert_int_equal(t.astray, 0);
    assert_int_equal(duet_post(t.server, 0xff, look, NULL), DUET_ERR_GONE);
    end();
}

static void answer(duet_server *s, uint64_t id, void *arg)
{
    duet_http *x = duet_http_find(s, id);
    if (x != NULL) {
        count_up(&t.found);
        assert_int_equal(duet_http_text(x, 200, arg), 0);
    }
    count_up(&t.called);
}

static int ask(void)
{
    static const char request[] = "GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)duet_server_port(t.server, 0)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    return fd;
}

TEST(call, a_request_is_answered_from_another_thread_by_its_id)
{
    begin(3);
    for (unsigned i = 1; i <= CONNS; i++) {
        char got[1024] = "";
        int fd = ask();
        wait_for(&t.count, i);
        uint64_t id = t.asked;
        assert_null(duet_http_find(t.server, id));
        bool leaves = i % 3 == 0;
        if (leaves) {
            close(fd);
            wait_for(&t.gone, i / 3);
        }
        assert_int_equal(duet_post(t.server, id, answer, "from elsewhere"), 0);
        wait_for(&t.called, i);
        assert_int_equal(t.found, i - i / 3);
        if (leaves)
            continue;
        assert_true(recv(fd, got, sizeof(got) - 1, MSG_WAITALL) > 0);
        assert_non_null(strstr(got, "from elsewhere"));
        close(fd);
    }
    end();
}

/* Its argument may be memory: the function is called even if nothing turns any more. */
TEST(call, what_was_posted_is_called_at_the_latest_when_the_server_is_freed)
{
    static struct raw *clients[1];
    begin(1);
    open_all(clients, 1);
    duet_server_stop(t.server);
    pthread_join(t.thread, NULL);
    assert_int_equal(duet_post(t.server, t.ids[0], answer, NULL), 0);
    assert_int_equal(duet_send_to(t.server, t.ids[0], DUET_TEXT, "too late", 8), 0);
    assert_int_equal(t.called, 0);
    duet_server_free(t.server);
    assert_int_equal(t.called, 1);
    assert_int_equal(t.found, 0);
    raw_close(clients[0]);
}
