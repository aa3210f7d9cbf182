/* SPDX-License-Identifier: MIT */
/*
 * A server as its own files see it: what is set once before the threads start, and one struct for each loop that only
 * its thread touches.
 *
 * An id is  generation << 32 | slot << 8 | loop.  A loop's slots (conn/slots.h) are its connections; a slot's
 * generation grows with each connection and each request in it, so that no id comes twice.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/loglimit.h"
#include "base/map.h"
#include "conn/conn.h"
#include "http/address.h"
#include "http/origin.h"
#include "net/listen.h"
#include "net/random.h"
#include "net/worker.h"
#include "server/topic.h"
#include <duet/server.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SERVER_LISTENERS = 16, SERVER_LOOPS = 256, SERVER_WHY = 200 };

struct server_listener {
    struct listener listener; /* first */
    struct server_loop *loop;
    bool secure;
    bool passed; /* what waits there in a drain is for who has the socket next */
    bool started;
};

/* One thread's part. */
struct server_loop {
    struct conn_host host; /* first */
    duet_server *server;
    unsigned index;
    duet_loop *loop;
    bool owns_loop;
    struct watch signal; /* an eventfd: stop or drain was asked for */
    struct server_listener listeners[SERVER_LISTENERS];
    uint32_t conns, websockets;
    struct topics topics;
    struct timer beat; /* once a second: how late it comes is the loop's lag */
    struct timer drain, budget;
    bool refusing; /* the memory budget is nearly used up */
    uint64_t drain_until_ms;
    uint32_t drain_next, drain_count; /* the slot that is closed next; connections there were */
    bool draining;
    uint64_t accept_second_ms;
    unsigned accepts;      /* in this second */
    struct http_head head; /* of the request that is being read; nothing outlives the callback */
    char date[40];         /* the Date field's value, and when it was made */
    uint64_t date_ms;
    struct random random; /* masks no frame here, but spreads the first pings */
    uint64_t accepted, opened, requests, reasons[DUET_REASON_COUNT], codes[5001], lag_us;
    uint64_t turns[DUET_TURN_BUCKETS], turns_us; /* the loop's, at the last beat: others may read these */
    pthread_t thread;
};

struct duet_server {
    duet_server_config config; /* every default filled in; strings are the server's own or constant */
    struct server_loop *loops;
    unsigned count;
    int fds[SERVER_LISTENERS];
    bool fd_secure[SERVER_LISTENERS];
    bool fd_single[SERVER_LISTENERS]; /* one socket in all loops */
    bool fd_passed[SERVER_LISTENERS]; /* by somebody who has it, too */
    unsigned ports[SERVER_LISTENERS];
    int fd_count;
    struct http_network *trusted; /* one more than `trusted_count`: "no address" */
    size_t trusted_count;
    bool trust_unix, any_origin;
    struct http_origin *origins;
    size_t origin_count;
    char **owned; /* strings to free */
    size_t owned_count;
    uint64_t map_key[2];
    uint64_t memory_max;     /* bytes; 0: no limit is known */
    atomic_uint connections; /* of all loops */
    atomic_uint running;     /* loops that still serve */
    atomic_bool stopping, draining;
    atomic_bool attached; /* to a loop that is not our own: the first one's `thread` is set */
    pthread_mutex_t address_lock;
    struct map addresses; /* per_address_max: address bytes to a count; under `address_lock` */
    pthread_mutex_t log_lock;
    struct loglimit log_limit;       /* under `log_lock` */
    _Atomic(struct worker *) worker; /* of files; made by files.c at the first one, any loop; server.c frees it when no
                                        loop turns any more and the connections are gone */
};

static inline struct server_loop *loop_of(const duet_conn *c)
{
    return (struct server_loop *)conn_host(c);
}

/* The route of an open WebSocket; NULL: none. */
static inline const duet_route *server_route(const duet_conn *c)
{
    return c->proto.place > 0 ? &loop_of(c)->server->config.routes[c->proto.place - 1] : NULL;
}

/* What is known of a peer beside its socket: behind a proxy, or where addresses are counted. Freed with the
 * connection. */
struct peer_info {
    struct http_address address;
    uint16_t port;
    bool has_address; /* else it came by a unix socket */
    bool trusted;     /* the socket's peer is a trusted proxy */
    bool counted;     /* in `addresses` */
    bool secure;      /* TLS at a proxy */
    bool named;       /* X-Forwarded-For of the last request named `client` */
    struct http_address client;
    struct buf *proxy; /* PROXY header bytes so far */
};

static inline struct peer_info *peer_info(const duet_conn *c)
{
    return c->proto.rare ? conn_rare(c)->peer : NULL;
}

/* peer.c: what a newcomer is, and whether it may stay. */
bool peer_admit(struct server_loop *l, const struct address *from, enum duet_reason *why);
/* Notes what is to be kept about it. 0 or DUET_ERR_NOMEM. */
int peer_note(duet_conn *c, const struct address *from, bool secure);
void peer_forget(duet_conn *c);
int peer_opening(duet_conn *c); /* conn_host.opening: the PROXY header */
/* The socket's peer, or what a PROXY header said; false for a unix socket. */
bool peer_address(const duet_conn *c, struct http_address *address, uint16_t *port);
bool peer_trusted(const duet_conn *c); /* a trusted proxy: its X-Forwarded-* count */

/* budget.c: the memory budget */
void budget_init(duet_server *s);
void budget_start(struct server_loop *l);

/* drain.c */
void drain_begin(struct server_loop *l);
void drain_check(struct server_loop *l); /* ends the loop when it was the last connection */

/* config.c: copies and judges the config; opens its sockets, or only looks whether it could. 0, or a negative error
 * with a line in `why`. */
int config_take(duet_server *s, const duet_server_config *config, char *why);
int config_listen(duet_server *s, char *why);
int config_look(duet_server *s, char *why);

/* How many slots there ever were, and the connection in one; NULL: it is free or its connection dead. */
static inline uint32_t server_slots(const struct server_loop *l)
{
    return l->host.slots.next;
}

static inline duet_conn *server_slot(const struct server_loop *l, uint32_t n)
{
    duet_conn *c = slots_at(&l->host.slots, n);
    return c != NULL && c->stream.watch.fd >= 0 ? c : NULL;
}

/* accept.c */
duet_conn *server_find(struct server_loop *l, uint64_t id);
void accept_newcomer(struct listener *listener, int fd, const struct address *from);
void accept_refused(struct listener *listener, int error);
void accept_gone(duet_conn *c); /* conn_host.gone: the last that is heard of a connection */
void accept_closed(duet_conn *c, const duet_closing *why, enum duet_reason reason); /* conn_host.closed */
void accept_trace(void *arg, const duet_trace *frame);

/* server.c */
struct server_loop *server_current(duet_server *s); /* the calling thread's loop of this server, or NULL */
const char *server_date(struct server_loop *l);     /* now, as a Date field's value */

/* report.c: tells the log and the counters. `target` and `detail` may be NULL. */
void report(struct server_loop *l, const duet_conn *c, enum duet_reason reason, int code, const char *target,
            const char *detail);

#endif
