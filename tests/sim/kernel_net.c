/* SPDX-License-Identifier: MIT */
/*
 * Sockets. A direction is a ring of bytes and a list of pieces that say when how much of it arrives. As in Linux: close
 * with unread bytes is a reset, and so is what arrives at a side that closed; a reset drops what is on its way.
 */
#include "kernel_in.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { NEVER_HOST = 0xc0000201 /* 192.0.2.1 */, FIRST_PORT = 20000, PIECES_MOST = 100 };
static const uint64_t never = UINT64_MAX;

struct piece {
    uint64_t at_us, end;
};

struct pipe {
    size_t cap;
    uint64_t sent, arrived, taken;
    struct piece *pieces;
    size_t first, count, pieces_cap;
    uint64_t last_us; /* the last piece's arrival */
    bool shut, ended; /* the end was sent; it came */
    uint64_t end_us;
    uint8_t bytes[];
};

bool kernel_no_ipv6;

/* Pipes. */

static struct pipe *pipe_new(void)
{
    size_t cap = kernel.weather.buffer ? kernel.weather.buffer : 256 * 1024;
    struct pipe *p = calloc(1, sizeof(*p) + cap);
    if (p == NULL)
        abort();
    p->cap = cap;
    p->end_us = never;
    return p;
}

static void pipe_free(struct pipe *p)
{
    free(p->pieces);
    free(p);
}

static size_t pipe_room(const struct pipe *p)
{
    return p->cap - (size_t)(p->sent - p->taken);
}

static size_t pipe_ready(const struct pipe *p)
{
    return (size_t)(p->arrived - p->taken);
}

static uint64_t arrival(struct pipe *p, size_t len)
{
    const struct kernel_weather *w = &kernel.weather;
    uint64_t at = kernel.now_us + w->delay_us + dice_below(&kernel.dice, w->jitter_us + 1);
    if (at < p->last_us)
        at = p->last_us;
    if (dice_one_in(&kernel.dice, w->still_one_in))
        at += dice_below(&kernel.dice, w->still_us + 1);
    if (w->bytes_per_ms > 0)
        at += len * 1000 / w->bytes_per_ms;
    return p->last_us = at;
}

static void add_piece(struct pipe *p, size_t len)
{
    uint64_t at = arrival(p, len);
    if (p->count == p->pieces_cap) {
        p->pieces_cap = p->pieces_cap ? 2 * p->pieces_cap : 16;
        p->pieces = realloc(p->pieces, p->pieces_cap * sizeof(*p->pieces));
    }
    p->pieces[p->count++] = (struct piece){ at, p->sent };
}

static size_t pipe_send(struct pipe *p, const uint8_t *data, size_t len)
{
    size_t room = pipe_room(p), n = len < room ? len : room;
    for (size_t done = 0; done < n;) { /* in at most two runs */
        size_t at = (size_t)((p->sent + done) % p->cap), run = p->cap - at < n - done ? p->cap - at : n - done;
        memcpy(p->bytes + at, data + done, run);
        done += run;
    }
    for (size_t left = n; left > 0;) {
        size_t most = kernel.weather.piece > 0 && kernel.weather.piece < left ? kernel.weather.piece : left;
        size_t piece = kernel.weather.piece > 0 ? dice_between(&kernel.dice, 1, most) : left;
        if (piece * PIECES_MOST < left)
            piece = left / PIECES_MOST;
        p->sent += piece;
        left -= piece;
        add_piece(p, piece);
    }
    return n;
}

static void pipe_take(struct pipe *p, uint8_t *to, size_t n, bool peek)
{
    for (size_t done = 0; to != NULL && done < n;) {
        size_t at = (size_t)((p->taken + done) % p->cap), run = p->cap - at < n - done ? p->cap - at : n - done;
        memcpy(to + done, p->bytes + at, run);
        done += run;
    }
    if (!peek)
        p->taken += n;
}

static void pipe_shut(struct pipe *p)
{
    if (p->shut)
        return;
    p->shut = true;
    p->end_us = arrival(p, 0);
}

/* What is on its way is lost. */
static void pipe_drop(struct pipe *p)
{
    p->sent = p->arrived;
    p->first = p->count = 0;
    p->end_us = never;
}

/* Lines. */

static struct line *line_new(void)
{
    struct line *l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->way[0] = pipe_new();
    l->way[1] = pipe_new();
    l->reset_us[0] = l->reset_us[1] = l->open_us = never;
    l->listener = -1;
    l->next = kernel.lines;
    kernel.lines = l;
    return l;
}

static void line_free(struct line *l)
{
    pipe_free(l->way[0]);
    pipe_free(l->way[1]);
    free(l);
}

static void line_reset(struct line *l, int side, uint64_t at_us)
{
    if (l->reset_us[side] == never && !l->dead[side])
        l->reset_us[side] = at_us;
}

/* Side `s` learns that the connection is no more. */
static void die(struct line *l, int side)
{
    struct pipe *in = l->way[!side];
    l->reset_us[side] = never;
    l->dead[side] = true;
    l->error[side] = ECONNRESET;
    if (in->shut && in->ended)
        l->error[side] = EPIPE;
    pipe_drop(in);
    pipe_drop(l->way[side]);
    if (kernel.weather.reset_discards)
        in->taken = in->arrived;
}

static void side_close(struct line *l, int side)
{
    struct pipe *in = l->way[!side], *out = l->way[side];
    l->gone[side] = true;
    if (!l->open || l->dead[side])
        return;
    if (pipe_ready(in) > 0) { /* RFC 2525 2.17: the peer learns that not all was read */
        if (dice_one_in(&kernel.dice, 2))
            pipe_drop(out);
        line_reset(l, !side, arrival(out, 0));
        return;
    }
    pipe_shut(out);
}

/* Listeners. */

static bool any_address(const struct sockaddr_storage *a)
{
    static const struct in6_addr none;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr == 0;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &none, sizeof(none)) == 0;
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
                                   : ((const struct sockaddr_in6 *)a)->sin6_port;
}

static bool takes(const struct sock *s, const struct sockaddr_storage *to)
{
    const struct sockaddr_storage *a = &s->name;
    if (to->ss_family == AF_UNIX)
        return a->ss_family == AF_UNIX &&
               strcmp(((const struct sockaddr_un *)a)->sun_path, ((const struct sockaddr_un *)to)->sun_path) == 0;
    if (a->ss_family == AF_UNIX || port_of(a) != port_of(to))
        return false;
    if (a->ss_family != to->ss_family)
        return a->ss_family == AF_INET6 && any_address(a) && !s->only_six;
    if (any_address(a))
        return true;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)to)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)to)->sin6_addr, 16) == 0;
}

/* A listener (or, for bind, any bound socket) at this address. */
static int find(const struct sockaddr_storage *to, enum sock_state least)
{
    for (int i = 0; i < KERNEL_FILES; i++) {
        const struct file *f = &kernel.files[i];
        if (f->kind == SOCKET_FILE && (f->sock.state == LISTENING || f->sock.state == least) && takes(&f->sock, to))
            return i;
    }
    return -1;
}

/* Whether another socket has this address, and does not share it as we do. */
static bool taken(const struct sock *s)
{
    int i = find(&s->name, BOUND);
    return i >= 0 && !(s->shares && kernel.files[i].sock.shares);
}

static void arrive_at_listener(struct line *l)
{
    struct file *f = l->listener >= 0 ? &kernel.files[l->listener] : NULL;
    if (f == NULL || f->kind != SOCKET_FILE || f->sock.state != LISTENING) {
        l->fate = ECONNREFUSED;
        return;
    }
    l->open = true;
    l->waiting = NULL;
    *f->sock.backlog_last = l;
    f->sock.backlog_last = &l->waiting;
}

/* Time. */

uint64_t net_next_us(void)
{
    uint64_t next = never;
    for (const struct line *l = kernel.lines; l != NULL; l = l->next) {
        if (l->silent)
            continue;
        for (int s = 0; s < 2; s++) {
            const struct pipe *p = l->way[s];
            uint64_t at[] = { p->first < p->count ? p->pieces[p->first].at_us : never, p->end_us, l->reset_us[s] };
            for (int k = 0; k < 3; k++)
                next = at[k] < next ? at[k] : next;
        }
        next = l->open_us < next ? l->open_us : next;
    }
    return next;
}

static void advance_pipe(struct line *l, int writer)
{
    struct pipe *p = l->way[writer];
    bool came = false;
    for (; p->first < p->count && p->pieces[p->first].at_us <= kernel.now_us; p->first++, came = true)
        p->arrived = p->pieces[p->first].end;
    if (p->first == p->count)
        p->first = p->count = 0;
    if (p->end_us <= kernel.now_us && p->count == 0) {
        p->end_us = never;
        p->ended = true;
    }
    if (came && l->gone[!writer]) { /* nobody is there to read it */
        p->taken = p->arrived;
        line_reset(l, writer, arrival(l->way[!writer], 0));
    }
}

static bool line_advance(struct line *l)
{
    if (l->silent)
        return !l->gone[0] || !l->gone[1];
    if (l->open_us <= kernel.now_us) {
        l->open_us = never;
        if (l->fate == 0 && !l->gone[0])
            arrive_at_listener(l);
        if (l->fate != 0) {
            l->error[0] = l->fate;
            l->dead[0] = true;
            l->gone[1] = true;
        }
    }
    for (int s = 0; s < 2; s++) {
        advance_pipe(l, s);
        if (l->reset_us[s] <= kernel.now_us)
            die(l, s);
    }
    return !l->gone[0] || !l->gone[1];
}

void net_advance(void)
{
    for (struct line **at = &kernel.lines, *l; (l = *at) != NULL;) {
        if (line_advance(l)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        line_free(l);
    }
}

void net_halt(void)
{
    while (kernel.lines != NULL) {
        struct line *next = kernel.lines->next;
        line_free(kernel.lines);
        kernel.lines = next;
    }
}

bool kernel_cut(bool silent)
{
    unsigned count = 0;
    for (struct line *l = kernel.lines; l != NULL; l = l->next)
        count += l->open && !l->silent && !l->gone[0] && !l->gone[1];
    if (count == 0)
        return false;
    size_t drawn = dice_below(&kernel.dice, count);
    for (struct line *l = kernel.lines; l != NULL; l = l->next) {
        if (!l->open || l->silent || l->gone[0] || l->gone[1] || drawn-- > 0)
            continue;
        l->silent = silent;
        for (int s = 0; s < 2 && !silent; s++)
            line_reset(l, s, kernel.now_us);
        break;
    }
    net_advance();
    return true;
}

/* What epoll sees. */

/* A socket whose calls would block is not ready, whatever has come. */
static bool blocks(enum call call)
{
    return fails_for_ever(call, EAGAIN);
}

static uint32_t line_events(const struct sock *s)
{
    const struct line *l = s->line;
    const struct pipe *in = l->way[!s->side], *out = l->way[s->side];
    uint32_t events = 0;
    if (s->side == 0 && !l->open && l->fate == 0)
        return 0;
    if (pipe_ready(in) > 0 || in->ended || l->dead[s->side])
        events |= EPOLLIN;
    if (pipe_room(out) >= out->cap / 3 || s->shut || l->dead[s->side])
        events |= EPOLLOUT;
    if (l->dead[s->side] || (in->ended && s->shut))
        events |= EPOLLHUP;
    if (l->error[s->side] != 0)
        events |= EPOLLERR;
    if (blocks(CALL_send))
        events &= ~(uint32_t)EPOLLOUT;
    return blocks(CALL_recv) ? events & EPOLLOUT : events;
}

uint32_t net_events(const struct file *f)
{
    switch (f->sock.state) {
    case LISTENING:
        return f->sock.backlog != NULL && !blocks(CALL_accept) ? EPOLLIN : 0;
    case CONNECTING:
    case CONNECTED:
        return line_events(&f->sock);
    default:
        return EPOLLOUT | EPOLLHUP;
    }
}

void net_close(struct file *f)
{
    struct sock *s = &f->sock;
    if (s->line != NULL) {
        side_close(s->line, s->side);
    } else {
        for (struct line *l = s->backlog; l != NULL; l = l->waiting) {
            l->gone[1] = true;
            line_reset(l, 0, kernel.now_us + kernel.weather.delay_us);
        }
    }
}

/* Calls. */

static struct sock *sock_of(int fd)
{
    struct file *f = file_of(fd);
    if (f == NULL || f->kind != SOCKET_FILE) {
        errno = f == NULL ? EBADF : ENOTSOCK;
        return NULL;
    }
    return &f->sock;
}

static bool interrupted(void)
{
    if (kernel.raw || !dice_one_in(&kernel.dice, kernel.weather.eintr_one_in))
        return false;
    errno = EINTR;
    return true;
}

/* How much one call moves of what it could. */
static size_t share(size_t n, size_t most)
{
    if (kernel.raw || most == 0 || n <= 1)
        return n;
    size_t drawn = dice_between(&kernel.dice, 1, most);
    return drawn < n ? drawn : n;
}

int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
    (void)type, (void)protocol;
    if (fails(CALL_socket))
        return -1;
    if (family == AF_INET6 && kernel_no_ipv6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    int fd = file_new(SOCKET_FILE);
    if (fd < 0)
        return -1;
    struct sock *s = sock_of(fd);
    s->family = family;
    s->name.ss_family = (sa_family_t)family;
    s->name_len = sizeof(s->name);
    s->backlog_last = &s->backlog;
    return fd;
}

static void give_port(struct sockaddr_storage *a)
{
    uint16_t port = htons((uint16_t)(FIRST_PORT + kernel.next_port++ % 20000));
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = port;
    else
        ((struct sockaddr_in6 *)a)->sin6_port = port;
}

int __wrap_bind(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *to, socklen_t len)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_bind))
        return -1;
    memset(&s->name, 0, sizeof(s->name));
    memcpy(&s->name, to, len);
    s->name_len = len;
    if (s->family != AF_UNIX && port_of(&s->name) == 0)
        give_port(&s->name);
    else if (s->family == AF_UNIX ? !path_take(((struct sockaddr_un *)&s->name)->sun_path) : taken(s)) {
        errno = EADDRINUSE;
        return -1;
    }
    s->state = BOUND;
    return 0;
}

int __wrap_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    struct sock *s = sock_of(fd);
    (void)backlog;
    if (s == NULL || fails(CALL_listen))
        return -1;
    s->state = LISTENING;
    return 0;
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    struct sock *s = sock_of(fd);
    struct sockaddr_storage at = { 0 };
    if (s == NULL)
        return -1;
    bool signal = fails(CALL_connect); /* after which the attempt goes on by itself */
    if (signal && errno != EINTR)
        return -1;
    memcpy(&at, to, len);
    s->line = line_new();
    s->side = 0;
    s->state = CONNECTING;
    s->line->name[1] = at;
    s->line->name_len[1] = len;
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    memcpy(&s->line->name[0], &own, sizeof(own));
    if (at.ss_family == AF_UNIX)
        s->line->name[0].ss_family = AF_UNIX;
    else
        give_port(&s->line->name[0]);
    s->line->name_len[0] = at.ss_family == AF_UNIX ? sizeof(sa_family_t) : sizeof(own);
    if (at.ss_family == AF_INET && ((struct sockaddr_in *)&at)->sin_addr.s_addr == htonl(NEVER_HOST)) {
        s->line->gone[1] = true;
        errno = EINPROGRESS;
        return -1;
    }
    s->line->listener = find(&at, LISTENING);
    s->line->open_us = kernel.now_us;
    if (s->family == AF_UNIX || kernel.raw) { /* at once or not at all */
        net_advance();
        s->state = CONNECTED;
        errno = signal ? EINTR : s->line->error[0];
        return signal || s->line->fate ? -1 : 0;
    }
    s->line->open_us += kernel.weather.delay_us + dice_below(&kernel.dice, kernel.weather.jitter_us + 1);
    errno = signal || interrupted() ? EINTR : EINPROGRESS;
    return -1;
}

static void name_out(const struct sockaddr_storage *name, socklen_t name_len, struct sockaddr *to, socklen_t *len)
{
    if (to == NULL)
        return;
    memcpy(to, name, *len < name_len ? *len : name_len);
    *len = name_len;
}

static struct line *take_backlog(struct sock *s)
{
    struct line *l = s->backlog;
    s->backlog = l->waiting;
    if (s->backlog == NULL)
        s->backlog_last = &s->backlog;
    return l;
}

/* The connection that was next is gone with such an error: accept(2). */
static void drop_next(struct sock *s)
{
    int error = errno;
    if ((error == ECONNABORTED || error == EPERM) && s->backlog != NULL)
        side_close(take_backlog(s), 1);
    errno = error;
}

int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
    struct sock *s = sock_of(fd);
    (void)flags;
    if (s == NULL)
        return -1;
    if (fails(CALL_accept)) {
        drop_next(s);
        return -1;
    }
    if (interrupted())
        return -1;
    struct line *l = s->backlog;
    if (l == NULL) {
        errno = EAGAIN;
        return -1;
    }
    bool gone = l->dead[1] && dice_one_in(&kernel.dice, 2);
    int own = gone ? -1 : file_new(SOCKET_FILE);
    if (own < 0 && !gone)
        return -1;
    take_backlog(s);
    if (gone) {
        l->gone[1] = true;
        errno = ECONNABORTED;
        return -1;
    }
    struct sock *new = sock_of(own);
    *new = (struct sock){
        .family = s->family, .state = CONNECTED, .line = l, .side = 1, .name = s->name, .name_len = s->name_len
    };
    name_out(&l->name[0], l->name_len[0], from, len);
    return own;
}

ssize_t __wrap_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_recv) || interrupted())
        return -1;
    if (s->line == NULL || (!s->line->open && !s->line->dead[0])) {
        errno = ENOTCONN;
        return -1;
    }
    struct line *l = s->line;
    struct pipe *in = l->way[!s->side];
    size_t ready = pipe_ready(in), n = ready < size ? ready : size;
    if (n > 0 && (kernel.raw || !dice_one_in(&kernel.dice, kernel.weather.again_one_in))) {
        n = share(n, kernel.weather.read_most);
        pipe_take(in, flags & MSG_TRUNC ? NULL : to, n, flags & MSG_PEEK);
        return (ssize_t)n;
    }
    if (ready == 0 && l->error[s->side] != 0) {
        errno = l->error[s->side];
        l->error[s->side] = 0;
        return -1;
    }
    if (ready == 0 && (in->ended || l->dead[s->side]))
        return 0;
    errno = EAGAIN;
    return -1;
}

/* Whether bytes can be sent, or errno. */
static bool may_send(struct sock *s)
{
    if (s->line == NULL || (!s->line->open && !s->line->dead[0])) {
        errno = ENOTCONN;
        return false;
    }
    struct line *l = s->line;
    if (l->error[s->side] != 0) {
        errno = l->error[s->side];
        l->error[s->side] = 0;
        return false;
    }
    if (s->shut || l->dead[s->side]) {
        errno = EPIPE;
        return false;
    }
    if (pipe_room(l->way[s->side]) == 0 || (!kernel.raw && dice_one_in(&kernel.dice, kernel.weather.again_one_in))) {
        errno = EAGAIN;
        return false;
    }
    return true;
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    struct sock *s = sock_of(fd);
    if (!(flags & MSG_NOSIGNAL))
        abort(); /* it would be a SIGPIPE (NET-8) */
    if (s == NULL || fails(CALL_send) || interrupted() || !may_send(s))
        return -1;
    return (ssize_t)pipe_send(s->line->way[s->side], data, share(len, kernel.weather.write_most));
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct sock *s = sock_of(fd);
    if (!(flags & MSG_NOSIGNAL) || m->msg_iovlen > 1024)
        abort();
    if (s == NULL || fails(CALL_send) || interrupted() || !may_send(s))
        return -1;
    size_t all = 0, done = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        all += m->msg_iov[i].iov_len;
    size_t most = share(all, kernel.weather.write_most);
    for (size_t i = 0; i < m->msg_iovlen && done < most; i++) {
        size_t want = m->msg_iov[i].iov_len < most - done ? m->msg_iov[i].iov_len : most - done;
        size_t n = pipe_send(s->line->way[s->side], m->msg_iov[i].iov_base, want);
        done += n;
        if (n < want)
            break;
    }
    return (ssize_t)done;
}

int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_shutdown))
        return -1;
    if (how != SHUT_WR || s->line == NULL || !s->line->open || s->line->dead[s->side]) {
        errno = ENOTCONN;
        return -1;
    }
    s->shut = true;
    pipe_shut(s->line->way[s->side]);
    return 0;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    struct sock *s = sock_of(fd);
    (void)len;
    if (s == NULL || fails(CALL_setsockopt))
        return -1;
    if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY)
        s->only_six = *(const int *)value;
    if (level == SOL_SOCKET && option == SO_REUSEPORT)
        s->shares = *(const int *)value;
    return 0;
}

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_getsockopt))
        return -1;
    memset(value, 0, *len);
    if (level == SOL_SOCKET && option == SO_ERROR && s->line != NULL) {
        *(int *)value = s->line->error[s->side];
        s->line->error[s->side] = 0;
    } else if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY) {
        *(int *)value = s->only_six;
    }
    return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *to, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *to, socklen_t *len)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_getsockname))
        return -1;
    name_out(&s->name, s->name_len, to, len);
    return 0;
}

int __wrap_getpeername(int fd, struct sockaddr *to, socklen_t *len);
int __wrap_getpeername(int fd, struct sockaddr *to, socklen_t *len)
{
    struct sock *s = sock_of(fd);
    if (s == NULL || fails(CALL_getpeername))
        return -1;
    if (s->line == NULL || !s->line->open || s->line->dead[s->side]) {
        errno = ENOTCONN;
        return -1;
    }
    name_out(&s->line->name[!s->side], s->line->name_len[!s->side], to, len);
    return 0;
}
