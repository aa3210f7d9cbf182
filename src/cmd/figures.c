/* SPDX-License-Identifier: MIT */
#include "cmd/figures.h"
#include "base/json.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHANNELS_AT_ONCE = 8192, CODES = sizeof(((duet_server_stats *)0)->codes) / sizeof(uint64_t) };

/* Of the channels: the round so far, and the one before. `value` and `other` are subscribers and publications in a
 * thousand seconds, or the other way about. */
struct tops {
    struct top subscribed, busy;
};

struct figures {
    struct hub *hub;
    duet_server *server;
    struct readers *readers;
    struct tops round, last;
    struct readers_seen seen;
    duet_server_stats stats;
};

int figures_new(struct figures **out, duet_server *s, struct hub *hub)
{
    struct figures *f = mem_zalloc(sizeof(*f));
    if (f == NULL)
        return DUET_ERR_NOMEM;
    f->hub = hub;
    f->server = s;
    int rc = readers_new(&f->readers, s);
    if (rc < 0) {
        mem_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

void figures_free(struct figures *f)
{
    if (f == NULL)
        return;
    readers_free(f->readers);
    mem_free(f);
}

/* Channels. */

static void add(struct top *t, const struct hub_glance *g, uint64_t value, uint64_t other)
{
    struct top_entry e = { .value = value, .other = other };
    if (!top_takes(t, value))
        return;
    top_name(&e, g->name, g->len);
    top_add(t, &e);
}

static void look_at(void *arg, const struct hub_glance *g)
{
    struct tops *round = arg;
    uint64_t rate = g->since_ms > 0 ? (g->published - g->before) * 1000000 / g->since_ms : 0;
    add(&round->subscribed, g, g->subscribers, rate);
    add(&round->busy, g, rate, g->subscribers);
}

static void look(struct figures *f)
{
    readers_look(f->readers);
    readers_seen(f->readers, &f->seen);
    if (!hub_survey(f->hub, CHANNELS_AT_ONCE, look_at, &f->round))
        return;
    f->last = f->round;
    memset(&f->round, 0, sizeof(f->round));
}

/* Writing. */

static void put(struct buf *b, const char *name, uint64_t value)
{
    bool first = b->len > 0 && b->at[b->len - 1] == '{';
    buf_printf(b, "%s\"%s\":%" PRIu64, first ? "" : ",", name, value);
}

struct named {
    const char *name; /* NULL: the end */
    uint64_t value;
};

static void put_all(struct buf *b, const char *name, const struct named *values)
{
    buf_printf(b, ",\"%s\":{", name);
    for (; values->name != NULL; values++)
        put(b, values->name, values->value);
    buf_puts(b, "}");
}

static void put_counts(struct buf *b, const duet_server_stats *s, const struct hub_stats *h, uint64_t log_dropped)
{
    put_all(b, "now",
            (const struct named[]){ { "connections", s->connections },
                                    { "websockets", s->websockets },
                                    { "sessions", h->sessions },
                                    { "users", h->users },
                                    { "subscriptions", h->subscriptions },
                                    { "channels", h->channels },
                                    { "history_bytes", h->history_bytes },
                                    { "lag_us", s->loop_lag_us },
                                    { NULL, 0 } });
    put_all(b, "sum",
            (const struct named[]){ { "accepted", s->accepted },
                                    { "opened", s->opened },
                                    { "requests", s->requests },
                                    { "messages_in", s->messages_in },
                                    { "messages_out", s->messages_out },
                                    { "bytes_in", s->bytes_in },
                                    { "bytes_out", s->bytes_out },
                                    { "publications", h->publications },
                                    { "refused", h->refused },
                                    { "skipped", s->skipped },
                                    { "log_dropped", log_dropped },
                                    { NULL, 0 } });
}

static void put_closes(struct buf *b, const duet_server_stats *s)
{
    char name[16];
    buf_puts(b, ",\"closes\":{");
    for (int i = 0; i < CODES; i++)
        if (s->codes[i] > 0) {
            snprintf(name, sizeof(name), "%d", i);
            put(b, i > 0 ? name : "other", s->codes[i]);
        }
    buf_puts(b, "},\"reasons\":{");
    for (int i = 0; i < DUET_REASON_COUNT; i++)
        if (s->reasons[i] > 0)
            put(b, duet_reason_text((enum duet_reason)i), s->reasons[i]);
    buf_puts(b, "}");
}

static void put_trips(struct buf *b, const struct readers_seen *seen)
{
    buf_puts(b, ",\"trips\":[");
    for (int i = 0; i < READERS_TRIPS; i++)
        buf_printf(b, "%s%" PRIu64, i > 0 ? "," : "", seen->trips[i]);
    buf_puts(b, "]");
    put(b, "unanswered", seen->unanswered);
    put(b, "looked", seen->connections);
}

static void put_channels(struct buf *b, const char *name, const struct top *t, bool by_rate)
{
    buf_printf(b, ",\"%s\":[", name);
    for (unsigned i = 0; i < t->count; i++) {
        const struct top_entry *e = &t->of[i];
        uint64_t rate = by_rate ? e->value : e->other;
        buf_puts(b, i > 0 ? ",{\"channel\":" : "{\"channel\":");
        json_put_string(b, e->name, e->len);
        buf_printf(b, ",\"subscribers\":%" PRIu64 ",\"rate\":%" PRIu64 ".%03u}", by_rate ? e->other : e->value,
                   rate / 1000, (unsigned)(rate % 1000));
    }
    buf_puts(b, "]");
}

static void put_slow(struct buf *b, const struct top *t)
{
    buf_puts(b, ",\"slow\":[");
    for (unsigned i = 0; i < t->count; i++) {
        const struct top_entry *e = &t->of[i];
        /* An id may be larger than what a script's number holds. */
        buf_printf(b, "%s{\"id\":\"%" PRIu64 "\",\"user\":", i > 0 ? "," : "", e->id);
        json_put_string(b, e->name, e->len);
        buf_puts(b, ",\"from\":");
        json_put_string(b, e->note, strlen(e->note));
        put(b, "queued", e->value);
        put(b, "rtt_us", e->other);
        put(b, "age_ms", e->age_ms);
        buf_puts(b, "}");
    }
    buf_puts(b, "]");
}

void figures_write(struct figures *f, struct buf *b, uint64_t log_dropped)
{
    struct hub_stats h;
    char why[HUB_WHY] = "";
    look(f);
    duet_server_read_stats(f->server, &f->stats);
    hub_read_stats(f->hub, &h);
    bool healthy = hub_healthy(f->hub, why);
    buf_printf(b, "{\"t\":%" PRIu64 ",\"version\":\"%s\"", hub_now(f->hub), duet_version());
    put(b, "uptime_ms", h.uptime_ms);
    buf_printf(b, ",\"healthy\":%s,\"why\":", healthy ? "true" : "false");
    json_put_string(b, why, strlen(why));
    put_counts(b, &f->stats, &h, log_dropped);
    put_closes(b, &f->stats);
    put_trips(b, &f->seen);
    put_channels(b, "subscribed", &f->last.subscribed, false);
    put_channels(b, "busy", &f->last.busy, true);
    put_slow(b, &f->seen.slow);
    buf_puts(b, "}");
}
