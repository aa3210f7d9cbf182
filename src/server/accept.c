/* SPDX-License-Identifier: MIT */
/* Connections as the server counts them: from the listener into a slot of their loop, and out of it. */
#include "base/mem.h"
#include "net/stream_tls.h"
#include "net/tls.h"
#include "server/httpd.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

duet_conn *server_find(struct server_loop *l, uint64_t id)
{
    duet_conn *c = (id & 0xff) == l->index ? server_slot(l, id >> 8 & 0xffffff) : NULL;
    return c != NULL && c->id == id ? c : NULL;
}

/* conn_host.gone: the last that is heard of a connection. */
void accept_gone(duet_conn *c)
{
    struct server_loop *l = loop_of(c);
    if (!c->told && conn_error(c) != 0)
        report(l, c, (enum duet_reason)c->reason, conn_error(c), NULL, NULL);
    peer_forget(c);
    topic_leave_all(c);
    __atomic_store_n(&l->conns, l->conns - 1, __ATOMIC_RELAXED);
    atomic_fetch_sub_explicit(&l->server->connections, 1, memory_order_relaxed);
    drain_check(l);
}

/* conn_host.closed */
void accept_closed(duet_conn *c, const duet_closing *why, enum duet_reason reason)
{
    struct server_loop *l = loop_of(c);
    __atomic_store_n(&l->websockets, l->websockets - 1, __ATOMIC_RELAXED);
    count_add(&l->codes[why->code < 5001 ? why->code : 0], 1);
    if (why->error != 0)
        report(l, c, reason, why->sent ? (int)why->sent : why->error, NULL, duet_strerror(why->error));
    topic_leave_all(c);
}

void accept_trace(void *arg, const duet_trace *frame)
{
    duet_conn *c = arg;
    if (c->traced && conn_host(c)->server->config.trace)
        conn_host(c)->server->config.trace(c, frame);
}

void duet_conn_trace(duet_conn *c)
{
    c->traced = true;
    proto_trace(&c->proto, true);
}

/* Says so where that needs no handshake, and closes. */
static void refuse_newcomer(int fd, bool secure)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
                                 "Retry-After: 5\r\n\r\n";
    if (!secure && send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

void accept_newcomer(struct listener *listener, int fd, const struct address *from)
{
    struct server_listener *sl = (struct server_listener *)(void *)listener;
    struct server_loop *l = sl->loop;
    duet_server *s = l->server;
    enum duet_reason why;
    count_add(&l->accepted, 1);
    if (!peer_admit(l, from, &why)) {
        report(l, NULL, why, 0, NULL,
               why == DUET_REASON_no_memory ? "the memory budget is nearly used up"
                                            : "raise the limit, or the number of descriptors (ulimit -n)");
        refuse_newcomer(fd, sl->secure);
        return;
    }
    duet_conn *c = conn_new(&l->host, fd);
    if (c == NULL) {
        report(l, NULL, DUET_REASON_no_memory, DUET_ERR_NOMEM, NULL, NULL);
        return;
    }
    __atomic_store_n(&l->conns, l->conns + 1, __ATOMIC_RELAXED); /* other threads read it, for the statistics */
    atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    int rc = peer_note(c, from, sl->secure);
    if (rc == 0 && sl->secure)
        rc = stream_tls_start(&c->stream, l->loop, tls_accept(s->config.tls));
    if (rc < 0) {
        c->reason = rc == DUET_ERR_LIMIT ? DUET_REASON_per_address : DUET_REASON_no_memory;
        conn_kill(c, rc);
        return;
    }
    conn_start(c, &httpd_phase);
}

void accept_refused(struct listener *listener, int error)
{
    struct server_listener *sl = (struct server_listener *)(void *)listener;
    report(sl->loop, NULL, error == -EMFILE || error == -ENFILE ? DUET_REASON_fds : DUET_REASON_other, error, NULL,
           "no descriptor for a newcomer: raise ulimit -n");
}
