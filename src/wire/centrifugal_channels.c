/* SPDX-License-Identifier: MIT */
/* What a client is subscribed to: what it may, its wishes until they are answered, and what the hub says of them. */
#include "base/json.h"
#include "base/mem.h"
#include "wire/centrifugal_client.h"
#include <inttypes.h>
#include <string.h>

/* A subscription that is not answered yet; from the server's side, without a name, one that is not there yet. */
struct centrifugal_wish {
    struct centrifugal_wish *next;
    uint64_t serial;
    uint64_t expires_ms;                  /* 0: never */
    struct centrifugal_own *own;          /* NULL: it gets what all get */
    char *data;                           /* JSON that the backend has for it; NULL or empty: none */
    uint32_t id;                          /* of the command */
    bool positioned : 1, recoverable : 1; /* that may be told */
    bool renewed : 1;                     /* by the backend: the client is not told when it expires */
    bool asked : 1;                       /* the backend is: its command is counted with that question */
    uint8_t len;
    char channel[];
};

/* What it may. */

int centrifugal_may(const struct centrifugal *c, struct json_slice channel, enum permit_act act,
                    const struct hub_options **options)
{
    struct permit_who who = { .claims = c->claims,
                              .subscribed = session_find(c->session, channel.text, channel.len) != NULL };
    who.user = session_user(c->session, &who.user_len);
    return permit(session_hub(c->session), &who, channel.text, channel.len, act, options);
}

/* HUB_OK, an error or a disconnect; `claims` are to be ended either way. */
static int judge_token(const struct centrifugal *c, const struct centrifugal_request *r, struct hub_claims *claims)
{
    const struct wire_site *site = wire_site_of(c->server);
    const char *client = session_client(c->session);
    struct hub_subscriber who = { .channel = { r->channel.text, r->channel.len },
                                  .client = { client, strlen(client) } };
    who.user.at = session_user(c->session, &who.user.len);
    if (site->doors == NULL || r->token.len == 0)
        return HUB_ERROR_PERMISSION;
    return hub_doors_subscription(site->doors, r->token.text, r->token.len, hub_now(site->hub), &who, claims);
}

/* Wishes. */

static void wish_free(struct centrifugal_wish *w)
{
    if (w == NULL)
        return;
    centrifugal_own_free(w->own);
    mem_free(w->data);
    mem_free(w);
}

void centrifugal_wishes_free(struct centrifugal *c)
{
    while (c->wishes != NULL) {
        struct centrifugal_wish *next = c->wishes->next;
        wish_free(c->wishes);
        c->wishes = next;
    }
}

static struct centrifugal_wish *add_wish(struct centrifugal *c, uint32_t id, struct json_slice channel, bool asked)
{
    struct centrifugal_wish *w = mem_zalloc(sizeof(*w) + channel.len);
    if (w == NULL)
        return NULL;
    w->next = c->wishes;
    w->serial = ++c->serial;
    w->id = id;
    w->len = (uint8_t)channel.len;
    memcpy(w->channel, channel.text, channel.len);
    c->wishes = w;
    w->asked = asked;
    if (!asked)
        centrifugal_wait(c);
    return w;
}

/* Out of the list; NULL: it is none of them (any more). */
static struct centrifugal_wish *take_wish(struct centrifugal *c, struct centrifugal_wish **at)
{
    struct centrifugal_wish *w = *at;
    if (w == NULL)
        return NULL;
    *at = w->next;
    if (!w->asked)
        centrifugal_answered(c);
    return w;
}

static void put_data(const struct centrifugal_wish *w, struct buf *b)
{
    if (w->data == NULL || w->data[0] == '\0')
        return;
    centrifugal_put_key(b, "data");
    buf_puts(b, w->data);
}

static struct centrifugal_wish **find_wish(struct centrifugal *c, uint64_t serial)
{
    struct centrifugal_wish **at = &c->wishes;
    while (*at != NULL && (*at)->serial != serial)
        at = &(*at)->next;
    return at;
}

uint64_t centrifugal_expect(struct centrifugal *c, const struct hub_invitation *i)
{
    struct centrifugal_wish *w = add_wish(c, 0, (struct json_slice){ "", 0 }, true);
    if (w == NULL)
        return 0;
    w->recoverable = i->override.force_recovery != HUB_NO;
    w->positioned = w->recoverable || i->override.force_positioning != HUB_NO;
    w->data = mem_zalloc(i->data_len + 1);
    if (w->data == NULL) {
        wish_free(take_wish(c, find_wish(c, w->serial)));
        return 0;
    }
    if (i->data_len > 0)
        memcpy(w->data, i->data, i->data_len);
    return w->serial;
}

void centrifugal_put_expected(struct centrifugal *c, uint64_t tag, struct buf *b, const struct session_subscribed *r)
{
    struct centrifugal_wish *w = take_wish(c, find_wish(c, tag));
    if (b != NULL) {
        centrifugal_put_subscribed(b, r, r->positioned && w->positioned, r->recoverable && w->recoverable);
        put_data(w, b);
    }
    wish_free(w);
}

static bool wanted(struct session *s, uint64_t serial)
{
    struct centrifugal *c = session_owner(s);
    return c->state != CENTRIFUGAL_OVER && *find_wish(c, serial) != NULL;
}

/* Subscribing. */

int centrifugal_form_of(const struct centrifugal *c)
{
    return wire_site_of(c->server)->centrifugal[c->way][c->listens_only];
}

static void put_ttl(const struct centrifugal *c, struct buf *b, uint64_t expires_ms)
{
    uint64_t now = hub_now(session_hub(c->session));
    if (expires_ms == 0)
        return;
    centrifugal_put_key(b, "expires");
    buf_printf(b, "true,\"ttl\":%" PRIu64, expires_ms > now ? (expires_ms - now + 999) / 1000 : 1);
}

static void subscribed(struct session *s, uint64_t serial, const struct session_subscribed *r)
{
    struct centrifugal *c = session_owner(s);
    struct centrifugal_wish *w = take_wish(c, find_wish(c, serial));
    char space[1024];
    struct buf b;
    if (w == NULL)
        return;
    if (r->error != HUB_OK) {
        centrifugal_fail(c, w->id, (int)r->error);
    } else {
        centrifugal_reply(c, &b, space, sizeof(space), w->id, CENTRIFUGAL_SUBSCRIBE);
        centrifugal_put_subscribed(&b, r, w->positioned, w->recoverable);
        put_ttl(c, &b, w->renewed ? 0 : w->expires_ms);
        put_data(w, &b);
        if (w->own != NULL)
            centrifugal_own_begin(c, w->own, serial, &b, r);
        else
            centrifugal_put_publications(&b, r);
        w->own = NULL;
        buf_puts(&b, "}}");
        centrifugal_send(c, &b);
        if (w->expires_ms > 0)
            centrifugal_schedule(c); /* not before: its channel may have been loaded first */
    }
    wish_free(w);
}

static bool is_said(enum hub_said said, bool otherwise)
{
    return said == HUB_UNSAID ? otherwise : said == HUB_YES;
}

/* Whether what it missed is due: it says so, or it is a cache that brings its newest unasked. */
static bool recovers(const struct hub_options *o, const struct centrifugal_request *r)
{
    return r->recover || (o->cache && o->auto_cache_recover);
}

/* What it gets of what it asked for; what its token or the backend says goes before the namespace. */
static void grant(const struct hub_options *o, const struct centrifugal_request *r, const struct hub_override *over,
                  struct centrifugal_wish *w)
{
    bool streams = o->history_size > 0 && o->history_ttl_ms > 0;
    bool asks = r->recoverable || recovers(o, r);
    bool forced = is_said(over->force_recovery, o->force_recovery);
    bool positions = is_said(over->force_positioning, o->force_positioning);
    w->recoverable = streams && (forced || (asks && (o->allow_recovery || o->cache)));
    w->positioned = w->recoverable || (streams && (positions || (r->positioned && o->allow_positioning)));
}

static void put_in(struct centrifugal *c, const struct hub_options *o, const struct centrifugal_request *r,
                   const struct hub_claims *claims, bool renewed, struct centrifugal_wish *w)
{
    struct session_subscribe what = {
        .channel = r->channel.text,
        .len = r->channel.len,
        .form = centrifugal_form_of(c),
        .direct = w->own != NULL,
        .recover = w->recoverable && recovers(o, r),
        .positioned = w->positioned,
        .recoverable = w->recoverable,
        .or_fail = r->flag & 2,
        .from.offset = r->offset,
        .join_leave = r->join_leave || claims->override.force_push_join_leave == HUB_YES,
        .unseen = claims->override.presence == HUB_NO,
        .unheard = claims->override.join_leave == HUB_NO,
        .chan_info = claims->info.at,
        .chan_info_len = claims->info.len,
        .expire_at_ms = claims->expires_ms,
        .renewal_ms = renewed ? claims->expires_ms : 0,
        .tag = w->serial,
        .done = subscribed,
        .wanted = wanted,
    };
    if (r->epoch.len <= STREAM_EPOCH)
        memcpy(what.from.epoch, r->epoch.text ? r->epoch.text : "", r->epoch.len);
    else
        what.from.offset = UINT64_MAX; /* an epoch that none of ours can be */
    w->expires_ms = claims->expires_ms;
    w->renewed = renewed;
    session_subscribe(c->session, &what);
}

/* JSON as a string; NULL where there is none. */
static char *copy_line(struct json_slice value, int *error)
{
    struct buf b;
    if (value.text == NULL)
        return NULL;
    buf_init(&b, NULL, 0);
    backend_put_line(&b, value);
    buf_put(&b, "", 1);
    char *line = b.failed ? NULL : mem_dup(b.at, b.len);
    buf_fini(&b);
    if (line == NULL)
        *error = HUB_ERROR_INTERNAL;
    return line;
}

static bool is_subscribed(const struct centrifugal *c, struct json_slice channel)
{
    return session_find(c->session, channel.text, channel.len) != NULL;
}

/* The wish is granted, unless what it asks for cannot be. */
static void fulfil(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                   const struct hub_claims *claims, bool renewed, struct centrifugal_wish *w)
{
    enum hub_error unknown = HUB_ERROR_UNKNOWN_CHANNEL;
    const struct hub_options *o = hub_options_of(session_hub(c->session), r->channel.text, r->channel.len, &unknown);
    int error = (int)unknown;
    if (o != NULL) {
        grant(o, r, &claims->override, w);
        error = centrifugal_own_new(&w->own, o, r, w->positioned);
    }
    if (error == HUB_OK) {
        put_in(c, o, r, claims, renewed, w);
    } else {
        wish_free(take_wish(c, find_wish(c, w->serial)));
        centrifugal_fail(c, id, error);
    }
}

/* HUB_OK or an error. */
static int ask_backend(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                       const struct centrifugal_wish *w)
{
    char space[1024];
    struct buf b;
    centrifugal_question(c, &b, space, sizeof(space));
    backend_put_text(&b, "channel", r->channel.text, r->channel.len);
    backend_put_json(&b, "data", r->data);
    return centrifugal_ask(c, HOOK_SUBSCRIBE, id, w->serial, r->object, &b);
}

void centrifugal_subscribe(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    const struct hub_options *o;
    struct hub_claims claims = { .expires_ms = 0 };
    int error = r->type != 0 ? HUB_ERROR_NOT_AVAILABLE : centrifugal_may(c, r->channel, PERMIT_SUBSCRIBE, &o);
    if (r->type == 0 && o != NULL && is_subscribed(c, r->channel))
        error = HUB_ERROR_ALREADY;
    else if (r->type == 0 && o != NULL && r->token.len > 0)
        error = judge_token(c, r, &claims);
    bool asks = error == PERMIT_ASK;
    struct centrifugal_wish *w = error == HUB_OK || asks ? add_wish(c, id, r->channel, asks) : NULL;
    if (w != NULL && asks) {
        error = ask_backend(c, id, r, w);
        if (error != HUB_OK)
            wish_free(take_wish(c, find_wish(c, w->serial)));
    } else if (w != NULL) {
        fulfil(c, id, r, &claims, false, w);
    } else if (error == HUB_OK || asks) {
        error = HUB_ERROR_INTERNAL;
    }
    if (error >= 1000)
        centrifugal_disconnect(c, error);
    else if (error != HUB_OK)
        centrifugal_fail(c, id, error);
    hub_claims_fini(&claims);
}

/* The wish may be gone: its client did not want it any more. */
void centrifugal_subscribe_answered(struct centrifugal *c, uint32_t id, uint64_t serial,
                                    const struct centrifugal_request *r, const struct backend_answer *answer)
{
    struct centrifugal_wish *w = *find_wish(c, serial);
    struct hub_claims claims = { .expires_ms = 0 };
    if (w == NULL)
        return;
    w->asked = false;
    centrifugal_wait(c);
    int error = answer->kind == BACKEND_RESULT ? backend_claims(&claims, answer->result) : HUB_OK;
    if (answer->kind == BACKEND_RESULT && error == HUB_OK) {
        w->data = copy_line(backend_member(answer->result, "data"), &error);
        if (error == HUB_OK)
            fulfil(c, id, r, &claims, centrifugal_has_hook(c, HOOK_SUB_REFRESH), w);
    }
    if (answer->kind != BACKEND_RESULT || error != HUB_OK) {
        wish_free(take_wish(c, find_wish(c, serial)));
        if (error != HUB_OK)
            centrifugal_fail(c, id, error);
        else
            centrifugal_refuse(c, id, answer);
    }
    hub_claims_fini(&claims);
}

void centrifugal_unsubscribe(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    char space[64];
    struct buf b;
    /* One that waits for its channel: its answer comes now, and nothing comes of it. */
    struct centrifugal_wish **at = &c->wishes;
    while (*at != NULL &&
           ((*at)->id == 0 || (*at)->len != r->channel.len || memcmp((*at)->channel, r->channel.text, (*at)->len) != 0))
        at = &(*at)->next;
    struct centrifugal_wish *w = take_wish(c, at);
    if (w != NULL)
        centrifugal_fail(c, w->id, HUB_ERROR_INTERNAL);
    wish_free(w);
    session_unsubscribe(c->session, r->channel.text, r->channel.len);
    centrifugal_own_sweep(c);
    centrifugal_reply(c, &b, space, sizeof(space), id, CENTRIFUGAL_UNSUBSCRIBE);
    buf_puts(&b, "{}}");
    centrifugal_send(c, &b);
}

void centrifugal_sub_refresh(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    struct hub_claims claims = { .expires_ms = 0 };
    struct subscription *sub = session_find(c->session, r->channel.text, r->channel.len);
    char space[128];
    struct buf b;
    int error = sub == NULL ? HUB_ERROR_PERMISSION : judge_token(c, r, &claims);
    if (error == HUB_OK) {
        subscription_set_expires(sub, claims.expires_ms);
        centrifugal_schedule(c);
        centrifugal_reply(c, &b, space, sizeof(space), id, CENTRIFUGAL_SUB_REFRESH);
        buf_puts(&b, "{");
        put_ttl(c, &b, claims.expires_ms);
        buf_puts(&b, "}}");
        centrifugal_send(c, &b);
    } else if (error >= 1000) {
        centrifugal_disconnect(c, error);
    } else {
        centrifugal_fail(c, id, error);
    }
    hub_claims_fini(&claims);
}

/* The session's calls. */

static struct session *find(duet_server *s, uint64_t id)
{
    struct centrifugal *c = centrifugal_find(s, id);
    return c ? c->session : NULL;
}

/* What a client did not ask for it does not ask for again by itself: so it comes back as a whole. */
static void unsubscribed(struct session *s, const char *channel, size_t len, bool server_side, int code)
{
    struct centrifugal *c = session_owner(s);
    char space[512];
    struct buf b;
    if (server_side && code == HUB_UNSUBSCRIBE_INSUFFICIENT) {
        centrifugal_disconnect(c, HUB_DISCONNECT_INSUFFICIENT);
        return;
    }
    centrifugal_own_sweep(c);
    centrifugal_begin(c, &b, space, sizeof(space));
    centrifugal_put_push(&b, c->listens_only, channel, len, "unsubscribe");
    centrifugal_put_code(&b, code, hub_code_text(code));
    centrifugal_end_push(&b, c->listens_only);
    centrifugal_send(c, &b);
}

static void disconnect(struct session *s, int code, const char *reason)
{
    centrifugal_disconnect_with(session_owner(s), code, reason ? reason : hub_code_text(code));
}

#define CALLS(joins, leaves)                                                                                           \
    {                                                                                                                  \
        .way = "centrifugal", .find = find, .join = joins, .leave = leaves,                                            \
        .publication = centrifugal_own_publication, .joined = centrifugal_own_joined, .unsubscribed = unsubscribed,    \
        .subscribe = centrifugal_add, .disconnect = disconnect, .refresh = centrifugal_extend,                         \
        .named = centrifugal_is_named,                                                                                 \
    }
const struct session_calls centrifugal_calls[2] = { CALLS(wire_join, wire_leave),
                                                    CALLS(wire_join_stream, wire_leave_stream) };
