/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: TCP on IPv4, IPv6 or both, and unix sockets. Options that connections inherit (TCP_NODELAY) are
 * set here, so that a new connection costs accept4 and one epoll_ctl.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "net/loop.h"
#include <stdbool.h>
#include <sys/socket.h>

struct address {
    socklen_t len;
    struct sockaddr_storage at;
};

/*
 * Opens sockets for `host` ("" or "*": every address, one dual-stack socket; "localhost": 127.0.0.1 and ::1 when there)
 * and `port`, or for the unix path when that is not NULL. A stale unix socket file is removed when nobody listens on it
 * (NET-12). With `shared`, SO_REUSEPORT is set after the bind proved the port free, for listen_again(). At most `max`
 * descriptors in `fds`. Returns their number, or a negative error with one line of remedy in `why`.
 */
int listen_open(int *fds, int max, const char *host, unsigned port, const char *unix_path, bool shared, char why[200]);
/*
 * The addresses that listen_open() would listen on, without listening: at most `max` in `found`, two for every address.
 * Returns their number, or a negative error with a line in `why`: the name has no address, this machine has not this
 * one, no socket can be made at this path. A busy port is none.
 */
int listen_look(struct address *found, int max, const char *host, unsigned port, const char *unix_path, char why[200]);
/* Whether a socket on the one keeps the other from being listened on. Port 0 is another one each time. */
bool listen_clash(const struct address *a, const struct address *b);
/* The same socket again, of which there can be but one: of a file, or passed. A descriptor or -errno. */
int listen_same(int fd);
/*
 * A socket that somebody else opened and passed: a copy of `fd`, which stays the caller's. It must be a listening
 * stream socket of TCP or unix; it is made non-blocking, for all who have it. A descriptor; DUET_ERR_INVALID or -errno
 * with one line of remedy in `why`.
 */
int listen_passed(int fd, char why[200]);
/* One more listener on the address of `fd`, of TCP and shared, for another loop (SO_REUSEPORT). */
int listen_again(int fd);
unsigned listen_port(int fd); /* 0: unix */

struct listener {
    struct watch watch;
    duet_loop *loop;
    int fd;
    int spare;           /* the descriptor kept for EMFILE (NET-1) */
    bool exclusive;      /* one socket in all loops: EPOLLEXCLUSIVE */
    unsigned backoff_ms; /* 100 doubling to 1000 while descriptors are out */
    struct timer again;
    uint64_t said_ms;
    /* A newcomer, non-blocking; the callee owns it. */
    void (*accepted)(struct listener *, int fd, const struct address *peer);
    /* accept failed for want of descriptors or memory; said at most once a second. */
    void (*refused)(struct listener *, int error);
};

/* Takes at most 64 a turn. The caller set accepted, refused and exclusive. 0 or -errno; on success it owns `fd`. */
int listener_start(struct listener *l, duet_loop *loop, int fd);
void listener_stop(struct listener *l, bool accept_waiting); /* true: takes what the backlog holds first */

/* "192.0.2.1:80", "[::1]:80", "unix". */
void address_text(const struct address *a, char out[64]);

#endif
