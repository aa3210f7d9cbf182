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

static void init(duet_proto *p, const duet_proto_config *config, struct chunk_pool *pool, uint64_t now_ms)
{
    memset(p, 0, sizeof(*p));
    p->config = config;
    p->arg = config->arg;
    p->close_code = DUET_CODE_LOST;
    p->now_ms = p->heard_ms = p->since_ms = p->window_ms = now_ms;
    outq_init(&p->out, pool);
    proto_trace(p, config->trace != NULL);
}

void proto_trace(duet_proto *p, bool on)
{
    /* Nobody wants to see its head, or have it in pieces: it can be taken whole. */
    bool may = !on && !p->config->pieces && p->config->message_max >= FRAME_CONTROL_MOST;
    p->takes_short = may && p->config->role == DUET_SERVER;
    p->takes_bare = may && p->config->role == DUET_CLIENT && p->config->trace == NULL; /* a client's is for all of it */
}

/* The first ping comes after half to one interval, so that a restart does not put all in step (TIM-6). */
void proto_became_open(duet_proto *p)
{
    uint16_t spread = 0;
    unsigned interval = p->config->ping_ms;
    p->heard_ms = p->now_ms;
    if (interval == DUET_OFF || p->config->random == NULL || p->config->random(p->arg, &spread, sizeof(spread)) < 0)
        return;
    uint64_t earlier = (uint64_t)interval / 2 * spread / 65536;
    p->heard_ms -= earlier < p->heard_ms ? earlier : p->heard_ms;
}

void proto_init_open(duet_proto *p, const duet_proto_config *config, void *arg, uint64_t now_ms)
{
    struct outq out = p->out; /* the answer to the upgrade may wait in it */
    init(p, config, out.pool, now_ms);
    p->out = out;
    p->arg = arg;
    p->status = 101;
    p->state = OPEN;
    proto_became_open(p);
}

int proto_init_client(duet_proto *p, const duet_proto_config *config, void *arg, uint64_t now_ms)
{
    init(p, config, p->out.pool, now_ms);
    p->arg = arg;
    return opening_begin(p);
}

void proto_deflate(duet_proto *p, struct deflate *d)
{
    p->deflate = d;
}

void proto_fini(duet_proto *p)
{
    message_drop(p);
    deflate_free(p->deflate);
    opening_free(p);
    outq_clear(&p->out);
    mem_free(p->control);
    mem_free(p->late_pong);
    mem_free(p->subprotocol);
}

int duet_proto_new(duet_proto **out, const duet_proto_config *config, uint64_t now_ms)
{
    if (config == NULL || config->size == 0)
        return DUET_ERR_INVALID;
    struct {
        duet_proto proto;
        duet_proto_config config;
    } *both = mem_alloc(sizeof(*both));
    if (both == NULL)
        return DUET_ERR_NOMEM;
    duet_proto *p = &both->proto;
    proto_config_resolve(&both->config, config);
    init(p, &both->config, NULL, now_ms);
    int rc = extension_options_valid(&both->config.deflate) ? opening_begin(p) : DUET_ERR_INVALID;
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
    p->arg = arg;
}

int proto_fail(duet_proto *p, int error, unsigned code)
{
    assert(p->state != FAILED && error < 0);
    if (p->state == OPEN && code != 0)
        send_close(p, code, NULL, 0);
    p->error = error;
    proto_enter(p, FAILED);
    message_drop(p);
    return error;
}

static int receive(duet_proto *p, duet_input *in, duet_event *ev)
{
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
        return p->error;
    }
}

int duet_proto_recv(duet_proto *p, duet_input *in, uint64_t now_ms, duet_event *ev)
{
    message_release(p);
    p->now_ms = now_ms;
    if (in->len > 0)
        p->heard_ms = now_ms;
    return receive(p, in, ev);
}

bool duet_proto_is_open(const duet_proto *p)
{
    return p->state == OPEN;
}

bool duet_proto_deflates(const duet_proto *p)
{
    return p->deflate != NULL;
}

void duet_proto_set_deflate(duet_proto *p, bool on)
{
    p->plain = !on;
}

const char *duet_proto_subprotocol(const duet_proto *p)
{
    return p->subprotocol;
}

unsigned duet_proto_status(const duet_proto *p)
{
    return p->status;
}

unsigned duet_proto_close_code(const duet_proto *p)
{
    return p->close_code;
}

int duet_proto_close(duet_proto *p, unsigned code, const char *reason)
{
    if (code != 0 && !close_code_valid(code))
        return DUET_ERR_INVALID;
    if (p->state == HANDSHAKE || p->state == WAITING)
        return DUET_ERR_STATE;
    if (p->state != OPEN)
        return 0;
    int rc = send_close(p, code, reason, reason ? strlen(reason) : 0);
    if (rc < 0)
        return rc;
    p->since_ms = 0;
    proto_enter(p, CLOSING);
    return 0;
}

int duet_proto_output(const duet_proto *p, struct iovec *iov, int max)
{
    return outq_output(&p->out, iov, max);
}

void duet_proto_sent(duet_proto *p, size_t n)
{
    outq_sent(&p->out, n);
    if (p->late_pong == NULL || p->out.pongs >= OUTQ_PONGS_MOST || p->state != OPEN)
        return;
    uint8_t *late = p->late_pong;
    p->late_pong = NULL;
    send_pong(p, late + 1, late[0]);
    mem_free(late);
}

size_t duet_proto_queued(const duet_proto *p)
{
    return p->out.bytes;
}

int duet_proto_settle(duet_proto *p)
{
    int rc = outq_settle(&p->out);
    if (rc < 0 && p->state != FAILED) {
        /* A frame was cut: nothing that follows could be understood. */
        p->error = rc;
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
    if (p->type == 0 || p->config->pieces || p->config->message_ms == DUET_OFF)
        return UINT64_MAX;
    uint64_t got = p->gather ? p->gather->len : 0;
    return p->began_ms + p->config->message_ms + got / BYTES_PER_S * 1000;
}

static uint64_t ping_deadline(const duet_proto *p)
{
    /* Data counts as life (FRM-14): from then on silence is measured anew. */
    if (p->pinged && p->heard_ms < p->since_ms)
        return after(p->since_ms, p->config->pong_ms);
    return after(p->heard_ms, p->config->ping_ms);
}

uint64_t duet_proto_deadline(const duet_proto *p)
{
    uint64_t ping, message;
    switch (p->state) {
    case HANDSHAKE:
    case WAITING:
        return after(p->since_ms, p->config->open_ms);
    case OPEN:
        ping = ping_deadline(p);
        message = message_deadline(p);
        return ping < message ? ping : message;
    case CLOSING:
        return p->since_ms == 0 ? p->now_ms : after(p->since_ms, p->config->close_ms);
    default:
        return UINT64_MAX;
    }
}

static int tick_open(duet_proto *p)
{
    if (p->now_ms >= message_deadline(p))
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    if (p->pinged && p->heard_ms >= p->since_ms)
        p->pinged = false;
    if (p->now_ms < ping_deadline(p))
        return 0;
    if (p->pinged)
        return proto_fail(p, DUET_ERR_TIMEOUT, DUET_CODE_INTERNAL);
    uint32_t payload = p->pings + 1;
    int rc = duet_proto_send(p, DUET_PING, &payload, sizeof(payload));
    if (rc < 0)
        return proto_fail(p, rc, 0);
    return 0;
}

int duet_proto_tick(duet_proto *p, uint64_t now_ms)
{
    p->now_ms = now_ms;
    switch (p->state) {
    case HANDSHAKE:
    case WAITING:
        return now_ms < duet_proto_deadline(p) ? 0 : proto_fail(p, DUET_ERR_TIMEOUT, 0);
    case OPEN:
        return tick_open(p);
    case CLOSING:
        if (p->since_ms == 0)
            p->since_ms = now_ms ? now_ms : 1;
        return now_ms < duet_proto_deadline(p) ? 0 : proto_fail(p, DUET_ERR_TIMEOUT, 0);
    default:
        return p->state == FAILED ? p->error : 0;
    }
}
