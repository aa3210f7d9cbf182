/* SPDX-License-Identifier: MIT */
#include "wire/plain.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/content.h"
#include "hub/session.h"
#include "hub/trace.h"
#include "wire/backend.h"
#include "wire/knock.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 32 * 1024 }; /* of what was missed, queued at once: much less than the limits */

/* What the request asked for, and how far it was told what it missed; freed when the connection is subscribed. */
struct wish {
    bool envelope, recover, greeted, waits; /* waits: for the queue to drain */
    bool speaks_only;                       /* it is never subscribed */
    bool presence;                          /* it is told who comes and goes */
    struct stream_position since;
    uint32_t last;
    struct guest *guest; /* until the session has it, as its owner */
};

struct plain {
    struct wire wire;
    struct session *session; /* NULL before `open` */
    char *channel;
    struct wish *wish;
};
_Static_assert(sizeof(struct plain) <= WIRE_DATA, "the block is too small");

static const duet_handler handler;
static const char way[] = "channel"; /* what operators read */

static struct plain *plain_of(const duet_conn *c)
{
    struct plain *p = c ? duet_data(c) : NULL;
    return p != NULL && p->wire.on == &handler ? p : NULL;
}

bool plain_describe(const duet_conn *c, struct wire_about *out)
{
    const struct plain *p = plain_of(c);
    if (p == NULL)
        return false;
    out->way = way;
    out->channel = p->channel;
    out->channel_len = p->channel ? strlen(p->channel) : 0;
    wire_describe_session(p->session, out);
    return true;
}

const char *plain_channel(const duet_conn *c)
{
    const struct plain *p = plain_of(c);
    return p ? p->channel : NULL;
}

/* Forms. */

static duet_shared *show_bare(const char *channel, size_t len, const char *epoch, const struct publication *p)
{
    (void)channel;
    (void)len;
    (void)epoch;
    return duet_shared_new(p->is.kind == HUB_BINARY ? DUET_BINARY : DUET_TEXT, p->is.data, p->is.len);
}

const struct hub_form plain_form = { .publication = show_bare };

static duet_shared *show_envelope(const char *channel, size_t len, const char *epoch, const struct publication *p)
{
    char space[512];
    struct buf b;
    (void)channel;
    (void)len;
    (void)epoch;
    buf_init(&b, space, sizeof(space));
    buf_puts(&b, "{");
    if (p->offset > 0)
        buf_printf(&b, "\"offset\":%" PRIu64 ",", p->offset);
    buf_printf(&b, "\"time\":%" PRIu64 ",", p->is.time_ms);
    if (p->is.info_len > 0) {
        buf_puts(&b, "\"who\":");
        buf_put(&b, p->is.info, p->is.info_len);
        buf_puts(&b, ",");
    }
    switch (p->is.kind) {
    case HUB_JSON:
        buf_puts(&b, "\"data\":");
        buf_put(&b, p->is.data, p->is.len);
        break;
    case HUB_TEXT:
        buf_puts(&b, "\"text\":");
        json_put_string(&b, p->is.data, p->is.len);
        break;
    case HUB_BINARY:
        buf_puts(&b, "\"b64\":");
        wire_put_base64(&b, p->is.data, p->is.len);
        break;
    }
    buf_puts(&b, "}");
    return wire_shared(&b);
}

static duet_shared *show_presence(const char *channel, size_t len, bool joined, const char *info, size_t info_len)
{
    char space[256];
    struct buf b;
    (void)channel;
    (void)len;
    buf_init(&b, space, sizeof(space));
    buf_puts(&b, joined ? "{\"joined\":" : "{\"left\":");
    buf_put(&b, info, info_len);
    buf_puts(&b, "}");
    return wire_shared(&b);
}

const struct hub_form envelope_form = { .publication = show_envelope, .presence = show_presence };

/* Subscribing. */

static struct session *find(duet_server *s, uint64_t id)
{
    struct plain *p = plain_of(duet_conn_find(s, id));
    return p ? p->session : NULL;
}

static void unsubscribed(struct session *s, const char *channel, size_t len, bool server_side, int code)
{
    duet_conn *c = wire_conn_of(s);
    (void)channel;
    (void)len;
    (void)server_side;
    (void)code; /* with its one channel the connection ends: to come back, or not */
    if (c != NULL)
        duet_close(c, code >= HUB_UNSUBSCRIBE_INSUFFICIENT ? HUB_DISCONNECT_INSUFFICIENT : HUB_DISCONNECT_FORCE,
                   hub_code_text(code));
}

static void refresh(struct session *s, uint64_t at_ms)
{
    guest_extend(session_owner(s), at_ms);
}

static const struct session_calls calls = {
    .way = way,
    .find = find,
    .join = wire_join,
    .leave = wire_leave,
    .unsubscribed = unsubscribed,
    .disconnect = wire_disconnect,
    .refresh = refresh,
};

static void greet(duet_conn *c, const struct session *s, const struct session_subscribed *r)
{
    char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    buf_puts(&b, "{\"channel\":");
    json_put_string(&b, r->channel, r->len);
    buf_printf(&b, ",\"client\":\"%s\"", session_client(s));
    if (r->positioned)
        buf_printf(&b, ",\"epoch\":\"%s\",\"offset\":%" PRIu64, r->epoch, r->offset);
    if (r->was_recovering)
        buf_printf(&b, ",\"recovered\":%s", r->recovered ? "true" : "false");
    buf_puts(&b, "}");
    duet_shared *m = wire_shared(&b);
    if (m == NULL || duet_send_shared(c, m) < 0)
        duet_close(c, HUB_DISCONNECT_INTERNAL, hub_code_text(HUB_DISCONNECT_INTERNAL));
    duet_shared_unref(m);
}

static void show(duet_conn *c, const struct hub_form *form, const struct session_subscribed *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        duet_shared *m = form->publication(r->channel, r->len, r->epoch, r->publications[i]);
        int rc = m ? duet_send_shared(c, m) : DUET_ERR_NOMEM;
        duet_shared_unref(m);
        if (rc < 0) {
            duet_close(c, HUB_DISCONNECT_INSUFFICIENT, hub_code_text(HUB_DISCONNECT_INSUFFICIENT));
            return;
        }
    }
}

static unsigned close_code(enum hub_error error)
{
    switch (error) {
    case HUB_ERROR_INTERNAL:
    case HUB_ERROR_TOO_MANY:
        return DUET_CODE_LATER;
    case HUB_ERROR_LIMIT:
        return DUET_CODE_TOO_BIG;
    case HUB_ERROR_BAD_REQUEST:
        return DUET_CODE_UNSUPPORTED;
    default:
        return DUET_CODE_POLICY;
    }
}

static void subscribe(struct plain *p);

static void go_on(duet_server *s, uint64_t id, void *unused)
{
    struct plain *p = plain_of(duet_conn_find(s, id));
    (void)unused;
    if (p != NULL && p->session != NULL && p->wish != NULL)
        subscribe(p);
}

/* There is more: when the queue has room. */
static void next_page(duet_conn *c, struct wish *w, const struct session_subscribed *r)
{
    w->recover = true;
    memcpy(w->since.epoch, r->epoch, sizeof(w->since.epoch));
    w->since.offset = r->publications[r->count - 1]->offset;
    w->waits = duet_congested(c);
    if (!w->waits && duet_post(duet_server_of(c), duet_id(c), go_on, NULL) < 0)
        duet_close(c, HUB_DISCONNECT_INSUFFICIENT, hub_code_text(HUB_DISCONNECT_INSUFFICIENT));
}

/* A page of what it missed, or the last, with which it is subscribed. */
static void welcome(duet_conn *c, struct plain *p, const struct session_subscribed *r)
{
    struct wish *w = p->wish;
    if (w->envelope && (!w->greeted || (r->was_recovering && !r->recovered)))
        greet(c, p->session, r);
    w->greeted = true;
    show(c, w->envelope ? &envelope_form : &plain_form, r);
    if (r->more) {
        next_page(c, w, r);
        return;
    }
    mem_free(w);
    p->wish = NULL;
}

static void subscribed(struct session *s, uint64_t tag, const struct session_subscribed *r)
{
    duet_conn *c = wire_conn_of(s);
    struct plain *p = plain_of(c);
    (void)tag;
    if (p == NULL)
        return;
    if (r->error == HUB_ERROR_LIMIT)
        duet_close(c, DUET_CODE_LATER, "too many channels");
    else if (r->error != HUB_OK)
        duet_close(c, close_code(r->error), hub_code_text((int)r->error));
    else if (r->was_recovering && !r->recovered && !p->wish->envelope)
        duet_close(c, PLAIN_GONE, "what came since is not kept any more");
    else
        welcome(c, p, r);
}

static void subscribe(struct plain *p)
{
    const struct wire_site *site = wire_site_of(session_server(p->session));
    p->wish->waits = false;
    session_subscribe(p->session, &(struct session_subscribe){
                                      .channel = p->channel,
                                      .len = strlen(p->channel),
                                      .form = p->wish->envelope ? site->envelope : site->plain,
                                      .recover = p->wish->recover,
                                      .from = p->wish->since,
                                      .last = p->wish->last,
                                      .page_bytes = PAGE_BYTES,
                                      .join_leave = p->wish->presence,
                                      .done = subscribed,
                                  });
}

static void drained(duet_conn *c)
{
    struct plain *p = duet_data(c);
    if (p->session != NULL && p->wish != NULL && p->wish->waits)
        subscribe(p);
}

static void expired(duet_server *s, uint64_t id)
{
    duet_conn *c = duet_conn_find(s, id);
    if (c != NULL)
        duet_close(c, HUB_DISCONNECT_EXPIRED, hub_code_text(HUB_DISCONNECT_EXPIRED));
}

/* It is told who it is, as others are, and hears nothing more but what is wrong. */
static void begin_to_speak(duet_conn *c, struct plain *p)
{
    if (p->wish->envelope)
        greet(c, p->session, &(struct session_subscribed){ .channel = p->channel, .len = strlen(p->channel) });
    mem_free(p->wish);
    p->wish = NULL;
}

static void opened(duet_conn *c)
{
    struct plain *p = duet_data(c);
    duet_server *server = duet_server_of(c);
    struct guest *guest = p->wish->guest;
    const struct session_who who = guest_who(guest);
    int rc = session_new(&p->session, wire_site_of(server)->hub, &calls, server, duet_id(c), &who, guest);
    if (rc == 0) {
        p->wish->guest = NULL;
        rc = guest_watch(guest, server, duet_id(c), expired);
    }
    if (rc == DUET_ERR_LIMIT)
        duet_close(c, HUB_DISCONNECT_CONNECTIONS, hub_code_text(HUB_DISCONNECT_CONNECTIONS));
    else if (rc < 0)
        duet_close(c, DUET_CODE_LATER, "out of memory");
    else if (p->wish->speaks_only)
        begin_to_speak(c, p);
    else
        subscribe(p);
}

/* Publishing. */

static void refused_with(duet_conn *c, int error, const char *message, unsigned code)
{
    struct buf b;
    const char *protocol = duet_subprotocol(c);
    if (protocol == NULL || strcmp(protocol, PLAIN_ENVELOPE) != 0) {
        duet_close(c, code, message);
        return;
    }
    buf_init(&b, NULL, 0);
    buf_printf(&b, "{\"error\":{\"code\":%d,\"message\":", error);
    json_put_string(&b, message, strlen(message));
    buf_puts(&b, "}}");
    duet_shared *m = wire_shared(&b);
    if (m != NULL)
        duet_send_shared(c, m);
    duet_shared_unref(m);
}

static void refused(duet_conn *c, enum hub_error error)
{
    refused_with(c, (int)error, hub_code_text((int)error), close_code(error));
}

/* Before the hub hears of it: so who follows the channel hears of it here. */
static void trace_refused(const struct plain *p, duet_type type, size_t len, int code, const char *words)
{
    struct hub_publish what = { .channel = p->channel, .len = strlen(p->channel), .way = way };
    what.parts = (struct publication_parts){ .kind = type == DUET_BINARY ? HUB_BINARY : HUB_TEXT, .len = len };
    what.parts.info = session_info(p->session, &what.parts.info_len);
    hub_trace_refused(session_hub(p->session), &what, code, words);
}

static void turn_away(duet_conn *c, const struct plain *p, const duet_msg *m, enum hub_error error)
{
    trace_refused(p, m->type, m->len, (int)error, hub_code_text((int)error));
    refused(c, error);
}

static void published(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *result)
{
    duet_conn *c = result->error == HUB_OK ? NULL : duet_conn_find(s, id);
    (void)tag;
    if (plain_of(c) != NULL)
        refused(c, result->error);
}

static void publish(duet_conn *c, struct plain *p, const struct content *content, bool skip_history)
{
    size_t len = strlen(p->channel);
    struct subscription *sub = session_find(p->session, p->channel, len);
    const struct hub_reply to = { .server = duet_server_of(c), .id = duet_id(c), .done = published };
    struct publication_parts parts = { .kind = content->kind, .data = content->data, .len = content->len };
    parts.info = session_info(p->session, &parts.info_len);
    if (sub != NULL && !skip_history)
        session_publish(p->session, sub, &parts, &to);
    else
        hub_publish(session_hub(p->session),
                    &(struct hub_publish){
                        .channel = p->channel, .len = len, .way = way, .parts = parts, .skip_history = skip_history },
                    &to);
}

/* A message that the backend looks at. Nothing is read meanwhile, so their order stays. */
struct looked {
    duet_type type;
    size_t len;
    char data[];
};

/* What the backend makes of it: other JSON, or as it was. 0 or a negative error. */
static int take_looked(struct content *content, const struct looked *m, struct json_slice data)
{
    return data.text != NULL ? content_take_json(content, data.text, data.len)
                             : content_take(content, m->type, m->data, m->len);
}

static void look_over(duet_conn *c, struct plain *p, const struct looked *m, const struct backend_answer *answer)
{
    struct content content;
    bool says_no = answer->kind == BACKEND_ERROR || answer->kind == BACKEND_DISCONNECT;
    if (answer->kind == BACKEND_RESULT && take_looked(&content, m, backend_member(answer->result, "data")) == 0) {
        publish(c, p, &content, backend_flag(answer->result, "skip_history"));
        content_fini(&content);
        return;
    }
    int code = says_no ? answer->code : HUB_ERROR_INTERNAL;
    const char *words = says_no ? answer->text : hub_code_text(code);
    trace_refused(p, m->type, m->len, code, words);
    if (answer->kind == BACKEND_DISCONNECT)
        duet_close(c, (unsigned)code, words);
    else
        refused_with(c, code, words, says_no ? DUET_CODE_POLICY : close_code(HUB_ERROR_INTERNAL));
}

static void answered(duet_server *s, uint64_t id, uint64_t tag, const struct hook_answer *said)
{
    struct looked *m = (struct looked *)(uintptr_t)tag;
    duet_conn *c = duet_conn_find(s, id);
    struct plain *p = plain_of(c);
    struct backend_answer answer;
    backend_read(&answer, said);
    if (p != NULL && p->session != NULL) {
        look_over(c, p, m, &answer);
        duet_resume(c);
    }
    mem_free(m);
}

static void ask_backend(duet_conn *c, struct plain *p, const duet_msg *m, const struct content *content)
{
    static const char *const kinds[] = { [HUB_JSON] = "json", [HUB_TEXT] = "text", [HUB_BINARY] = "binary" };
    const struct guest *guest = session_owner(p->session);
    assert(guest != NULL); /* where there is a backend, there always is one */
    const struct publication look = { .is = { .kind = content->kind, .data = content->data, .len = content->len } };
    struct looked *kept = mem_alloc(sizeof(*kept) + m->len);
    char space[1024];
    struct buf b;
    guest_question(guest, &b, space, sizeof(space));
    backend_put_text(&b, "client", session_client(p->session), SESSION_CLIENT);
    backend_put_text(&b, "channel", p->channel, strlen(p->channel));
    backend_put_text(&b, "kind", kinds[content->kind], strlen(kinds[content->kind]));
    buf_puts(&b, ",\"data\":");
    wire_put_payload(&b, &look);
    buf_puts(&b, "}");
    struct hook_question q = { .kind = HOOK_PUBLISH, .body = &b, .fields = guest_fields(guest) };
    q.server = duet_server_of(c);
    q.id = duet_id(c);
    q.tag = (uintptr_t)kept;
    q.done = answered;
    b.failed = b.failed || kept == NULL;
    if (kept != NULL) {
        *kept = (struct looked){ .type = m->type, .len = m->len };
        memcpy(kept->data, m->data, m->len);
    }
    if (hooks_ask(wire_site_of(q.server)->hooks, &q) < 0) {
        mem_free(kept);
        turn_away(c, p, m, HUB_ERROR_INTERNAL);
    } else {
        duet_pause(c);
    }
}

static void message(duet_conn *c, const duet_msg *m)
{
    struct plain *p = duet_data(c);
    size_t len = strlen(p->channel);
    const struct hub_options *o;
    struct content content;
    if (p->session == NULL)
        return;
    bool subscribed = session_find(p->session, p->channel, len) != NULL;
    int may =
        guest_may(session_owner(p->session), session_hub(p->session), p->channel, len, PERMIT_PUBLISH, subscribed, &o);
    if (may != HUB_OK && may != PERMIT_ASK)
        turn_away(c, p, m, HUB_ERROR_PERMISSION);
    else if (!session_spend(p->session, o))
        turn_away(c, p, m, HUB_ERROR_TOO_MANY);
    else if (content_take(&content, m->type, m->data, m->len) < 0)
        turn_away(c, p, m, HUB_ERROR_INTERNAL);
    else {
        if (may == PERMIT_ASK)
            ask_backend(c, p, m, &content);
        else
            publish(c, p, &content, false);
        content_fini(&content);
    }
}

static void forget(struct plain *p)
{
    guest_free(p->session ? session_owner(p->session) : NULL);
    guest_free(p->wish ? p->wish->guest : NULL);
    session_free(p->session);
    mem_free(p->channel);
    mem_free(p->wish);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct plain *p = duet_data(c);
    (void)why;
    forget(p);
    p->session = NULL;
    p->channel = NULL;
    p->wish = NULL;
}

static const duet_handler handler = { .open = opened, .message = message, .drain = drained, .close = closed };

/* The request. */

/* Yes or no; as it was, where that is not said. False: it is another word. */
static bool read_flag(const duet_request *r, const char *name, bool *flag)
{
    char text[8]; /* what is longer is cut */
    long len = duet_request_param(r, name, text, sizeof(text));
    bool yes = len == 3 && memcmp(text, "yes", 3) == 0;
    if (len >= 0)
        *flag = yes;
    return len < 0 || yes || (len == 2 && memcmp(text, "no", 2) == 0);
}

static struct wire_refusal read_wish(const duet_request *r, struct wish *w)
{
    char text[64];
    bool listens = true;
    const char *id = duet_request_header(r, "last-event-id");
    long len = duet_request_param(r, "since", text, sizeof(text));
    w->envelope = duet_request_offers(r, PLAIN_ENVELOPE);
    w->recover = len >= 0 || id != NULL;
    if (len >= 0 ? !wire_read_position(text, (size_t)len, &w->since)
                 : id != NULL && !wire_read_position(id, strlen(id), &w->since))
        return (struct wire_refusal){ 400, "since is a position, EPOCH:OFFSET, as duet.v1 and /events tell it" };
    len = duet_request_param(r, "last", text, sizeof(text));
    if (len == 0 || (len > 0 && strspn(text, "0123456789") != (size_t)len))
        return (struct wire_refusal){ 400, "last is a number: of the newest messages that come first" };
    unsigned long last = len > 0 ? strtoul(text, NULL, 10) : 0;
    w->last = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
    if (!read_flag(r, "listen", &listens))
        return (struct wire_refusal){ 400, "listen is yes, or no for who only speaks" };
    w->speaks_only = !listens;
    if (!read_flag(r, "presence", &w->presence))
        return (struct wire_refusal){ 400, "presence is no, or yes to be told who comes and goes" };
    return (struct wire_refusal){ 0, NULL };
}

/* What the request is about, while it is not upgraded yet. */
struct visit {
    struct wish *wish;
    char *channel;
};

static void drop(void *arg)
{
    struct visit *v = arg;
    mem_free(v->channel);
    mem_free(v->wish);
    mem_free(v);
}

static void let_in(duet_http *x, struct guest *guest, void *arg)
{
    struct plain *p = duet_http_data(x);
    struct visit *v = arg;
    *p = (struct plain){ .wire.on = &handler, .channel = v->channel, .wish = v->wish };
    v->wish->guest = guest;
    if (duet_http_upgrade(x, v->wish->envelope ? PLAIN_ENVELOPE : NULL, NULL) == 0) {
        mem_free(v);
        return;
    }
    *p = (struct plain){ .channel = NULL };
    guest_free(guest);
    drop(v);
    wire_refuse(x, &wire_no_memory);
}

void plain_upgrade(duet_http *x, const duet_request *r)
{
    struct wish wish = { .envelope = false };
    struct visit *v = mem_zalloc(sizeof(*v));
    struct wire_refusal no = read_wish(r, &wish);
    if (v != NULL) {
        v->channel = mem_strdup(duet_request_path(r) + strlen(PLAIN_PATH));
        v->wish = mem_dup(&wish, sizeof(wish));
    }
    if (no.why == NULL && (v == NULL || v->channel == NULL || v->wish == NULL))
        no = wire_no_memory;
    if (no.why != NULL) {
        wire_refuse(x, &no);
        if (v != NULL)
            drop(v);
        return;
    }
    knock_at(x, r,
             &(struct knock){ .transport = PLAIN_TRANSPORT,
                              .channels = (const char *const *)&v->channel,
                              .count = wish.speaks_only ? 0 : 1, /* what it says is judged as it comes */
                              .open = let_in,
                              .drop = drop,
                              .arg = v });
}
