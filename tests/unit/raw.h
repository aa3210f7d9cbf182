/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket client of a socket and little else, so that tests of a server see its bytes and not what another part of
 * Duet makes of them. Sockets do not block: while a client waits, `pump` turns the server's loop, or sleeps a moment
 * where the server has threads of its own.
 */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include "test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RAW_TEXT = 1, RAW_CLOSE = 8, RAW_PATIENCE_MS = 10000, RAW_BUFFER = 256 * 1024 };

struct raw {
    int fd;
    void (*pump)(void);
    size_t have;
    uint8_t in[RAW_BUFFER];
};

struct raw_frame {
    unsigned opcode;
    bool final;
    size_t len;
    uint8_t payload[RAW_BUFFER];
};

static inline uint64_t raw_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* More bytes into `in`: how many; 0 when there are none now; -1 at the end of the stream. */
static inline ssize_t raw_fill(struct raw *r)
{
    ssize_t n = recv(r->fd, r->in + r->have, sizeof(r->in) - r->have, MSG_DONTWAIT);
    if (n > 0)
        r->have += (size_t)n;
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n > 0 ? n : -1;
}

static inline void raw_eat(struct raw *r, size_t n)
{
    r->have -= n;
    memmove(r->in, r->in + n, r->have);
}

static inline void raw_send(struct raw *r, const char *text)
{
    size_t len = strlen(text);
    uint8_t frame[4096 + 8] = { 0x81 };
    size_t head = len < 126 ? 2 : 4;
    assert_true(len <= 4096);
    frame[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        frame[2] = (uint8_t)(len >> 8);
        frame[3] = (uint8_t)len;
    }
    memset(frame + head, 0, 4); /* a mask of zeros is one */
    memcpy(frame + head + 4, text, len);
    assert_int_equal(send(r->fd, frame, head + 4 + len, MSG_NOSIGNAL), head + 4 + len);
}

/* The next frame: 1; 0 when none came in time; -1 at the end of the stream. */
static inline int raw_read_for(struct raw *r, struct raw_frame *f, unsigned ms)
{
    uint64_t until = raw_clock_ms() + ms;
    for (;;) {
        size_t head = r->have < 2 ? 2 : r->in[1] < 126 ? 2 : r->in[1] == 126 ? 4 : 10;
        size_t len = 0;
        if (r->have >= head) {
            assert_true((r->in[1] & 0x80) == 0 && r->in[1] < 127); /* a server masks nothing */
            len = head == 2 ? r->in[1] : (size_t)r->in[2] << 8 | r->in[3];
        }
        if (r->have >= head + len && r->have >= 2) {
            f->opcode = r->in[0] & 15;
            f->final = r->in[0] & 0x80;
            f->len = len;
            memcpy(f->payload, r->in + head, len);
            f->payload[len] = 0;
            raw_eat(r, head + len);
            return 1;
        }
        ssize_t n = raw_fill(r);
        if (n < 0)
            return -1;
        if (n == 0) {
            if (raw_clock_ms() >= until)
                return 0;
            r->pump();
        }
    }
}

static inline void raw_expect(struct raw *r, const char *text)
{
    static struct raw_frame f;
    assert_int_equal(raw_read_for(r, &f, RAW_PATIENCE_MS), 1);
    assert_int_equal(f.opcode, RAW_TEXT);
    assert_string_equal((char *)f.payload, text);
}

/* Asks for the text to be sent back ('>' in the tests' servers), and takes it as the next frame: nothing came before.
 */
static inline void raw_expect_nothing(struct raw *r)
{
    raw_send(r, ">nothing");
    raw_expect(r, "nothing");
}

static inline void raw_expect_close(struct raw *r, unsigned code)
{
    static struct raw_frame f;
    assert_int_equal(raw_read_for(r, &f, RAW_PATIENCE_MS), 1);
    assert_int_equal(f.opcode, RAW_CLOSE);
    assert_int_equal(f.payload[0] << 8 | f.payload[1], code);
}

/* Connects and shakes hands; `receive` bytes of socket buffer, or 0. */
static inline struct raw *raw_open(unsigned port, int receive, void (*pump)(void))
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct raw *r = calloc(1, sizeof(*r));
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_non_null(r);
    r->pump = pump;
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (receive > 0)
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    assert_int_equal(connect(r->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(r->fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL), sizeof(ask) - 1);
    uint64_t until = raw_clock_ms() + RAW_PATIENCE_MS;
    const uint8_t *end;
    while ((end = memmem(r->in, r->have, "\r\n\r\n", 4)) == NULL) {
        assert_true(raw_clock_ms() < until);
        if (raw_fill(r) == 0)
            pump();
    }
    assert_memory_equal(r->in, "HTTP/1.1 101 ", 13);
    raw_eat(r, (size_t)(end - r->in) + 4);
    return r;
}

static inline void raw_close(struct raw *r)
{
    if (r == NULL)
        return;
    close(r->fd);
    free(r);
}

#endif
