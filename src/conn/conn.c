/* SPDX-License-Identifier: MIT */
#include "conn/conn.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINGER_MS = 1000, IOV = 64, READ_MOST = 256 * 1024, HEAD_FIRST = 16 * 1024 };

struct conn_stash {
    size_t at, len, cap; /* bytes from `at` to `len` wait */
    uint8_t data[];
};

static void conn_ready(struct watch *w, uint32_t events);
static void conn_turn(struct task *t);
static void conn_free(struct task *t);
static void conn_due(struct timer *t);
static void stash_free(duet_conn *c);

static duet_conn *of_task(struct task *t)
{
    return (duet_conn *)(void *)((char *)t - offsetof(duet_conn, turn));
}

duet_conn *conn_new(struct conn_host *host, int fd, const struct stream_ops *ops, void *tls)
{
    duet_conn *c = mem_zalloc(sizeof(*c) + host->data_size);
    if (c == NULL) {
        struct stream s = { .ops = ops, .tls = tls, .loop = host->loop };
        ops->close(&s, fd);
        return NULL;
    }
    c->host = host;
    c->stream =
        (struct stream){ .watch = { .fd = fd, .ready = conn_ready }, .ops = ops, .tls = tls, .loop = host->loop };
    c->turn.run = conn_turn;
    c->reap.run = conn_free;
    c->timer.due = conn_due;
    c->born_ms = c->since_ms = host->loop->now_ms;
    c->reason = DUET_REASON_other;
    outq_init(&c->proto.out, host->chunks);
    return c;
}

static void conn_free(struct task *t)
{
    duet_conn *c = (duet_conn *)(void *)((char *)t - offsetof(duet_conn, reap));
    loop_not_at_end(c->host->loop, &c->turn);
    timer_cancel(&c->host->loop->wheel, &c->timer);
    proto_fini(&c->proto);
    stash_free(c);
    mem_free(c->parked);
    if (c->host->gone)
        c->host->gone(c);
    mem_free(c);
}

int conn_start(duet_conn *c, const struct conn_phase *phase)
{
    c->phase = phase;
    int rc = loop_watch(c->host->loop, &c->stream.watch, LOOP_IN);
    if (rc < 0) {
        int fd = c->stream.watch.fd;
        c->stream.watch.fd = -1;
        c->stream.ops->close(&c->stream, fd);
        c->state = CONN_DEAD;
        conn_free(&c->reap);
        return rc;
    }
    conn_schedule(c);
    return 0;
}

/* The application hears of the end once. */
static void tell(duet_conn *c)
{
    if (c->told || c->phase == NULL)
        return;
    c->told = true;
    c->phase->ended(c, c->error);
}

void conn_kill(duet_conn *c, int error)
{
    if (c->state == CONN_DEAD)
        return;
    if (c->error == 0)
        c->error = error;
    if (error == DUET_ERR_NOMEM && c->reason == DUET_REASON_other)
        c->reason = DUET_REASON_no_memory;
    c->state = CONN_DEAD;
    int fd = c->stream.watch.fd;
    loop_unwatch(c->host->loop, &c->stream.watch);
    c->stream.ops->close(&c->stream, fd);
    timer_cancel(&c->host->loop->wheel, &c->timer);
    /* Not here: a callback may be running above us. The task tells, then the reaping frees. */
    loop_at_end(c->host->loop, &c->turn);
}

/* Bytes wait that the phase will take in the next turn. */
static bool has_more(const duet_conn *c)
{
    return c->stash != NULL && !c->wants_more && !c->paused && !c->choked;
}

static bool holds_reading(const duet_conn *c)
{
    if (c->state != CONN_ACTIVE)
        return c->at_end && c->state == CONN_FINISHING;
    return c->at_end || c->paused || c->choked || (c->stash != NULL && !c->wants_more);
}

static void watch_for(duet_conn *c)
{
    uint32_t want = 0;
    if (!holds_reading(c))
        want |= LOOP_IN;
    if (c->out_waits)
        want |= LOOP_OUT;
    int rc = loop_rewatch(c->host->loop, &c->stream.watch, want);
    if (rc < 0)
        conn_kill(c, rc);
}

void conn_set_reading(duet_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (!c->paused && !c->choked && ((c->stash != NULL && !c->wants_more) || c->stream.ops->buffered(&c->stream)))
        conn_again(c);
    watch_for(c);
}

void conn_again(duet_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    c->again = true;
    loop_at_end(c->host->loop, &c->turn);
}

bool conn_has_input(const duet_conn *c)
{
    return c->stash != NULL;
}

static uint64_t after(uint64_t from, unsigned ms)
{
    return ms == DUET_OFF ? UINT64_MAX : from + ms;
}

/* RFC 6455 7.1.1: who ends TCP first has to remember it (TIME_WAIT), and that is to be the server. So a client whose
 * Close was answered, or that answered one, waits for the server's end. */
static bool awaits_end(const duet_conn *c)
{
    return c->state == CONN_LINGERING && c->error == 0 && c->proto.state == CLOSED && proto_masks(&c->proto);
}

static uint64_t deadline(const duet_conn *c)
{
    uint64_t phase, stall = UINT64_MAX;
    switch (c->state) {
    case CONN_FINISHING:
        return after(c->since_ms, c->host->close_ms);
    case CONN_LINGERING:
        return awaits_end(c) ? after(c->since_ms, c->host->close_ms) : c->since_ms + LINGER_MS;
    case CONN_DEAD:
        return UINT64_MAX;
    default:
        phase = c->phase->deadline(c);
        if (c->out_waits && (c->choked || conn_queued(c) > c->host->queue_soft))
            stall = after(c->since_ms, c->host->stall_ms);
        return phase < stall ? phase : stall;
    }
}

void conn_schedule(duet_conn *c)
{
    uint64_t at = deadline(c);
    if (at != UINT64_MAX && (!timer_armed(&c->timer) || at < c->timer.at_ms))
        timer_arm(&c->host->loop->wheel, &c->timer, at);
}

static void conn_due(struct timer *t)
{
    duet_conn *c = (duet_conn *)(void *)((char *)t - offsetof(duet_conn, timer));
    uint64_t now = c->host->loop->now_ms;
    if (deadline(c) <= now) {
        if (c->state == CONN_FINISHING || c->state == CONN_LINGERING) {
            conn_kill(c, c->state == CONN_FINISHING && c->error == 0 ? DUET_ERR_TIMEOUT : 0);
        } else if (c->phase->deadline(c) <= now) {
            c->phase->due(c);
        } else {
            c->reason = DUET_REASON_slow;
            conn_give_up(c, DUET_ERR_TIMEOUT);
        }
    }
    if (c->state != CONN_DEAD)
        conn_schedule(c);
}

/* All is written: what comes in now is thrown away until the peer has read our end, or else it would be reset away. */
static void linger(duet_conn *c)
{
    c->state = CONN_LINGERING;
    c->since_ms = c->host->loop->now_ms;
    if (!awaits_end(c))
        c->stream.ops->shutdown(&c->stream);
    tell(c);
    if (c->state == CONN_DEAD) /* the callback ended it: its stream is gone */
        return;
    if (c->stream.ops->pending(&c->stream))
        c->out_waits = true;
    else if (c->at_end)
        conn_kill(c, 0); /* its end came before ours */
    if (c->state == CONN_DEAD)
        return;
    watch_for(c);
    conn_schedule(c);
}

void conn_finish(duet_conn *c, int error)
{
    if (c->state >= CONN_FINISHING)
        return;
    if (c->error == 0)
        c->error = error;
    c->state = CONN_FINISHING;
    c->since_ms = c->host->loop->now_ms;
    stash_free(c);
    conn_schedule(c);
    conn_wrote(c);
}

void conn_give_up(duet_conn *c, int error)
{
    if (c->state >= CONN_FINISHING)
        return;
    c->reason = DUET_REASON_slow;
    c->unsent += (uint32_t)outq_cut(&c->proto.out);
    if (duet_proto_is_open(&c->proto))
        duet_proto_close(&c->proto, c->slow_code ? c->slow_code : DUET_CODE_POLICY, "slow");
    c->gave_up = true;
    conn_finish(c, error);
}

static void relieved(duet_conn *c)
{
    size_t low = c->host->queue_soft / 2;
    if (conn_queued(c) > low || c->state != CONN_ACTIVE)
        return;
    if (c->choked) {
        c->choked = false;
        conn_set_reading(c);
    }
    if (c->congested) {
        c->congested = false;
        c->phase->drained(c);
    }
}

/* Writes what the socket takes. 0, or a negative error. */
static int write_out(duet_conn *c)
{
    struct iovec iov[IOV];
    bool full = false;
    do {
        int n = outq_output(&c->proto.out, iov, IOV);
        if (n == 0 && !c->stream.ops->pending(&c->stream))
            break;
        size_t want = 0;
        for (int i = 0; i < n; i++)
            want += iov[i].iov_len;
        ssize_t sent = c->stream.ops->write(&c->stream, iov, n);
        if (sent < 0 && sent != -EAGAIN)
            return (int)sent;
        if (sent > 0) {
            count_add(&c->host->bytes_out, (uint64_t)sent);
            c->bytes_out += (uint64_t)sent;
            if (c->state != CONN_LINGERING)
                c->since_ms = c->host->loop->now_ms; /* slow is no reason to be cut off; standing still is */
            duet_proto_sent(&c->proto, (size_t)sent);
        }
        full = sent < 0 || (size_t)sent < want || c->stream.ops->pending(&c->stream);
    } while (!full && conn_queued(c) > 0);
    c->out_waits = full;
    return 0;
}

bool conn_flush(duet_conn *c)
{
    if (c->state != CONN_ACTIVE && c->state != CONN_FINISHING && c->state != CONN_LINGERING)
        return false;
    size_t before = conn_queued(c);
    int rc = before > 0 || c->out_waits ? write_out(c) : 0;
    if (rc == 0)
        rc = duet_proto_settle(&c->proto);
    if (rc < 0) {
        conn_kill(c, rc);
        return false;
    }
    if (c->out_waits || (c->stream.watch.events & LOOP_OUT))
        watch_for(c);
    if (c->out_waits)
        conn_schedule(c);
    return c->state != CONN_DEAD;
}

/* Puts bytes behind those that wait already; grows by doubling, so that a head in single bytes costs no more. */
static bool stash_put(duet_conn *c, const uint8_t *data, size_t len)
{
    struct conn_stash *s = c->stash;
    if (s != NULL && s->at > 0) {
        /* What was taken leaves, or else requests that are always cut by a read's end would pile up. */
        s->len -= s->at;
        memmove(s->data, s->data + s->at, s->len);
        s->at = 0;
    }
    size_t have = s ? s->len : 0;
    if (s == NULL || s->cap - have < len) {
        size_t cap = s && 2 * s->cap > have + len ? 2 * s->cap : have + len;
        s = mem_realloc(s, sizeof(*s) + cap);
        if (s == NULL) {
            c->reason = DUET_REASON_no_memory;
            conn_kill(c, DUET_ERR_NOMEM);
            return false;
        }
        if (c->stash == NULL)
            s->at = 0;
        s->cap = cap;
        c->stash = s;
    }
    memcpy(s->data + have, data, len);
    s->len = have + len;
    return true;
}

static void stash_free(duet_conn *c)
{
    mem_free(c->stash);
    c->stash = NULL;
}

/* What was borrowed from the input leaves now. So do the answers of who gets nothing else in this turn, since it is in
 * no topic: their chunk is used again by the next connection while it is in the cache. */
static void after_reading(duet_conn *c)
{
    c->host->reading = NULL;
    if (c->proto.out.borrowed || (c->members == NULL && c->state == CONN_ACTIVE && conn_queued(c) > 0))
        conn_flush(c);
    c->proto.checked = NULL; /* the message may lie in the input */
    if (conn_queued(c) > 0 || c->state != CONN_ACTIVE || c->congested || c->choked)
        conn_wrote(c);
}

/* Hands bytes to the phase, and to the next one when it changes. */
static void hand_over(duet_conn *c, duet_input *in)
{
    const struct conn_phase *phase;
    c->host->input = in->data;
    c->host->input_end = in->data + in->len;
    c->host->reading = c;
    c->messages = 0;
    do {
        phase = c->phase;
        phase->input(c, in);
    } while (c->phase != phase && c->state == CONN_ACTIVE && in->len > 0 && !c->paused);
    c->host->input = c->host->input_end = NULL;
    after_reading(c);
}

static void handed_over(duet_conn *c)
{
    if (c->state != CONN_ACTIVE)
        return;
    conn_schedule(c);
    if (c->stash != NULL || c->choked || c->paused || !(c->stream.watch.events & LOOP_IN))
        watch_for(c);
}

/* New bytes from the loop's buffer; what is not taken is kept. */
static void give(duet_conn *c, uint8_t *data, size_t len)
{
    duet_input in = { data, len };
    hand_over(c, &in);
    if (c->state == CONN_ACTIVE && in.len > 0 && !stash_put(c, in.data, in.len))
        return;
    handed_over(c);
}

static void give_stash(duet_conn *c)
{
    struct conn_stash *s = c->stash;
    duet_input in = { s->data + s->at, s->len - s->at };
    c->stash = NULL; /* whoever ends the connection meanwhile must not free it under us */
    hand_over(c, &in);
    if (c->state != CONN_ACTIVE || in.len == 0) {
        mem_free(s);
    } else {
        s->at = (size_t)(in.data - s->data);
        c->stash = s;
    }
    handed_over(c);
}

static void ended_by_peer(duet_conn *c)
{
    if (c->state == CONN_ACTIVE) {
        c->phase->eof(c);
    } else if (c->state == CONN_FINISHING && !c->at_end) {
        c->at_end = true; /* it may have shut its side only, and still reads ours */
        watch_for(c);
    } else {
        if (awaits_end(c))
            c->stream.ops->shutdown(&c->stream); /* TLS says its word too */
        conn_kill(c, c->state == CONN_FINISHING ? DUET_ERR_EOF : 0);
    }
}

static bool read_failed(duet_conn *c, ssize_t n)
{
    if (n == -EAGAIN)
        return true;
    if (n == 0)
        ended_by_peer(c);
    else if (n < 0)
        conn_kill(c, (int)n);
    return n <= 0;
}

/* One read of a socket. TLS gives a record at a time, and may have more of them at hand. */
static ssize_t read_most(struct stream *s, uint8_t *to, size_t most)
{
    ssize_t n = s->ops->read(s, to, most);
    while (n > 0 && (size_t)n < most && s->ops->buffered(s)) {
        ssize_t more = s->ops->read(s, to + n, most - (size_t)n);
        if (more <= 0)
            break; /* an error stays, and is told next time */
        n += more;
    }
    return n;
}

/* One read a turn. A large message is read straight into its own buffer. */
static void read_in(duet_conn *c)
{
    struct conn_host *host = c->host;
    if (host->look_at != 0 && host->bytes_in >= host->look_at && !host->look(host)) {
        if (c->state == CONN_ACTIVE && c->stream.ops->buffered(&c->stream))
            conn_again(c); /* what TLS holds wakes nobody */
        return;
    }
    void *at;
    size_t room = c->phase == &conn_websocket && c->stash == NULL ? duet_proto_room(&c->proto, &at) : 0;
    if (room > READ_MOST)
        room = READ_MOST;
    uint8_t *to = room ? at : c->host->loop->recv;
    /* Who sends large messages is read a little at first: the rest of one then goes straight to its place. */
    size_t most = room ? room : c->large ? HEAD_FIRST : LOOP_RECV;
    ssize_t n = read_most(&c->stream, to, most);
    if (read_failed(c, n))
        return;
    count_add(&c->host->bytes_in, (uint64_t)n);
    c->bytes_in += (uint64_t)n;
    if (room) {
        c->messages = 0;
        c->host->reading = c;
        websocket_filled(c, (size_t)n);
        after_reading(c);
        if (c->state == CONN_ACTIVE)
            conn_schedule(c);
    } else if (c->stash != NULL) {
        if (stash_put(c, to, (size_t)n))
            give_stash(c);
    } else {
        give(c, to, (size_t)n);
    }
    if (c->state == CONN_ACTIVE && !c->paused && !c->choked && c->stream.ops->buffered(&c->stream))
        conn_again(c);
}

static void discard_in(duet_conn *c)
{
    read_failed(c, stream_discard(&c->stream));
}

static void open_stream(duet_conn *c)
{
    uint32_t want = LOOP_IN;
    int rc = c->proxied ? c->host->opening(c) : 1;
    if (rc == 1)
        rc = c->stream.ops->handshake(&c->stream, &want);
    if (rc < 0) {
        if (c->reason == DUET_REASON_other && rc != DUET_ERR_NOMEM)
            c->reason = c->proxied ? DUET_REASON_proxy_protocol_invalid : DUET_REASON_tls_handshake_failed;
        if (c->host->unopened)
            c->host->unopened(c);
        conn_kill(c, rc);
        return;
    }
    if (rc == 0) {
        rc = loop_rewatch(c->host->loop, &c->stream.watch, want);
        if (rc < 0)
            conn_kill(c, rc);
        return;
    }
    c->state = CONN_ACTIVE;
    watch_for(c);
    if (c->state == CONN_ACTIVE && c->stream.ops->buffered(&c->stream))
        conn_again(c);
    if (conn_queued(c) > 0)
        conn_wrote(c);
}

void conn_speak(duet_conn *c)
{
    open_stream(c);
}

void conn_reopen(duet_conn *c)
{
    c->state = CONN_OPENING;
    open_stream(c);
}

static void conn_ready(struct watch *w, uint32_t events)
{
    duet_conn *c = (duet_conn *)(void *)w;
    if (c->state == CONN_OPENING) {
        open_stream(c);
        if (c->state != CONN_ACTIVE || !(events & LOOP_IN))
            return;
    }
    if (events & LOOP_OUT) {
        if (!conn_flush(c))
            return;
        relieved(c);
        if (c->state == CONN_FINISHING)
            conn_wrote(c);
    }
    if (c->state == CONN_DEAD)
        return;
    if (c->state >= CONN_FINISHING) {
        if (events & (LOOP_IN | LOOP_HUP))
            discard_in(c);
        return;
    }
    if ((events & LOOP_IN) && !holds_reading(c))
        read_in(c);
    else if ((events & (LOOP_IN | LOOP_HUP)) == LOOP_HUP && !has_more(c))
        conn_kill(c, -ECONNRESET);
}

static void read_again(duet_conn *c)
{
    struct conn_stash *s = c->stash;
    if (c->state != CONN_ACTIVE || c->paused || c->choked)
        return;
    if (s == NULL) {
        if (c->stream.ops->buffered(&c->stream))
            read_in(c);
        return;
    }
    give_stash(c);
}

/* The end of a turn in which something happened to this connection. */
static void conn_turn(struct task *t)
{
    duet_conn *c = of_task(t);
    if (c->again_due) {
        c->again_due = false;
        read_again(c);
    }
    if (c->again) {
        c->again = false;
        c->again_due = true;
        loop_at_end(c->host->loop, t);
    }
    if (c->gave_up)
        tell(c);
    if (c->state != CONN_DEAD && conn_flush(c)) {
        relieved(c);
        if (c->state == CONN_FINISHING && conn_queued(c) == 0 && !c->stream.ops->pending(&c->stream))
            linger(c);
    }
    if (c->state == CONN_DEAD) {
        tell(c);
        loop_reap(c->host->loop, &c->reap);
    }
}

void conn_end(duet_conn *c, int error)
{
    conn_kill(c, error);
    conn_turn(&c->turn);
}
