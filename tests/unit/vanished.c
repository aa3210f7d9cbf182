/* SPDX-License-Identifier: MIT */
/* Peers that are gone without a word, and control frames when a queue is full, over real sockets. */
#include "attached.h"
#include <netinet/tcp.h>

enum { PEERS = 40, TURNS_MOST = 2000 };

static int closes, last_error;

static void count_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    closes++;
    last_error = why->error;
}

static void start(duet_server_config config)
{
    config.on.close = count_close;
    closes = last_error = 0;
    attach(config);
}

static int dial_small(duet_conn **c)
{
    return dial_websocket(c, 4096);
}

TEST(vanished, net_7_peers_that_answer_no_ping_are_let_go)
{
    start((duet_server_config){ .ping_ms = 20, .pong_ms = 20 });
    int fd[PEERS];
    duet_conn *c;
    for (int i = 0; i < PEERS; i++)
        fd[i] = dial_small(&c); /* nobody reads them from here on */
    unsigned ms = 0;
    socklen_t len = sizeof(ms);
    assert_int_equal(getsockopt(c->stream.watch.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len), 0);
    assert_int_equal(ms, 40);
    for (int i = 0; i < TURNS_MOST && closes < PEERS; i++)
        duet_loop_turn(loop, 10);
    assert_int_equal(closes, PEERS);
    assert_int_equal(last_error, DUET_ERR_TIMEOUT);
    assert_int_equal(server->loops[0].reasons[DUET_REASON_pong_timeout], PEERS);
    assert_int_equal(server->loops[0].websockets, 0); /* CLS-11 */
    for (int i = 0; i < PEERS; i++)
        close(fd[i]);
    detach();
}

TEST(vanished, tim_1_no_deadline_outlives_its_connection)
{
    start((duet_server_config){ .ping_ms = 5, .pong_ms = 5, .close_ms = 5, .idle_ms = 5, .stall_ms = 5 });
    for (int i = 0; i < 60; i++) {
        duet_conn *c;
        int fd = dial_small(&c);
        if (i % 3 == 0)
            duet_close(c, 1000, NULL);
        else if (i % 3 == 1)
            duet_abort(c);
        close(fd);
        duet_loop_turn(loop, i % 4);
    }
    for (int i = 0; i < TURNS_MOST && server->loops[0].conns > 0; i++)
        duet_loop_turn(loop, 10);
    assert_int_equal(server->loops[0].conns, 0);
    assert_int_equal(atomic_load(&server->connections), 0);
    detach();
}

TEST(vanished, cls_10_an_id_is_never_that_of_another_connection)
{
    start((duet_server_config){ 0 });
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        duet_conn *c;
        int fd = dial_small(&c);
        uint64_t id = duet_id(c);
        assert_ptr_equal(duet_conn_find(server, id), c);
        assert_true(id != before); /* the slot is the same */
        assert_null(duet_conn_find(server, before));
        assert_int_equal(duet_send_to(server, before, DUET_TEXT, "late", 4), 0); /* goes to nobody */
        before = id;
        duet_abort(c);
        for (int k = 0; k < 10 && server->loops[0].conns > 0; k++)
            duet_loop_turn(loop, 1);
        assert_null(duet_conn_find(server, id));
        close(fd);
    }
    detach();
}

TEST(vanished, mem_4_a_ping_is_answered_though_the_queue_is_full)
{
    static uint8_t payload[300000], taken[65536];
    start((duet_server_config){ .queue_max = 200000, .queue_soft = 400000, .when_full = DUET_FULL_REFUSE });
    duet_conn *c;
    int fd = dial_small(&c);
    size_t queued = 0;
    for (int still = 0; still < 20; still++) { /* until the socket takes no more */
        if (duet_queued(c) != queued || duet_send(c, DUET_BINARY, payload, sizeof(payload)) == 0)
            still = 0;
        queued = duet_queued(c);
        duet_loop_turn(loop, 1);
    }
    assert_int_equal(duet_send(c, DUET_BINARY, payload, sizeof(payload)), DUET_ERR_FULL);
    assert_true(queued > 200000);
    uint64_t total = c->counts[COUNT_BYTES_OUT] + duet_queued(c);
    assert_int_equal(send(fd, "\x89\x84\0\0\0\0ping", 10, 0), 10);
    for (int i = 0; i < 100 && c->counts[COUNT_BYTES_OUT] + duet_queued(c) == total; i++)
        duet_loop_turn(loop, 5);
    assert_int_equal(c->counts[COUNT_BYTES_OUT] + duet_queued(c), total + 6);
    /* All of it arrives, the pong last. */
    uint8_t last[6] = { 0 };
    for (int i = 0; i < 1000000 && memcmp(last, "\x8a\x04ping", 6) != 0; i++) {
        duet_loop_turn(loop, 1);
        ssize_t n = recv(fd, taken, sizeof(taken), MSG_DONTWAIT);
        if (n >= 6)
            memcpy(last, taken + n - 6, 6);
    }
    assert_memory_equal(last, "\x8a\x04ping", 6);
    close(fd);
    detach();
}
