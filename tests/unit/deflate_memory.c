/* SPDX-License-Identifier: MIT */
/* What a connection with permessage-deflate keeps while it is idle, and what the server says of it (PMD-11). */
#include "attached.h"
#include "base/mem.h"
#include <netinet/tcp.h>

enum { CONNECTIONS = 20, KIB = 1024 };

static int sockets[CONNECTIONS];

static void echo(duet_conn *c, const duet_msg *m)
{
    assert_int_equal(duet_send(c, m->type, m->data, m->len), 0);
}

static uint64_t said(void)
{
    static duet_server_stats stats;
    duet_server_read_stats(server, &stats);
    return stats.deflate_bytes;
}

/* A turn, and what has come after it. */
static size_t hear(int fd, void *to, size_t room)
{
    duet_loop_turn(loop, 5);
    ssize_t n = recv(fd, to, room, MSG_DONTWAIT);
    return n > 0 ? (size_t)n : 0;
}

/* One that has sent a compressed message in two parts and has it back, compressed. */
static int dial_busy(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    /* 300 times "a", masked with zeros. */
    static const uint8_t first[] = { 0x41, 0x83, 0, 0, 0, 0, 0x4a, 0x4c, 0x1c };
    static const uint8_t second[] = { 0x80, 0x85, 0, 0, 0, 0, 0x05, 0xc4, 0x02, 0x00, 0x00 };
    char answer[512] = "";
    uint8_t echoed[64] = { 0 };
    int fd = dial(), now = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
    send(fd, request, sizeof(request) - 1, 0);
    for (size_t have = 0; strstr(answer, "\r\n\r\n") == NULL;)
        have += hear(fd, answer + have, sizeof(answer) - 1 - have);
    send(fd, first, sizeof(first), 0);
    duet_loop_turn(loop, 5);
    send(fd, second, sizeof(second), 0);
    for (size_t have = 0; have < 2 || have < 2u + echoed[1];)
        have += hear(fd, echoed + have, sizeof(echoed) - have);
    assert_int_equal(echoed[0], 0xc1);
    return fd;
}

/* Bytes for one more connection that is idle again; `also`: what the server says of that. */
static int64_t taken_by_one(duet_deflate deflate, uint64_t *also)
{
    attach((duet_server_config){ .on = { .message = echo }, .deflate = deflate });
    for (int i = 0; i < 4; i++) /* what all share is there */
        sockets[i] = dial_busy();
    mem_count(true);
    uint64_t before = said();
    for (int i = 4; i < CONNECTIONS; i++)
        sockets[i] = dial_busy();
    int64_t taken = mem_counted() / (CONNECTIONS - 4);
    *also = (said() - before) / (CONNECTIONS - 4);
    mem_count(false);
    for (int i = 0; i < CONNECTIONS; i++)
        close(sockets[i]);
    for (int i = 0; i < 1000 && server->loops[0].conns > 0; i++)
        duet_loop_turn(loop, 5);
    assert_in_range(said(), 0, deflate.keep_window ? 0 : 400 * KIB); /* the loop keeps some, connections nothing */
    detach();
    return taken;
}

TEST(deflate_memory, pmd_11_an_idle_connection_takes_at_most_2_kib_when_contexts_are_shared)
{
    uint64_t also;
    for (unsigned level = 1; level <= 6; level += 5) {
        int64_t taken = taken_by_one((duet_deflate){ .on = true, .level = level }, &also);
        assert_in_range(taken, 1, 2 * KIB);
        assert_in_range(also, 1, 256);
    }
}

/* As <duet/proto.h> says it. */
TEST(deflate_memory, pmd_11_windows_that_are_kept_are_counted)
{
    uint64_t also;
    int64_t taken = taken_by_one((duet_deflate){ .on = true, .keep_window = true }, &also);
    assert_in_range(also, 290 * KIB, 310 * KIB);
    assert_in_range(taken, (int64_t)also, (int64_t)also + 2 * KIB);
    taken = taken_by_one((duet_deflate){ .on = true, .keep_window = true, .window_bits = 10 }, &also);
    assert_in_range(also, 45 * KIB, 65 * KIB);
    assert_in_range(taken, (int64_t)also, (int64_t)also + 2 * KIB);
}

/* To inflate it and compress the answer is more work than all else about a message. */
TEST(deflate_memory, net_10_one_connection_has_a_smaller_share_of_a_turn_where_messages_may_be_compressed)
{
    static const uint8_t message[] = { 0xc1, 0x88, 0, 0, 0, 0, 0x4a, 0x4c, 0x1c, 0x05, 0xc4, 0x02, 0x00, 0x00 };
    enum { MANY = 100 };
    uint8_t wire[MANY * sizeof(message)];
    for (int i = 0; i < MANY; i++)
        memcpy(wire + (size_t)i * sizeof(message), message, sizeof(message));
    attach((duet_server_config){ .on = { .message = echo }, .deflate = { .on = true } });
    int fd = dial_busy();
    const uint64_t *come = &server->loops[0].host.messages_in;
    uint64_t before = *come;
    assert_int_equal(send(fd, wire, sizeof(wire), 0), sizeof(wire));
    duet_loop_turn(loop, 100);
    assert_in_range(*come - before, 1, 32);
    for (int i = 0; i < MANY && *come - before < MANY; i++)
        duet_loop_turn(loop, 100);
    assert_int_equal(*come - before, MANY);
    close(fd);
    detach();
}
