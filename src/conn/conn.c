/* SPDX-License-Identifier: MIT */
#include "conn/conn.h"
#include "base/clock.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINGER_MS = 1000, IOV = 64, READ_MOST = 256 * 1024, LONG_READ = 16 * 1024, HEAD_FIRST = 16 * 1024 };

struct conn_stash {
    size_t at, len, cap; /* bytes from `at` to `len` wait */
    uint8_t data[];
};

static void conn_ready(struct spot *s, uint32_t events);
static void conn_turn(struct task *t);
static void conn_due(struct tick *t);
static void stash_free(duet_conn *c);

static duet_conn *of_task(struct task *t)
{
    return (duet_conn *)(void *)((char *)t - offsetof(duet_conn, turn));
}

void conn_host_init(struct conn_host *host)
{
    if (host->home.chunks == NULL)
        host->home.chunks = &host->pool;
    host->home.busy_size = sizeof(struct conn_busy);
    host->home.rare_size = sizeof(struct conn_rare);
    host->home.embedded = true;
    host->home.arg_offset = offsetof(duet_conn, proto);
    host->slots.size = CONN_SIZE(host->data_size);
    host->slots.kept = offsetof(duet_conn, proto);
}

void conn_host_start(struct conn_host *host, duet_loop *loop)
{
    host->loop = loop;
    loop->ready = conn_ready;
    loop->wheel.due = conn_due;
}

/* Its memory, and in a host with slots its number in the id. */
static duet_conn *take_slot(struct conn_host *host)
{
    uint32_t number;
    if (host->one)
        return mem_zalloc(host->slots.size);
    duet_conn *c = slots_take(&host->slots, &number);
    if (c == NULL)
        return NULL;
    if (number != UINT32_MAX)
        c->id = (uint64_t)number << 8 | host->index;
    conn_new_id(c);
    return c;
}

static void give_slot(struct conn_host *host, duet_conn *c)
{
    if (host->one)
        mem_free(c);
    else
        slots_give(&host->slots, c);
}

duet_conn *conn_new(struct conn_host *host, int fd)
{
    duet_conn *c = take_slot(host);
    if (c == NULL) {
        close(fd);
        return NULL;
    }
    c->stream = (struct stream){ .watch = { .fd = fd, .plain = true }, .as = &stream_tcp };
    c->turn.run = conn_turn;
    c->timer.plain = 1;
    c->reason = DUET_REASON_other;
    c->born = (uint32_t)(host->loop->now_ms / BORN_MS);
    if (proto_init(&c->proto, &host->home, host->loop->now_ms) < 0) {
        c->stream.watch.fd = -1;
        give_slot(host, c);
        close(fd);
        return NULL;
    }
    struct conn_busy *b = conn_busy(c);
    b->born_ms = b->since_ms = host->loop->now_ms;
    return c;
}

static void conn_free(struct task *t)
{
    duet_conn *c = of_task(t);
    struct conn_host *host = conn_host(c);
    tick_cancel(&host->loop->wheel, &c->timer);
    if (conn_busy(c) != NULL) {
        stash_free(c);
        mem_free(conn_busy(c)->parked);
    }
    if (host->gone)
        host->gone(c);
    proto_fini(&c->proto);
    give_slot(host, c);
}

void conn_rest(duet_conn *c)
{
    struct conn_busy *b = conn_busy(c);
    if (b == NULL || c->state != CONN_ACTIVE || c->traced || c->choked || conn_phase(c) != &conn_websocket ||
        conn_host(c)->reading == c || task_queued(&c->turn))
        return;
    if (b->stash != NULL || b->flags != 0)
        return;
    if (!proto_rests(&c->proto))
        return;
    b->served = 0; /* as it was before */
    b->unsent = 0;
    b->ping_us = 0;
    b->phase = NULL;
    proto_sleep(&c->proto);
}

void conn_carry(duet_conn *c, enum conn_count which)
{
    if (proto_need_rare(&c->proto) == 0) /* without memory it counts from zero again */
        conn_rare(c)->over[which]++;
}

uint64_t conn_counted(const duet_conn *c, enum conn_count which)
{
    uint64_t over = conn_rare(c) ? conn_rare(c)->over[which] : 0;
    return over << 32 | c->counts[which];
}

int conn_note_address(duet_conn *c, const struct http_address *a, uint16_t port)
{
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
    bool short_form = memcmp(a->bytes, v4, sizeof(v4)) == 0;
    if (!short_form && proto_need_rare(&c->proto) < 0)
        return DUET_ERR_NOMEM;
    if (short_form)
        memcpy(c->address, a->bytes + sizeof(v4), sizeof(c->address));
    else
        conn_rare(c)->address = *a;
    c->from = short_form ? FROM_IPV4 : FROM_IPV6;
    c->stream.watch.user = port;
    return 0;
}

bool conn_address(const duet_conn *c, struct http_address *a, uint16_t *port)
{
    *port = c->stream.watch.user;
    if (c->from == FROM_IPV4)
        http_address_from_ipv4(c->address, a);
    else if (c->from == FROM_IPV6)
        *a = conn_rare(c)->address;
    return c->from != FROM_UNIX;
}

int conn_start(duet_conn *c, const struct conn_phase *phase)
{
    conn_busy(c)->phase = phase;
    int rc = spot_watch(conn_host(c)->loop, &c->stream.watch, LOOP_IN);
    if (rc < 0) {
        int fd = c->stream.watch.fd;
        c->stream.watch.fd = -1;
        c->stream.as->ops->close(&c->stream, fd);
        c->state = CONN_DEAD;
        conn_free(&c->turn);
        return rc;
    }
    conn_schedule(c);
    return 0;
}

/* The application hears of the end once. */
static void tell(duet_conn *c)
{
    if (c->told || (c->proto.busy != NULL && conn_busy(c)->phase == NULL && !c->opened))
        return;
    c->told = true;
    conn_phase(c)->ended(c, conn_error(c));
}

void conn_kill(duet_conn *c, int error)
{
    if (c->state == CONN_DEAD)
        return;
    int first = conn_error(c);
    if (error == DUET_ERR_NOMEM && c->reason == DUET_REASON_other)
        c->reason = DUET_REASON_no_memory;
    c->state = CONN_DEAD;
    c->proto.ended = first ? first : error;
    int fd = c->stream.watch.fd;
    spot_unwatch(conn_host(c)->loop, &c->stream.watch);
    c->stream.as->ops->close(&c->stream, fd);
    tick_cancel(&conn_host(c)->loop->wheel, &c->timer);
    /* Not here: a callback may be running above us. The task tells, then the reaping frees. */
    loop_at_end(conn_host(c)->loop, &c->turn);
}

/* Bytes wait for their phase, and it needs no more of them. */
static bool bytes_wait(const duet_conn *c)
{
    const struct conn_busy *b = conn_busy(c);
    return b != NULL && b->stash != NULL && !b->wants_more;
}

static bool at_end(const duet_conn *c)
{
    return conn_busy(c) != NULL && conn_busy(c)->at_end;
}

/* Bytes wait that the phase will take in the next turn. */
static bool has_more(const duet_conn *c)
{
    return bytes_wait(c) && !c->paused && !c->choked;
}

static bool holds_reading(const duet_conn *c)
{
    if (c->state != CONN_ACTIVE)
        return at_end(c) && c->state == CONN_FINISHING;
    return at_end(c) || c->paused || c->choked || bytes_wait(c);
}

static void watch_for(duet_conn *c)
{
    uint32_t want = 0;
    if (!holds_reading(c))
        want |= LOOP_IN;
    if (conn_out_waits(c))
        want |= LOOP_OUT;
    int rc = spot_rewatch(conn_host(c)->loop, &c->stream.watch, want);
    if (rc < 0)
        conn_kill(c, rc);
}

void conn_set_reading(duet_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (!c->paused && !c->choked && (bytes_wait(c) || stream_buffered(&c->stream)))
        conn_again(c);
    watch_for(c);
}

void conn_again(duet_conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (conn_wake(c) < 0) {
        conn_kill(c, DUET_ERR_NOMEM);
        return;
    }
    conn_busy(c)->again = true;
    loop_at_end(conn_host(c)->loop, &c->turn);
}

bool conn_has_input(const duet_conn *c)
{
    return conn_busy(c) != NULL && conn_busy(c)->stash != NULL;
}

static uint64_t after(uint64_t from, unsigned ms)
{
    return ms == DUET_OFF ? UINT64_MAX : from + ms;
}

/* RFC 6455 7.1.1: who ends TCP first has to remember it (TIME_WAIT), and that is to be the server. So a client whose
 * Close was answered, or that answered one, waits for the server's end. */
static bool awaits_end(const duet_conn *c)
{
    return c->state == CONN_LINGERING && conn_error(c) == 0 && c->proto.state == CLOSED && proto_masks(&c->proto);
}

static uint64_t deadline(const duet_conn *c)
{
    uint64_t phase, stall = UINT64_MAX;
    switch (c->state) {
    case CONN_FINISHING:
        return after(conn_busy(c)->since_ms, conn_host(c)->close_ms);
    case CONN_LINGERING:
        return awaits_end(c) ? after(conn_busy(c)->since_ms, conn_host(c)->close_ms)
                             : conn_busy(c)->since_ms + LINGER_MS;
    case CONN_DEAD:
        return UINT64_MAX;
    default:
        phase = conn_phase(c)->deadline(c);
        if (conn_out_waits(c) && (c->choked || conn_queued(c) > conn_host(c)->queue_soft))
            stall = after(conn_busy(c)->since_ms, conn_host(c)->stall_ms);
        return phase < stall ? phase : stall;
    }
}

void conn_schedule(duet_conn *c)
{
    uint64_t at = deadline(c);
    if (at != UINT64_MAX && (!tick_armed(&c->timer) || at < c->timer.at_ms))
        tick_arm(&conn_host(c)->loop->wheel, &c->timer, at);
}

static void conn_due(struct tick *t)
{
    duet_conn *c = (duet_conn *)(void *)((char *)t - offsetof(duet_conn, timer));
    uint64_t now = conn_host(c)->loop->now_ms;
    if (deadline(c) <= now) {
        if (c->state == CONN_FINISHING || c->state == CONN_LINGERING) {
            conn_kill(c, c->state == CONN_FINISHING && conn_error(c) == 0 ? DUET_ERR_TIMEOUT : 0);
        } else if (conn_phase(c)->deadline(c) <= now) {
            conn_phase(c)->due(c);
        } else {
            c->reason = DUET_REASON_slow;
            conn_give_up(c, DUET_ERR_TIMEOUT);
        }
    }
    if (c->state != CONN_DEAD)
        conn_schedule(c);
    conn_rest(c);
}

/* The peer's time to read, or to end, begins now. The loop's time is that of the turn's beginning, and what the turn
 * has done since may have been long: it is not the peer's to wait for. */
static void wait_begins(duet_conn *c)
{
    conn_busy(c)->since_ms = clock_ms();
}

/* All is written: what comes in now is thrown away until the peer has read our end, or else it would be reset away. */
static void linger(duet_conn *c)
{
    c->state = CONN_LINGERING;
    wait_begins(c);
    if (!awaits_end(c))
        c->stream.as->ops->shutdown(&c->stream);
    tell(c);
    if (c->state == CONN_DEAD) /* the callback ended it: its stream is gone */
        return;
    if (stream_pending(&c->stream))
        conn_busy(c)->out_waits = true;
    else if (at_end(c))
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
    if (conn_wake(c) < 0) {
        conn_kill(c, DUET_ERR_NOMEM);
        return;
    }
    c->state = CONN_FINISHING;
    c->proto.ended = error;
    wait_begins(c);
    stash_free(c);
    conn_schedule(c);
    conn_wrote(c);
}

void conn_give_up(duet_conn *c, int error)
{
    if (c->state >= CONN_FINISHING)
        return;
    c->reason = DUET_REASON_slow;
    if (conn_wake(c) < 0) {
        conn_kill(c, DUET_ERR_NOMEM);
        return;
    }
    conn_busy(c)->unsent += (uint32_t)outq_cut(&c->proto.busy->out);
    if (duet_proto_is_open(&c->proto))
        duet_proto_close(&c->proto, conn_host(c)->slow_code ? conn_host(c)->slow_code(c) : DUET_CODE_POLICY, "slow");
    conn_busy(c)->gave_up = true;
    conn_finish(c, error);
}

static void relieved(duet_conn *c)
{
    size_t low = conn_host(c)->queue_soft / 2;
    if (conn_queued(c) > low || c->state != CONN_ACTIVE)
        return;
    if (c->choked) {
        c->choked = false;
        conn_set_reading(c);
    }
    if (conn_busy(c) != NULL && conn_busy(c)->congested) {
        conn_busy(c)->congested = false;
        conn_phase(c)->drained(c);
    }
}

static size_t total(const struct iovec *iov, int count)
{
    size_t len = iov[0].iov_len;
    for (int i = 1; i < count; i++)
        len += iov[i].iov_len;
    return len;
}

/* The socket took something, or else nothing for the first time, and something waits. Slow is no reason to be cut off;
 * standing still is. Before, the busy part says when somebody else's time began. */
static void still_waits(duet_conn *c)
{
    if (c->state != CONN_LINGERING)
        wait_begins(c);
    conn_busy(c)->out_waits = true;
}

/* Writes what the socket takes. 0, or a negative error. */
static int write_out(duet_conn *c)
{
    struct conn_busy *b = conn_busy(c);
    struct iovec iov[IOV];
    bool moved = false;
    do {
        int n = outq_output(&b->proto.out, iov, IOV);
        if (n == 0 && !stream_pending(&c->stream))
            break;
        ssize_t sent = c->stream.as->ops->write(&c->stream, iov, n);
        if (sent < 0 && sent != -EAGAIN)
            return (int)sent;
        size_t want = n > 0 ? total(iov, n) : 0;
        if (sent > 0) {
            moved = true;
            conn_count_written(c, (size_t)sent);
            proto_sent(&c->proto, (size_t)sent);
        }
        if (sent < 0 || (size_t)sent < want || stream_pending(&c->stream)) {
            if (moved || !b->out_waits)
                still_waits(c);
            return 0;
        }
    } while (b->proto.out.bytes > 0);
    b->out_waits = false;
    return 0;
}

bool conn_flush(duet_conn *c)
{
    struct conn_busy *b = conn_busy(c);
    if (c->state == CONN_OPENING || c->state == CONN_DEAD)
        return false;
    int rc = b != NULL && (b->proto.out.bytes > 0 || b->out_waits) ? write_out(c) : 0;
    if (rc == 0 && b != NULL && b->proto.out.borrowed)
        rc = duet_proto_settle(&c->proto);
    if (rc < 0) {
        conn_kill(c, rc);
        return false;
    }
    bool waits = b != NULL && b->out_waits;
    if (waits || (c->stream.watch.events & LOOP_OUT))
        watch_for(c);
    if (waits)
        conn_schedule(c);
    return c->state != CONN_DEAD;
}

void conn_stall(duet_conn *c)
{
    still_waits(c);
    if (conn_queued(c) > conn_host(c)->queue_soft)
        conn_busy(c)->congested = true;
    watch_for(c);
    conn_schedule(c);
}

/* Puts bytes behind those that wait already; grows by doubling, so that a head in single bytes costs no more. */
static bool stash_put(duet_conn *c, const uint8_t *data, size_t len)
{
    struct conn_stash *s = conn_busy(c)->stash;
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
        if (conn_busy(c)->stash == NULL)
            s->at = 0;
        s->cap = cap;
        conn_busy(c)->stash = s;
    }
    memcpy(s->data + have, data, len);
    s->len = have + len;
    return true;
}

static void stash_free(duet_conn *c)
{
    mem_free(conn_busy(c)->stash);
    conn_busy(c)->stash = NULL;
}

/* What was borrowed from the input leaves now. So do the answers of who gets nothing else in this turn, since it is in
 * no topic: their chunk is used again by the next connection while it is in the cache. */
static void after_reading(duet_conn *c)
{
    conn_host(c)->reading = NULL;
    if (c->proto.busy->out.borrowed || (c->topic == NULL && c->state == CONN_ACTIVE && conn_queued(c) > 0))
        conn_flush(c);
    c->proto.busy->checked = NULL; /* the message may lie in the input */
    if (conn_queued(c) > 0 || c->state != CONN_ACTIVE || conn_busy(c)->congested || c->choked)
        conn_wrote(c);
}

/* Hands bytes to the phase, and to the next one when it changes. */
static void hand_over(duet_conn *c, duet_input *in)
{
    const struct conn_phase *phase;
    conn_host(c)->input = in->data;
    conn_host(c)->input_end = in->data + in->len;
    conn_host(c)->reading = c;
    conn_busy(c)->messages = 0;
    do {
        phase = conn_phase(c);
        phase->input(c, in);
    } while (conn_phase(c) != phase && c->state == CONN_ACTIVE && in->len > 0 && !c->paused);
    conn_host(c)->input = conn_host(c)->input_end = NULL;
    after_reading(c);
}

/* Bytes came to one that waits for nothing in particular: its timer, if it is armed, comes early enough. */
static bool only_later(const duet_conn *c)
{
    const struct conn_busy *b = conn_busy(c);
    return tick_armed(&c->timer) && b->phase == NULL && c->proto.state == OPEN && b->proto.type == 0 &&
           !b->proto.pinged && !b->out_waits;
}

static void handed_over(duet_conn *c)
{
    if (c->state != CONN_ACTIVE)
        return;
    if (!only_later(c))
        conn_schedule(c);
    if (conn_busy(c)->stash != NULL || c->choked || c->paused || !(c->stream.watch.events & LOOP_IN))
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
    struct conn_stash *s = conn_busy(c)->stash;
    duet_input in = { s->data + s->at, s->len - s->at };
    conn_busy(c)->stash = NULL; /* whoever ends the connection meanwhile must not free it under us */
    hand_over(c, &in);
    if (c->state != CONN_ACTIVE || in.len == 0) {
        mem_free(s);
    } else {
        s->at = (size_t)(in.data - s->data);
        conn_busy(c)->stash = s;
    }
    handed_over(c);
}

static void ended_by_peer(duet_conn *c)
{
    if (c->state == CONN_ACTIVE) {
        conn_phase(c)->eof(c);
    } else if (c->state == CONN_FINISHING && !at_end(c)) {
        conn_busy(c)->at_end = true; /* it may have shut its side only, and still reads ours */
        watch_for(c);
    } else {
        if (awaits_end(c))
            c->stream.as->ops->shutdown(&c->stream); /* TLS says its word too */
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
    ssize_t n = s->as->ops->read(s, to, most);
    while (n > 0 && (size_t)n < most && stream_buffered(s)) {
        ssize_t more = s->as->ops->read(s, to + n, most - (size_t)n);
        if (more <= 0)
            break; /* an error stays, and is told next time */
        n += more;
    }
    return n;
}

/* One read a turn. A large message is read straight into its own buffer. */
static void read_in(duet_conn *c)
{
    struct conn_host *host = conn_host(c);
    if (conn_wake(c) < 0) {
        conn_kill(c, DUET_ERR_NOMEM);
        return;
    }
    if (host->look_at != 0 && host->bytes_in >= host->look_at && !host->look(host)) {
        if (c->state == CONN_ACTIVE && stream_buffered(&c->stream))
            conn_again(c); /* what TLS holds wakes nobody */
        return;
    }
    void *at;
    struct conn_busy *b = conn_busy(c);
    size_t room = b->proto.in_frame && b->stash == NULL ? duet_proto_room(&c->proto, &at) : 0;
    if (room > READ_MOST)
        room = READ_MOST;
    uint8_t *to = room ? at : conn_host(c)->loop->recv;
    /* Who sends large messages is read a little at first: the rest of one then goes straight to its place. */
    size_t most = room ? room : c->large ? HEAD_FIRST : LOOP_RECV;
    ssize_t n = read_most(&c->stream, to, most);
    if (read_failed(c, n))
        return;
    if (n >= LONG_READ)
        loop_took_long(host->loop);
    count_add(&host->bytes_in, (uint64_t)n);
    conn_count(c, COUNT_BYTES_IN, (uint32_t)n);
    if (room) {
        conn_busy(c)->messages = 0;
        conn_host(c)->reading = c;
        websocket_filled(c, (size_t)n);
        after_reading(c);
        if (c->state == CONN_ACTIVE)
            conn_schedule(c);
    } else if (conn_busy(c)->stash != NULL) {
        if (stash_put(c, to, (size_t)n))
            give_stash(c);
    } else {
        give(c, to, (size_t)n);
    }
    if (c->state == CONN_ACTIVE && !c->paused && !c->choked && stream_buffered(&c->stream))
        conn_again(c);
}

static void discard_in(duet_conn *c)
{
    read_failed(c, stream_discard(&c->stream, conn_host(c)->loop->recv, LOOP_RECV));
}

static void open_stream(duet_conn *c)
{
    uint32_t want = LOOP_IN;
    int rc = conn_busy(c)->proxied ? conn_host(c)->opening(c) : 1;
    if (rc == 1)
        rc = c->stream.as->ops->handshake(&c->stream, &want);
    if (c->secure)
        loop_took_long(conn_host(c)->loop);
    if (rc < 0) {
        if (c->reason == DUET_REASON_other && rc != DUET_ERR_NOMEM)
            c->reason = conn_busy(c)->proxied ? DUET_REASON_proxy_protocol_invalid : DUET_REASON_tls_handshake_failed;
        if (conn_host(c)->unopened)
            conn_host(c)->unopened(c);
        conn_kill(c, rc);
        return;
    }
    if (rc == 0) {
        rc = spot_rewatch(conn_host(c)->loop, &c->stream.watch, want);
        if (rc < 0)
            conn_kill(c, rc);
        return;
    }
    c->state = CONN_ACTIVE;
    watch_for(c);
    if (c->state == CONN_ACTIVE && stream_buffered(&c->stream))
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

/* What an event asks for, of one that is open. */
static void handle(duet_conn *c, uint32_t events)
{
    if (events & LOOP_OUT) {
        loop_took_long(conn_host(c)->loop); /* who could not be written to is sent much */
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

static void conn_ready(struct spot *s, uint32_t events)
{
    duet_conn *c = (duet_conn *)(void *)s;
    if (c->state == CONN_OPENING) {
        open_stream(c);
        if (c->state != CONN_ACTIVE || !(events & LOOP_IN))
            return;
    }
    handle(c, events);
    conn_rest(c);
}

static void read_again(duet_conn *c)
{
    if (c->state != CONN_ACTIVE || c->paused || c->choked)
        return;
    if (conn_busy(c)->stash == NULL) {
        if (stream_buffered(&c->stream))
            read_in(c);
        return;
    }
    give_stash(c);
}

/* What was put off to this turn, or is to the next. */
static void turn_input(duet_conn *c)
{
    if (conn_busy(c)->again_due) {
        conn_busy(c)->again_due = false;
        read_again(c);
    }
    if (conn_busy(c)->again) {
        conn_busy(c)->again = false;
        conn_busy(c)->again_due = true;
        loop_at_end(conn_host(c)->loop, &c->turn);
    }
}

/* The end of a turn in which something happened to this connection. */
static void conn_turn(struct task *t)
{
    duet_conn *c = of_task(t);
    if (conn_busy(c) != NULL)
        turn_input(c);
    if (conn_busy(c) != NULL && conn_busy(c)->gave_up)
        tell(c);
    if (c->state != CONN_DEAD && conn_flush(c)) {
        relieved(c);
        if (c->state == CONN_FINISHING && conn_queued(c) == 0 && !stream_pending(&c->stream))
            linger(c);
    }
    if (c->state == CONN_DEAD) {
        tell(c);
        loop_not_at_end(conn_host(c)->loop, t);
        t->run = conn_free;
        loop_reap(conn_host(c)->loop, t);
        return;
    }
    conn_rest(c);
}

void conn_end(duet_conn *c, int error)
{
    conn_kill(c, error);
    conn_turn(&c->turn);
}
