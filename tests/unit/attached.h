/* SPDX-License-Identifier: MIT */
/* A server on a loop that the test turns, and bare sockets to it: for tests that look inside. */
#ifndef TESTS_ATTACHED_H
#define TESTS_ATTACHED_H

#include "server/server.h"
#include "test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static duet_server *server;
static duet_loop *loop;

static inline void attach(duet_server_config config)
{
    config.size = sizeof(config);
    config.listen = "ws://127.0.0.1:0";
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(duet_server_new(&server, &config, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
}

static inline void detach(void)
{
    duet_server_free(server);
    duet_loop_free(loop);
}

/* A connected socket with this receive buffer; 0: the system's. */
static inline int dial_with(int window)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)duet_server_port(server, 0)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (window > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static inline int dial(void)
{
    return dial_with(0);
}

/* Exactly `len` bytes, the loop turning meanwhile. */
static inline void receive(int fd, void *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        duet_loop_turn(loop, 5);
        ssize_t n = recv(fd, (char *)to + have, len - have, MSG_DONTWAIT);
        have += n > 0 ? (size_t)n : 0;
    }
}

#define ATTACHED_REQUEST(path)                                                                                         \
    "GET " path " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* An open WebSocket with this receive buffer, and the server's side of it. */
static inline int dial_websocket(duet_conn **c, int window)
{
    static const char request[] = ATTACHED_REQUEST("/");
    char answer[129]; /* the 101 to its last byte */
    uint32_t slot = server->loops[0].conns;
    int fd = dial_with(window);
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    receive(fd, answer, sizeof(answer));
    *c = server_slot(&server->loops[0], slot);
    assert_non_null(*c);
    return fd;
}

#endif
