/* SPDX-License-Identifier: MIT */
#include "server/httpd.h"
#include "base/mem.h"
#include "http/forwarded.h"
#include "http/reply.h"
#include "proto/handshake.h"
#include "server/files.h"
#include <string.h>
#include <strings.h>

enum {
    PIPELINE_MOST = 16 * 1024, /* bytes kept behind a request that waits for its answer */
    BODY_PER_S = 16 * 1024
};

static void ended(duet_http *x);

void http_free(duet_http *x)
{
    if (x->over)
        x->over(x->source);
    request_fini(&x->request);
    buf_fini(&x->kept);
    buf_fini(&x->raw);
    buf_fini(&x->body);
    if (x->owns_head)
        mem_free(x->head);
    mem_free(x);
}

void http_detach(duet_http *x)
{
    duet_http_resume(x);
    conn_busy(x->conn)->http = NULL;
    x->conn = NULL;
    x->done = true;
    if (!x->in_callback)
        http_free(x);
}

void http_end(duet_http *x)
{
    x->done = true;
    if (!x->in_callback)
        ended(x);
}

/* The answer is queued whole: on to the next request, or the end of the connection. */
static void ended(duet_http *x)
{
    duet_conn *c = x->conn;
    bool keep = x->keep_alive && x->body_over && (x->left == 0 || x->left == UINT64_MAX);
    conn_busy(c)->http = NULL;
    topic_leave_all(c);
    http_free(x);
    if (c->state != CONN_ACTIVE)
        return;
    if (c->paused) { /* that was about this request's body */
        c->paused = false;
        conn_set_reading(c);
    }
    conn_busy(c)->mark_ms = conn_host(c)->loop->now_ms;
    conn_wrote(c);
    if (!keep || loop_of(c)->draining || conn_busy(c)->served >= loop_of(c)->server->config.requests_max)
        conn_finish(c, 0);
    else if (conn_has_input(c))
        conn_again(c);
}

void http_drain(duet_http *x)
{
    duet_conn *c = x->conn;
    bool told = x->route != NULL && x->route->drain_http != NULL;
    x->keep_alive = false;
    if (!x->streams || (c->topic == NULL && !told))
        return;
    topic_catch_up(c); /* what was published before is told */
    if (told)
        x->route->drain_http(x);
    if (c->state != CONN_ACTIVE)
        return;
    topic_leave_all(c);
    if (x->asked && conn_host(c)->on.gone)
        conn_host(c)->on.gone(x);
    x->asked = false;
    duet_http_end(x);
}

/* Refusals before there is a request to answer: the head broke a rule or a limit. */
void http_refuse(duet_conn *c, unsigned status, enum duet_reason reason, const char *line)
{
    char space[512];
    struct buf b;
    report(loop_of(c), c, reason, (int)status, NULL, line);
    buf_init(&b, space, sizeof(space));
    reply_line(&b, status);
    reply_field(&b, "Date", server_date(loop_of(c)));
    reply_field(&b, "Connection", "close");
    buf_printf(&b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s\n", strlen(line) + 1,
               line);
    http_queue_head(c, &b);
    buf_fini(&b);
    conn_finish(c, 0);
}

static const duet_route *find_route(const duet_server *s, const char *path)
{
    const duet_route *best = NULL;
    size_t best_len = 0;
    for (const duet_route *r = s->config.routes; r != NULL && r->path != NULL; r++) {
        size_t len = strlen(r->path);
        bool below = len > 0 && r->path[len - 1] == '/' && strncmp(path, r->path, len) == 0;
        if ((below || strcmp(path, r->path) == 0) && len > best_len) {
            best = r;
            best_len = len;
        }
    }
    return best;
}

/* Whether a list such as "GET, POST" has the method. */
static bool method_in(const char *list, const char *method)
{
    size_t len = strlen(method);
    for (const char *at = list; (at = strstr(at, method)) != NULL; at += len)
        if ((at == list || at[-1] == ' ' || at[-1] == ',') && (at[len] == 0 || at[len] == ',' || at[len] == ' '))
            return true;
    return false;
}

/* An answer of the server's own has nobody who would try again. */
static void must(duet_http *x, int rc)
{
    if (rc < 0 && x->conn != NULL)
        conn_kill(x->conn, rc);
}

static void refuse(duet_http *x, unsigned status, enum duet_reason reason, const char *line)
{
    report(loop_of(x->conn), x->conn, reason, (int)status, x->request.path, line);
    x->keep_alive = false;
    must(x, duet_http_text(x, status, line));
}

static void refuse_method(duet_http *x, const char *methods)
{
    duet_header fields[] = { { "Allow", methods }, { "Content-Type", "text/plain; charset=utf-8" }, { NULL, NULL } };
    report(loop_of(x->conn), x->conn, DUET_REASON_method, 405, x->request.path, NULL);
    x->keep_alive = false;
    must(x, duet_http_reply(x, 405, fields, "method not allowed\n", 19));
}

/* What may be asked of a place before its application hears of it. */
static bool judge_method(duet_http *x)
{
    const duet_route *r = x->route;
    const char *method = duet_request_method(&x->request);
    const char *methods = r && r->methods ? r->methods : "GET, HEAD";
    bool websocket = r ? r->websocket
                       : loop_of(x->conn)->server->config.routes == NULL && loop_of(x->conn)->host.on.http == NULL &&
                             loop_of(x->conn)->server->config.root == NULL;
    if (websocket) {
        if (x->head->method == HTTP_GET)
            refuse(x, 426, DUET_REASON_handshake, "this is a WebSocket: connect with ws:// or wss://");
        else
            refuse_method(x, "GET");
        return false;
    }
    if (x->head->method == HTTP_OPTIONS && r != NULL && r->cors &&
        duet_request_header(&x->request, "access-control-request-method")) {
        duet_header fields[] = { { "Access-Control-Allow-Methods", methods },
                                 { "Access-Control-Allow-Headers", "Content-Type, Authorization" },
                                 { "Access-Control-Max-Age", "600" },
                                 { NULL, NULL } };
        must(x, duet_http_reply(x, x->cors ? 204 : 403, x->cors ? fields : NULL, NULL, 0));
        return false;
    }
    bool any = r == NULL && (loop_of(x->conn)->host.on.http != NULL || loop_of(x->conn)->server->config.root == NULL);
    if (any || method_in(methods, method) || (x->head_only && method_in(methods, "GET")))
        return true;
    refuse_method(x, methods);
    return false;
}

/* Another site's page must not change anything here, whether or not it can read the answer. */
static bool judge_origin(duet_http *x)
{
    x->cors = origin_allowed(x);
    bool safe = x->head->method == HTTP_GET || x->head_only || x->head->method == HTTP_OPTIONS;
    if (safe || x->cors)
        return true;
    refuse(x, 403, DUET_REASON_origin, "this Origin may not send here");
    return false;
}

static void answer_from_root(duet_http *x, const char *root, const char *path)
{
    if (files_answer(x, &x->request, root, path) < 0 && !x->done && x->state == HTTP_ASKED)
        must(x, duet_http_text(x, 503, "try again later"));
}

static void not_found(duet_http *x)
{
    report(loop_of(x->conn), x->conn, DUET_REASON_not_found, 404, x->request.path, NULL);
    must(x, duet_http_text(x, 404, "not found"));
}

static void dispatch(duet_http *x)
{
    const duet_route *r = x->route;
    const struct server_loop *l = loop_of(x->conn);
    if (r != NULL && r->root != NULL)
        answer_from_root(x, r->root, x->request.path + strlen(r->path) - (r->path[strlen(r->path) - 1] == '/'));
    else if (r != NULL && r->http != NULL)
        x->asked = true, r->http(x, &x->request);
    else if (r == NULL && l->server->config.root != NULL)
        answer_from_root(x, l->server->config.root, x->request.path);
    else if (l->host.on.http != NULL)
        x->asked = true, l->host.on.http(x, &x->request);
    else
        not_found(x);
}

/* A request without a body. Who takes pieces waits for the last one, so it comes. */
static void dispatch_empty(duet_http *x)
{
    dispatch(x);
    if (x->route != NULL && x->route->piece != NULL && x->conn != NULL && !x->done)
        x->route->piece(x, "", 0, true);
}

/* The address, scheme and host as the client used them, when a trusted proxy says so (NET-14). */
static void note_peer(duet_http *x, const struct http_head *head, const char *data)
{
    duet_conn *c = x->conn;
    struct peer_info *p = peer_info(c);
    if (p != NULL) { /* the request before may have been another client's */
        p->named = false;
        c->secure = p->secure || c->stream.as->tls;
    }
    x->request.peer = duet_peer(c, x->peer);
    x->request.secure = c->secure;
    if (!peer_trusted(c))
        return;
    struct http_forwarded f;
    struct http_address from = { { 0 } };
    uint16_t port = 0;
    duet_server *s = loop_of(c)->server;
    bool by_ip = peer_address(c, &from, &port);
    if (by_ip && !http_networks_hold((struct http_networks){ s->trusted, s->trusted_count }, &from))
        return; /* a PROXY header named the client */
    /* Without an address it is a unix socket's peer: `from` is no address then, and the last entry has it. */
    http_forwarded_read(head, data, &from, (struct http_networks){ s->trusted, s->trusted_count + !by_ip }, &f);
    if (!f.trusted)
        return;
    p->named = memcmp(&f.client, &from, sizeof(from)) != 0;
    p->client = f.client;
    duet_peer(c, x->peer);
    if (f.has_scheme)
        x->request.secure = c->secure = f.secure;
    if (f.host.len > 0 && f.host.len < sizeof(x->host)) {
        memcpy(x->host, f.host.at, f.host.len);
        x->host[f.host.len] = 0;
        x->request.host = x->host;
    }
}

/* The request outlives the bytes it was read from. */
static bool keep(duet_http *x)
{
    size_t size = x->head->size,
           fields = offsetof(struct http_head, fields) + x->head->count * sizeof(struct http_field);
    struct http_head *copy = mem_dup(x->head, fields);
    buf_put(&x->kept, x->request.data, size);
    if (copy == NULL || x->kept.failed) {
        mem_free(copy);
        return false;
    }
    x->head = copy;
    x->owns_head = true;
    struct duet_request old = x->request;
    x->request.data = x->kept.at;
    x->request.head = copy;
    if (old.query != NULL)
        x->request.query = x->kept.at + (old.query - old.data);
    if (old.host != NULL && old.host != x->host)
        x->request.host = x->kept.at + (old.host - old.data);
    return true;
}

/* After the application had its say: the end, or the request is kept until there is one. */
static void after_callback(duet_http *x)
{
    x->in_callback = false;
    if (x->conn == NULL)
        http_free(x);
    else if (x->done)
        ended(x);
    else if (!x->owns_head && !keep(x))
        conn_kill(x->conn, DUET_ERR_NOMEM);
}

static void begin_body(duet_http *x)
{
    duet_conn *c = x->conn;
    const char *expect = duet_request_header(&x->request, "expect");
    unsigned most = loop_of(c)->server->config.body_max;
    bool pieces = x->route != NULL && x->route->piece != NULL;
    x->in_callback = true;
    if (!pieces && !x->body_chunked && x->body_left > most)
        refuse(x, 413, DUET_REASON_body_too_big, "the body is too large");
    else if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
        refuse(x, 417, DUET_REASON_bad_request, "only 100-continue can be expected");
    else if (expect != NULL && x->minor >= 1)
        outq_copy(&c->proto.busy->out, "HTTP/1.1 100 Continue\r\n\r\n", 25, NULL, 0), conn_wrote(c);
    if (!x->done && pieces)
        dispatch(x);
    after_callback(x);
}

static bool asks_upgrade(const struct http_head *h, const char *data)
{
    return handshake_asked(h, data) && http_head_count(h, data, "upgrade") > 0;
}

/* For a route with `trace`, before the strings in the head are ended with zero bytes. Without memory there is nothing
 * to trace. */
static void keep_raw(duet_http *x, const char *data, const struct http_head *h)
{
    size_t len = h->path.len;
    const char *query = memchr(data + h->path.at, '?', len);
    if (query != NULL)
        len = (size_t)(query - data) - h->path.at;
    for (const duet_route *r = loop_of(x->conn)->server->config.routes; r != NULL && r->path != NULL; r++)
        if (r->trace && strlen(r->path) == len && memcmp(r->path, data + h->path.at, len) == 0)
            buf_put(&x->raw, data, h->size);
}

static void begin(duet_http *x, char *data, struct http_head *h)
{
    duet_conn *c = x->conn;
    duet_server *s = loop_of(c)->server;
    uint64_t length = 0;
    enum http_body body = http_head_body(h, &length);
    bool upgrade = asks_upgrade(h, data);
    x->minor = h->minor;
    x->head = h;
    x->head_only = h->method == HTTP_HEAD;
    x->keep_alive = http_head_keep_alive(h, data) && !upgrade; /* UPG-14, whatever place it asks for */
    x->body_chunked = body == HTTP_BODY_CHUNKED;
    x->body_left = body == HTTP_BODY_LENGTH ? length : 0;
    x->body_over = body == HTTP_BODY_NONE;
    if (upgrade && s->config.trace_head != NULL)
        keep_raw(x, data, h);
    int rc = request_init(&x->request, data, h);
    if (rc < 0) {
        http_refuse(c, rc == -400 ? 400 : 500, rc == -400 ? DUET_REASON_bad_request : DUET_REASON_no_memory,
                    rc == -400 ? "the request target cannot be decoded" : "out of memory");
        return;
    }
    note_peer(x, h, data);
    x->in_callback = true;
    x->route = find_route(s, x->request.path);
    if (upgrade && !x->body_over)
        refuse(x, 400, DUET_REASON_handshake, "an upgrade with a body"); /* HTTP-11 */
    else if (h->method == HTTP_CONNECT || h->method == HTTP_TRACE || x->request.path[0] != '/')
        refuse(x, h->method == HTTP_TRACE ? 405 : 400, DUET_REASON_method, "not for this server");
    else if (upgrade && (x->route ? x->route->websocket : s->config.routes == NULL))
        upgrade_request(x);
    else if (upgrade && x->route == NULL)
        refuse(x, 404, DUET_REASON_not_found, "no WebSocket here");
    else if (judge_origin(x) && judge_method(x) && x->body_over)
        dispatch_empty(x);
    if (x->conn != NULL && !x->done && !x->body_over && x->state == HTTP_ASKED) {
        begin_body(x);
        return;
    }
    after_callback(x);
}

/* A head that is not whole: how far its reading is takes the place of its fields that are known (HTTP-1, HTTP-2). */
static bool park(duet_conn *c, const struct http_head *h)
{
    conn_busy(c)->parked = mem_dup(h, offsetof(struct http_head, fields) + h->count * sizeof(h->fields[0]));
    return conn_busy(c)->parked != NULL;
}

static void unpark(duet_conn *c, struct http_head *h)
{
    if (conn_busy(c)->parked == NULL) {
        http_head_init(h);
        conn_busy(c)->mark_ms = conn_host(c)->loop->now_ms;
        return;
    }
    memcpy(h, conn_busy(c)->parked,
           offsetof(struct http_head, fields) + conn_busy(c)->parked->count * sizeof(h->fields[0]));
    mem_free(conn_busy(c)->parked);
    conn_busy(c)->parked = NULL;
}

/* False: more bytes are needed, or it was the end. */
static bool read_head(duet_conn *c, duet_input *in)
{
    struct server_loop *l = loop_of(c);
    const duet_server_config *config = &l->server->config;
    struct http_limits limits = { config->head_max, config->target_max, config->fields_max };
    struct http_head *h = &l->head;
    char *data = (char *)in->data;
    unpark(c, h);
    int rc = http_head_request(h, data, in->len, &limits);
    if (rc == 0) {
        conn_busy(c)->wants_more = true;
        if (!park(c, h))
            conn_kill(c, DUET_ERR_NOMEM);
        return false;
    }
    conn_busy(c)->wants_more = false;
    if (rc < 0) {
        in->data += in->len;
        in->len = 0;
        http_refuse(c, (unsigned)-rc, rc == -431 || rc == -414 ? DUET_REASON_head_too_big : DUET_REASON_bad_request,
                    h->error ? h->error : "bad request");
        return false;
    }
    in->data += h->size;
    in->len -= h->size;
    count_add(&l->requests, 1);
    if (conn_busy(c)->served < UINT16_MAX)
        conn_busy(c)->served++;
    duet_http *x = mem_zalloc(sizeof(*x));
    if (x == NULL) {
        conn_kill(c, DUET_ERR_NOMEM);
        return false;
    }
    x->conn = c;
    x->began_ms = conn_host(c)->loop->now_ms;
    conn_busy(c)->http = x;
    if (conn_busy(c)->served > 1) {
        conn_new_id(c);
        memset(conn_data(c), 0, conn_host(c)->data_size);
    }
    begin(x, data, h);
    return true;
}

static void body_piece(duet_http *x, const void *data, size_t len, bool last)
{
    if (x->route != NULL && x->route->piece != NULL) {
        x->in_callback = true;
        x->route->piece(x, data, len, last);
        return;
    }
    if (x->body.len + len > loop_of(x->conn)->server->config.body_max) {
        x->in_callback = true;
        refuse(x, 413, DUET_REASON_body_too_big, "the body is too large");
        return;
    }
    buf_put(&x->body, data, len);
    if (x->body.failed) {
        conn_kill(x->conn, DUET_ERR_NOMEM);
        return;
    }
    if (!last)
        return;
    x->request.body = x->body.at;
    x->request.body_len = x->body.len;
    x->in_callback = true;
    dispatch(x);
}

/* One step through a body. False: more bytes are needed, or it was the end. */
static bool read_body(duet_http *x, duet_input *in)
{
    duet_conn *c = x->conn;
    conn_busy(c)->mark_ms = conn_host(c)->loop->now_ms;
    if (!x->body_chunked) {
        size_t n = in->len < x->body_left ? in->len : (size_t)x->body_left;
        const void *data = in->data;
        in->data += n;
        in->len -= n;
        x->body_left -= n;
        x->body_over = x->body_left == 0;
        body_piece(x, data, n, x->body_over);
    } else {
        struct http_text rest = { (char *)in->data, in->len }, data;
        int rc = http_chunk_next(&x->chunk, &rest, &data);
        in->data += in->len - rest.len;
        in->len = rest.len;
        if (rc == HTTP_CHUNK_MORE)
            return false;
        if (rc < 0 && x->state == HTTP_ANSWERING) {
            c->reason = DUET_REASON_bad_request;
            conn_kill(c, DUET_ERR_FORMAT); /* it is too late for another answer */
            return false;
        }
        if (rc < 0) {
            x->in_callback = true;
            refuse(x, 400, DUET_REASON_bad_request, x->chunk.error ? x->chunk.error : "bad chunk");
        } else {
            x->body_over = rc == HTTP_CHUNK_END;
            body_piece(x, rc == HTTP_CHUNK_DATA ? data.at : "", rc == HTTP_CHUNK_DATA ? data.len : 0, x->body_over);
        }
    }
    if (x->in_callback)
        after_callback(x);
    return conn_http(c) == x || conn_http(c) == NULL;
}

static void take_input(duet_conn *c, duet_input *in)
{
    while (c->state == CONN_ACTIVE && conn_phase(c) == &httpd_phase && !c->paused && !c->choked) {
        duet_http *x = conn_http(c);
        if (in->len == 0)
            return;
        if (x != NULL && x->body_over) {
            conn_busy(c)->wants_more = in->len < PIPELINE_MOST; /* so that the peer's leaving is seen */
            return;
        }
        if (!(x == NULL ? read_head(c, in) : read_body(x, in)))
            return;
    }
}

/* Who shut only his side still reads (RFC 9112 9.6): an answer that has an end reaches him. What waits for an
 * application, or has no end, would never be told that he left. */
static void at_eof(duet_conn *c)
{
    duet_http *x = conn_http(c);
    if (x != NULL ? x->source == NULL : conn_queued(c) == 0) {
        /* Who leaves a stream, or between requests, does so in order. */
        bool due = conn_busy(c)->parked != NULL || (x != NULL && !x->streams);
        c->reason = DUET_REASON_lost;
        conn_kill(c, due ? DUET_ERR_EOF : 0);
        return;
    }
    conn_busy(c)->at_end = true;
    if (x != NULL)
        x->keep_alive = false;
    else
        conn_finish(c, 0);
    conn_set_reading(c);
}

static uint64_t after(uint64_t from, unsigned ms)
{
    return ms == DUET_OFF ? UINT64_MAX : from + ms;
}

/* A body comes on all the time, and one that is gathered has its end, as a message has (message_ms): a byte a minute
 * would hold its memory for ever. */
static uint64_t body_deadline(const duet_http *x)
{
    const duet_conn *c = x->conn;
    uint64_t idle = after(conn_busy(c)->mark_ms, loop_of(c)->server->config.idle_ms), whole = UINT64_MAX;
    if (c->paused)
        return UINT64_MAX;
    if (x->route == NULL || x->route->piece == NULL)
        whole = after(x->began_ms + x->body.len * 1000 / BODY_PER_S, conn_host(c)->home.config.message_ms);
    return idle < whole ? idle : whole;
}

static uint64_t next_deadline(const duet_conn *c)
{
    const duet_server_config *config = &loop_of(c)->server->config;
    const duet_http *x = conn_http(c);
    if (conn_busy(c)->out_waits)
        return after(conn_busy(c)->since_ms, config->idle_ms);
    if (x != NULL && !x->body_over)
        return body_deadline(x);
    if (x != NULL)
        return x->upgrade ? after(conn_busy(c)->mark_ms, config->open_ms) : UINT64_MAX;
    if (conn_busy(c)->served == 0)
        return after(conn_busy(c)->born_ms, config->open_ms);
    return after(conn_busy(c)->mark_ms, conn_busy(c)->parked ? config->open_ms : config->idle_ms);
}

static void at_deadline(duet_conn *c)
{
    duet_http *x = conn_http(c);
    bool began = conn_busy(c)->parked != NULL || x != NULL;
    c->reason = conn_busy(c)->out_waits ? DUET_REASON_slow : DUET_REASON_open_timeout;
    if (conn_busy(c)->out_waits || (x != NULL && x->state == HTTP_ANSWERING)) {
        conn_kill(c, DUET_ERR_TIMEOUT);
    } else if (began) {
        http_refuse(c, x && x->body_over ? 503 : 408, DUET_REASON_open_timeout,
                    x && x->body_over ? "no answer in time" : "the request did not come in time");
    } else {
        if (conn_busy(c)->served == 0)
            report(loop_of(c), c, DUET_REASON_open_timeout, 0, NULL, NULL);
        conn_kill(c, 0);
    }
}

static void when_drained(duet_conn *c)
{
    duet_http *x = conn_http(c);
    if (x == NULL)
        return;
    if (x->more != NULL) {
        conn_busy(c)->congested = true;
        x->more(x, x->source);
    } else if (x->drain != NULL) {
        x->drain(x);
    }
}

static void when_ended(duet_conn *c, int error)
{
    duet_http *x = conn_http(c);
    if (error != 0 && c->reason == DUET_REASON_other)
        c->reason = DUET_REASON_lost;
    if (error != 0)
        report(loop_of(c), c, (enum duet_reason)c->reason, error, NULL, duet_strerror(error));
    topic_leave_all(c);
    if (x == NULL)
        return;
    if (x->asked && !x->done && conn_host(c)->on.gone) {
        x->in_callback = true;
        conn_host(c)->on.gone(x);
    }
    conn_busy(c)->http = NULL;
    http_free(x);
}

const struct conn_phase httpd_phase = {
    .input = take_input,
    .eof = at_eof,
    .deadline = next_deadline,
    .due = at_deadline,
    .drained = when_drained,
    .ended = when_ended,
};
