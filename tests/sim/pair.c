/* SPDX-License-Identifier: MIT */
/*
 * Two protocol objects, a client and a server, over a simulated link and clock. Both do what a seed says: messages of
 * every kind, pings, closes, in every split of output, input and time. What is checked all along:
 *
 *   messages   each arrives once, in order, byte for byte; after a cut or a close a prefix of them
 *   deadlines  open, ping, pong, close and message_ms are kept, not before their time and not after it
 *   the end    both agree on how it came, with the right codes; it comes within bounded time; nothing stays allocated
 *
 * (FRM-9, FRM-14, MSG-3, PMD-10, CLS-5, CLS-7, NET-7)
 *
 * In some seeds one allocation fails; then all this still holds for what was accepted.
 */
#include "base/mem.h"
#include "link.h"
#include "sim.h"
#include <duet/duet.h>
#include <stdlib.h>
#include <string.h>

enum { SHARED = 4, HOUR_MS = 3600 * 1000, GIVE_UP_MS = 60 * 1000, STEPS_MOST = 400000, BORROWED = 64 };

/* A message as its sender remembers it; its bytes are made again from `seed` to be compared. */
struct sent {
    duet_type type;
    size_t len;
    uint8_t *data;
};

struct side {
    const char *name;
    struct side *peer;
    struct link out; /* what this side writes */
    duet_proto *proto;
    duet_proto_config config;
    /* Messages. */
    struct sent *sent;
    size_t sent_count, sent_cap, got; /* `got`: of the peer's */
    uint8_t *part;                    /* of the message that is being sent in parts */
    size_t part_len;
    duet_type part_type; /* 0: none is */
    unsigned parts;
    uint8_t *piece; /* of the message that comes in pieces */
    size_t piece_len;
    uint32_t pings, pings_heard; /* with our own payloads */
    uint8_t *borrowed[BORROWED]; /* until the settle */
    size_t borrowed_len[BORROWED];
    unsigned borrowed_count;
    /* Input that waits for the answer to the request. */
    uint8_t *kept;
    size_t kept_len;
    uint64_t accept_at_ms;
    bool asked, rejected;
    /* Time. */
    uint64_t born_ms, heard_ms, opened_ms, close_ms, began_ms;
    unsigned patience_ms; /* how late a tick may come */
    uint64_t tick_ms;     /* when the next one comes */
    uint64_t done_ms;     /* when it had nothing more to wait for but its output; 0: not yet */
    bool coming;          /* a message's frames have begun to come */
    /* The end. */
    bool open, over, shut, too_big, no_memory;
    int error;
    unsigned closed, heard_close; /* our code, and the one that came; 0: none */
    size_t got_at_close;
};

static struct world {
    struct dice dice;
    uint64_t now_ms;
    struct side side[2];
    duet_shared *shared[SHARED];
    bool cut;
    bool failing; /* an allocation is to fail */
} w;

static const char *code_or_none(unsigned code)
{
    return code == 0 ? "none" : duet_code_text(code);
}

static int roll(void *arg, void *to, size_t len)
{
    (void)arg;
    dice_fill(&w.dice, to, len);
    return 0;
}

/* The frames' heads say when a message began to come. */
static void trace(void *arg, const duet_trace *frame)
{
    struct side *s = arg;
    if (frame->sent || frame->opcode >= 8)
        return;
    if (!s->coming)
        s->began_ms = w.now_ms;
    s->coming = true;
}

static unsigned some_ms(unsigned most)
{
    return dice_one_in(&w.dice, 8) ? DUET_OFF : (unsigned)dice_between(&w.dice, 200, most);
}

static void draw_config(struct side *s, duet_role role)
{
    struct dice *d = &w.dice;
    static const char *const offers[] = { "one", "two", NULL };
    s->config = (duet_proto_config){ DUET_PROTO_CONFIG_INIT,
                                     .role = role,
                                     .message_max = dice_one_in(d, 6) ? (unsigned)dice_between(d, 1, 3000) : 0,
                                     .pieces = dice_one_in(d, 6),
                                     .open_ms = dice_one_in(d, 4) ? some_ms(20000) : 0,
                                     .ping_ms = some_ms(30000),
                                     .pong_ms = some_ms(20000),
                                     .close_ms = (unsigned)dice_between(d, 200, 8000),
                                     .message_ms = some_ms(30000),
                                     .control_per_s = DUET_OFF,
                                     .random = role == DUET_CLIENT || !dice_one_in(d, 4) ? roll : NULL,
                                     .arg = s,
                                     .trace = dice_one_in(d, 2) ? trace : NULL,
                                     .host = "sim.example",
                                     .target = "/",
                                     .subprotocols = dice_one_in(d, 2) ? offers : NULL };
    if (s->config.pieces || dice_one_in(d, 2))
        return;
    s->config.deflate = (duet_deflate){ .on = true,
                                        .keep_window = dice_one_in(d, 2),
                                        .window_bits = (unsigned)dice_between(d, 9, 15),
                                        .peer_window_bits = (unsigned)dice_between(d, 9, 15),
                                        .least = (unsigned)dice_between(d, 1, 200),
                                        .level = (unsigned)dice_between(d, 1, 9) };
}

static void draw_weather(struct link_weather *out)
{
    struct dice *d = &w.dice;
    *out = (struct link_weather){ .delay_ms = (unsigned)dice_size(d, 400),
                                  .jitter_ms = (unsigned)dice_size(d, 200),
                                  .piece = dice_one_in(d, 4) ? 1 + dice_below(d, 3) : 1 + dice_size(d, 20000),
                                  .buffer = dice_one_in(d, 8) ? 16 + dice_below(d, 500) : 1024 + dice_size(d, 200000),
                                  .bytes_a_ms = dice_one_in(d, 4) ? 1 + (unsigned)dice_size(d, 500) : 0,
                                  .still_one_in = dice_one_in(d, 4) ? 300 : 0,
                                  .still_ms = 20000 };
}

/* Bytes that can be told apart, some of them easy to compress; text is valid UTF-8 of one to four bytes a character. */
static void draw_payload(uint8_t *to, duet_type type, size_t len)
{
    static const char *const letters[] = { "a", "e", " ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xb3", "Z" };
    struct dice *d = &w.dice;
    bool dull = dice_one_in(d, 2);
    if (type == DUET_BINARY) {
        for (size_t i = 0; i < len; i++)
            to[i] = (uint8_t)(dull ? i / 7 : dice_roll(d) >> 11);
        return;
    }
    for (size_t i = 0; i < len;) {
        const char *letter = letters[dull ? i % 3 : dice_below(d, 7)];
        size_t n = strlen(letter);
        if (n > len - i)
            letter = "x", n = 1;
        memcpy(to + i, letter, n);
        i += n;
    }
}

static void remember(struct side *s, duet_type type, const uint8_t *data, size_t len)
{
    if (s->sent_count == s->sent_cap) {
        s->sent_cap = s->sent_cap ? 2 * s->sent_cap : 16;
        s->sent = realloc(s->sent, s->sent_cap * sizeof(*s->sent));
    }
    struct sent *m = &s->sent[s->sent_count++];
    *m = (struct sent){ .type = type, .len = len, .data = malloc(len + 1) };
    if (len > 0)
        memcpy(m->data, data, len);
    if (len > (s->peer->config.message_max ? s->peer->config.message_max : 1024 * 1024))
        s->peer->too_big = true;
    say("%llu %s sends %s %zu (number %zu)", (unsigned long long)w.now_ms, s->name,
        type == DUET_TEXT ? "text" : "binary", len, s->sent_count - 1);
}

/* A result of any call: after an error that is the object's own, it stays. */
static bool went(struct side *s, int rc, const char *what)
{
    if (rc >= 0)
        return true;
    if (rc == DUET_ERR_NOMEM) {
        CHECK(w.failing);
        s->no_memory = true;
    }
    say("%llu %s: %s: %s", (unsigned long long)w.now_ms, s->name, what, duet_strerror(rc));
    return false;
}

/* Bytes that were borrowed must not be needed any more. */
static void settle(struct side *s)
{
    int rc = duet_proto_settle(s->proto);
    if (!went(s, rc, "settle"))
        s->error = s->error ? s->error : rc;
    for (; s->borrowed_count > 0; s->borrowed_count--) {
        memset(s->borrowed[s->borrowed_count - 1], 0xee, s->borrowed_len[s->borrowed_count - 1]);
        free(s->borrowed[s->borrowed_count - 1]);
    }
}

static void lend(struct side *s, uint8_t *data, size_t len)
{
    if (s->borrowed_count == BORROWED)
        settle(s);
    s->borrowed[s->borrowed_count] = data;
    s->borrowed_len[s->borrowed_count++] = len;
}

static size_t draw_size(void)
{
    struct dice *d = &w.dice;
    static const size_t edges[] = { 0, 1, 125, 126, 127, 2047, 2048, 2049, 4032, 65535, 65536 };
    return dice_one_in(d, 6) ? edges[dice_below(d, 11)] : dice_size(d, 90000);
}

static void send_whole(struct side *s)
{
    duet_type type = dice_one_in(&w.dice, 2) ? DUET_TEXT : DUET_BINARY;
    size_t len = draw_size();
    uint8_t *data = malloc(len + 1);
    draw_payload(data, type, len);
    int rc = duet_proto_send(s->proto, type, data, len);
    if (rc == 0)
        remember(s, type, data, len);
    else
        CHECK(!went(s, rc, "send") &&
              (rc == DUET_ERR_NOMEM || rc == (s->part_type && s->closed == 0 ? DUET_ERR_STATE : DUET_ERR_CLOSED) ||
               duet_proto_is_open(s->proto) == false));
    lend(s, data, len);
}

static void send_shared(struct side *s)
{
    unsigned i = (unsigned)dice_below(&w.dice, SHARED);
    if (w.shared[i] == NULL || dice_one_in(&w.dice, 3)) {
        duet_type type = dice_one_in(&w.dice, 2) ? DUET_TEXT : DUET_BINARY;
        size_t len = draw_size();
        uint8_t *data = malloc(len + 1);
        draw_payload(data, type, len);
        duet_shared_unref(w.shared[i]);
        w.shared[i] = duet_shared_new(type, data, len);
        CHECK(w.shared[i] != NULL || w.failing);
        free(data);
    }
    if (w.shared[i] == NULL)
        return;
    size_t len;
    const void *data = duet_shared_data(w.shared[i], &len);
    if (went(s, duet_proto_send_shared(s->proto, w.shared[i]), "shared"))
        remember(s, duet_shared_type(w.shared[i]), data, len);
}

static void send_part(struct side *s)
{
    if (s->part_type == 0) {
        duet_type type = dice_one_in(&w.dice, 2) ? DUET_TEXT : DUET_BINARY;
        if (!went(s, duet_proto_send_begin(s->proto, type), "begin"))
            return;
        s->part_type = type;
        s->part_len = s->parts = 0;
    }
    size_t len = dice_size(&w.dice, 9000);
    bool last = dice_one_in(&w.dice, 4) || s->parts++ > 100;
    uint8_t *data = malloc(len + 1);
    draw_payload(data, s->part_type, len);
    s->part = realloc(s->part, s->part_len + len + 1);
    if (went(s, duet_proto_send_part(s->proto, data, len, last), "part")) {
        memcpy(s->part + s->part_len, data, len);
        s->part_len += len;
        if (last) {
            remember(s, s->part_type, s->part, s->part_len);
            s->part_type = 0;
        } else if (s->part_len > (s->peer->config.message_max ? s->peer->config.message_max : 1024 * 1024)) {
            s->peer->too_big = true;
        }
    }
    lend(s, data, len);
}

static void send_ping(struct side *s)
{
    char payload[32];
    int n = snprintf(payload, sizeof(payload), "own ping %u", (unsigned)s->pings + 1);
    if (went(s, duet_proto_send(s->proto, DUET_PING, payload, (size_t)n), "ping"))
        s->pings++;
}

static void send_close(struct side *s)
{
    static const unsigned codes[] = { 0, 1000, 1001, 1003, 1008, 1011, 3000, 4999 };
    unsigned code = codes[dice_below(&w.dice, 8)];
    bool was_open = duet_proto_is_open(s->proto);
    if (!went(s, duet_proto_close(s->proto, code, code ? "enough" : NULL), "close") || !was_open)
        return;
    s->closed = code ? code : DUET_CODE_NONE;
    s->close_ms = w.now_ms;
    s->got_at_close = s->got;
    say("%llu %s closes %u", (unsigned long long)w.now_ms, s->name, s->closed);
    sim_count("closes");
}

static void compare(struct side *s, duet_type type, const uint8_t *data, size_t len)
{
    say("%llu %s got number %zu, %zu bytes", (unsigned long long)w.now_ms, s->name, s->got, len);
    CHECK(s->closed == 0);
    CHECK(s->got < s->peer->sent_count); /* twice, or never sent */
    const struct sent *m = &s->peer->sent[s->got++];
    CHECK(m->type == type);
    CHECK(m->len == len);
    CHECK(memcmp(m->data, data, len) == 0);
    s->coming = false;
    sim_count("messages");
}

static void take_piece(struct side *s, const duet_event *ev)
{
    CHECK(ev->first == (s->piece == NULL));
    s->piece = realloc(s->piece, s->piece_len + ev->len + 1);
    if (ev->len > 0)
        memcpy(s->piece + s->piece_len, ev->data, ev->len);
    s->piece_len += ev->len;
    if (!ev->last)
        return;
    compare(s, ev->type, s->piece, s->piece_len);
    free(s->piece);
    s->piece = NULL;
    s->piece_len = 0;
}

static void take_ping(struct side *s, const duet_event *ev)
{
    char due[32];
    int n = snprintf(due, sizeof(due), "own ping %u", (unsigned)s->pings_heard + 1);
    if (ev->len < 8)
        return; /* the object's own */
    CHECK(ev->len == (size_t)n && memcmp(ev->data, due, (size_t)n) == 0);
    s->pings_heard++;
}

static void become_open(struct side *s)
{
    s->open = true;
    s->opened_ms = s->heard_ms = w.now_ms;
    say("%llu %s is open", (unsigned long long)w.now_ms, s->name);
}

static void answer(struct side *s)
{
    bool offered = s->peer->config.subprotocols != NULL;
    s->accept_at_ms = UINT64_MAX;
    if (dice_one_in(&w.dice, 30)) {
        if (went(s, duet_proto_reject(s->proto, 403, NULL, "no", 2), "reject")) {
            s->rejected = true;
            s->error = DUET_ERR_HANDSHAKE;
        }
        return;
    }
    int rc = duet_proto_accept(s->proto, offered && dice_one_in(&w.dice, 2) ? "two" : NULL, NULL, w.now_ms);
    if (went(s, rc, "accept"))
        become_open(s);
    else if (rc == DUET_ERR_NOMEM)
        s->accept_at_ms = w.now_ms; /* again */
}

static void happened(struct side *s, const duet_event *ev)
{
    switch (ev->kind) {
    case DUET_EVENT_REQUEST:
        CHECK(!s->asked);
        s->asked = true;
        s->accept_at_ms = w.now_ms + (dice_one_in(&w.dice, 4) ? dice_size(&w.dice, 12000) : 0);
        break;
    case DUET_EVENT_OPEN:
        become_open(s);
        break;
    case DUET_EVENT_MESSAGE:
        CHECK(!s->config.pieces);
        compare(s, ev->type, ev->data, ev->len);
        if (dice_one_in(&w.dice, 20) && s->part_type == 0 &&
            went(s, duet_proto_send(s->proto, ev->type, ev->data, ev->len), "echo"))
            remember(s, ev->type, s->peer->sent[s->got - 1].data, ev->len);
        break;
    case DUET_EVENT_PIECE:
        take_piece(s, ev);
        break;
    case DUET_EVENT_PING:
        take_ping(s, ev);
        break;
    case DUET_EVENT_PONG:
        sim_count("pongs");
        break;
    case DUET_EVENT_CLOSE:
        CHECK(s->heard_close == 0);
        s->heard_close = ev->code;
        CHECK(s->peer->closed == ev->code || s->peer->error != 0 || s->closed == ev->code);
        say("%llu %s hears close %u", (unsigned long long)w.now_ms, s->name, s->heard_close);
        break;
    }
}

static unsigned open_ms(const struct side *s)
{
    return s->config.open_ms ? s->config.open_ms : 10000;
}

/* Whether this error may come now, by what this file knows of time and messages. */
static void judge(struct side *s, int error)
{
    const duet_proto_config *c = &s->config;
    say("%llu %s fails: %s", (unsigned long long)w.now_ms, s->name, duet_strerror(error));
    switch (error) {
    case DUET_ERR_TIMEOUT:
        if (!s->open)
            CHECK(w.now_ms >= s->born_ms + open_ms(s));
        else if (s->closed != 0)
            CHECK(w.now_ms >= s->close_ms + c->close_ms);
        else
            CHECK(w.now_ms >= s->heard_ms + c->pong_ms && w.now_ms >= s->opened_ms + c->ping_ms / 2 + c->pong_ms);
        sim_count(!s->open ? "open_ms passed" : s->closed != 0 ? "close_ms passed" : "pong_ms passed");
        break;
    case DUET_ERR_POLICY:
        CHECK(c->message_ms != DUET_OFF && !c->pieces);
        CHECK(c->trace == NULL || (s->coming && w.now_ms >= s->began_ms + c->message_ms));
        sim_count("message_ms passed");
        break;
    case DUET_ERR_TOO_BIG:
        CHECK(s->too_big);
        sim_count("too big");
        break;
    case DUET_ERR_HANDSHAKE:
        CHECK(s->rejected || s->peer->rejected);
        break;
    case DUET_ERR_NOMEM:
        CHECK(w.failing);
        break;
    default:
        CHECK(error == 0); /* no other may come */
    }
}

static void failed(struct side *s, int error)
{
    if (s->error == 0)
        judge(s, error);
    CHECK(s->error == 0 || s->error == error); /* the first one stays */
    s->error = error;
}

static void take(struct side *s, int rc, const duet_event *ev)
{
    if (rc == 1)
        happened(s, ev);
    else if (rc < 0)
        failed(s, rc);
}

/* Hands bytes over, from memory of just their size. What is left waits for the answer to a request. */
static void receive(struct side *s, uint8_t *data, size_t len)
{
    duet_input in = { data, len };
    duet_event ev;
    int rc;
    do {
        size_t before = in.len;
        rc = duet_proto_recv(s->proto, &in, w.now_ms, &ev);
        take(s, rc, &ev);
        if (rc == 0 && in.len > 0) {
            CHECK(s->asked && !s->open && in.len <= before);
            break;
        }
    } while (rc == 1 || in.len > 0);
    settle(s);
    s->kept_len = in.len;
    s->kept = NULL;
    if (in.len > 0) {
        s->kept = malloc(in.len);
        memcpy(s->kept, in.data, in.len);
    }
    free(data);
}

static void deliver(struct side *s)
{
    struct link *in = &s->peer->out;
    size_t ready = link_ready(in, w.now_ms);
    if (ready == 0 || s->over)
        return;
    size_t n = dice_one_in(&w.dice, 2) ? ready : dice_between(&w.dice, 1, ready);
    if (s->open)
        s->heard_ms = w.now_ms;
    void *at;
    size_t room = s->open && s->kept_len == 0 && dice_one_in(&w.dice, 2) ? duet_proto_room(s->proto, &at) : 0;
    if (room > 0) {
        duet_event ev;
        n = n < room ? n : room;
        link_take(in, at, n);
        take(s, duet_proto_filled(s->proto, n, w.now_ms, &ev), &ev);
        receive(s, malloc(1), 0);
        return;
    }
    uint8_t *data = malloc(s->kept_len + n);
    if (s->kept_len > 0)
        memcpy(data, s->kept, s->kept_len);
    link_take(in, data + s->kept_len, n);
    size_t len = s->kept_len + n;
    free(s->kept);
    receive(s, data, len);
}

static bool flush(struct side *s)
{
    struct iovec iov[8];
    int n = duet_proto_output(s->proto, iov, (int)dice_between(&w.dice, 1, 8));
    size_t done = 0, most = dice_one_in(&w.dice, 2) ? SIZE_MAX : 1 + dice_size(&w.dice, 5000);
    for (int i = 0; i < n && done < most; i++) {
        size_t want = iov[i].iov_len < most - done ? iov[i].iov_len : most - done;
        size_t took = s->out.lost || s->out.shut ? want : link_send(&s->out, &w.dice, w.now_ms, iov[i].iov_base, want);
        done += took;
        if (took < want)
            break;
    }
    if (done > 0)
        duet_proto_sent(s->proto, done);
    settle(s);
    return done > 0;
}

/* The earliest time by which the object must have done something, by this file's reckoning, with a tick's lateness. */
static void check_deadlines(struct side *s)
{
    const duet_proto_config *c = &s->config;
    uint64_t late = 2 * (uint64_t)s->patience_ms + 2;
    if (s->over || s->error != 0)
        return;
    if (!s->open && c->open_ms != DUET_OFF)
        CHECK(w.now_ms <= s->born_ms + open_ms(s) + late);
    if (s->open && s->closed == 0 && s->heard_close == 0 && c->ping_ms != DUET_OFF && c->pong_ms != DUET_OFF)
        CHECK(w.now_ms <= s->heard_ms + c->ping_ms + c->pong_ms + 2 * late);
    if (s->closed != 0 && s->heard_close == 0)
        CHECK(w.now_ms <= s->close_ms + c->close_ms + 2 * late);
    /* What is inflated counts as received, and how much that is, is not known here. */
    if (s->open && s->closed == 0 && s->heard_close == 0 && s->coming && c->trace && c->message_ms != DUET_OFF &&
        !c->pieces && !duet_proto_deflates(s->proto))
        CHECK(w.now_ms <= s->began_ms + c->message_ms + 1000 * (s->peer->out.taken / 16384) + late);
}

static void plan_tick(struct side *s)
{
    uint64_t due = duet_proto_deadline(s->proto);
    if (due != UINT64_MAX)
        due += dice_below(&w.dice, s->patience_ms + 1);
    if (due < s->tick_ms) /* one that turns out to be too early does no harm */
        s->tick_ms = due;
}

static void tick(struct side *s)
{
    if (s->tick_ms > w.now_ms || s->over)
        return;
    s->tick_ms = UINT64_MAX;
    if (duet_proto_deadline(s->proto) > w.now_ms)
        return;
    int rc = duet_proto_tick(s->proto, w.now_ms);
    if (rc < 0)
        failed(s, rc);
    settle(s);
}

static void cut(void)
{
    bool silent = dice_one_in(&w.dice, 2);
    w.cut = true;
    for (int i = 0; i < 2; i++)
        link_cut(&w.side[i].out, &w.dice, w.now_ms);
    /* A link that is dead without a word: only deadlines end it. */
    for (int i = 0; i < 2 && silent; i++) {
        w.side[i].out.lost = false;
        w.side[i].out.shut = true;
        w.side[i].out.sent++;
    }
    say("%llu the connection is lost%s", (unsigned long long)w.now_ms, silent ? " without a word" : "");
    sim_count(silent ? "lost without a word" : "lost");
}

/* A side that has nothing more to say shuts its direction; the end of the other's is its own. */
static void end_side(struct side *s)
{
    bool done = s->error != 0 || s->heard_close != 0;
    struct iovec iov;
    if (s->over)
        return;
    if (done && s->done_ms == 0)
        s->done_ms = w.now_ms;
    if (done && !w.cut && w.now_ms > s->done_ms + GIVE_UP_MS)
        cut(); /* what it still had to say is too much for this link, and its owner does not wait for ever */
    if (done && !s->shut && duet_proto_output(s->proto, &iov, 1) == 0) {
        s->shut = true;
        if (!s->out.lost)
            link_shut(&s->out);
    }
    if (link_ended(&s->peer->out, w.now_ms)) {
        s->over = true;
        if (!s->shut && !s->out.lost && !s->out.shut)
            link_shut(&s->out);
        say("%llu %s is over", (unsigned long long)w.now_ms, s->name);
    }
}

static void act(struct side *s)
{
    if (s->over || !s->open)
        return;
    if (s->part_type != 0 && !dice_one_in(&w.dice, 3)) {
        send_part(s);
        return;
    }
    switch (dice_below(&w.dice, 24)) {
    case 0 ... 7:
        send_whole(s);
        break;
    case 8 ... 11:
        send_shared(s);
        break;
    case 12 ... 14:
        send_part(s);
        break;
    case 15 ... 20:
        send_ping(s);
        break;
    case 21:
        duet_proto_set_deflate(s->proto, dice_one_in(&w.dice, 2));
        break;
    case 22:
        duet_proto_send(s->proto, DUET_PONG, "unasked", 7);
        break;
    default:
        if (dice_one_in(&w.dice, 10))
            send_close(s);
    }
}

/* To the next thing that happens by itself. */
static void advance(void)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        struct side *s = &w.side[i];
        plan_tick(s);
        uint64_t at[] = { s->over ? UINT64_MAX : s->tick_ms, link_next(&s->out),
                          s->over ? UINT64_MAX : s->accept_at_ms };
        for (int k = 0; k < 3; k++)
            next = at[k] < next ? at[k] : next;
    }
    if (next != UINT64_MAX && next > w.now_ms)
        w.now_ms = next;
    else if (next == UINT64_MAX)
        w.now_ms += 1;
}

/* A link that died without a word: what is written vanishes. */
static void vanish(struct side *s)
{
    if (w.cut && !s->out.lost && s->out.shut)
        while (duet_proto_queued(s->proto) > 0 && flush(s))
            continue;
}

/* Everything that is due at this moment, in any order, over and over until nothing is. */
static void turn(void)
{
    for (int again = 1; again;) {
        again = 0;
        for (int k = 0, first = (int)dice_below(&w.dice, 2); k < 2; k++) {
            struct side *s = &w.side[k ^ first];
            size_t before = link_ready(&s->peer->out, w.now_ms);
            deliver(s);
            again |= before > 0 && !s->over;
            if (s->asked && s->accept_at_ms <= w.now_ms && !s->over && s->error == 0) {
                answer(s);
                uint8_t *kept = s->kept;
                if (kept != NULL)
                    receive(s, kept, s->kept_len);
            }
            tick(s);
            again |= flush(s);
            vanish(s);
            end_side(s);
            check_deadlines(s);
        }
    }
}

static void begin(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    w.dice.state = seed;
    w.now_ms = 1 + dice_below(&w.dice, 1000000);
    w.failing = dice_one_in(&w.dice, 4);
    if (w.failing)
        mem_fail(dice_size(&w.dice, 600), dice_one_in(&w.dice, 4));
    for (int i = 0; i < 2; i++) {
        struct side *s = &w.side[i];
        struct link_weather weather;
        s->name = i ? "server" : "client";
        s->peer = &w.side[!i];
        draw_weather(&weather);
        link_init(&s->out, &weather);
        draw_config(s, i ? DUET_SERVER : DUET_CLIENT);
        s->born_ms = w.now_ms;
        s->patience_ms = (unsigned)dice_size(&w.dice, 300);
        s->accept_at_ms = s->tick_ms = UINT64_MAX;
        const duet_proto_config *c = &s->config;
        say("%s: open %u ping %u pong %u close %u message %u ms, at most %u bytes%s, deflate %d, ticks up to %u ms "
            "late",
            s->name, c->open_ms, c->ping_ms, c->pong_ms, c->close_ms, c->message_ms, c->message_max,
            c->pieces ? " in pieces" : "", c->deflate.on, s->patience_ms);
    }
}

static bool create(void)
{
    for (int i = 0; i < 2; i++)
        if (!went(&w.side[i], duet_proto_new(&w.side[i].proto, &w.side[i].config, w.now_ms), "new"))
            return false;
    return true;
}

static void play_to_the_end(void)
{
    uint64_t began = w.now_ms;
    size_t acts = dice_below(&w.dice, 200), cut_at = dice_one_in(&w.dice, 3) ? dice_below(&w.dice, acts + 1) : SIZE_MAX;
    for (size_t steps = 0; !w.side[0].over || !w.side[1].over; steps++) {
        CHECK(steps < STEPS_MOST);
        CHECK(w.now_ms < began + 2 * HOUR_MS);
        for (int i = 0; i < 2; i++) {
            struct side *s = &w.side[i];
            if (acts > 0 && s->open && dice_one_in(&w.dice, 2)) {
                act(s);
                acts--;
            }
            bool all = s->got == s->peer->sent_count && s->peer->got == s->sent_count;
            if (acts == 0 && s->open && s->closed == 0 && s->part_type == 0 && dice_one_in(&w.dice, all ? 10 : 500))
                send_close(s);
            while (acts == 0 && s->part_type != 0 && duet_proto_is_open(s->proto) && !w.failing)
                send_part(s);
            if (acts == 0)
                s->part_type = 0;
            if (s->error != 0 && s->shut)
                s->over = true; /* its owner lets it go */
        }
        if (acts <= cut_at && cut_at != SIZE_MAX && !w.cut)
            cut();
        if (w.cut && steps > 2000) /* where nothing has a deadline, somebody gives up */
            w.side[0].over = w.side[1].over = true;
        if (w.failing && steps > STEPS_MOST / 2) /* nor has who lacks memory even for a Close, and no pings */
            w.cut = w.side[0].over = w.side[1].over = true;
        turn();
        if (dice_one_in(&w.dice, 2))
            advance();
    }
}

/* How it came out. Both sides took everything that arrived by now. */
static void verdict(void)
{
    for (int i = 0; i < 2; i++) {
        struct side *s = &w.side[i], *p = s->peer;
        say("%s: got %zu of %zu, closed %u, heard %u (%s), error %d", s->name, s->got, p->sent_count, s->closed,
            s->heard_close, code_or_none(s->heard_close), s->error);
        bool clean = !w.cut && s->error == 0 && p->error == 0;
        if (clean && s->open && p->open) {
            CHECK(s->heard_close != 0 && duet_proto_close_code(s->proto) == s->heard_close);
            CHECK(s->closed != 0 || s->got == p->sent_count); /* all, unless we no longer looked */
            CHECK(p->closed == 0 || s->heard_close == p->closed);
            CHECK(duet_proto_deflates(s->proto) == duet_proto_deflates(p->proto));
        }
        if (!w.cut && p->error == DUET_ERR_TOO_BIG && s->error == 0 && s->heard_close != 0)
            CHECK(s->heard_close == DUET_CODE_TOO_BIG || s->closed != 0);
        if (!w.cut && p->error == DUET_ERR_POLICY && s->error == 0 && s->heard_close != 0)
            CHECK(s->heard_close == DUET_CODE_POLICY || s->closed != 0);
    }
}

static void end(void)
{
    for (int i = 0; i < SHARED; i++)
        duet_shared_unref(w.shared[i]);
    for (int i = 0; i < 2; i++) {
        struct side *s = &w.side[i];
        if (s->proto != NULL)
            settle(s);
        duet_proto_free(s->proto);
        link_fini(&s->out);
        for (size_t k = 0; k < s->sent_count; k++)
            free(s->sent[k].data);
        free(s->sent);
        free(s->part);
        free(s->piece);
        free(s->kept);
    }
}

static void play(uint64_t seed)
{
    begin(seed);
    if (create()) {
        play_to_the_end();
        verdict();
    }
    if (w.failing)
        mem_fail_end();
    end();
    CHECK(sim_held() == 0);
}

/* The others are the world's. */
static bool mine(uint64_t seed)
{
    return seed % 5 != 0;
}

int main(int argc, char **argv)
{
    return sim_main(argc, argv, mine, play);
}
