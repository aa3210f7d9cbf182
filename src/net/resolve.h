/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses. The system's resolver blocks, for minutes when its servers are silent, so it runs on threads
 * of the process that nobody ever waits for: a lookup that was cancelled goes on by itself and tells nobody.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "net/loop.h"
#include <sys/socket.h>

enum { RESOLVE_MOST = 16, RESOLVE_THREADS = 16 };

struct resolved {
    int error; /* 0, DUET_ERR_RESOLVE, DUET_ERR_NOMEM or -errno */
    unsigned count;
    struct {
        socklen_t len;
        struct sockaddr_storage at;
    } address[RESOLVE_MOST]; /* in the order to try them: families take turns (RFC 8305 4) */
};

struct lookup;

/* An address as text ("127.0.0.1", "::1") needs no lookup, and "localhost" is this machine whatever a name server says
 * (RFC 6761 6.3): true, and that is all of `out`. */
bool resolve_literal(struct resolved *out, const char *host, uint16_t port);

/*
 * Looks up `host`, copied. `done` is called once, on the loop's thread, unless lookup_cancel() comes before; the lookup
 * is gone then. 0, DUET_ERR_NOMEM, DUET_ERR_INVALID for a name over 255 bytes or -errno when no thread can be had.
 */
int lookup_start(struct lookup **out, duet_loop *loop, const char *host, uint16_t port,
                 void (*done)(void *arg, const struct resolved *), void *arg);
void lookup_cancel(struct lookup *l); /* on the loop's thread; NULL is fine */

/* Puts families in turns, the first one's first. Public for its test. */
void resolve_interleave(struct resolved *r);

#endif
