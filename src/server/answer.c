/* SPDX-License-Identifier: MIT */
/* The answer to a request: its head, its body whole or as it comes, its end. */
#include "base/mem.h"
#include "http/etag.h"
#include "http/reply.h"
#include "proto/handshake.h"
#include "server/files.h"
#include "server/httpd.h"
#include <stdio.h>
#include <string.h>

enum { CHUNK_HEAD = 20 };

/* Queues bytes by the cheapest way: small ones are copied behind each other, large ones into a block of their own. */
static int queue(duet_conn *c, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    int rc;
    if (len <= OUTQ_COPY_MOST) {
        rc = outq_copy(&c->proto.busy->out, data, len, NULL, 0);
    } else {
        duet_shared *block = shared_alloc(len);
        if (block == NULL)
            return DUET_ERR_NOMEM;
        memcpy(block->payload, data, len);
        block->len = len;
        rc = outq_ref(&c->proto.busy->out, block, block->payload, len);
        duet_shared_unref(block);
    }
    if (rc == 0)
        conn_wrote(c);
    return rc;
}

int http_queue_head(duet_conn *c, struct buf *b)
{
    return b->failed ? DUET_ERR_NOMEM : queue(c, b->at, b->len);
}

static bool has_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* CORS follows the Origin rule: who may open a socket may read the answers of a route that says so. */
static void put_cors(struct buf *b, const duet_http *x)
{
    const char *origin = duet_request_origin(&x->request);
    if (x->route == NULL || !x->route->cors)
        return;
    reply_field(b, "Vary", "Origin");
    if (x->cors && origin != NULL)
        reply_field(b, "Access-Control-Allow-Origin", origin);
}

static int put_head(struct buf *b, duet_http *x, unsigned status, const duet_header *headers, const struct buf *own)
{
    struct server_loop *l = loop_of(x->conn);
    if (status < 200 || status > 599)
        return DUET_ERR_INVALID;
    /* What came of a body that nobody reads would be taken for the next request. */
    if (x->upgrade || !x->body_over || l->draining || conn_busy(x->conn)->served >= l->server->config.requests_max)
        x->keep_alive = false;
    reply_line(b, status);
    reply_field(b, "Date", server_date(l));
    if (status == 426 || status == 405)
        x->keep_alive = x->keep_alive && status == 405;
    if (status == 426)
        handshake_refusal_fields(b, status);
    else if (!x->keep_alive)
        reply_field(b, "Connection", "close");
    else if (x->minor == 0)
        reply_field(b, "Connection", "keep-alive");
    put_cors(b, x);
    if (own != NULL)
        buf_put(b, own->at, own->len);
    int rc = reply_fields(b, l->server->config.headers);
    return rc < 0 ? rc : reply_fields(b, headers);
}

static bool may_begin(const duet_http *x)
{
    return x->conn != NULL && !x->done && x->state == HTTP_ASKED && x->conn->state == CONN_ACTIVE;
}

/* The head is queued. An upgrade that got another answer than 101 from the application was refused. */
static void begun(duet_http *x, unsigned status)
{
    x->state = HTTP_ANSWERING;
    if (x->upgrade && x->asked)
        report(loop_of(x->conn), x->conn, DUET_REASON_application, (int)status, x->request.path, NULL);
}

int http_begin_length(duet_http *x, unsigned status, const duet_header *headers, const struct buf *own, uint64_t length)
{
    char space[1024];
    struct buf b;
    if (!may_begin(x))
        return DUET_ERR_STATE;
    bool kept = x->keep_alive;
    buf_init(&b, space, sizeof(space));
    int rc = put_head(&b, x, status, headers, own);
    if (has_body(status))
        buf_printf(&b, "Content-Length: %llu\r\n", (unsigned long long)length);
    buf_put(&b, "\r\n", 2);
    if (rc == 0)
        rc = http_queue_head(x->conn, &b);
    buf_fini(&b);
    if (rc < 0) {
        x->keep_alive = kept;
        return rc;
    }
    begun(x, status);
    x->left = has_body(status) && !x->head_only ? length : 0;
    return 0;
}

static int write_body(duet_http *x, const void *data, size_t len)
{
    if (x->head_only || len == 0)
        return 0;
    if (x->left != UINT64_MAX)
        x->left -= len < x->left ? len : x->left;
    return queue(x->conn, data, len);
}

int http_write(duet_http *x, const void *data, size_t len)
{
    return write_body(x, data, len);
}

int http_write_shared(duet_http *x, duet_shared *block)
{
    if (x->head_only || block->len == 0)
        return 0;
    int rc = outq_ref(&x->conn->proto.busy->out, block, block->payload, block->len);
    if (rc < 0)
        return rc;
    if (x->left != UINT64_MAX)
        x->left -= block->len < x->left ? block->len : x->left;
    conn_wrote(x->conn);
    return 0;
}

int http_write_static(duet_http *x, const void *data, size_t len)
{
    if (x->head_only || len == 0)
        return 0;
    int rc = outq_static(&x->conn->proto.busy->out, data, len);
    if (rc < 0)
        return rc;
    if (x->left != UINT64_MAX)
        x->left -= len < x->left ? len : x->left;
    conn_wrote(x->conn);
    return 0;
}

int duet_http_reply(duet_http *x, unsigned status, const duet_header *headers, const void *body, size_t len)
{
    int rc = http_begin_length(x, status, headers, NULL, len);
    if (rc < 0)
        return rc;
    if (has_body(status))
        rc = write_body(x, body, len);
    if (rc < 0) {
        conn_kill(x->conn, rc); /* its head is out: nothing else can be said */
        return rc;
    }
    http_end(x);
    return 0;
}

int duet_http_text(duet_http *x, unsigned status, const char *line)
{
    static const duet_header type[] = { { "Content-Type", "text/plain; charset=utf-8" }, { NULL, NULL } };
    static const duet_header with_allow[] = { { "Content-Type", "text/plain; charset=utf-8" },
                                              { "Allow", "GET" },
                                              { NULL, NULL } };
    char body[256];
    int n = snprintf(body, sizeof(body), "%s\n", line);
    if (n < 0 || (size_t)n >= sizeof(body))
        n = (int)sizeof(body) - 1;
    bool websocket = x->route == NULL || x->route->websocket;
    int rc = duet_http_reply(x, status, status == 405 && websocket ? with_allow : type, body, (size_t)n);
    /* Nothing shorter can be said, and who says this looks no further: its peer would wait for ever. */
    if (rc == DUET_ERR_NOMEM)
        conn_kill(x->conn, rc);
    return rc;
}

int duet_http_begin(duet_http *x, unsigned status, const duet_header *headers)
{
    char space[1024];
    struct buf b;
    if (!may_begin(x))
        return DUET_ERR_STATE;
    bool chunked = x->minor >= 1, kept = x->keep_alive;
    if (!chunked)
        x->keep_alive = false;
    buf_init(&b, space, sizeof(space));
    int rc = has_body(status) ? put_head(&b, x, status, headers, NULL) : DUET_ERR_INVALID;
    if (chunked)
        reply_field(&b, "Transfer-Encoding", "chunked");
    buf_put(&b, "\r\n", 2);
    if (rc == 0)
        rc = http_queue_head(x->conn, &b);
    buf_fini(&b);
    if (rc < 0) {
        x->keep_alive = kept;
        return rc;
    }
    begun(x, status);
    x->chunked = chunked;
    x->streams = true;
    x->left = UINT64_MAX;
    return 0;
}

static bool may_write(const duet_http *x)
{
    return x->conn != NULL && !x->done && x->streams && x->conn->state == CONN_ACTIVE;
}

int duet_http_write(duet_http *x, const void *data, size_t len)
{
    if (!may_write(x))
        return DUET_ERR_STATE;
    duet_conn *c = x->conn;
    if (c->topic != NULL && conn_host(c)->catch_up)
        conn_host(c)->catch_up(c);
    if (conn_host(c)->queue_max != 0 && conn_queued(c) > conn_host(c)->queue_max)
        return DUET_ERR_FULL;
    if (len == 0 || x->head_only)
        return 0;
    char head[CHUNK_HEAD];
    int n = x->chunked ? snprintf(head, sizeof(head), "%zx\r\n", len) : 0;
    /* All three or none: what may need memory first is made sure of. */
    int rc = outq_prepare(&c->proto.busy->out, 3);
    if (rc == 0)
        rc = queue(c, head, (size_t)n);
    if (rc == 0)
        rc = queue(c, data, len);
    if (rc == 0 && x->chunked)
        rc = queue(c, "\r\n", 2);
    if (rc < 0)
        conn_kill(c, rc); /* a cut chunk cannot be mended */
    if (conn_queued(c) > conn_host(c)->queue_soft)
        conn_busy(c)->congested = true;
    return rc;
}

int http_deliver(duet_conn *c, duet_shared *message)
{
    duet_http *x = conn_http(c);
    if (x == NULL || !may_write(x) || x->head_only)
        return DUET_ERR_STATE;
    char head[CHUNK_HEAD];
    int n = x->chunked ? snprintf(head, sizeof(head), "%zx\r\n", message->len) : 0;
    int rc = message->len == 0 ? 0 : outq_prepare(&c->proto.busy->out, 3);
    if (rc < 0 || message->len == 0)
        return rc;
    queue(c, head, (size_t)n);
    http_write_shared(x, message);
    rc = x->chunked ? queue(c, "\r\n", 2) : 0;
    if (rc < 0)
        conn_kill(c, rc);
    if (conn_queued(c) > conn_host(c)->queue_soft)
        conn_busy(c)->congested = true;
    return rc;
}

int duet_http_end(duet_http *x)
{
    if (!may_write(x))
        return DUET_ERR_STATE;
    duet_conn *c = x->conn;
    if (c->topic != NULL && conn_host(c)->catch_up)
        conn_host(c)->catch_up(c);
    int rc = x->chunked && !x->head_only ? queue(c, "0\r\n\r\n", 5) : 0;
    if (rc < 0)
        conn_kill(c, rc);
    else
        http_end(x);
    return rc;
}

bool duet_http_congested(const duet_http *x)
{
    return x->conn != NULL && conn_queued(x->conn) > conn_host(x->conn)->queue_soft;
}

void duet_http_on_drain(duet_http *x, void (*drain)(duet_http *x))
{
    x->drain = drain;
}

void http_set_source(duet_http *x, void (*more)(duet_http *, void *), void (*over)(void *), void *source)
{
    x->more = more;
    x->over = over;
    x->source = source;
    conn_busy(x->conn)->congested = true; /* so that the next write asks for more */
    conn_wrote(x->conn);
}

int duet_http_subscribe(duet_http *x, const char *topic)
{
    return may_write(x) ? topic_join(x->conn, topic, strlen(topic)) : DUET_ERR_STATE;
}

int duet_http_unsubscribe(duet_http *x, const char *topic)
{
    return x->conn != NULL ? topic_leave(x->conn, topic, strlen(topic)) : 0;
}

static int page_fields(struct buf *b, const duet_http_page *page, bool same)
{
    duet_header fields[5] = { { "X-Content-Type-Options", "nosniff" },
                              { "Cache-Control", page->cache ? page->cache : "no-cache" } };
    unsigned n = 2;
    if (page->etag != NULL)
        fields[n++] = (duet_header){ "ETag", page->etag };
    if (!same && page->type != NULL)
        fields[n++] = (duet_header){ "Content-Type", page->type };
    return reply_fields(b, fields);
}

int duet_http_page_reply(duet_http *x, const duet_request *r, const duet_http_page *page, const duet_header *headers)
{
    char space[512];
    struct buf own;
    bool same = page->etag && http_etag_listed(r->head, r->data, "if-none-match", page->etag, HTTP_ETAG_WEAK);
    buf_init(&own, space, sizeof(space));
    int rc = page_fields(&own, page, same);
    if (rc == 0 && own.failed)
        rc = DUET_ERR_NOMEM;
    if (rc == 0)
        rc = http_begin_length(x, same ? 304 : 200, headers, &own, page->len);
    buf_fini(&own);
    if (rc < 0)
        return rc;
    if (!same && http_write_static(x, page->data, page->len) < 0)
        conn_kill(x->conn, DUET_ERR_NOMEM);
    http_end(x);
    return 0;
}

int duet_http_file(duet_http *x, const duet_request *r, const char *root)
{
    if (!may_begin(x))
        return DUET_ERR_STATE;
    if (root == NULL)
        root = loop_of(x->conn)->server->config.root;
    return root ? files_answer(x, r, root, duet_request_path(r)) : duet_http_text(x, 404, "not found");
}

void duet_http_pause(duet_http *x)
{
    if (x->conn == NULL || x->conn->paused)
        return;
    x->conn->paused = true;
    conn_set_reading(x->conn);
}

void duet_http_resume(duet_http *x)
{
    if (x->conn == NULL || !x->conn->paused)
        return;
    x->conn->paused = false;
    conn_busy(x->conn)->mark_ms = conn_host(x->conn)->loop->now_ms; /* the peer could send nothing meanwhile */
    conn_set_reading(x->conn);
    conn_schedule(x->conn);
}

uint64_t duet_http_id(const duet_http *x)
{
    return x->conn ? x->conn->id : 0;
}

const duet_conn *duet_http_conn(const duet_http *x)
{
    return x->conn;
}

duet_server *duet_http_server(const duet_http *x)
{
    return x->conn ? conn_host(x->conn)->server : NULL;
}

void *duet_http_data(const duet_http *x)
{
    return x->conn ? duet_data(x->conn) : NULL;
}
