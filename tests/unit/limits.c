/* SPDX-License-Identifier: MIT */
/* Each limit of the server's config at -1, 0 and +1, over real sockets. Those of messages are in proto.c, those of
 * queues and topics in topic.c. */
#include "attached.h"
#include <malloc.h>

static unsigned messages;

static void count_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    (void)m;
    messages++;
}

static void say_ok(duet_http *x, const duet_request *r)
{
    size_t len;
    duet_request_body(r, &len);
    duet_http_text(x, 200, len > 0 ? "body" : "ok");
}

static const duet_route routes[] = {
    { .path = "/ws/", .websocket = true },
    { .path = "/", .methods = "GET, POST", .http = say_ok },
    { .path = NULL },
};

static void start(duet_server_config config)
{
    config.routes = routes;
    config.on.message = count_message;
    messages = 0;
    attach(config);
}

/* Sends in steps and returns the status of the first answer; 0: the connection ended without one. */
static unsigned ask(int fd, const char *request, size_t len, size_t step)
{
    char answer[4096];
    size_t have = 0;
    for (size_t at = 0; at < len; at += step) {
        if (send(fd, request + at, len - at < step ? len - at : step, MSG_NOSIGNAL) < 0)
            break;
        duet_loop_turn(loop, 0);
    }
    for (int i = 0; i < 2000 && have < 12; i++) {
        duet_loop_turn(loop, 1);
        ssize_t n = recv(fd, answer + have, sizeof(answer) - 1 - have, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    answer[have] = 0;
    return have < 12 ? 0 : (unsigned)strtoul(answer + 9, NULL, 10);
}

static unsigned ask_once(const char *request, size_t len, size_t step)
{
    int fd = dial();
    unsigned status = ask(fd, request, len, step);
    close(fd);
    return status;
}

/* A head of exactly `size` bytes. */
static size_t head_of(char *to, size_t size)
{
    size_t n = (size_t)sprintf(to, "GET / HTTP/1.1\r\nHost: a\r\n");
    while (size - n > 1000 + 8)
        n += (size_t)sprintf(to + n, "X: %0991d\r\n", 0);
    n += (size_t)sprintf(to + n, "X: ");
    memset(to + n, 'y', size - n - 4);
    memcpy(to + size - 4, "\r\n\r\n", 4);
    return size;
}

TEST(limits, http_3_bytes_of_a_head)
{
    static char request[20000];
    start((duet_server_config){ .head_max = 4000 });
    for (size_t size = 3999; size <= 4001; size++)
        for (size_t step = 1000; step <= 10000; step *= 10)
            assert_int_equal(ask_once(request, head_of(request, size), step), size <= 4000 ? 200 : 431);
    detach();
    start((duet_server_config){ 0 });
    for (size_t size = 16383; size <= 16385; size++)
        assert_int_equal(ask_once(request, head_of(request, size), 20000), size <= 16384 ? 200 : 431);
    detach();
}

TEST(limits, http_3_fields_of_a_head)
{
    start((duet_server_config){ .fields_max = 10 });
    for (int fields = 9; fields <= 11; fields++) {
        char request[1000];
        int n = sprintf(request, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < fields; i++)
            n += sprintf(request + n, "X: y\r\n");
        n += sprintf(request + n, "\r\n");
        assert_int_equal(ask_once(request, (size_t)n, 1000), fields <= 10 ? 200 : 431);
        assert_int_equal(ask_once(request, (size_t)n, 7), fields <= 10 ? 200 : 431);
    }
    detach();
}

TEST(limits, http_3_bytes_of_a_target)
{
    start((duet_server_config){ .target_max = 100 });
    for (int size = 99; size <= 101; size++) {
        char request[1000];
        int n = sprintf(request, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", size - 1, 0);
        assert_int_equal(ask_once(request, (size_t)n, 1000), size <= 100 ? 200 : 414);
        assert_int_equal(ask_once(request, (size_t)n, 3), size <= 100 ? 200 : 414);
    }
    detach();
}

TEST(limits, bytes_of_a_body)
{
    start((duet_server_config){ .body_max = 50 });
    for (int size = 49; size <= 51; size++) {
        char request[1000];
        int n = sprintf(request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d", size, size, 0);
        assert_int_equal(ask_once(request, (size_t)n, 1000), size <= 50 ? 200 : 413);
        n = sprintf(request, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%0*d\r\n0\r\n\r\n",
                    size, size, 0);
        assert_int_equal(ask_once(request, (size_t)n, 1000), size <= 50 ? 200 : 413);
        assert_int_equal(ask_once(request, (size_t)n, 5), size <= 50 ? 200 : 413);
    }
    detach();
}

static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(limits, connections_in_all_and_of_an_address)
{
    for (int each = 0; each < 2; each++) {
        if (each)
            start((duet_server_config){ .per_address_max = 3 });
        else
            start((duet_server_config){ .connections_max = 3 });
        int fd[3];
        for (int i = 0; i < 3; i++) {
            fd[i] = dial();
            assert_int_equal(ask(fd[i], get, sizeof(get) - 1, 1000), 200);
        }
        assert_int_equal(ask_once(get, sizeof(get) - 1, 1000), each ? 0 : 503);
        assert_int_equal(server->loops[0].reasons[each ? DUET_REASON_per_address : DUET_REASON_connections], 1);
        close(fd[1]); /* one leaves: there is room again */
        for (int i = 0; i < 2000 && server->loops[0].conns > 2; i++)
            duet_loop_turn(loop, 1);
        assert_int_equal(ask_once(get, sizeof(get) - 1, 1000), 200);
        close(fd[0]);
        close(fd[2]);
        detach();
    }
}

TEST(limits, newcomers_of_a_second)
{
    start((duet_server_config){ .accepts_per_s = 5 });
    unsigned taken = 0;
    uint64_t second = loop->now_ms;
    for (int i = 0; i < 8; i++)
        taken += ask_once(get, sizeof(get) - 1, 1000) == 200;
    if (loop->now_ms - second < 1000) { /* else the machine stood still, and there were two seconds */
        assert_int_equal(taken, 5);
        assert_int_equal(server->loops[0].reasons[DUET_REASON_accept_rate], 3);
    }
    detach();
}

TEST(limits, requests_of_a_connection)
{
    start((duet_server_config){ .requests_max = 3 });
    int fd = dial();
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(fd, get, sizeof(get) - 1, 1000), 200);
    assert_int_equal(ask(fd, get, sizeof(get) - 1, 1000), 0);
    close(fd);
    detach();
}

static int open_websocket(void)
{
    static const char request[] = ATTACHED_REQUEST("/ws/");
    int fd = dial();
    assert_int_equal(ask(fd, request, sizeof(request) - 1, 1000), 101);
    return fd;
}

TEST(limits, messages_of_a_second)
{
    start((duet_server_config){ .messages_per_s = 10 });
    int fd = open_websocket();
    uint8_t wire[21 * 7];
    for (int i = 0; i < 21; i++)
        memcpy(wire + i * 7, "\x81\x81\0\0\0\0x", 7);
    uint64_t began = loop->now_ms;
    assert_int_equal(send(fd, wire, 20 * 7, 0), 20 * 7); /* a burst of twice the rate */
    for (int i = 0; i < 50 && messages < 20; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(messages, 20);
    assert_int_equal(server->loops[0].reasons[DUET_REASON_rate], 0);
    assert_int_equal(send(fd, wire, 7, 0), 7);
    for (int i = 0; i < 50 && server->loops[0].websockets > 0; i++)
        duet_loop_turn(loop, 1);
    if (loop->now_ms - began < 100) { /* else another message was due by then */
        assert_int_equal(messages, 20);
        assert_int_equal(server->loops[0].reasons[DUET_REASON_rate], 1);
    }
    close(fd);
    detach();
}

TEST(limits, http_1_a_half_open_head_keeps_little)
{
    start((duet_server_config){ 0 });
    int fd = dial();
    const char *part = "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nX-";
    assert_int_equal(send(fd, part, strlen(part), 0), strlen(part));
    duet_conn *c = NULL;
    for (int i = 0; i < 50 && (c == NULL || conn_busy(c)->parked == NULL); i++) {
        duet_loop_turn(loop, 1);
        c = server_slot(&server->loops[0], 0);
    }
    assert_non_null(c);
    assert_non_null(conn_busy(c)->parked);
    /* 10,000 of them stay below 10 MiB over idle ones. */
    assert_true(malloc_usable_size(conn_busy(c)->parked) + malloc_usable_size(conn_busy(c)->stash) < 1024);
    assert_null(conn_http(c));
    close(fd);
    detach();
}

TEST(limits, http_1_a_dribbled_head_gets_408_and_a_silent_peer_nothing)
{
    start((duet_server_config){ .open_ms = 20 });
    int fd = dial(), silent = dial();
    assert_int_equal(ask(fd, "GET / HT", 8, 1), 408);
    assert_int_equal(ask(silent, "", 0, 1), 0);
    assert_int_equal(server->loops[0].reasons[DUET_REASON_open_timeout], 2);
    close(fd);
    close(silent);
    detach();
}
