/* SPDX-License-Identifier: MIT */
#include "wire/guest.h"
#include "base/mem.h"
#include "wire/backend.h"
#include <string.h>
#include <strings.h>

struct guest {
    struct hub_claims claims;
    struct hub *hub;
    duet_server *server;
    duet_timer *timer; /* NULL: it does not end */
    uint64_t id;
    void (*expired)(duet_server *server, uint64_t id);
    char *fields; /* that the backend gets; NULL: none */
    const char *transport;
    bool named; /* by a token, or by the backend */
};

enum { ROOM = HUB_TOKEN_MOST + 16, TIMER_MOST_MS = 3600 * 1000 };

/* The token of the request in `out`, terminated; its length, 0: there is none. */
static size_t find(const duet_request *r, char out[ROOM])
{
    static const char bearer[] = "bearer ", prefix[] = "token.";
    const char *field = duet_request_header(r, "authorization");
    if (field != NULL && strncasecmp(field, bearer, sizeof(bearer) - 1) == 0) {
        size_t len = strlen(field + sizeof(bearer) - 1);
        len = len < ROOM ? len : ROOM - 1;
        memcpy(out, field + sizeof(bearer) - 1, len);
        return len;
    }
    for (unsigned i = 0; duet_request_subprotocol(r, i, out, ROOM); i++)
        if (strncmp(out, prefix, sizeof(prefix) - 1) == 0) {
            size_t len = strlen(out) - (sizeof(prefix) - 1);
            memmove(out, out + sizeof(prefix) - 1, len);
            return len;
        }
    long len = duet_request_param(r, "token", out, ROOM);
    return len > 0 ? (size_t)len : 0;
}

static struct wire_refusal judge_token(struct guest *g, const struct wire_site *site, const char *token, size_t len)
{
    int rc = site->doors == NULL ? HUB_DISCONNECT_TOKEN
                                 : hub_doors_connection(site->doors, token, len, hub_now(site->hub), &g->claims);
    switch (rc) {
    case HUB_OK:
        g->named = true;
        return wire_fine;
    case HUB_ERROR_TOKEN_EXPIRED:
        return (struct wire_refusal){ 401, "the token has expired" };
    case HUB_ERROR_INTERNAL:
        return wire_no_memory;
    default:
        return (struct wire_refusal){ 401, "the token is not good" };
    }
}

static struct guest *guest_new(const struct wire_site *site, const duet_request *r, const char *transport)
{
    struct guest *g = mem_zalloc(sizeof(*g));
    bool failed = false;
    if (g == NULL)
        return NULL;
    g->hub = site->hub;
    g->transport = transport;
    g->claims.user = (struct hub_text){ "", 0 }; /* nobody in particular, until somebody says more */
    g->fields = backend_fields(site, r, &failed);
    if (!failed)
        return g;
    guest_free(g);
    return NULL;
}

struct wire_refusal guest_read(struct guest **out, const struct wire_site *site, const duet_request *r,
                               const char *transport, bool *asks)
{
    char *token = mem_alloc(ROOM);
    struct wire_refusal no = wire_no_memory;
    *out = NULL;
    *asks = false;
    if (token == NULL)
        return no;
    size_t len = find(r, token);
    if (len > 0 || site->hooks != NULL)
        *out = guest_new(site, r, transport);
    if (len > 0) {
        no = *out ? judge_token(*out, site, token, len) : wire_no_memory;
    } else if (*out != NULL || site->hooks == NULL) {
        *asks = hooks_has(site->hooks, HOOK_CONNECT);
        no = site->needs_token && !*asks ? (struct wire_refusal){ 401, "nobody comes in without a token" } : wire_fine;
    }
    mem_free(token);
    if (no.why != NULL) {
        guest_free(*out);
        *out = NULL;
    }
    return no;
}

void guest_free(struct guest *g)
{
    if (g == NULL)
        return;
    duet_timer_free(g->timer);
    hub_claims_fini(&g->claims);
    mem_free(g->fields);
    mem_free(g);
}

struct session_who guest_who(const struct guest *g)
{
    if (g == NULL)
        return (struct session_who){ .user = "", .info = "" };
    return (struct session_who){ .user = g->claims.user.at,
                                 .user_len = g->claims.user.len,
                                 .info = g->claims.info.at ? g->claims.info.at : "",
                                 .info_len = g->claims.info.len };
}

int guest_may(const struct guest *g, const struct hub *hub, const char *channel, size_t len, enum permit_act act,
              bool subscribed, const struct hub_options **options)
{
    struct session_who who = guest_who(g);
    return permit(
        hub,
        &(struct permit_who){
            .user = who.user, .user_len = who.user_len, .claims = g ? &g->claims : NULL, .subscribed = subscribed },
        channel, len, act, options);
}

struct wire_refusal guest_no_channel(const struct wire_site *site, int error)
{
    static const char no_namespace[] = "there is no such namespace: what stands before the first ':'";
    return (struct wire_refusal){ 404, error == HUB_ERROR_UNKNOWN_CHANNEL ? no_namespace : site->no_channel };
}

void guest_limit(struct guest *g, uint64_t at_ms)
{
    if (at_ms > 0 && (g->claims.expires_ms == 0 || at_ms < g->claims.expires_ms))
        g->claims.expires_ms = at_ms;
}

struct wire_refusal guest_judge(const struct guest *g, const struct wire_site *site, const char *channel, size_t len,
                                bool *asks)
{
    int rc = guest_may(g, site->hub, channel, len, PERMIT_SUBSCRIBE, false, NULL);
    *asks = rc == PERMIT_ASK;
    switch (rc) {
    case HUB_OK:
    case PERMIT_ASK:
        return wire_fine;
    case HUB_ERROR_PERMISSION:
        if (g == NULL || !g->named)
            return (struct wire_refusal){ 401, "this channel is not open to everybody: come with a token" };
        return (struct wire_refusal){ 403, "the token does not open this channel" };
    default:
        return guest_no_channel(site, rc);
    }
}

int guest_name(struct guest *g, struct json_slice result)
{
    g->named = true;
    return backend_claims(&g->claims, result);
}

void guest_question(const struct guest *g, struct buf *b, void *space, size_t size)
{
    struct session_who is = guest_who(g);
    struct backend_who who = { .transport = g->transport, .claims = &g->claims };
    if (g->named) {
        who.user = is.user;
        who.user_len = is.user_len;
    }
    backend_begin(b, space, size, &who);
}

const char *guest_fields(const struct guest *g)
{
    return g->fields;
}

/* The hub's clock may be another than the loop's, so it looks again. */
static void look(void *arg)
{
    struct guest *g = arg;
    uint64_t now = hub_now(g->hub), left = g->claims.expires_ms > now ? g->claims.expires_ms - now : 0;
    if (left == 0)
        g->expired(g->server, g->id);
    else
        duet_timer_set(g->timer, left < TIMER_MOST_MS ? (unsigned)left : TIMER_MOST_MS);
}

/* 0 or DUET_ERR_NOMEM. */
static int watch_time(struct guest *g)
{
    if (g->claims.expires_ms == 0) {
        duet_timer_free(g->timer);
        g->timer = NULL;
        return 0;
    }
    if (g->timer == NULL)
        g->timer = duet_timer_new(duet_server_loop(g->server), look, g);
    if (g->timer == NULL)
        return DUET_ERR_NOMEM;
    duet_timer_set(g->timer, 0); /* not here: its way is not ready to end it */
    return 0;
}

int guest_watch(struct guest *g, duet_server *server, uint64_t id, void (*expired)(duet_server *server, uint64_t id))
{
    if (g == NULL)
        return 0;
    g->server = server;
    g->id = id;
    g->expired = expired;
    return watch_time(g);
}

void guest_extend(struct guest *g, uint64_t at_ms)
{
    if (g == NULL)
        return;
    uint64_t before = g->claims.expires_ms;
    g->claims.expires_ms = at_ms;
    if (watch_time(g) < 0)
        g->claims.expires_ms = before;
}
