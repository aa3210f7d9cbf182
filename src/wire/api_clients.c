/* SPDX-License-Identifier: MIT */
#include "wire/api_clients.h"
#include "base/mem.h"
#include "hub/claims.h"
#include "hub/session.h"
#include "wire/params.h"
#include <string.h>

enum { SPARED_MOST = 100, SESSION_MOST = 64 };

/* Who is meant. */
struct meant {
    struct hub_whom whom;
    char user[HUB_NAME_MOST], client[64], session[SESSION_MOST];
};

static bool whom_of(struct json_slice params, struct meant *m)
{
    m->whom = (struct hub_whom){ .user = m->user, .client = m->client, .session = m->session };
    return params_member(params, "user").text != NULL &&
           params_text(params, "user", m->user, sizeof(m->user), &m->whom.user_len) &&
           params_text(params, "client", m->client, sizeof(m->client), &m->whom.client_len) &&
           params_text(params, "session", m->session, sizeof(m->session), &m->whom.session_len);
}

/* Subscribing. */

/* What there is to say of a subscription; `invitation` points into the rest. */
struct wish {
    struct hub_invitation invitation;
    char channel[HUB_NAME_MOST];
    struct params_json info, data;
};

static enum hub_error read_since(struct hub_invitation *i, struct json_slice since)
{
    char epoch[HUB_NAME_MOST];
    int64_t offset = 0;
    size_t len = 0;
    i->recover = since.text != NULL;
    if (!i->recover)
        return HUB_OK;
    if (json_kind_of(since) != '{' || !params_number(since, "offset", &offset) || offset < 0 ||
        !params_text(since, "epoch", epoch, sizeof(epoch), &len))
        return HUB_ERROR_BAD_REQUEST;
    i->from.offset = len <= STREAM_EPOCH ? (uint64_t)offset : UINT64_MAX; /* an epoch that none of ours can be */
    memcpy(i->from.epoch, epoch, len <= STREAM_EPOCH ? len : 0);
    return HUB_OK;
}

/* A time that is over needs no subscription. */
static enum hub_error read_expiry(const struct hub *h, struct json_slice params, uint64_t *at_ms)
{
    int64_t at;
    if (!params_number(params, "expire_at", &at) || at < 0 || at > INT64_MAX / 1000)
        return HUB_ERROR_BAD_REQUEST;
    *at_ms = (uint64_t)at * 1000;
    return at > 0 && *at_ms <= hub_now(h) ? HUB_ERROR_EXPIRED : HUB_OK;
}

/* What would be passed over in silence is refused: who sends it counts on it. */
static enum hub_error can_be(const struct hub_options *o, const struct hub_invitation *i)
{
    const struct hub_override *over = &i->override;
    bool streams = o->history_size > 0 && o->history_ttl_ms > 0;
    bool recovers =
        streams && (over->force_recovery == HUB_YES ||
                    (over->force_recovery != HUB_NO && (o->force_recovery || o->allow_recovery || o->cache)));
    bool can = (over->presence != HUB_YES || o->presence) && (over->join_leave != HUB_YES || o->join_leave) &&
               (over->force_push_join_leave != HUB_YES || o->join_leave) &&
               (over->force_recovery != HUB_YES || streams) && (over->force_positioning != HUB_YES || streams) &&
               (!i->recover || recovers);
    return can ? HUB_OK : HUB_ERROR_NOT_AVAILABLE;
}

/* wish_fini() afterwards, also after an error. */
static enum hub_error read_wish(const struct hub *h, struct json_slice params, struct wish *w)
{
    struct hub_invitation *i = &w->invitation;
    struct json_slice override = params_member(params, "override");
    memset(w, 0, sizeof(*w));
    if (!params_channel(params, w->channel, &i->len) ||
        (override.text != NULL && !claims_override(&i->override, override)))
        return HUB_ERROR_BAD_REQUEST;
    enum hub_error error = read_since(i, params_member(params, "recover_since"));
    if (error == HUB_OK)
        error = read_expiry(h, params, &i->expire_at_ms);
    if (error == HUB_OK)
        error = params_json(&w->info, params, "info", "b64info");
    if (error == HUB_OK)
        error = params_json(&w->data, params, "data", "b64data");
    i->channel = w->channel;
    i->info = w->info.content.data;
    i->info_len = w->info.content.len;
    i->data = w->data.content.data;
    i->data_len = w->data.content.len;
    return error;
}

static void wish_fini(struct wish *w)
{
    params_json_fini(&w->info);
    params_json_fini(&w->data);
}

enum hub_error api_subscribe(struct hub *h, struct json_slice params)
{
    struct meant m;
    struct wish w;
    enum hub_error error = read_wish(h, params, &w);
    if (error == HUB_OK && !whom_of(params, &m))
        error = HUB_ERROR_BAD_REQUEST;
    const struct hub_options *o =
        error == HUB_OK ? hub_options_of(h, w.invitation.channel, w.invitation.len, &error) : NULL;
    if (o != NULL)
        error = can_be(o, &w.invitation);
    if (o != NULL && error == HUB_OK && hub_subscribe(h, &m.whom, &w.invitation) < 0)
        error = HUB_ERROR_INTERNAL;
    wish_fini(&w);
    return error;
}

enum hub_error api_unsubscribe(struct hub *h, struct json_slice params)
{
    char channel[HUB_NAME_MOST];
    struct meant m;
    size_t len;
    if (!params_channel(params, channel, &len) || !whom_of(params, &m))
        return HUB_ERROR_BAD_REQUEST;
    int rc = hub_unsubscribe(h, &m.whom, channel, len, HUB_UNSUBSCRIBE_SERVER);
    return rc < 0 ? HUB_ERROR_INTERNAL : HUB_OK;
}

/* Ending. */

/* Clients that stay, their UUIDs one behind the other in `out`. */
static bool spared_of(struct json_slice params, struct hub_whom *whom, char *out)
{
    struct json_slice list = params_member(params, "whitelist"), key, value;
    char id[6 * SESSION_CLIENT + 2];
    if (list.text == NULL)
        return true;
    unsigned count = params_count(list, SPARED_MOST);
    if (json_kind_of(list) != '[' || (count == 0 && list.len > 2))
        return false;
    whom->spared = out;
    for (struct json_each each = json_each(list); json_next(&each, &key, &value);) {
        if (json_kind_of(value) != '"' || value.len > sizeof(id) || json_unquote(id, value) != SESSION_CLIENT)
            return false;
        memcpy(out + SESSION_CLIENT * whom->spared_count++, id, SESSION_CLIENT);
    }
    return true;
}

enum hub_error api_disconnect(struct hub *h, struct json_slice params)
{
    char reason[HUB_REASON_MOST + 1], spared[SPARED_MOST * SESSION_CLIENT];
    struct meant m;
    int64_t code = 0;
    size_t len = 0;
    struct json_slice how = params_member(params, "disconnect");
    if (!whom_of(params, &m) || !spared_of(params, &m.whom, spared) ||
        (how.text != NULL && (json_kind_of(how) != '{' || !params_number(how, "code", &code) ||
                              !params_text(how, "reason", reason, HUB_REASON_MOST, &len))))
        return HUB_ERROR_BAD_REQUEST;
    reason[len] = '\0';
    if (code == 0)
        code = HUB_DISCONNECT_FORCE;
    if (code < 3000 || code > 4999 || strlen(reason) != len) /* what a browser lets a server say of its own (WEB-12) */
        return HUB_ERROR_BAD_REQUEST;
    int rc = hub_disconnect(h, &m.whom, (int)code, len > 0 ? reason : NULL);
    return rc < 0 ? HUB_ERROR_INTERNAL : HUB_OK;
}

enum hub_error api_refresh(struct hub *h, struct json_slice params)
{
    struct meant m;
    int64_t at = 0;
    if (!whom_of(params, &m) || params_member(params, "info").text != NULL ||
        !params_number(params, "expire_at", &at) || at < 0 || at > INT64_MAX / 1000)
        return HUB_ERROR_BAD_REQUEST;
    uint64_t at_ms = params_flag(params, "expired") ? 1 : (uint64_t)at * 1000;
    return hub_refresh(h, &m.whom, at_ms) < 0 ? HUB_ERROR_INTERNAL : HUB_OK;
}
