/* SPDX-License-Identifier: MIT */
/*
 * A whole server's connection over a stream in memory, which reads and writes as little as the input says (NET-4,
 * NET-5): HTTP, the upgrade, WebSocket, an application that does what messages ask for. Each connection opens and
 * closes once, each request that was not answered is told so once, and what is written after a 101 are good frames.
 * Data: options, then what each read gives: so many literal bytes, a whole request, a masked frame, would-block, the
 * end, an error.
 */
#include "fuzz.h"
#include "naive_frame.h"
#include "server/httpd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SERVERS = 4, OUT_MOST = 1 << 20, REQUEST = 0xe0, BLOCK = 0xf0, FRAME = 0xf4, END = 0xfe, RESET = 0xff };

#define UPGRADE "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

static const char *const requests[] = {
    "GET / HTTP/1.1\r\n" UPGRADE "\r\n",
    "GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "GET /no HTTP/1.1\r\n" UPGRADE "\r\n",
    "GET /later HTTP/1.1\r\n" UPGRADE "\r\n",
    "GET /text HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /page HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\nIf-None-Match: \"b\"\r\n\r\n",
    "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /topic HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HEAD /text HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /kept HTTP/1.1\r\nHost: h\r\n\r\n",
};

static struct {
    duet_loop *loop;
    duet_server *server;
} sites[SERVERS];

static struct {
    struct program in;
    uint8_t frame[6 + 255]; /* what is left of one that is being read */
    size_t frame_at, frame_len;
    const char *request; /* likewise */
    uint32_t seed;
    size_t write_most, written, busy;
    bool blocked, over, open, closed;
    unsigned asked, answered; /* requests that the application was given; and those that it is done with */
    duet_http *kept;
    duet_conn *paused;
    bool kept_upgrade;
    uint8_t out[OUT_MOST];
} t;

static ssize_t memory_read(struct stream *s, void *to, size_t size)
{
    (void)s;
    size_t n = t.frame_len - t.frame_at;
    const void *from = t.frame + t.frame_at;
    t.busy++;
    if (t.request != NULL) {
        n = 1 + t.in.left % strlen(t.request);
        from = t.request;
        t.request = n < strlen(t.request) ? t.request + n : NULL;
    } else if (n > 0) {
        t.frame_at += n = n < size ? n : size;
    } else if (t.in.left == 0 || t.over) {
        t.over = true;
        return 0;
    } else {
        unsigned op = next_byte(&t.in);
        if (op >= END) {
            t.over = true;
            return op == END ? 0 : -ECONNRESET;
        }
        if (op >= FRAME) {
            size_t len = next_byte(&t.in) % 126;
            static const uint8_t first[] = { 0x81, 0x82, 0x01, 0x80, 0x00, 0x88, 0x89, 0xc2, 0x8a, 0x41 };
            const uint8_t *payload = next_bytes(&t.in, &len);
            memset(t.frame, 0, 6); /* a key of zeros */
            t.frame[0] = first[op - FRAME];
            t.frame[1] = (uint8_t)(0x80 | len);
            memcpy(t.frame + 6, payload, len);
            t.frame_at = 0;
            t.frame_len = 6 + len;
            return memory_read(s, to, size);
        }
        if (op >= BLOCK)
            return -EAGAIN;
        if (op >= REQUEST) {
            t.request = requests[(op - REQUEST) % (sizeof(requests) / sizeof(*requests))];
            return memory_read(s, to, size);
        }
        n = 1 + op;
        from = next_bytes(&t.in, &n);
        n = n < size ? n : size;
        if (n == 0)
            return -EAGAIN;
    }
    memcpy(to, from, n);
    return (ssize_t)n;
}

static ssize_t memory_write(struct stream *s, const struct iovec *iov, int count)
{
    (void)s;
    size_t done = 0;
    t.seed = t.seed * 1664525u + 1013904223u;
    t.blocked = !t.blocked && t.seed >> 29 == 0;
    t.busy++;
    if (count == 0 || t.blocked)
        return count == 0 ? 0 : -EAGAIN;
    for (int i = 0; i < count && done < t.write_most; i++) {
        size_t n = iov[i].iov_len < t.write_most - done ? iov[i].iov_len : t.write_most - done;
        check_known(iov[i].iov_base, n);
        for (size_t k = 0; k < n; k++) /* all of it is looked at, whether or not there is room for it */
            t.out[(t.written + k) % OUT_MOST] = ((const uint8_t *)iov[i].iov_base)[k];
        t.written += n;
        done += n;
    }
    return (ssize_t)done;
}

static void memory_shutdown(struct stream *s)
{
    (void)s;
}

static struct stream_ops memory_ops;
static const struct stream_kind in_memory = { .ops = &memory_ops };

static void opened(duet_conn *c)
{
    (void)c;
    CHECK(!t.open);
    t.open = true;
}

static void closed(duet_conn *c, const duet_closing *why)
{
    CHECK(t.open && !t.closed && (why->reason_len == 0 || why->reason != NULL));
    if (t.paused == c)
        t.paused = NULL;
    t.closed = true;
}

static void message(duet_conn *c, const duet_msg *m)
{
    static const uint8_t large[100000];
    const char *text = m->data;
    CHECK(t.open && !t.closed);
    duet_shared *shared;
    switch (m->len > 0 ? text[0] : 0) {
    case 's':
        duet_subscribe(c, m->len % 2 ? "a" : "b");
        break;
    case 'u':
        duet_unsubscribe(c, "a");
        break;
    case 'p':
        duet_publish(duet_server_of(c), "a", DUET_BINARY, m->data, m->len);
        break;
    case 'e':
        duet_publish_except(c, "a", DUET_BINARY, m->data, m->len);
        break;
    case 'c':
        duet_close(c, 1000, "asked for");
        break;
    case 'a':
        duet_abort(c);
        break;
    case 'P':
        duet_ping(c);
        break;
    case 'z':
        duet_pause(t.paused = c);
        break;
    case 'b':
        duet_send_begin(c, DUET_BINARY);
        duet_send_part(c, m->data, m->len, m->len % 2);
        break;
    case 'l':
        duet_send(c, DUET_BINARY, large, t.write_most < 1000 ? 3000 : sizeof(large)); /* or it would take long */
        break;
    case 'S':
        shared = duet_msg_share(m);
        duet_send_shared(c, shared);
        duet_shared_unref(shared);
        break;
    default:
        duet_send(c, m->type, m->data, m->len);
    }
}

static void gone(duet_http *x)
{
    if (t.kept == x)
        t.kept = NULL;
    t.answered++;
    CHECK(t.answered <= t.asked);
}

static bool is(const duet_request *r, const char *path)
{
    return strcmp(duet_request_path(r), path) == 0;
}

static void upgrade(duet_http *x, const duet_request *r)
{
    t.asked++;
    if (is(r, "/later")) {
        t.kept = x;
        t.kept_upgrade = true;
        return;
    }
    t.answered += (is(r, "/no") ? duet_http_text(x, 403, "no") : duet_http_upgrade(x, NULL, NULL)) == 0;
}

static void http(duet_http *x, const duet_request *r)
{
    static const duet_http_page page = { "text/plain", "\"a\"", "abcdef", 6, NULL };
    size_t len;
    const void *body = duet_request_body(r, &len);
    t.asked++;
    if (is(r, "/kept")) {
        t.kept = x;
        t.kept_upgrade = false;
    } else if (is(r, "/page")) {
        t.answered += duet_http_page_reply(x, r, &page, NULL) == 0;
    } else if (is(r, "/topic")) {
        if (duet_http_begin(x, 200, NULL) == 0)
            duet_http_subscribe(x, "a");
    } else if (is(r, "/stream")) {
        duet_http_begin(x, 200, NULL);
        duet_http_write(x, "some", 4);
        t.answered += duet_http_end(x) == 0;
    } else {
        t.answered += duet_http_reply(x, 200, NULL, body, len) == 0;
    }
}

static void make_site(int i)
{
    static const char *const proxies[] = { "127.0.0.1", NULL };
    duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:0", .trusted_proxies = proxies,
                                  .on = { .open = opened, .message = message, .close = closed, .upgrade = upgrade,
                                          .http = http, .gone = gone } };
    config.pieces = i == 1;
    config.deflate = (duet_deflate){ .on = i > 1, .keep_window = i == 3, .least = 1 };
    if (i % 2) {
        config.queue_soft = 1000;
        config.queue_max = 5000;
        config.when_full = DUET_FULL_REFUSE;
        config.requests_max = 3;
        config.message_max = 300;
    }
    CHECK(duet_loop_new(&sites[i].loop) == 0 && duet_server_new(&sites[i].server, &config, NULL) == 0);
    CHECK(duet_server_attach(sites[i].server, sites[i].loop) == 0);
    memory_ops = stream_tcp_ops;
    memory_ops.read = memory_read;
    memory_ops.write = memory_write;
    memory_ops.shutdown = memory_shutdown;
}

static duet_conn *the_conn(struct server_loop *l)
{
    for (uint32_t i = 0; i < server_slots(l); i++)
        if (server_slot(l, i) != NULL)
            return server_slot(l, i);
    return NULL;
}

/* What was put off is done when nothing else happens. False: there was nothing. */
static bool go_on(void)
{
    if (t.paused != NULL) {
        duet_conn *c = t.paused;
        t.paused = NULL;
        duet_resume(c);
        return true;
    }
    if (t.kept == NULL)
        return false;
    duet_http *x = t.kept;
    t.kept = NULL;
    t.answered += (t.kept_upgrade ? duet_http_upgrade(x, NULL, NULL) : duet_http_text(x, 200, "late")) == 0;
    return true;
}

/* Behind a 101 there are frames, the last of which may be cut. */
static void judge_output(void)
{
    static const char switching[] = "HTTP/1.1 101 ";
    size_t len = t.written < OUT_MOST ? t.written : OUT_MOST;
    if (t.written > OUT_MOST || len < sizeof(switching) || memcmp(t.out, switching, sizeof(switching) - 1) != 0)
        return;
    const uint8_t *end = memmem(t.out, len, "\r\n\r\n", 4);
    struct naive_frame f = { .due_masked = false };
    uint64_t skip = 0;
    for (const uint8_t *at = end ? end + 4 : t.out + len; at < t.out + len; at++) {
        if (skip > 0) {
            skip--;
            continue;
        }
        naive_frame_byte(&f, f.have == 0 && *at % 16 <= 2 ? (uint8_t)(*at & ~0x40) : *at);
        CHECK(f.state != NAIVE_BAD);
        if (f.state != NAIVE_HEAD)
            continue;
        skip = f.length;
        f = (struct naive_frame){ .due_masked = false };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    int which = data[0] % SERVERS;
    if (sites[which].loop == NULL)
        make_site(which);
    memset(&t, 0, offsetof(typeof(t), out));
    t.in = (struct program){ data + 2, size - 2 };
    t.seed = data[1];
    t.write_most = data[1] % 4 == 0 ? OUT_MOST : data[1] % 4 == 1 ? 1000 : data[1] % 4 == 2 ? 7 : 1;
    duet_loop *loop = sites[which].loop;
    struct server_loop *l = &sites[which].server->loops[0];
    struct address from = { .len = sizeof(struct sockaddr_in) };
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&from.at;
    *in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    accept_newcomer(&l->listeners[0].listener, eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), &from);
    duet_conn *c = the_conn(l);
    CHECK(c != NULL);
    c->stream.as = &in_memory;
    size_t turns = 0;
    for (unsigned idle = 0; (c = the_conn(l)) != NULL && idle < 4 && t.written < OUT_MOST;) {
        size_t busy = t.busy;
        duet_loop_turn(loop, 0);
        CHECK(++turns <= calls_most(size) + 2 * t.written + 2 * size * strlen(requests[1]));
        idle = t.busy != busy || go_on() ? 0 : idle + 1;
    }
    if (c != NULL)
        conn_kill(c, DUET_ERR_EOF);
    for (int i = 0; i < 4; i++) /* its end is told, and its slot free */
        duet_loop_turn(loop, 0);
    CHECK(the_conn(l) == NULL && t.open == t.closed && t.asked == t.answered && l->websockets == 0);
    judge_output();
    return 0;
}
