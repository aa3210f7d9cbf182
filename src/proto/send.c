/* SPDX-License-Identifier: MIT */
#include "proto/proto.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/close.h"
#include "proto/mask.h"
#include <string.h>

/* So few bytes are copied sooner than counted, and many in a row are one piece to write. */
enum { SHARED_COPIED = 512 };
/* Messages up to here are packed on the stack. */
enum { PACKED_SHORT = OUTQ_COPY_MOST - FRAME_HEAD_MOST };

void send_trace(duet_proto *p, bool sent, const uint8_t *head, size_t head_len)
{
    struct frame f;
    frame_decode(&f, head);
    duet_trace trace = { .sent = sent,
                         .final = f.final,
                         .masked = f.masked,
                         .rsv = f.rsv,
                         .opcode = f.opcode,
                         .length = f.length,
                         .head = head,
                         .head_len = head_len,
                         .plain_length = sent && f.rsv != 0 ? p->busy->plain_length : 0 };
    p->home->config.trace(proto_arg(p), &trace);
}

/* A client's frame: masked with a fresh key (CLI-6), so always copied. */
static int send_masked(duet_proto *p, unsigned opcode, bool final, const uint8_t *data, size_t len)
{
    uint8_t frame[FRAME_HEAD_MOST + DUET_BORROW];
    uint32_t key;
    int rc = p->home->config.random(proto_arg(p), &key, sizeof(key));
    if (rc < 0)
        return rc;
    size_t n = frame_encode(frame, opcode, final, len, &key);
    if (len <= DUET_BORROW) {
        mask_copy(frame + n, data, len, key);
        rc = opcode == FRAME_PONG ? outq_pong(&p->busy->out, frame, n + len)
                                  : outq_copy(&p->busy->out, frame, n + len, NULL, 0);
    } else {
        duet_shared *copy = shared_alloc(len);
        if (copy == NULL || outq_prepare(&p->busy->out, 2) < 0) {
            duet_shared_unref(copy);
            return DUET_ERR_NOMEM;
        }
        mask_copy(copy->payload, data, len, key);
        copy->len = len;
        outq_copy(&p->busy->out, frame, n, NULL, 0);
        outq_ref(&p->busy->out, copy, copy->payload, len);
        duet_shared_unref(copy);
    }
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, frame, n);
    return rc;
}

/* A whole server's frame that is copied, at most PACKED_SHORT bytes. */
static int send_copied(duet_proto *p, unsigned opcode, const uint8_t *data, size_t len)
{
    uint8_t head[FRAME_HEAD_MOST];
    size_t n = frame_encode(head, opcode, true, len, NULL);
    int rc = outq_copy(&p->busy->out, head, n, data, len);
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, head, n);
    return rc;
}

static int send_plain(duet_proto *p, unsigned opcode, bool final, const uint8_t *data, size_t len)
{
    uint8_t head[FRAME_HEAD_MOST];
    size_t n = frame_encode(head, opcode, final, len, NULL);
    int rc = 0;
    if (len < DUET_BORROW) {
        rc = outq_copy(&p->busy->out, head, n, data, len);
    } else {
        rc = outq_prepare(&p->busy->out, 2);
        if (rc < 0)
            return rc;
        outq_copy(&p->busy->out, head, n, NULL, 0);
        outq_borrow(&p->busy->out, data, len);
    }
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, head, n);
    return rc;
}

static int send_data(duet_proto *p, unsigned opcode, bool final, const void *data, size_t len)
{
    return proto_masks(p) ? send_masked(p, opcode, final, data, len) : send_plain(p, opcode, final, data, len);
}

/* A control frame, at most 125 bytes. */
static int send_control(duet_proto *p, unsigned opcode, const void *data, size_t len)
{
    if (proto_masks(p))
        return send_masked(p, opcode, true, data, len);
    uint8_t frame[2 + FRAME_CONTROL_MOST];
    size_t n = frame_encode(frame, opcode, true, len, NULL);
    if (len > 0)
        memcpy(frame + n, data, len);
    int rc = opcode == FRAME_PONG ? outq_pong(&p->busy->out, frame, n + len)
                                  : outq_copy(&p->busy->out, frame, n + len, NULL, 0);
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, frame, n);
    return rc;
}

/* While 16 answers wait unsent, only the newest ping is remembered (RFC 6455 5.5.3, FRM-12). */
int send_pong(duet_proto *p, const uint8_t *data, size_t len)
{
    if (p->busy->out.pongs < OUTQ_PONGS_MOST)
        return send_control(p, FRAME_PONG, data, len);
    if (p->busy->late_pong == NULL)
        p->busy->late_pong = mem_alloc(1 + FRAME_CONTROL_MOST);
    if (p->busy->late_pong == NULL)
        return DUET_ERR_NOMEM;
    p->busy->late_pong[0] = (uint8_t)len;
    memcpy(p->busy->late_pong + 1, data, len);
    return 0;
}

int send_close(duet_proto *p, unsigned code, const char *reason, size_t len)
{
    uint8_t payload[FRAME_CONTROL_MOST];
    if (len > 0 && !utf8_valid(reason, len))
        return DUET_ERR_UTF8;
    int rc = send_control(p, FRAME_CLOSE, payload, close_encode(payload, code, reason, len));
    if (rc == 0)
        p->busy->close_sent = code ? (uint16_t)code : DUET_CODE_NONE;
    return rc;
}

static int may_send(duet_proto *p)
{
    if (p->state == OPEN)
        return proto_wake(p);
    return p->state < OPEN ? DUET_ERR_STATE : DUET_ERR_CLOSED;
}

/* The message handed out last goes back as it lies in its own buffer. */
static int send_gathered(duet_proto *p, unsigned type)
{
    duet_shared *s = p->busy->gather;
    if (s->type == 0)
        shared_encode(s, type);
    int rc = outq_ref(&p->busy->out, s, shared_wire(s), shared_wire_len(s));
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, shared_wire(s), s->head_size);
    return rc;
}

/* A server's short frame, which nobody wants to be told of. */
static int send_short(duet_proto *p, unsigned type, const void *data, size_t len)
{
    uint8_t *to = outq_place(&p->busy->out, (uint32_t)len + 2);
    if (to == NULL)
        return DUET_ERR_NOMEM;
    to[0] = (uint8_t)(0x80 | type);
    to[1] = (uint8_t)len;
    if (len > 0)
        memcpy(to + 2, data, len);
    return 0;
}

/* The same of a client. */
static int send_short_masked(duet_proto *p, unsigned type, const void *data, size_t len)
{
    uint8_t frame[6 + FRAME_CONTROL_MOST];
    uint32_t key;
    int rc = p->home->config.random(proto_arg(p), &key, sizeof(key));
    if (rc < 0)
        return rc;
    frame[0] = (uint8_t)(0x80 | type);
    frame[1] = (uint8_t)(0x80 | len);
    memcpy(frame + 2, &key, sizeof(key));
    if (len > 0)
        memcpy(frame + 6, data, len);
    mask_short(frame + 6, len, key);
    return outq_copy(&p->busy->out, frame, 6 + len, NULL, 0);
}

/* A message that is encoded already. */
static int send_encoded(duet_proto *p, duet_shared *s)
{
    if (proto_masks(p))
        return send_masked(p, s->type, true, s->payload, s->len);
    size_t n = shared_wire_len(s);
    int rc = n <= SHARED_COPIED ? outq_copy(&p->busy->out, shared_wire(s), n, NULL, 0)
                                : outq_ref(&p->busy->out, s, shared_wire(s), n);
    if (rc == 0 && p->home->config.trace)
        send_trace(p, true, shared_wire(s), s->head_size);
    return rc;
}

/* Of a length that is packed on the stack and always copied. */
static int send_packed_short(duet_proto *p, unsigned type, const void *data, size_t len)
{
    uint8_t space[PACKED_SHORT + DEFLATE_ROOM];
    size_t n = deflate_pack(p->rare->deflate, data, len, space);
    if (n == 0)
        return 1;
    return proto_masks(p) ? send_masked(p, type, true, space, n) : send_copied(p, type, space, n);
}

static int send_packed_long(duet_proto *p, unsigned type, const void *data, size_t len)
{
    duet_shared *s = shared_alloc(len + DEFLATE_ROOM);
    if (s == NULL)
        return 1;
    s->len = deflate_pack(p->rare->deflate, data, len, s->payload);
    duet_shared *tight = shared_grow(s, s->len);
    s = tight ? tight : s;
    int rc = 1;
    if (s->len > 0) {
        shared_encode(s, type);
        rc = send_encoded(p, s);
    }
    duet_shared_unref(s);
    return rc;
}

/* 1: it is to be sent as it is. */
static int send_packed(duet_proto *p, unsigned type, const void *data, size_t len)
{
    p->busy->plain_length = (uint32_t)len;
    int rc = len <= PACKED_SHORT ? send_packed_short(p, type | DEFLATE_RSV, data, len)
                                 : send_packed_long(p, type | DEFLATE_RSV, data, len);
    if (rc < 0)
        deflate_forget(p->rare->deflate);
    return rc;
}

/* What was handed out last was looked at when it came. */
static bool text_valid(const duet_proto *p, const void *data, size_t len)
{
    bool checked = data != NULL && data == p->busy->checked && len == p->busy->checked_len;
    return checked || p->home->config.trust_text || utf8_valid(data, len);
}

/* Not inlined, so that a short message has no registers to save for it. */
static __attribute__((noinline)) int send_long(duet_proto *p, unsigned type, const void *data, size_t len)
{
    if (proto_packs(p)) {
        int rc = send_packed(p, type, data, len);
        if (rc <= 0)
            return rc;
        if (len <= FRAME_CONTROL_MOST && p->takes_short)
            return send_short(p, type, data, len);
    }
    if (len <= FRAME_CONTROL_MOST && p->takes_bare)
        return send_short_masked(p, type, data, len);
    duet_shared *s = p->busy->gather;
    if (len >= DUET_BORROW && p->busy->delivered && data == s->payload && len == s->len && !proto_masks(p) &&
        (s->type == type || (s->type == 0 && shared_alone(s))))
        return send_gathered(p, type);
    return send_data(p, type, true, data, len);
}

static int send_message(duet_proto *p, unsigned type, const void *data, size_t len)
{
    if (p->busy->out_type != 0)
        return DUET_ERR_STATE;
    if (type == FRAME_TEXT && !text_valid(p, data, len))
        return DUET_ERR_UTF8;
    if (len <= FRAME_CONTROL_MOST && p->takes_short && !proto_packs(p))
        return send_short(p, type, data, len);
    return send_long(p, type, data, len);
}

static __attribute__((noinline)) int send_else(duet_proto *p, unsigned type, const void *data, size_t len)
{
    int rc;
    if ((type != DUET_PING && type != DUET_PONG) || len > FRAME_CONTROL_MOST)
        return DUET_ERR_INVALID;
    if (type == DUET_PONG)
        return send_pong(p, data, len);
    rc = send_control(p, FRAME_PING, data, len);
    if (rc == 0 && len == sizeof(p->busy->ping)) {
        memcpy(&p->busy->ping, data, len);
        p->pings++;
        p->busy->pinged = true;
        p->busy->since_ms = p->busy->now_ms;
    }
    return rc;
}

int duet_proto_send(duet_proto *p, duet_type type, const void *data, size_t len)
{
    int rc = may_send(p);
    if (rc < 0)
        return rc;
    return type == DUET_TEXT || type == DUET_BINARY ? send_message(p, type, data, len) : send_else(p, type, data, len);
}

int duet_proto_send_shared(duet_proto *p, duet_shared *s)
{
    int rc = may_send(p);
    if (rc < 0)
        return rc;
    if (p->busy->out_type != 0)
        return DUET_ERR_STATE;
    p->busy->plain_length = (uint32_t)s->len;
    return send_encoded(p, proto_form(p, s));
}

int proto_send_form(duet_proto *p, duet_shared *form)
{
    int rc = may_send(p);
    return rc < 0 ? rc : send_encoded(p, form);
}

int duet_proto_send_begin(duet_proto *p, duet_type type)
{
    int rc = may_send(p);
    if (rc < 0)
        return rc;
    if (type != DUET_TEXT && type != DUET_BINARY)
        return DUET_ERR_INVALID;
    if (p->busy->out_type != 0)
        return DUET_ERR_STATE;
    p->busy->out_type = (uint8_t)type;
    p->busy->out_utf8 = UTF8_ACCEPT;
    p->busy->part_said = false;
    return 0;
}

int duet_proto_send_part(duet_proto *p, const void *data, size_t len, bool last)
{
    int rc = may_send(p);
    if (rc < 0)
        return rc;
    if (p->busy->out_type == 0)
        return DUET_ERR_STATE;
    uint32_t utf8 = p->busy->out_utf8;
    if (p->busy->out_type == FRAME_TEXT && !p->home->config.trust_text) {
        utf8 = utf8_next(utf8, data, len);
        if (utf8 == UTF8_REJECT || (last && utf8 != UTF8_ACCEPT))
            return DUET_ERR_UTF8;
    }
    rc = send_data(p, p->busy->part_said ? FRAME_CONTINUATION : p->busy->out_type, last, data, len);
    if (rc < 0)
        return rc;
    p->busy->out_utf8 = utf8;
    p->busy->part_said = true;
    if (last)
        p->busy->out_type = 0;
    return 0;
}
