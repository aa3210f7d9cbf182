/* SPDX-License-Identifier: MIT */
#include "wire/tracer.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/trace.h"
#include "wire/operator.h"
#include <inttypes.h>
#include <string.h>

enum { AT_ONCE = 32 };

struct trace_way {
    struct wire wire;
    struct tracer *tracer; /* NULL before `open` */
    char *channel;
};
_Static_assert(sizeof(struct trace_way) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;

static struct trace_way *way_of(const duet_conn *c)
{
    struct trace_way *w = c ? duet_data(c) : NULL;
    return w != NULL && w->wire.on == &handler ? w : NULL;
}

/* Writing. */

static void send(duet_conn *c, struct buf *b)
{
    duet_shared *m = wire_shared(b);
    if (m == NULL || duet_send_shared(c, m) < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    duet_shared_unref(m);
}

static void put_step(struct buf *b, const struct trace_step *s)
{
    static const char *const kinds[] = { "json", "text", "binary" };
    buf_printf(b, "{\"run\":%u,\"us\":%" PRIu64 ",\"step\":", s->run, s->us);
    switch (s->kind) {
    case TRACE_CAME:
        buf_printf(b, "\"came\",\"way\":\"%s\",\"bytes\":%" PRIu64 ",\"kind\":\"%s\",\"who\":", s->way, s->count,
                   kinds[s->more]);
        json_put_string(b, s->text, strlen(s->text));
        break;
    case TRACE_REFUSED:
        buf_printf(b, "\"refused\",\"code\":%d,\"message\":", s->error);
        json_put_string(b, s->text, strlen(s->text));
        break;
    case TRACE_LOADS:
        buf_puts(b, "\"loads\"");
        break;
    case TRACE_KNOWN:
        buf_printf(b, s->more ? "\"stale\"" : "\"known\",\"offset\":%" PRIu64, s->offset);
        break;
    case TRACE_NUMBERED:
        buf_printf(b, "\"numbered\",\"offset\":%" PRIu64 ",\"store\":%s", s->offset, s->more ? "true" : "false");
        break;
    case TRACE_KEPT:
        buf_printf(b, "\"kept\",\"offset\":%" PRIu64, s->offset);
        break;
    case TRACE_FAILED:
        buf_puts(b, "\"failed\"");
        break;
    case TRACE_TOLD:
        buf_printf(b, "\"told\",\"subscribers\":%" PRIu64 ",\"forms\":%" PRIu64, s->count, s->more);
        break;
    case TRACE_GIVEN:
        buf_printf(b, "\"given\",\"loop\":%u,\"members\":%" PRIu64 ",\"turns\":%" PRIu64, s->loop, s->count, s->more);
        break;
    }
    buf_puts(b, "}");
}

/* What there is, as far as the queue has room: the rest waits in the ring, and what finds no room there is counted. */
static void tell(duet_conn *c, struct tracer *t)
{
    struct trace_step steps[AT_ONCE];
    char space[512];
    struct buf b;
    uint64_t lost;
    unsigned n = AT_ONCE;
    while (n == AT_ONCE && !duet_congested(c)) {
        n = hub_trace_take(t, steps, AT_ONCE, &lost);
        for (unsigned i = 0; i < n; i++) {
            buf_init(&b, space, sizeof(space));
            put_step(&b, &steps[i]);
            send(c, &b);
        }
        if (lost == 0)
            continue;
        buf_init(&b, space, sizeof(space));
        buf_printf(&b, "{\"lost\":%" PRIu64 "}", lost);
        send(c, &b);
    }
}

static void news(duet_server *s, uint64_t id, void *unused)
{
    duet_conn *c = duet_conn_find(s, id);
    const struct trace_way *w = way_of(c);
    (void)unused;
    if (w != NULL && w->tracer != NULL)
        tell(c, w->tracer);
}

static void drained(duet_conn *c)
{
    news(duet_server_of(c), duet_id(c), NULL);
}

/* Coming and going. */

static void opened(duet_conn *c)
{
    struct trace_way *w = duet_data(c);
    struct buf b;
    duet_server *server = duet_server_of(c);
    int rc = hub_trace_begin(&w->tracer, wire_site_of(server)->hub, w->channel, strlen(w->channel), server, duet_id(c),
                             news);
    if (rc < 0) {
        duet_close(c, DUET_CODE_LATER, rc == DUET_ERR_LIMIT ? "8 traces run already: end one" : "out of memory");
        return;
    }
    buf_init(&b, NULL, 0);
    buf_puts(&b, "{\"channel\":");
    json_put_string(&b, w->channel, strlen(w->channel));
    buf_puts(&b, "}");
    send(c, &b);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct trace_way *w = duet_data(c);
    (void)why;
    hub_trace_end(w->tracer);
    mem_free(w->channel);
    w->tracer = NULL;
    w->channel = NULL;
}

static const duet_handler handler = { .open = opened, .drain = drained, .close = closed };

void tracer_upgrade(duet_http *x, const duet_request *r, const char *channel)
{
    struct trace_way *w = duet_http_data(x);
    char *name = mem_strdup(channel);
    *w = (struct trace_way){ .wire.on = &handler, .channel = name };
    if (name != NULL &&
        duet_http_upgrade(x, duet_request_offers(r, OPERATOR_PROTOCOL) ? OPERATOR_PROTOCOL : NULL, NULL) == 0)
        return;
    *w = (struct trace_way){ .channel = NULL };
    mem_free(name);
    wire_refuse(x, &wire_no_memory);
}

bool tracer_describe(const duet_conn *c, struct wire_about *out)
{
    const struct trace_way *w = way_of(c);
    if (w == NULL)
        return false;
    out->way = "trace";
    out->channel = w->channel;
    out->channel_len = w->channel ? strlen(w->channel) : 0;
    return true;
}
