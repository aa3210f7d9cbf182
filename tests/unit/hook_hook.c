/* SPDX-License-Identifier: MIT */
/*
 * HUB-15: questions to a backend and their answers. The backend is a server in this process, on the loop that the test
 * turns and that the answers come to; one that breaks its word is a bare socket.
 */
#include "stored.h"
#include "wire.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hook/hook.h"
#include "hook/transfer.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <time.h>

enum { PATIENCE_MS = 60000, BUFFER = 70000 };

/* The backend. */

static struct {
    unsigned status; /* of what it answers; 0: it does not */
    const char *location;
    size_t len; /* of its answer, when `text` is NULL */
    const char *text;
    bool chunked;
    unsigned asked, elsewhere;
    uint64_t last;
    char head[500], body[BUFFER];
} backend;

static void note_head(const duet_request *r)
{
    static const char *const names[] = { "content-type", "accept", "expect", "user-agent", "cookie", "x-a" };
    backend.head[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *value = duet_request_header(r, names[i]);
        size_t len = strlen(backend.head);
        if (value != NULL)
            snprintf(backend.head + len, sizeof(backend.head) - len, "%s: %s\n", names[i], value);
    }
}

static void answer(duet_http *x, const duet_request *r)
{
    static char space[BUFFER];
    const duet_header headers[] = { { "Location", backend.location }, { NULL, NULL } };
    size_t len;
    const char *body = duet_request_body(r, &len);
    backend.asked++;
    backend.last = duet_http_id(x);
    note_head(r);
    snprintf(backend.body, sizeof(backend.body), "%.*s", (int)len, len > 0 ? body : "");
    if (backend.status == 0)
        return;
    memset(space, ' ', sizeof(space));
    const char *text = backend.text ? backend.text : space;
    len = backend.text ? strlen(backend.text) : backend.len;
    if (backend.chunked) {
        duet_http_begin(x, backend.status, NULL);
        duet_http_write(x, text, len / 2);
        duet_http_write(x, text + len / 2, len - len / 2);
        duet_http_end(x);
    } else {
        duet_http_reply(x, backend.status, backend.location ? headers : NULL, text, len);
    }
}

static void elsewhere(duet_http *x, const duet_request *r)
{
    (void)r;
    backend.elsewhere++;
    duet_http_text(x, 200, "{}");
}

static const duet_route routes[] = {
    { .path = "/ask", .http = answer, .methods = "POST" },
    { .path = "/elsewhere", .http = elsewhere, .methods = "GET, POST" },
    { 0 },
};

static char url[64], events_url[64];

static void backend_begin_at(const char *path, const char *text)
{
    memset(&backend, 0, sizeof(backend));
    backend.status = 200;
    backend.text = text;
    wire_serve(WIRE_TCP, &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .routes = routes });
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", duet_server_port(wire.server, 0), path);
    strcpy(events_url, url);
}

/* The hooks. */

static struct hooks *hooks;

static struct {
    pthread_mutex_t lock;
    char text[20000];
} logged = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void log_event(void *arg, const duet_log_event *e)
{
    (void)arg;
    pthread_mutex_lock(&logged.lock);
    size_t len = strlen(logged.text);
    snprintf(logged.text + len, sizeof(logged.text) - len, "%s: %s\n", e->event, e->detail);
    pthread_mutex_unlock(&logged.lock);
}

static unsigned times_logged(const char *what)
{
    unsigned n = 0;
    pthread_mutex_lock(&logged.lock);
    for (const char *at = logged.text; (at = strstr(at, what)) != NULL; at++)
        n++;
    pthread_mutex_unlock(&logged.lock);
    return n;
}

static void hooks_begin(struct hooks_config config)
{
    char why[HOOK_WHY];
    logged.text[0] = '\0';
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        config.urls[kind] = config.events_url ? NULL : url;
    config.timeout_ms = config.timeout_ms ? config.timeout_ms : PATIENCE_MS;
    config.log = log_event;
    if (hooks_new(&hooks, &config, why) < 0)
        fail_msg("%s", why);
}

static void begin(const char *text, unsigned timeout_ms)
{
    backend_begin_at("/ask", text);
    hooks_begin((struct hooks_config){ .timeout_ms = timeout_ms });
}

static void end(void)
{
    hooks_stop(hooks);
    wire_stop();
    hooks_free(hooks);
    hooks = NULL;
}

/* Answers, by their tags. */
static struct {
    unsigned times;
    bool good;
    size_t len;
    char text[64];
} answers[HOOK_ASKED_MOST + 10];
static unsigned answered;

static void done(duet_server *s, uint64_t id, uint64_t tag, const struct hook_answer *a)
{
    assert_ptr_equal(s, wire.server);
    assert_int_equal(id, 0x700);
    answers[tag].times++;
    answers[tag].good = a->body != NULL;
    answers[tag].len = a->len;
    if (a->body != NULL)
        snprintf(answers[tag].text, sizeof(answers[tag].text), "%.*s", (int)(a->len < 60 ? a->len : 60), a->body);
    answered++;
}

static int ask_kind(enum hook_kind kind, uint64_t tag, const char *text, const char *fields)
{
    char space[64];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    buf_puts(&b, text);
    return hooks_ask(
        hooks,
        &(struct hook_question){
            .kind = kind, .body = &b, .fields = fields, .server = wire.server, .id = 0x700, .tag = tag, .done = done });
}

static void ask(uint64_t tag)
{
    assert_int_equal(ask_kind(HOOK_RPC, tag, "{}", NULL), 0);
}

#define TURN_UNTIL_HOLDS(condition)                                                                                    \
    for (uint64_t until_ = clock_ms() + PATIENCE_MS; !(condition); wire_turn())                                        \
    assert_true(clock_ms() < until_)

static void forget_answers(void)
{
    memset(answers, 0, sizeof(answers));
    answered = 0;
}

/* One question and what comes of it. */
static bool is_answered(void)
{
    forget_answers();
    ask(0);
    TURN_UNTIL_HOLDS(answered == 1);
    assert_int_equal(answers[0].times, 1);
    return answers[0].good;
}

static struct hooks_stats stats(void)
{
    struct hooks_stats s;
    hooks_read_stats(hooks, &s);
    return s;
}

TEST(hooks, ask_by_post_and_bring_the_answer)
{
    /* No proxy of the environment is asked; there is none at this port. */
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    begin("{\"result\":{}}", 0);
    forget_answers();
    assert_int_equal(ask_kind(HOOK_CONNECT, 3, "{\"a\":1}", "Cookie: a=1\r\nX-A: b\r\n"), 0);
    assert_int_equal(stats().asked[HOOK_CONNECT], 1);
    assert_int_equal(stats().waiting, 1);
    TURN_UNTIL_HOLDS(answered == 1);
    assert_string_equal(backend.body, "{\"a\":1}");
    assert_string_equal(backend.head,
                        "content-type: application/json\naccept: application/json\nuser-agent: duet/" DUET_VERSION
                        "\ncookie: a=1\nx-a: b\n");
    assert_int_equal(answers[3].times, 1);
    assert_string_equal(answers[3].text, "{\"result\":{}}");
    assert_int_equal(answers[3].len, 13);
    TURN_UNTIL_HOLDS(stats().waiting == 0);
    assert_int_equal(stats().failed[HOOK_CONNECT], 0);
    /* Nothing of one question is in the next. */
    assert_int_equal(ask_kind(HOOK_CONNECT, 4, "{}", NULL), 0);
    TURN_UNTIL_HOLDS(answered == 2);
    assert_null(strstr(backend.head, "cookie"));
    assert_false(hooks_has(NULL, HOOK_RPC));
    assert_true(hooks_has(hooks, HOOK_RPC));
    assert_string_equal(hook_name(HOOK_SUB_REFRESH), "sub_refresh");
    end();
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_string_equal(logged.text, "");
}

TEST(hooks, take_200_alone_and_follow_nothing)
{
    static const unsigned statuses[] = { 201, 202, 204, 206, 301, 302, 303, 307, 308, 400, 401, 404, 500, 503 };
    begin("{\"result\":{}}", 0);
    assert_true(is_answered());
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        backend.status = statuses[i];
        backend.location = statuses[i] / 100 == 3 ? "/elsewhere" : NULL;
        assert_false(is_answered());
        backend.status = 200;
        backend.location = NULL;
        assert_true(is_answered());
    }
    assert_int_equal(backend.elsewhere, 0);
    assert_int_equal(times_logged("it answered with status 307"), 1);
    end();
}

TEST(hooks, take_64_KiB_and_no_more)
{
    begin(NULL, 0);
    for (int chunked = 0; chunked < 2; chunked++)
        for (int over = -1; over <= 1; over++) {
            backend.len = (size_t)(TRANSFER_ANSWER_MOST + over);
            backend.chunked = chunked;
            assert_int_equal(is_answered(), over <= 0);
            assert_int_equal(answers[0].len, over <= 0 ? backend.len : 0);
        }
    assert_int_equal(times_logged("its answer has more than 65536 bytes"), 2);
    end();
}

TEST(hooks, wait_no_longer_than_they_may)
{
    begin("{}", 50);
    backend.status = 0;
    uint64_t began = clock_ms();
    assert_false(is_answered());
    assert_true(clock_ms() - began >= 50);
    assert_int_equal(times_logged("hook_failed: rpc, http://127.0.0.1:"), 1);
    assert_int_equal(stats().failed[HOOK_RPC], 1);
    end();
}

/* Bare sockets. */

static int listen_bare(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
    return fd;
}

TEST(hooks, take_no_answer_that_is_cut)
{
    static const char *const cuts[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"result\":{}}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"result\":{}}\r\n",
        "{\"result\":{}}", /* of HTTP/0.9 */
    };
    backend_begin_at("/ask", NULL);
    int fd = listen_bare();
    for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
        char request[1000];
        hooks_begin((struct hooks_config){ .timeout_ms = PATIENCE_MS });
        forget_answers();
        ask(0);
        int peer = accept(fd, NULL, NULL);
        assert_true(recv(peer, request, sizeof(request), 0) > 0);
        assert_int_equal(send(peer, cuts[i], strlen(cuts[i]), MSG_NOSIGNAL), strlen(cuts[i]));
        close(peer);
        /* What was said nothing to may be said again, once. */
        struct timeval patience = { .tv_usec = 200000 };
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        int again = accept(fd, NULL, NULL);
        if (again >= 0)
            close(again);
        TURN_UNTIL_HOLDS(answered == 1);
        assert_false(answers[0].good);
        hooks_stop(hooks);
        hooks_free(hooks);
        hooks = NULL;
    }
    close(fd);
    wire_stop();
}

TEST(hooks, leave_a_backend_alone_that_is_away_until_it_is_back)
{
    backend_begin_at("/ask", "{}");
    char real[64];
    strcpy(real, url);
    /* Nobody listens where somebody did. */
    int fd = listen_bare();
    close(fd);
    hooks_begin((struct hooks_config){ .timeout_ms = 5000 });
    for (int i = 0; i < 5; i++) {
        assert_int_equal(times_logged("hook_down"), 0);
        assert_false(is_answered());
    }
    uint64_t opened = clock_ms();
    assert_int_equal(times_logged("hook_down: rpc, "), 1);
    assert_int_equal(times_logged("hook_failed: rpc, "), 5);
    /* Somebody is there again, but it is not asked. */
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_false(is_answered());
    bool early = clock_ms() - opened < 1000;
    struct timeval soon = { .tv_usec = 1000 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    if (early)
        assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(times_logged("hook_failed: rpc, "), 5); /* that is not told of each */
    assert_int_equal(stats().failed[HOOK_RPC], 6);
    /* A second later one question tries. */
    forget_answers();
    while (clock_ms() < opened + 1000)
        wire_turn();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 20 }, sizeof(struct timeval));
    ask(0);
    int peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    ask(1); /* not this one */
    TURN_UNTIL_HOLDS(answered == 1);
    assert_false(answers[1].good);
    static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    assert_int_equal(send(peer, good, sizeof(good) - 1, MSG_NOSIGNAL), sizeof(good) - 1);
    TURN_UNTIL_HOLDS(answered == 2);
    assert_true(answers[0].good);
    TURN_UNTIL_HOLDS(times_logged("hook_up: rpc, ") == 1);
    close(peer);
    close(fd);
    end();
}

TEST(hooks, leave_each_question_alone_by_itself)
{
    begin("{}", 0);
    backend.status = 500;
    for (int i = 0; i < 5; i++)
        assert_false(is_answered());
    backend.status = 200;
    unsigned asked = backend.asked;
    assert_false(is_answered());
    assert_int_equal(backend.asked, asked);
    forget_answers();
    assert_int_equal(ask_kind(HOOK_PUBLISH, 1, "{}", NULL), 0);
    TURN_UNTIL_HOLDS(answered == 1);
    assert_true(answers[1].good);
    end();
}

TEST(hooks, have_4096_questions_under_way_and_answer_them_all_when_they_stop)
{
    begin("{}", 0);
    backend.status = 0;
    forget_answers();
    for (uint64_t tag = 0; tag < HOOK_ASKED_MOST; tag++)
        ask(tag);
    for (int over = 0; over < 2; over++)
        assert_int_equal(ask_kind(HOOK_RPC, HOOK_ASKED_MOST, "{}", NULL), DUET_ERR_LIMIT);
    assert_int_equal(stats().waiting, HOOK_ASKED_MOST);
    assert_int_equal(stats().asked[HOOK_RPC], HOOK_ASKED_MOST);
    TURN_UNTIL_HOLDS(backend.asked >= 10);
    hooks_stop(hooks);
    assert_int_equal(stats().waiting, 0);
    assert_int_equal(ask_kind(HOOK_RPC, HOOK_ASKED_MOST, "{}", "A: b\r\n"), DUET_ERR_CLOSED);
    assert_int_equal(stats().waiting, 0);
    hooks_free(hooks); /* what they said does not need them any more */
    TURN_UNTIL_HOLDS(answered == HOOK_ASKED_MOST);
    for (uint64_t tag = 0; tag < HOOK_ASKED_MOST; tag++)
        assert_true(answers[tag].times == 1 && !answers[tag].good);
    wire_stop();
}

TEST(hooks, have_room_again_for_each_that_is_answered)
{
    begin("{}", 0);
    backend.status = 0;
    forget_answers();
    for (uint64_t tag = 0; tag < HOOK_ASKED_MOST; tag++)
        ask(tag);
    TURN_UNTIL_HOLDS(backend.last != 0);
    duet_http *x = duet_http_find(wire.server, backend.last);
    duet_http_reply(x, 200, NULL, "{}", 2);
    TURN_UNTIL_HOLDS(answered == 1);
    TURN_UNTIL_HOLDS(stats().waiting == HOOK_ASKED_MOST - 1);
    ask(HOOK_ASKED_MOST);
    assert_int_equal(ask_kind(HOOK_RPC, HOOK_ASKED_MOST + 1, "{}", NULL), DUET_ERR_LIMIT);
    end();
    assert_int_equal(answered, HOOK_ASKED_MOST + 1);
}

/* Without memory. */

int __real_duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *, uint64_t, void *), void *arg);
int __wrap_duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *, uint64_t, void *), void *arg);

static atomic_int posts_that_fail;

int __wrap_duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *, uint64_t, void *), void *arg)
{
    if (atomic_load(&posts_that_fail) > 0 && atomic_fetch_sub(&posts_that_fail, 1) > 0)
        return DUET_ERR_NOMEM;
    return __real_duet_post(s, id, fn, arg);
}

TEST(hooks, give_an_answer_again_that_found_no_memory)
{
    begin("{\"result\":{}}", 0);
    atomic_store(&posts_that_fail, 3);
    assert_true(is_answered());
    assert_true(atomic_load(&posts_that_fail) <= 0);
    assert_string_equal(answers[0].text, "{\"result\":{}}");
    end();
}

TEST(hooks, give_every_answer_before_they_are_gone_even_without_memory)
{
    begin("{\"result\":{}}", 0);
    forget_answers();
    atomic_store(&posts_that_fail, 1000000);
    ask(0);
    TURN_UNTIL_HOLDS(atomic_load(&posts_that_fail) < 1000000); /* it is answered, and cannot say so */
    backend.status = 0;
    ask(1);
    TURN_UNTIL_HOLDS(backend.asked == 2); /* this one is under way */
    assert_int_equal(stats().waiting, 2);
    hooks_stop(hooks);
    assert_int_equal(answered, 2);
    assert_int_equal(stats().waiting, 0);
    assert_true(answers[0].times == 1 && answers[0].good);
    assert_true(answers[1].times == 1 && !answers[1].good);
    atomic_store(&posts_that_fail, 0);
    end();
}

static atomic_int curl_fails_now;

static void *curl_alloc(size_t size)
{
    return atomic_load(&curl_fails_now) ? NULL : malloc(size);
}

static void *curl_zalloc(size_t n, size_t size)
{
    return atomic_load(&curl_fails_now) ? NULL : calloc(n, size);
}

static void *curl_grow(void *old, size_t size)
{
    return atomic_load(&curl_fails_now) ? NULL : realloc(old, size);
}

static char *curl_copy(const char *text)
{
    return atomic_load(&curl_fails_now) ? NULL : strdup(text);
}

__attribute__((constructor)) static void begin_curl(void)
{
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_alloc, free, curl_grow, curl_copy, curl_zalloc);
}

TEST(hooks, answer_with_nothing_without_memory_to_ask)
{
    begin("{}", 0);
    atomic_store(&curl_fails_now, 1);
    assert_false(is_answered());
    assert_int_equal(times_logged("hook_failed: rpc, "), 1);
    assert_int_equal(times_logged("out of memory"), 1);
    struct hooks *more = NULL;
    char why[HOOK_WHY];
    assert_int_equal(hooks_new(&more, &(struct hooks_config){ .timeout_ms = 1 }, why), DUET_ERR_NOMEM);
    assert_string_equal(why, duet_strerror(DUET_ERR_NOMEM));
    atomic_store(&curl_fails_now, 0);
    assert_true(is_answered());
    end();
}

TEST(hooks, take_no_question_without_memory)
{
    begin("{}", 0);
    forget_answers();
    for (unsigned long n = 0; n < 3; n++) { /* itself, its fields, its body */
        mem_fail(n, false);
        int rc = ask_kind(HOOK_RPC, 0, "{}", "A: b\r\n");
        mem_fail_end();
        assert_int_equal(rc, DUET_ERR_NOMEM);
        assert_int_equal(stats().waiting, 0);
    }
    ask(0);
    TURN_UNTIL_HOLDS(answered == 1);
    struct buf b;
    buf_init(&b, NULL, 0);
    b.failed = true;
    struct hook_question q = { .kind = HOOK_RPC, .body = &b, .server = wire.server, .done = done };
    assert_int_equal(hooks_ask(hooks, &q), DUET_ERR_NOMEM);
    end();
    struct hooks *none = NULL;
    char why[HOOK_WHY];
    mem_fail(0, false);
    assert_int_equal(hooks_new(&none, &(struct hooks_config){ .timeout_ms = 1 }, why), DUET_ERR_NOMEM);
    mem_fail_end();
    assert_null(none);
    hooks_stop(NULL);
    hooks_free(NULL);
}

/* Events. */

static void tell(uint64_t time_ms)
{
    hooks_tell(hooks, &(struct hook_event){ .type = "leave", .time_ms = time_ms });
}

static void begin_events(const char *in)
{
    backend_begin_at("/ask", "{}");
    hooks_begin((struct hooks_config){ .events_url = events_url, .folder = in, .retry_ms = 20 });
}

TEST(hooks, tell_events_until_they_are_taken)
{
    char first[2000];
    begin_events(NULL);
    backend.status = 500;
    tell(1);
    TURN_UNTIL_HOLDS(backend.asked == 3);
    strcpy(first, backend.body);
    assert_non_null(strstr(first, "-1\",\"type\":\"leave\",\"time\":1}]}"));
    assert_int_equal(stats().events_waiting, 1);
    assert_int_equal(stats().events_told, 0);
    tell(2);
    backend.status = 200;
    TURN_UNTIL_HOLDS(stats().events_told == 2);
    assert_int_equal(stats().events_waiting, 0);
    assert_int_equal(times_logged("events_not_taken"), 1);
    assert_int_equal(times_logged("events_taken"), 1);
    /* Without a failure it says nothing more. */
    tell(3);
    TURN_UNTIL_HOLDS(stats().events_told == 3);
    assert_non_null(strstr(backend.body, "-3\",\"type\":\"leave\",\"time\":3}]}"));
    end();
    assert_int_equal(times_logged("events_taken"), 1);
}

/* A backend that takes everything, on a thread of its own. */
static struct {
    int fd;
    char bodies[20000];
} taker;

static void take_one(int peer)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    char request[20000];
    size_t have = 0;
    ssize_t n;
    while (have < sizeof(request) - 1 && (n = recv(peer, request + have, sizeof(request) - 1 - have, 0)) > 0) {
        have += (size_t)n;
        request[have] = '\0';
        const char *body = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length: ");
        if (body != NULL && have - (size_t)(body + 4 - request) == strtoul(length + 16, NULL, 10)) {
            strcat(taker.bodies, body + 4);
            send(peer, ok, sizeof(ok) - 1, MSG_NOSIGNAL);
            break;
        }
    }
    close(peer);
}

static void *take_all(void *unused)
{
    (void)unused;
    int peer;
    while ((peer = accept(taker.fd, NULL, NULL)) >= 0)
        take_one(peer);
    return NULL;
}

static pthread_t begin_taker(void)
{
    pthread_t thread;
    taker.bodies[0] = '\0';
    taker.fd = listen_bare();
    strcpy(events_url, url);
    assert_int_equal(pthread_create(&thread, NULL, take_all, NULL), 0);
    return thread;
}

static void end_taker(pthread_t thread)
{
    shutdown(taker.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(taker.fd);
}

TEST(hooks, tell_what_is_left_when_they_stop)
{
    pthread_t thread = begin_taker();
    hooks_begin((struct hooks_config){ .events_url = events_url });
    for (uint64_t n = 1; n <= 250; n++) /* more than two batches */
        tell(n);
    hooks_stop(hooks);
    assert_int_equal(stats().events_waiting, 0);
    assert_int_equal(stats().events_told, 250);
    hooks_free(hooks);
    end_taker(thread);
    const char *at = taker.bodies;
    for (int n = 1; n <= 250; n++) {
        char time[32];
        snprintf(time, sizeof(time), "\"time\":%d}", n);
        at = strstr(at, time);
        assert_non_null(at);
    }
}

TEST(hooks, leave_to_the_next_start_what_nobody_takes)
{
    make_folder();
    close(listen_bare());
    strcpy(events_url, url);
    hooks_begin((struct hooks_config){ .events_url = events_url, .folder = folder });
    tell(1);
    hooks_stop(hooks); /* it is tried, and that is all */
    assert_int_equal(stats().events_waiting, 1);
    tell(2); /* as who leaves with the servers */
    assert_int_equal(stats().events_waiting, 2);
    hooks_free(hooks);
    begin_events(folder);
    TURN_UNTIL_HOLDS(stats().events_told == 2);
    assert_non_null(strstr(backend.body, "-1\",\"type\":\"leave\",\"time\":1},{"));
    assert_non_null(strstr(backend.body, "-2\",\"type\":\"leave\",\"time\":2}]}"));
    end();
    remove_folder(folder);
}

TEST(hooks, break_a_batch_off_that_the_backend_does_not_answer_when_they_stop)
{
    backend_begin_at("/ask", NULL);
    backend.status = 0;
    hooks_begin((struct hooks_config){ .events_url = events_url, .timeout_ms = 300 });
    tell(1);
    TURN_UNTIL_HOLDS(backend.asked == 1);
    uint64_t began = clock_ms();
    hooks_stop(hooks);
    assert_true(clock_ms() - began < 10000);
    assert_int_equal(stats().events_waiting, 1);
    wire_stop();
    hooks_free(hooks);
}

TEST(hooks, do_not_begin_without_their_folder)
{
    struct hooks *none = NULL;
    char why[HOOK_WHY];
    assert_int_equal(
        hooks_new(&none, &(struct hooks_config){ .events_url = "http://a/", .folder = "/nowhere/at/all" }, why),
        -ENOENT);
    assert_non_null(strstr(why, "/nowhere/at/all/outbox.sqlite: No such file"));
    assert_null(none);
}

TEST(hooks, tell_nobody_who_wants_to_hear_nothing)
{
    begin("{}", 0);
    tell(1);
    hooks_tell(NULL, &(struct hook_event){ .type = "leave" });
    assert_int_equal(stats().events_waiting, 0);
    assert_true(is_answered());
    end();
    assert_int_equal(backend.asked, 1);
}
