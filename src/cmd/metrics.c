/* SPDX-License-Identifier: MIT */
#include "cmd/metrics.h"
#include "base/mem.h"
#include <inttypes.h>

enum { CODES = sizeof(((duet_server_stats *)0)->codes) / sizeof(uint64_t) };

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *b, const char *name, uint64_t value, const char *help)
{
    head(b, name, "gauge", help);
    buf_printf(b, "%s %" PRIu64 "\n", name, value);
}

static void counter(struct buf *b, const char *name, uint64_t value, const char *help)
{
    head(b, name, "counter", help);
    buf_printf(b, "%s %" PRIu64 "\n", name, value);
}

static void put_seconds(struct buf *b, uint64_t us)
{
    buf_printf(b, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void put_turns(struct buf *b, const duet_server_stats *s)
{
#define BOUND(us) us,
    static const uint64_t bounds[] = { DUET_TURN_BOUNDS_US(BOUND) };
#undef BOUND
    uint64_t count = 0;
    head(b, "duet_loop_turn_seconds", "histogram", "How long a loop was away from its next wait, of all loops.");
    for (int i = 0; i < DUET_TURN_BUCKETS - 1; i++) {
        count += s->turns[i];
        buf_puts(b, "duet_loop_turn_seconds_bucket{le=\"");
        put_seconds(b, bounds[i]);
        buf_printf(b, "\"} %" PRIu64 "\n", count);
    }
    count += s->turns[DUET_TURN_BUCKETS - 1];
    buf_printf(b, "duet_loop_turn_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", count);
    buf_puts(b, "duet_loop_turn_seconds_sum ");
    put_seconds(b, s->turns_us);
    buf_printf(b, "\nduet_loop_turn_seconds_count %" PRIu64 "\n", count);
}

static void put_all(struct buf *b, const duet_server_stats *s)
{
    gauge(b, "duet_connections", s->connections, "Connections open now, of HTTP and WebSockets.");
    gauge(b, "duet_websockets", s->websockets, "WebSockets open now.");
    counter(b, "duet_accepted_total", s->accepted, "Connections accepted.");
    counter(b, "duet_opened_total", s->opened, "WebSockets opened.");
    counter(b, "duet_requests_total", s->requests, "HTTP requests, upgrades included.");
    counter(b, "duet_messages_received_total", s->messages_in, "Messages received.");
    counter(b, "duet_messages_sent_total", s->messages_out, "Messages queued for a peer.");
    counter(b, "duet_bytes_received_total", s->bytes_in, "Bytes received.");
    counter(b, "duet_bytes_sent_total", s->bytes_out, "Bytes sent.");
    counter(b, "duet_published_total", s->published, "Messages given to topics: a publication once for each way out.");
    counter(b, "duet_skipped_total", s->skipped, "Deliveries that a full queue refused.");
    gauge(b, "duet_subscriptions", s->subscriptions, "Memberships of topics now.");
    gauge(b, "duet_topics", s->topics, "Topics with members now, counted once for each loop.");
    gauge(b, "duet_deflate_bytes", s->deflate_bytes, "Memory of compressing and inflating, kept windows included.");
    head(b, "duet_closed_total", "counter", "Peers refused, failed or dropped, by reason.");
    for (int i = 0; i < DUET_REASON_COUNT; i++)
        buf_printf(b, "duet_closed_total{reason=\"%s\"} %" PRIu64 "\n", duet_reason_text((enum duet_reason)i),
                   s->reasons[i]);
    head(b, "duet_closes_total", "counter", "WebSockets closed, by the code the peer sent; 1006: none came.");
    for (int i = 1; i < CODES; i++)
        if (s->codes[i] > 0 && i < 3000)
            buf_printf(b, "duet_closes_total{code=\"%d\"} %" PRIu64 "\n", i, s->codes[i]);
    uint64_t registered = 0, own = 0;
    for (int i = 3000; i < CODES; i++)
        *(i < 4000 ? &registered : &own) += s->codes[i];
    buf_printf(b, "duet_closes_total{code=\"3000-3999\"} %" PRIu64 "\n", registered);
    buf_printf(b, "duet_closes_total{code=\"4000-4999\"} %" PRIu64 "\n", own);
    buf_printf(b, "duet_closes_total{code=\"other\"} %" PRIu64 "\n", s->codes[0]);
    head(b, "duet_loop_lag_seconds", "gauge", "How late the slowest loop came to its work in the last seconds.");
    buf_puts(b, "duet_loop_lag_seconds ");
    put_seconds(b, s->loop_lag_us);
    buf_puts(b, "\n");
    put_turns(b, s);
}

static void put_hub(struct buf *b, struct hub *hub)
{
    struct hub_stats s;
    hub_read_stats(hub, &s);
    gauge(b, "duet_hub_channels", s.channels, "Channels in memory now.");
    gauge(b, "duet_hub_sessions", s.sessions, "Clients of channels now, whatever way they came.");
    gauge(b, "duet_hub_users", s.users, "Different users among them, all without a name counted as one.");
    gauge(b, "duet_hub_subscriptions", s.subscriptions, "Subscriptions now.");
    gauge(b, "duet_hub_history_bytes", s.history_bytes, "Memory of the publications that are kept.");
    counter(b, "duet_hub_publications_total", s.publications, "Publications told.");
    counter(b, "duet_hub_recovered_total", s.recovered, "Subscribers that came back and got all they missed.");
    counter(b, "duet_hub_unrecovered_total", s.unrecovered, "Those who were told that it is not kept any more.");
    char why[HUB_WHY];
    gauge(b, "duet_hub_store_healthy", hub_healthy(hub, why), "1: publications can be kept; 0: the store has trouble.");
    counter(b, "duet_hub_refused_total", s.refused, "Publications that the store did not take.");
}

void metrics_write(struct buf *b, duet_server *s, struct hub *hub, uint64_t log_dropped)
{
    duet_server_stats *stats = mem_alloc(sizeof(*stats)); /* 40 KiB */
    if (stats == NULL) {
        b->failed = true;
        return;
    }
    duet_server_read_stats(s, stats);
    put_all(b, stats);
    mem_free(stats);
    put_hub(b, hub);
    counter(b, "duet_log_dropped_total", log_dropped, "Lines of the log that nobody took in time.");
}

void metrics_write_hooks(struct buf *b, struct hooks *hooks)
{
    struct hooks_stats s;
    hooks_read_stats(hooks, &s);
    head(b, "duet_hook_asked_total", "counter", "Questions to the backend.");
    for (int i = 0; i < HOOK_KINDS; i++)
        buf_printf(b, "duet_hook_asked_total{hook=\"%s\"} %" PRIu64 "\n", hook_name((enum hook_kind)i), s.asked[i]);
    head(b, "duet_hook_failed_total", "counter", "Those of them that it did not answer, or was not asked for that.");
    for (int i = 0; i < HOOK_KINDS; i++)
        buf_printf(b, "duet_hook_failed_total{hook=\"%s\"} %" PRIu64 "\n", hook_name((enum hook_kind)i), s.failed[i]);
    gauge(b, "duet_hook_waiting", s.waiting, "Questions without an answer now.");
    gauge(b, "duet_events_waiting", s.events_waiting, "Events that the backend has not taken yet.");
    counter(b, "duet_events_told_total", s.events_told, "Events that the backend took.");
    counter(b, "duet_events_dropped_total", s.events_dropped, "Events that found no room to wait.");
}
