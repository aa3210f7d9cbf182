/* SPDX-License-Identifier: MIT */
/* From a request to a WebSocket: the rules of RFC 6455, the Origin, the subprotocol, the application's word. */
#include "base/mem.h"
#include "proto/handshake.h"
#include "server/httpd.h"
#include <string.h>

bool origin_allowed(const duet_http *x)
{
    const duet_server *s = loop_of(x->conn)->server;
    const char *value = duet_request_origin(&x->request);
    const char *host = x->request.host ? x->request.host : "";
    struct http_origin_rule rule = { .secure = x->request.secure,
                                     .host = { host, strlen(host) },
                                     .allow = s->origins,
                                     .allow_count = s->origin_count,
                                     .require = s->config.require_origin };
    if (http_head_count(x->request.head, x->request.data, "origin") > 1)
        return false;
    if (s->any_origin && value != NULL)
        return true;
    return http_origin_allowed(&rule, value, value ? strlen(value) : 0);
}

/* The first of ours that is offered; NULL: none. */
static const char *pick_subprotocol(const duet_http *x)
{
    const char *const *ours = loop_of(x->conn)->server->config.subprotocols;
    for (size_t i = 0; ours != NULL && ours[i] != NULL; i++)
        if (duet_request_offers(&x->request, ours[i]))
            return ours[i];
    return NULL;
}

static void refuse(duet_http *x, unsigned status, enum duet_reason reason, const char *line)
{
    report(loop_of(x->conn), x->conn, reason, (int)status, x->request.path, line);
    x->keep_alive = false;
    int rc = duet_http_text(x, status, line);
    if (rc < 0)
        conn_kill(x->conn, rc); /* nobody would try again */
}

void upgrade_request(duet_http *x)
{
    struct server_loop *l = loop_of(x->conn);
    struct handshake_verdict v = handshake_check(x->head, x->request.data);
    if (v.status != 0) {
        refuse(x, v.status, DUET_REASON_handshake, v.error);
        return;
    }
    if (duet_request_header(&x->request, "expect") != NULL) { /* HTTP-18 */
        refuse(x, 417, DUET_REASON_handshake, "nothing can be expected of an upgrade");
        return;
    }
    if (!origin_allowed(x)) {
        refuse(x, 403, DUET_REASON_origin, "this Origin may not connect here");
        return;
    }
    if (l->draining) {
        refuse(x, 503, DUET_REASON_draining, "going away");
        return;
    }
    x->upgrade = true;
    const char *subprotocol = pick_subprotocol(x);
    if (subprotocol == NULL && l->server->config.require_subprotocol) {
        refuse(x, 400, DUET_REASON_handshake, "no subprotocol of ours is offered");
        return;
    }
    void (*hook)(duet_http *, const duet_request *) = l->host.on.upgrade;
    if (x->route != NULL && x->route->upgrade != NULL)
        hook = x->route->upgrade;
    if (hook != NULL)
        x->asked = true, hook(x, &x->request);
    else if (duet_http_upgrade(x, subprotocol, NULL) < 0)
        refuse(x, 500, DUET_REASON_no_memory, "out of memory");
}

static void trace_heads(duet_http *x, const struct buf *answer)
{
    void (*trace)(duet_conn *, bool, const char *, size_t) = loop_of(x->conn)->server->config.trace_head;
    trace(x->conn, false, x->raw.at, x->raw.len);
    trace(x->conn, true, answer->at, answer->len);
}

int duet_http_upgrade(duet_http *x, const char *subprotocol, const duet_header *headers)
{
    char space[512];
    struct buf b;
    duet_conn *c = x->conn;
    if (!x->upgrade || x->state != HTTP_ASKED || x->done || c == NULL || c->state != CONN_ACTIVE)
        return DUET_ERR_STATE;
    char *name = subprotocol ? mem_strdup(subprotocol) : NULL;
    if (subprotocol != NULL && name == NULL)
        return DUET_ERR_NOMEM;
    buf_init(&b, space, sizeof(space));
    struct extension agreed;
    struct deflate *deflate = NULL; /* without memory for it, the offer is declined */
    const duet_deflate *options = &conn_host(c)->home.config.deflate;
    bool declined = x->route != NULL && x->route->no_deflate;
    if (!declined && extension_choose(x->head, x->request.data, options, &agreed))
        deflate = deflate_new(&agreed, options, &conn_host(c)->deflate);
    struct handshake_terms terms = { subprotocol, headers, deflate ? &agreed : NULL };
    int rc = name || deflate || conn_host(c)->messages_per_s != 0 ? proto_need_rare(&c->proto) : 0;
    if (rc == 0)
        rc = handshake_answer(&b, x->head, x->request.data, &terms);
    if (rc == 0)
        rc = http_queue_head(c, &b);
    if (rc == 0 && x->raw.len > 0)
        trace_heads(x, &b);
    buf_fini(&b);
    if (rc < 0) {
        deflate_free(deflate);
        mem_free(name);
        return rc;
    }
    struct server_loop *l = loop_of(c);
    if (x->route != NULL)
        c->proto.place = (uint16_t)(x->route - l->server->config.routes + 1);
    count_add(&l->opened, 1);
    __atomic_store_n(&l->websockets, l->websockets + 1, __ATOMIC_RELAXED);
    http_detach(x);
    websocket_begin(c, name, deflate);
    if (conn_has_input(c))
        conn_again(c);
    if (l->draining && c->state == CONN_ACTIVE) { /* it was asked for before, and its turn may have passed */
        c->reason = DUET_REASON_draining;
        duet_close(c, l->server->config.drain_code, "going away");
    }
    return 0;
}
