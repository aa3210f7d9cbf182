/* SPDX-License-Identifier: MIT */
/* The phase from a connected socket to OPEN: TLS, our request, the answer; and the body of a refusal. */
#include "client/client.h"
#include "client/backoff.h"
#include "http/address.h"
#include "net/stream_tls.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BODY_MOST = 64 * 1024 };

/* The head of the refusal is read, and stays in the proto: what follows is its body. */
static void refusal_begin(duet_client *cl, duet_conn *c)
{
    const struct proto_opening *o = c->proto.busy->opening;
    const char *value;
    size_t len;
    unsigned from = 0;
    cl->refused = true;
    cl->body_kind = (uint8_t)http_head_body(&o->head, &cl->body_left);
    cl->chunk = (struct http_chunk){ 0 };
    if (http_head_next(&o->head, o->bytes.at, "retry-after", &from, &value, &len))
        cl->retry_after_s = backoff_after_s(value, (unsigned)len, (int64_t)time(NULL));
}

/* Keeps what fits. False: there is nothing more to wait for. */
static bool keep(duet_client *cl, const void *data, size_t len)
{
    size_t room = BODY_MOST - cl->body.len;
    buf_put(&cl->body, data, len < room ? len : room);
    return len < room && !cl->body.failed;
}

static bool keep_chunks(duet_client *cl, const duet_input *in)
{
    struct http_text rest = { (const char *)in->data, in->len }, piece;
    int rc;
    while ((rc = http_chunk_next(&cl->chunk, &rest, &piece)) == HTTP_CHUNK_DATA)
        if (!keep(cl, piece.at, piece.len))
            return false;
    return rc == HTTP_CHUNK_MORE;
}

static void refusal_input(duet_client *cl, duet_conn *c, duet_input *in)
{
    bool more = false;
    switch (cl->body_kind) {
    case HTTP_BODY_LENGTH:
        if (in->len > cl->body_left)
            in->len = (size_t)cl->body_left;
        more = keep(cl, in->data, in->len);
        cl->body_left -= in->len;
        more = more && cl->body_left > 0;
        break;
    case HTTP_BODY_CHUNKED:
        more = keep_chunks(cl, in);
        break;
    case HTTP_BODY_CLOSE:
        more = keep(cl, in->data, in->len);
        break;
    default:
        break;
    }
    in->len = 0;
    if (!more)
        conn_kill(c, DUET_ERR_HANDSHAKE);
}

static void take_input(duet_conn *c, duet_input *in)
{
    duet_client *cl = client_of(c);
    duet_event ev;
    if (!cl->refused) {
        int rc = duet_proto_recv(&c->proto, in, conn_host(c)->loop->now_ms, &ev);
        if (rc == 1) {
            cl->state = CLIENT_OPEN;
            websocket_opened(c);
        }
        if (rc >= 0)
            return;
        if (rc != DUET_ERR_HANDSHAKE || duet_proto_status(&c->proto) < 200) {
            conn_kill(c, rc);
            return;
        }
        if (redirect_take(cl, c)) {
            in->len = 0;
            return;
        }
        refusal_begin(cl, c);
    }
    refusal_input(cl, c, in);
}

static void at_eof(duet_conn *c)
{
    conn_kill(c, client_of(c)->refused ? DUET_ERR_HANDSHAKE : DUET_ERR_EOF);
}

uint64_t client_deadline(const duet_client *cl)
{
    return cl->config.open_ms == DUET_OFF ? UINT64_MAX : cl->began_ms + cl->config.open_ms;
}

static uint64_t next_deadline(const duet_conn *c)
{
    return client_deadline(client_of(c));
}

static void at_deadline(duet_conn *c)
{
    conn_kill(c, client_of(c)->refused ? DUET_ERR_HANDSHAKE : DUET_ERR_TIMEOUT);
}

static void when_drained(duet_conn *c)
{
    (void)c;
}

static void when_ended(duet_conn *c, int error)
{
    duet_client *cl = client_of(c);
    const struct proto_opening *o = c->proto.busy->opening;
    char line[CLIENT_DETAIL] = "";
    if (cl->next_url != NULL) {
        if (!cl->freed)
            redirect_go(cl);
        return;
    }
    if (cl->detail[0] != 0)
        memcpy(line, cl->detail, sizeof(line));
    else if (cl->refused)
        snprintf(line, sizeof(line), "the server answered %u instead of 101", duet_proto_status(&c->proto));
    else if (error == DUET_ERR_HANDSHAKE && o != NULL && o->error != NULL)
        snprintf(line, sizeof(line), "%s", o->error);
    else if (error == DUET_ERR_TLS && tls_verdict_text(&cl->verdict, cl->tls_name, line, sizeof(line)))
        ; /* in TLS 1.3 a server looks at our certificate when we are done */
    else if (error == DUET_ERR_EOF || error == -ECONNRESET)
        snprintf(line, sizeof(line), "the server closed the connection before it answered");
    else if (error == DUET_ERR_TIMEOUT)
        snprintf(line, sizeof(line), "the server did not answer in time");
    client_failed(cl, error, line);
}

static const struct conn_phase opening_phase = {
    .input = take_input,
    .eof = at_eof,
    .deadline = next_deadline,
    .due = at_deadline,
    .drained = when_drained,
    .ended = when_ended,
};

static void note_peer(duet_conn *c, int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    if (getpeername(fd, (struct sockaddr *)&at, &len) < 0)
        return;
    struct http_address a;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
    if (at.ss_family == AF_INET) {
        http_address_from_ipv4((const uint8_t *)&v4->sin_addr, &a);
        conn_note_address(c, &a, ntohs(v4->sin_port));
    } else if (at.ss_family == AF_INET6) {
        memcpy(a.bytes, &v6->sin6_addr, sizeof(a.bytes));
        conn_note_address(c, &a, ntohs(v6->sin6_port)); /* without memory it has none to show */
    }
}

duet_conn *opening_conn(duet_client *cl, int fd)
{
    static _Atomic uint64_t ids;
    duet_conn *c = conn_new(&cl->host, fd);
    if (c == NULL) {
        client_failed(cl, DUET_ERR_NOMEM, NULL);
        return NULL;
    }
    cl->conn = c;
    c->id = ++ids;
    note_peer(c, fd);
    return c;
}

/* TLS over the stream, and the request in the queue. 0, or an error: the connection was killed. */
static int prepare(duet_client *cl, duet_conn *c)
{
    int rc = 0;
    cl->state = CLIENT_OPENING;
    conn_busy(c)->phase = &opening_phase;
    if (cl->url.secure) {
        c->secure = true;
        rc = stream_tls_start(&c->stream, cl->loop, tls_connect(cl->tls, cl->tls_name, cl->strayed, &cl->verdict));
    }
    if (rc == 0)
        rc = proto_open_client(&c->proto, cl->loop->now_ms);
    if (rc < 0)
        conn_kill(c, rc);
    return rc;
}

void opening_start(duet_client *cl, int fd)
{
    duet_conn *c = opening_conn(cl, fd);
    if (c == NULL || prepare(cl, c) < 0)
        return;
    int rc = conn_start(c, &opening_phase);
    if (rc < 0) /* it is freed, and has told nobody */
        client_failed(cl, rc, NULL);
    else
        conn_speak(c);
}

void opening_through(duet_client *cl, duet_conn *c)
{
    if (prepare(cl, c) == 0)
        conn_reopen(c);
}
