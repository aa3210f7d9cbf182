/* SPDX-License-Identifier: MIT */
/* A publication goes from where it lies straight to the sockets of members who are idle; what a socket does not take
 * waits, and nothing is lost or comes twice. */
#include "base/mem.h"
#include "attached.h"

enum { FOR_EVER = 1000000 };

static struct {
    size_t takes; /* bytes that a write takes, once; then there are `blocks` */
    unsigned blocks;
    int error;  /* what a write fails with */
    bool keeps; /* as TLS may: all is taken, and waits inside until the next call */
    bool pending;
    unsigned writes;
} socket_does;

static struct stream_ops odd_ops;
static struct stream_kind odd = { .ops = &odd_ops };
static unsigned closes, frames_seen;
static int error_of_last;

static ssize_t odd_write(struct stream *s, const struct iovec *iov, int count)
{
    socket_does.writes++;
    socket_does.pending = false;
    if (socket_does.error != 0)
        return socket_does.error;
    if (count == 0)
        return 0;
    if (socket_does.keeps) {
        socket_does.keeps = false;
        socket_does.pending = true;
        return stream_tcp_ops.write(s, iov, count);
    }
    if (socket_does.takes > 0) {
        struct iovec few = { iov->iov_base, iov->iov_len < socket_does.takes ? iov->iov_len : socket_does.takes };
        socket_does.takes = 0;
        return stream_tcp_ops.write(s, &few, 1);
    }
    if (socket_does.blocks > 0) {
        socket_does.blocks--;
        return -EAGAIN;
    }
    return stream_tcp_ops.write(s, iov, count);
}

static bool odd_pending(const struct stream *s)
{
    (void)s;
    return socket_does.pending;
}

static void join(duet_conn *c)
{
    assert_int_equal(duet_subscribe(c, "all"), 0);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    closes++;
    error_of_last = why->error;
}

static void on_trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    frames_seen += frame->sent;
}

static void start(duet_server_config config)
{
    config.on = (duet_handler){ .open = join, .close = on_close };
    config.ping_ms = DUET_OFF;
    attach(config);
    closes = frames_seen = 0;
    error_of_last = 0;
    memset(&socket_does, 0, sizeof(socket_does));
    odd_ops = stream_tcp_ops;
    odd_ops.write = odd_write;
    odd_ops.pending = odd_pending;
    odd.tls = false;
}

/* A member whose socket does what `socket_does` says. */
static int dial_odd(duet_conn **c)
{
    int fd = dial_websocket(c, 0);
    duet_loop_turn(loop, 0);
    assert_null((*c)->proto.busy);
    (*c)->stream.as = &odd;
    return fd;
}

static const uint8_t *payload_of(size_t len)
{
    static uint8_t bytes[100000];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return bytes;
}

static size_t publish(size_t len)
{
    assert_int_equal(duet_publish(server, "all", DUET_BINARY, payload_of(len), len), 0);
    return len + (len < 126 ? 2 : len < 65536 ? 4 : 10);
}

static void expect_frame(int fd, size_t len)
{
    static uint8_t got[100020];
    size_t head = len < 126 ? 2 : len < 65536 ? 4 : 10;
    receive(fd, got, head + len);
    assert_int_equal(got[0], 0x82);
    assert_memory_equal(got + head, payload_of(len), len);
}

static void expect_counted(duet_conn *c, uint64_t messages, uint64_t bytes)
{
    duet_conn_stats of_conn;
    duet_server_stats of_server;
    duet_conn_read_stats(c, &of_conn);
    duet_server_read_stats(server, &of_server);
    assert_int_equal(of_conn.messages_out, messages);
    assert_int_equal(of_conn.bytes_out, bytes);
    assert_int_equal(of_server.messages_out, messages);
    assert_int_equal(of_server.bytes_out, bytes);
}

static void end(int fd)
{
    close(fd);
    detach();
}

TEST(straight, an_idle_member_gets_it_without_memory_for_it)
{
    static const size_t lens[] = { 0, 16, 125, 126, 512, 513, 5000, 65536 };
    start((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_odd(&c);
    struct chunk_pool *pool = &server->loops[0].host.pool;
    chunk_pool_fini(pool); /* no busy part, no chunk */
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        unsigned before = socket_does.writes;
        publish(lens[i]);
        mem_fail(0, true);
        duet_loop_turn(loop, 0);
        assert_int_equal(mem_fail_end(), 0);
        assert_null(c->proto.busy);
        assert_int_equal(socket_does.writes, before + 1);
        expect_frame(fd, lens[i]);
    }
    end(fd);
}

TEST(straight, what_the_socket_does_not_take_follows_wherever_it_is_cut)
{
    static const size_t lens[] = { 0, 1, 125, 300, 508, 509, 700 }; /* copied into a queue, and by reference */
    start((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_odd(&c);
    uint64_t messages = 0, bytes = c->counts[COUNT_BYTES_OUT];
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        size_t wire = lens[i] + (lens[i] < 126 ? 2 : 4);
        for (size_t cut = 0; cut < wire; cut++) {
            socket_does.takes = cut;
            socket_does.blocks = 1 + cut % 2;
            publish(lens[i]);
            expect_frame(fd, lens[i]);
            messages++;
            bytes += wire;
            expect_counted(c, messages, bytes);
            assert_null(c->proto.busy);
            assert_int_equal(c->stream.watch.events, LOOP_IN);
        }
    }
    end(fd);
}

TEST(straight, what_comes_next_waits_behind_what_was_cut)
{
    start((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_odd(&c);
    socket_does.takes = 7;
    socket_does.blocks = 1; /* when it is written on, so that it would take what comes next */
    publish(20);
    duet_loop_turn(loop, 0);
    assert_int_equal(duet_queued(c), 15);
    publish(600);
    duet_loop_turn(loop, 0);
    assert_int_equal(duet_send(c, DUET_BINARY, payload_of(9), 9), 0);
    expect_frame(fd, 20);
    expect_frame(fd, 600);
    expect_frame(fd, 9);
    assert_null(c->proto.busy);
    end(fd);
}

/* Of a frame that is cut the rest is sent, though all else is given up: the peer would understand nothing after it. */
TEST(straight, mem_2_a_cut_frame_is_sent_to_its_end_also_to_who_is_too_slow)
{
    start((duet_server_config){ .queue_max = 1000 });
    duet_conn *c;
    uint8_t goodbye[2];
    int fd = dial_odd(&c);
    socket_does.takes = 5;
    socket_does.blocks = 3;
    publish(600);
    duet_loop_turn(loop, 0);
    assert_int_equal(duet_queued(c), 599);
    assert_int_equal(duet_send(c, DUET_BINARY, payload_of(600), 600), 0);
    assert_int_equal(duet_send(c, DUET_BINARY, payload_of(600), 600), DUET_ERR_FULL);
    expect_frame(fd, 600);
    receive(fd, goodbye, sizeof(goodbye));
    assert_int_equal(goodbye[0], 0x88);
    assert_int_equal(closes, 1);
    end(fd);
}

TEST(straight, who_is_held_or_excepted_or_dead_does_not_get_it)
{
    start((duet_server_config){ .listen = NULL });
    duet_conn *c, *other;
    int fd = dial_odd(&c), fd2 = dial_websocket(&other, 0);
    duet_hold(c, true);
    publish(20);
    expect_frame(fd2, 20);
    assert_int_equal(socket_does.writes, 0);
    duet_hold(c, false);
    expect_frame(fd, 20);
    duet_loop_turn(loop, 0);
    assert_null(c->proto.busy);
    unsigned before = socket_does.writes;
    assert_int_equal(duet_publish_except(c, "all", DUET_BINARY, payload_of(9), 9), 0);
    expect_frame(fd2, 9);
    publish(30);
    duet_abort(c);
    expect_frame(fd2, 30);
    assert_int_equal(closes, 1);
    assert_int_equal(socket_does.writes, before);
    close(fd2);
    end(fd);
}

TEST(straight, what_tls_took_and_could_not_write_is_waited_for)
{
    start((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_odd(&c);
    odd.tls = true;
    odd_ops.buffered = stream_tcp_ops.buffered;
    socket_does.keeps = true;
    publish(20);
    duet_loop_turn(loop, 0);
    assert_true(conn_out_waits(c));
    assert_int_equal(duet_queued(c), 0);
    unsigned before = socket_does.writes;
    expect_frame(fd, 20);
    duet_loop_turn(loop, 5);
    assert_int_equal(socket_does.writes, before + 1);
    assert_null(c->proto.busy);
    end(fd);
}

TEST(straight, a_socket_that_is_dead_is_an_end_and_the_others_get_it)
{
    start((duet_server_config){ .listen = NULL });
    duet_conn *c, *other;
    int fd = dial_odd(&c), fd2 = dial_websocket(&other, 0);
    socket_does.error = -EPIPE;
    publish(20);
    assert_int_equal(closes, 0);
    duet_loop_turn(loop, 0);
    assert_int_equal(closes, 1);
    assert_int_equal(error_of_last, -EPIPE);
    expect_frame(fd2, 20);
    close(fd2);
    end(fd);
}

TEST(straight, without_memory_for_the_rest_it_is_closed_and_not_left_with_half)
{
    for (size_t cut = 0; cut < 22; cut++) {
        start((duet_server_config){ .listen = NULL });
        duet_conn *c;
        int fd = dial_odd(&c);
        chunk_pool_fini(&server->loops[0].host.pool);
        socket_does.takes = cut;
        socket_does.blocks = 1;
        publish(20);
        mem_fail(0, true);
        duet_loop_turn(loop, 0);
        assert_int_not_equal(mem_fail_end(), 0);
        assert_int_equal(closes, 1);
        assert_int_equal(error_of_last, DUET_ERR_NOMEM);
        end(fd);
    }
}

/* MEM-4: the time that a reader has begins when the socket is full, whoever had its busy part before. */
TEST(straight, mem_4_who_could_not_be_written_to_at_once_has_stall_ms_from_then_on)
{
    for (int published = 0; published < 2; published++) {
        start((duet_server_config){ .stall_ms = 5000, .queue_soft = 1000 });
        duet_conn *c;
        int fd = dial_odd(&c);
        struct conn_busy *part = part_take(&server->loops[0].host.pool, sizeof(*part));
        part->since_ms = 1; /* as somebody left it long ago */
        part_give(&server->loops[0].host.pool, part, sizeof(*part));
        socket_does.blocks = FOR_EVER;
        uint64_t before = loop->now_ms;
        if (published)
            publish(5000);
        else
            assert_int_equal(duet_send(c, DUET_BINARY, payload_of(5000), 5000), 0);
        duet_loop_turn(loop, 0);
        assert_true(conn_out_waits(c));
        assert_true(duet_congested(c));
        assert_true(conn_busy(c)->congested);
        uint64_t since = conn_busy(c)->since_ms;
        assert_in_range(since, before, loop->now_ms);
        assert_int_equal(c->timer.at_ms, since + 5000);
        usleep(5000);
        assert_int_equal(duet_send(c, DUET_BINARY, payload_of(9), 9), 0); /* more for it is no progress of its own */
        duet_loop_turn(loop, 0);
        assert_true(loop->now_ms > since);
        assert_int_equal(conn_busy(c)->since_ms, since);
        assert_int_equal(closes, 0);
        end(fd);
    }
}

TEST(straight, who_is_traced_is_told_of_it)
{
    start((duet_server_config){ .trace = on_trace });
    duet_conn *c;
    int fd = dial_odd(&c);
    publish(20);
    expect_frame(fd, 20);
    assert_int_equal(frames_seen, 0);
    duet_conn_trace(c);
    publish(20);
    expect_frame(fd, 20);
    assert_int_equal(frames_seen, 1);
    end(fd);
}

static const char deflating[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/* A member that has agreed on compression, idle. */
static int dial_deflating(duet_conn **c)
{
    uint32_t slot = server->loops[0].conns;
    int fd = dial();
    assert_int_equal(send(fd, deflating, sizeof(deflating) - 1, 0), sizeof(deflating) - 1);
    char head[1000];
    for (size_t n = 0; n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0; n++)
        receive(fd, head + n, 1);
    *c = server_slot(&server->loops[0], slot);
    duet_loop_turn(loop, 0);
    assert_true(duet_deflates(*c));
    assert_null((*c)->proto.busy);
    return fd;
}

TEST(straight, who_has_agreed_on_it_gets_it_compressed_wherever_it_is_cut)
{
    start((duet_server_config){ .deflate = { .on = true } });
    duet_conn *whole, *c;
    int fd = dial_deflating(&whole), fd2 = dial_deflating(&c);
    c->stream.as = &odd;
    static uint8_t text[2000], a[2000], b[2000];
    memset(text, 'x', sizeof(text));
    size_t wire = 2;
    for (size_t cut = 0; cut < wire; cut++) {
        socket_does.takes = cut;
        socket_does.blocks = 1;
        assert_int_equal(duet_publish(server, "all", DUET_TEXT, text, sizeof(text)), 0);
        receive(fd, a, 2);
        assert_int_equal(a[0], 0xc1);
        assert_true(a[1] < 126);
        wire = 2 + (size_t)a[1];
        receive(fd, a + 2, wire - 2);
        receive(fd2, b, wire);
        assert_memory_equal(a, b, wire);
    }
    duet_set_deflate(c, false);
    assert_int_equal(duet_publish(server, "all", DUET_TEXT, text, sizeof(text)), 0);
    receive(fd2, b, 4);
    assert_int_equal(b[0], 0x81);
    close(fd2);
    end(fd);
}
