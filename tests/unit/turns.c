/* SPDX-License-Identifier: MIT */
/* How long the turns of a server's loops took, as it tells others. */
#include "attached.h"
#include "turn.h"
#include <zlib.h>

static duet_server_stats stats;

static uint64_t told(void)
{
    uint64_t sum = 0;
    duet_server_read_stats(server, &stats);
    for (int i = 0; i < DUET_TURN_BUCKETS; i++)
        sum += stats.turns[i];
    return sum;
}

TEST(turns, are_told_at_the_beat_of_a_server_and_no_sooner)
{
    attach((duet_server_config){ .threads = 1 });
    struct timer *beat = &server->loops[0].beat;
    for (int i = 0; i < 3; i++)
        duet_loop_turn(loop, 0);
    assert_int_equal(told(), 0);
    loop->turns.sum_us += 5000;
    loop->turns.counts[7]++;
    beat->due(beat);
    assert_int_equal(told(), 4);
    assert_int_equal(stats.turns[7], 1);
    assert_true(stats.turns_us >= 5000);
    detach();
}

TEST(turns, of_all_loops_are_added_up)
{
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .threads = 2 };
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    for (unsigned i = 0; i < server->count; i++) {
        server->loops[i].turns[0] = i + 1;
        server->loops[i].turns_us = 10 * (i + 1);
    }
    assert_int_equal(told(), 3);
    assert_int_equal(stats.turns_us, 30);
    duet_server_free(server);
}

enum { PEERS = 8, INFLATED = 64 * 1024 };

/* A masked frame of that many zeros, compressed (RFC 7692 7.2.1). Returns its length. */
static size_t small_and_long(uint8_t to[4096])
{
    static uint8_t zeros[INFLATED];
    z_stream z = { .next_in = zeros, .avail_in = INFLATED, .next_out = to + 8, .avail_out = 4096 - 8 };
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t len = 4096 - 8 - z.avail_out - 4;
    deflateEnd(&z);
    memcpy(to, (uint8_t[8]){ 0xc2, 0x80 | 126, (uint8_t)(len >> 8), (uint8_t)len }, 8); /* the mask is zero */
    return len + 8;
}

static int dial_compressed(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    int fd = dial();
    uint64_t opened = server->loops[0].opened;
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    while (server->loops[0].opened == opened)
        duet_loop_turn(loop, 5);
    return fd;
}

static void work_for_a_slice(duet_conn *c, const duet_msg *m)
{
    (void)c;
    (void)m;
    uint64_t from = clock_us();
    while (clock_us() - from < LOOP_SLICE_US)
        ;
}

TEST(turns, end_behind_a_message_that_was_small_before_it_was_inflated)
{
    static uint8_t wire[4096];
    int fds[PEERS];
    size_t len = small_and_long(wire);
    attach((duet_server_config){ .on = { .message = work_for_a_slice },
                                 .deflate = { .on = true, .inflated_per_s = DUET_OFF } });
    for (int i = 0; i < PEERS; i++)
        fds[i] = dial_compressed();
    const uint64_t *come = &server->loops[0].host.messages_in;
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(send(fds[i], wire, len, 0), len);
    duet_loop_turn(loop, 100);
    assert_int_equal(*come, 1);
    while (*come < PEERS)
        duet_loop_turn(loop, 100);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    detach();
}

enum { LONG_MS = 60, WAIT_MS = 40, MUCH = 16 * 1024 * 1024 };

static duet_conn *waited_for;
static uint64_t begun_ms, ended_ms;
static int ended_with;

/* Until that is over its peer has not been told anything. */
static void work_long(void)
{
    uint64_t from = clock_ms();
    while (clock_ms() - from < LONG_MS)
        ;
    if (waited_for == NULL || waited_for->proto.pings == 0)
        begun_ms = clock_ms();
}

static void do_as_told(duet_conn *c, const duet_msg *m)
{
    static char much[MUCH];
    const char what = *(const char *)m->data;
    if (what == 'm') {
        assert_int_equal(duet_send(c, DUET_BINARY, much, MUCH), 0);
        return;
    }
    work_long();
    if (what == 'c')
        duet_close(c, 1000, "");
    else if (what == 'p')
        duet_ping(c);
}

static void note_end(duet_conn *c, const duet_closing *why)
{
    if (c != waited_for)
        return;
    ended_ms = clock_ms();
    ended_with = why->error;
}

static void tell(int fd, char what)
{
    uint8_t frame[] = { 0x81, 0x81, 0, 0, 0, 0, (uint8_t)what };
    assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

/* 'a': work, and then answer the peer's Close. */
static void tell_and_close(int fd)
{
    static const uint8_t frames[] = { 0x81, 0x81, 0, 0, 0, 0, 'a', 0x88, 0x80, 0, 0, 0, 0 };
    assert_int_equal(send(fd, frames, sizeof(frames), 0), sizeof(frames));
}

static void attach_for_waits(unsigned ping_ms)
{
    attach((duet_server_config){ .on = { .message = do_as_told, .close = note_end },
                                 .ping_ms = ping_ms,
                                 .pong_ms = WAIT_MS,
                                 .close_ms = WAIT_MS,
                                 .queue_soft = 2 * MUCH,
                                 .queue_max = 4 * MUCH });
    begun_ms = ended_ms = 0;
    waited_for = NULL;
}

static void expect_whole_wait(int fd)
{
    TURN_UNTIL(ended_ms > 0);
    assert_int_equal(ended_with, DUET_ERR_TIMEOUT);
    if (ended_ms - begun_ms < WAIT_MS)
        fail_msg("it had %d ms", (int)(ended_ms - begun_ms));
    close(fd);
    detach();
}

TEST(turns, that_are_long_are_not_taken_off_the_wait_for_a_close_or_a_pong)
{
    for (const char *what = "cp"; *what != '\0'; what++) {
        attach_for_waits(DUET_OFF);
        int fd = dial_websocket(&waited_for, 0);
        tell(fd, *what);
        expect_whole_wait(fd);
    }
}

/* Of two connections one keeps the loop busy, while the other's ping becomes due. */
TEST(turns, that_are_long_are_not_taken_off_the_wait_for_the_pong_of_another)
{
    duet_conn *busy;
    attach_for_waits(LONG_MS / 3);
    int fd = dial_websocket(&busy, 0);
    int silent = dial_websocket(&waited_for, 0);
    for (int i = 0; i < 2; i++) {
        tell(fd, 'w');
        duet_loop_turn(loop, 100);
    }
    close(fd);
    expect_whole_wait(silent);
}

/* What is queued before the answer to its Close takes as long as the peer does. */
TEST(turns, that_are_long_are_not_taken_off_the_time_to_read_what_is_left)
{
    attach_for_waits(DUET_OFF);
    int fd = dial_websocket(&waited_for, 4096);
    tell(fd, 'm');
    TURN_UNTIL(duet_queued(waited_for) > 0);
    for (size_t before = 0; before != duet_queued(waited_for);) {
        before = duet_queued(waited_for);
        duet_loop_turn(loop, 5);
    }
    tell_and_close(fd);
    expect_whole_wait(fd);
}

TEST(turns, that_are_long_are_not_taken_off_the_time_to_end)
{
    attach_for_waits(DUET_OFF);
    int fd = dial_websocket(&waited_for, 0);
    tell_and_close(fd);
    TURN_UNTIL(waited_for->state == CONN_LINGERING);
    assert_true(begun_ms > 0 && conn_busy(waited_for)->since_ms >= begun_ms);
    close(fd);
    detach();
}
