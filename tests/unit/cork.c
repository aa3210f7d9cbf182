/* SPDX-License-Identifier: MIT */
/* What the hot path costs, counted: writes, allocations, and what an idle connection keeps. */
#include "base/mem.h"
#include "attached.h"

static unsigned reads, writes;
static struct stream_ops counting;
static const struct stream_kind counted = { .ops = &counting };

static ssize_t count_read(struct stream *s, void *to, size_t size)
{
    reads++;
    return stream_tcp_ops.read(s, to, size);
}

static ssize_t count_write(struct stream *s, const struct iovec *iov, int count)
{
    writes++;
    return stream_tcp_ops.write(s, iov, count);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    assert_int_equal(duet_send(c, m->type, m->data, m->len), 0);
}

static void join(duet_conn *c)
{
    duet_subscribe(c, "all");
}

static void publish(duet_conn *c, const duet_msg *m)
{
    duet_publish(duet_server_of(c), "all", m->type, m->data, m->len);
}

static void start(const duet_handler *on)
{
    attach((duet_server_config){ .on = *on });
    counting = stream_tcp_ops;
    counting.read = count_read;
    counting.write = count_write;
}

/* An open connection whose reads and writes are counted from here on. */
static int dial_counted(duet_conn **c)
{
    int fd = dial_websocket(c, 0);
    (*c)->stream.as = &counted;
    return fd;
}

/* `count` masked binary frames of `len` bytes, the key being zero. */
static size_t frames(uint8_t *to, int count, size_t len)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        uint32_t key = 0;
        at += frame_encode(to + at, FRAME_BINARY, true, len, &key);
        memset(to + at, 'x', len);
        at += len;
    }
    return at;
}

static void round_trip(int fd, int count, size_t len)
{
    static uint8_t wire[200000], answer[200000];
    size_t n = frames(wire, count, len), head = len < 126 ? 2 : len < 65536 ? 4 : 10;
    assert_int_equal(send(fd, wire, n, 0), n);
    receive(fd, answer, (size_t)count * (head + len));
}

TEST(cork, sixteen_answers_leave_in_one_write)
{
    static const size_t lens[] = { 1, 20, 125, 200, 2047, 2048, 4000 };
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    int fd = dial_counted(&c);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        reads = writes = 0;
        round_trip(fd, 16, lens[i]);
        assert_int_equal(writes, reads); /* a write for each read, however many messages it had */
        assert_in_range(writes, 1, 2);   /* 64 KB may come in two */
    }
    close(fd);
    detach();
}

TEST(cork, what_is_published_in_a_turn_leaves_in_one_write_for_each_member)
{
    start(&(duet_handler){ .open = join, .message = publish });
    duet_conn *c[3];
    int fd[3];
    uint8_t wire[512], answer[512];
    for (int i = 0; i < 3; i++)
        fd[i] = dial_counted(&c[i]);
    size_t n = frames(wire, 10, 20);
    writes = 0;
    assert_int_equal(send(fd[0], wire, n, 0), n);
    for (int i = 0; i < 3; i++)
        receive(fd[i], answer, 10 * 22);
    assert_int_equal(writes, 3);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    detach();
}

TEST(cork, a_message_costs_no_allocation_and_an_idle_connection_keeps_nothing)
{
    static const size_t lens[] = { 0, 20, 125, 126, 2000, 4000, 16000 };
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    int fd = dial_counted(&c);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        round_trip(fd, 1, lens[i]); /* the pool has its chunk now */
        mem_fail((unsigned long)-1, false);
        for (int k = 0; k < 50; k++)
            round_trip(fd, 1, lens[i]);
        assert_int_equal(mem_fail_end(), 0);
    }
    duet_loop_turn(loop, 0);
    assert_null(c->proto.busy);
    assert_null(c->proto.rare);
    close(fd);
    detach();
}

TEST(cork, net_10_one_connection_has_its_share_of_a_turn)
{
    static uint8_t wire[40000], answer[40000];
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    int fd = dial_counted(&c);
    size_t n = frames(wire, 3000, 0);
    assert_int_equal(send(fd, wire, n, 0), n);
    uint64_t before = c->counts[COUNT_MESSAGES_IN];
    duet_loop_turn(loop, 100);
    assert_in_range(c->counts[COUNT_MESSAGES_IN] - before, 1, 1024);
    receive(fd, answer, 3000 * 2);
    assert_int_equal(c->counts[COUNT_MESSAGES_IN] - before, 3000);
    close(fd);
    detach();
}
