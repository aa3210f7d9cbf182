/* SPDX-License-Identifier: MIT */
#include "proto/proto.h"
#include "base/mem.h"
#include "proto/close.h"
#include <assert.h>
#include <string.h>

enum {
    MESSAGE_MAX = 1024 * 1024,
    OPEN_MS = 10000,
    PING_MS = 25000,
    PONG_MS = 10000,
    CLOSE_MS = 5000,
    MESSAGE_MS = 60000,
    CONTROL_PER_S = 1000,
    DEFLATE_LEAST = FRAME_CONTROL_MOST + 1, /* what the shortest head can say goes the shortest way */
    DEFLATE_LEVEL = 1,
    INFLATED_PER_S = 64 * 1024 * 1024
};

/* Only asserts look at it. */
static const uint8_t may_enter[] __attribute__((unused)) = {
    [HANDSHAKE] = 1u << WAITING | 1u << OPEN | 1u << FAILED,
    [WAITING] = 1u << OPEN | 1u << FAILED,
    [OPEN] = 1u << CLOSING | 1u << CLOSED | 1u << FAILED,
    [CLOSING] = 1u << CLOSED | 1u << FAILED,
    [CLOSED] = 1u << FAILED,
    [FAILED] = 0,
};

void proto_enter(duet_proto *p, enum proto_state next)
{
    assert(may_enter[p->state] & (1u << next));
    p->state = (uint8_t)next;
}

static void default_to(unsigned *value, unsigned otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

void proto_config_resolve(duet_proto_config *out, const duet_proto_config *in)
{
    memset(out, 0, sizeof(*out));
    memcpy(out, in, in->size < sizeof(*out) ? in->size : sizeof(*out));
    out->size = sizeof(*out);
    default_to(&out->message_max, MESSAGE_MAX);
    default_to(&out->open_ms, OPEN_MS);
    default_to(&out->ping_ms, PING_MS);
    default_to(&out->pong_ms, PONG_MS);
    default_to(&out->close_ms, CLOSE_MS);
    default_to(&out->message_ms, MESSAGE_MS);
    default_to(&out->control_per_s, CONTROL_PER_S);
    default_to(&out->deflate.least, DEFLATE_LEAST);
    default_to(&out->deflate.level, DEFLATE_LEVEL);
    default_to(&out->deflate.inflated_per_s, INFLATED_PER_S);
    if (out->pieces)
        out->deflate.on = false;
}

int proto_wake_slow(duet_proto *p)
{
    struct proto_busy *b = part_take(p->home->chunks, p->home->busy_size);
    if (b == NULL)
        return DUET_ERR_NOMEM;
    if (b->out.pool == NULL)
        outq_init(&b->out, p->home->chunks);
    assert(b->out.first == NULL && b->opening == NULL && b->gather == NULL && b->control == NULL);
    assert(b->late_pong == NULL && b->head_have == 0 && b->type == 0 && b->out_type == 0);
    assert(!b->in_frame && !b->delivered && !b->pinged && b->close_code == 0 && b->close_sent == 0);
    b->status = p->state == OPEN ? 101 : 0;
    p->busy = b;
    return 0;
}

bool proto_rests(duet_proto *p)
{
    struct proto_busy *b = p->busy;
    if (p->state != OPEN || b->out.first != NULL || b->in_frame || b->head_have > 0 || b->type != 0)
        return false;
    message_release(p);
    assert(b->late_pong == NULL && b->opening == NULL); /* a late pong has others before it in the queue */
    return b->out_type == 0 && !b->pinged;
}

void proto_sleep(duet_proto *p)
{
    struct proto_busy *b = p->busy;
    if (b->control != NULL) {
        mem_free(b->control);
        b->control = NULL;
    }
    p->busy = NULL;
    part_give(p->home->chunks, b, p->home->busy_size);
}

int proto_need_rare(duet_proto *p)
{
    if (p->rare == NULL)
        p->rare = mem_zalloc(p->home->rare_size);
    return p->rare ? 0 : DUET_ERR_NOMEM;
}

int proto_init(duet_proto *p, struct proto_home *home, uint64_t now_ms)
{
    p->home = home;
    proto_heard(p, now_ms);
    p->window_ms = (uint32_t)now_ms;
    proto_trace(p, home->config.trace != NULL);
    int rc = proto_wake(p);
    if (rc == 0)
        p->busy->now_ms = p->busy->since_ms = now_ms;
    return rc;
}

void proto_trace(duet_proto *p, bool on)
{
    /* Nobody wants to see its head, or have it in pieces: it can be taken whole. */
    bool may = !on && !p->home->config.pieces && p->home->config.message_max >= FRAME_CONTROL_MOST;
    p->takes_short = may && p->home->config.role == DUET_SERVER;
    p->takes_bare =
        may && p->home->config.role == DUET_CLIENT && p->home->config.trace == NULL; /* a client's is for all of it */
}

/* The first ping comes after half to one interval, so that a restart does not put all in step (TIM-6). */
void proto_became_open(duet_proto *p)
{
    uint16_t spread = 0;
    const duet_proto_config *config = &p->home->config;
    uint64_t heard = p->busy->now_ms;
    if (config->ping_ms != DUET_OFF && config->random != NULL &&
        config->random(proto_arg(p), &spread, sizeof(spread)) == 0) {
        uint64_t earlier = (uint64_t)config->ping_ms / 2 * spread / 65536;
        heard -= earlier < heard ? earlier : heard;
    }
    proto_heard(p, heard);
}

void proto_open(duet_proto *p, uint64_t now_ms)
{
    p->busy->now_ms = now_ms;
    p->busy->status = 101;
    p->state = OPEN;
    proto_became_open(p);
}

int proto_open_client(duet_proto *p, uint64_t now_ms)
{
    p->busy->now_ms = p->busy->since_ms = now_ms;
    return opening_begin(p);
}

void proto_fini(duet_proto *p)
{
    if (p->busy != NULL) {
        message_drop(p);
        opening_free(p);
        outq_clear(&p->busy->out);
        mem_free(p->busy->late_pong);
        mem_free(p->busy->control);
        if (p->home->chunks != NULL) {
            memset(p->busy, 0, p->home->busy_size);
            part_give(p->home->chunks, p->busy, p->home->busy_size);
        }
        p->busy = NULL;
    }
    if (p->rare == NULL)
        return;
    deflate_free(p->rare->deflate);
    mem_free(p->rare->subprotocol);
    mem_free(p->rare);
    p->rare = NULL;
}

int duet_proto_new(duet_proto **out, const duet_proto_config *config, uint64_t now_ms)
{
    if (config == NULL || config->size == 0)
        return DUET_ERR_INVALID;
    struct {
        duet_proto proto;
        struct proto_home home;
        struct proto_busy busy;
    } *all = mem_zalloc(sizeof(*all));
    if (all == NULL)
        return DUET_ERR_NOMEM;
    duet_proto *p = &all->proto;
    all->home.rare_size = sizeof(struct proto_rare);
    proto_config_resolve(&all->home.config, config);
    p->busy = &all->busy; /* its own, for its life */
    outq_init(&all->busy.out, NULL);
    proto_init(p, &all->home, now_ms);
    int rc = extension_options_valid(&all->home.config.deflate) ? opening_begin(p) : DUET_ERR_INVALID;
    if (rc < 0) {
        duet_proto_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void duet_proto_free(duet_proto *p)
{
    if (p == NULL)
        return;
    proto_fini(p);
    mem_free(p);
}

void duet_proto_set_arg(duet_proto *p, void *arg)
{
    p->home->config.arg = arg;
}

int proto_fail(duet_proto *p, int error, unsigned code)
{
    assert(p->state != FAILED && error < 0);
    if (proto_wake(p) == 0) {
        if (p->state == OPEN && code != 0)
            send_close(p, code, NULL, 0);
        p->busy->error = error;
        message_drop(p);
    }
    proto_enter(p, FAILED);
    return error;
}

/* Without a busy part it failed for want of one. */
static int error_of(const duet_proto *p)
{
    return p->busy ? p->busy->error : DUET_ERR_NOMEM;
}

int proto_recv_long(duet_proto *p, duet_input *in, uint64_t now_ms, duet_event *ev)
{
    assert(p->busy != NULL);
    message_release(p);
    p->busy->now_ms = now_ms;
    if (in->len > 0)
        proto_heard(p, now_ms);
    switch (p->state) {
    case HANDSHAKE:
        return opening_recv(p, in, ev);
    case WAITING:
        return 0;
    case OPEN:
    case CLOSING:
        return message_recv(p, in, ev);
    default:
        in->data += in->len;
        in->len = 0;
        return p->busy->error;
    }
}

int duet_proto_recv(duet_proto *p, duet_input *in, uint64_t now_ms, duet_event *ev)
{
    if (p->takes_short) {
        struct short_message m;
        message_release(p);
        int rc = proto_recv_short(p, in, now_ms, &m);
        if (rc == 1)
            *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)m.type, .data = m.data, .len = m.len };
        if (rc != 0)
            return rc;
    }
    return proto_recv_long(p, in, now_ms, ev);
}

bool duet_proto_is_open(const duet_proto *p)
{
    return p->state == OPEN;
}

bool duet_proto_deflates(const duet_proto *p)
{
    return proto_deflater(p) != NULL;
}

void duet_proto_set_deflate(duet_proto *p, bool on)
{
    p->plain = !on;
}

const char *duet_proto_subprotocol(const duet_proto *p)
{
    return p->rare ? p->rare->subprotocol : NULL;
}

unsigned duet_proto_status(const duet_proto *p)
{
    return p->busy ? p->busy->status : 101;
}

unsigned duet_proto_close_code(const duet_proto *p)
{
    return p->busy && p->busy->close_code ? p->busy->close_code : DUET_CODE_LOST;
}

int duet_proto_close(duet_proto *p, unsigned code, const char *reason)
{
    if (code != 0 && !close_code_valid(code))
        return DUET_ERR_INVALID;
    if (p->state == HANDSHAKE || p->state == WAITING)
        return DUET_ERR_STATE;
    if (p->state != OPEN)
        return 0;
    int rc = proto_wake(p);
    if (rc == 0)
        rc = send_close(p, code, reason, reason ? strlen(reason) : 0);
    if (rc < 0)
        return rc;
    p->busy->since_ms = 0;
    proto_enter(p, CLOSING);
    return 0;
}

int duet_proto_output(const duet_proto *p, struct iovec *iov, int max)
{
    return p->busy ? outq_output(&p->busy->out, iov, max) : 0;
}

void proto_send_late_pong(duet_proto *p)
{
    if (p->busy->out.pongs >= OUTQ_PONGS_MOST || p->state != OPEN)
        return;
    uint8_t *late = p->busy->late_pong;
    p->busy->late_pong = NULL;
    send_pong(p, late + 1, late[0]);
    mem_free(late);
}

void duet_proto_sent(duet_proto *p, size_t n)
{
    if (p->busy != NULL)
        proto_sent(p, n);
}

size_t duet_proto_queued(const duet_proto *p)
{
    return proto_queued(p);
}

int duet_proto_settle(duet_proto *p)
{
    int rc = p->busy ? outq_settle(&p->busy->out) : 0;
    if (rc < 0 && p->state != FAILED) {
        /* A frame was cut: nothing that follows could be understood. */
        p->busy->error = rc;
        proto_enter(p, FAILED);
        message_drop(p);
    }
    return rc;
}

static uint64_t after(uint64_t from, unsigned ms)
{
    return ms == DUET_OFF ? UINT64_MAX : from + ms;
}

static uint64_t message_deadline(const duet_proto *p)
{
    enum { BYTES_PER_S = 16384 };
    if (p->busy == NULL || p->busy->type == 0 || p->home->config.pieces || p->home->config.message_ms == DUET_OFF)
        return UINT64_MAX;
    uint64_t got = p->busy->gather ? p->busy->gather->len : 0;
    return p->busy->began_ms + p->home->config.message_ms + got / BYTES_PER_S * 1000;
}

static uint64_t ping_deadline(const duet_proto *p)
{
    /* Data counts as life (FRM-14): from then on silence is measured anew. */
    if (p->busy != NULL && p->busy->pinged && p->heard_ms < p->busy->since_ms)
        return after(p->busy->since_ms, p->home->config.pong_ms);
    return after(p->heard_ms, p->home->config.ping_ms);
}

uint64_t duet_proto_deadline(const duet_proto *p)
{
    uint64_t ping, message;
    switch (p->state) {
    case HANDSHAKE:
    case WAITING:
        return after(p->busy->since_ms, p->home->config.open_ms);
    case OPEN:
        ping = ping_deadline(p);
        message = message_deadline(p);
        return ping < message ? ping : message;
    case CLOSING:
        return p->busy->since_ms == 0 ? p->busy->now_ms : after(p->busy->since_ms, p->home->config.close_ms);
    default:
        return UINT64_MAX;
    }
}

static int tick_open(duet_proto *p, uint64_t now_ms)
{
    if (now_ms >= message_deadline(p))
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    if (p->busy != NULL && p->busy->pinged && p->heard_ms >= p->busy->since_ms)
        p->busy->pinged = false;
    if (now_ms < ping_deadline(p))
        return 0;
    if (proto_wake(p) < 0)
        return proto_fail(p, DUET_ERR_NOMEM, 0);
    p->busy->now_ms = now_ms;
    if (p->busy->pinged)
        return proto_fail(p, DUET_ERR_TIMEOUT, DUET_CODE_INTERNAL);
    uint32_t payload = (uint32_t)p->pings + 1;
    int rc = duet_proto_send(p, DUET_PING, &payload, sizeof(payload));
    if (rc < 0)
        return proto_fail(p, rc, 0);
    return 0;
}

int duet_proto_tick(duet_proto *p, uint64_t now_ms)
{
    if (p->busy != NULL)
        p->busy->now_ms = now_ms;
    switch (p->state) {
    case HANDSHAKE:
    case WAITING:
        return now_ms < duet_proto_deadline(p) ? 0 : proto_fail(p, DUET_ERR_TIMEOUT, 0);
    case OPEN:
        return tick_open(p, now_ms);
    case CLOSING:
        if (p->busy->since_ms == 0)
            p->busy->since_ms = now_ms ? now_ms : 1;
        return now_ms < duet_proto_deadline(p) ? 0 : proto_fail(p, DUET_ERR_TIMEOUT, 0);
    default:
        return p->state == FAILED ? error_of(p) : 0;
    }
}
