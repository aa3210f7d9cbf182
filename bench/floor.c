/* SPDX-License-Identifier: MIT */
/*
 * The floor: the least that a server on epoll can do for `duet bench`, to divide what servers cost by what the kernel
 * does anyway.
 *
 *   bench_floor echo|fan PORT     on 127.0.0.1; fan: what one sends goes to everybody, its sender too
 *
 * One thread, one recv() for what has come, one send() for each connection that gets something of it. It answers any
 * request that has a Sec-WebSocket-Key and from then on turns masked frames into unmasked ones, as the bytes come. It
 * is no server. It does not
 *
 *  - look at the request, other than for the key, which must come with all the rest of the head in one piece;
 *  - check anything: reserved bits, opcodes, masks that are missing, lengths, UTF-8, codes;
 *  - gather messages: a piece of a frame goes out as a piece, so two that fan out long ones at once would mix them;
 *  - answer pings, send any, time anybody out, or limit anything;
 *  - compress, encrypt, or serve HTTP.
 *
 * With all bytes of one connection in its way at once it reads on only when its answer is out; who fans out and is
 * read too slowly makes it keep the rest in memory, without end.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 65536, EVENTS = 1024, READ = 256 * 1024, HEAD = 14, CLOSE = 8 };

static struct peer {
    bool upgraded, closing;
    uint8_t head[HEAD], have; /* of the frame that comes */
    uint64_t left, at;        /* of its payload */
    uint8_t *unsent;          /* what the kernel did not take */
    size_t unsent_len;
    int place; /* among the members */
} peers[FDS];

static uint8_t bytes[READ]; /* that have come, and then what goes out of them */
static int members[FDS], member_count, poller;
static bool fan;

static void watch(int op, int fd, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.fd = fd };
    epoll_ctl(poller, op, fd, &e);
}

static void drop(int fd)
{
    struct peer *p = &peers[fd];
    if (p->upgraded) {
        members[p->place] = members[--member_count];
        peers[members[p->place]].place = p->place;
    }
    free(p->unsent);
    *p = (struct peer){ 0 };
    close(fd);
}

/* Keeps what the kernel does not take. */
static void push(int fd, const uint8_t *data, size_t len)
{
    struct peer *p = &peers[fd];
    ssize_t n = p->unsent_len > 0 ? 0 : send(fd, data, len, MSG_NOSIGNAL);
    size_t rest = len - (size_t)(n > 0 ? n : 0);
    if (rest == 0)
        return;
    p->unsent = realloc(p->unsent, p->unsent_len + rest);
    assert(p->unsent != NULL);
    memcpy(p->unsent + p->unsent_len, data + len - rest, rest);
    p->unsent_len += rest;
    watch(EPOLL_CTL_MOD, fd, fan ? EPOLLIN | EPOLLOUT : EPOLLOUT);
}

static void flush(int fd)
{
    struct peer *p = &peers[fd];
    ssize_t n = send(fd, p->unsent, p->unsent_len, MSG_NOSIGNAL);
    if (n <= 0)
        return; /* a connection that broke has an event of its own */
    p->unsent_len -= (size_t)n;
    memmove(p->unsent, p->unsent + n, p->unsent_len);
    if (p->unsent_len > 0)
        return;
    free(p->unsent);
    p->unsent = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void upgrade(int fd, size_t len)
{
    static const char name[] = "\r\nSec-WebSocket-Key: ", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t sha[EVP_MAX_MD_SIZE], key[24 + sizeof(guid) - 1], accept[32];
    char answer[200];
    const uint8_t *at = memmem(bytes, len, name, sizeof(name) - 1);
    if (at == NULL || (size_t)(bytes + len - at) < sizeof(name) - 1 + 24) {
        drop(fd); /* a look whether somebody listens, or no WebSocket client */
        return;
    }
    memcpy(key, at + sizeof(name) - 1, 24);
    memcpy(key + 24, guid, sizeof(guid) - 1);
    EVP_Digest(key, sizeof(key), sha, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, sha, 20);
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     (const char *)accept);
    peers[fd].upgraded = true;
    peers[fd].place = member_count;
    members[member_count++] = fd;
    push(fd, (const uint8_t *)answer, (size_t)n);
}

typedef uint8_t block __attribute__((vector_size(32)));

/* `to` may be before `from`, in the same bytes. */
static void unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t *mask, uint64_t at)
{
    block turned, word;
    size_t i = 0;
    for (unsigned k = 0; k < sizeof(block); k++)
        turned[k] = mask[(at + k) & 3];
    for (; i + sizeof(block) <= len; i += sizeof(block)) {
        memcpy(&word, from + i, sizeof(block));
        word ^= turned;
        memcpy(to + i, &word, sizeof(block));
    }
    for (; i < len; i++)
        to[i] = from[i] ^ mask[(at + i) & 3];
}

/* Octets that the length takes, behind the first two. */
static unsigned wide(const struct peer *p)
{
    unsigned length = p->head[1] & 127;
    return length == 127 ? 8 : length == 126 ? 2 : 0;
}

static bool head_whole(const struct peer *p)
{
    return p->have >= 2 && p->have >= 6 + wide(p);
}

/* Takes what there is of a frame's head. Once it is whole, `to` gets it, without the mask. Returns how far it read. */
static size_t take_head(struct peer *p, const uint8_t *from, size_t len, uint8_t *to, size_t *put)
{
    size_t used = 0;
    while (used < len && !head_whole(p)) {
        size_t more = (p->have < 2 ? 2 : 6 + wide(p)) - p->have;
        more = more < len - used ? more : len - used;
        memcpy(p->head + p->have, from + used, more);
        p->have += (uint8_t)more;
        used += more;
    }
    if (!head_whole(p))
        return used;
    p->left = wide(p) > 0 ? 0 : p->head[1] & 127;
    for (unsigned i = 0; i < wide(p); i++)
        p->left = p->left << 8 | p->head[2 + i];
    p->at = 0;
    p->closing = (p->head[0] & 15) == CLOSE;
    memcpy(to, p->head, 2 + wide(p));
    to[1] &= 127;
    *put += 2 + wide(p);
    return used;
}

/* What has come, for the way back, in its place; it is never longer. */
static size_t translate(struct peer *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (!head_whole(p)) {
            i += take_head(p, bytes + i, len - i, bytes + n, &n);
        } else {
            size_t piece = len - i < p->left ? len - i : (size_t)p->left;
            unmask(bytes + n, bytes + i, piece, p->head + 2 + wide(p), p->at);
            p->left -= piece;
            p->at += piece;
            i += piece;
            n += piece;
        }
        if (head_whole(p) && p->left == 0)
            p->have = 0;
    }
    return n;
}

static void readable(int fd)
{
    struct peer *p = &peers[fd];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(fd);
        return;
    }
    if (!p->upgraded) {
        upgrade(fd, (size_t)n);
        return;
    }
    size_t len = translate(p, (size_t)n);
    if (!fan || p->closing)
        push(fd, bytes, len);
    else
        for (int i = 0; len > 0 && i < member_count; i++)
            push(members[i], bytes, len);
}

static void happened(int fd, uint32_t events)
{
    struct peer *p = &peers[fd];
    if ((events & EPOLLOUT) != 0 && p->unsent_len > 0)
        flush(fd);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !p->closing)
        readable(fd);
    if (p->closing && p->have == 0 && p->unsent_len == 0)
        drop(fd);
}

static void take_all(int door)
{
    int one = 1;
    for (int fd; (fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        assert(fd < FDS);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(door, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(door, 4096) < 0) {
        perror("bench_floor: cannot listen");
        exit(1);
    }
    return door;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    if (argc != 3 || (strcmp(argv[1], "echo") != 0 && strcmp(argv[1], "fan") != 0)) {
        fprintf(stderr, "Usage: %s echo|fan PORT\n", argv[0]);
        return 2;
    }
    fan = argv[1][0] == 'f';
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < FDS ? files.rlim_max : FDS;
    setrlimit(RLIMIT_NOFILE, &files);
    int door = listen_on(atoi(argv[2]));
    poller = epoll_create1(0);
    watch(EPOLL_CTL_ADD, door, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == door)
                take_all(door);
            else
                happened(events[i].data.fd, events[i].events);
        }
    }
}
