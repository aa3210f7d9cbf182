/* SPDX-License-Identifier: MIT */
/*
 * Each command is a node; a broadcast and a batch have children. A node that is done writes what it has to say, and the
 * last child that is done lets its parent go on; the root answers the request. All of it happens on the request's loop:
 * a publication that takes longer comes back there.
 */
#include "wire/api.h"
#include "base/json.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "hub/match.h"
#include "wire/api_clients.h"
#include "wire/params.h"
#include "wire/wire.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

struct node {
    struct call *call;
    struct node *parent; /* NULL: the root */
    struct node *children;
    unsigned count, waiting;
    const char *method; /* of a command in a batch: what its answer is called */
    enum { LEAF, BROADCAST, BATCH } shape;
    enum hub_error error;
    struct buf result; /* the result's JSON */
};

/* One request. */
struct call {
    duet_server *server;
    uint64_t id;
    struct hub *hub;
    struct node root;
};

/* What it says is an enum hub_error, or that the answer comes later. */
typedef int method(struct node *n, struct json_slice params);
enum { LATER = -1 };

/* Answers. */

static void node_fini(struct node *n)
{
    for (unsigned i = 0; i < n->count; i++)
        node_fini(&n->children[i]);
    mem_free(n->children);
    buf_fini(&n->result);
}

static void put_error(struct buf *b, enum hub_error error)
{
    buf_printf(b, "\"error\":{\"code\":%d,\"message\":\"%s\"%s}", (int)error, hub_code_text((int)error),
               hub_error_temporary((int)error) ? ",\"temporary\":true" : "");
}

/* {"result":{...}}, {"METHOD":{...}} or {"error":{...}} */
static void put_answer(struct buf *b, const struct node *n)
{
    buf_puts(b, "{");
    if (n->error != HUB_OK) {
        put_error(b, n->error);
    } else {
        buf_printf(b, "\"%s\":", n->parent != NULL && n->parent->shape == BATCH ? n->method : "result");
        if (n->result.len > 0)
            buf_put(b, n->result.at, n->result.len);
        else
            buf_puts(b, "{}");
    }
    buf_puts(b, "}");
    b->failed |= n->result.failed;
}

static void put_children(struct buf *b, const struct node *n, const char *name)
{
    buf_printf(b, "{\"%s\":[", name);
    for (unsigned i = 0; i < n->count; i++) {
        buf_puts(b, i > 0 ? "," : "");
        put_answer(b, &n->children[i]);
    }
    buf_puts(b, "]}");
}

static void reply(struct call *call)
{
    static const duet_header headers[] = {
        { "Content-Type", "application/json" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    duet_http *x = duet_http_find(call->server, call->id);
    struct node *root = &call->root;
    struct buf b;
    buf_init(&b, NULL, 0);
    if (root->shape == BATCH && root->error == HUB_OK)
        buf_put(&b, root->result.at, root->result.len);
    else
        put_answer(&b, root);
    b.failed |= root->result.failed;
    if (x != NULL && (b.failed || duet_http_reply(x, 200, headers, b.at, b.len) < 0))
        duet_http_text(x, 503, "out of memory, try again later");
    buf_fini(&b);
    node_fini(root);
    mem_free(call);
}

static void done(struct node *n, enum hub_error error)
{
    n->error = error;
    for (; n->parent != NULL; n = n->parent) {
        struct node *p = n->parent;
        if (--p->waiting > 0)
            return;
        put_children(&p->result, p, p->shape == BATCH ? "replies" : "responses");
    }
    reply(n->call);
}

/* Children, all of them waited for. */
static int have_children(struct node *n, unsigned count)
{
    n->children = mem_zalloc(count * sizeof(struct node));
    if (n->children == NULL)
        return DUET_ERR_NOMEM;
    n->count = n->waiting = count;
    for (unsigned i = 0; i < count; i++) {
        n->children[i].call = n->call;
        n->children[i].parent = n;
        buf_init(&n->children[i].result, NULL, 0);
    }
    return 0;
}

/* Publishing. */

/* What is to be published; `owned` frees what had to be made for it. */
struct message {
    struct content content, tags;
    struct params_bytes bytes; /* of base64 or text */
    char key[HUB_NAME_MOST], version_epoch[HUB_NAME_MOST];
    struct publication_parts parts;
    bool skip_history;
};

static void message_fini(struct message *m)
{
    content_fini(&m->content);
    content_fini(&m->tags);
    mem_free(m->bytes.at);
}

/* Bytes that are JSON are meant for clients that speak JSON, whatever else takes them. */
static enum hub_error read_base64(struct message *m, struct json_slice value)
{
    enum hub_error error = params_bytes(&m->bytes, value);
    if (error != HUB_OK)
        return error;
    m->parts.kind = HUB_BINARY;
    m->parts.data = m->bytes.at;
    m->parts.len = m->bytes.len;
    int rc = content_take_json(&m->content, (const char *)m->bytes.at, m->bytes.len);
    if (rc == 0) {
        m->parts.kind = HUB_JSON;
        m->parts.data = m->content.data;
        m->parts.len = m->content.len;
    }
    return rc == DUET_ERR_NOMEM ? HUB_ERROR_INTERNAL : HUB_OK;
}

static enum hub_error read_text(struct message *m, struct json_slice value)
{
    m->bytes.at = json_kind_of(value) == '"' ? mem_alloc(value.len) : NULL;
    if (m->bytes.at == NULL)
        return json_kind_of(value) == '"' ? HUB_ERROR_INTERNAL : HUB_ERROR_BAD_REQUEST;
    long len = json_unquote((char *)m->bytes.at, value);
    if (len < 0)
        return HUB_ERROR_BAD_REQUEST;
    m->parts.kind = HUB_TEXT;
    m->parts.data = m->bytes.at;
    m->parts.len = (size_t)len;
    return HUB_OK;
}

static enum hub_error read_data(struct message *m, struct json_slice params)
{
    struct json_slice data = params_member(params, "data"), b64 = params_member(params, "b64data"),
                      text = params_member(params, "text");
    if ((data.text != NULL) + (b64.text != NULL) + (text.text != NULL) != 1)
        return HUB_ERROR_BAD_REQUEST;
    if (b64.text != NULL)
        return read_base64(m, b64);
    if (text.text != NULL)
        return read_text(m, text);
    int rc = content_take_json(&m->content, data.text, data.len);
    if (rc < 0)
        return rc == DUET_ERR_NOMEM ? HUB_ERROR_INTERNAL : HUB_ERROR_BAD_REQUEST;
    m->parts.kind = m->content.kind;
    m->parts.data = m->content.data;
    m->parts.len = m->content.len;
    return HUB_OK;
}

/* An object of strings. */
static enum hub_error read_tags(struct message *m, struct json_slice params)
{
    struct json_slice tags = params_member(params, "tags"), key, value;
    if (tags.text == NULL)
        return HUB_OK;
    if (json_kind_of(tags) != '{')
        return HUB_ERROR_BAD_REQUEST;
    struct json_each each = json_each(tags);
    while (json_next(&each, &key, &value))
        if (json_kind_of(value) != '"')
            return HUB_ERROR_BAD_REQUEST;
    if (content_take_json(&m->tags, tags.text, tags.len) < 0)
        return HUB_ERROR_INTERNAL;
    m->parts.tags = m->tags.data;
    m->parts.tags_len = m->tags.len;
    return HUB_OK;
}

/* message_fini() afterwards, also after an error. */
static enum hub_error read_message(struct message *m, struct json_slice params)
{
    int64_t version;
    memset(m, 0, sizeof(*m));
    enum hub_error error = read_data(m, params);
    if (error == HUB_OK)
        error = read_tags(m, params);
    if (error != HUB_OK)
        return error;
    if (!params_text(params, "idempotency_key", m->key, sizeof(m->key), &m->parts.key_len) ||
        !params_text(params, "version_epoch", m->version_epoch, sizeof(m->version_epoch),
                     &m->parts.version_epoch_len) ||
        !params_number(params, "version", &version) || version < 0)
        return HUB_ERROR_BAD_REQUEST;
    m->parts.key = m->key;
    m->parts.version_epoch = m->version_epoch;
    m->parts.version = (uint64_t)version;
    m->skip_history = params_flag(params, "skip_history");
    return HUB_OK;
}

static void published(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *r)
{
    struct node *n = (struct node *)(uintptr_t)tag;
    (void)s;
    (void)id;
    if (r->error == HUB_OK && r->offset > 0)
        buf_printf(&n->result, "{\"offset\":%" PRIu64 ",\"epoch\":\"%s\"}", r->offset, r->epoch);
    done(n, r->error);
}

/* Bytes that happen to be JSON, in a channel that takes none. */
static bool stay_bytes(const struct hub *h, const struct message *m, const char *channel, size_t len)
{
    enum hub_error error;
    const struct hub_options *o =
        m->parts.kind == HUB_JSON && m->bytes.len > 0 ? hub_options_of(h, channel, len, &error) : NULL;
    return o != NULL && !(o->kinds & 1u << HUB_JSON);
}

static void publish_to(struct node *n, const struct message *m, const char *channel, size_t len)
{
    struct hub_publish what = {
        .channel = channel, .len = len, .way = "api", .parts = m->parts, .skip_history = m->skip_history
    };
    if (stay_bytes(n->call->hub, m, channel, len)) {
        what.parts.kind = HUB_BINARY;
        what.parts.data = m->bytes.at;
        what.parts.len = m->bytes.len;
    }
    hub_publish(
        n->call->hub, &what,
        &(struct hub_reply){ .server = n->call->server, .id = n->call->id, .tag = (uintptr_t)n, .done = published });
}

static int do_publish(struct node *n, struct json_slice params)
{
    struct message m;
    char channel[HUB_NAME_MOST];
    size_t len;
    int error = (int)read_message(&m, params);
    if (error == HUB_OK && !params_channel(params, channel, &len))
        error = HUB_ERROR_BAD_REQUEST;
    if (error == HUB_OK) {
        publish_to(n, &m, channel, len);
        error = LATER;
    }
    message_fini(&m);
    return error;
}

static void broadcast_to(struct node *n, const struct message *m, struct json_slice channels)
{
    struct json_slice key, value;
    struct json_each each = json_each(channels);
    unsigned count = n->count;
    /* The last that is done may end it all, so nothing of `n` is touched behind that. */
    for (unsigned i = 0; i < count && json_next(&each, &key, &value); i++) {
        struct node *child = &n->children[i];
        char all[6 * HUB_NAME_MOST + 2];
        long len = json_kind_of(value) == '"' && value.len <= sizeof(all) ? json_unquote(all, value) : -1;
        if (len <= 0)
            done(child, HUB_ERROR_BAD_REQUEST);
        else
            publish_to(child, m, all, (size_t)len);
    }
}

static int do_broadcast(struct node *n, struct json_slice params)
{
    struct message m;
    struct json_slice channels = params_member(params, "channels");
    unsigned count = params_count(channels, API_COMMANDS_MOST);
    int error = (int)read_message(&m, params);
    if (error == HUB_OK && count == 0)
        error = HUB_ERROR_BAD_REQUEST;
    if (error == HUB_OK) {
        n->shape = BROADCAST;
        error = have_children(n, count) < 0 ? HUB_ERROR_INTERNAL : LATER;
    }
    if (error == LATER)
        broadcast_to(n, &m, channels);
    message_fini(&m);
    return error;
}

/* Looking. */

struct presence {
    struct buf *b;
    bool more;
};

static void put_present(void *arg, const char *client, const char *info, size_t len)
{
    struct presence *p = arg;
    buf_printf(p->b, "%s\"%s\":", p->more ? "," : "", client);
    buf_put(p->b, info, len);
    p->more = true;
}

static enum hub_error presence_channel(struct node *n, struct json_slice params, char channel[HUB_NAME_MOST],
                                       size_t *len)
{
    enum hub_error error = HUB_ERROR_BAD_REQUEST;
    if (!params_channel(params, channel, len))
        return error;
    const struct hub_options *o = hub_options_of(n->call->hub, channel, *len, &error);
    if (o == NULL)
        return error;
    return o->presence ? HUB_OK : HUB_ERROR_NOT_AVAILABLE;
}

static int do_presence(struct node *n, struct json_slice params)
{
    char channel[HUB_NAME_MOST];
    size_t len;
    struct presence p = { .b = &n->result };
    enum hub_error error = presence_channel(n, params, channel, &len);
    if (error != HUB_OK)
        return (int)error;
    buf_puts(&n->result, "{\"presence\":{");
    hub_presence(n->call->hub, channel, len, NULL, put_present, &p);
    buf_puts(&n->result, "}}");
    return HUB_OK;
}

static int do_presence_stats(struct node *n, struct json_slice params)
{
    char channel[HUB_NAME_MOST];
    size_t len, users;
    enum hub_error error = presence_channel(n, params, channel, &len);
    if (error != HUB_OK)
        return (int)error;
    long clients = hub_presence(n->call->hub, channel, len, &users, NULL, NULL);
    if (clients < 0)
        return HUB_ERROR_INTERNAL;
    buf_printf(&n->result, "{\"num_clients\":%ld,\"num_users\":%zu}", clients, users);
    return HUB_OK;
}

static void paged(duet_server *s, uint64_t id, uint64_t tag, const struct hub_page *page)
{
    struct node *n = (struct node *)(uintptr_t)tag;
    (void)s;
    (void)id;
    if (page->error == HUB_OK) {
        buf_puts(&n->result, "{\"publications\":[");
        for (uint32_t i = 0; i < page->count; i++) {
            buf_puts(&n->result, i > 0 ? "," : "");
            wire_put_publication(&n->result, page->publications[i]);
        }
        buf_printf(&n->result, "],\"epoch\":\"%s\",\"offset\":%" PRIu64 "}", page->epoch, page->top);
    }
    done(n, page->error);
}

static int do_history(struct node *n, struct json_slice params)
{
    char channel[HUB_NAME_MOST], epoch[STREAM_EPOCH];
    struct hub_history what = { .channel = channel, .reverse = params_flag(params, "reverse") };
    struct json_slice since = params_member(params, "since");
    int64_t offset = 0;
    size_t len = 0;
    what.has_since = since.text != NULL;
    if (!params_channel(params, channel, &what.len) || !params_number(params, "limit", &what.limit))
        return HUB_ERROR_BAD_REQUEST;
    if (what.has_since && (!params_number(since, "offset", &offset) || offset < 0 ||
                           !params_text(since, "epoch", epoch, sizeof(epoch), &len)))
        return HUB_ERROR_BAD_REQUEST;
    what.since.offset = (uint64_t)offset;
    memcpy(what.since.epoch, epoch, len);
    hub_read_history(
        n->call->hub, &what,
        &(struct hub_pager){ .server = n->call->server, .id = n->call->id, .tag = (uintptr_t)n, .done = paged });
    return LATER;
}

static int do_history_remove(struct node *n, struct json_slice params)
{
    char channel[HUB_NAME_MOST];
    size_t len;
    enum hub_error error = HUB_ERROR_BAD_REQUEST;
    if (!params_channel(params, channel, &len))
        return (int)error;
    const struct hub_options *o = hub_options_of(n->call->hub, channel, len, &error);
    if (o == NULL)
        return (int)error;
    if (o->history_size == 0)
        return HUB_ERROR_NOT_AVAILABLE;
    hub_remove_history(n->call->hub, channel, len);
    return HUB_OK;
}

struct listing {
    struct buf *b;
    char pattern[HUB_NAME_MOST];
    size_t len;
    bool more;
};

static bool list_channel(void *arg, const char *name, size_t len, size_t subscribers)
{
    struct listing *l = arg;
    if (subscribers == 0 || (l->len > 0 && !hub_match(l->pattern, l->len, name, len)))
        return true;
    buf_puts(l->b, l->more ? "," : "");
    json_put_string(l->b, name, len);
    buf_printf(l->b, ":{\"num_clients\":%zu}", subscribers);
    l->more = true;
    return !l->b->failed;
}

static int do_channels(struct node *n, struct json_slice params)
{
    struct listing l = { .b = &n->result };
    if (!params_text(params, "pattern", l.pattern, sizeof(l.pattern), &l.len))
        return HUB_ERROR_BAD_REQUEST;
    buf_puts(&n->result, "{\"channels\":{");
    hub_each_channel(n->call->hub, list_channel, &l);
    buf_puts(&n->result, "}}");
    return HUB_OK;
}

static int do_info(struct node *n, struct json_slice params)
{
    struct hub_stats s;
    (void)params;
    hub_read_stats(n->call->hub, &s);
    buf_printf(&n->result,
               "{\"nodes\":[{\"uid\":\"%s\",\"name\":\"duet\",\"version\":\"%s\",\"num_clients\":%" PRIu64
               ",\"num_users\":%" PRIu64 ",\"num_channels\":%" PRIu64 ",\"uptime\":%" PRIu64 "}]}",
               hub_node(n->call->hub), duet_version(), s.sessions, s.users, s.channels, s.uptime_ms / 1000);
    return HUB_OK;
}

/* Clients. */

static int do_subscribe(struct node *n, struct json_slice params)
{
    return (int)api_subscribe(n->call->hub, params);
}

static int do_unsubscribe(struct node *n, struct json_slice params)
{
    return (int)api_unsubscribe(n->call->hub, params);
}

static int do_disconnect(struct node *n, struct json_slice params)
{
    return (int)api_disconnect(n->call->hub, params);
}

static int do_refresh(struct node *n, struct json_slice params)
{
    return (int)api_refresh(n->call->hub, params);
}

/* Commands. */

static int do_batch(struct node *n, struct json_slice params);

static const struct {
    const char *name;
    method *run;
} methods[] = {
    { "publish", do_publish },       { "broadcast", do_broadcast },
    { "subscribe", do_subscribe },   { "unsubscribe", do_unsubscribe },
    { "disconnect", do_disconnect }, { "refresh", do_refresh },
    { "presence", do_presence },     { "presence_stats", do_presence_stats },
    { "history", do_history },       { "history_remove", do_history_remove },
    { "channels", do_channels },     { "info", do_info },
    { "batch", do_batch }, /* the last: not in another batch */
};
enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

static void run(struct node *n, unsigned which, struct json_slice params)
{
    n->method = methods[which].name;
    int error = json_kind_of(params) == '{' ? methods[which].run(n, params) : HUB_ERROR_BAD_REQUEST;
    if (error != LATER)
        done(n, (enum hub_error)error);
}

/* {"METHOD": {...}} */
static void run_command(struct node *n, struct json_slice command)
{
    struct json_slice key, value;
    struct json_each each = json_each(command);
    if (json_kind_of(command) == '{' && json_next(&each, &key, &value))
        for (unsigned i = 0; i + 1 < METHODS; i++)
            if (json_is(key, methods[i].name)) {
                run(n, i, value);
                return;
            }
    done(n, HUB_ERROR_METHOD);
}

static int do_batch(struct node *n, struct json_slice params)
{
    struct json_slice commands = params_member(params, "commands"), key, value;
    unsigned count = params_count(commands, API_COMMANDS_MOST);
    if (count == 0)
        return HUB_ERROR_BAD_REQUEST;
    struct json_each each = json_each(commands);
    n->shape = BATCH;
    if (have_children(n, count) < 0)
        return HUB_ERROR_INTERNAL;
    struct node *children = n->children;
    for (unsigned i = 0; i < count && json_next(&each, &key, &value); i++)
        run_command(&children[i], value);
    return LATER;
}

/* The request. */

static void start(duet_http *x, unsigned which, struct json_slice params)
{
    struct call *call = mem_zalloc(sizeof(*call));
    if (call == NULL) {
        duet_http_text(x, 503, "out of memory, try again later");
        return;
    }
    call->server = duet_http_server(x);
    call->id = duet_http_id(x);
    call->hub = wire_site_of(call->server)->hub;
    call->root.call = call;
    buf_init(&call->root.result, NULL, 0);
    run(&call->root, which, params);
}

static void say(duet_http *x, unsigned status, const char *why)
{
    wire_refuse(x, &(struct wire_refusal){ status, why, "apikey" });
}

/* False: it was answered. */
static bool may_ask(duet_http *x, const duet_request *r)
{
    const struct wire_site *site = wire_site_of(duet_http_server(x));
    const char *key = duet_request_header(r, "x-api-key"), *given = duet_request_header(r, "authorization");
    if (key == NULL && given != NULL && strncasecmp(given, "apikey ", 7) == 0)
        key = given + 7;
    const char *right = site->api_key ? atomic_load(site->api_key) : NULL;
    if (right == NULL && wire_is_local(r))
        return true;
    if (right == NULL)
        say(x, 403, "without a key the API is for programs on this machine: see --api-key-file");
    else if (key == NULL)
        say(x, 401, "the API wants its key in the field X-API-Key");
    else if (!wire_is_secret(key, right))
        say(x, 401, "this is not the API's key");
    else
        return true;
    return false;
}

void api_http(duet_http *x, const duet_request *r)
{
    if (may_ask(x, r))
        api_run(x, r, duet_request_path(r) + strlen(API_PATH));
}

void api_run(duet_http *x, const duet_request *r, const char *name)
{
    struct json_slice params;
    size_t len;
    unsigned which = 0;
    while (which < METHODS && strcmp(methods[which].name, name) != 0)
        which++;
    const char *body = duet_request_body(r, &len);
    if (which == METHODS)
        say(x, 404, "the API has no such method");
    else if (!json_check(len > 0 ? body : "{}", len > 0 ? len : 2, API_DEPTH_MOST + 4, &params))
        say(x, 400, "the body is not JSON");
    else
        start(x, which, params);
}
