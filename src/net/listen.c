/* SPDX-License-Identifier: MIT */
#include "net/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { WHY = 200, ACCEPTS = 64, BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 1000, SAY_MS = 1000 };

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

/* Opens, binds and listens; a descriptor or -errno. */
static int open_tcp(const struct address *a, bool dual, bool shared_before, bool shared)
{
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* what is accepted inherits it */
    if (a->at.ss_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    bool ok = !shared_before || set(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0;
    ok = ok && bind(fd, (const struct sockaddr *)&a->at, a->len) == 0;
    /* Only now: set before the bind it would let two servers share the port without a word. */
    ok = ok && (!shared || set(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
    ok = ok && listen(fd, SOMAXCONN) == 0;
    if (ok)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static void set_port(struct address *a, unsigned port)
{
    if (a->at.ss_family == AF_INET)
        ((struct sockaddr_in *)&a->at)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)&a->at)->sin6_port = htons((uint16_t)port);
}

static unsigned port_of(const struct address *a)
{
    if (a->at.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&a->at)->sin_port);
    return a->at.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&a->at)->sin6_port) : 0;
}

static struct address own_address(int fd)
{
    struct address a = { .len = sizeof(a.at) };
    if (getsockname(fd, (struct sockaddr *)&a.at, &a.len) < 0)
        a.at.ss_family = AF_UNSPEC;
    return a;
}

unsigned listen_port(int fd)
{
    struct address a = own_address(fd);
    return port_of(&a);
}

static int explain(char why[WHY], int error, const char *host, unsigned port)
{
    switch (-error) {
    case EADDRINUSE:
        snprintf(why, WHY, "port %u is in use by another program; stop it or choose another port", port);
        break;
    case EACCES:
        snprintf(why, WHY, "port %u needs privileges; choose one above 1023 or grant CAP_NET_BIND_SERVICE", port);
        break;
    case EADDRNOTAVAIL:
        snprintf(why, WHY, "this machine has no address %.100s; listen on one it has, or on *", host);
        break;
    case EAFNOSUPPORT:
        snprintf(why, WHY, "this machine has no IPv6; listen on an IPv4 address instead of %.100s", host);
        break;
    default:
        snprintf(why, WHY, "cannot listen on %.100s port %u: %s", host, port, duet_strerror(error));
    }
    return error;
}

static bool no_such_family(int error)
{
    return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL || error == -EPROTONOSUPPORT;
}

static struct address address_of(const char *text)
{
    struct address a = { .len = sizeof(struct sockaddr_in), .at.ss_family = AF_INET };
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a.at;
    if (strchr(text, ':') != NULL) {
        a.len = sizeof(*six);
        a.at.ss_family = AF_INET6;
        inet_pton(AF_INET6, text, &six->sin6_addr);
    } else {
        inet_pton(AF_INET, text, &((struct sockaddr_in *)&a.at)->sin_addr);
    }
    return a;
}

/* Every address: one socket for both families, or IPv4 alone where there is no IPv6 (NET-12). */
static int open_any(int *fds, unsigned port, bool shared, char why[WHY])
{
    struct address six = address_of("::"), four = address_of("0.0.0.0");
    set_port(&six, port);
    set_port(&four, port);
    int fd = open_tcp(&six, true, false, shared);
    if (no_such_family(fd))
        fd = open_tcp(&four, false, false, shared);
    if (fd < 0)
        return explain(why, fd, "*", port);
    fds[0] = fd;
    return 1;
}

/* 127.0.0.1, and ::1 with the same port where there is IPv6. */
static int open_localhost(int *fds, int max, unsigned port, bool shared, char why[WHY])
{
    struct address six = address_of("::1"), four = address_of("127.0.0.1");
    for (int tries = 8;; tries--) {
        set_port(&four, port);
        fds[0] = open_tcp(&four, false, false, shared);
        if (fds[0] < 0)
            return explain(why, fds[0], "localhost", port);
        if (max < 2)
            return 1;
        set_port(&six, listen_port(fds[0]));
        fds[1] = open_tcp(&six, false, false, shared);
        if (fds[1] >= 0)
            return 2;
        if (no_such_family(fds[1]))
            return 1;
        close(fds[0]);
        /* The kernel chose a port that is free on IPv4 only: let it choose again. */
        if (port != 0 || fds[1] != -EADDRINUSE || tries == 0)
            return explain(why, fds[1], "localhost", port);
    }
}

/* All addresses of a name; freeaddrinfo() afterwards. */
static int find_named(struct addrinfo **found, const char *host, char why[WHY])
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    int rc = getaddrinfo(host, NULL, &hints, found);
    if (rc == 0)
        return 0;
    snprintf(why, WHY, "cannot find the address of %.100s: %s", host, gai_strerror(rc));
    return -EADDRNOTAVAIL;
}

static int open_named(int *fds, int max, const char *host, unsigned port, bool shared, char why[WHY])
{
    struct addrinfo *found;
    int count = 0, error = -EADDRNOTAVAIL, rc = find_named(&found, host, why);
    if (rc < 0)
        return rc;
    for (struct addrinfo *i = found; i != NULL && count < max; i = i->ai_next) {
        struct address a = { .len = i->ai_addrlen };
        memcpy(&a.at, i->ai_addr, i->ai_addrlen);
        set_port(&a, port == 0 && count > 0 ? listen_port(fds[0]) : port);
        error = open_tcp(&a, false, false, shared);
        if (error < 0)
            break;
        fds[count++] = error;
    }
    freeaddrinfo(found);
    if (error >= 0)
        return count;
    while (count > 0)
        close(fds[--count]);
    return explain(why, error, host, port);
}

static bool nobody_listens(const struct sockaddr_un *at)
{
    struct stat st;
    if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int name_unix(struct sockaddr_un *at, const char *path, char why[WHY])
{
    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(at->sun_path)) {
        snprintf(why, WHY, "the path of a unix socket has at most %zu bytes; choose a shorter one",
                 sizeof(at->sun_path) - 1);
        return -ENAMETOOLONG;
    }
    memcpy(at->sun_path, path, strlen(path));
    return 0;
}

static int explain_unix(char why[WHY], int error, const char *path)
{
    if (error == -EADDRINUSE)
        snprintf(why, WHY, "%.107s is in use by another program, or is no socket; choose another path", path);
    else
        snprintf(why, WHY, "cannot listen on %.107s: %s", path, duet_strerror(error));
    return error;
}

static int open_unix(int *fds, const char *path, char why[WHY])
{
    struct sockaddr_un at;
    int rc = name_unix(&at, path, why);
    if (rc < 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0 && !ok && errno == EADDRINUSE && nobody_listens(&at)) {
        unlink(path);
        ok = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    }
    ok = ok && listen(fd, SOMAXCONN) == 0;
    if (ok) {
        fds[0] = fd;
        return 1;
    }
    rc = -errno;
    if (fd >= 0)
        close(fd);
    return explain_unix(why, rc, path);
}

static bool is_any(const char *host)
{
    return host == NULL || host[0] == 0 || strcmp(host, "*") == 0;
}

int listen_open(int *fds, int max, const char *host, unsigned port, const char *unix_path, bool shared, char why[WHY])
{
    if (max < 1 || port > 65535) {
        snprintf(why, WHY, "%u is no port; choose one from 0 to 65535", port);
        return DUET_ERR_INVALID;
    }
    if (unix_path != NULL)
        return open_unix(fds, unix_path, why);
    if (is_any(host))
        return open_any(fds, port, shared, why);
    if (strcmp(host, "localhost") == 0)
        return open_localhost(fds, max, port, shared, why);
    return open_named(fds, max, host, port, shared, why);
}

/* Looking. */

/* Port 0 of it can be bound: it is this machine's. */
static int try_address(const struct address *a)
{
    struct address any = *a;
    set_port(&any, 0);
    int fd = socket(any.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = bind(fd, (const struct sockaddr *)&any.at, any.len) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static int look_named(struct address *found, int max, const char *host, unsigned port, char why[WHY])
{
    struct addrinfo *list;
    int count = 0, rc = find_named(&list, host, why);
    if (rc < 0)
        return rc;
    for (struct addrinfo *i = list; i != NULL && count < max && rc == 0; i = i->ai_next) {
        found[count] = (struct address){ .len = i->ai_addrlen };
        memcpy(&found[count].at, i->ai_addr, i->ai_addrlen);
        set_port(&found[count], port);
        rc = try_address(&found[count++]);
    }
    freeaddrinfo(list);
    return rc < 0 ? explain(why, rc, host, port) : count;
}

/* A socket can be made in this folder, and nothing else has the name. */
static int look_unix(struct address *found, const char *path, char why[WHY])
{
    struct sockaddr_un *at = (struct sockaddr_un *)&found->at;
    char folder[sizeof(at->sun_path)];
    struct stat st;
    int rc = name_unix(at, path, why);
    if (rc < 0)
        return rc;
    found->len = sizeof(*at);
    const char *name = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", name ? (int)(name - path + 1) : 1, name ? path : ".");
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return explain_unix(why, -EADDRINUSE, path);
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0 ? explain_unix(why, -errno, path) : 1;
}

int listen_look(struct address *found, int max, const char *host, unsigned port, const char *unix_path, char why[WHY])
{
    if (unix_path != NULL)
        return look_unix(found, unix_path, why);
    bool all = is_any(host);
    if (!all && strcmp(host, "localhost") != 0)
        return look_named(found, max, host, port, why);
    found[0] = address_of(all ? "0.0.0.0" : "127.0.0.1");
    found[1] = address_of(all ? "::" : "::1");
    set_port(&found[0], port);
    set_port(&found[1], port);
    return 2;
}

bool listen_clash(const struct address *a, const struct address *b)
{
    if (a->at.ss_family != b->at.ss_family)
        return false;
    if (a->at.ss_family == AF_UNIX)
        return strcmp(((const struct sockaddr_un *)&a->at)->sun_path, ((const struct sockaddr_un *)&b->at)->sun_path) ==
               0;
    if (port_of(a) == 0 || port_of(a) != port_of(b))
        return false;
    if (a->at.ss_family == AF_INET) {
        in_addr_t one = ((const struct sockaddr_in *)&a->at)->sin_addr.s_addr;
        in_addr_t other = ((const struct sockaddr_in *)&b->at)->sin_addr.s_addr;
        return one == other || one == INADDR_ANY || other == INADDR_ANY;
    }
    const struct in6_addr *one = &((const struct sockaddr_in6 *)&a->at)->sin6_addr;
    const struct in6_addr *other = &((const struct sockaddr_in6 *)&b->at)->sin6_addr;
    return IN6_ARE_ADDR_EQUAL(one, other) || IN6_IS_ADDR_UNSPECIFIED(one) || IN6_IS_ADDR_UNSPECIFIED(other);
}

static int refuse_passed(char why[WHY], int fd, const char *what)
{
    snprintf(why, WHY, "descriptor %d %s", fd, what);
    return DUET_ERR_INVALID;
}

int listen_passed(int fd, char why[WHY])
{
    int type = 0, listens = 0;
    socklen_t len = sizeof(int);
    struct address a = own_address(fd);
    if (fcntl(fd, F_GETFD) < 0)
        return refuse_passed(why, fd, "is not open; whoever starts this has to pass a listening socket there");
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM ||
        (a.at.ss_family != AF_INET && a.at.ss_family != AF_INET6 && a.at.ss_family != AF_UNIX))
        return refuse_passed(why, fd, "is no stream socket of TCP or unix; a listening one is needed");
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
        return refuse_passed(why, fd, "does not listen; pass the listening socket (systemd: Accept=no)");
    int copy = listen_same(fd);
    if (copy < 0) {
        snprintf(why, WHY, "cannot listen on descriptor %d: %s", fd, duet_strerror(copy));
        return copy;
    }
    fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
    if (a.at.ss_family != AF_UNIX)
        set(copy, IPPROTO_TCP, TCP_NODELAY, 1); /* what is accepted inherits it */
    return copy;
}

int listen_same(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

int listen_again(int fd)
{
    struct address a = own_address(fd);
    if (a.at.ss_family == AF_UNSPEC)
        return -EBADF;
    int six_only = 0;
    socklen_t len = sizeof(six_only);
    if (a.at.ss_family == AF_INET6)
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six_only, &len);
    return open_tcp(&a, !six_only, true, true);
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void close_spare(struct listener *l)
{
    if (l->spare >= 0)
        close(l->spare);
    l->spare = -1;
}

static int watch_again(struct listener *l)
{
    l->watch.fd = l->fd;
    int rc = loop_watch(l->loop, &l->watch, (uint32_t)LOOP_IN | (l->exclusive ? EPOLLEXCLUSIVE : 0));
    if (rc < 0)
        l->watch.fd = -1;
    return rc;
}

/* Looks away from the listener for a while, longer each time. */
static void back_off(struct listener *l)
{
    loop_unwatch(l->loop, &l->watch);
    unsigned wait = l->backoff_ms * 2;
    wait = wait < BACKOFF_FIRST_MS ? BACKOFF_FIRST_MS : wait > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : wait;
    l->backoff_ms = wait;
    timer_arm(&l->loop->wheel, &l->again, l->loop->now_ms + wait);
}

static void again_due(struct timer *t)
{
    struct listener *l = (struct listener *)((char *)t - offsetof(struct listener, again));
    if (watch_again(l) < 0)
        back_off(l);
}

/* Nothing to accept with. Out of descriptors, the first who waits is turned away with the spare one, so that the queue
 * moves (NET-1). */
static void refuse(struct listener *l, int error)
{
    if ((error == EMFILE || error == ENFILE) && l->spare >= 0) {
        close_spare(l);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        l->spare = open_spare();
    }
    back_off(l);
    uint64_t now = l->loop->now_ms;
    if (l->refused == NULL || (l->said_ms != 0 && now - l->said_ms < SAY_MS))
        return;
    l->said_ms = now;
    l->refused(l, -error);
}

/* One accept. Returns 1 to go on, 0 when none waits or none can be taken. */
static int take(struct listener *l)
{
    struct address peer = { .len = sizeof(peer.at) };
    int fd = accept4(l->fd, (struct sockaddr *)&peer.at, &peer.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        l->backoff_ms = 0;
        if (l->spare < 0)
            l->spare = open_spare();
        l->accepted(l, fd, &peer);
        return l->fd >= 0;
    }
    switch (errno) {
    case EAGAIN:
        return 0;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        refuse(l, errno);
        return 0;
    default: /* the one we would have accepted is gone already (NET-3), or a signal came */
        return 1;
    }
}

static void ready(struct watch *w, uint32_t events)
{
    (void)events;
    struct listener *l = (struct listener *)w;
    for (int i = 0; i < ACCEPTS && take(l); i++)
        ;
    loop_took_long(l->loop);
}

int listener_start(struct listener *l, duet_loop *loop, int fd)
{
    l->loop = loop;
    l->fd = fd;
    l->watch = (struct watch){ .fd = -1, .ready = ready };
    l->again = (struct timer){ .due = again_due };
    l->backoff_ms = 0;
    l->said_ms = 0;
    int rc = watch_again(l);
    l->spare = rc < 0 ? -1 : open_spare();
    if (rc < 0)
        l->fd = -1;
    return rc;
}

void listener_stop(struct listener *l, bool accept_waiting)
{
    if (l->fd < 0)
        return;
    /* A backlog's length at most, or a storm of newcomers would keep us from stopping. */
    for (int i = 0; accept_waiting && i < SOMAXCONN && take(l); i++)
        ;
    if (l->fd < 0) /* stopped in the callback */
        return;
    timer_cancel(&l->loop->wheel, &l->again);
    loop_unwatch(l->loop, &l->watch);
    close_spare(l);
    close(l->fd);
    l->fd = -1;
}

void address_text(const struct address *a, char out[64])
{
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a->at;
    const void *four = &((const struct sockaddr_in *)&a->at)->sin_addr;
    if (a->at.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        four = &six->sin6_addr.s6_addr[12]; /* an IPv4 peer of a socket for both */
    else if (a->at.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
        snprintf(out, 64, "[%s]:%u", host, port_of(a));
        return;
    } else if (a->at.ss_family != AF_INET) {
        snprintf(out, 64, "unix");
        return;
    }
    inet_ntop(AF_INET, four, host, sizeof(host));
    snprintf(out, 64, "%s:%u", host, port_of(a));
}
