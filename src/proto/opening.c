/* SPDX-License-Identifier: MIT */
#include "proto/proto.h"
#include "base/digest.h"
#include "base/mem.h"
#include "http/reply.h"
#include "proto/handshake.h"
#include <assert.h>
#include <string.h>

enum { RESPONSE_MOST = 60 * 1024, INTERIM_MOST = 8 };

static const struct http_limits request_limits = { .head_bytes = 16 * 1024, .target_bytes = 8 * 1024, .fields = 100 };
static const struct http_limits response_limits = { .head_bytes = RESPONSE_MOST, .target_bytes = RESPONSE_MOST,
                                                    .fields = HTTP_FIELDS_MOST };

void opening_free(duet_proto *p)
{
    if (p->busy->opening == NULL)
        return;
    request_fini(&p->busy->opening->request);
    buf_fini(&p->busy->opening->bytes);
    mem_free(p->busy->opening);
    p->busy->opening = NULL;
}

static void trace_head(duet_proto *p, bool sent, const char *head, size_t len)
{
    if (p->home->config.trace_head)
        p->home->config.trace_head(proto_arg(p), sent, head, len);
}

/* Without the body that may be behind it. */
static void trace_sent(duet_proto *p, const struct buf *b)
{
    const char *end = memmem(b->at, b->len, "\r\n\r\n", 4);
    assert(end != NULL);
    trace_head(p, true, b->at, (size_t)(end - b->at) + 4);
}

/* Queues what was put together, whole. */
static int queue(duet_proto *p, struct buf *b)
{
    int rc = b->failed ? DUET_ERR_NOMEM : 0;
    if (rc == 0 && b->len <= OUTQ_COPY_MOST) {
        rc = outq_copy(&p->busy->out, b->at, b->len, NULL, 0);
    } else if (rc == 0) {
        duet_shared *s = shared_alloc(b->len);
        if (s == NULL)
            return DUET_ERR_NOMEM;
        memcpy(s->payload, b->at, b->len);
        s->len = b->len;
        rc = outq_ref(&p->busy->out, s, s->payload, s->len);
        duet_shared_unref(s);
    }
    if (rc == 0)
        trace_sent(p, b);
    return rc;
}

static int send_request(duet_proto *p)
{
    uint8_t nonce[16];
    char key[32], space[1024];
    struct buf b;
    if (p->home->config.random == NULL)
        return DUET_ERR_INVALID;
    if (p->home->config.random(proto_arg(p), nonce, sizeof(nonce)) < 0)
        return DUET_ERR_RANDOM;
    size_t len = base64_encode(key, nonce, sizeof(nonce));
    handshake_accept_text(p->busy->opening->accept, key, len);
    buf_init(&b, space, sizeof(space));
    int rc = handshake_request(&b, &p->home->config, key);
    if (rc == 0)
        rc = queue(p, &b);
    buf_fini(&b);
    return rc;
}

int opening_begin(duet_proto *p)
{
    p->busy->opening = mem_zalloc(sizeof(*p->busy->opening));
    if (p->busy->opening == NULL)
        return DUET_ERR_NOMEM;
    http_head_init(&p->busy->opening->head);
    return proto_masks(p) ? send_request(p) : 0;
}

/* Refuses on our own account; the line of text is constant, so nothing of the peer's comes back (HTTP-20). */
static int refuse(duet_proto *p, unsigned status, const char *error)
{
    char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    reply_line(&b, status);
    handshake_refusal_fields(&b, status);
    buf_printf(&b, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s\n", strlen(error) + 1, error);
    queue(p, &b);
    buf_fini(&b);
    p->busy->status = (uint16_t)status;
    return proto_fail(p, DUET_ERR_HANDSHAKE, 0);
}

static int judge_request(duet_proto *p, duet_event *ev)
{
    struct proto_opening *o = p->busy->opening;
    struct handshake_verdict v = handshake_check(&o->head, o->bytes.at);
    if (v.status != 0)
        return refuse(p, v.status, v.error);
    int rc = request_init(&o->request, o->bytes.at, &o->head);
    if (rc == DUET_ERR_NOMEM)
        return proto_fail(p, rc, 0);
    if (rc < 0)
        return refuse(p, 400, "the request target cannot be decoded");
    proto_enter(p, WAITING);
    *ev = (duet_event){ .kind = DUET_EVENT_REQUEST };
    return 1;
}

/* Takes the extension that the server answered: 0 (also for none), or an error. */
static int agree(duet_proto *p)
{
    struct extension agreed;
    struct proto_opening *o = p->busy->opening;
    int rc = extension_agree(&o->head, o->bytes.at, &p->home->config.deflate, &agreed);
    if (rc < 0)
        o->error = "the answer has Sec-WebSocket-Extensions that do not fit what was offered";
    if (rc != 1)
        return rc;
    if (proto_need_rare(p) < 0)
        return DUET_ERR_NOMEM;
    p->rare->deflate = deflate_new(&agreed, &p->home->config.deflate, NULL);
    return p->rare->deflate ? 0 : DUET_ERR_NOMEM;
}

static int judge_response(duet_proto *p, duet_event *ev)
{
    struct proto_opening *o = p->busy->opening;
    const char *subprotocol;
    p->busy->status = o->head.status;
    o->error = handshake_response(&o->head, o->bytes.at, &p->home->config, o->accept, &subprotocol);
    if (o->error != NULL)
        return proto_fail(p, DUET_ERR_HANDSHAKE, 0);
    int rc = agree(p);
    if (rc < 0)
        return proto_fail(p, rc, 0);
    if (subprotocol != NULL && (proto_need_rare(p) < 0 || (p->rare->subprotocol = mem_strdup(subprotocol)) == NULL))
        return proto_fail(p, DUET_ERR_NOMEM, 0);
    opening_free(p);
    proto_enter(p, OPEN);
    proto_became_open(p);
    *ev = (duet_event){ .kind = DUET_EVENT_OPEN };
    return 1;
}

/* Takes from the input up to the end of a head. 1: it is whole; 0: more is needed; or a negative verdict. */
static int read_head(duet_proto *p, duet_input *in)
{
    struct proto_opening *o = p->busy->opening;
    size_t before = o->bytes.len;
    buf_put(&o->bytes, in->data, in->len);
    if (o->bytes.failed)
        return DUET_ERR_NOMEM;
    if (o->bytes.len == 0)
        return 0;
    int rc = proto_masks(p) ? http_head_response(&o->head, o->bytes.at, o->bytes.len, &response_limits)
                            : http_head_request(&o->head, o->bytes.at, o->bytes.len, &request_limits);
    size_t used = rc == 1 ? o->head.size - before : in->len;
    in->data += used;
    in->len -= used;
    if (rc != 0)
        trace_head(p, false, o->bytes.at, rc == 1 ? o->head.size : o->bytes.len);
    return rc;
}

/* Answers that only announce another (RFC 9110 15.2) are passed over, a few of them. */
static int recv_response(duet_proto *p, duet_input *in, duet_event *ev)
{
    struct proto_opening *o = p->busy->opening;
    int rc;
    while ((rc = read_head(p, in)) == 1 && o->head.status < 200 && o->head.status != 101) {
        if (++o->interim > INTERIM_MOST)
            rc = -1;
        if (rc < 0)
            break;
        o->bytes.len = 0;
        http_head_init(&o->head);
    }
    if (rc == 1)
        return judge_response(p, ev);
    if (rc == 0)
        return 0;
    o->error = o->interim > INTERIM_MOST ? "too many interim answers" : o->head.error;
    return proto_fail(p, rc == DUET_ERR_NOMEM ? rc : DUET_ERR_HANDSHAKE, 0);
}

int opening_recv(duet_proto *p, duet_input *in, duet_event *ev)
{
    if (proto_masks(p))
        return recv_response(p, in, ev);
    int rc = read_head(p, in);
    if (rc == DUET_ERR_NOMEM)
        return proto_fail(p, rc, 0);
    if (rc == 0)
        return 0;
    const struct http_head *h = &p->busy->opening->head;
    return rc == 1 ? judge_request(p, ev) : refuse(p, (unsigned)-rc, h->error);
}

const duet_request *duet_proto_request(const duet_proto *p)
{
    return p->state == WAITING ? &p->busy->opening->request : NULL;
}

int duet_proto_accept(duet_proto *p, const char *subprotocol, const duet_header *headers, uint64_t now_ms)
{
    char space[512];
    struct buf b;
    if (p->state != WAITING)
        return DUET_ERR_STATE;
    char *name = subprotocol ? mem_strdup(subprotocol) : NULL;
    if (subprotocol != NULL && name == NULL)
        return DUET_ERR_NOMEM;
    struct extension agreed;
    struct deflate *deflate = NULL; /* without memory for it, the offer is declined */
    if (extension_choose(&p->busy->opening->head, p->busy->opening->bytes.at, &p->home->config.deflate, &agreed))
        deflate = deflate_new(&agreed, &p->home->config.deflate, NULL);
    struct handshake_terms terms = { subprotocol, headers, deflate ? &agreed : NULL };
    buf_init(&b, space, sizeof(space));
    int rc = name || deflate ? proto_need_rare(p) : 0;
    if (rc == 0)
        rc = handshake_answer(&b, &p->busy->opening->head, p->busy->opening->bytes.at, &terms);
    if (rc == 0)
        rc = queue(p, &b);
    buf_fini(&b);
    if (rc < 0) {
        deflate_free(deflate);
        mem_free(name);
        return rc;
    }
    if (p->rare != NULL)
        *p->rare = (struct proto_rare){ .subprotocol = name, .deflate = deflate };
    p->busy->status = 101;
    p->busy->now_ms = now_ms;
    opening_free(p);
    proto_enter(p, OPEN);
    proto_became_open(p);
    return 0;
}

int duet_proto_reject(duet_proto *p, unsigned status, const duet_header *headers, const void *body, size_t len)
{
    char space[512];
    struct buf b;
    if (p->state != WAITING)
        return DUET_ERR_STATE;
    if (status < 300 || status > 599)
        return DUET_ERR_INVALID;
    buf_init(&b, space, sizeof(space));
    reply_line(&b, status);
    handshake_refusal_fields(&b, status);
    buf_printf(&b, "Content-Length: %zu\r\n", len);
    int rc = reply_fields(&b, headers);
    buf_put(&b, "\r\n", 2);
    buf_put(&b, body, len);
    if (rc == 0)
        rc = queue(p, &b);
    buf_fini(&b);
    if (rc < 0)
        return rc;
    p->busy->status = (uint16_t)status;
    proto_fail(p, DUET_ERR_HANDSHAKE, 0);
    return 0;
}
