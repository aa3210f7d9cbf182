/* SPDX-License-Identifier: MIT */
/* The other end of a client, played by the test: a socket that listens, and the connection that it accepted. The test
 * turns `loop`. */
#ifndef TESTS_PLAYED_H
#define TESTS_PLAYED_H

#include "turn.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

static duet_loop *loop;
static int listener, accepted;

/* Opens `listener`; its port. */
static inline unsigned played_listen(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    accepted = -1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

/* All of it, unless the client has closed. */
static inline void played_say(const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(accepted, (const char *)data + done, len - done, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return;
        done += n > 0 ? (size_t)n : 0;
        duet_loop_turn(loop, 0);
    }
}

/* The client closed, and said nothing before. */
static inline void played_silent_end(void)
{
    char byte;
    ssize_t n = -1;
    TURN_UNTIL((n = recv(accepted, &byte, 1, 0)) >= 0 || errno != EAGAIN);
    assert_true(n <= 0);
}

#endif
