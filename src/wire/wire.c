/* SPDX-License-Identifier: MIT */
#include "wire/wire.h"
#include "base/digest.h"
#include "base/json.h"
#include "hub/session.h"
#include "wire/centrifugal.h"
#include "wire/centrifugal_form.h"
#include "wire/operator.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include "wire/tracer.h"
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    COMMANDS_PER_S = 10000,
    CHANGES_PER_S = 500,
    PING_MS = 25 * 1000,
    PONG_MS = 10 * 1000,
    CONNECT_MS = 10 * 1000,
    EXPIRED_MS = 25 * 1000
};

static const duet_handler *of_conn(const duet_conn *c)
{
    static const duet_handler nobody;
    const struct wire *w = duet_data(c);
    return w->on ? w->on : &nobody;
}

static void opened(duet_conn *c)
{
    const duet_handler *on = of_conn(c);
    if (on->open)
        on->open(c);
}

static void message(duet_conn *c, const duet_msg *m)
{
    const duet_handler *on = of_conn(c);
    if (on->message)
        on->message(c, m);
}

static void drained(duet_conn *c)
{
    const duet_handler *on = of_conn(c);
    if (on->drain)
        on->drain(c);
}

/* Of the program's own ways: the home page shows it. */
static void pong(duet_conn *c, unsigned rtt_us)
{
    const duet_handler *on = of_conn(c);
    if (on->pong)
        on->pong(c, rtt_us);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    const duet_handler *on = of_conn(c);
    if (on->close)
        on->close(c, why);
}

static void gone(duet_http *x)
{
    const struct wire *w = duet_http_data(x);
    if (w->on != NULL && w->on->gone)
        w->on->gone(x);
}

const duet_handler wire_handler = {
    .open = opened,
    .message = message,
    .drain = drained,
    .pong = pong,
    .close = closed,
    .gone = gone,
};

/* Forms. */

static int init_centrifugal(struct wire_site *site)
{
    uint8_t random[WIRE_NODE / 2];
    int rc = hub_random(site->hub, random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(site->node + 2 * i, 3, "%02x", random[i]);
    for (int way = 0; way < CENTRIFUGAL_WAYS; way++)
        for (int listens = 0; listens < 2 && rc >= 0; listens++)
            rc = site->centrifugal[way][listens] = hub_add_form(site->hub, &centrifugal_forms[way][listens]);
    site->commands_per_s = COMMANDS_PER_S;
    site->changes_per_s = CHANGES_PER_S;
    site->ping_ms = PING_MS;
    site->pong_ms = PONG_MS;
    site->connect_ms = CONNECT_MS;
    site->expired_ms = EXPIRED_MS;
    return rc < 0 ? rc : 0;
}

int wire_init(struct wire_site *site, struct hub *hub)
{
    site->hub = hub;
    snprintf(site->no_channel, sizeof(site->no_channel),
             "no channel has this name: 1 to %" PRIu32 " bytes, without control characters", hub_limits(hub)->name_max);
    site->plain = hub_add_form(hub, &plain_form);
    site->envelope = hub_add_form(hub, &envelope_form);
    site->sse = hub_add_form(hub, &sse_form);
    return site->sse < 0 ? site->sse : init_centrifugal(site);
}

void wire_tick(struct wire_site *site, duet_server *s, uint64_t count)
{
    (void)site;
    sse_tick(s, count);
}

void wire_put_base64(struct buf *b, const void *data, size_t len)
{
    buf_puts(b, "\"");
    if (buf_reserve(b, 4 * (len / 3 + 1) + 1))
        b->len += base64_encode(b->at + b->len, data, len);
    buf_puts(b, "\"");
}

void wire_put_payload(struct buf *b, const struct publication *p)
{
    switch (p->is.kind) {
    case HUB_JSON:
        buf_put(b, p->is.data, p->is.len);
        break;
    case HUB_TEXT:
        json_put_string(b, p->is.data, p->is.len);
        break;
    case HUB_BINARY:
        buf_puts(b, "{\"b64\":");
        wire_put_base64(b, p->is.data, p->is.len);
        buf_puts(b, "}");
        break;
    }
}

void wire_put_publication(struct buf *b, const struct publication *p)
{
    buf_puts(b, "{\"data\":");
    wire_put_payload(b, p);
    wire_put_rest(b, p);
}

void wire_put_rest(struct buf *b, const struct publication *p)
{
    if (p->offset > 0)
        buf_printf(b, ",\"offset\":%" PRIu64, p->offset);
    if (p->is.info_len > 0) {
        buf_puts(b, ",\"info\":");
        buf_put(b, p->is.info, p->is.info_len);
    }
    if (p->is.tags_len > 0) {
        buf_puts(b, ",\"tags\":");
        buf_put(b, p->is.tags, p->is.tags_len);
    }
    buf_printf(b, ",\"time\":%" PRIu64 "}", p->is.time_ms);
}

void wire_put_position(struct buf *b, const char *epoch, uint64_t offset)
{
    buf_printf(b, "%s:%" PRIu64, epoch, offset);
}

bool wire_read_position(const char *text, size_t len, struct stream_position *out)
{
    const char *colon = memchr(text, ':', len);
    *out = (struct stream_position){ .offset = 0 };
    if (colon == NULL || colon - text > STREAM_EPOCH || colon + 1 == text + len)
        return false;
    memcpy(out->epoch, text, (size_t)(colon - text));
    for (const char *at = colon + 1; at < text + len; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(out->offset, 10, &out->offset) ||
            __builtin_add_overflow(out->offset, (uint64_t)(*at - '0'), &out->offset))
            return false;
    return true;
}

duet_shared *wire_shared(struct buf *b)
{
    duet_shared *s = b->failed ? NULL : duet_shared_new(DUET_TEXT, b->at, b->len);
    buf_fini(b);
    return s;
}

void wire_describe_session(const struct session *s, struct wire_about *out)
{
    if (s == NULL)
        return;
    out->user = session_user(s, &out->user_len);
    out->user = out->user_len > 0 ? out->user : NULL;
    out->channels = session_subscriptions(s);
    if (out->channels == 1 && out->channel == NULL)
        out->channel = subscription_channel(session_subscription(s, 0), &out->channel_len);
}

void wire_describe(const duet_conn *c, struct wire_about *out)
{
    *out = (struct wire_about){ .way = "" };
    if (!plain_describe(c, out) && !centrifugal_describe(c, out) && !operator_describe(c, out))
        tracer_describe(c, out);
}

void wire_ended(duet_http *x, const struct wire_about *about, int code)
{
    duet_server *s = duet_http_server(x);
    const struct wire_site *site = wire_site_of(s);
    if (site->ended != NULL)
        site->ended(x, about, code == 0 && duet_server_draining(s) ? HUB_DISCONNECT_SHUTDOWN : code);
}

/* A session's calls. */

duet_conn *wire_conn_of(const struct session *s)
{
    return duet_conn_find(session_server(s), session_id(s));
}

int wire_join(struct session *s, const char *topic)
{
    duet_conn *c = wire_conn_of(s);
    return c ? duet_subscribe(c, topic) : DUET_ERR_CLOSED;
}

int wire_leave(struct session *s, const char *topic)
{
    duet_conn *c = wire_conn_of(s);
    return c ? duet_unsubscribe(c, topic) : 0;
}

void wire_disconnect(struct session *s, int code, const char *reason)
{
    duet_conn *c = wire_conn_of(s);
    if (c != NULL)
        duet_close(c, (unsigned)code, reason ? reason : hub_code_text(code));
}

duet_http *wire_stream_of(const struct session *s)
{
    return duet_http_find(session_server(s), session_id(s));
}

int wire_join_stream(struct session *s, const char *topic)
{
    duet_http *x = wire_stream_of(s);
    return x ? duet_http_subscribe(x, topic) : DUET_ERR_CLOSED;
}

int wire_leave_stream(struct session *s, const char *topic)
{
    duet_http *x = wire_stream_of(s);
    return x ? duet_http_unsubscribe(x, topic) : 0;
}

/* Where a request comes from. */

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "localhost", "localhost:8080", "127.0.0.1", "[::1]:8080" */
static bool is_loopback_host(const char *host)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(names[i]);
        if (strncasecmp(host, names[i], len) == 0 && (host[len] == '\0' || host[len] == ':'))
            return true;
    }
    return false;
}

bool wire_is_from_here(const duet_request *r)
{
    static const char *const here[] = { "unix", "127.", "[::1]", "[::ffff:127." };
    if (duet_request_header(r, "x-forwarded-for") || duet_request_header(r, "forwarded"))
        return false;
    for (size_t i = 0; i < sizeof(here) / sizeof(*here); i++)
        if (starts(duet_request_peer(r), here[i]))
            return true;
    return false;
}

bool wire_is_local(const duet_request *r)
{
    const char *host = duet_request_host(r), *origin = duet_request_origin(r);
    if (!wire_is_from_here(r))
        return false;
    if (!starts(duet_request_peer(r), "unix") && (host == NULL || !is_loopback_host(host)))
        return false;
    if (origin == NULL)
        return true;
    const char *from = strstr(origin, "://");
    return from != NULL && host != NULL && strcasecmp(from + 3, host) == 0;
}

bool wire_is_secret(const char *given, const char *secret)
{
    size_t len = strlen(secret);
    return strlen(given) == len && CRYPTO_memcmp(given, secret, len) == 0;
}

const struct wire_refusal wire_fine;
const struct wire_refusal wire_no_memory = { 503, "out of memory, try again later" };

void wire_refuse(duet_http *x, const struct wire_refusal *no)
{
    const duet_header headers[] = {
        { "Content-Type", "text/plain; charset=utf-8" },
        { no->status == 401 ? "WWW-Authenticate" : NULL, no->challenge ? no->challenge : "Bearer" }, /* RFC 6750 3 */
        { NULL, NULL },
    };
    char line[200];
    int len = snprintf(line, sizeof(line), "%s\n", no->why);
    duet_http_reply(x, no->status, headers, line, (size_t)len);
}
