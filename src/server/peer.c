/* SPDX-License-Identifier: MIT */
/* Who is at the other end: limits for addresses, trusted proxies, the PROXY protocol. */
#include "base/mem.h"
#include "http/proxy.h"
#include "server/server.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static bool from_socket(const struct address *a, struct http_address *out, uint16_t *port)
{
    const void *at = &a->at;
    const struct sockaddr_in *v4 = at;
    const struct sockaddr_in6 *v6 = at;
    if (a->at.ss_family == AF_INET) {
        http_address_from_ipv4((const uint8_t *)&v4->sin_addr, out);
        *port = ntohs(v4->sin_port);
        return true;
    }
    if (a->at.ss_family != AF_INET6)
        return false;
    memcpy(out->bytes, &v6->sin6_addr, 16);
    *port = ntohs(v6->sin6_port);
    return true;
}

static bool is_trusted(const duet_server *s, bool has_address, const struct http_address *a)
{
    if (!has_address)
        return s->trust_unix;
    return http_networks_hold((struct http_networks){ s->trusted, s->trusted_count }, a);
}

/* An IPv4 address, or the /64 of an IPv6 one. */
static size_t address_key(const struct http_address *a)
{
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(a->bytes, v4, 12) == 0 ? 16 : 8;
}

/* Counts one more connection of this address; false: it has as many as it may. */
static bool count_in(duet_server *s, const struct http_address *a)
{
    pthread_mutex_lock(&s->address_lock);
    uintptr_t count = (uintptr_t)map_get(&s->addresses, a->bytes, address_key(a));
    bool fine =
        count < s->config.per_address_max && map_put(&s->addresses, a->bytes, address_key(a), (void *)(count + 1)) == 0;
    pthread_mutex_unlock(&s->address_lock);
    return fine;
}

static void count_out(duet_server *s, const struct http_address *a)
{
    pthread_mutex_lock(&s->address_lock);
    uintptr_t count = (uintptr_t)map_get(&s->addresses, a->bytes, address_key(a));
    if (count > 1)
        map_put(&s->addresses, a->bytes, address_key(a), (void *)(count - 1));
    else
        map_take(&s->addresses, a->bytes, address_key(a));
    pthread_mutex_unlock(&s->address_lock);
}

static bool too_fast(struct server_loop *l)
{
    unsigned rate = l->server->config.accepts_per_s;
    if (rate == 0)
        return false;
    uint64_t now = l->loop->now_ms;
    if (now - l->accept_second_ms >= 1000) {
        l->accept_second_ms = now;
        l->accepts = 0;
    }
    return ++l->accepts > (rate + l->server->count - 1) / l->server->count;
}

bool peer_admit(struct server_loop *l, const struct address *from, enum duet_reason *why)
{
    (void)from;
    duet_server *s = l->server;
    if (atomic_load_explicit(&s->connections, memory_order_relaxed) >= s->config.connections_max)
        *why = DUET_REASON_connections;
    else if (l->refusing)
        *why = DUET_REASON_no_memory;
    else if (too_fast(l))
        *why = DUET_REASON_accept_rate;
    else
        return true;
    return false;
}

int peer_note(duet_conn *c, const struct address *from, bool secure)
{
    duet_server *s = loop_of(c)->server;
    bool counts = s->config.per_address_max != 0, trusts = s->trusted_count > 0 || s->trust_unix;
    c->secure = secure;
    struct http_address address;
    uint16_t port;
    bool by_ip = from_socket(from, &address, &port);
    if (by_ip && conn_note_address(c, &address, port) < 0)
        return DUET_ERR_NOMEM;
    if (!counts && !trusts)
        return 0;
    struct peer_info *p = proto_need_rare(&c->proto) == 0 ? mem_zalloc(sizeof(*p)) : NULL;
    if (p == NULL)
        return DUET_ERR_NOMEM;
    conn_rare(c)->peer = p;
    p->has_address = by_ip;
    if (by_ip) {
        p->address = address;
        p->port = port;
    }
    p->trusted = is_trusted(s, p->has_address, &p->address);
    conn_busy(c)->proxied = s->config.proxy_protocol && p->trusted;
    /* A proxy's connections are many people's. */
    if (counts && p->has_address && !p->trusted) {
        p->counted = count_in(s, &p->address);
        if (!p->counted)
            return DUET_ERR_LIMIT;
    }
    return 0;
}

void peer_forget(duet_conn *c)
{
    struct peer_info *p = peer_info(c);
    if (p == NULL)
        return;
    if (p->counted)
        count_out(loop_of(c)->server, &p->address);
    if (p->proxy) {
        buf_fini(p->proxy);
        mem_free(p->proxy);
    }
    mem_free(p);
    conn_rare(c)->peer = NULL;
}

static int take_header(duet_conn *c, struct peer_info *p, const struct http_proxy *header)
{
    conn_busy(c)->proxied = false;
    buf_fini(p->proxy);
    mem_free(p->proxy);
    p->proxy = NULL;
    p->secure = header->secure;
    c->secure |= header->secure;
    if (!header->has_client)
        return 1;
    p->address = header->client;
    p->port = header->port;
    p->has_address = true;
    if (loop_of(c)->server->config.per_address_max == 0)
        return 1;
    p->counted = count_in(loop_of(c)->server, &p->address);
    if (!p->counted)
        c->reason = DUET_REASON_per_address;
    return p->counted ? 1 : DUET_ERR_LIMIT;
}

/* Takes from the socket only what belongs to the header: what follows it is the client's, or TLS's. */
int peer_opening(duet_conn *c)
{
    struct peer_info *p = peer_info(c);
    char bytes[HTTP_PROXY_MOST];
    struct http_proxy header;
    if (p->proxy == NULL && (p->proxy = mem_zalloc(sizeof(*p->proxy))) == NULL)
        return DUET_ERR_NOMEM;
    size_t have = p->proxy->len;
    ssize_t n = recv(c->stream.watch.fd, bytes, sizeof(bytes) - have, MSG_PEEK);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : DUET_ERR_EOF;
    buf_put(p->proxy, bytes, (size_t)n);
    if (p->proxy->failed)
        return DUET_ERR_NOMEM;
    int rc = http_proxy_read(&header, p->proxy->at, p->proxy->len);
    if (rc < 0 || (rc == 0 && p->proxy->len >= HTTP_PROXY_MOST)) {
        c->reason = DUET_REASON_proxy_protocol_invalid;
        return DUET_ERR_FORMAT;
    }
    size_t take = rc == 1 ? header.size - have : (size_t)n;
    do
        n = recv(c->stream.watch.fd, bytes, take, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)take)
        return DUET_ERR_EOF;
    return rc == 1 ? take_header(c, p, &header) : 0;
}

bool peer_address(const duet_conn *c, struct http_address *address, uint16_t *port)
{
    const struct peer_info *p = peer_info(c);
    if (p != NULL) {
        *address = p->address;
        *port = p->port;
        return p->has_address;
    }
    return conn_address(c, address, port);
}

bool peer_trusted(const duet_conn *c)
{
    const struct peer_info *p = peer_info(c);
    return p != NULL && p->trusted;
}

const char *duet_peer(const duet_conn *c, char out[64])
{
    const struct peer_info *p = peer_info(c);
    struct http_address a;
    uint16_t port;
    if (p != NULL && p->named) {
        http_address_format(&p->client, out);
        return out;
    }
    if (!peer_address(c, &a, &port)) {
        memcpy(out, "unix", 5);
        return out;
    }
    http_address_format_port(&a, port, out);
    return out;
}
