/* SPDX-License-Identifier: MIT */
/*
 * A server on a loop of the test's own thread, and plain sockets that talk to it: nothing happens but in turn().
 */
#ifndef TESTS_PLAIN_H
#define TESTS_PLAIN_H

#include "test.h"
#include <arpa/inet.h>
#include <duet/duet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY

enum { TURNS = 2000 };

static duet_loop *loop;
static duet_server *server;

struct client {
    int fd;
    size_t len;
    bool ended;
    char got[65536];
};

static inline void serve(duet_server_config *config)
{
    assert_int_equal(duet_loop_new(&loop), 0);
    config->size = sizeof(*config);
    if (config->listen == NULL)
        config->listen = "ws://127.0.0.1:0";
    assert_int_equal(duet_server_new(&server, config, NULL), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
}

static inline void serve_no_more(void)
{
    duet_server_free(server);
    duet_loop_free(loop);
}

static inline void dial(struct client *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)duet_server_port(server, 0)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->len = 0;
    c->ended = false;
    c->got[0] = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void say(struct client *c, const char *text)
{
    assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One turn, and what has come. */
static inline void turn(struct client *c)
{
    assert_true(duet_loop_turn(loop, 1) >= 0);
    ssize_t n = recv(c->fd, c->got + c->len, sizeof(c->got) - 1 - c->len, MSG_DONTWAIT);
    if (n > 0)
        c->got[c->len += (size_t)n] = 0;
    c->ended |= n == 0 || (n < 0 && errno != EAGAIN);
}

/* Until the text has come (NULL: until the end). What was got up to then is forgotten by the next call. */
static inline void expect(struct client *c, const char *text)
{
    c->got[c->len] = 0;
    for (int i = 0; i < TURNS && !c->ended && (text == NULL || strstr(c->got, text) == NULL); i++)
        turn(c);
    if (text == NULL ? !c->ended : strstr(c->got, text) == NULL)
        fail_msg("expected %s, got %s", text ? text : "the end", c->got);
    c->len = 0;
}

/* A whole answer with this status, and whether it says that the connection ends with it. */
static inline void expect_status(struct client *c, const char *status, bool closes)
{
    expect(c, "\r\n\r\n");
    if (strncmp(c->got + 9, status, 3) != 0 || (strstr(c->got, "close\r\n") != NULL) != closes)
        fail_msg("expected %s %s, got %s", status, closes ? "close" : "keep", c->got);
}

static inline void one_request(const char *request, const char *status, bool closes)
{
    static struct client c;
    dial(&c);
    say(&c, request);
    expect_status(&c, status, closes);
    if (closes)
        expect(&c, NULL);
    close(c.fd);
}

#endif
