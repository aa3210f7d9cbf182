/* SPDX-License-Identifier: MIT */
/*
 * The way of a client from its `connect` to being connected: who it is, by its token, and the channels it is in from
 * the start. The answer tells where each of those stands, so it is written when the last is joined; what comes live in
 * the first ones waits behind it, since topics are held meanwhile.
 */
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/centrifugal_client.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct centrifugal_join {
    uint32_t id;     /* of the connect */
    unsigned left;   /* channels that are not joined yet, and one for who asks */
    int code;        /* why it cannot be; 0: it can */
    struct buf subs; /* "channel":{...},... */
    struct buf data; /* JSON that the backend has for it; empty: none */
};

void centrifugal_join_free(struct centrifugal *c)
{
    if (c->join != NULL) {
        buf_fini(&c->join->subs);
        buf_fini(&c->join->data);
    }
    mem_free(c->join);
    c->join = NULL;
}

static void hold(const struct centrifugal *c, bool held)
{
    if (c->way == CENTRIFUGAL_WEBSOCKET) {
        duet_conn *conn = duet_conn_find(c->server, c->id);
        if (conn != NULL)
            duet_hold(conn, held);
    } else {
        duet_http *x = duet_http_find(c->server, c->id);
        if (x != NULL)
            duet_http_hold(x, held);
    }
}

/* The answer. */

static void put_expiry(struct buf *b, uint64_t expires_ms, uint64_t now_ms)
{
    if (expires_ms == 0)
        return;
    uint64_t left = expires_ms > now_ms ? (expires_ms - now_ms + 999) / 1000 : 1;
    buf_printf(b, ",\"expires\":true,\"ttl\":%" PRIu64, left > 0 ? left : 1);
}

enum { NAME = 16 + CENTRIFUGAL_SECRET + 1 };

/* What an emulated session is called: its letters come under this name. */
static const char *name_of(const struct centrifugal *c, char out[NAME])
{
    snprintf(out, NAME, "%016" PRIx64 "%s", c->id, c->secret);
    return out;
}

bool centrifugal_is_named(const struct session *s, const char *name, size_t len)
{
    const struct centrifugal *c = session_owner(s);
    char own[NAME];
    return c->secret[0] != '\0' && len == NAME - 1 && memcmp(name_of(c, own), name, len) == 0;
}

static void put_connected(const struct centrifugal *c, struct buf *b)
{
    char name[NAME];
    const struct wire_site *site = wire_site_of(c->server);
    buf_printf(b, "{\"client\":\"%s\",\"version\":\"duet %s\"", session_client(c->session), duet_version());
    if (c->ask_ms == 0) /* else it is the backend that is asked, not the client */
        put_expiry(b, c->expires_ms, hub_now(site->hub));
    if (c->join->data.len > 0) {
        buf_puts(b, ",\"data\":");
        buf_put(b, c->join->data.at, c->join->data.len);
    }
    if (c->join->subs.len > 0) {
        buf_puts(b, ",\"subs\":{");
        buf_put(b, c->join->subs.at, c->join->subs.len);
        buf_puts(b, "}");
    }
    if (c->pings)
        buf_printf(b, ",\"ping\":%" PRIu64 "%s", site->ping_ms / 1000, c->listens_only ? "" : ",\"pong\":true");
    if (c->secret[0] != '\0')
        buf_printf(b, ",\"session\":\"%s\"", name_of(c, name));
    buf_printf(b, ",\"node\":\"%s\"}", site->node);
}

static void answer(struct centrifugal *c)
{
    char space[1024];
    struct buf b;
    if (c->join->subs.failed || c->join->data.failed)
        c->join->code = HUB_DISCONNECT_INTERNAL;
    if (c->join->code != 0) {
        centrifugal_disconnect(c, c->join->code);
        return;
    }
    if (c->listens_only) {
        centrifugal_begin(c, &b, space, sizeof(space));
        centrifugal_put_push(&b, true, "", 0, "connect");
    } else {
        centrifugal_reply(c, &b, space, sizeof(space), c->join->id, CENTRIFUGAL_CONNECT);
    }
    put_connected(c, &b);
    buf_puts(&b, "}");
    centrifugal_send(c, &b);
    centrifugal_join_free(c);
    hold(c, false);
    if (c->state == CENTRIFUGAL_JOINING)
        centrifugal_connected(c);
}

static void joined_one(struct centrifugal *c)
{
    if (--c->join->left == 0)
        answer(c);
}

/* Channels from the server's side: from the start, by its token or the backend, and later by the API. */

/* False: there is no memory for it. */
static bool invite(struct centrifugal *c, const struct hub_invitation *i,
                   void (*done)(struct session *s, uint64_t tag, const struct session_subscribed *r))
{
    bool renewed = i->expire_at_ms > 0 && centrifugal_has_hook(c, HOOK_SUB_REFRESH);
    uint64_t tag = centrifugal_expect(c, i);
    if (tag == 0)
        return false;
    session_subscribe(c->session, &(struct session_subscribe){
                                      .channel = i->channel,
                                      .len = i->len,
                                      .form = centrifugal_form_of(c),
                                      .recover = i->recover && i->override.force_recovery != HUB_NO,
                                      .positioned = i->override.force_positioning == HUB_YES,
                                      .recoverable = i->override.force_recovery == HUB_YES,
                                      .from = i->from,
                                      .join_leave = i->override.force_push_join_leave != HUB_NO,
                                      .server_side = true,
                                      .unseen = i->override.presence == HUB_NO,
                                      .unheard = i->override.join_leave == HUB_NO,
                                      .tag = tag,
                                      .chan_info = i->info,
                                      .chan_info_len = i->info_len,
                                      .expire_at_ms = i->expire_at_ms,
                                      .renewal_ms = renewed ? i->expire_at_ms : 0,
                                      .done = done,
                                  });
    return true;
}

static int why_not(enum hub_error error)
{
    switch (error) {
    case HUB_ERROR_LIMIT:
        return HUB_DISCONNECT_CHANNELS;
    case HUB_ERROR_PERMISSION:
        return HUB_DISCONNECT_PERMISSION;
    case HUB_ERROR_INTERNAL:
        return HUB_DISCONNECT_INTERNAL;
    default:
        return HUB_DISCONNECT_BAD_REQUEST;
    }
}

static void joined(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    struct centrifugal *c = session_owner(s);
    if (c->join != NULL && r->error == HUB_OK) {
        buf_puts(&c->join->subs, c->join->subs.len > 0 ? "," : "");
        json_put_string(&c->join->subs, r->channel, r->len);
        buf_puts(&c->join->subs, ":");
        centrifugal_put_expected(c, tag, &c->join->subs, r);
        centrifugal_put_publications(&c->join->subs, r);
        buf_puts(&c->join->subs, "}");
    } else {
        centrifugal_put_expected(c, tag, NULL, r);
        if (c->join != NULL && r->error != HUB_ERROR_ALREADY && c->join->code == 0)
            c->join->code = why_not(r->error);
    }
    if (c->join != NULL)
        joined_one(c);
}

/* Where the client says that it stands in a channel that it is put into. False: it says nothing that can be read. */
static bool read_position(struct json_slice subs, struct hub_invitation *what)
{
    struct json_each each = { .at = NULL };
    struct json_slice name, value;
    char unquoted[6 * HUB_NAME_MOST];
    if (subs.text != NULL)
        each = json_each(subs);
    while (json_next(&each, &name, &value)) {
        struct centrifugal_request r = { .memory = NULL };
        if (name.len > sizeof(unquoted) || json_kind_of(value) != '{' ||
            json_unquote(unquoted, name) != (long)what->len || memcmp(unquoted, what->channel, what->len) != 0)
            continue;
        bool good = centrifugal_read(&r, value);
        what->recover = r.recover;
        what->from.offset = r.offset;
        if (good && r.epoch.len <= STREAM_EPOCH)
            memcpy(what->from.epoch, r.epoch.text ? r.epoch.text : "", r.epoch.len);
        else if (good)
            what->from.offset = UINT64_MAX; /* an epoch that none of ours can be */
        centrifugal_request_fini(&r);
        return good;
    }
    return true;
}

static void join_channel(struct centrifugal *c, const struct hub_claims_sub *said, struct json_slice subs)
{
    struct hub_invitation what = {
        .channel = said->channel.at,
        .len = said->channel.len,
        .info = said->info.at,
        .info_len = said->info.len,
        .data = said->data.at,
        .data_len = said->data.len,
        .override = said->override,
    };
    if (!read_position(subs, &what)) {
        c->join->code = HUB_DISCONNECT_BAD_REQUEST;
        return;
    }
    c->join->left++;
    if (!invite(c, &what, joined)) {
        c->join->left--;
        c->join->code = HUB_DISCONNECT_INTERNAL;
    }
}

static void push_publication(struct centrifugal *c, const struct session_subscribed *r, const struct publication *p)
{
    char space[1024];
    struct buf b;
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, r->channel, r->len, "pub");
    wire_put_publication(&b, p);
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
}

/* What it missed comes behind the push, which has no place for it. */
static void added(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    struct centrifugal *c = session_owner(s);
    char space[512];
    struct buf b;
    if (r->error != HUB_OK || c->state == CENTRIFUGAL_OVER) {
        centrifugal_put_expected(c, tag, NULL, r);
        return; /* it is there already, or cannot be; who wanted it has no ear any more */
    }
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, r->channel, r->len, "subscribe");
    centrifugal_put_expected(c, tag, &b, r);
    buf_puts(&b, "}");
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
    for (uint32_t i = 0; i < r->count; i++)
        push_publication(c, r, r->publications[i]);
    centrifugal_schedule(c);
}

void centrifugal_add(struct session *s, const struct hub_invitation *what)
{
    struct centrifugal *c = session_owner(s);
    if (c->state == CENTRIFUGAL_OVER)
        return;
    if (c->join == NULL) {
        if (!invite(c, what, added))
            centrifugal_disconnect(c, HUB_DISCONNECT_INTERNAL);
        return;
    }
    c->join->left++; /* before it is connected it is told with that */
    if (invite(c, what, joined))
        return;
    c->join->code = HUB_DISCONNECT_INTERNAL;
    joined_one(c);
}

/* One that only listens says itself what it wants to hear, as far as it may. */
static void join_wanted(struct centrifugal *c, struct json_slice subs)
{
    struct json_each each = json_each(subs);
    struct json_slice name, value;
    char unquoted[6 * HUB_NAME_MOST];
    while (c->join->code == 0 && json_next(&each, &name, &value)) {
        long len = name.len <= sizeof(unquoted) ? json_unquote(unquoted, name) : -1;
        struct json_slice channel = { unquoted, len > 0 ? (size_t)len : 0 };
        int error = len > 0 ? centrifugal_may(c, channel, PERMIT_SUBSCRIBE, NULL) : HUB_ERROR_BAD_REQUEST;
        if (error == PERMIT_ASK)
            error = HUB_ERROR_PERMISSION; /* the backend names such channels when it is asked about the connection */
        if (error != HUB_OK)
            c->join->code = why_not((enum hub_error)error);
        else
            join_channel(c, &(struct hub_claims_sub){ .channel = { channel.text, channel.len } }, subs);
    }
}

static void join_all(struct centrifugal *c, const struct centrifugal_request *r)
{
    const struct hub_claims *claims = c->claims;
    c->join->left = 1;
    for (size_t i = 0; claims != NULL && i < claims->subs_count; i++)
        join_channel(c, &claims->subs[i], r->subs);
    if (c->listens_only && r->subs.text != NULL)
        join_wanted(c, r->subs);
    joined_one(c);
}

/* Who it is. */

/* 0; an error to answer with; or a disconnect. */
static int judge_token(struct centrifugal *c, struct json_slice token)
{
    const struct wire_site *site = wire_site_of(c->server);
    if (token.len == 0)
        return site->needs_token ? HUB_DISCONNECT_BAD_REQUEST : 0;
    if (site->doors == NULL)
        return HUB_DISCONNECT_TOKEN;
    c->claims = mem_zalloc(sizeof(*c->claims));
    if (c->claims == NULL)
        return HUB_ERROR_INTERNAL;
    int rc = hub_doors_connection(site->doors, token.text, token.len, hub_now(site->hub), c->claims);
    c->expires_ms = rc == HUB_OK ? c->claims->expires_ms : 0;
    return rc;
}

static int make_secret(struct centrifugal *c)
{
    uint8_t bytes[CENTRIFUGAL_SECRET / 2];
    if (c->way == CENTRIFUGAL_WEBSOCKET || c->listens_only)
        return 0;
    int rc = hub_random(wire_site_of(c->server)->hub, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(c->secret + 2 * i, 3, "%02x", bytes[i]);
    return rc;
}

static int make_session(struct centrifugal *c)
{
    struct session_who who = { .user = "", .info = "" };
    if (c->claims != NULL)
        who = (struct session_who){ c->claims->user.at, c->claims->user.len, c->claims->info.at, c->claims->info.len };
    int rc = make_secret(c);
    if (rc == 0)
        rc = session_new(&c->session, wire_site_of(c->server)->hub, &centrifugal_calls[c->way != CENTRIFUGAL_WEBSOCKET],
                         c->server, c->id, &who, c);
    if (rc == DUET_ERR_LIMIT)
        return HUB_DISCONNECT_CONNECTIONS;
    return rc < 0 ? HUB_ERROR_INTERNAL : 0;
}

static int make_join(struct centrifugal *c, uint32_t id, struct json_slice data)
{
    c->join = mem_zalloc(sizeof(*c->join));
    if (c->join == NULL)
        return HUB_ERROR_INTERNAL;
    c->join->id = id;
    buf_init(&c->join->subs, NULL, 0);
    buf_init(&c->join->data, NULL, 0);
    if (data.text != NULL)
        backend_put_line(&c->join->data, data);
    return 0;
}

/* `rc`: what became of looking who it is; `data`: what the backend has for it, if anything. */
static void come_in(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r, int rc,
                    struct json_slice data)
{
    if (rc == 0)
        rc = make_join(c, id, data);
    if (rc == 0)
        rc = make_session(c);
    if (rc == 0) {
        centrifugal_enter(c, CENTRIFUGAL_JOINING);
        hold(c, true);
        join_all(c, r);
    } else if (rc < 1000 && !c->listens_only) {
        centrifugal_enter(c, CENTRIFUGAL_REFUSED);
        centrifugal_fail(c, id, rc);
    } else {
        centrifugal_disconnect(c, rc == HUB_ERROR_TOKEN_EXPIRED ? HUB_DISCONNECT_EXPIRED
                                  : rc < 1000                   ? HUB_DISCONNECT_INTERNAL
                                                                : rc);
    }
}

/* Instead of a token. HUB_OK or an error. */
static int ask_backend(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    char space[1024];
    struct buf b;
    centrifugal_question(c, &b, space, sizeof(space));
    if (r->name.text != NULL)
        backend_put_text(&b, "name", r->name.text, r->name.len);
    if (r->version.text != NULL)
        backend_put_text(&b, "version", r->version.text, r->version.len);
    backend_put_json(&b, "data", r->data);
    backend_put_json(&b, "headers", r->headers);
    int error = centrifugal_ask(c, HOOK_CONNECT, id, 0, r->object, &b);
    if (error == HUB_OK) {
        centrifugal_enter(c, CENTRIFUGAL_ASKED);
        c->due_ms = UINT64_MAX; /* an answer comes in time, if only that there is none */
        centrifugal_schedule(c);
    }
    return error;
}

void centrifugal_connect(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    bool asks = r->token.len == 0 && centrifugal_has_hook(c, HOOK_CONNECT);
    int rc = asks ? ask_backend(c, id, r) : judge_token(c, r->token);
    if (!asks || rc != HUB_OK)
        come_in(c, id, r, rc, (struct json_slice){ NULL, 0 });
}

/* Who the backend says that it is. */
static int take_claims(struct centrifugal *c, struct json_slice result)
{
    c->claims = mem_zalloc(sizeof(*c->claims));
    if (c->claims == NULL)
        return HUB_ERROR_INTERNAL;
    int rc = backend_claims(c->claims, result);
    if (rc != HUB_OK)
        return rc;
    c->expires_ms = c->claims->expires_ms;
    c->ask_ms = centrifugal_has_hook(c, HOOK_REFRESH) ? c->expires_ms : 0;
    return HUB_OK;
}

void centrifugal_connect_answered(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                                  const struct backend_answer *answer)
{
    c->due_ms = duet_loop_now_ms(duet_server_loop(c->server)) + wire_site_of(c->server)->connect_ms;
    if (answer->kind == BACKEND_RESULT) {
        come_in(c, id, r, take_claims(c, answer->result), backend_member(answer->result, "data"));
    } else if (answer->kind == BACKEND_DISCONNECT || c->listens_only) {
        int code = answer->kind == BACKEND_DISCONNECT ? answer->code : HUB_DISCONNECT_INTERNAL;
        centrifugal_disconnect_with(c, code, answer->kind == BACKEND_DISCONNECT ? answer->text : hub_code_text(code));
    } else {
        centrifugal_enter(c, CENTRIFUGAL_REFUSED);
        centrifugal_refuse(c, id, answer);
    }
    centrifugal_schedule(c); /* whoever was not let in goes, or is stale */
    centrifugal_wake(c);     /* what came behind it is out of turn, or its turn has come */
}

void centrifugal_refresh(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    const struct wire_site *site = wire_site_of(c->server);
    struct hub_claims *claims;
    char space[512];
    struct buf b;
    size_t len;
    const char *user = session_user(c->session, &len);
    if (r->token.len == 0) {
        centrifugal_disconnect(c, HUB_DISCONNECT_BAD_REQUEST);
        return;
    }
    if (site->doors == NULL || (claims = mem_zalloc(sizeof(*claims))) == NULL) {
        centrifugal_fail(c, id, site->doors ? HUB_ERROR_INTERNAL : HUB_ERROR_NOT_AVAILABLE);
        return;
    }
    int rc = hub_doors_connection(site->doors, r->token.text, r->token.len, hub_now(site->hub), claims);
    /* Another user's token does not make it another user. */
    if (rc == HUB_OK && (claims->user.len != len || memcmp(claims->user.at, user, len) != 0))
        rc = HUB_DISCONNECT_TOKEN;
    if (rc != HUB_OK) {
        hub_claims_fini(claims);
        mem_free(claims);
        if (rc >= 1000)
            centrifugal_disconnect(c, rc);
        else
            centrifugal_fail(c, id, rc);
        return;
    }
    if (c->claims != NULL)
        hub_claims_fini(c->claims);
    mem_free(c->claims);
    c->claims = claims;
    c->expires_ms = claims->expires_ms;
    centrifugal_schedule(c);
    centrifugal_reply(c, &b, space, sizeof(space), id, CENTRIFUGAL_REFRESH);
    buf_printf(&b, "{\"client\":\"%s\",\"version\":\"duet %s\"", session_client(c->session), duet_version());
    put_expiry(&b, c->expires_ms, hub_now(site->hub));
    buf_puts(&b, "}}");
    centrifugal_send(c, &b);
}

/* One that can speak asks by itself when its time is over, and has its answer then. */
void centrifugal_extend(struct session *s, uint64_t at_ms)
{
    struct centrifugal *c = session_owner(s);
    char space[128];
    struct buf b;
    c->expires_ms = at_ms;
    c->ask_ms = c->ask_ms > 0 ? at_ms : 0;
    centrifugal_schedule(c);
    if (!c->listens_only || c->state != CENTRIFUGAL_CONNECTED)
        return;
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, true, "", 0, "refresh");
    buf_printf(&b, "{\"expires\":%s", at_ms > 0 ? "true" : "false");
    if (at_ms > 0)
        buf_printf(&b, ",\"ttl\":%" PRIu64, (at_ms - hub_now(session_hub(s)) + 999) / 1000);
    buf_puts(&b, "}");
    centrifugal_end_push(&b, true);
    centrifugal_send(c, &b);
}
