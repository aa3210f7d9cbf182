/* SPDX-License-Identifier: MIT */
/*
 * A client and a server talk over a link that is cut wherever the input says. What is accepted comes out at the other
 * side, whole, once and in order, in front of a Close; and in the end both are open, or both are closed with the code
 * that was sent (CLS-5, CLS-6). Data: options, then a program of sends, deliveries, pings, closes and time.
 */
#include "fuzz.h"
#include <duet/proto.h>

enum { TEXT_MOST = 80000, DUE_MOST = 4096, HELD_MOST = 256 };

struct side {
    duet_proto *p;
    struct side *other;
    struct due {
        duet_type type;
        size_t len;
        unsigned seed;
    } due[DUE_MOST]; /* what it is to hear, in order */
    size_t sent, came; /* messages */
    struct due parts; /* a message in parts that is being sent */
    bool in_parts, closed, heard_close;
    unsigned code; /* that it sent; 1005 for none */
    uint8_t *held[HELD_MOST]; /* what was sent and may be borrowed: spoiled when it no longer is */
    size_t held_len[HELD_MOST], held_count, calls, bytes;
    uint8_t got[TEXT_MOST]; /* of a message that comes in pieces */
    size_t got_len;
};

static struct side server, client;
static uint64_t now;

static int counted(void *arg, void *to, size_t len)
{
    static uint32_t n;
    (void)arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = (uint8_t)((n = n * 1664525u + 1013904223u) >> 24);
    return 0;
}

/* Text that depends on its seed: some compresses, some does not; "\xc3\xa9" crosses the parts now and then. */
static void fill(uint8_t *to, size_t from, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        size_t at = from + i;
        uint32_t mixed = (uint32_t)(at / (seed % 4 ? 1 : 16) + seed) * 2654435761u;
        to[i] = (uint8_t)(at % 64 == 62 ? 0xc3 : at % 64 == 63 ? 0xa9 : 32 + (mixed >> 20) % (seed & 8 ? 4 : 90));
    }
}

static void forget(struct side *s)
{
    CHECK(duet_proto_settle(s->p) == 0);
    while (s->held_count > 0) {
        s->held_count--;
        memset(s->held[s->held_count], 0xee, s->held_len[s->held_count]);
        free(s->held[s->held_count]);
    }
}

static uint8_t *text_of(struct side *s, size_t from, size_t len, unsigned seed)
{
    if (s->held_count == HELD_MOST)
        forget(s);
    uint8_t *text = malloc(len + 1);
    CHECK(text != NULL);
    fill(text, from, len, seed);
    s->held[s->held_count] = text;
    s->held_len[s->held_count++] = len;
    return text;
}

/* The end of a text may not stand inside a character. */
static size_t whole(size_t len)
{
    return len % 64 == 63 ? len - 1 : len;
}

static void due(struct side *s, struct due d)
{
    if (s->sent < DUE_MOST)
        s->other->due[s->sent] = d;
    s->sent++;
}

static void judge(struct side *s, duet_type type, const uint8_t *data, size_t len)
{
    static uint8_t text[TEXT_MOST];
    struct due *d = &s->due[s->came++];
    CHECK(s->came <= s->other->sent && s->came <= DUE_MOST && d->type == type && d->len == len);
    fill(text, 0, len, d->seed);
    CHECK(len == 0 || memcmp(text, data, len) == 0);
}

static void hear(struct side *s, const duet_event *ev)
{
    CHECK(!s->heard_close);
    switch (ev->kind) {
    case DUET_EVENT_REQUEST:
        CHECK(duet_proto_accept(s->p, "chat", NULL, now) == 0);
        break;
    case DUET_EVENT_MESSAGE:
        judge(s, ev->type, ev->data, ev->len);
        break;
    case DUET_EVENT_PIECE:
        CHECK(s->got_len + ev->len <= TEXT_MOST && (!ev->first || s->got_len == 0));
        if (ev->len > 0)
            memcpy(s->got + s->got_len, ev->data, ev->len);
        s->got_len += ev->len;
        if (ev->last)
            judge(s, ev->type, s->got, s->got_len);
        if (ev->last)
            s->got_len = 0;
        break;
    case DUET_EVENT_CLOSE:
        /* It comes behind all that was sent; or answers ours, with our code, and what crossed it was dropped. */
        s->heard_close = true;
        CHECK(ev->code == (s->other->closed ? s->other->code : s->code));
        CHECK(s->closed || s->came == s->other->sent);
        break;
    default:
        break;
    }
}

/* Takes up to `n` bytes of the other side's output. */
static void deliver(struct side *s, size_t n, bool room)
{
    struct iovec iov[64];
    duet_event ev;
    void *at;
    int count = duet_proto_output(s->other->p, iov, 1 + (int)(n % 64)), rc;
    size_t all = 0, taken = 0;
    for (int i = 0; i < count; i++)
        all += iov[i].iov_len;
    n = n < all ? n : all;
    if (n == 0)
        return;
    size_t place = room ? duet_proto_room(s->p, &at) : 0;
    if (place > 0 && n > place)
        n = place;
    uint8_t *bytes = place ? at : malloc(n);
    for (int i = 0; taken < n; i++) {
        size_t part = iov[i].iov_len < n - taken ? iov[i].iov_len : n - taken;
        check_known(iov[i].iov_base, part);
        memcpy(bytes + taken, iov[i].iov_base, part);
        taken += part;
    }
    duet_proto_sent(s->other->p, n);
    s->bytes += n;
    duet_input in = { bytes, place ? 0 : n };
    rc = place ? duet_proto_filled(s->p, n, now, &ev) : duet_proto_recv(s->p, &in, now, &ev);
    for (; rc == 1; rc = duet_proto_recv(s->p, &in, now, &ev)) {
        CHECK(++s->calls <= calls_most(s->bytes));
        hear(s, &ev);
    }
    CHECK(rc == 0 && in.len == 0);
    CHECK(duet_proto_settle(s->p) == 0);
    if (!place)
        free(bytes);
}

static void send_whole(struct side *s, unsigned how, size_t len, unsigned seed)
{
    struct due d = { how & 1 ? DUET_TEXT : DUET_BINARY, how & 1 ? whole(len) : len, seed };
    uint8_t *text = text_of(s, 0, d.len, seed);
    int rc;
    if (how & 2) {
        duet_shared *shared = duet_shared_new(d.type, text, d.len);
        CHECK(shared != NULL);
        rc = duet_proto_send_shared(s->p, shared);
        duet_shared_unref(shared);
    } else {
        rc = duet_proto_send(s->p, d.type, text, d.len);
    }
    CHECK(rc == 0 || rc == DUET_ERR_STATE || rc == DUET_ERR_CLOSED);
    CHECK((rc == 0) == (duet_proto_is_open(s->p) && !s->in_parts));
    if (rc == 0)
        due(s, d);
}

static void send_part(struct side *s, size_t len, unsigned seed, bool last)
{
    if (!s->in_parts) {
        s->parts = (struct due){ DUET_TEXT, 0, seed };
        s->in_parts = duet_proto_send_begin(s->p, DUET_TEXT) == 0;
        return;
    }
    if (s->parts.len + len > TEXT_MOST)
        len = 0;
    if (last && (s->parts.len + len) % 64 == 63)
        len++;
    uint8_t *text = text_of(s, s->parts.len, len, s->parts.seed);
    if (duet_proto_send_part(s->p, text, len, last) < 0) {
        CHECK(!duet_proto_is_open(s->p));
        return;
    }
    s->parts.len += len;
    if (last)
        due(s, s->parts);
    s->in_parts = !last;
}

/* Returns how many bytes it cost. */
static size_t step(struct program *in)
{
    unsigned op = next_byte(in), arg = next_byte(in), wide = op & 0x40 ? next_byte(in) * 256 : 0;
    struct side *s = op & 0x80 ? &client : &server;
    size_t len = arg + wide;
    switch (op & 7) {
    case 0:
        send_whole(s, op >> 3, len, arg);
        break;
    case 1:
        send_part(s, len, arg, op & 8);
        break;
    case 2:
        duet_proto_send(s->p, op & 8 ? DUET_PING : DUET_PONG, "ping", arg % 5);
        break;
    case 3:
        if (arg % 8 || !duet_proto_is_open(s->p)) /* seldom, or little else happens */
            break;
        s->closed = duet_proto_close(s->p, arg & 16 ? 0 : 3000 + arg, arg & 8 ? "because" : NULL) == 0;
        s->code = arg & 16 ? DUET_CODE_NONE : 3000 + arg;
        break;
    case 4:
        now += len;
        CHECK(duet_proto_tick(s->p, now) == 0);
        break;
    case 5:
        forget(s);
        break;
    default:
        deliver(s, 1 + len, op & 8);
    }
    return len;
}

static duet_proto *open_side(duet_role role, unsigned options)
{
    static const char *const names[] = { "chat", NULL };
    duet_proto *p;
    duet_proto_config config = { DUET_PROTO_CONFIG_INIT, .role = role, .random = counted, .host = "h",
                                 .subprotocols = names, .message_max = 2 * TEXT_MOST, .pieces = options & 1,
                                 .open_ms = DUET_OFF, .ping_ms = 100, .pong_ms = DUET_OFF, .close_ms = DUET_OFF,
                                 .message_ms = DUET_OFF, .control_per_s = DUET_OFF };
    config.deflate = (duet_deflate){ .on = options & 2, .keep_window = options & 4, .least = options & 8 ? 1 : 0,
                                     .window_bits = options & 16 ? 9 : 0, .level = 1 + options / 32 % 8 };
    CHECK(duet_proto_new(&p, &config, now) == 0);
    return p;
}

/* All that is on its way arrives. */
static void settle(void)
{
    struct iovec iov;
    size_t rounds = 0;
    do {
        deliver(&server, 1 << 20, false);
        deliver(&client, 1 << 20, false);
        CHECK(++rounds < 100000);
    } while (duet_proto_output(server.p, &iov, 1) > 0 || duet_proto_output(client.p, &iov, 1) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program in = { data, size < 6000 ? size : 6000 };
    size_t budget = 1000000; /* bytes, so that no input takes long */
    memset(&server, 0, offsetof(struct side, got));
    memset(&client, 0, offsetof(struct side, got));
    server.got_len = client.got_len = 0;
    server.other = &client;
    client.other = &server;
    now = 1000;
    server.p = open_side(DUET_SERVER, next_byte(&in));
    client.p = open_side(DUET_CLIENT, next_byte(&in));
    if (next_byte(&in) & 1)
        settle();
    while (in.left > 0 && budget > 70000 && server.sent < DUE_MOST && client.sent < DUE_MOST)
        budget -= step(&in);
    settle();
    bool closed = server.closed || client.closed;
    CHECK(duet_proto_is_open(server.p) == !closed && duet_proto_is_open(client.p) == !closed);
    CHECK(server.heard_close == closed && client.heard_close == closed);
    if (!closed)
        CHECK(server.came == client.sent && client.came == server.sent);
    if (closed)
        CHECK(duet_proto_close_code(server.p) == (client.closed ? client.code : server.code));
    forget(&server);
    forget(&client);
    duet_proto_free(server.p);
    duet_proto_free(client.p);
    return 0;
}
