/* SPDX-License-Identifier: MIT */
/* What each command does that is about no subscription of its own. */
#include "base/json.h"
#include "base/mem.h"
#include "hub/content.h"
#include "hub/trace.h"
#include "wire/centrifugal_client.h"
#include <inttypes.h>
#include <string.h>

static void answer(struct centrifugal *c, uint32_t id, enum centrifugal_method m, const char *object)
{
    char space[256];
    struct buf b;
    centrifugal_reply(c, &b, space, sizeof(space), id, m);
    buf_puts(&b, object);
    buf_puts(&b, "}");
    centrifugal_send(c, &b);
}

/* Publishing. */

static void published(duet_server *s, uint64_t id, uint64_t command, const struct hub_published *result)
{
    struct centrifugal *c = centrifugal_find(s, id);
    if (c == NULL)
        return;
    centrifugal_answered(c);
    if (result->error == HUB_OK)
        answer(c, (uint32_t)command, CENTRIFUGAL_PUBLISH, "{}");
    else
        centrifugal_fail(c, (uint32_t)command, (int)result->error);
}

static void publish_content(struct centrifugal *c, uint32_t id, struct json_slice channel,
                            const struct content *content, bool skip_history)
{
    struct hub_reply to = { .server = c->server, .id = c->id, .tag = id, .done = published };
    struct publication_parts parts = { .kind = content->kind, .data = content->data, .len = content->len };
    struct subscription *sub = session_find(c->session, channel.text, channel.len);
    parts.info = session_info(c->session, &parts.info_len);
    centrifugal_wait(c);
    if (sub != NULL && !skip_history)
        session_publish(c->session, sub, &parts, &to);
    else
        hub_publish(session_hub(c->session),
                    &(struct hub_publish){ .channel = channel.text,
                                           .len = channel.len,
                                           .way = centrifugal_calls[0].way,
                                           .parts = parts,
                                           .skip_history = skip_history },
                    &to);
}

/* Whether its token is still good: what it says after that it did not say (HUB-11). */
static bool expired(const struct centrifugal *c)
{
    return c->expires_ms > 0 && c->expires_ms <= hub_now(session_hub(c->session));
}

/* HUB_OK, and then content_fini(); or an error. */
static int take_data(struct content *content, struct json_slice data)
{
    int rc = content_take_json(content, data.text, data.len);
    return rc == 0 ? HUB_OK : rc == DUET_ERR_INVALID ? HUB_ERROR_BAD_REQUEST : HUB_ERROR_INTERNAL;
}

/* The next publication waits until the backend has looked at this one. HUB_OK or an error. */
static int ask_backend(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    char space[1024];
    struct buf b;
    centrifugal_question(c, &b, space, sizeof(space));
    backend_put_text(&b, "channel", r->channel.text, r->channel.len);
    backend_put_json(&b, "data", r->data);
    int error = centrifugal_ask(c, HOOK_PUBLISH, id, 0, r->object, &b);
    c->publishing = error == HUB_OK;
    return error;
}

/* For who follows the channel. */
static void trace_refused(const struct centrifugal *c, const struct centrifugal_request *r, int code, const char *words)
{
    struct hub_publish what = { .channel = r->channel.text, .len = r->channel.len, .way = centrifugal_calls[0].way };
    what.parts = (struct publication_parts){ .kind = HUB_JSON, .len = r->data.len };
    what.parts.info = session_info(c->session, &what.parts.info_len);
    hub_trace_refused(session_hub(c->session), &what, code, words);
}

static void refuse(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r, int error)
{
    trace_refused(c, r, error, hub_code_text(error));
    centrifugal_fail(c, id, error);
}

static void publish(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    const struct hub_options *o;
    struct content content;
    int error = r->type != 0 ? HUB_ERROR_NOT_AVAILABLE : centrifugal_may(c, r->channel, PERMIT_PUBLISH, &o);
    bool asks = error == PERMIT_ASK;
    if (asks)
        error = HUB_OK;
    if (error == HUB_OK && expired(c))
        error = HUB_ERROR_EXPIRED;
    if (error == HUB_OK && r->data.text == NULL)
        error = HUB_ERROR_BAD_REQUEST;
    if (error == HUB_OK && !session_spend(c->session, o))
        error = HUB_ERROR_TOO_MANY;
    if (error == HUB_OK && asks)
        error = ask_backend(c, id, r);
    else if (error == HUB_OK && (error = take_data(&content, r->data)) == HUB_OK) {
        publish_content(c, id, r->channel, &content, false);
        content_fini(&content);
    }
    if (error != HUB_OK)
        refuse(c, id, r, error);
}

void centrifugal_publish_answered(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                                  const struct backend_answer *answer)
{
    struct content content;
    struct json_slice data = backend_member(answer->result, "data");
    int error = answer->kind == BACKEND_RESULT ? take_data(&content, data.text ? data : r->data) : HUB_ERROR_INTERNAL;
    c->publishing = false;
    if (answer->kind == BACKEND_ERROR || answer->kind == BACKEND_DISCONNECT) {
        trace_refused(c, r, answer->code, answer->text);
        centrifugal_refuse(c, id, answer);
    } else if (error != HUB_OK) {
        refuse(c, id, r, error);
    } else {
        publish_content(c, id, r->channel, &content, backend_flag(answer->result, "skip_history"));
        content_fini(&content);
    }
    centrifugal_wake(c);
}

/* History. */

static void paged(duet_server *s, uint64_t id, uint64_t command, const struct hub_page *page)
{
    struct centrifugal *c = centrifugal_find(s, id);
    char space[1024];
    struct buf b;
    if (c == NULL)
        return;
    centrifugal_answered(c);
    if (page->error != HUB_OK) {
        centrifugal_fail(c, (uint32_t)command, (int)page->error);
        return;
    }
    centrifugal_reply(c, &b, space, sizeof(space), (uint32_t)command, CENTRIFUGAL_HISTORY);
    buf_puts(&b, "{");
    if (page->count > 0) {
        buf_puts(&b, "\"publications\":");
        for (uint32_t i = 0; i < page->count; i++) {
            buf_puts(&b, i > 0 ? "," : "[");
            wire_put_publication(&b, page->publications[i]);
        }
        buf_puts(&b, "],");
    }
    buf_puts(&b, "\"epoch\":");
    json_put_string(&b, page->epoch, strlen(page->epoch));
    if (page->top > 0)
        buf_printf(&b, ",\"offset\":%" PRIu64, page->top);
    buf_puts(&b, "}}");
    centrifugal_send(c, &b);
}

/* False: `since` is none. */
static bool read_since(struct json_slice since, struct hub_history *what)
{
    struct centrifugal_request r = { .memory = NULL };
    what->has_since = since.text != NULL;
    if (since.text == NULL)
        return true;
    bool good = centrifugal_read(&r, since);
    what->since.offset = r.offset;
    if (r.epoch.len <= STREAM_EPOCH)
        memcpy(what->since.epoch, r.epoch.text ? r.epoch.text : "", r.epoch.len);
    else
        memset(what->since.epoch, '-', STREAM_EPOCH); /* one that none of ours can be */
    centrifugal_request_fini(&r);
    return good;
}

static void history(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r)
{
    const struct hub_options *o;
    struct hub_history what = {
        .channel = r->channel.text, .len = r->channel.len, .limit = r->limit, .reverse = r->reverse
    };
    int error = centrifugal_may(c, r->channel, PERMIT_HISTORY, &o);
    if (o != NULL && (o->history_size == 0 || o->history_ttl_ms == 0))
        error = HUB_ERROR_NOT_AVAILABLE;
    if (!read_since(r->since, &what)) {
        centrifugal_disconnect(c, HUB_DISCONNECT_BAD_REQUEST);
    } else if (error != HUB_OK) {
        centrifugal_fail(c, id, error);
    } else {
        centrifugal_wait(c);
        hub_read_history(session_hub(c->session), &what,
                         &(struct hub_pager){ .server = c->server, .id = c->id, .tag = id, .done = paged });
    }
}

/* Presence. */

static void put_client(void *arg, const char *client, const char *info, size_t len)
{
    struct buf *b = arg;
    centrifugal_put_key(b, client);
    buf_put(b, info, len);
}

static void presence(struct centrifugal *c, const struct centrifugal_command *command,
                     const struct centrifugal_request *r)
{
    const struct hub_options *o;
    struct hub *hub = session_hub(c->session);
    char space[1024];
    struct buf b;
    size_t users;
    long clients = 0;
    bool names = command->method == CENTRIFUGAL_PRESENCE;
    int error = centrifugal_may(c, r->channel, PERMIT_PRESENCE, &o);
    if (o != NULL && !o->presence)
        error = HUB_ERROR_NOT_AVAILABLE;
    if (error == HUB_OK && !names)
        clients = hub_presence(hub, r->channel.text, r->channel.len, &users, NULL, NULL);
    if (error != HUB_OK || clients < 0) {
        centrifugal_fail(c, command->id, clients < 0 ? HUB_ERROR_INTERNAL : error);
        return;
    }
    centrifugal_reply(c, &b, space, sizeof(space), command->id, command->method);
    if (names) {
        buf_puts(&b, "{\"presence\":{");
        hub_presence(hub, r->channel.text, r->channel.len, NULL, put_client, &b);
        buf_puts(&b, "}}}");
    } else {
        buf_printf(&b, "{\"num_clients\":%ld,\"num_users\":%zu}}", clients, users);
    }
    centrifugal_send(c, &b);
}

/* Which it is. */

static void pong(struct centrifugal *c)
{
    c->pong_ms = 0; /* one that nobody asked for does no harm */
    centrifugal_schedule(c);
}

static bool about_a_channel(enum centrifugal_method m)
{
    return m == CENTRIFUGAL_SUBSCRIBE || m == CENTRIFUGAL_UNSUBSCRIBE || m == CENTRIFUGAL_PUBLISH ||
           m == CENTRIFUGAL_PRESENCE || m == CENTRIFUGAL_PRESENCE_STATS || m == CENTRIFUGAL_HISTORY ||
           m == CENTRIFUGAL_SUB_REFRESH;
}

/* HUB-16: what comes out of turn ends the connection. */
static bool is_in_turn(const struct centrifugal *c, const struct centrifugal_command *command,
                       const struct centrifugal_request *r)
{
    bool first = command->method == CENTRIFUGAL_CONNECT;
    if (c->state != (first ? CENTRIFUGAL_WAITING : CENTRIFUGAL_CONNECTED))
        return false;
    return !about_a_channel(command->method) || r->channel.len > 0;
}

/* HUB-6 */
static bool is_storm(struct centrifugal *c, enum centrifugal_method m)
{
    const struct wire_site *site = wire_site_of(c->server);
    return (m == CENTRIFUGAL_SUBSCRIBE || m == CENTRIFUGAL_UNSUBSCRIBE) &&
           !bucket_spend(&c->changes, hub_now(site->hub), site->changes_per_s);
}

void centrifugal_run(struct centrifugal *c, const struct centrifugal_command *command,
                     const struct centrifugal_request *r)
{
    if (!is_in_turn(c, command, r)) {
        centrifugal_disconnect(c, HUB_DISCONNECT_BAD_REQUEST);
        return;
    }
    if (is_storm(c, command->method)) {
        centrifugal_disconnect(c, HUB_DISCONNECT_TOO_MANY);
        return;
    }
    switch (command->method) {
    case CENTRIFUGAL_PONG:
        pong(c);
        break;
    case CENTRIFUGAL_CONNECT:
        centrifugal_connect(c, command->id, r);
        break;
    case CENTRIFUGAL_SUBSCRIBE:
        centrifugal_subscribe(c, command->id, r);
        break;
    case CENTRIFUGAL_UNSUBSCRIBE:
        centrifugal_unsubscribe(c, command->id, r);
        break;
    case CENTRIFUGAL_PUBLISH:
        publish(c, command->id, r);
        break;
    case CENTRIFUGAL_PRESENCE:
    case CENTRIFUGAL_PRESENCE_STATS:
        presence(c, command, r);
        break;
    case CENTRIFUGAL_HISTORY:
        history(c, command->id, r);
        break;
    case CENTRIFUGAL_PING:
        answer(c, command->id, CENTRIFUGAL_PING, "{}");
        break;
    case CENTRIFUGAL_SEND:
    case CENTRIFUGAL_RPC:
        centrifugal_call(c, command, r);
        break;
    case CENTRIFUGAL_REFRESH:
        centrifugal_refresh(c, command->id, r);
        break;
    case CENTRIFUGAL_SUB_REFRESH:
        centrifugal_sub_refresh(c, command->id, r);
        break;
    }
}
