/* SPDX-License-Identifier: MIT */
#include "proto/proto.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/close.h"
#include "proto/mask.h"
#include <string.h>

enum {
    FRAGMENTS_FREE = 256, /* beyond them their mean must be FRAGMENT_MEAN bytes (MSG-2) */
    FRAGMENT_MEAN = 16,
    GATHER_LEAST = 512,
    SHORT_MOST = 125,       /* what a head of two bytes and a key can say */
    ROOM_LEAST = 16 * 1024, /* reading straight into the message pays from here on */
    CONTROL_WINDOW_MS = 10000,
    PACKED_MORE = 256 /* a compressed message may be so much longer than its limit, and an eighth */
};

void message_release(duet_proto *p)
{
    p->checked = NULL;
    if (!p->delivered)
        return;
    pool_unref(p->out.pool, p->gather);
    p->gather = NULL;
    p->delivered = false;
}

void message_drop(duet_proto *p)
{
    duet_shared_unref(p->gather);
    p->gather = NULL;
    p->delivered = false;
    p->checked = NULL;
    p->type = 0;
    if (p->deflate != NULL)
        deflate_drop(p->deflate);
    mem_free(p->control);
    p->control = NULL;
}

static int fail_protocol(duet_proto *p)
{
    return proto_fail(p, DUET_ERR_PROTOCOL, DUET_CODE_PROTOCOL);
}

/* A sustained rate of control frames over the limit ends the connection (FRM-12). */
static int count_control(duet_proto *p)
{
    if (p->config->control_per_s == DUET_OFF)
        return 0;
    if (p->now_ms - p->window_ms >= CONTROL_WINDOW_MS) {
        p->window_ms = p->now_ms;
        p->controls = 0;
    }
    if (++p->controls <= (uint64_t)p->config->control_per_s * (CONTROL_WINDOW_MS / 1000))
        return 0;
    return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
}

static uint64_t message_most(const duet_proto *p)
{
    return p->config->message_max == DUET_OFF ? SIZE_MAX / 4 : p->config->message_max;
}

/* A data frame's place in its message, judged by its head alone: nothing is allocated for what is only declared. */
static int begin_data(duet_proto *p, const struct frame *f)
{
    if ((f->opcode == FRAME_CONTINUATION) != (p->type != 0))
        return fail_protocol(p);
    if (p->type == 0) {
        p->type = f->opcode;
        p->total = 0;
        p->fragments = 0;
        p->utf8 = UTF8_ACCEPT;
        p->piece_said = false;
        p->deflated = f->rsv != 0;
        p->began_ms = p->now_ms;
    }
    uint64_t most = message_most(p);
    if (p->deflated)
        most += most / 8 + PACKED_MORE; /* fixed codes of 9 bits for 8; what comes out is counted as it does */
    if (f->length > most - p->total)
        return proto_fail(p, DUET_ERR_TOO_BIG, DUET_CODE_TOO_BIG);
    p->total += f->length;
    if (++p->fragments > FRAGMENTS_FREE && p->total < (uint64_t)p->fragments * FRAGMENT_MEAN)
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    return 0;
}

static int begin_frame(duet_proto *p, const uint8_t *head)
{
    struct frame f;
    if (!frame_decode(&f, head))
        return fail_protocol(p);
    if (p->config->trace)
        send_trace(p, false, head, f.size);
    p->opcode = f.opcode;
    p->final = f.final;
    p->key = f.key;
    p->left = f.length;
    p->in_frame = true;
    if (frame_is_control(f.opcode)) {
        p->control_have = 0;
        return count_control(p);
    }
    return p->state == CLOSING ? 0 : begin_data(p, &f);
}

/* RSV1 marks a compressed message on its first frame, where that was agreed on (RFC 7692 6). */
static bool start_valid(const duet_proto *p, const uint8_t *h)
{
    bool masked = !proto_masks(p);
    if (__builtin_expect(p->deflate == NULL, 1))
        return frame_start_valid(h, masked);
    unsigned opcode = h[0] & 0x0f;
    uint8_t start[2] = { h[0], h[1] };
    if (opcode == FRAME_TEXT || opcode == FRAME_BINARY)
        start[0] &= (uint8_t)~DEFLATE_RSV;
    return frame_start_valid(start, masked);
}

/* Takes a head from the input. 1: a frame began; 0: more is needed; an error. */
static int read_head(duet_proto *p, duet_input *in)
{
    if (p->head_have == 0 && in->len >= 2) {
        if (!start_valid(p, in->data))
            return fail_protocol(p);
        size_t size = frame_head_size(in->data, in->len);
        if (in->len >= size) {
            int rc = begin_frame(p, in->data);
            in->data += size;
            in->len -= size;
            return rc < 0 ? rc : 1;
        }
    }
    while (in->len > 0) {
        size_t size = frame_head_size(p->head, p->head_have);
        size_t n = size - p->head_have < in->len ? size - p->head_have : in->len;
        memcpy(p->head + p->head_have, in->data, n);
        p->head_have = (uint8_t)(p->head_have + n);
        in->data += n;
        in->len -= n;
        if (p->head_have >= 2 && !start_valid(p, p->head))
            return fail_protocol(p);
        if (p->head_have < 2 || p->head_have < frame_head_size(p->head, p->head_have))
            continue;
        p->head_have = 0;
        int rc = begin_frame(p, p->head);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

/* The reason outlives its input: the application is told at the very end. Without memory there is none. */
static void keep_reason(duet_proto *p, const uint8_t *data, size_t len)
{
    if (p->control == NULL && len > 2)
        p->control = mem_alloc(FRAME_CONTROL_MOST);
    if (p->control == NULL || len <= 2)
        return;
    p->reason_len = (uint8_t)(len - 2);
    memmove(p->control, data + 2, len - 2);
}

/* The peer's Close (5.5.1, 7.1.5): answered with its code, once. */
static int take_close(duet_proto *p, const uint8_t *data, size_t len, duet_event *ev)
{
    uint16_t code;
    unsigned failure = close_decode(data, len, &code);
    if (failure != 0)
        return proto_fail(p, failure == DUET_CODE_INVALID ? DUET_ERR_UTF8 : DUET_ERR_PROTOCOL, failure);
    if (p->state == OPEN && send_close(p, code == DUET_CODE_NONE ? 0 : code, NULL, 0) < 0)
        return proto_fail(p, DUET_ERR_NOMEM, 0);
    p->close_code = code;
    duet_shared_unref(p->gather);
    p->gather = NULL;
    p->type = 0;
    if (p->deflate != NULL)
        deflate_drop(p->deflate);
    proto_enter(p, CLOSED);
    *ev = (duet_event){ .kind = DUET_EVENT_CLOSE, .code = code };
    keep_reason(p, data, len);
    ev->data = p->control;
    ev->len = p->reason_len;
    return 1;
}

static int take_control(duet_proto *p, const uint8_t *data, size_t len, duet_event *ev)
{
    p->in_frame = false;
    if (p->opcode == FRAME_CLOSE)
        return take_close(p, data, len, ev);
    if (p->state == CLOSING)
        return 0;
    *ev = (duet_event){ .kind = DUET_EVENT_PONG, .data = data, .len = len };
    if (p->opcode == FRAME_PONG) {
        /* Only the payload of our last ping, once, answers it (FRM-13). */
        ev->answers = p->pinged && len == sizeof(p->pings) && memcmp(data, &p->pings, len) == 0;
        if (ev->answers)
            p->pinged = false;
        return 1;
    }
    ev->kind = DUET_EVENT_PING;
    int rc = send_pong(p, data, len);
    return rc < 0 ? proto_fail(p, rc, DUET_CODE_INTERNAL) : 1;
}

static int recv_control(duet_proto *p, duet_input *in, duet_event *ev)
{
    uint8_t *data = in->data;
    size_t n = p->left < in->len ? (size_t)p->left : in->len;
    p->key = mask_apply(data, n, p->key);
    in->data += n;
    in->len -= n;
    if (p->control_have == 0 && n == p->left)
        return take_control(p, data, n, ev);
    if (p->control == NULL)
        p->control = mem_alloc(FRAME_CONTROL_MOST);
    if (p->control == NULL)
        return proto_fail(p, DUET_ERR_NOMEM, DUET_CODE_INTERNAL);
    memcpy(p->control + p->control_have, data, n);
    p->control_have = (uint8_t)(p->control_have + n);
    p->left -= n;
    return p->left > 0 ? 0 : take_control(p, p->control, p->control_have, ev);
}

/* What is split over frames or reads needs a place: at least `need` bytes, twice what it had, at most what is certain
 * to come when that is known. It grows with what arrived, never with what a head declares (FRM-5). */
static bool gather_fits(duet_proto *p, size_t need)
{
    size_t cap = p->gather ? p->gather->cap : 0, have = p->gather ? p->gather->len : 0;
    if (need <= cap)
        return true;
    size_t want = 2 * cap > need ? 2 * cap : need;
    if (p->gather == NULL)
        want = 2 * need > GATHER_LEAST ? 2 * need : GATHER_LEAST;
    if (p->final && want > have + p->left)
        want = have + (size_t)p->left;
    duet_shared *s = p->gather;
    if (s == NULL) {
        /* A block that is there already may hold all that is declared: it takes no new memory. */
        s = p->left >= POOL_BLOCK_LEAST ? pool_take(p->out.pool, (size_t)p->left) : NULL;
        s = s ? s : shared_alloc(want);
    } else {
        s = shared_grow(s, want);
    }
    if (s == NULL)
        return false;
    p->gather = s;
    return true;
}

static int text_wrong(duet_proto *p, const uint8_t *data, size_t n)
{
    if (p->type != FRAME_TEXT)
        return 0;
    p->utf8 = utf8_next(p->utf8, data, n);
    bool ends = p->final && p->left == 0;
    if (p->utf8 == UTF8_REJECT || (ends && p->utf8 != UTF8_ACCEPT))
        return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
    return 0;
}

/* The message in `gather` is whole. */
static int deliver(duet_proto *p, duet_event *ev)
{
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE,
                        .type = (duet_type)p->type,
                        .data = p->gather->payload,
                        .len = p->gather->len,
                        .owner = p->gather };
    p->delivered = true;
    if (p->type == FRAME_TEXT) {
        p->checked = ev->data;
        p->checked_len = ev->len;
    }
    p->type = 0;
    return 1;
}

/* `n` bytes were put at the end of `gather`, already unmasked. */
static int gathered(duet_proto *p, size_t n, duet_event *ev)
{
    p->left -= n;
    const uint8_t *from = p->gather->payload + p->gather->len;
    p->gather->len += n;
    int rc = text_wrong(p, from, n);
    if (rc < 0)
        return rc;
    if (p->left > 0)
        return 0;
    p->in_frame = false;
    return p->final ? deliver(p, ev) : 0;
}

static int recv_gather(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    size_t have = p->gather ? p->gather->len : 0;
    if (!gather_fits(p, have + n) || (p->gather == NULL && (p->gather = shared_alloc(0)) == NULL))
        return proto_fail(p, DUET_ERR_NOMEM, DUET_CODE_INTERNAL);
    p->key = mask_copy(p->gather->payload + have, data, n, p->key);
    return gathered(p, n, ev);
}

/* A message of one frame that lies whole in the input: no copy. */
static int recv_whole(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    mask_apply(data, n, p->key);
    p->in_frame = false;
    p->left = 0;
    if (p->type == FRAME_TEXT) {
        if (!utf8_valid(data, n))
            return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
        p->checked = data;
        p->checked_len = n;
    }
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)p->type, .data = data, .len = n };
    p->type = 0;
    return 1;
}

static int recv_piece(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    p->key = mask_apply(data, n, p->key);
    p->left -= n;
    int rc = text_wrong(p, data, n);
    if (rc < 0)
        return rc;
    bool last = p->final && p->left == 0;
    if (p->left == 0)
        p->in_frame = false;
    if (n == 0 && !last)
        return 0;
    *ev = (duet_event){ .kind = DUET_EVENT_PIECE,
                        .type = (duet_type)p->type,
                        .data = data,
                        .len = n,
                        .first = !p->piece_said,
                        .last = last };
    p->piece_said = true;
    if (last)
        p->type = 0;
    return 1;
}

static int fail_deflated(duet_proto *p, int error)
{
    unsigned code = error == DUET_ERR_TOO_BIG ? DUET_CODE_TOO_BIG :
                    error == DUET_ERR_NOMEM   ? DUET_CODE_INTERNAL :
                                                DUET_CODE_INVALID;
    return proto_fail(p, error, code);
}

/* Part of a compressed message; what comes out gathers in `gather`. Its text is judged at the end (RFC 7692 6). */
static int recv_deflated(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    p->key = mask_apply(data, n, p->key);
    p->left -= n;
    bool last = p->final && p->left == 0;
    if (p->left == 0)
        p->in_frame = false;
    size_t had = p->gather ? p->gather->len : 0;
    int rc = deflate_take(p->deflate, data, n, last, (size_t)message_most(p), &p->gather);
    if (rc < 0)
        return fail_deflated(p, rc);
    if (p->gather != NULL && !deflate_allows(p->deflate, p->gather->len - had, p->now_ms))
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    if (!last)
        return 0;
    if (p->type == FRAME_TEXT && !utf8_valid(p->gather->payload, p->gather->len))
        return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
    return deliver(p, ev);
}

/* Data that crossed our Close is read to its end and dropped (5.5.1, CLS-5). */
static int pass_over(duet_proto *p, size_t n)
{
    p->left -= n;
    p->in_frame = p->left > 0;
    return 0;
}

static int recv_data(duet_proto *p, duet_input *in, duet_event *ev)
{
    uint8_t *data = in->data;
    size_t n = p->left < in->len ? (size_t)p->left : in->len;
    in->data += n;
    in->len -= n;
    if (p->state == CLOSING)
        return pass_over(p, n);
    if (p->deflated)
        return recv_deflated(p, data, n, ev);
    if (p->config->pieces)
        return recv_piece(p, data, n, ev);
    if (p->final && p->fragments == 1 && n == p->left && p->gather == NULL)
        return recv_whole(p, data, n, ev);
    return recv_gather(p, data, n, ev);
}

/* The commonest frame by far, a short message that lies whole in a server's input: every check that follows elsewhere
 * step by step, at once. 0: it is something else. */
static int recv_short(duet_proto *p, duet_input *in, duet_event *ev)
{
    enum { HEAD = 6, FINAL_TEXT = 0x80 | FRAME_TEXT, FINAL_BINARY = 0x80 | FRAME_BINARY, MASKED = 0x80 };
    if (in->len < HEAD || !p->takes_short || p->in_frame || p->head_have != 0 || p->type != 0 || p->state != OPEN)
        return 0;
    uint8_t *h = in->data;
    size_t n = h[1] ^ MASKED;
    if ((h[0] != FINAL_TEXT && h[0] != FINAL_BINARY) || n > SHORT_MOST || in->len - HEAD < n)
        return 0;
    uint32_t key;
    memcpy(&key, h + 2, sizeof(key));
    uint8_t *data = h + HEAD;
    mask_short(data, n, key);
    in->data += HEAD + n;
    in->len -= HEAD + n;
    if (h[0] == FINAL_TEXT) {
        if (!utf8_valid(data, n))
            return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
        p->checked = data;
        p->checked_len = n;
    }
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)(h[0] & 0x0f), .data = data, .len = n };
    return 1;
}

/* The same in a client's input, where nothing is masked. */
static int recv_bare(duet_proto *p, duet_input *in, duet_event *ev)
{
    enum { HEAD = 2, FINAL_TEXT = 0x80 | FRAME_TEXT, FINAL_BINARY = 0x80 | FRAME_BINARY };
    if (in->len < HEAD || p->in_frame || p->head_have != 0 || p->type != 0 || p->state != OPEN)
        return 0;
    uint8_t *h = in->data, *data = h + HEAD;
    size_t n = h[1];
    if ((h[0] != FINAL_TEXT && h[0] != FINAL_BINARY) || n > SHORT_MOST || in->len - HEAD < n)
        return 0;
    in->data += HEAD + n;
    in->len -= HEAD + n;
    if (h[0] == FINAL_TEXT) {
        if (!utf8_valid(data, n))
            return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
        p->checked = data;
        p->checked_len = n;
    }
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)(h[0] & 0x0f), .data = data, .len = n };
    return 1;
}

int message_recv(duet_proto *p, duet_input *in, duet_event *ev)
{
    int taken = p->takes_bare ? recv_bare(p, in, ev) : recv_short(p, in, ev);
    if (taken != 0)
        return taken;
    do {
        if (!p->in_frame) {
            int rc = read_head(p, in);
            if (rc <= 0)
                return rc;
        }
        if (p->left > 0 && in->len == 0)
            return 0;
        int rc = frame_is_control(p->opcode) ? recv_control(p, in, ev) : recv_data(p, in, ev);
        if (rc != 0)
            return rc;
    } while (in->len > 0);
    return 0;
}

size_t duet_proto_room(duet_proto *p, void **at)
{
    message_release(p);
    if (p->state != OPEN || !p->in_frame || frame_is_control(p->opcode) || p->config->pieces || p->left < ROOM_LEAST ||
        p->deflated)
        return 0;
    size_t have = p->gather ? p->gather->len : 0;
    if (!gather_fits(p, have + ROOM_LEAST))
        return 0;
    *at = p->gather->payload + have;
    size_t free = p->gather->cap - have;
    return free < p->left ? free : (size_t)p->left;
}

int duet_proto_filled(duet_proto *p, size_t n, uint64_t now_ms, duet_event *ev)
{
    p->now_ms = now_ms;
    if (n == 0)
        return p->error;
    p->heard_ms = now_ms;
    if (p->state == CLOSING)
        return pass_over(p, n);
    if (p->state != OPEN)
        return p->error;
    p->key = mask_apply(p->gather->payload + p->gather->len, n, p->key);
    return gathered(p, n, ev);
}
