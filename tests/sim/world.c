/* SPDX-License-Identifier: MIT */
/*
 * A real server and real clients, each on a loop of its own kind, on the simulated kernel (kernel.h). A seed chooses
 * the weather, TLS, compression and the policy for slow readers, and what everybody does: clients join and leave
 * topics, publish, pause, close, are cut off and come back; the server publishes from callbacks and between turns,
 * sends to one, in parts too, and in the end drains under load. What is checked:
 *
 * (NET-4, NET-5, NET-8, MEM-2, CLS-11, OPS-1)
 *
 *   topics    a member gets each publication of its time once, in order, byte for byte; what is missing, the policy
 *             allows and the server has counted
 *   order     what is sent to one comes behind what was published before
 *   clients   their messages reach the server once, in order; each attempt ends with one call
 *   the end   who was not lost has all that was due and a Close 1001; every counter is zero; no memory, no descriptor
 *             is left; it comes within bounded time
 */
#include "base/mem.h"
#include "cert.h"
#include "conn/conn.h"
#include "kernel.h"
#include "sim.h"
#include <duet/duet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steps: bytes may come one at a time, and 45 s of such a world's own time are over at last. */
enum { TOPICS = 4, MEMBERS = 8, LOOPS = 3, PEERS = 400, STEPS_MOST = 3000000, DIRECT = TOPICS };
enum { HOUR_US = 3600u * 1000 * 1000 };

/* What a member is to get. */
struct due {
    unsigned topic; /* or DIRECT */
    unsigned number;
    size_t len;
    bool got, missed;
};

/* One connection that opened, as both sides know it. */
struct peer {
    unsigned member; /* whose it is */
    uint64_t id;     /* the server's; 0: it has not said hello */
    bool joined[TOPICS];
    struct due *due;
    size_t due_count, due_cap, due_first; /* all before `due_first` are got or missed */
    unsigned directs, last[TOPICS + 1];   /* numbers: given; the last one got */
    bool parts;                           /* the server is in the middle of a message to it */
    size_t part_from;                     /* the due entry of that */
    unsigned said, heard;                 /* the client's messages: sent; received by the server */
    bool server_closes, server_closed, client_closes, client_closed, lossy, was_paused;
};

struct member {
    duet_client *client;
    duet_conn *conn;
    unsigned peer;
    bool paused;
};

static struct world {
    duet_loop *server_loop, *loops[LOOPS];
    unsigned loop_count, member_count, topic_count;
    duet_server *server;
    duet_server_config config;
    struct member members[MEMBERS];
    struct peer peers[PEERS];
    unsigned peer_count;
    unsigned published[TOPICS];
    unsigned long refused; /* sends to one that came back with DUET_ERR_FULL */
    unsigned opened, closed;
    duet_timer *timer;
    bool calm, cut, draining, secure, dropped;
} w;

static duet_tls *tls;
static char cert[64], key[64];

static struct dice *dice(void)
{
    return kernel_dice();
}

static unsigned now(void)
{
    return (unsigned)(kernel_now_us() / 1000);
}

static bool one_in(size_t n)
{
    return dice_one_in(dice(), n);
}

/* "t0.17.3;" and filler: a kind, a number and an argument. */
static size_t compose(char *to, char kind, unsigned number, unsigned arg, size_t len)
{
    size_t n = (size_t)snprintf(to, 48, "%c%u.%u;", kind, number, arg);
    for (; n < len; n++)
        to[n] = (char)(' ' + (n * 7 + number * 13) % 90);
    return n;
}

struct read {
    char kind;
    unsigned number, arg;
};

static struct read parse(const void *data, size_t len)
{
    struct read r = { 0 };
    char head[48], again[70000];
    size_t n = len < 47 ? len : 47;
    memcpy(head, data, n);
    head[n] = 0;
    CHECK(sscanf(head, "%c%u.%u;", &r.kind, &r.number, &r.arg) == 3);
    CHECK(len < sizeof(again) && compose(again, r.kind, r.number, r.arg, len) == len);
    CHECK(memcmp(again, data, len) == 0);
    return r;
}

static size_t some_len(void)
{
    return dice_size(dice(), one_in(10) ? 60000 : 3000);
}

/* The server's side. */

static struct peer *peer_of(duet_conn *c)
{
    unsigned *which = duet_data(c);
    return *which > 0 ? &w.peers[*which - 1] : NULL;
}

static void owe(struct peer *p, unsigned topic, unsigned number, size_t len)
{
    if (p->due_count == p->due_cap) {
        p->due_cap = p->due_cap ? 2 * p->due_cap : 32;
        p->due = realloc(p->due, p->due_cap * sizeof(*p->due));
    }
    p->due[p->due_count++] = (struct due){ .topic = topic, .number = number, .len = len };
}

static void publish(unsigned topic, duet_conn *except)
{
    char name[8], data[70000];
    size_t len = compose(data, 't', w.published[topic] + 1, topic, some_len());
    snprintf(name, sizeof(name), "t%u", topic);
    const struct peer *own = except ? peer_of(except) : NULL;
    /* Owed before the call, since who is told within it publishes nothing himself. */
    w.published[topic]++;
    for (unsigned i = 0; i < w.peer_count; i++) {
        struct peer *p = &w.peers[i];
        const duet_conn *c = p->joined[topic] && p != own ? duet_conn_find(w.server, p->id) : NULL;
        if (c != NULL && duet_proto_is_open(&c->proto)) /* else its Close was sent */
            owe(p, topic, w.published[topic], len);
    }
    int rc = except ? duet_publish_except(except, name, DUET_TEXT, data, len)
                    : duet_publish(w.server, name, DUET_TEXT, data, len);
    CHECK(rc == 0);
    say("%u published %u on t%u, %zu bytes", now(), w.published[topic], topic, len);
    sim_count("publications");
}

static void refused(struct peer *p, int rc)
{
    CHECK(rc == DUET_ERR_CLOSED || rc == DUET_ERR_STATE || rc == DUET_ERR_FULL);
    w.refused += rc == DUET_ERR_FULL;
    if (rc == DUET_ERR_FULL && w.config.when_full == DUET_FULL_CLOSE)
        p->server_closes = p->lossy = true;
}

static void send_direct(duet_conn *c, struct peer *p)
{
    char data[70000];
    size_t len = compose(data, 'd', p->directs + 1, 0, some_len());
    if (p->server_closes)
        return;
    int rc = duet_send(c, DUET_TEXT, data, len);
    if (rc < 0) {
        refused(p, rc);
        return;
    }
    owe(p, DIRECT, ++p->directs, len);
    say("%u sent %u to %zd", now(), p->directs, p - w.peers);
    sim_count("sent to one");
}

/* A message in two parts, with whatever happens between them. */
static void send_parts(duet_conn *c, struct peer *p)
{
    char data[70000];
    unsigned number = p->parts ? p->directs : p->directs + 1;
    size_t len = compose(data, 'd', number, 0, 300);
    if (p->server_closes)
        return;
    if (!p->parts) {
        if (duet_congested(c) || duet_send_begin(c, DUET_TEXT) < 0)
            return;
        int rc = duet_send_part(c, data, 100, false);
        if (rc < 0) { /* begun already, so it must go on somehow: this reader is let go */
            duet_abort(c);
            return;
        }
        p->parts = true;
        p->part_from = p->due_count;
        owe(p, DIRECT, ++p->directs, len);
        say("%u began %u to %zd", now(), p->directs, p - w.peers);
        return;
    }
    int rc = duet_send_part(c, data + 100, len - 100, true);
    if (rc < 0) {
        refused(p, rc);
        return;
    }
    p->parts = false;
    sim_count("sent in parts");
}

static void close_one(duet_conn *c, struct peer *p)
{
    if (p->server_closes)
        return;
    if (duet_close(c, 4000, "enough") == 0)
        p->server_closes = true;
    say("%u the server closes %zu", now(), (size_t)(p - w.peers));
}

/* In the middle of a message in parts, what it is owed since cannot be given: that is the policy's. */
static void leaves(struct peer *p, unsigned topic)
{
    p->joined[topic] = false;
    for (size_t i = p->part_from; p->parts && i < p->due_count; i++)
        if (p->due[i].topic == topic && w.config.when_full == DUET_FULL_CLOSE)
            p->server_closes = p->lossy = true;
}

static void server_message(duet_conn *c, const duet_msg *m)
{
    struct read r = parse(m->data, m->len);
    unsigned *which = duet_data(c);
    char name[8];
    if (r.kind == 'h') {
        CHECK(*which == 0 && r.arg < w.peer_count && w.peers[r.arg].id == 0);
        *which = r.arg + 1;
        w.peers[r.arg].id = duet_id(c);
        return;
    }
    struct peer *p = peer_of(c);
    CHECK(p != NULL && r.number == p->heard + 1);
    p->heard++;
    snprintf(name, sizeof(name), "t%u", r.arg);
    if (r.kind == 'j') {
        int rc = duet_subscribe(c, name);
        CHECK(rc == 0 || rc == DUET_ERR_CLOSED);
        p->joined[r.arg] = rc == 0;
        say("%u %zd joins t%u: %d", now(), p - w.peers, r.arg, rc);
    } else if (r.kind == 'l') {
        leaves(p, r.arg);
        CHECK(duet_unsubscribe(c, name) == 0);
        say("%u %zd leaves t%u", now(), p - w.peers, r.arg);
    } else if (r.kind == 'p') {
        publish(r.arg, NULL);
    } else if (r.kind == 'x') {
        publish(r.arg, c);
    } else if (r.kind == 'e' && !p->parts) {
        send_direct(c, p);
    } else if (r.kind == 'b') {
        close_one(c, p);
    }
    sim_count("messages to the server");
}

static void server_open(duet_conn *c)
{
    CHECK(*(unsigned *)duet_data(c) == 0);
    w.opened++;
}

static void server_close(duet_conn *c, const duet_closing *why)
{
    struct peer *p = peer_of(c);
    w.closed++;
    say("%u the server's %zd is closed: %u, sent %u, error %d, %zu bytes unsent", now(), p ? p - w.peers : -1,
        why->code, why->sent, why->error, why->unsent);
    if (p == NULL)
        return;
    CHECK(!p->server_closed);
    p->server_closed = true;
    p->lossy |= why->error != 0 || why->unsent > 0;
    if (why->error == 0 && why->code == DUET_CODE_NORMAL && !p->server_closes && !w.draining)
        CHECK(p->heard == p->said); /* the client's own Close came behind all it had said */
    if (w.calm && !w.cut && why->error != 0)
        CHECK((why->error == DUET_ERR_TIMEOUT && p->was_paused) || why->error == DUET_ERR_FULL ||
              why->error == DUET_ERR_EOF || why->error == -ECONNRESET || why->error == DUET_ERR_CLOSED ||
              why->error == -EPIPE);
}

/* What the server does by itself, from its timer. */
static void server_acts(void)
{
    duet_conn *c = NULL;
    struct peer *p = w.peer_count > 0 ? &w.peers[dice_below(dice(), w.peer_count)] : NULL;
    if (p != NULL && p->id != 0 && !p->server_closed)
        c = duet_conn_find(w.server, p->id);
    switch (dice_below(dice(), 12)) {
    case 0 ... 5:
        publish((unsigned)dice_below(dice(), w.topic_count), NULL);
        return;
    case 6 ... 7:
        if (c != NULL && !p->parts)
            send_direct(c, p);
        return;
    case 8 ... 9:
        if (c != NULL)
            send_parts(c, p);
        return;
    case 10:
        if (c != NULL && one_in(6))
            close_one(c, p);
        return;
    default:
        if (c != NULL && duet_ping(c) == 0)
            sim_count("pings");
    }
}

static void timer_due(void *arg)
{
    (void)arg;
    for (size_t n = dice_size(dice(), 12); n > 0; n--)
        server_acts();
    if (!w.draining)
        duet_timer_set(w.timer, dice_size(dice(), 400));
}

/* The clients' side. */

static struct member *member_of(duet_conn *c)
{
    return duet_client_arg(duet_client_of(c));
}

static void client_says(struct member *m, char kind)
{
    char data[70000];
    struct peer *p = &w.peers[m->peer];
    if (p->client_closes)
        return;
    unsigned arg = (unsigned)dice_below(dice(), w.topic_count);
    size_t len = compose(data, kind, p->said + 1, arg, some_len());
    int rc = duet_send(m->conn, DUET_TEXT, data, len);
    CHECK(rc == 0 || rc == DUET_ERR_CLOSED || rc == DUET_ERR_FULL);
    p->said += rc == 0;
}

static void client_open(duet_conn *c)
{
    struct member *m = member_of(c);
    char data[64];
    CHECK(m->conn == NULL);
    if (w.peer_count == PEERS) {
        duet_abort(c);
        return;
    }
    m->conn = c;
    m->paused = false;
    m->peer = w.peer_count++;
    w.peers[m->peer].member = (unsigned)(m - w.members);
    say("%u client %u has connection %u", now(), w.peers[m->peer].member, m->peer);
    CHECK(duet_send(c, DUET_TEXT, data, compose(data, 'h', 0, m->peer, 0)) == 0);
    for (size_t n = dice_below(dice(), 3); n > 0; n--)
        client_says(m, 'j');
}

/* Between this one and the last of its topic, the policy may have left some out. */
static void miss(struct peer *p, size_t upto, const struct due *got)
{
    for (size_t i = p->due_first; i < upto; i++) {
        struct due *d = &p->due[i];
        if (d->got || d->missed || (d->topic != got->topic && got->topic != DIRECT))
            continue;
        if (w.config.when_full == DUET_FULL_CLOSE)
            say("connection %zd gets %u of %u before %u of %u", p - w.peers, got->number, got->topic, d->number,
                d->topic);
        CHECK(w.config.when_full != DUET_FULL_CLOSE); /* it comes too early, or another one never came */
        d->missed = true;
        sim_count("left out by the policy");
    }
}

static void client_message(duet_conn *c, const duet_msg *msg)
{
    struct member *m = member_of(c);
    struct peer *p = &w.peers[m->peer];
    struct read r = parse(msg->data, msg->len);
    unsigned topic = r.kind == 't' ? r.arg : DIRECT;
    CHECK((r.kind == 't' && r.arg < w.topic_count) || r.kind == 'd');
    CHECK(m->conn == c && !p->client_closes);
    size_t i = p->due_first;
    while (i < p->due_count && (p->due[i].topic != topic || p->due[i].number != r.number))
        i++;
    CHECK(i < p->due_count);                                                 /* it is owed */
    CHECK(!p->due[i].got && !p->due[i].missed && r.number > p->last[topic]); /* once, in order */
    CHECK(p->due[i].len == msg->len);
    p->last[topic] = r.number;
    p->due[i].got = true;
    miss(p, i, &p->due[i]);
    while (p->due_first < p->due_count && (p->due[p->due_first].got || p->due[p->due_first].missed))
        p->due_first++;
    sim_count("messages to clients");
    if (one_in(40))
        client_says(m, 'p');
}

static void client_closed(duet_conn *c, const duet_closing *why)
{
    struct member *m = member_of(c);
    if (m->conn != c)
        return;
    struct peer *p = &w.peers[m->peer];
    CHECK(!p->client_closed);
    p->client_closed = true;
    m->conn = NULL;
    say("%u client %u's connection %u is closed: %u, sent %u, error %d", now(), p->member, m->peer, why->code,
        why->sent, why->error);
    if (p->client_closes || why->code == DUET_CODE_LOST || why->code == DUET_CODE_POLICY)
        return;
    /* The server's own Close: behind all that it owed, but for what waits for the end of a message in parts. */
    CHECK(why->code == 4000 || why->code == DUET_CODE_AWAY || why->code == DUET_CODE_INTERNAL);
    size_t upto = p->parts ? p->part_from : p->due_count;
    for (size_t i = p->due_first; i < upto; i++) {
        if (p->due[i].got || p->due[i].missed)
            continue;
        CHECK(w.config.when_full != DUET_FULL_CLOSE || p->lossy);
        p->due[i].missed = true;
    }
    if (why->code == DUET_CODE_AWAY)
        sim_count("closed by the drain, with all that was due");
}

static void client_failed(duet_client *cl, const duet_failure *why)
{
    struct member *m = duet_client_arg(cl);
    CHECK(m->conn == NULL);
    say("%u client %zd failed: %s", now(), m - w.members, why->detail);
    sim_count("attempts that failed");
}

static void client_acts(struct member *m)
{
    if (m->conn == NULL)
        return;
    switch (dice_below(dice(), 40)) {
    case 0 ... 9:
        client_says(m, 'm');
        break;
    case 10 ... 17:
        client_says(m, 'j');
        break;
    case 18 ... 20:
        client_says(m, 'l');
        break;
    case 21 ... 27:
        client_says(m, one_in(2) ? 'p' : 'x');
        break;
    case 28 ... 31:
        client_says(m, 'e');
        break;
    case 32 ... 35:
        m->paused = !m->paused;
        w.peers[m->peer].was_paused = true;
        (m->paused ? duet_pause : duet_resume)(m->conn);
        break;
    case 36:
        if (one_in(4))
            client_says(m, 'b');
        break;
    case 37:
        if (one_in(6) && duet_close(m->conn, 1000, "bye") == 0)
            w.peers[m->peer].client_closes = true;
        break;
    case 38:
        if (one_in(12)) {
            w.peers[m->peer].client_closes = w.peers[m->peer].lossy = w.dropped = true;
            duet_abort(m->conn);
        }
        break;
    default:
        duet_ping(m->conn);
    }
}

/* The world. */

static void draw_weather(struct kernel_weather *out)
{
    struct dice d = { .state = dice_roll(dice()) };
    w.calm = dice_one_in(&d, 2);
    *out = (struct kernel_weather){ .delay_us = (unsigned)dice_size(&d, 50000),
                                    .jitter_us = (unsigned)dice_size(&d, 20000),
                                    .piece = dice_one_in(&d, 3) ? 0 : 1 + dice_size(&d, 20000),
                                    .buffer = dice_one_in(&d, 3) ? 4096 + dice_size(&d, 60000) : 0,
                                    .read_most = dice_one_in(&d, 4) ? 1 + dice_size(&d, 2000) : 0,
                                    .write_most = dice_one_in(&d, 4) ? 1 + dice_size(&d, 2000) : 0,
                                    .again_one_in = dice_one_in(&d, 4) ? 10 : 0,
                                    .eintr_one_in = dice_one_in(&d, 4) ? 10 : 0,
                                    .spurious_one_in = dice_one_in(&d, 4) ? 20 : 0,
                                    .tick_us = dice_one_in(&d, 3) ? 100 : 0,
                                    .reset_discards = dice_one_in(&d, 2) };
    if (w.calm) { /* nothing is so slow that a deadline could come */
        out->read_most += out->read_most > 0 ? 500 : 0;
        out->write_most += out->write_most > 0 ? 500 : 0;
        return;
    }
    out->bytes_per_ms = dice_one_in(&d, 3) ? 10 + (unsigned)dice_size(&d, 2000) : 0;
    out->still_one_in = dice_one_in(&d, 3) ? 200 : 0;
    out->still_us = 8000000;
}

static void begin_server(void)
{
    w.secure = one_in(4);
    bool deflate = one_in(3);
    w.topic_count = 1 + (unsigned)dice_below(dice(), TOPICS);
    w.config = (duet_server_config){ DUET_SERVER_CONFIG_INIT,
                                     .listen = w.secure ? "wss://127.0.0.1:9001" : "ws://127.0.0.1:9001",
                                     .on = { .open = server_open, .message = server_message, .close = server_close },
                                     .data_size = sizeof(unsigned),
                                     .queue_soft = 2048 + (unsigned)dice_size(dice(), 60000),
                                     .queue_max = 8192 + (unsigned)dice_size(dice(), 200000),
                                     .when_full = (duet_when_full)dice_below(dice(), 3),
                                     .stall_ms = w.calm ? DUET_OFF : 0,
                                     .ping_ms = w.calm ? DUET_OFF : 2000 + (unsigned)dice_size(dice(), 20000),
                                     .pong_ms = 3000 + (unsigned)dice_size(dice(), 8000),
                                     .memory_mib = DUET_OFF,
                                     .read_on = one_in(2),
                                     .tls = w.secure ? tls : NULL,
                                     .deflate = { .on = deflate, .keep_window = one_in(2), .least = 100 } };
    CHECK(duet_loop_new(&w.server_loop) == 0);
    CHECK(duet_server_new(&w.server, &w.config, NULL) == 0);
    CHECK(duet_server_attach(w.server, w.server_loop) == 0);
    w.timer = duet_timer_new(w.server_loop, timer_due, NULL);
    duet_timer_set(w.timer, 50);
    say("policy %d, soft %u, hard %u, %s%s%s", w.config.when_full, w.config.queue_soft, w.config.queue_max,
        w.secure ? "TLS " : "", deflate ? "deflate " : "", w.calm ? "calm" : "");
}

static void begin_clients(void)
{
    w.loop_count = 1 + (unsigned)dice_below(dice(), LOOPS);
    w.member_count = 1 + (unsigned)dice_below(dice(), MEMBERS);
    for (unsigned i = 0; i < w.loop_count; i++)
        CHECK(duet_loop_new(&w.loops[i]) == 0);
    for (unsigned i = 0; i < w.member_count; i++) {
        duet_client_config config = { DUET_CLIENT_CONFIG_INIT,
                                      .url = w.secure ? "wss://127.0.0.1:9001/" : "ws://one.sim:9001/",
                                      .on = { .open = client_open, .message = client_message, .close = client_closed },
                                      .failed = client_failed,
                                      .arg = &w.members[i],
                                      .insecure = true,
                                      .stall_ms = w.calm ? DUET_OFF : 0,
                                      .ping_ms = w.calm ? DUET_OFF : 0,
                                      .queue_max = DUET_OFF,
                                      .retry = true,
                                      .retry_first_ms = 300,
                                      .deflate = { .on = one_in(2), .keep_window = one_in(2) } };
        CHECK(duet_connect(&w.members[i].client, w.loops[i % w.loop_count], &config, NULL) == 0);
    }
}

static bool turn(duet_loop *l)
{
    if (!kernel_ready(duet_loop_fd(l)) && duet_loop_wait_ms(l) != 0 && !one_in(30))
        return false;
    CHECK(duet_loop_turn(l, 0) >= 0);
    return true;
}

/* A turn of some loop that has work; else time goes on to the next event. */
static void step(void)
{
    duet_loop *all[LOOPS + 1] = { w.server_loop, w.loops[0], w.loops[1], w.loops[2] };
    size_t from = dice_below(dice(), w.loop_count + 1);
    bool busy = false;
    for (size_t i = 0; i <= w.loop_count && !busy; i++)
        busy = turn(all[(from + i) % (w.loop_count + 1)]);
    uint64_t next = kernel_next_us();
    for (size_t i = 0; i <= w.loop_count; i++) {
        int wait = duet_loop_wait_ms(all[i]);
        uint64_t at = wait < 0 ? UINT64_MAX : kernel_now_us() + (uint64_t)wait * 1000;
        next = at < next ? at : next;
    }
    if (busy && one_in(4)) { /* a turn takes its time */
        uint64_t later = kernel_now_us() + dice_below(dice(), w.calm ? 100 : 1000);
        kernel_advance(next < later ? next : later);
    } else if (!busy) {
        CHECK(next != UINT64_MAX);
        kernel_advance(next);
    }
    kernel_run_threads();
}

static void cut(void)
{
    bool silent = !w.calm && one_in(2);
    if (!kernel_cut(silent))
        return;
    w.cut = true;
    say("%u a connection is lost%s", now(), silent ? " without a word" : "");
    sim_count(silent ? "lost without a word" : "lost");
}

static void play_on(void)
{
    size_t steps = 200 + dice_below(dice(), 2500);
    bool may_cut = one_in(2);
    for (size_t i = 0; i < steps; i++) {
        step();
        if (one_in(4))
            client_acts(&w.members[dice_below(dice(), w.member_count)]);
        if (one_in(60))
            server_acts(); /* between turns */
        if (may_cut && one_in(300))
            cut();
    }
}

/* Whoever reads nothing reads again, or its Close could not be seen. */
static void drain(void)
{
    uint64_t began = kernel_now_us();
    w.draining = true;
    say("%u the server drains", now());
    duet_server_drain(w.server);
    for (unsigned i = 0; i < w.member_count; i++)
        if (w.members[i].conn != NULL)
            duet_resume(w.members[i].conn);
    for (size_t i = 0; !duet_server_over(w.server); i++) {
        CHECK(i < STEPS_MOST);
        step();
        CHECK(kernel_now_us() - began < 45u * 1000 * 1000); /* drain_ms, and what lingers */
        for (unsigned k = 0; k < w.member_count; k++)       /* also who came back meanwhile */
            if (w.members[k].conn != NULL && w.members[k].paused)
                duet_resume(w.members[k].conn);
    }
}

static void verdict(void)
{
    static duet_server_stats stats;
    duet_server_read_stats(w.server, &stats);
    CHECK(stats.connections == 0 && stats.websockets == 0 && stats.subscriptions == 0 &&
          stats.topics == 0); /* CLS-11 */
    CHECK(stats.opened == 0 || w.opened == w.closed);
    CHECK(w.opened == w.closed);
    unsigned long missed = 0, lossy = 0;
    for (unsigned i = 0; i < w.peer_count; i++) {
        struct peer *p = &w.peers[i];
        lossy += p->lossy || p->client_closes || p->parts;
        for (size_t k = 0; k < p->due_count; k++)
            missed += p->due[k].missed;
    }
    /* The policy accounts for every gap; and for nothing else, when nobody was lost. */
    if (w.config.when_full != DUET_FULL_CLOSE) {
        CHECK(missed + w.refused <= stats.skipped);
        CHECK(missed + w.refused == stats.skipped || lossy > 0 || w.cut || !w.calm);
        if (missed > 0)
            sim_count("worlds in which every gap was accounted for");
    }
    say("%lu missed, %lu refused, %llu skipped", missed, w.refused, (unsigned long long)stats.skipped);
}

static void end(void)
{
    for (unsigned i = 0; i < w.member_count; i++)
        duet_client_free(w.members[i].client);
    for (unsigned i = 0; i < w.member_count; i++)
        CHECK(w.members[i].conn == NULL); /* each was told */
    duet_timer_free(w.timer);
    duet_server_free(w.server);
    duet_loop_free(w.server_loop);
    while (kernel_waiting_threads() > 0) {
        kernel_advance(kernel_next_us());
        kernel_run_threads();
    }
    for (unsigned i = 0; i < w.loop_count; i++)
        duet_loop_free(w.loops[i]);
    for (unsigned i = 0; i < w.peer_count; i++)
        free(w.peers[i].due);
    CHECK(kernel_open_files() == 0);
    CHECK(sim_held() == 0);
    kernel_halt();
}

static void play(uint64_t seed)
{
    struct kernel_weather weather;
    memset(&w, 0, sizeof(w));
    kernel_boot(seed, NULL);
    draw_weather(&weather);
    kernel_boot(seed, &weather);
    begin_server();
    begin_clients();
    play_on();
    drain();
    verdict();
    end();
}

static bool mine(uint64_t seed)
{
    return seed % 5 == 0;
}

int main(int argc, char **argv)
{
    char why[200] = "";
    snprintf(cert, sizeof(cert), "/tmp/duet-sim-%d.crt", (int)getpid());
    snprintf(key, sizeof(key), "/tmp/duet-sim-%d.key", (int)getpid());
    cert_make_even(cert, key, "DNS:one.sim,IP:127.0.0.1");
    const char *certs[] = { cert }, *keys[] = { key };
    if (duet_tls_new(&tls, certs, keys, 1, why) < 0) {
        printf("not ok - %s\n", why);
        return 1;
    }
    unlink(cert);
    unlink(key);
    int rc = sim_main(argc, argv, mine, play);
    duet_tls_free(tls);
    return rc;
}
