/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "proto/mask.h"

const char peer_request[] = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/* Not random, so that a trace is the same each time. */
static int count_up(void *arg, void *to, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)(i * 37 + 11);
    return 0;
}

static void say(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct peer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->trace + p->len, sizeof(p->trace) - p->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(p->trace) - p->len)
        p->len += (size_t)n;
}

/* Short printable payloads as they are, others by length. */
static void say_payload(struct peer *p, const uint8_t *data, size_t len)
{
    bool plain = len <= 64;
    for (size_t i = 0; plain && i < len; i++)
        plain = data[i] >= 0x20 && data[i] != 0x7f;
    if (plain)
        say(p, "'%.*s'", (int)len, len ? (const char *)data : "");
    else
        say(p, "(%zu)", len);
}

static const char *type_name(unsigned opcode)
{
    static const char *const names[] = {
        [0] = "continuation", [1] = "text", [2] = "binary", [8] = "close", [9] = "ping", [10] = "pong"
    };
    return opcode <= 10 && names[opcode] ? names[opcode] : "reserved";
}

/* The head of what was sent is a line; then each whole frame is one. */
static void say_sent(struct peer *p)
{
    size_t at = 0;
    if (!p->head_done) {
        char *end = memmem(p->wire, p->wire_len, "\r\n\r\n", 4);
        if (end == NULL)
            return;
        at = (size_t)(end + 4 - (char *)p->wire);
        p->head_done = true;
        if (p->wire[0] == 'H')
            say(p, "http %.3s\n", (char *)p->wire + 9);
        else
            say(p, "request\n");
        if (p->wire[0] == 'H' && memcmp(p->wire + 9, "101", 3) != 0)
            at = p->wire_len;
    }
    while (at < p->wire_len) {
        struct frame f;
        uint8_t *h = p->wire + at;
        size_t have = p->wire_len - at;
        if (have < 2 || have < frame_head_size(h, have))
            break;
        assert_true(frame_decode(&f, h));
        assert_int_equal(f.masked, p->config.role == DUET_CLIENT);
        if (have - f.size < f.length)
            break;
        uint8_t *payload = h + f.size;
        size_t len = (size_t)f.length;
        mask_apply(payload, len, f.key);
        say(p, f.rsv ? "send packed %s " : "send %s ", type_name(f.opcode));
        if (f.opcode == FRAME_CLOSE && len >= 2) {
            say(p, "%u ", payload[0] << 8 | payload[1]);
            payload += 2;
            len -= 2;
        }
        say_payload(p, payload, len);
        say(p, "%s\n", f.final ? "" : " more");
        at += f.size + (size_t)f.length;
    }
    memmove(p->wire, p->wire + at, p->wire_len - at);
    p->wire_len -= at;
}

void peer_flush(struct peer *p)
{
    struct iovec iov[3];
    int n;
    while ((n = duet_proto_output(p->proto, iov, 3)) > 0) {
        size_t sent = 0;
        for (int i = 0; i < n; i++) {
            assert_true(p->wire_len + iov[i].iov_len <= sizeof(p->wire));
            memcpy(p->wire + p->wire_len, iov[i].iov_base, iov[i].iov_len);
            p->wire_len += iov[i].iov_len;
            sent += iov[i].iov_len;
        }
        duet_proto_sent(p->proto, sent);
    }
    assert_int_equal(duet_proto_queued(p->proto), 0);
    say_sent(p);
}

static const char *error_name(int error)
{
    switch (error) {
#define NAME(name, value, sentence)                                                                                    \
    case value:                                                                                                        \
        return #name;
        DUET_ERRORS(NAME)
#undef NAME
    default:
        return "?";
    }
}

static void went_wrong(struct peer *p, int error)
{
    peer_flush(p);
    if (p->error == 0)
        say(p, "error %s\n", error_name(error));
    assert_true(p->error == 0 || p->error == error);
    p->error = error;
}

static void happened(struct peer *p, const duet_event *ev)
{
    switch (ev->kind) {
    case DUET_EVENT_REQUEST:
        p->gave_up = duet_proto_accept(p->proto, NULL, NULL, p->now_ms) < 0;
        peer_flush(p);
        break;
    case DUET_EVENT_OPEN:
        say(p, "open\n");
        break;
    case DUET_EVENT_MESSAGE:
    case DUET_EVENT_PIECE:
        say(p, ev->kind == DUET_EVENT_PIECE ? "piece %s%s%s " : "message %s%s%s ", type_name(ev->type),
            ev->first ? " first" : "", ev->last ? " last" : "");
        say_payload(p, ev->data, ev->len);
        say(p, "\n");
        if (p->echo)
            duet_proto_send(p->proto, ev->type, ev->data, ev->len);
        break;
    case DUET_EVENT_PING:
    case DUET_EVENT_PONG:
        say(p, ev->kind == DUET_EVENT_PING ? "ping " : ev->answers ? "answer " : "pong ");
        say_payload(p, ev->data, ev->len);
        say(p, "\n");
        break;
    case DUET_EVENT_CLOSE:
        say(p, "close %u ", ev->code);
        say_payload(p, ev->data, ev->len);
        say(p, "\n");
        break;
    }
}

static void take(struct peer *p, int rc, duet_event *ev)
{
    if (rc == 1)
        happened(p, ev);
    else if (rc < 0)
        went_wrong(p, rc);
}

void peer_feed(struct peer *p, const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (len > 0)
        memcpy(copy, data, len);
    duet_input in = { copy, len };
    size_t calls = 0;
    int rc;
    do { /* each call takes a byte, says something, or is the last (CLI-9) */
        duet_event ev;
        size_t before = in.len;
        rc = duet_proto_recv(p->proto, &in, p->now_ms, &ev);
        take(p, rc, &ev);
        if (p->gave_up)
            break;
        assert_true(rc != 0 || in.len == 0 || in.len < before);
        assert_true(++calls <= 4 * len + 64);
    } while (rc == 1 || in.len > 0);
    int settled = duet_proto_settle(p->proto);
    peer_flush(p);
    if (settled < 0 && p->error == 0)
        went_wrong(p, settled);
    free(copy);
}

void peer_feed_room(struct peer *p, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        void *at;
        size_t room = duet_proto_room(p->proto, &at);
        if (room == 0) {
            size_t n = len < 20000 ? len : 20000;
            peer_feed(p, from, n);
            from += n;
            len -= n;
            continue;
        }
        duet_event ev;
        size_t n = room < len ? room : len;
        memcpy(at, from, n);
        from += n;
        len -= n;
        take(p, duet_proto_filled(p->proto, n, p->now_ms, &ev), &ev);
        peer_feed(p, NULL, 0);
    }
}

void peer_tick(struct peer *p, uint64_t now_ms)
{
    p->now_ms = now_ms;
    int rc = duet_proto_tick(p->proto, now_ms);
    if (rc < 0)
        went_wrong(p, rc);
    else
        peer_flush(p);
}

struct peer *peer_new(duet_role role, const duet_proto_config *config)
{
    struct peer *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    if (config)
        p->config = *config;
    p->config.size = sizeof(p->config);
    p->config.role = role;
    p->config.random = count_up;
    p->config.host = p->config.host ? p->config.host : "example.com";
    p->now_ms = 1000000;
    int rc = duet_proto_new(&p->proto, &p->config, p->now_ms);
    if (rc < 0) {
        p->failed_new = true;
        p->error = rc;
    } else {
        peer_flush(p);
    }
    return p;
}

struct peer *peer_open(duet_role role, const duet_proto_config *config)
{
    struct peer *p = peer_new(role, config);
    if (p->failed_new)
        return p;
    if (role == DUET_SERVER) {
        peer_feed(p, peer_request, strlen(peer_request));
    } else {
        char answer[256];
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                 p->proto->busy->opening->accept);
        peer_feed(p, answer, strlen(answer));
    }
    p->len = 0;
    p->trace[0] = 0;
    return p;
}

void peer_free(struct peer *p)
{
    if (!p->failed_new)
        duet_proto_free(p->proto);
    free(p);
}

size_t peer_frame(const struct peer *p, uint8_t *to, unsigned first_byte, const void *payload, size_t len)
{
    uint32_t key;
    memcpy(&key, "\x01\x02\x03\x04", 4);
    bool masked = p->config.role == DUET_SERVER;
    size_t n = frame_encode(to, first_byte & 15, false, len, masked ? &key : NULL);
    to[0] = (uint8_t)first_byte;
    mask_copy(to + n, payload, len, masked ? key : 0);
    return n + len;
}
