/* SPDX-License-Identifier: MIT */
/* How a client ends: what its callbacks do (CLS-1), over each kind of stream; and at each step of a TLS handshake. */
#include "test.h"
#include "cert.h"
#include "base/clock.h"
#include "client/client.h"
#include "turn.h"
#include <arpa/inet.h>
#include <duet/duet.h>
#include <errno.h>
#include <unistd.h>

enum kind { WS, UNIX, TLS, KINDS };

static duet_loop *loop;
static duet_server *server;
static duet_tls *tls;
static duet_client *client;
static char folder[] = "/tmp/duet-closing-XXXXXX", cert_path[64], key_path[64], url[100];
static uint8_t large[64 * 1024];

static struct {
    unsigned opened, messages, pongs, drains, closed, failed;
    duet_conn *conn;
} told;

/* What a callback does, and in which. */
enum action {
    SEND,
    SEND_LARGE,
    CLOSE,
    ABORT,
    PING,
    PAUSE,
    PARTS,
    CLOSE_AND_FREE,
    FREE,
    CONNECT,
    ALL_AFTER_ABORT,
    ACTIONS
};
enum moment { IN_OPEN, IN_MESSAGE, IN_PONG, IN_DRAIN, IN_CLOSE, IN_TIMER, IN_TRACE, MOMENTS };
static enum action act;
static enum moment when;
static bool acted;
static duet_client *second;

static void free_it(duet_client *cl)
{
    if (cl == client)
        client = NULL;
    duet_client_free(cl);
}

static void connect_another(void)
{
    if (second != NULL)
        return;
    duet_client_config c = { DUET_CLIENT_CONFIG_INIT, .url = url, .insecure = true };
    assert_int_equal(duet_connect(&second, loop, &c, NULL), 0);
}

static void all_after_abort(duet_conn *c)
{
    duet_close(c, 1000, "bye");
    duet_abort(c);
    duet_close(c, 1000, "bye");
    assert_int_equal(duet_send(c, DUET_TEXT, "late", 4), DUET_ERR_CLOSED);
    assert_int_equal(duet_ping(c), DUET_ERR_CLOSED);
    duet_pause(c);
    duet_resume(c);
    duet_abort(c);
    assert_null(duet_client_conn(duet_client_of(c)));
}

static void parts(duet_conn *c)
{
    duet_send_begin(c, DUET_TEXT);
    duet_send_part(c, "half", 4, false);
    duet_close(c, 1000, "");
    duet_send_part(c, "half", 4, true);
}

static void run(duet_conn *c)
{
    switch (act) {
    case SEND:
        duet_send(c, DUET_TEXT, "more", 4);
        break;
    case SEND_LARGE:
        duet_send(c, DUET_BINARY, large, sizeof(large));
        break;
    case CLOSE:
        duet_close(c, 1000, "");
        break;
    case ABORT:
        duet_abort(c);
        break;
    case PING:
        duet_ping(c);
        break;
    case PAUSE:
        duet_pause(c);
        duet_resume(c);
        break;
    case PARTS:
        parts(c);
        break;
    case CLOSE_AND_FREE:
        duet_close(c, 1000, "");
        free_it(duet_client_of(c));
        break;
    case FREE:
        free_it(duet_client_of(c));
        break;
    case CONNECT:
        connect_another();
        break;
    default:
        all_after_abort(c);
    }
}

static void act_in(duet_conn *c, enum moment moment)
{
    if (moment != when || acted)
        return;
    acted = true;
    run(c);
}

static void on_open(duet_conn *c)
{
    told.opened++;
    told.conn = c;
    duet_send(c, DUET_TEXT, "x", 1);
    duet_ping(c);
    duet_send(c, DUET_BINARY, large, sizeof(large));
    act_in(c, IN_OPEN);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)m;
    told.messages++;
    act_in(c, IN_MESSAGE);
}

static void on_pong(duet_conn *c, unsigned rtt_us)
{
    (void)rtt_us;
    told.pongs++;
    act_in(c, IN_PONG);
}

static void on_drain(duet_conn *c)
{
    told.drains++;
    act_in(c, IN_DRAIN);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)why;
    told.closed++;
    assert_int_equal(duet_send(c, DUET_TEXT, "x", 1), DUET_ERR_CLOSED);
    act_in(c, IN_CLOSE);
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl, (void)f;
    told.failed++;
}

/* A trace is no place to end a connection; everything else may be asked and sent. */
static void on_trace(duet_conn *c, const duet_trace *f)
{
    (void)f;
    if (told.opened > 0 && (act == SEND || act == PAUSE || act == CONNECT))
        act_in(c, IN_TRACE);
}

static void on_timer(void *arg)
{
    (void)arg;
    act_in(told.conn, IN_TIMER);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static void begin(enum kind kind)
{
    char listen[100], why[200] = "";
    memset(&told, 0, sizeof(told));
    client = second = NULL;
    acted = false;
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(cert_path, sizeof(cert_path), "%s/cert", folder);
    snprintf(key_path, sizeof(key_path), "%s/key", folder);
    snprintf(listen, sizeof(listen), "unix:%s/ws", folder);
    tls = NULL;
    if (kind == TLS) {
        cert_make(cert_path, key_path, "IP:127.0.0.1");
        assert_int_equal(duet_tls_new(&tls, (const char *[]){ cert_path }, (const char *[]){ key_path }, 1, why), 0);
    }
    assert_int_equal(duet_loop_new(&loop), 0);
    duet_server_config c = { DUET_SERVER_CONFIG_INIT,
                             .listen = kind == UNIX ? listen : kind == TLS ? "wss://127.0.0.1:0" : "ws://127.0.0.1:0",
                             .on = { .message = echo }, .tls = tls };
    if (duet_server_new(&server, &c, why) < 0)
        fail_msg("%s", why);
    assert_int_equal(duet_server_attach(server, loop), 0);
    snprintf(url, sizeof(url), kind == TLS ? "wss://127.0.0.1:%u" : "ws://127.0.0.1:%u", duet_server_port(server, 0));
    if (kind == UNIX)
        strcpy(url, listen);
}

static void end(void)
{
    duet_client_free(client);
    duet_client_free(second);
    duet_server_free(server);
    duet_tls_free(tls);
    duet_loop_free(loop);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
}

static duet_client_config config(void)
{
    return (duet_client_config){
        DUET_CLIENT_CONFIG_INIT,
        .url = url,
        .on = { .open = on_open, .message = on_message, .pong = on_pong, .drain = on_drain, .close = on_close },
        .failed = on_failed,
        .ca = tls != NULL ? cert_path : NULL,
        .trace = on_trace,
        .queue_soft = 32 * 1024, /* `drain` comes after `large` */
    };
}

static void act_once(enum kind kind)
{
    begin(kind);
    duet_client_config c = config();
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    duet_timer *timer = duet_timer_new(loop, on_timer, NULL);
    TURN_UNTIL(told.opened);
    if (when == IN_TIMER && !told.closed)
        duet_timer_set(timer, 0);
    /* Both messages and the pong come, unless it ended. */
    TURN_UNTIL(told.closed || (told.messages >= 2 && told.pongs > 0 && told.drains > 0 &&
                               (acted || when == IN_CLOSE || when == IN_TRACE)));
    if (!told.closed)
        duet_close(told.conn, 1000, "");
    TURN_UNTIL(told.closed);
    if (when != IN_TRACE)
        assert_true(acted);
    duet_timer_free(timer);
    end();
    assert_int_equal(told.closed, 1);
    assert_int_equal(told.failed, 0);
}

static void matrix(enum kind kind)
{
    for (when = 0; when < MOMENTS; when++)
        for (act = 0; act < ACTIONS; act++)
            act_once(kind);
}

TEST(client_closing, cls_1_anything_may_be_done_in_each_callback_and_close_comes_once)
{
    matrix(WS);
}

TEST(client_closing, cls_1_the_same_over_a_socket_file)
{
    matrix(UNIX);
}

TEST(client_closing, cls_1_the_same_over_tls)
{
    matrix(TLS);
}

/* The server of the same loop leaves while the client is in its callback. */
static void drain_server_on_message(duet_conn *c, const duet_msg *m)
{
    (void)c, (void)m;
    if (told.messages++ == 0)
        duet_server_drain(server);
}

TEST(client_closing, cls_1_its_server_may_be_drained_inside_its_callback)
{
    for (enum kind kind = WS; kind < KINDS; kind++) {
        begin(kind);
        when = MOMENTS;
        duet_client_config c = config();
        c.on.message = drain_server_on_message;
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        TURN_UNTIL(told.closed);
        end();
        assert_int_equal(told.closed, 1);
        assert_int_equal(told.failed, 0);
    }
}

/* In `failed`: free, and connect anew. */
static void in_failed(duet_client *cl, const duet_failure *f)
{
    on_failed(cl, f);
    connect_another();
    if (act == FREE)
        free_it(cl);
}

TEST(client_closing, cls_1_in_failed)
{
    for (enum kind kind = WS; kind < KINDS; kind++)
        for (int which = 0; which < 2; which++) {
            begin(kind);
            act = which ? FREE : SEND;
            duet_client_config c = config();
            c.failed = in_failed;
            c.url = "unix:/nonexistent/socket";
            c.retry = true;
            c.retry_first_ms = c.retry_most_ms = 10000;
            assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
            TURN_UNTIL(told.failed);
            TURN_UNTIL(duet_client_conn(second) != NULL);
            end();
            assert_int_equal(told.failed, 1);
        }
}

/* Between client and server: what passes is counted, and stops at a byte. */
static struct {
    int listener, ours, theirs; /* the client's side, the server's side */
    size_t passed, most;
} relay;

static int open_socket(unsigned port, bool listens)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (listens ? SOCK_NONBLOCK : 0), 0);
    if (listens) {
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
        assert_int_equal(listen(fd, 4), 0);
    } else {
        assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    }
    return fd;
}

static void relay_begin(size_t most)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    relay.listener = open_socket(0, true);
    relay.theirs = open_socket(duet_server_port(server, 0), false);
    relay.ours = -1;
    relay.passed = 0;
    relay.most = most;
    getsockname(relay.listener, (struct sockaddr *)&at, &len);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%u", ntohs(at.sin_port));
}

static void pass(int from, int to)
{
    uint8_t data[4096];
    size_t most = relay.most - relay.passed;
    ssize_t n = most > 0 ? recv(from, data, most < sizeof(data) ? most : sizeof(data), MSG_DONTWAIT) : 0;
    if (n <= 0)
        return;
    relay.passed += (size_t)n;
    send(to, data, (size_t)n, MSG_NOSIGNAL);
}

static void relay_turn(void)
{
    duet_loop_turn(loop, 0);
    if (relay.ours < 0)
        relay.ours = accept4(relay.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (relay.ours < 0)
        return;
    pass(relay.ours, relay.theirs);
    pass(relay.theirs, relay.ours);
}

static void relay_end(void)
{
    close(relay.listener);
    close(relay.theirs);
    if (relay.ours >= 0)
        close(relay.ours);
}

static void free_by_timer(void *arg)
{
    (void)arg;
    duet_client_free(client);
    client = NULL;
}

enum cut { BY_TIMER, BY_SERVER, BY_RESET, BY_FIN, BY_DEADLINE, CUTS };

static void cut_now(enum cut how, duet_timer *timer)
{
    static const struct linger reset = { .l_onoff = 1 };
    switch (how) {
    case BY_TIMER:
        duet_timer_set(timer, 0);
        break;
    case BY_SERVER:
        duet_server_free(server);
        server = NULL;
        relay.most = SIZE_MAX; /* its end may pass */
        shutdown(relay.ours, SHUT_WR);
        break;
    case BY_RESET:
        setsockopt(relay.ours, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(relay.ours);
        relay.ours = -1;
        close(relay.listener);
        relay.listener = open_socket(0, true);
        break;
    case BY_FIN:
        shutdown(relay.ours, SHUT_WR);
        break;
    default:
        break; /* nothing comes any more, and its time is over */
    }
}

/* The handshake, the request and the first messages, as far as `most` bytes. Returns how many passed. */
static size_t cut_at(size_t most, enum cut how)
{
    begin(TLS);
    when = MOMENTS;
    relay_begin(most);
    duet_client_config c = config();
    c.ca = cert_path;
    c.open_ms = how == BY_DEADLINE ? 40 : DUET_OFF;
    c.close_ms = c.stall_ms = 100;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    duet_timer *timer = duet_timer_new(loop, free_by_timer, NULL);
    /* Until nothing passes: the budget is used up, or both wait. */
    for (int i = 0; (i < 5000 && relay.passed < most && told.messages < 1) || relay.ours < 0; i++)
        relay_turn();
    size_t passed = relay.passed;
    cut_now(how, timer);
    if (how == BY_DEADLINE && told.opened)
        duet_abort(told.conn);
    for (uint64_t until = clock_ms() + 10000; told.failed + told.closed == 0;) {
        assert_true(clock_ms() < until);
        relay_turn();
    }
    assert_int_equal(told.closed, told.opened);
    duet_timer_free(timer);
    relay_end();
    end();
    assert_int_equal(told.failed + told.closed, 1);
    return passed;
}

/* TLS-4: the ends come in every order; ASan looks on. */
TEST(client_closing, tls_3_and_4_the_end_comes_at_each_step_of_the_handshake)
{
    enum { STEP = 97 };
    size_t whole = cut_at(SIZE_MAX, BY_TIMER);
    assert_true(whole > 1000);
    for (enum cut how = 0; how < CUTS; how++)
        for (size_t most = 0; most < 3000; most += how == BY_DEADLINE ? 10 * STEP : STEP)
            cut_at(most, how);
}
