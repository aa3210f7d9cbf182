/* SPDX-License-Identifier: MIT */
/*
 * From a name, the proxy's when there is one, to a socket: addresses are tried in order, the next one when one failed
 * or STAGGER_MS after the one before (RFC 8305 5). The first that connects wins, and the others are closed.
 */
#include "client/client.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { STAGGER_MS = 250 };

static void try_next(duet_client *cl);

static void attempt_stop(struct attempt *a)
{
    int fd = a->watch.fd;
    if (fd < 0)
        return;
    loop_unwatch(a->client->loop, &a->watch);
    close(fd);
    a->client->running--;
}

void connect_stop(duet_client *cl)
{
    lookup_cancel(cl->lookup);
    cl->lookup = NULL;
    for (unsigned i = 0; i < RESOLVE_MOST; i++)
        attempt_stop(&cl->attempts[i]);
    timer_cancel(&cl->loop->wheel, &cl->timer);
    timer_cancel(&cl->loop->wheel, &cl->stagger);
}

static void failed(duet_client *cl, int error, const char *detail)
{
    connect_stop(cl);
    client_failed(cl, error, detail);
}

static void connected(duet_client *cl, struct attempt *a)
{
    int fd = a->watch.fd;
    loop_unwatch(cl->loop, &a->watch);
    cl->running--;
    connect_stop(cl);
    if (cl->proxy.kind != PROXY_NONE)
        proxy_start(cl, fd);
    else
        opening_start(cl, fd);
}

static void attempt_ready(struct watch *w, uint32_t events)
{
    struct attempt *a = (struct attempt *)(void *)w;
    duet_client *cl = a->client;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0 && (events & LOOP_OUT)) {
        connected(cl, a);
        return;
    }
    cl->error = error ? -error : -ECONNABORTED;
    attempt_stop(a);
    try_next(cl);
}

/* To the address of ours that the config names. Its port is picked when the peer is known, so that it need be free
 * towards that peer only. */
static int bind_from(const duet_client *cl, int fd, int family)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at = { .any.sa_family = (sa_family_t)family };
    int one = 1;
    if (cl->bind_family == 0 || family == AF_UNIX)
        return 0;
    if (family != cl->bind_family)
        return -EAFNOSUPPORT;
    if (family == AF_INET)
        memcpy(&at.in.sin_addr, cl->bind_to, sizeof(at.in.sin_addr));
    else
        memcpy(&at.in6.sin6_addr, cl->bind_to, sizeof(at.in6.sin6_addr));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    return bind(fd, &at.any, family == AF_INET ? sizeof(at.in) : sizeof(at.in6)) < 0 ? -errno : 0;
}

/* 1: connected; 0: it is on its way; or -errno. */
static int attempt_start(duet_client *cl, struct attempt *a, const struct sockaddr *to, socklen_t len)
{
    int one = 1;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (to->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int rc = bind_from(cl, fd, to->sa_family);
    bool done = rc == 0 && connect(fd, to, len) == 0;
    if (rc == 0 && !done && errno != EINPROGRESS && errno != EINTR)
        rc = -errno;
    a->client = cl;
    a->watch = (struct watch){ .fd = fd, .ready = attempt_ready };
    if (rc == 0)
        rc = loop_watch(cl->loop, &a->watch, LOOP_OUT);
    if (rc < 0) {
        a->watch.fd = -1;
        close(fd);
        return rc;
    }
    cl->running++;
    return done;
}

/* The next address that can at least be begun with; the end when there is none and none runs. */
static void try_next(duet_client *cl)
{
    timer_cancel(&cl->loop->wheel, &cl->stagger);
    while (cl->next < cl->resolved.count) {
        unsigned i = cl->next++;
        int rc = attempt_start(cl, &cl->attempts[i], (const struct sockaddr *)&cl->resolved.address[i].at,
                               cl->resolved.address[i].len);
        if (rc == 1) {
            connected(cl, &cl->attempts[i]);
            return;
        }
        if (rc == 0) {
            if (cl->next < cl->resolved.count)
                timer_arm(&cl->loop->wheel, &cl->stagger, cl->loop->now_ms + STAGGER_MS);
            return;
        }
        cl->error = rc;
    }
    if (cl->running > 0)
        return;
    char line[CLIENT_DETAIL] = "";
    if (cl->proxy.kind != PROXY_NONE)
        snprintf(line, sizeof(line), "the proxy %.100s: %s", cl->proxy.name, duet_strerror(cl->error));
    failed(cl, cl->error, line);
}

static void stagger_due(struct timer *t)
{
    try_next((duet_client *)(void *)((char *)t - offsetof(duet_client, stagger)));
}

static void arm_deadline(duet_client *cl, uint64_t at_ms)
{
    timer_cancel(&cl->loop->wheel, &cl->timer);
    if (at_ms != UINT64_MAX)
        timer_arm(&cl->loop->wheel, &cl->timer, at_ms);
}

static void deadline_due(struct timer *t)
{
    duet_client *cl = (duet_client *)(void *)((char *)t - offsetof(duet_client, timer));
    bool proxied = cl->proxy.kind != PROXY_NONE;
    const char *line;
    if (cl->state == CLIENT_RESOLVING)
        line = proxied ? "the proxy's name was not resolved in time" : "the host name was not resolved in time";
    else
        line = proxied ? "no address of the proxy answered in time" : "no address answered in time";
    failed(cl, DUET_ERR_TIMEOUT, line);
}

/* Who is connected to. */
static const char *first_host(const duet_client *cl)
{
    return cl->proxy.kind != PROXY_NONE ? cl->proxy.name : cl->name;
}

static void resolved(void *arg, const struct resolved *r)
{
    duet_client *cl = arg;
    char line[CLIENT_DETAIL];
    cl->lookup = NULL;
    if (r->error != 0) {
        bool proxied = cl->proxy.kind != PROXY_NONE;
        snprintf(line, sizeof(line), "%s%.150s: %s", proxied ? "the proxy " : "", first_host(cl),
                 duet_strerror(r->error));
        failed(cl, r->error, line);
        return;
    }
    if (&cl->resolved != r)
        cl->resolved = *r;
    cl->state = CLIENT_CONNECTING;
    cl->next = 0;
    arm_deadline(cl, client_deadline(cl));
    try_next(cl);
}

/* A socket file's path as the only address. */
static void resolve_file(duet_client *cl)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&cl->resolved.address[0].at;
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, cl->url.file.at, cl->url.file.len);
    cl->resolved.address[0].len = sizeof(*un);
    cl->resolved.count = 1;
    cl->resolved.error = 0;
}

void connect_begin(duet_client *cl)
{
    bool known = cl->url.scheme == HTTP_SCHEME_UNIX;
    uint16_t port = cl->proxy.kind != PROXY_NONE ? cl->proxy.port : cl->url.port;
    cl->state = CLIENT_RESOLVING;
    cl->stagger.due = stagger_due;
    cl->timer.due = deadline_due;
    if (known)
        resolve_file(cl);
    else
        known = resolve_literal(&cl->resolved, first_host(cl), port);
    if (known) {
        resolved(cl, &cl->resolved);
        return;
    }
    uint64_t end = client_deadline(cl), resolve = cl->config.resolve_ms == DUET_OFF
                                                      ? UINT64_MAX
                                                      : cl->began_ms + cl->config.resolve_ms;
    int rc = lookup_start(&cl->lookup, cl->loop, first_host(cl), port, resolved, cl);
    if (rc < 0)
        failed(cl, rc, NULL);
    else
        arm_deadline(cl, resolve < end ? resolve : end);
}
