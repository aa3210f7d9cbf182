/* SPDX-License-Identifier: MIT */
/*
 * An open WebSocket connection: what a handler gets, and what can be done with it.
 *
 * A `duet_conn *` is good from `open` until `close` returns, on the thread of its loop only. What must outlive it, or
 * wants to reach it from another thread, keeps duet_id() and uses duet_send_to() or duet_post() (<duet/server.h>).
 * Everything here may be called inside any callback, closing included: what was closed is freed at the end of the turn.
 */
#ifndef DUET_CONN_H
#define DUET_CONN_H

#include <duet/proto.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_conn duet_conn;
typedef struct duet_http duet_http;
typedef struct duet_server duet_server;

/* A received message, or part of one. Borrowed until the callback returns. */
typedef struct duet_msg {
    duet_type type;     /* DUET_TEXT (valid UTF-8; in parts as far as it goes) or DUET_BINARY */
    const void *data;   /* not terminated */
    size_t len;
    bool first, last;   /* both true for whole messages */
    duet_shared *owner; /* the buffer that holds it when that is the message's own, else NULL */
} duet_msg;

/* How a connection ended. Borrowed until the callback returns. */
typedef struct duet_closing {
    unsigned code;      /* what the peer sent; DUET_CODE_NONE without a code; DUET_CODE_LOST when no Close came */
    const char *reason; /* the peer's, UTF-8, not terminated; data, never to be trusted */
    size_t reason_len;
    int error;          /* why it ended when it was no clean close: DUET_ERR_* or -errno; 0 when clean */
    unsigned sent;      /* the code that we sent; 0: none */
    size_t unsent;      /* bytes that were accepted but could not be delivered */
} duet_closing;

/* What happens when a message meets a queue that is over its hard limit (queue_max). */
typedef enum duet_when_full {
    DUET_FULL_CLOSE,  /* the reader is too slow: Close 1008 "slow", its queue is discarded */
    DUET_FULL_REFUSE, /* duet_send() returns DUET_ERR_FULL; a publication is skipped for this reader and counted */
    DUET_FULL_DROP    /* as refuse, but duet_send() returns 0; counted */
} duet_when_full;

/* name: the reason in log events and metrics; one X for each reason a peer can be refused, failed or dropped. */
#define DUET_REASONS(X)                                                                                      \
    X(fds) X(connections) X(per_address) X(accept_rate) X(proxy_protocol_invalid) X(tls_handshake_failed)        \
    X(open_timeout) X(bad_request) X(not_found) X(method) X(head_too_big) X(body_too_big) X(origin) X(handshake)  \
    X(application) X(protocol) X(utf8) X(too_big) X(policy) X(slow) X(pong_timeout) X(close_timeout) X(rate)      \
    X(lost) X(no_memory) X(draining) X(other)

enum duet_reason {
#define DUET_REASON_ENUM(name) DUET_REASON_##name,
    DUET_REASONS(DUET_REASON_ENUM)
#undef DUET_REASON_ENUM
    DUET_REASON_COUNT
};
DUET_API const char *duet_reason_text(enum duet_reason reason);

/* Each may be NULL. All are called on the thread of the connection's loop. */
typedef struct duet_handler {
    /* Once, when the connection is open; sending is fine from here on. */
    void (*open)(duet_conn *c);
    /* Each message, in order. With `pieces` in the config: each part, as it comes. */
    void (*message)(duet_conn *c, const duet_msg *m);
    /* Once after duet_congested() was true, when the queue is below half the soft limit again. */
    void (*drain)(duet_conn *c);
    /* The peer answered a ping: the measured round trip. */
    void (*pong)(duet_conn *c, unsigned rtt_us);
    /* Once for each connection that opened, after the last `message`. `c` may still be read, not sent on; its data
     * block is freed on return. */
    void (*close)(duet_conn *c, const duet_closing *why);

    /* An upgrade request that passed every check of RFC 6455 and the Origin rule: answer with duet_http_upgrade(), or
     * with duet_http_reply() to refuse; now, or later from any turn. NULL: every one is accepted. */
    void (*upgrade)(duet_http *x, const duet_request *r);
    /* A request that no route and no file took: answer now or later. NULL: 404. */
    void (*http)(duet_http *x, const duet_request *r);
    /* A request that `upgrade`, `http` or a route's got, and whose answer was not complete, is gone: its peer left, its
     * time is over, or the server drains. `x` is freed on return. */
    void (*gone)(duet_http *x);
} duet_handler;

/*
 * Queues one message; what is queued while messages are read leaves in one write behind them. `data` is copied as
 * far as the socket does not take it at once. 0; DUET_ERR_CLOSED; DUET_ERR_FULL over the hard limit (what else
 * happens then is the config's `when_full`); DUET_ERR_UTF8; DUET_ERR_NOMEM: the message was not queued, no part of
 * it.
 */
DUET_API int duet_send(duet_conn *c, duet_type type, const void *data, size_t len);
DUET_API int duet_send_shared(duet_conn *c, duet_shared *message); /* by reference; takes one of its own */
/* A message in parts. duet_send() in between is DUET_ERR_STATE. */
DUET_API int duet_send_begin(duet_conn *c, duet_type type);
DUET_API int duet_send_part(duet_conn *c, const void *data, size_t len, bool last);
/* As duet_proto_deflates() and duet_proto_set_deflate(). */
DUET_API bool duet_deflates(const duet_conn *c);
DUET_API void duet_set_deflate(duet_conn *c, bool on);
/* A ping now, whose round trip `pong` tells. One at a time: DUET_ERR_STATE while one is out. */
DUET_API int duet_ping(duet_conn *c);

/* A Close (RFC 6455 5.5.1) behind everything queued: see duet_proto_close(). */
DUET_API int duet_close(duet_conn *c, unsigned code, const char *reason);
/* Ends it at once; what is queued is lost, and `close` says how much. */
DUET_API void duet_abort(duet_conn *c);

/* True while more is queued than the soft limit: wait for `drain`. */
DUET_API bool duet_congested(const duet_conn *c);
DUET_API size_t duet_queued(const duet_conn *c);
/* Stops and starts reading. Pings are not answered and a Close is not seen meanwhile; the peer is not pinged. */
DUET_API void duet_pause(duet_conn *c);
DUET_API void duet_resume(duet_conn *c);

DUET_API uint64_t duet_id(const duet_conn *c); /* never reused in a server's life */
DUET_API duet_server *duet_server_of(const duet_conn *c); /* NULL: it is a client's */
/* The connection's own block of `data_size` zeroed bytes (aligned for anything); NULL when data_size is 0. */
DUET_API void *duet_data(const duet_conn *c);
DUET_API const char *duet_subprotocol(const duet_conn *c); /* agreed on, or NULL */
/* "192.0.2.1:5555" or "unix"; behind trusted proxies the client, without a port when X-Forwarded-For named it. */
DUET_API const char *duet_peer(const duet_conn *c, char out[64]);
DUET_API bool duet_is_secure(const duet_conn *c); /* TLS, here or at a trusted proxy */
DUET_API bool duet_tls_resumed(const duet_conn *c); /* its TLS went on from an earlier session: no certificate passed */

/* Since it was accepted, or a client began to connect; to 16 ms. */
DUET_API uint64_t duet_age_ms(const duet_conn *c);

/* A reference to a received message, for duet_send_shared() and publishing: without a copy when the message owns its
 * buffer. NULL without memory. */
DUET_API duet_shared *duet_msg_share(const duet_msg *m);

typedef struct duet_conn_stats {
    uint64_t messages_in, messages_out; /* whole messages */
    uint64_t bytes_in, bytes_out;       /* payload in, wire out */
    size_t queued;
    unsigned rtt_us;                    /* of the last answered ping; 0: none yet */
} duet_conn_stats;

DUET_API void duet_conn_read_stats(const duet_conn *c, duet_conn_stats *out);

#ifdef __cplusplus
}
#endif
#endif
