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
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { MOST = 1000, WIRE = 300 * 1024 };

/* Instead of the system's: by a clock that really went, a turn would be cut where the machine is slow. */
int clock_gettime(clockid_t which, struct timespec *now)
{
    static uint64_t ns = 1000000000;
    (void)which;
    ns += 100;
    *now = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
    return 0;
}

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

/* At most `most` bytes more, or a turn for them to come. */
static void take_some(int fd, size_t *have, size_t most)
{
    ssize_t n = read(fd, answer + *have, most);
    if (n < 0 && errno == EAGAIN)
        turn();
    else if (n <= 0)
        die("read");
    else
        *have += (size_t)n;
}

static void take(int fd, size_t len)
{
    for (size_t have = 0; have < len;)
        take_some(fd, &have, len - have);
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
    fcntl(fd, F_SETFL, O_NONBLOCK);
    put(fd, request, (size_t)n);
    turn();
    size_t have = 0;
    while (have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4) != 0)
        take_some(fd, &have, 1);
    if (memcmp(answer, "HTTP/1.1 101", 12) != 0)
        die("no 101");
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

/* One round of what is measured. */
static struct {
    int conns, in_flight; /* each of them is sent so many frames in one write; then the answers are read */
    size_t len, back;     /* bytes of the frames, and of the answers to them */
} job;

static void echoes(void)
{
    for (int i = 0; i < job.conns; i++)
        put(fds[i], wire, job.len);
    turn();
    for (int i = 0; i < job.conns; i++)
        take(fds[i], job.back);
}

static void begin_echoes(int conns, int in_flight, unsigned first, const uint8_t *data, size_t len)
{
    open_many(conns, "");
    job.conns = conns;
    job.in_flight = in_flight;
    for (int i = 0; i < in_flight; i++) {
        size_t back;
        job.len += frame(wire + job.len, first, data, len, &back);
        job.back += back;
    }
}

static void fanout(void)
{
    duet_publish(server, "all", DUET_BINARY, wire, job.len);
    turn();
    for (int i = 0; i < job.conns; i++)
        take(fds[i], job.back);
}

static void begin_fanout(size_t len)
{
    job.conns = 100;
    job.in_flight = 1;
    job.len = len;
    job.back = len + (len < 126 ? 2 : 4);
    open_many(job.conns, "");
}

static void connection(void)
{
    static const uint8_t bye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
    int fd = dial("");
    put(fd, bye, sizeof(bye));
    turn();
    take(fd, 4);
    close(fd);
    turn();
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
static void begin_deflated(void)
{
    char text[1024];
    uint8_t small[1024];
    json(text, sizeof(text));
    size_t back, len = packed(small, sizeof(small), text, sizeof(text));
    open_many(1, "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
                 "server_no_context_takeover\r\n");
    job.conns = job.in_flight = 1;
    job.len = frame(wire, 0xc1, small, len, &back);
    put(fds[0], wire, job.len);
    turn();
    ssize_t n = read(fds[0], answer, sizeof(answer));
    if (n < 4 || answer[0] != 0xc1)
        die("not compressed");
    job.back = (size_t)n;
}

/* What a round is; NULL: there is no such load. */
static void (*begin(const char *what))(void)
{
    static uint8_t data[16 * 1024];
    memset(data, 'a', sizeof(data));
    if (strcmp(what, "echo") == 0)
        begin_echoes(100, 1, 0x82, data, 20);
    else if (strcmp(what, "text") == 0)
        begin_echoes(100, 1, 0x81, data, 20);
    else if (strcmp(what, "in-flight") == 0)
        begin_echoes(100, 16, 0x82, data, 20);
    else if (strcmp(what, "unmask") == 0)
        begin_echoes(1, 1, 0x82, data, sizeof(data));
    else if (strcmp(what, "utf8") == 0)
        mixed(data, sizeof(data)), begin_echoes(1, 1, 0x81, data, sizeof(data));
    else if (strcmp(what, "deflate") == 0)
        begin_deflated();
    else if (strcmp(what, "fan-out") == 0)
        return begin_fanout(16), fanout;
    else if (strcmp(what, "fan-out-1k") == 0)
        return begin_fanout(1024), fanout;
    else if (strcmp(what, "open") == 0)
        return job.conns = job.in_flight = 1, connection;
    else
        return NULL;
    return echoes;
}

/* What valgrind counts: the rounds alone. */
__attribute__((noinline)) void measured(void (*a_round)(void), long rounds);
void measured(void (*a_round)(void), long rounds)
{
    for (long i = 0; i < rounds; i++)
        a_round();
}

int main(int argc, char **argv)
{
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .ping_ms = DUET_OFF,
                                  .memory_mib = DUET_OFF,  .on = { .message = echo },    .deflate = { .on = true } };
    if (argc != 3)
        return 2;
    if (strncmp(argv[1], "fan-out", 7) == 0)
        config.on.open = join;
    if (duet_loop_new(&loop) < 0 || duet_server_new(&server, &config, NULL) < 0 || duet_server_attach(server, loop) < 0)
        die("server");
    void (*a_round)(void) = begin(argv[1]);
    if (a_round == NULL)
        return 2;
    for (int i = 0; i < 3; i++) /* what is made once is made now */
        a_round();
    long rounds = atol(argv[2]);
    measured(a_round, rounds);
    printf("%ld\n", rounds * job.conns * job.in_flight);
    for (int i = 0; i < open_count; i++)
        close(fds[i]);
    duet_server_free(server);
    duet_loop_free(loop);
    return 0;
}
