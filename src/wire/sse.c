/* SPDX-License-Identifier: MIT */
#include "wire/sse.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/session.h"
#include "wire/knock.h"
#include "wire/query.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 32 * 1024, POSITION = STREAM_EPOCH + 21, IDS = SSE_CHANNELS_MOST * POSITION };
enum { RETRY_MS = 1000, RETRY_SPREAD_MS = 2000 };

static const char quiet_topic[] = "sse-quiet";

/* One channel of a stream. */
struct feed {
    char *name;
    struct stream_position at; /* what its peer has, or is about to; its epoch is "" when the channel has no stream */
    bool recover, waits;
};

/* A stream: the way's own part of a session. */
struct events {
    struct session *session;
    uint32_t last;
    int over;        /* it is to end, by this code; 0: not yet */
    duet_timer *end; /* by this, which takes no memory when it is set: what is torn must not go on */
    struct guest *guest;
    unsigned count;
    struct feed feeds[SSE_CHANNELS_MOST];
    const char *names[SSE_CHANNELS_MOST]; /* of the feeds */
};

struct sse {
    struct wire wire;
    struct events *events;
};
_Static_assert(sizeof(struct sse) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;

static struct events *events_of(duet_http *x)
{
    struct sse *s = x ? duet_http_data(x) : NULL;
    return s != NULL && s->wire.on == &handler ? s->events : NULL;
}

/* Events. */

static void put_data(struct buf *b, const struct publication *p)
{
    buf_puts(b, "data: ");
    wire_put_payload(b, p);
    buf_puts(b, "\n\n");
}

static duet_shared *show(const char *channel, size_t len, const char *epoch, const struct publication *p)
{
    char space[512];
    struct buf b;
    (void)channel;
    (void)len;
    buf_init(&b, space, sizeof(space));
    if (p->offset > 0) {
        buf_puts(&b, "id: ");
        wire_put_position(&b, epoch, p->offset);
        buf_puts(&b, "\n");
    }
    put_data(&b, p);
    return wire_shared(&b);
}

const struct hub_form sse_form = { .publication = show };

/* Where all channels are. */
static void put_id(struct buf *b, const struct events *e)
{
    buf_puts(b, "id: ");
    for (unsigned i = 0; i < e->count; i++) {
        buf_puts(b, i > 0 ? "," : "");
        if (e->feeds[i].at.epoch[0] != '\0')
            wire_put_position(b, e->feeds[i].at.epoch, e->feeds[i].at.offset);
    }
    buf_puts(b, "\n");
}

static void events_free(struct events *e)
{
    if (e == NULL)
        return;
    session_free(e->session);
    guest_free(e->guest);
    duet_timer_free(e->end);
    for (unsigned i = 0; i < e->count; i++)
        mem_free(e->feeds[i].name);
    mem_free(e);
}

static void tell_end(duet_http *x, const struct events *e)
{
    struct wire_about about = { .way = "events" };
    if (e->count == 1) {
        about.channel = e->feeds[0].name;
        about.channel_len = strlen(e->feeds[0].name);
    }
    wire_describe_session(e->session, &about);
    wire_ended(x, &about, e->over);
}

static void end_now(void *arg)
{
    struct events *e = arg;
    duet_http *x = wire_stream_of(e->session);
    if (x == NULL)
        return; /* its connection is lost, and `gone` comes */
    tell_end(x, e);
    *(struct sse *)duet_http_data(x) = (struct sse){ .events = NULL };
    events_free(e);
    duet_http_end(x);
}

/* Ends the stream, but not from within a call of the hub: its peer comes back with its last id. */
static void cut(duet_http *x, int code)
{
    struct events *e = events_of(x);
    if (e == NULL || e->over != 0)
        return;
    e->over = code;
    duet_timer_set(e->end, 0);
}

static void write_out(duet_http *x, struct buf *b)
{
    int rc = b->failed ? DUET_ERR_NOMEM : duet_http_write(x, b->at, b->len);
    if (rc < 0)
        cut(x, rc == DUET_ERR_FULL ? HUB_DISCONNECT_SLOW : HUB_DISCONNECT_INTERNAL);
    buf_fini(b);
}

/* A publication with the position that is reached with it. */
static void put_event(struct buf *b, const struct events *e, const struct feed *f, const struct publication *p)
{
    if (p->offset > 0)
        put_id(b, e);
    if (e->count > 1)
        buf_printf(b, "event: %s\n", f->name);
    put_data(b, p);
}

/* Subscribing. */

static struct session *find(duet_server *s, uint64_t id)
{
    struct events *e = events_of(duet_http_find(s, id));
    return e ? e->session : NULL;
}

static void publication(struct session *s, const struct subscription *sub, struct publication *p)
{
    struct events *e = session_owner(s);
    struct feed *f = &e->feeds[subscription_tag(sub)];
    duet_http *x = wire_stream_of(s);
    struct buf b;
    if (x == NULL || e->over)
        return;
    if (p->offset > 0)
        f->at.offset = p->offset;
    buf_init(&b, NULL, 0);
    put_event(&b, e, f, p);
    write_out(x, &b);
}

/* The peer comes back by itself, with its last id. */
static void unsubscribed(struct session *s, const char *channel, size_t len, bool server_side, int code)
{
    duet_http *x = wire_stream_of(s);
    (void)channel;
    (void)len;
    (void)server_side;
    if (x != NULL)
        cut(x, code);
}

static void disconnect(struct session *s, int code, const char *reason)
{
    (void)reason; /* a stream has no words for it */
    unsubscribed(s, NULL, 0, false, code);
}

static void refresh(struct session *s, uint64_t at_ms)
{
    const struct events *e = session_owner(s);
    guest_extend(e->guest, at_ms);
}

static const struct session_calls calls = {
    .find = find,
    .join = wire_join_stream,
    .leave = wire_leave_stream,
    .publication = publication,
    .unsubscribed = unsubscribed,
    .disconnect = disconnect,
    .refresh = refresh,
};

static void subscribe(struct events *e, unsigned i);

static void go_on(duet_server *s, uint64_t id, void *unused)
{
    duet_http *x = duet_http_find(s, id);
    struct events *e = events_of(x);
    (void)unused;
    for (unsigned i = 0; e != NULL && i < e->count && !duet_http_congested(x); i++)
        if (e->feeds[i].waits)
            subscribe(e, i);
}

static void drained(duet_http *x)
{
    go_on(duet_http_server(x), duet_http_id(x), NULL);
}

static void put_lost(struct buf *b, const struct feed *f)
{
    buf_puts(b, "event: duet.lost\ndata: {\"channel\":");
    json_put_string(b, f->name, strlen(f->name));
    buf_puts(b, "}\n\n");
}

static void subscribed(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    struct events *e = session_owner(s);
    struct feed *f = &e->feeds[tag];
    duet_http *x = wire_stream_of(s);
    struct buf b;
    if (x == NULL)
        return;
    if (r->error != HUB_OK) {
        cut(x, (int)r->error);
        return;
    }
    buf_init(&b, NULL, 0);
    memcpy(f->at.epoch, r->epoch, sizeof(f->at.epoch));
    f->at.offset = r->offset;
    if (r->was_recovering && !r->recovered)
        put_lost(&b, f);
    for (uint32_t i = 0; i < r->count; i++) {
        f->at.offset = r->publications[i]->offset;
        put_event(&b, e, f, r->publications[i]);
    }
    if (r->count == 0 && r->positioned) {
        put_id(&b, e); /* by itself it makes no event, but is what Last-Event-ID will say */
        buf_puts(&b, "\n");
    }
    if (b.len > 0)
        write_out(x, &b);
    if (r->more) {
        f->waits = f->recover = true;
        if (!duet_http_congested(x) && duet_post(session_server(s), session_id(s), go_on, NULL) < 0)
            cut(x, HUB_DISCONNECT_INTERNAL);
    }
}

static void subscribe(struct events *e, unsigned i)
{
    struct feed *f = &e->feeds[i];
    const struct wire_site *site = wire_site_of(session_server(e->session));
    f->waits = false;
    session_subscribe(e->session, &(struct session_subscribe){
                                      .channel = f->name,
                                      .len = strlen(f->name),
                                      .form = site->sse,
                                      .direct = e->count > 1,
                                      .recover = f->recover,
                                      .from = f->at,
                                      .last = e->last,
                                      .page_bytes = PAGE_BYTES,
                                      .tag = i,
                                      .done = subscribed,
                                  });
}

static void gone(duet_http *x)
{
    struct sse *s = duet_http_data(x);
    if (s->events != NULL)
        tell_end(x, s->events);
    events_free(s->events);
    *s = (struct sse){ .events = NULL };
}

static const duet_handler handler = { .gone = gone };

void sse_tick(duet_server *s, uint64_t count)
{
    static const char comment[] = ":\n\n";
    if (count % SSE_QUIET_S == 0)
        duet_publish(s, quiet_topic, DUET_TEXT, comment, sizeof(comment) - 1);
}

/* The request. */

static const struct wire_refusal too_many = { 429, "this user has too many connections" };

static struct wire_refusal read_channels(struct events *e, const duet_request *r, const struct wire_site *site)
{
    const unsigned most = hub_limits(site->hub)->channels_per_connection;
    static const struct wire_refusal too_many_channels = { 400, "these are more channels than a connection may have" };
    char name[HUB_NAME_MOST + 2];
    const char *at = duet_request_query(r);
    long len;
    while ((len = query_next(&at, "channel", name, sizeof(name))) != -1) {
        if (len < 0 || memchr(name, '\0', (size_t)len) != NULL)
            return guest_no_channel(site, HUB_ERROR_BAD_REQUEST);
        if (e->count == SSE_CHANNELS_MOST)
            return (struct wire_refusal){ 400, "a stream has at most 16 channels" };
        if (e->count == most)
            return too_many_channels;
        for (unsigned i = 0; i < e->count; i++)
            if (strcmp(e->feeds[i].name, name) == 0)
                return (struct wire_refusal){ 400, "a channel is named twice" };
        e->feeds[e->count].name = mem_strdup(name);
        if (e->feeds[e->count].name == NULL)
            return wire_no_memory;
        e->count++;
    }
    return e->count > 0 ? wire_fine : (struct wire_refusal){ 400, "which channel? /events?channel=NAME" };
}

/* A position for each channel, empty where it has no stream. */
static struct wire_refusal read_since(struct events *e, const char *ids)
{
    static const struct wire_refusal bad = { 400,
                                             "since is the id of an event of the same channels: EPOCH:OFFSET,..." };
    for (unsigned i = 0; i < e->count; i++) {
        size_t len = strcspn(ids, ",");
        if (len > 0 && !wire_read_position(ids, len, &e->feeds[i].at))
            return bad;
        e->feeds[i].recover = len > 0;
        ids += len;
        if (*ids != (i + 1 < e->count ? ',' : '\0'))
            return bad;
        ids += *ids == ',';
    }
    return wire_fine;
}

static struct wire_refusal read_request(struct events *e, const duet_request *r, const struct wire_site *site)
{
    char text[IDS + 1];
    const char *id = duet_request_header(r, "last-event-id");
    struct wire_refusal no = read_channels(e, r, site);
    if (no.why != NULL)
        return no;
    long len = duet_request_param(r, "last", text, sizeof(text));
    if (len == 0 || (len > 0 && strspn(text, "0123456789") != (size_t)len))
        return (struct wire_refusal){ 400, "last is a number: of the newest events that come first" };
    unsigned long last = len > 0 ? strtoul(text, NULL, 10) : 0;
    e->last = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
    /* What came last by this address is newer than what the page was made with. */
    if (id == NULL && duet_request_param(r, "since", text, sizeof(text)) > 0)
        id = text;
    return id != NULL && id[0] != '\0' ? read_since(e, id) : wire_fine;
}

/* When to come back after a cut: not all at once after a restart. */
static int tell_retry(duet_http *x, const struct events *e)
{
    char first[8] = "", line[32];
    memcpy(first, session_client(e->session), 4);
    int len = snprintf(line, sizeof(line), "retry: %lu\n\n", RETRY_MS + strtoul(first, NULL, 16) % RETRY_SPREAD_MS);
    return duet_http_write(x, line, (size_t)len);
}

static void expired(duet_server *s, uint64_t id)
{
    duet_http *x = duet_http_find(s, id);
    if (x != NULL)
        cut(x, HUB_DISCONNECT_EXPIRED);
}

/* False: it was refused, or has ended already. Takes `e` either way. */
static bool begin(duet_http *x, struct events *e)
{
    static const duet_header headers[] = {
        { "Content-Type", "text/event-stream" },
        { "Cache-Control", "no-store" },
        { "X-Accel-Buffering", "no" },
        { NULL, NULL },
    };
    const struct session_who who = guest_who(e->guest);
    duet_server *server = duet_http_server(x);
    struct sse *s = duet_http_data(x);
    int rc = session_new(&e->session, wire_site_of(server)->hub, &calls, server, duet_http_id(x), &who, e);
    if (rc == 0)
        rc = guest_watch(e->guest, server, duet_http_id(x), expired);
    if (rc == 0 && (e->end = duet_timer_new(duet_server_loop(server), end_now, e)) == NULL)
        rc = DUET_ERR_NOMEM;
    bool begun = rc == 0 && duet_http_begin(x, 200, headers) == 0;
    if (begun && duet_http_subscribe(x, quiet_topic) == 0 && tell_retry(x, e) == 0) {
        s->events = e;
        s->wire.on = &handler;
        return true;
    }
    events_free(e);
    if (begun)
        duet_http_end(x);
    else
        wire_refuse(x, rc == DUET_ERR_LIMIT ? &too_many : &wire_no_memory);
    return false;
}

static void drop(void *arg)
{
    events_free(arg);
}

static void let_in(duet_http *x, struct guest *guest, void *arg)
{
    struct events *e = arg;
    e->guest = guest;
    if (!begin(x, e))
        return;
    duet_http_on_drain(x, drained);
    unsigned count = e->count;
    for (unsigned i = 0; i < count && events_of(x) == e; i++)
        subscribe(e, i);
}

void sse_http(duet_http *x, const duet_request *r)
{
    struct events *e = mem_zalloc(sizeof(*e));
    struct wire_refusal no = e ? read_request(e, r, wire_site_of(duet_http_server(x))) : wire_no_memory;
    if (no.why != NULL) {
        wire_refuse(x, &no);
        events_free(e);
        return;
    }
    for (unsigned i = 0; i < e->count; i++)
        e->names[i] = e->feeds[i].name;
    knock_at(x, r,
             &(struct knock){ .transport = SSE_TRANSPORT,
                              .channels = e->names,
                              .count = e->count,
                              .open = let_in,
                              .drop = drop,
                              .arg = e });
}
