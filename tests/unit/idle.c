/* SPDX-License-Identifier: MIT */
/* What an idle connection takes, counted in bytes; and that one which is idle has lost nothing. */
#include "base/mem.h"
#include "attached.h"

enum { MANY = 192, FEW = 3 };

static char pongs, joined[16];

static void echo(duet_conn *c, const duet_msg *m)
{
    assert_int_equal(duet_send(c, m->type, m->data, m->len), 0);
}

static void join(duet_conn *c)
{
    assert_int_equal(duet_subscribe(c, joined), 0);
}

static void count_pong(duet_conn *c, unsigned rtt_us)
{
    (void)c;
    (void)rtt_us;
    pongs++;
}

/* A masked frame with the key zero. */
static void send_frame(int fd, unsigned opcode, const void *data, size_t len)
{
    uint8_t wire[200];
    uint32_t key = 0;
    size_t n = frame_encode(wire, opcode, true, len, &key);
    memcpy(wire + n, data, len);
    assert_int_equal(send(fd, wire, n + len, 0), n + len);
}

static void ask_echo(int fd, const char *text)
{
    char answer[200];
    send_frame(fd, FRAME_TEXT, text, strlen(text));
    receive(fd, answer, 2 + strlen(text));
    assert_memory_equal(answer + 2, text, strlen(text));
    duet_loop_turn(loop, 0);
}

static void start(const duet_handler *on)
{
    attach((duet_server_config){ .on = *on });
    duet_conn *c;
    close(dial_websocket(&c, 0)); /* what the loop keeps for all of them is there now */
    while (server->loops[0].conns > 0)
        duet_loop_turn(loop, 5);
}

/* Tenths of bytes for each of MANY that opened, sent a message and got one. */
static int64_t tenths_of_each(const duet_handler *on)
{
    static int fds[MANY];
    duet_conn *c;
    start(on);
    mem_count(true);
    for (int i = 0; i < MANY; i++)
        fds[i] = dial_websocket(&c, 0);
    if (on->message != NULL)
        for (int i = 0; i < MANY; i++)
            ask_echo(fds[i], "hello");
    duet_loop_turn(loop, 0);
    int64_t bytes = mem_counted() + SLOTS_EACH * (int64_t)sizeof(duet_conn); /* the first of them lie where one was */
    mem_count(false);
    for (int i = 0; i < MANY; i++) {
        assert_null(server_slot(&server->loops[0], (uint32_t)i)->proto.busy);
        close(fds[i]);
    }
    detach();
    return bytes * 10 / MANY;
}

/* One byte more anywhere is seen: then these are to be lowered, or the byte is to go. The slots' own bookkeeping is
 * what is above 152. */
TEST(idle, mem_1_a_connection_takes_152_bytes)
{
    if (sizeof(void *) != 8)
        skip();
    assert_in_range(tenths_of_each(&(duet_handler){ .message = echo }), 1450, 1529);
}

/* 16 of them in the topic, whose array doubles: of MANY members a quarter of it is free. */
TEST(idle, mem_1_a_member_of_a_topic_takes_174_bytes)
{
    if (sizeof(void *) != 8)
        skip();
    strcpy(joined, "all");
    assert_in_range(tenths_of_each(&(duet_handler){ .open = join, .message = echo }), 1650, 1745);
}

TEST(idle, it_goes_on_where_it_was)
{
    start(&(duet_handler){ .message = echo, .pong = count_pong });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    uint64_t id = duet_id(c);
    for (int i = 0; i < 3; i++) {
        ask_echo(fd, "once more");
        assert_null(c->proto.busy);
    }
    duet_conn_stats stats;
    duet_conn_read_stats(c, &stats);
    assert_int_equal(stats.messages_in, 3);
    assert_int_equal(stats.messages_out, 3);
    assert_int_equal(duet_id(c), id);
    assert_int_equal(duet_queued(c), 0);
    assert_false(duet_congested(c));
    close(fd);
    detach();
}

/* A frame that is split wherever it may be waits in the busy part, and nowhere else. */
TEST(idle, a_frame_in_two_pieces_is_awaited_and_then_all_is_given_back)
{
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    char answer[8];
    static const uint8_t wire[] = { 0x81, 0x83, 0, 0, 0, 0, 'a', 'b', 'c' };
    int fd = dial_websocket(&c, 0);
    for (size_t cut = 1; cut < sizeof(wire); cut++) {
        assert_int_equal(send(fd, wire, cut, 0), cut);
        for (int i = 0; i < 50 && c->proto.busy == NULL; i++)
            duet_loop_turn(loop, 1);
        assert_non_null(c->proto.busy);
        assert_int_equal(send(fd, wire + cut, sizeof(wire) - cut, 0), sizeof(wire) - cut);
        receive(fd, answer, 5);
        assert_memory_equal(answer + 2, "abc", 3);
        duet_loop_turn(loop, 0);
        assert_null(c->proto.busy);
    }
    close(fd);
    detach();
}

/* So is a message in fragments, and what a ping in two pieces took is given back. */
TEST(idle, between_fragments_it_is_busy_and_behind_a_split_ping_it_is_not)
{
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    char answer[8];
    static const uint8_t first[] = { 0x01, 0x81, 0, 0, 0, 0, 'a' }, last[] = { 0x80, 0x81, 0, 0, 0, 0, 'b' };
    static const uint8_t ping[] = { 0x89, 0x82, 0, 0, 0, 0, 'p', 'q' };
    int fd = dial_websocket(&c, 0);
    assert_int_equal(send(fd, first, sizeof(first), 0), sizeof(first));
    for (int i = 0; i < 50 && c->proto.busy == NULL; i++)
        duet_loop_turn(loop, 1);
    assert_non_null(c->proto.busy);
    assert_int_equal(send(fd, last, sizeof(last), 0), sizeof(last));
    receive(fd, answer, 4);
    assert_memory_equal(answer + 2, "ab", 2);
    duet_loop_turn(loop, 0);
    assert_null(c->proto.busy);
    assert_int_equal(send(fd, ping, 7, 0), 7);
    for (int i = 0; i < 50 && c->proto.busy == NULL; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(send(fd, ping + 7, 1, 0), 1);
    receive(fd, answer, 4);
    assert_memory_equal(answer + 2, "pq", 2);
    duet_loop_turn(loop, 0);
    assert_null(c->proto.busy);
    close(fd);
    detach();
}

/* While a ping is out its time and payload are kept; the round trip stays when all else is given back. */
TEST(idle, a_ping_is_awaited_and_its_round_trip_stays)
{
    start(&(duet_handler){ .pong = count_pong });
    duet_conn *c;
    uint8_t ping[6];
    int fd = dial_websocket(&c, 0);
    pongs = 0;
    assert_int_equal(duet_ping(c), 0);
    receive(fd, ping, sizeof(ping));
    assert_non_null(c->proto.busy);
    assert_int_equal(duet_ping(c), DUET_ERR_STATE);
    send_frame(fd, FRAME_PONG, ping + 2, 4);
    for (int i = 0; i < 50 && pongs == 0; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(pongs, 1);
    assert_null(c->proto.busy);
    duet_conn_stats stats;
    duet_conn_read_stats(c, &stats);
    assert_true(stats.rtt_us > 0);
    close(fd);
    detach();
}

/* A stranger's pings count over all reads (FRM-12), also when nothing else is kept between them. */
TEST(idle, frm_12_control_frames_are_counted_while_idle)
{
    attach((duet_server_config){ .control_per_s = 1 });
    duet_conn *c;
    uint8_t pong[2];
    int fd = dial_websocket(&c, 0);
    for (int i = 0; i < 10; i++) {
        send_frame(fd, FRAME_PING, "", 0);
        receive(fd, pong, sizeof(pong));
        assert_int_equal(pong[0], 0x8a);
        duet_loop_turn(loop, 0);
        assert_null(c->proto.busy);
    }
    send_frame(fd, FRAME_PING, "", 0);
    receive(fd, pong, sizeof(pong));
    assert_int_equal(pong[0], 0x88); /* Close */
    close(fd);
    detach();
}

TEST(idle, counters_go_on_beyond_32_bits)
{
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    duet_conn_stats stats;
    int fd = dial_websocket(&c, 0);
    for (int i = 0; i < 4; i++)
        c->counts[i] = UINT32_MAX;
    ask_echo(fd, "x");
    duet_conn_read_stats(c, &stats);
    assert_int_equal(stats.messages_in, (uint64_t)1 << 32);
    assert_int_equal(stats.messages_out, (uint64_t)1 << 32);
    assert_int_equal(stats.bytes_in, ((uint64_t)1 << 32) + 6);
    assert_int_equal(stats.bytes_out, ((uint64_t)1 << 32) + 2);
    for (int i = 0; i < 4; i++)
        c->counts[i] = UINT32_MAX;
    ask_echo(fd, "x");
    duet_conn_read_stats(c, &stats);
    assert_int_equal(stats.messages_in, (uint64_t)2 << 32);
    close(fd);
    detach();
}

/* Who is idle and hears of its end needs memory for nothing. */
TEST(idle, without_memory_an_idle_one_ends_and_tells)
{
    start(&(duet_handler){ .message = echo });
    duet_conn *c[FEW];
    int fds[FEW];
    for (int i = 0; i < FEW; i++)
        fds[i] = dial_websocket(&c[i], 0);
    duet_loop_turn(loop, 0);
    struct chunk_pool *pool = &server->loops[0].host.pool;
    void *parts[POOL_PARTS];
    unsigned n = 0;
    while (pool->part_count > 0)
        parts[n++] = part_take(pool, sizeof(struct conn_busy));
    mem_fail(0, true);
    send_frame(fds[0], FRAME_TEXT, "x", 1); /* cannot be read */
    assert_int_equal(duet_send(c[1], DUET_TEXT, "x", 1), DUET_ERR_NOMEM);
    assert_int_equal(duet_ping(c[1]), DUET_ERR_NOMEM);
    assert_int_equal(duet_close(c[1], 1000, NULL), DUET_ERR_NOMEM);
    duet_abort(c[2]);
    for (int i = 0; i < 50 && server->loops[0].conns > 1; i++)
        duet_loop_turn(loop, 1);
    mem_fail_end();
    assert_int_equal(server->loops[0].conns, 1);
    while (n > 0)
        part_give(pool, parts[--n], sizeof(struct conn_busy));
    ask_echo(fds[1], "still here");
    for (int i = 0; i < FEW; i++)
        close(fds[i]);
    detach();
}

/* Its address takes the rare part. */
TEST(idle, a_peer_by_ipv6_has_its_address)
{
    struct http_address a = { { 0x20, 1, [15] = 7 } }, b;
    uint16_t port;
    char text[64];
    start(&(duet_handler){ .message = echo });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    assert_int_equal(conn_note_address(c, &a, 80), 0);
    assert_true(conn_address(c, &b, &port));
    assert_memory_equal(&a, &b, sizeof(a));
    assert_string_equal(duet_peer(c, text), "[2001::7]:80");
    duet_conn *other;
    int fd2 = dial_websocket(&other, 0);
    mem_fail(0, true);
    assert_int_equal(conn_note_address(other, &a, 80), DUET_ERR_NOMEM);
    mem_fail_end();
    close(fd);
    close(fd2);
    detach();
}

/* An id is never given twice, though its slot is used again (NET-9); a free slot is nobody. */
TEST(idle, slots_are_used_again_and_ids_are_not)
{
    start(&(duet_handler){ .message = echo });
    struct server_loop *l = &server->loops[0];
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        duet_conn *c;
        int fd = dial_websocket(&c, 0);
        uint64_t id = duet_id(c);
        assert_true(id > last);
        assert_int_equal((uint32_t)id, 0); /* slot 0, loop 0 */
        assert_ptr_equal(server_find(l, id), c);
        assert_null(last ? server_find(l, last) : NULL);
        assert_null(server_find(l, id + 256));
        last = id;
        close(fd);
        while (l->conns > 0)
            duet_loop_turn(loop, 5);
        assert_null(server_find(l, id));
    }
    assert_int_equal(server_slots(l), 1);
    detach();
}

static void no_trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    (void)frame;
}

/* What has its own buffer is let go behind its callback, also where the connection does not rest, since it is traced.
 */
TEST(idle, msg_3_a_message_in_its_own_buffer_is_let_go_at_once)
{
    static const size_t lens[] = { 300, 30000, 200000 }; /* gathered, and read straight into its place */
    static uint8_t wire[200020], answer[200020];
    attach((duet_server_config){ .on = { .message = echo }, .trace = no_trace });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    duet_conn_trace(c);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        uint32_t key = 0;
        size_t n = frame_encode(wire, FRAME_BINARY, true, lens[i], &key), back = n - 4 + lens[i];
        assert_int_equal(send(fd, wire, 100, 0), 100);
        for (int k = 0; k < 50 && (c->proto.busy == NULL || c->proto.busy->gather == NULL); k++)
            duet_loop_turn(loop, 1);
        assert_non_null(c->proto.busy->gather);
        for (size_t sent = 100; sent < n + lens[i];) {
            ssize_t more = send(fd, wire + sent, n + lens[i] - sent, MSG_DONTWAIT);
            sent += more > 0 ? (size_t)more : 0;
            duet_loop_turn(loop, 0);
        }
        receive(fd, answer, back);
        assert_null(c->proto.busy->gather);
    }
    close(fd);
    detach();
}
