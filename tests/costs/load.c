/* SPDX-License-Identifier: MIT */
/*
 * load WHAT ROUNDS: one load on a server in this process, the same instructions each time: what is sent is there before
 * the loop turns, so nothing depends on the clock. The server is libduet.so's and its calls are recvfrom, sendto and
 * the like; our own ends use read and write. So both can be told apart by object and by name. Prints how many messages
 * (or deliveries, or connections) there were.
 */
#include <duet/duet.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { MOST = 1000, WIRE = 300 * 1024 };

static duet_server *server;
static duet_loop *loop;
static int fds[MOST], open_count;
static uint8_t wire[WIRE], answer[WIRE];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static void join(duet_conn *c)
{
    duet_subscribe(c, "all");
}

static void turn(void)
{
    if (duet_loop_turn(loop, 0) < 0)
        die("turn");
}

/* Exactly `len` bytes, which the server sends without being asked again. */
static void take(int fd, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = read(fd, answer + have, len - have);
        if (n < 0 && errno == EAGAIN)
            turn();
        else if (n <= 0)
            die("read");
        else
            have += (size_t)n;
    }
}

static void put(int fd, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EAGAIN) {
            turn();
            continue;
        }
        if (n < 0)
            die("write");
        at += n;
        len -= (size_t)n;
    }
}

static int dial(const char *extension)
{
    char request[512];
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)duet_server_port(server, 0)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 4 * 1024 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("connect");
    int n = snprintf(request, sizeof(request),
                     "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                     extension);
    put(fd, request, (size_t)n);
    turn();
    turn();
    n = (int)read(fd, answer, sizeof(answer) - 1);
    if (n < 12 || memcmp(answer, "HTTP/1.1 101", 12) != 0)
        die("no 101");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void open_many(int count, const char *extension)
{
    for (; open_count < count; open_count++)
        fds[open_count] = dial(extension);
}

/* A masked frame; returns its length, and in *back that of the same unmasked. */
static size_t frame(uint8_t *to, unsigned first, const uint8_t *data, size_t len, size_t *back)
{
    static const uint8_t key[4] = { 0x12, 0x34, 0x56, 0x78 };
    size_t n = 2;
    to[0] = (uint8_t)first;
    if (len < 126) {
        to[1] = (uint8_t)(0x80 | len);
    } else {
        to[1] = 0x80 | 126;
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        n = 4;
    }
    *back = n + len;
    memcpy(to + n, key, 4);
    for (size_t i = 0; i < len; i++)
        to[n + 4 + i] = data[i] ^ key[i % 4];
    return n + 4 + len;
}

/* `in_flight` frames in one write to each of `conns`; then the answers. */
static void echoes(long rounds, int conns, int in_flight, unsigned first, const uint8_t *data, size_t len, size_t backs)
{
    size_t n = 0, back = 0;
    for (int i = 0; i < in_flight; i++)
        n += frame(wire + n, first, data, len, &back);
    back = backs ? backs : back;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < conns; i++)
            put(fds[i], wire, n);
        turn();
        for (int i = 0; i < conns; i++)
            take(fds[i], back * (size_t)in_flight);
    }
    printf("%ld\n", rounds * conns * in_flight);
}

static void fanout(long rounds, size_t len)
{
    static const char text[2048];
    enum { MEMBERS = 100 };
    open_many(MEMBERS, "");
    for (long r = 0; r < rounds; r++) {
        duet_publish(server, "all", DUET_BINARY, text, len);
        turn();
        for (int i = 0; i < MEMBERS; i++)
            take(fds[i], len + (len < 126 ? 2 : 4));
    }
    printf("%ld\n", rounds * MEMBERS);
}

static void connections(long rounds)
{
    static const uint8_t bye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
    for (long r = 0; r < rounds; r++) {
        int fd = dial("");
        put(fd, bye, sizeof(bye));
        turn();
        turn();
        take(fd, 4);
        close(fd);
        turn();
        turn();
    }
    printf("%ld\n", rounds);
}

/* 16 KiB of characters of one to four bytes. */
static void mixed(uint8_t *to, size_t len)
{
    static const char piece[] = "Gr\xc3\xbc\xc3\x9f"
                                "e, \xd0\xbc\xd0\xb8\xd1\x80 \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x8c\x8d! ";
    size_t at = 0;
    for (; at + sizeof(piece) - 1 <= len; at += sizeof(piece) - 1)
        memcpy(to + at, piece, sizeof(piece) - 1);
    memset(to + at, '.', len - at);
}

/* Records that resemble each other, as JSON does. */
static void json(char *to, size_t len)
{
    size_t at = 0;
    for (unsigned i = 0; at + 80 < len; i++)
        at += (size_t)snprintf(to + at, len - at, "{\"id\":%u,\"name\":\"item %u\",\"price\":%u.%02u,\"stock\":%u},",
                               i * 7919, i, i * 31 % 997, i * 17 % 100, i * i % 53);
    memset(to + at, ' ', len - at);
}

/* What raw deflate of zlib makes of it, without the tail (RFC 7692 7.2.1). */
static size_t packed(uint8_t *to, size_t cap, const char *data, size_t len)
{
    z_stream z = { 0 };
    deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to;
    z.avail_out = (uInt)cap;
    deflate(&z, Z_SYNC_FLUSH);
    size_t n = cap - z.avail_out - 4;
    deflateEnd(&z);
    return n;
}

/* Its answer's length is the server's to choose: the first one tells it. */
static void deflated(long rounds)
{
    static char text[1024];
    static uint8_t small[1024];
    size_t back;
    json(text, sizeof(text));
    size_t len = packed(small, sizeof(small), text, sizeof(text));
    open_many(
        1, "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n");
    size_t n = frame(wire, 0xc1, small, len, &back);
    put(fds[0], wire, n);
    turn();
    ssize_t first = read(fds[0], answer, sizeof(answer));
    if (first < 4 || answer[0] != 0xc1)
        die("not compressed");
    echoes(rounds, 1, 1, 0xc1, small, len, (size_t)first);
}

static int play(const char *what, long rounds)
{
    static uint8_t data[16 * 1024];
    memset(data, 'a', 20);
    if (strcmp(what, "echo") == 0)
        open_many(100, ""), echoes(rounds, 100, 1, 0x82, data, 20, 0);
    else if (strcmp(what, "text") == 0)
        open_many(100, ""), echoes(rounds, 100, 1, 0x81, data, 20, 0);
    else if (strcmp(what, "flight") == 0)
        open_many(100, ""), echoes(rounds, 100, 16, 0x82, data, 20, 0);
    else if (strcmp(what, "unmask") == 0)
        open_many(1, ""), echoes(rounds, 1, 1, 0x82, data, sizeof(data), 0);
    else if (strcmp(what, "utf8") == 0)
        mixed(data, sizeof(data)), open_many(1, ""), echoes(rounds, 1, 1, 0x81, data, sizeof(data), 0);
    else if (strcmp(what, "fanout") == 0)
        fanout(rounds, 16);
    else if (strcmp(what, "fanout1k") == 0)
        fanout(rounds, 1024);
    else if (strcmp(what, "deflate") == 0)
        deflated(rounds);
    else if (strcmp(what, "open") == 0)
        connections(rounds);
    else
        return 1;
    return 0;
}

int main(int argc, char **argv)
{
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .ping_ms = DUET_OFF,
                                  .memory_mib = DUET_OFF,  .on = { .message = echo },    .deflate = { .on = true } };
    if (argc != 3)
        return 2;
    if (strncmp(argv[1], "fanout", 6) == 0)
        config.on.open = join;
    if (duet_loop_new(&loop) < 0 || duet_server_new(&server, &config, NULL) < 0 || duet_server_attach(server, loop) < 0)
        die("server");
    int rc = play(argv[1], atol(argv[2]));
    for (int i = 0; i < open_count; i++)
        close(fds[i]);
    duet_server_free(server);
    duet_loop_free(loop);
    return rc;
}
