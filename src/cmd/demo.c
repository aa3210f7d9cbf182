/* SPDX-License-Identifier: MIT */
#include "cmd/demo.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/traces.h"
#include "wire/wire.h"
#include <inttypes.h>
#include <string.h>

struct demo {
    struct traces *traces;
};

/* A WebSocket's block. */
struct echo {
    struct wire wire;
    struct trace *trace; /* NULL: none */
    uint32_t began_ms;   /* of the clock, cut: only differences count */
    bool spoke;          /* the first message has come */
};
_Static_assert(sizeof(struct echo) <= WIRE_DATA, "the block is too small");

/* A stream's block. */
struct follower {
    struct wire wire;
    struct trace *trace;
    int number;
};
_Static_assert(sizeof(struct follower) <= WIRE_DATA, "the block is too small");

static void pump(duet_http *x);

static void wake(duet_server *s, uint64_t id, void *unused)
{
    duet_http *x = duet_http_find(s, id);
    (void)unused;
    if (x != NULL)
        pump(x);
}

int demo_new(struct demo **out)
{
    struct demo *d = mem_zalloc(sizeof(*d));
    int rc = d ? traces_new(&d->traces, wake) : DUET_ERR_NOMEM;
    if (rc < 0) {
        demo_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void demo_free(struct demo *d)
{
    if (d == NULL)
        return;
    traces_free(d->traces);
    mem_free(d);
}

static uint32_t now_ms(void)
{
    return (uint32_t)clock_ms();
}

static struct traces *traces_of(const duet_conn *c)
{
    return demo_of(duet_server_of(c))->traces;
}

static const duet_handler echo_handler;

/* The connection's block when it is one of ours that is traced. */
static struct echo *traced(const duet_conn *c)
{
    struct echo *e = duet_data(c);
    return e->wire.on == &echo_handler && e->trace != NULL ? e : NULL;
}

void demo_head(duet_conn *c, bool sent, const char *head, size_t len)
{
    struct buf b;
    struct echo *e = duet_data(c);
    buf_init(&b, NULL, 0);
    buf_printf(&b, "event: %s\ndata: {\"head\":", sent ? "response" : "request");
    json_put_string(&b, head, len);
    buf_puts(&b, "}\n\n");
    if (!sent) {
        e->began_ms = now_ms();
        e->trace = traces_begin(traces_of(c), duet_server_of(c), &b);
    } else {
        trace_put_head(traces_of(c), e->trace, &b);
    }
    buf_fini(&b);
}

static void opened(duet_conn *c)
{
    if (traced(c))
        duet_conn_trace(c);
}

void demo_frame(duet_conn *c, const duet_trace *f)
{
    struct echo *e = traced(c);
    char space[256];
    struct buf b;
    if (e == NULL)
        return;
    buf_init(&b, space, sizeof(space));
    buf_printf(&b,
               "event: frame\ndata: {\"dir\":\"%s\",\"fin\":%d,\"rsv\":%d,\"opcode\":%d,\"masked\":%d,"
               "\"length\":%" PRIu64 ",\"head\":\"",
               f->sent ? "out" : "in", f->final, f->rsv, f->opcode, f->masked, f->length);
    for (size_t i = 0; i < f->head_len; i++)
        buf_printf(&b, "%02x", f->head[i]);
    buf_printf(&b, "\",\"ms\":%" PRIu32 "}\n\n", now_ms() - e->began_ms);
    trace_put(traces_of(c), e->trace, &b);
    buf_fini(&b);
}

static bool is_text(const duet_msg *m, const char *text)
{
    return m->type == DUET_TEXT && m->len == strlen(text) && memcmp(m->data, text, m->len) == 0;
}

/* The token in {"trace":"TOKEN"}; NULL: it is another message. */
static const char *token_of(const duet_msg *m)
{
    static const char before[] = "{\"trace\":\"", behind[] = "\"}";
    enum { BEFORE = sizeof(before) - 1, BEHIND = sizeof(behind) - 1 };
    const char *text = m->data;
    if (m->type != DUET_TEXT || m->len != BEFORE + TRACES_TOKEN + BEHIND || memcmp(text, before, BEFORE) != 0 ||
        memcmp(text + BEFORE + TRACES_TOKEN, behind, BEHIND) != 0)
        return NULL;
    return traces_is_token(text + BEFORE, TRACES_TOKEN) ? text + BEFORE : NULL;
}

static void message(duet_conn *c, const duet_msg *m)
{
    struct echo *e = duet_data(c);
    const char *token = e->spoke ? NULL : token_of(m);
    if (!e->spoke && e->trace != NULL) {
        if (token != NULL)
            e->trace = traces_name(traces_of(c), e->trace, token);
        else
            trace_end(traces_of(c), e->trace), e->trace = NULL;
    }
    e->spoke = true;
    if (token != NULL)
        return;
    if (is_text(m, "close"))
        duet_close(c, DUET_CODE_NORMAL, "bye");
    else if (is_text(m, "ping"))
        duet_ping(c);
    else
        duet_send(c, m->type, m->data, m->len);
}

static void pong(duet_conn *c, unsigned rtt_us)
{
    struct echo *e = traced(c);
    char space[64];
    struct buf b;
    if (e == NULL)
        return;
    buf_init(&b, space, sizeof(space));
    buf_printf(&b, "event: rtt\ndata: {\"us\":%u}\n\n", rtt_us);
    trace_put(traces_of(c), e->trace, &b);
    buf_fini(&b);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct echo *e = traced(c);
    char space[256];
    struct buf b;
    if (e == NULL)
        return;
    buf_init(&b, space, sizeof(space));
    buf_printf(&b, "event: close\ndata: {\"code\":%u,\"reason\":", why->code);
    json_put_string(&b, why->reason, why->reason_len);
    buf_printf(&b, ",\"clean\":%s}\n\n", why->error == 0 ? "true" : "false");
    trace_put(traces_of(c), e->trace, &b);
    buf_fini(&b);
    trace_end(traces_of(c), e->trace);
    e->trace = NULL;
}

static const duet_handler echo_handler = { .open = opened, .message = message, .pong = pong, .close = closed };

void demo_upgrade(duet_http *x, const duet_request *r)
{
    struct echo *e = duet_http_data(x);
    (void)r;
    e->wire.on = &echo_handler;
    if (duet_http_upgrade(x, NULL, NULL) == 0)
        return;
    e->wire.on = NULL;
    duet_http_text(x, 503, "out of memory, try again later");
}

static void unfollow(duet_http *x)
{
    struct follower *f = duet_http_data(x);
    trace_unfollow(demo_of(duet_http_server(x))->traces, f->trace, f->number);
    f->wire.on = NULL;
}

static const duet_handler follower_handler = { .gone = unfollow };

/* Writes what is new to a stream, as far as its peer takes it. */
static void pump(duet_http *x)
{
    struct follower *f = duet_http_data(x);
    enum traces_more more = TRACES_MORE;
    if (f->wire.on != &follower_handler)
        return;
    while (more == TRACES_MORE && !duet_http_congested(x)) {
        struct buf b;
        buf_init(&b, NULL, 0);
        more = trace_read(demo_of(duet_http_server(x))->traces, f->trace, f->number, &b);
        int rc = b.failed ? DUET_ERR_NOMEM : duet_http_write(x, b.at, b.len);
        buf_fini(&b);
        if (rc < 0)
            return;
    }
    if (more == TRACES_OVER) {
        unfollow(x);
        duet_http_end(x);
    }
}

void demo_trace(duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "text/event-stream" },
        { "Cache-Control", "no-store" },
        { "X-Accel-Buffering", "no" },
        { NULL, NULL },
    };
    struct follower *f = duet_http_data(x);
    const char *token = duet_request_path(r) + strlen(DEMO_TRACE);
    if (!traces_is_token(token, strlen(token))) {
        duet_http_text(x, 404, "no trace has this name");
        return;
    }
    if (strcmp(duet_request_method(r), "HEAD") == 0) {
        duet_http_reply(x, 200, headers, NULL, 0);
        return;
    }
    duet_server *s = duet_http_server(x);
    f->number = traces_follow(demo_of(s)->traces, s, token, duet_http_id(x), &f->trace);
    if (f->number < 0) {
        duet_http_text(x, 503, "too many traces are read now, try again later");
        return;
    }
    f->wire.on = &follower_handler;
    if (duet_http_begin(x, 200, headers) < 0) {
        unfollow(x);
        duet_http_text(x, 503, "out of memory, try again later");
        return;
    }
    duet_http_on_drain(x, pump);
    pump(x);
}
