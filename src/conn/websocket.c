/* SPDX-License-Identifier: MIT */
/* The phase in which a connection is a WebSocket: the core's events become the handler's calls. */
#include "conn/conn.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/stream_tls.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum { MESSAGES_A_TURN = 1024, COMPRESSED_A_TURN = 32, LONG = 16 * 1024, LARGE = 128 * 1024, BUDGET_US = 2000000 };

static enum duet_reason reason_of(int error)
{
    switch (error) {
    case DUET_ERR_PROTOCOL:
        return DUET_REASON_protocol;
    case DUET_ERR_UTF8:
        return DUET_REASON_utf8;
    case DUET_ERR_TOO_BIG:
        return DUET_REASON_too_big;
    case DUET_ERR_POLICY:
        return DUET_REASON_policy;
    case DUET_ERR_NOMEM:
        return DUET_REASON_no_memory;
    default:
        return DUET_REASON_other;
    }
}

static void failed(duet_conn *c, int error)
{
    if (error == DUET_ERR_TIMEOUT)
        c->reason = DUET_REASON_pong_timeout;
    else if (c->reason == DUET_REASON_other)
        c->reason = (uint8_t)reason_of(error);
    conn_finish(c, error);
}

/* A bucket of two seconds' messages, in milliseconds of them: it fills with time, each message takes its share. */
static bool over_rate(duet_conn *c)
{
    unsigned rate = conn_host(c)->messages_per_s;
    if (rate == 0)
        return false;
    struct conn_rare *rare = conn_rare(c);
    uint64_t now = conn_host(c)->loop->now_ms;
    uint32_t each = 1000000 / rate;
    uint64_t level = rare->budget_us + (now - rare->mark_ms) * 1000;
    rare->mark_ms = now;
    if (level > BUDGET_US)
        level = BUDGET_US;
    if (level < each) {
        rare->budget_us = (uint32_t)level;
        return true;
    }
    rare->budget_us = (uint32_t)(level - each);
    return false;
}

static void fail_rate(duet_conn *c)
{
    c->reason = DUET_REASON_rate;
    proto_fail(&c->proto, DUET_ERR_POLICY, DUET_CODE_POLICY);
    conn_finish(c, DUET_ERR_POLICY);
}

/* Its own answers pile up: write, and stop reading when that did not help. */
static void hold_back(duet_conn *c)
{
    if (conn_queued(c) <= conn_host(c)->queue_soft)
        return;
    conn_busy(c)->congested = true;
    if (conn_host(c)->read_on || !conn_flush(c) || conn_queued(c) <= conn_host(c)->queue_soft)
        return;
    c->choked = true;
    conn_wrote(c);
}

/* A message, or part of one. */
static void take_message(duet_conn *c, const duet_msg *m)
{
    struct conn_host *host = conn_host(c);
    if (m->last) {
        if (over_rate(c)) {
            fail_rate(c);
            return;
        }
        conn_busy(c)->messages++;
        conn_count(c, COUNT_MESSAGES_IN, 1);
        c->large = false;
        if (m->len >= LONG) {
            c->large = m->len >= LARGE;
            loop_took_long(host->loop);
        }
        count_add(&host->messages_in, 1);
    }
    /* A client's queue may be full of what it came to send: if it read no more, a server that does the same when it
     * cannot write would wait for it for ever. So only its answers hold it back. */
    size_t before = host->server == NULL ? conn_queued(c) : 0;
    if (host->on.message)
        host->on.message(c, m);
    if (c->state == CONN_ACTIVE && conn_queued(c) > before)
        hold_back(c);
}

static void take_pong(duet_conn *c, const duet_event *ev)
{
    if (!ev->answers)
        return;
    conn_schedule(c); /* the next ping may be due before the wait for this pong would have been over */
    if (conn_busy(c)->ping_us == 0)
        return;
    c->proto.user = (uint32_t)(clock_us() - conn_busy(c)->ping_us);
    conn_busy(c)->ping_us = 0;
    if (conn_host(c)->on.pong)
        conn_host(c)->on.pong(c, c->proto.user);
}

static void take_event(duet_conn *c, const duet_event *ev)
{
    switch (ev->kind) {
    case DUET_EVENT_MESSAGE:
    case DUET_EVENT_PIECE:
        take_message(c, &(duet_msg){ .type = ev->type,
                                     .data = ev->data,
                                     .len = ev->len,
                                     .first = ev->kind == DUET_EVENT_MESSAGE || ev->first,
                                     .last = ev->kind == DUET_EVENT_MESSAGE || ev->last,
                                     .owner = ev->owner });
        break;
    case DUET_EVENT_PING:
        conn_busy(c)->messages++;
        conn_wrote(c);
        break;
    case DUET_EVENT_PONG:
        conn_busy(c)->messages++;
        take_pong(c, ev);
        break;
    case DUET_EVENT_CLOSE:
        conn_finish(c, 0);
        break;
    default:
        break;
    }
}

/* The next thing that the input says: 1; 0: it must go on first; or an error. */
static int take_next(duet_conn *c, duet_input *in)
{
    uint64_t now = conn_host(c)->loop->now_ms;
    struct short_message m;
    int rc = c->proto.takes_short ? proto_recv_short(&c->proto, in, now, &m) : 0;
    if (rc == 1)
        take_message(
            c, &(duet_msg){ .type = (duet_type)m.type, .data = m.data, .len = m.len, .first = true, .last = true });
    if (rc != 0)
        return rc;
    duet_event ev;
    rc = proto_recv_long(&c->proto, in, now, &ev);
    if (rc == 1)
        take_event(c, &ev);
    return rc;
}

/* So many messages are some hundred microseconds; to inflate one and compress its answer takes more than all else. */
static bool share_is_taken(const duet_conn *c)
{
    unsigned n = conn_busy(c)->messages;
    return n >= COMPRESSED_A_TURN && (n >= MESSAGES_A_TURN || duet_proto_deflates(&c->proto));
}

/* Until the input is used up, the application or its queue says stop, or the turn's share is taken. */
static void take_input(duet_conn *c, duet_input *in)
{
    int rc;
    while ((rc = take_next(c, in)) == 1) {
        if (c->state != CONN_ACTIVE)
            return;
        if (c->paused || c->choked)
            break;
        if (in->len == 0) {
            message_release(&c->proto);
            return;
        }
        if (share_is_taken(c)) {
            conn_again(c);
            break;
        }
    }
    if (rc < 0 && c->state == CONN_ACTIVE)
        failed(c, rc);
}

void websocket_filled(duet_conn *c, size_t n)
{
    duet_event ev;
    int rc = duet_proto_filled(&c->proto, n, conn_host(c)->loop->now_ms, &ev);
    if (rc < 0) {
        failed(c, rc);
        return;
    }
    if (rc == 0)
        return;
    take_event(c, &ev);
    message_release(&c->proto);
}

static void at_eof(duet_conn *c)
{
    c->reason = DUET_REASON_lost;
    conn_kill(c, DUET_ERR_EOF);
}

static uint64_t next_deadline(const duet_conn *c)
{
    /* Who does not read cannot see a pong. */
    if ((c->paused || c->choked) && c->proto.state == OPEN)
        return UINT64_MAX;
    return duet_proto_deadline(&c->proto);
}

/* The wait for its pong begins now, and not with the turn, which may have been long. */
static void pinged(duet_conn *c)
{
    conn_busy(c)->ping_us = clock_us();
    c->proto.busy->since_ms = conn_busy(c)->ping_us / 1000;
}

static void at_deadline(duet_conn *c)
{
    unsigned pings = c->proto.pings;
    bool closing = c->proto.state == CLOSING;
    /* So does the wait for its Close. What is unread may be life: for that the turn's beginning counts. */
    int rc = duet_proto_tick(&c->proto, closing ? clock_ms() : conn_host(c)->loop->now_ms);
    if (c->proto.pings != pings && c->proto.busy != NULL)
        pinged(c);
    if (rc == DUET_ERR_TIMEOUT && (closing || conn_out_waits(c))) {
        /* The wait is over, also for what is still queued (MEM-4). */
        c->reason = closing ? DUET_REASON_close_timeout : DUET_REASON_pong_timeout;
        conn_kill(c, rc);
        return;
    }
    if (rc < 0)
        failed(c, rc);
    conn_wrote(c);
}

static void when_drained(duet_conn *c)
{
    if (conn_host(c)->on.drain && duet_proto_is_open(&c->proto))
        conn_host(c)->on.drain(c);
}

static void when_ended(duet_conn *c, int error)
{
    const struct conn_busy *b = conn_busy(c);
    duet_closing why = { .code = duet_proto_close_code(&c->proto), .error = error };
    if (b != NULL) {
        why.reason = (const char *)b->proto.control;
        why.reason_len = b->proto.reason_len;
        why.sent = b->proto.close_sent;
        why.unsent = b->unsent + conn_queued(c);
    }
    if (error != 0 && c->reason == DUET_REASON_other)
        c->reason = DUET_REASON_lost;
    if (!c->opened)
        return;
    if (conn_host(c)->closed)
        conn_host(c)->closed(c, &why, (enum duet_reason)c->reason);
    if (conn_host(c)->on.close)
        conn_host(c)->on.close(c, &why);
}

const struct conn_phase conn_websocket = {
    .input = take_input,
    .eof = at_eof,
    .deadline = next_deadline,
    .due = at_deadline,
    .drained = when_drained,
    .ended = when_ended,
};

void websocket_begin(duet_conn *c, char *subprotocol, struct deflate *deflate)
{
    proto_open(&c->proto, conn_host(c)->loop->now_ms);
    if (conn_rare(c) != NULL) {
        conn_rare(c)->proto.subprotocol = subprotocol;
        conn_rare(c)->proto.deflate = deflate;
    }
    websocket_opened(c);
}

void websocket_opened(duet_conn *c)
{
    proto_trace(&c->proto, c->traced);
    conn_busy(c)->phase = &conn_websocket;
    c->opened = true;
    c->resumed = stream_tls_resumed(&c->stream);
    conn_busy(c)->wants_more = false; /* what waits are frames now */
    if (conn_host(c)->messages_per_s != 0) {
        conn_rare(c)->budget_us = BUDGET_US;
        conn_rare(c)->mark_ms = conn_host(c)->loop->now_ms;
    }
    conn_schedule(c);
    conn_wrote(c);
    if (conn_host(c)->on.open)
        conn_host(c)->on.open(c);
}

static bool is_open(const duet_conn *c)
{
    return conn_phase(c) == &conn_websocket && c->state == CONN_ACTIVE;
}

/* Another connection's turn to write comes after the buffer is used again. */
static bool from_own_input(const duet_conn *c, const uint8_t *at)
{
    const struct conn_host *host = conn_host(c);
    return host->reading == c && at != NULL && at >= host->input && at < host->input_end;
}

/* After something was queued. Bytes borrowed from the input wait for the end of the reading, others go now. */
static inline void sent(duet_conn *c, const void *data)
{
    if (c->proto.busy->out.borrowed && !from_own_input(c, data))
        conn_flush(c);
    conn_queued_more(c);
}

/* Over the hard limit: by the policy. What duet_send() returns. */
static int when_full(duet_conn *c)
{
    count_add(&conn_host(c)->skipped, 1);
    switch (conn_host(c)->when_full) {
    case DUET_FULL_DROP:
        return 0;
    case DUET_FULL_REFUSE:
        conn_busy(c)->congested = true;
        return DUET_ERR_FULL;
    default:
        conn_give_up(c, DUET_ERR_FULL);
        return DUET_ERR_FULL;
    }
}

/* What topics have for it is older than what comes now. */
static void catch_up(duet_conn *c)
{
    if (c->topic != NULL && conn_host(c)->catch_up)
        conn_host(c)->catch_up(c);
}

static bool is_full(const duet_conn *c)
{
    const struct conn_host *host = conn_host(c);
    return host->queue_max != 0 && conn_queued(c) > host->queue_max && duet_proto_is_open(&c->proto);
}

static __attribute__((noinline)) int may_queue_behind(duet_conn *c)
{
    if (is_open(c))
        catch_up(c);
    if (!is_open(c))
        return DUET_ERR_CLOSED;
    return is_full(c) ? when_full(c) : 1;
}

/* What every send begins with: 1 to go on, else the result. */
static inline int may_queue(duet_conn *c)
{
    return c->topic == NULL && is_open(c) && !is_full(c) ? 1 : may_queue_behind(c);
}

static void count_sent(duet_conn *c)
{
    conn_count(c, COUNT_MESSAGES_OUT, 1);
    count_add(&conn_host(c)->messages_out, 1);
}

int duet_send(duet_conn *c, duet_type type, const void *data, size_t len)
{
    int rc = may_queue(c);
    if (rc <= 0)
        return rc;
    if (type != DUET_TEXT && type != DUET_BINARY)
        return DUET_ERR_INVALID;
    rc = duet_proto_send(&c->proto, type, data, len);
    if (rc < 0)
        return rc;
    count_sent(c);
    sent(c, data);
    return 0;
}

int duet_send_shared(duet_conn *c, duet_shared *message)
{
    int rc = may_queue(c);
    if (rc <= 0)
        return rc;
    rc = websocket_deliver(c, message);
    if (rc == 0)
        conn_queued_more(c);
    return rc;
}

int websocket_deliver(duet_conn *c, duet_shared *message)
{
    int rc = duet_proto_send_shared(&c->proto, message);
    if (rc < 0)
        return rc;
    count_sent(c);
    return 0;
}

/* The stream took `n` bytes of it, or none for now, or it is dead. */
static void pass_rest(duet_conn *c, duet_shared *form, ssize_t n)
{
    int rc = n < 0 && n != -EAGAIN ? (int)n : proto_send_form(&c->proto, form);
    if (rc < 0) {
        conn_kill(c, rc); /* without memory, too: it would miss one without knowing, or half of it */
        return;
    }
    if (n > 0) {
        conn_count_written(c, (size_t)n);
        proto_sent(&c->proto, (size_t)n);
    }
    conn_stall(c);
}

bool websocket_pass(duet_conn *c, duet_shared *message)
{
    if (c->proto.busy != NULL || c->state != CONN_ACTIVE || c->traced)
        return false;
    assert(c->proto.state == OPEN && !proto_masks(&c->proto));
    duet_shared *form = proto_form(&c->proto, message);
    struct iovec whole = { .iov_base = (void *)(uintptr_t)shared_wire(form), .iov_len = shared_wire_len(form) };
    ssize_t n = c->stream.as->ops->write(&c->stream, &whole, 1);
    count_sent(c);
    if (n == (ssize_t)whole.iov_len && !stream_pending(&c->stream))
        conn_count_written(c, whole.iov_len);
    else
        pass_rest(c, form, n);
    return true;
}

int duet_send_begin(duet_conn *c, duet_type type)
{
    if (!is_open(c))
        return DUET_ERR_CLOSED;
    catch_up(c);
    return is_open(c) ? duet_proto_send_begin(&c->proto, type) : DUET_ERR_CLOSED;
}

int duet_send_part(duet_conn *c, const void *data, size_t len, bool last)
{
    if (!is_open(c))
        return DUET_ERR_CLOSED;
    if (is_full(c)) {
        int rc = when_full(c);
        return rc == 0 ? DUET_ERR_FULL : rc; /* a part cannot be dropped */
    }
    int rc = duet_proto_send_part(&c->proto, data, len, last);
    if (rc < 0)
        return rc;
    if (last)
        count_sent(c);
    sent(c, data);
    if (last)
        catch_up(c); /* no publication could come in between */
    return 0;
}

bool duet_deflates(const duet_conn *c)
{
    return duet_proto_deflates(&c->proto);
}

void duet_set_deflate(duet_conn *c, bool on)
{
    duet_proto_set_deflate(&c->proto, on);
}

int duet_ping(duet_conn *c)
{
    if (!is_open(c))
        return DUET_ERR_CLOSED;
    int rc = conn_wake(c);
    if (rc < 0)
        return rc;
    if (c->proto.busy->pinged)
        return DUET_ERR_STATE;
    c->proto.busy->now_ms = conn_host(c)->loop->now_ms;
    uint32_t payload = (uint32_t)c->proto.pings + 1;
    rc = duet_proto_send(&c->proto, DUET_PING, &payload, sizeof(payload));
    if (rc < 0)
        return rc;
    pinged(c);
    conn_schedule(c);
    conn_wrote(c);
    return 0;
}

int duet_close(duet_conn *c, unsigned code, const char *reason)
{
    if (!is_open(c))
        return 0;
    catch_up(c);
    int rc = duet_proto_close(&c->proto, code, reason);
    if (rc < 0)
        return rc;
    c->left = true;
    if (c->paused || c->choked) {
        c->paused = c->choked = false; /* its Close must be seen */
        conn_set_reading(c);
    }
    conn_schedule(c);
    conn_wrote(c);
    return 0;
}

void duet_abort(duet_conn *c)
{
    c->reason = DUET_REASON_application;
    c->left = true;
    conn_kill(c, DUET_ERR_CLOSED);
}

bool duet_congested(const duet_conn *c)
{
    return conn_queued(c) > conn_host(c)->queue_soft;
}

size_t duet_queued(const duet_conn *c)
{
    return conn_queued(c);
}

void duet_pause(duet_conn *c)
{
    if (!is_open(c) || c->paused)
        return;
    c->paused = true;
    conn_set_reading(c);
}

void duet_resume(duet_conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    proto_heard(&c->proto, conn_host(c)->loop->now_ms);
    conn_set_reading(c);
    conn_schedule(c);
}

uint64_t duet_id(const duet_conn *c)
{
    return c->id;
}

duet_server *duet_server_of(const duet_conn *c)
{
    return conn_host(c)->server;
}

void *duet_data(const duet_conn *c)
{
    return conn_host(c)->data_size ? conn_data(c) : NULL;
}

const char *duet_subprotocol(const duet_conn *c)
{
    return duet_proto_subprotocol(&c->proto);
}

bool duet_is_secure(const duet_conn *c)
{
    return c->secure;
}

bool duet_tls_resumed(const duet_conn *c)
{
    return c->resumed;
}

uint64_t duet_age_ms(const duet_conn *c)
{
    return (uint64_t)((uint32_t)(conn_host(c)->loop->now_ms / BORN_MS) - c->born) * BORN_MS;
}

void duet_conn_read_stats(const duet_conn *c, duet_conn_stats *out)
{
    *out = (duet_conn_stats){ .messages_in = conn_counted(c, COUNT_MESSAGES_IN),
                              .messages_out = conn_counted(c, COUNT_MESSAGES_OUT),
                              .bytes_in = conn_counted(c, COUNT_BYTES_IN),
                              .bytes_out = conn_counted(c, COUNT_BYTES_OUT),
                              .queued = conn_queued(c),
                              .rtt_us = c->proto.user };
}

duet_shared *duet_msg_share(const duet_msg *m)
{
    if (m->owner == NULL)
        return duet_shared_new(m->type, m->data, m->len);
    if (m->owner->type == 0)
        shared_encode(m->owner, m->type);
    return duet_shared_ref(m->owner);
}
