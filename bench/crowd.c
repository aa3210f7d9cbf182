/* SPDX-License-Identifier: MIT */
/*
 * A crowd of clients that do nothing but be there, answer pings and count what they are told: the other end of
 * bench/scale. As little as that takes, so that half a million of them fit beside the servers.
 *
 *   bench_crowd COUNT SOURCE PORT
 *
 * opens COUNT WebSockets to ws://127.0.0.1:PORT/all from 127.0.SOURCE, 127.1.SOURCE and so on in turns (SOURCE is the
 * rest of an address: 1.1), since the kernel looks long for a port where most are taken. It prints `open NANOSECONDS`,
 * how long that took. For each line on standard input it prints `heard MESSAGES PINGS LAST`, what has come so far and
 * when the last message did, by the monotonic clock. It ends with its standard input.
 *
 * A frame of the server leaves in one write and is small, so on loopback it is read whole; one that is not ends the
 * program, as does a connection that is lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    FDS = 20000,
    EVENTS = 256,
    AT_ONCE = 64, /* handshakes */
    ROOM = 65536,
    PATIENCE_MS = 60000,
    SOURCES = 4,
    TEXT = 0x81,
    PING = 0x89
};

enum state { NONE, CONNECTING, ASKED, OPEN };

static unsigned char state[FDS];
static int poller, count, begun, opened;
static unsigned long long messages, pings, last_ns;
static struct sockaddr_in sources[SOURCES], server;
static unsigned char bytes[ROOM];

static void die(const char *what)
{
    fprintf(stderr, "bench_crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000 + (unsigned long long)t.tv_nsec;
}

static void watch(int op, int fd, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.fd = fd };
    if (epoll_ctl(poller, op, fd, &e) < 0)
        die("epoll");
}

/* The port is picked when it connects, so that an address can have all of its ports for each server. At the end it is
 * reset, so that no memory of it stays in the kernel for who measures next. */
static void begin_one(void)
{
    struct linger reset = { .l_onoff = 1 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || fd >= FDS)
        die("socket");
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (bind(fd, (struct sockaddr *)&sources[begun % SOURCES], sizeof(*sources)) < 0)
        die("bind");
    if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
        die("connect");
    state[fd] = CONNECTING;
    watch(EPOLL_CTL_ADD, fd, EPOLLOUT);
    begun++;
}

static void ask(int fd)
{
    static const char request[] = "GET /all HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
        die("send");
    state[fd] = ASKED;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void take_answer(int fd, size_t len)
{
    if (len < 16 || memcmp(bytes, "HTTP/1.1 101", 12) != 0 || memcmp(bytes + len - 4, "\r\n\r\n", 4) != 0)
        die("no upgrade");
    state[fd] = OPEN;
    opened++;
}

static void take_frames(int fd, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t size = at + 1 < len ? 2u + bytes[at + 1] : SIZE_MAX;
        if (size > len - at || (bytes[at] != TEXT && bytes[at] != PING) || bytes[at + 1] > 125)
            die("a frame that is not whole, or none that was to come");
        if (bytes[at] == TEXT) {
            messages++;
        } else {
            unsigned char pong[6 + 125] = { 0x8a, (unsigned char)(0x80 | bytes[at + 1]) }; /* the mask is zero */
            memcpy(pong + 6, bytes + at + 2, size - 2);
            if (send(fd, pong, size + 4, MSG_NOSIGNAL) != (ssize_t)size + 4)
                die("send");
            pings++;
        }
        at += size;
    }
}

static void happened(int fd)
{
    if (state[fd] == CONNECTING) {
        ask(fd);
        return;
    }
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n <= 0)
        die("a connection ended");
    unsigned long long before = messages;
    if (state[fd] == ASKED)
        take_answer(fd, (size_t)n);
    else
        take_frames(fd, (size_t)n);
    if (messages != before)
        last_ns = now_ns();
}

/* False: nobody asks any more. */
static bool take_question(void)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line));
    if (n <= 0)
        return false;
    printf("heard %llu %llu %llu\n", messages, pings, last_ns);
    fflush(stdout);
    return true;
}

static bool turn(int wait_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(poller, events, EVENTS, wait_ms);
    if (n == 0 && wait_ms > 0)
        die("nothing comes any more");
    for (int i = 0; i < n; i++) {
        if (events[i].data.fd != STDIN_FILENO)
            happened(events[i].data.fd);
        else if (!take_question())
            return false;
    }
    return true;
}

static void open_all(void)
{
    unsigned long long began = now_ns();
    while (opened < count) {
        while (begun < count && begun - opened < AT_ONCE)
            begin_one();
        turn(PATIENCE_MS);
    }
    printf("open %llu\n", now_ns() - began);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    if (argc != 4 || (count = atoi(argv[1])) < 1 || count > FDS - 64) {
        fprintf(stderr, "Usage: %s COUNT SOURCE PORT\n", argv[0]);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < FDS ? files.rlim_max : FDS;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < SOURCES; i++) {
        char address[32];
        snprintf(address, sizeof(address), "127.%d.%s", i, argv[2]);
        sources[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
    }
    server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3])) };
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(0);
    open_all();
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
    while (turn(-1))
        ;
    return 0;
}
