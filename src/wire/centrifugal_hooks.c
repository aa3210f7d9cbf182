/* SPDX-License-Identifier: MIT */
/*
 * What the backend is asked for a client. A question keeps the command that it is about; with its answer the command
 * goes on as if it came then, unless the client is gone.
 */
#include "base/json.h"
#include "base/mem.h"
#include "wire/centrifugal_client.h"
#include <inttypes.h>
#include <string.h>

enum { AGAIN_MS = 1000 }; /* before a refresh that failed is asked again */

struct centrifugal_ask {
    struct centrifugal_ask *next;
    uint64_t serial, about; /* about: the caller's own */
    enum hook_kind kind;
    uint32_t id; /* of the command */
    size_t len;
    char body[]; /* the command's object, or a channel's name */
};

static const struct wire_site *site_of(const struct centrifugal *c)
{
    return wire_site_of(c->server);
}

bool centrifugal_has_hook(const struct centrifugal *c, enum hook_kind kind)
{
    return hooks_has(site_of(c)->hooks, kind);
}

void centrifugal_asks_free(struct centrifugal *c)
{
    while (c->asks != NULL) {
        struct centrifugal_ask *next = c->asks->next;
        mem_free(c->asks);
        c->asks = next;
    }
}

/* Out of the list; NULL: it is not there any more. */
static struct centrifugal_ask *take(struct centrifugal *c, uint64_t serial)
{
    struct centrifugal_ask **at = &c->asks;
    while (*at != NULL && (*at)->serial != serial)
        at = &(*at)->next;
    struct centrifugal_ask *a = *at;
    if (a != NULL)
        *at = a->next;
    return a;
}

/* Asking. */

static void answered(duet_server *s, uint64_t id, uint64_t serial, const struct hook_answer *answer);

void centrifugal_question(const struct centrifugal *c, struct buf *b, void *space, size_t size)
{
    static const char *const transports[][2] = {
        [CENTRIFUGAL_WEBSOCKET] = { "websocket", "uni_websocket" },
        [CENTRIFUGAL_STREAM] = { "http_stream", "uni_http_stream" },
        [CENTRIFUGAL_EVENTS] = { "sse", "uni_sse" },
    };
    struct backend_who who = { .transport = transports[c->way][c->listens_only], .claims = c->claims };
    if (c->session != NULL) {
        who.client = session_client(c->session);
        who.user = session_user(c->session, &who.user_len);
    }
    backend_begin(b, space, size, &who);
}

int centrifugal_ask(struct centrifugal *c, enum hook_kind kind, uint32_t id, uint64_t about, struct json_slice body,
                    struct buf *question)
{
    struct centrifugal_ask *a = mem_alloc(sizeof(*a) + body.len);
    buf_puts(question, "}");
    if (a == NULL) {
        buf_fini(question);
        return HUB_ERROR_INTERNAL;
    }
    *a = (struct centrifugal_ask){
        .next = c->asks, .serial = ++c->serial, .about = about, .kind = kind, .id = id, .len = body.len
    };
    memcpy(a->body, body.text, body.len);
    struct hook_question q = { .kind = kind, .body = question, .fields = c->fields, .server = c->server, .id = c->id };
    q.tag = a->serial;
    q.done = answered;
    int rc = hooks_ask(site_of(c)->hooks, &q);
    if (rc < 0) {
        mem_free(a);
        return HUB_ERROR_INTERNAL;
    }
    c->asks = a;
    centrifugal_wait(c);
    return HUB_OK;
}

void centrifugal_refuse(struct centrifugal *c, uint32_t id, const struct backend_answer *answer)
{
    switch (answer->kind) {
    case BACKEND_DISCONNECT:
        centrifugal_disconnect_with(c, answer->code, answer->text);
        break;
    case BACKEND_ERROR:
        centrifugal_fail_with(c, id, answer->code, answer->text, answer->temporary);
        break;
    default:
        centrifugal_fail(c, id, HUB_ERROR_INTERNAL);
    }
}

/* Calls, and words that want no answer. */

void centrifugal_call(struct centrifugal *c, const struct centrifugal_command *command,
                      const struct centrifugal_request *r)
{
    bool is_rpc = command->method == CENTRIFUGAL_RPC;
    enum hook_kind kind = is_rpc ? HOOK_RPC : HOOK_SEND;
    char space[1024];
    struct buf b;
    if (!centrifugal_has_hook(c, kind)) {
        if (is_rpc)
            centrifugal_fail(c, command->id, HUB_ERROR_NOT_AVAILABLE);
        else
            centrifugal_disconnect(c, HUB_DISCONNECT_NOT_AVAILABLE); /* nobody takes it */
        return;
    }
    centrifugal_question(c, &b, space, sizeof(space));
    if (is_rpc)
        backend_put_text(&b, "method", r->method.text ? r->method.text : "", r->method.len);
    backend_put_json(&b, "data", r->data);
    int error = centrifugal_ask(c, kind, command->id, 0, (struct json_slice){ "", 0 }, &b);
    if (error != HUB_OK && is_rpc)
        centrifugal_fail(c, command->id, error);
}

static void called(struct centrifugal *c, const struct centrifugal_ask *a, const struct backend_answer *answer)
{
    char space[1024];
    struct buf b;
    if (answer->kind != BACKEND_RESULT) {
        centrifugal_refuse(c, a->id, answer);
        return;
    }
    struct json_slice data = backend_member(answer->result, "data");
    centrifugal_reply(c, &b, space, sizeof(space), a->id, CENTRIFUGAL_RPC);
    buf_puts(&b, "{");
    if (data.text != NULL) {
        buf_puts(&b, "\"data\":");
        backend_put_line(&b, data);
    }
    buf_puts(&b, "}}");
    centrifugal_send(c, &b);
}

static void sent(struct centrifugal *c, const struct backend_answer *answer)
{
    if (answer->kind == BACKEND_DISCONNECT)
        centrifugal_disconnect_with(c, answer->code, answer->text);
}

/* Connections and subscriptions that the backend let in go on as long as it says. */

void centrifugal_ask_refresh(struct centrifugal *c)
{
    char space[512];
    struct buf b;
    centrifugal_question(c, &b, space, sizeof(space));
    int error = centrifugal_ask(c, HOOK_REFRESH, 0, 0, (struct json_slice){ "", 0 }, &b);
    c->ask_ms = error == HUB_OK ? 0 : hub_now(site_of(c)->hub) + AGAIN_MS;
}

static void refreshed(struct centrifugal *c, const struct backend_answer *answer)
{
    uint64_t now = hub_now(site_of(c)->hub), at;
    bool over;
    if (answer->kind == BACKEND_DISCONNECT) {
        centrifugal_disconnect_with(c, answer->code, answer->text);
    } else if (answer->kind != BACKEND_RESULT || !backend_renewal(answer->result, now, &at, &over)) {
        c->ask_ms = now + AGAIN_MS; /* until its time is over for good */
    } else if (over) {
        centrifugal_disconnect(c, HUB_DISCONNECT_EXPIRED);
    } else {
        c->expires_ms = c->ask_ms = at;
    }
    centrifugal_schedule(c);
}

void centrifugal_ask_sub_refresh(struct centrifugal *c, struct subscription *sub)
{
    char space[512];
    struct buf b;
    size_t len;
    const char *channel = subscription_channel(sub, &len);
    centrifugal_question(c, &b, space, sizeof(space));
    backend_put_text(&b, "channel", channel, len);
    int error = centrifugal_ask(c, HOOK_SUB_REFRESH, 0, subscription_tag(sub), (struct json_slice){ channel, len }, &b);
    subscription_set_renewal(sub, error == HUB_OK ? 0 : hub_now(site_of(c)->hub) + AGAIN_MS);
}

static void sub_refreshed(struct centrifugal *c, const struct centrifugal_ask *a, const struct backend_answer *answer)
{
    uint64_t now = hub_now(site_of(c)->hub), at;
    bool over;
    struct subscription *sub = session_find(c->session, a->body, a->len);
    if (answer->kind == BACKEND_DISCONNECT) {
        centrifugal_disconnect_with(c, answer->code, answer->text);
    } else if (sub == NULL || subscription_tag(sub) != a->about) {
        return; /* it has left meanwhile; if it is back, that is another, which was asked for by itself */
    } else if (answer->kind != BACKEND_RESULT || !backend_renewal(answer->result, now, &at, &over)) {
        subscription_set_renewal(sub, now + AGAIN_MS);
    } else if (over) {
        bool server_side = subscription_server_side(sub);
        session_unsubscribe(c->session, a->body, a->len);
        centrifugal_calls[0].unsubscribed(c->session, a->body, a->len, server_side, HUB_UNSUBSCRIBE_EXPIRED);
    } else {
        subscription_set_expires(sub, at);
        subscription_set_renewal(sub, at);
    }
    centrifugal_schedule(c);
}

/* Answers. */

static void go_on(struct centrifugal *c, const struct centrifugal_ask *a, const struct backend_answer *answer)
{
    struct centrifugal_request r = { .memory = NULL };
    /* It was read before, so it can be read again; but for memory. */
    if (!centrifugal_read(&r, (struct json_slice){ a->body, a->len }))
        centrifugal_disconnect(c, HUB_DISCONNECT_INTERNAL);
    else if (a->kind == HOOK_CONNECT)
        centrifugal_connect_answered(c, a->id, &r, answer);
    else if (a->kind == HOOK_SUBSCRIBE)
        centrifugal_subscribe_answered(c, a->id, a->about, &r, answer);
    else
        centrifugal_publish_answered(c, a->id, &r, answer);
    centrifugal_request_fini(&r);
}

static void answered(duet_server *s, uint64_t id, uint64_t serial, const struct hook_answer *said)
{
    struct centrifugal *c = centrifugal_find(s, id);
    struct centrifugal_ask *a = c ? take(c, serial) : NULL;
    struct backend_answer answer;
    if (a == NULL)
        return;
    backend_read(&answer, said);
    if (c->state != CENTRIFUGAL_OVER) {
        if (a->kind == HOOK_RPC)
            called(c, a, &answer);
        else if (a->kind == HOOK_SEND)
            sent(c, &answer);
        else if (a->kind == HOOK_REFRESH)
            refreshed(c, &answer);
        else if (a->kind == HOOK_SUB_REFRESH)
            sub_refreshed(c, a, &answer);
        else
            go_on(c, a, &answer);
    }
    mem_free(a);
    centrifugal_answered(c);
}
