/* SPDX-License-Identifier: MIT */
/*
 * churn PORT PID SECONDS [SEED [PAUSE_MS]]: connections come and go in every way, well and badly, while the server's
 * resident memory is watched (MEM-8, CLS-11). After a quarter of the time it must have levelled off: it may grow by
 * 4 MiB more (queues in flight) and no further. What is in flight depends on how fast the machine is, so every three
 * seconds all connections are dropped, and memory is looked at when the server has let them go. The least of ten such
 * looks counts, since what is kept for reuse comes and goes. In half an hour and more the line through them, after
 * that quarter, may rise by 1 % at most. The server speaks HTTP and takes WebSockets at /channel/soak. After each two
 * hundred steps it rests for PAUSE_MS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 400, GROWTH_KB = 4096, LONG_S = 1800, REST_S = 3, LOOKS = 10 };

/* Resident memory over time, as sums for the line of least squares; and the least of the looks since the last one. */
static struct {
    double n, t, kb, tt, tkb, first, last;
    unsigned looks;
    long least;
} seen;

static int conns[MOST];
static unsigned short port;
static uint64_t seed;
static unsigned long opened, ended, sent, received;

static unsigned roll(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

/* From the page tables: the count in /proc/PID/status is late by some pages for each processor. */
static long resident_kb(int pid)
{
    char path[64], line[128];
    long kb = -1;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof(line), f))
        if (sscanf(line, "Rss: %ld", &kb) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kb;
}

static int dial(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void put(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        sent++;
}

static void drop(int i, int reset)
{
    struct linger now = { .l_onoff = 1 };
    if (reset)
        setsockopt(conns[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(conns[i]);
    conns[i] = -1;
    ended++;
}

static void upgrade(int fd)
{
    static const char request[] = "GET /channel/soak HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                  "Sec-WebSocket-Version: 13\r\n\r\n";
    /* Sometimes in two pieces, sometimes with a message behind it, sometimes not whole. */
    size_t len = sizeof(request) - 1, cut = roll(4) ? len : roll((unsigned)len);
    put(fd, request, cut);
    if (cut < len && roll(3))
        put(fd, request + cut, len - cut);
    opened++;
}

static void message(int fd, unsigned first, size_t len)
{
    static uint8_t frame[200014];
    size_t n = 2;
    frame[0] = (uint8_t)first;
    if (len < 126) {
        frame[1] = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(len >> 8);
        frame[3] = (uint8_t)len;
        n = 4;
    } else {
        frame[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            frame[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    memset(frame + n, 0, 4);
    memset(frame + n + 4, 'm', len);
    put(fd, frame, n + 4 + len);
}

static void act(int i)
{
    int fd = conns[i];
    switch (roll(16)) {
    case 0: message(fd, 0x88, 0); break;            /* a Close */
    case 1: message(fd, 0x89, roll(126)); break;    /* a ping */
    case 2: message(fd, 0x01, 3); break;            /* a fragment and no more */
    case 3: message(fd, 0x80, 3); break;
    case 4: message(fd, 0x82, roll(200000)); break; /* large */
    case 5: put(fd, "garbage", 7); break;
    case 6: drop(i, 1); break;
    case 7: drop(i, 0); break;
    case 8: shutdown(fd, SHUT_WR); break;
    case 9: put(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27); break;
    default: message(fd, 0x81, roll(100)); break;
    }
}

/* Reads what came, but not always: some are slow. */
static void take(int i)
{
    static char bytes[65536];
    if (roll(4) == 0)
        return;
    ssize_t n = recv(conns[i], bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n > 0)
        received += (unsigned long)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop(i, 0);
}

static void step(void)
{
    int i = (int)roll(MOST);
    if (conns[i] < 0) {
        conns[i] = dial();
        if (conns[i] >= 0 && roll(10) != 0)
            upgrade(conns[i]);
        return;
    }
    act(i);
    for (int k = 0; k < 8; k++) {
        i = (int)roll(MOST);
        if (conns[i] >= 0)
            take(i);
    }
}

static void note(double t, long kb)
{
    seen.least = seen.looks == 0 || kb < seen.least ? kb : seen.least;
    if (++seen.looks < LOOKS)
        return;
    double k = (double)seen.least;
    seen.looks = 0;
    seen.first = seen.n == 0 ? t : seen.first;
    seen.last = t;
    seen.n++;
    seen.t += t;
    seen.kb += k;
    seen.tt += t * t;
    seen.tkb += t * k;
}

/* How much the line rises from the first sample to the last, in percent of the mean. */
static double rise(void)
{
    double spread = seen.n * seen.tt - seen.t * seen.t;
    double slope = spread > 0 ? (seen.n * seen.tkb - seen.t * seen.kb) / spread : 0;
    return seen.kb > 0 ? slope * (seen.last - seen.first) / (seen.kb / seen.n) * 100 : 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many connections the server has besides the one that asks; -1: no answer. */
static long connections(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    static char answer[65536];
    size_t have = 0;
    int fd = dial();
    if (fd < 0)
        return -1;
    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
    for (ssize_t n = 1; n > 0 && have < sizeof(answer) - 1; have += n > 0 ? (size_t)n : 0)
        n = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
    close(fd);
    answer[have] = '\0';
    const char *at = strstr(answer, "\nduet_connections ");
    return at ? atol(at + sizeof("\nduet_connections ") - 1) - 1 : -1;
}

/* Lets all go, and waits until the server has: lingering ends within a second. Its memory then. */
static long at_rest(int pid)
{
    for (int i = 0; i < MOST; i++)
        if (conns[i] >= 0)
            drop(i, 1);
    for (int i = 0; i < 1000 && connections() != 0; i++)
        poll(NULL, 0, 20);
    return resident_kb(pid);
}

/* The work itself; the server's memory after a quarter of it. */
static long churn(int pid, long seconds, int pause_ms)
{
    long settled = 0;
    double start = now(), told = start, rested = start;
    for (double t = start; t - start < (double)seconds; t = now()) {
        for (int i = 0; i < 200; i++)
            step();
        if (pause_ms > 0)
            poll(NULL, 0, pause_ms);
        if (settled == 0 && t - start >= (double)seconds / 4)
            settled = resident_kb(pid);
        if (t - told >= (seconds < LONG_S ? 5 : 60)) {
            told = t;
            printf("# %.0f s: %lu opened, %lu ended, %ld KiB\n", t - start, opened, ended, resident_kb(pid));
            fflush(stdout);
        }
        if (t - rested >= REST_S) {
            rested = t;
            long kb = at_rest(pid);
            if (settled != 0)
                note(t - start, kb);
        }
    }
    return settled;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: churn PORT PID SECONDS [SEED [PAUSE_MS]]\n");
        return 2;
    }
    port = (unsigned short)atoi(argv[1]);
    int pid = atoi(argv[2]);
    long seconds = atol(argv[3]);
    seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    seed = seed * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < MOST; i++)
        conns[i] = -1;
    long settled = churn(pid, seconds, argc > 5 ? atoi(argv[5]) : 0);
    long rest = at_rest(pid);
    bool level = rest > 0 && rest - settled <= GROWTH_KB, flat = seconds < LONG_S || rise() < 1;
    printf("%s - %lu opened, %lu ended, %lu sent, %lu bytes received; %ld KiB after a quarter, %ld KiB at the end\n",
           level ? "ok" : "not ok", opened, ended, sent, received, settled, rest);
    if (seconds >= LONG_S)
        printf("%s - the line through %.0f looks at it at rest rises by %.3f %%, under 1 %%\n", flat ? "ok" : "not ok",
               seen.n, rise());
    return level && flat ? 0 : 1;
}
