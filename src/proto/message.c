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

void message_let_go(duet_proto *p)
{
    pool_unref(p->busy->out.pool, p->busy->gather);
    p->busy->gather = NULL;
    p->busy->delivered = false;
}

void message_drop(duet_proto *p)
{
    duet_shared_unref(p->busy->gather);
    p->busy->gather = NULL;
    p->busy->delivered = false;
    p->busy->checked = NULL;
    p->busy->type = 0;
    if (proto_deflater(p) != NULL)
        deflate_drop(p->rare->deflate);
    mem_free(p->busy->control);
    p->busy->control = NULL;
}

static int fail_protocol(duet_proto *p)
{
    return proto_fail(p, DUET_ERR_PROTOCOL, DUET_CODE_PROTOCOL);
}

/* A sustained rate of control frames over the limit ends the connection (FRM-12). */
static int count_control(duet_proto *p)
{
    if (p->home->config.control_per_s == DUET_OFF)
        return 0;
    uint32_t now = (uint32_t)p->busy->now_ms;
    if (now - p->window_ms >= CONTROL_WINDOW_MS) {
        p->window_ms = now;
        p->controls = 0;
    }
    if (++p->controls <= (uint64_t)p->home->config.control_per_s * (CONTROL_WINDOW_MS / 1000))
        return 0;
    return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
}

static uint64_t message_most(const duet_proto *p)
{
    return p->home->config.message_max == DUET_OFF ? SIZE_MAX / 4 : p->home->config.message_max;
}

/* A data frame's place in its message, judged by its head alone: nothing is allocated for what is only declared. */
static int begin_data(duet_proto *p, const struct frame *f)
{
    if ((f->opcode == FRAME_CONTINUATION) != (p->busy->type != 0))
        return fail_protocol(p);
    if (p->busy->type == 0) {
        p->busy->type = f->opcode;
        p->busy->total = 0;
        p->busy->fragments = 0;
        p->busy->utf8 = UTF8_ACCEPT;
        p->busy->piece_said = false;
        p->busy->deflated = f->rsv != 0;
        p->busy->began_ms = p->busy->now_ms;
    }
    uint64_t most = message_most(p);
    if (p->busy->deflated)
        most += most / 8 + PACKED_MORE; /* fixed codes of 9 bits for 8; what comes out is counted as it does */
    if (f->length > most - p->busy->total)
        return proto_fail(p, DUET_ERR_TOO_BIG, DUET_CODE_TOO_BIG);
    p->busy->total += f->length;
    if (++p->busy->fragments > FRAGMENTS_FREE && p->busy->total < (uint64_t)p->busy->fragments * FRAGMENT_MEAN)
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    return 0;
}

static int begin_frame(duet_proto *p, const uint8_t *head)
{
    struct frame f;
    if (!frame_decode(&f, head))
        return fail_protocol(p);
    if (p->home->config.trace)
        send_trace(p, false, head, f.size);
    p->busy->opcode = f.opcode;
    p->busy->final = f.final;
    p->busy->key = f.key;
    p->busy->left = f.length;
    p->busy->in_frame = true;
    if (frame_is_control(f.opcode)) {
        p->busy->control_have = 0;
        return count_control(p);
    }
    return p->state == CLOSING ? 0 : begin_data(p, &f);
}

/* RSV1 marks a compressed message on its first frame, where that was agreed on (RFC 7692 6). */
static bool start_valid(const duet_proto *p, const uint8_t *h)
{
    bool masked = !proto_masks(p);
    if (__builtin_expect(proto_deflater(p) == NULL, 1))
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
    if (p->busy->head_have == 0 && in->len >= 2) {
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
        size_t size = frame_head_size(p->busy->head, p->busy->head_have);
        size_t n = size - p->busy->head_have < in->len ? size - p->busy->head_have : in->len;
        memcpy(p->busy->head + p->busy->head_have, in->data, n);
        p->busy->head_have = (uint8_t)(p->busy->head_have + n);
        in->data += n;
        in->len -= n;
        if (p->busy->head_have >= 2 && !start_valid(p, p->busy->head))
            return fail_protocol(p);
        if (p->busy->head_have < 2 || p->busy->head_have < frame_head_size(p->busy->head, p->busy->head_have))
            continue;
        p->busy->head_have = 0;
        int rc = begin_frame(p, p->busy->head);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

/* The reason outlives its input: the application is told at the very end. Without memory there is none. */
static void keep_reason(duet_proto *p, const uint8_t *data, size_t len)
{
    if (p->busy->control == NULL && len > 2)
        p->busy->control = mem_alloc(FRAME_CONTROL_MOST);
    if (p->busy->control == NULL || len <= 2)
        return;
    p->busy->reason_len = (uint8_t)(len - 2);
    memmove(p->busy->control, data + 2, len - 2);
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
    p->busy->close_code = code;
    duet_shared_unref(p->busy->gather);
    p->busy->gather = NULL;
    p->busy->type = 0;
    if (proto_deflater(p) != NULL)
        deflate_drop(p->rare->deflate);
    proto_enter(p, CLOSED);
    *ev = (duet_event){ .kind = DUET_EVENT_CLOSE, .code = code };
    keep_reason(p, data, len);
    ev->data = p->busy->control;
    ev->len = p->busy->reason_len;
    return 1;
}

static int take_control(duet_proto *p, const uint8_t *data, size_t len, duet_event *ev)
{
    p->busy->in_frame = false;
    if (p->busy->opcode == FRAME_CLOSE)
        return take_close(p, data, len, ev);
    if (p->state == CLOSING)
        return 0;
    *ev = (duet_event){ .kind = DUET_EVENT_PONG, .data = data, .len = len };
    if (p->busy->opcode == FRAME_PONG) {
        /* Only the payload of our last ping, once, answers it (FRM-13). */
        ev->answers = p->busy->pinged && len == sizeof(p->busy->ping) && memcmp(data, &p->busy->ping, len) == 0;
        if (ev->answers)
            p->busy->pinged = false;
        return 1;
    }
    ev->kind = DUET_EVENT_PING;
    int rc = send_pong(p, data, len);
    return rc < 0 ? proto_fail(p, rc, DUET_CODE_INTERNAL) : 1;
}

static int recv_control(duet_proto *p, duet_input *in, duet_event *ev)
{
    uint8_t *data = in->data;
    size_t n = p->busy->left < in->len ? (size_t)p->busy->left : in->len;
    p->busy->key = mask_apply(data, n, p->busy->key);
    in->data += n;
    in->len -= n;
    if (p->busy->control_have == 0 && n == p->busy->left)
        return take_control(p, data, n, ev);
    if (p->busy->control == NULL)
        p->busy->control = mem_alloc(FRAME_CONTROL_MOST);
    if (p->busy->control == NULL)
        return proto_fail(p, DUET_ERR_NOMEM, DUET_CODE_INTERNAL);
    memcpy(p->busy->control + p->busy->control_have, data, n);
    p->busy->control_have = (uint8_t)(p->busy->control_have + n);
    p->busy->left -= n;
    return p->busy->left > 0 ? 0 : take_control(p, p->busy->control, p->busy->control_have, ev);
}

/* What is split over frames or reads needs a place: at least `need` bytes, twice what it had, at most what is certain
 * to come when that is known. It grows with what arrived, never with what a head declares (FRM-5). */
static bool gather_fits(duet_proto *p, size_t need)
{
    size_t cap = p->busy->gather ? p->busy->gather->cap : 0, have = p->busy->gather ? p->busy->gather->len : 0;
    if (need <= cap)
        return true;
    size_t want = 2 * cap > need ? 2 * cap : need;
    if (p->busy->gather == NULL)
        want = 2 * need > GATHER_LEAST ? 2 * need : GATHER_LEAST;
    if (p->busy->final && want > have + p->busy->left)
        want = have + (size_t)p->busy->left;
    duet_shared *s = p->busy->gather;
    if (s == NULL) {
        /* A block that is there already may hold all that is declared: it takes no new memory. */
        s = p->busy->left >= POOL_BLOCK_LEAST ? pool_take(p->busy->out.pool, (size_t)p->busy->left) : NULL;
        s = s ? s : shared_alloc(want);
    } else {
        s = shared_grow(s, want);
    }
    if (s == NULL)
        return false;
    p->busy->gather = s;
    return true;
}

static int text_wrong(duet_proto *p, const uint8_t *data, size_t n)
{
    if (p->busy->type != FRAME_TEXT)
        return 0;
    p->busy->utf8 = utf8_next(p->busy->utf8, data, n);
    bool ends = p->busy->final && p->busy->left == 0;
    if (p->busy->utf8 == UTF8_REJECT || (ends && p->busy->utf8 != UTF8_ACCEPT))
        return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
    return 0;
}

/* The message in `gather` is whole. */
static int deliver(duet_proto *p, duet_event *ev)
{
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE,
                        .type = (duet_type)p->busy->type,
                        .data = p->busy->gather->payload,
                        .len = p->busy->gather->len,
                        .owner = p->busy->gather };
    p->busy->delivered = true;
    if (p->busy->type == FRAME_TEXT) {
        p->busy->checked = ev->data;
        p->busy->checked_len = ev->len;
    }
    p->busy->type = 0;
    return 1;
}

/* `n` bytes were put at the end of `gather`, already unmasked. */
static int gathered(duet_proto *p, size_t n, duet_event *ev)
{
    p->busy->left -= n;
    const uint8_t *from = p->busy->gather->payload + p->busy->gather->len;
    p->busy->gather->len += n;
    int rc = text_wrong(p, from, n);
    if (rc < 0)
        return rc;
    if (p->busy->left > 0)
        return 0;
    p->busy->in_frame = false;
    return p->busy->final ? deliver(p, ev) : 0;
}

static int recv_gather(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    size_t have = p->busy->gather ? p->busy->gather->len : 0;
    if (!gather_fits(p, have + n) || (p->busy->gather == NULL && (p->busy->gather = shared_alloc(0)) == NULL))
        return proto_fail(p, DUET_ERR_NOMEM, DUET_CODE_INTERNAL);
    p->busy->key = mask_copy(p->busy->gather->payload + have, data, n, p->busy->key);
    return gathered(p, n, ev);
}

/* A message of one frame that lies whole in the input: no copy. */
static int recv_whole(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    mask_apply(data, n, p->busy->key);
    p->busy->in_frame = false;
    p->busy->left = 0;
    if (p->busy->type == FRAME_TEXT) {
        if (!utf8_valid(data, n))
            return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
        p->busy->checked = data;
        p->busy->checked_len = n;
    }
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)p->busy->type, .data = data, .len = n };
    p->busy->type = 0;
    return 1;
}

static int recv_piece(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    p->busy->key = mask_apply(data, n, p->busy->key);
    p->busy->left -= n;
    int rc = text_wrong(p, data, n);
    if (rc < 0)
        return rc;
    bool last = p->busy->final && p->busy->left == 0;
    if (p->busy->left == 0)
        p->busy->in_frame = false;
    if (n == 0 && !last)
        return 0;
    *ev = (duet_event){ .kind = DUET_EVENT_PIECE,
                        .type = (duet_type)p->busy->type,
                        .data = data,
                        .len = n,
                        .first = !p->busy->piece_said,
                        .last = last };
    p->busy->piece_said = true;
    if (last)
        p->busy->type = 0;
    return 1;
}

static int fail_deflated(duet_proto *p, int error)
{
    unsigned code = error == DUET_ERR_TOO_BIG ? DUET_CODE_TOO_BIG
                    : error == DUET_ERR_NOMEM ? DUET_CODE_INTERNAL
                                              : DUET_CODE_INVALID;
    return proto_fail(p, error, code);
}

/* Part of a compressed message; what comes out gathers in `gather`. Its text is judged at the end (RFC 7692 6). */
static int recv_deflated(duet_proto *p, uint8_t *data, size_t n, duet_event *ev)
{
    p->busy->key = mask_apply(data, n, p->busy->key);
    p->busy->left -= n;
    bool last = p->busy->final && p->busy->left == 0;
    if (p->busy->left == 0)
        p->busy->in_frame = false;
    size_t had = p->busy->gather ? p->busy->gather->len : 0;
    int rc = deflate_take(p->rare->deflate, data, n, last, (size_t)message_most(p), &p->busy->gather);
    if (rc < 0)
        return fail_deflated(p, rc);
    if (p->busy->gather != NULL && !deflate_allows(p->rare->deflate, p->busy->gather->len - had, p->busy->now_ms))
        return proto_fail(p, DUET_ERR_POLICY, DUET_CODE_POLICY);
    if (!last)
        return 0;
    if (p->busy->type == FRAME_TEXT && !utf8_valid(p->busy->gather->payload, p->busy->gather->len))
        return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
    return deliver(p, ev);
}

/* Data that crossed our Close is read to its end and dropped (5.5.1, CLS-5). */
static int pass_over(duet_proto *p, size_t n)
{
    p->busy->left -= n;
    p->busy->in_frame = p->busy->left > 0;
    return 0;
}

static int recv_data(duet_proto *p, duet_input *in, duet_event *ev)
{
    uint8_t *data = in->data;
    size_t n = p->busy->left < in->len ? (size_t)p->busy->left : in->len;
    in->data += n;
    in->len -= n;
    if (p->state == CLOSING)
        return pass_over(p, n);
    if (p->busy->deflated)
        return recv_deflated(p, data, n, ev);
    if (p->home->config.pieces)
        return recv_piece(p, data, n, ev);
    if (p->busy->final && p->busy->fragments == 1 && n == p->busy->left && p->busy->gather == NULL)
        return recv_whole(p, data, n, ev);
    return recv_gather(p, data, n, ev);
}

/* Part of a head, a frame or a message is here. */
static inline bool is_midway(const struct proto_busy *b)
{
    return b->in_frame || (b->head_have | b->type) != 0;
}

/* Of a message that is whole and not compressed. */
static inline bool is_whole_data(uint8_t first)
{
    enum { FINAL_TEXT = 0x80 | FRAME_TEXT, FINAL_BINARY = 0x80 | FRAME_BINARY };
    return first == FINAL_TEXT || first == FINAL_BINARY;
}

/* The text of a short message is looked at when it is whole. 1, or an error. */
static int take_short(duet_proto *p, unsigned type, const uint8_t *data, size_t n)
{
    if (type != FRAME_TEXT)
        return 1;
    if (!utf8_valid(data, n))
        return proto_fail(p, DUET_ERR_UTF8, DUET_CODE_INVALID);
    p->busy->checked = data;
    p->busy->checked_len = n;
    return 1;
}

/* Every check that follows elsewhere step by step, at once. */
int proto_recv_short(duet_proto *p, duet_input *in, uint64_t now_ms, struct short_message *m)
{
    enum { HEAD = 6, MASKED = 0x80 };
    struct proto_busy *b = p->busy;
    uint8_t *h = in->data;
    if (in->len < HEAD || p->state != OPEN || is_midway(b))
        return 0;
    size_t n = h[1] ^ MASKED;
    if (!is_whole_data(h[0]) || n > SHORT_MOST || in->len - HEAD < n)
        return 0;
    b->now_ms = now_ms;
    proto_heard(p, now_ms);
    uint32_t key;
    memcpy(&key, h + 2, sizeof(key));
    m->data = h + HEAD;
    m->len = n;
    m->type = h[0] & 0x0f;
    in->data += HEAD + n;
    in->len -= HEAD + n;
    mask_short(h + HEAD, n, key);
    return take_short(p, m->type, m->data, n);
}

/* The same in a client's input, where nothing is masked. */
static int recv_bare(duet_proto *p, duet_input *in, duet_event *ev)
{
    enum { HEAD = 2 };
    uint8_t *h = in->data, *data = h + HEAD;
    if (in->len < HEAD || is_midway(p->busy) || p->state != OPEN)
        return 0;
    size_t n = h[1];
    if (!is_whole_data(h[0]) || n > SHORT_MOST || in->len - HEAD < n)
        return 0;
    in->data += HEAD + n;
    in->len -= HEAD + n;
    *ev = (duet_event){ .kind = DUET_EVENT_MESSAGE, .type = (duet_type)(h[0] & 0x0f), .data = data, .len = n };
    return take_short(p, ev->type, data, n);
}

int message_recv(duet_proto *p, duet_input *in, duet_event *ev)
{
    int taken = p->takes_bare ? recv_bare(p, in, ev) : 0;
    if (taken != 0)
        return taken;
    do {
        if (!p->busy->in_frame) {
            int rc = read_head(p, in);
            if (rc <= 0)
                return rc;
        }
        if (p->busy->left > 0 && in->len == 0)
            return 0;
        int rc = frame_is_control(p->busy->opcode) ? recv_control(p, in, ev) : recv_data(p, in, ev);
        if (rc != 0)
            return rc;
    } while (in->len > 0);
    return 0;
}

size_t duet_proto_room(duet_proto *p, void **at)
{
    message_release(p);
    struct proto_busy *b = p->busy;
    if (!b->in_frame || p->state != OPEN || frame_is_control(b->opcode) || p->home->config.pieces ||
        b->left < ROOM_LEAST || b->deflated)
        return 0;
    size_t have = b->gather ? b->gather->len : 0;
    if (!gather_fits(p, have + ROOM_LEAST))
        return 0;
    *at = b->gather->payload + have;
    size_t free = b->gather->cap - have;
    return free < b->left ? free : (size_t)b->left;
}

int duet_proto_filled(duet_proto *p, size_t n, uint64_t now_ms, duet_event *ev)
{
    p->busy->now_ms = now_ms;
    if (n == 0)
        return p->busy->error;
    proto_heard(p, now_ms);
    if (p->state == CLOSING)
        return pass_over(p, n);
    if (p->state != OPEN)
        return p->busy->error;
    p->busy->key = mask_apply(p->busy->gather->payload + p->busy->gather->len, n, p->busy->key);
    return gathered(p, n, ev);
}
