/* SPDX-License-Identifier: MIT */
#include "cmd/metrics.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cmd/logger.h"

static void one(struct buf *b, const char *name, const char *type, const char *help, unsigned long long value)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, value);
}

static void simple(struct buf *b, const duet_server_stats *s)
{
    one(b, "duet_connections", "gauge", "Open connections, HTTP and WebSocket.", s->connections);
    one(b, "duet_websockets", "gauge", "Open WebSockets.", s->websockets);
    one(b, "duet_accepted_total", "counter", "Connections accepted.", s->accepted);
    one(b, "duet_opened_total", "counter", "WebSockets opened.", s->opened);
    one(b, "duet_requests_total", "counter", "HTTP requests, upgrades included.", s->requests);
    one(b, "duet_messages_received_total", "counter", "WebSocket messages received.", s->messages_in);
    one(b, "duet_messages_sent_total", "counter", "WebSocket messages queued for sending.", s->messages_out);
    one(b, "duet_bytes_received_total", "counter", "Bytes received, before TLS.", s->bytes_in);
    one(b, "duet_bytes_sent_total", "counter", "Bytes sent, before TLS.", s->bytes_out);
    one(b, "duet_published_total", "counter", "Publications, counted once for each loop.", s->published);
    one(b, "duet_skipped_total", "counter", "Deliveries that a full queue refused.", s->skipped);
    one(b, "duet_subscriptions", "gauge", "Memberships of topics.", s->subscriptions);
    one(b, "duet_topics", "gauge", "Topics with members, counted once for each loop.", s->topics);
    one(b, "duet_log_dropped_total", "counter", "Log lines dropped, since nobody read them.", logger_dropped());
}

void metrics_reply(duet_http *x, duet_server *of)
{
    static const duet_header fields[] = { { "Content-Type", "text/plain; version=0.0.4; charset=utf-8" },
                                          { "Cache-Control", "no-store" },
                                          { NULL, NULL } };
    struct buf b;
    duet_server_stats *s = mem_alloc(sizeof(*s));
    if (s == NULL) {
        duet_http_text(x, 503, "out of memory");
        return;
    }
    duet_server_read_stats(of, s);
    buf_init(&b, NULL, 0);
    simple(&b, s);
    buf_printf(&b,
               "# HELP duet_loop_lag_seconds How late the slowest loop was.\n# TYPE duet_loop_lag_seconds gauge\n"
               "duet_loop_lag_seconds %.6f\n",
               (double)s->loop_lag_us / 1e6);
    buf_puts(&b, "# HELP duet_closed_total Refusals, failures and drops.\n# TYPE duet_closed_total counter\n");
    for (int i = 0; i < DUET_REASON_COUNT; i++)
        buf_printf(&b, "duet_closed_total{reason=\"%s\"} %llu\n", duet_reason_text((enum duet_reason)i),
                   (unsigned long long)s->reasons[i]);
    buf_puts(&b, "# HELP duet_closes_total WebSockets closed, by code.\n# TYPE duet_closes_total counter\n");
    for (int i = 0; i < 5000; i++)
        if (s->codes[i] > 0 && (i < 3000 || i == 0))
            buf_printf(&b, "duet_closes_total{code=\"%d\"} %llu\n", i, (unsigned long long)s->codes[i]);
    unsigned long long other = s->codes[5000];
    for (int i = 3000; i < 5000; i++) /* peers pick these: no label of theirs (OPS-6) */
        other += s->codes[i];
    buf_printf(&b, "duet_closes_total{code=\"3000-4999\"} %llu\n", other);
    mem_free(s);
    if (b.failed || duet_http_reply(x, 200, fields, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory");
    buf_fini(&b);
}
