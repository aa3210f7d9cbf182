/* SPDX-License-Identifier: MIT */
/*
 * A server: WebSockets and HTTP on one port, one event loop a thread, topics across all of them.
 */
#ifndef DUET_SERVER_H
#define DUET_SERVER_H

#include <duet/conn.h>
#include <duet/http.h>
#include <duet/log.h>
#include <duet/loop.h>
#include <duet/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A place in the site. The longest path that fits wins. */
typedef struct duet_route {
    const char *path;    /* exact; all below it when it ends with '/'. NULL ends the table */
    bool websocket;      /* upgrades are welcome here, other requests get 426 */
    const char *methods; /* "GET, POST"; NULL: "GET". HEAD goes with GET */
    bool cors;           /* other origins of the allow-list may read the answer; preflights are answered */
    void (*upgrade)(duet_http *x, const duet_request *r); /* NULL: the handler's */
    void (*http)(duet_http *x, const duet_request *r);
    /* Takes the body in pieces: `http` comes with the head, then this for each piece, of which the last may be empty.
     * NULL: the body comes whole. */
    void (*piece)(duet_http *x, const void *data, size_t len, bool last);
    bool trace;          /* websocket with an exact path: its heads go to the config's `trace_head` */
    const char *root;    /* instead of `http`: files of this folder; the route's path is not part of their names */
    bool no_deflate;     /* permessage-deflate is declined here: frames hold what was sent, in both directions */
    unsigned slow_code;  /* websocket: the Close code of who reads too slowly; 1008 */
    /* The server drains, and this connection's or streamed answer's turn has come: the place to write a last thing, and
     * to duet_close() with a code of one's own. It is closed, or ended and `gone`, behind that. */
    void (*drain)(duet_conn *c);
    void (*drain_http)(duet_http *x);
} duet_route;

/* Zero is the default everywhere; DUET_OFF turns a limit or timer off where that is said. Strings and arrays are copied
 * or borrowed as said; arrays of strings end with NULL. */
typedef struct duet_server_config {
    size_t size; /* DUET_SERVER_CONFIG_INIT */

    /* "ws://127.0.0.1:9001", "wss://:443", "http://..." and "https://..." (the same two), "unix:/run/app.sock". Port 0
     * picks one: duet_server_port(). One of the two is needed. Borrowed for duet_server_new(). At most 16 sockets.
     *
     * "fd:3", with TLS "fd+tls:3": a socket that is open and listens already, of TCP or unix, as systemd passes it.
     * duet_server_new() makes a copy, and the socket non-blocking; the descriptor stays the caller's. A drain accepts
     * nothing more there: what waits is for whoever has the socket, too, such as the next process. */
    const char *listen;
    const char *const *listen_also;
    unsigned threads; /* loops: 1, at most 256 */
    duet_handler on;  /* copied */
    void *arg;        /* duet_server_arg() */
    size_t data_size; /* the block of each connection: 0 */

    /* Limits. */
    unsigned message_max;    /* 1 MiB; Close 1009 */
    bool pieces;             /* messages in parts as they come */
    unsigned queue_soft;     /* bytes waiting: duet_congested(), reading stops: 256 KiB */
    unsigned queue_max;      /* bytes waiting before a message: 1 MiB */
    duet_when_full when_full;
    unsigned stall_ms;       /* so much waits that reading stops, and the peer takes no byte: closed; 10 s, DUET_OFF */
    bool read_on;            /* do not stop reading from a congested peer (broadcasts) */
    unsigned head_max;       /* request head: 16 KiB, at most 60 KiB; 431 */
    unsigned fields_max;     /* 100, at most 200; 431 */
    unsigned target_max;     /* 8 KiB; 414 */
    unsigned body_max;       /* of a request, when taken whole: 1 MiB; 413 */
    unsigned connections_max; /* RLIMIT_NOFILE less 64 */
    unsigned per_address_max; /* of one IPv4 address or IPv6 /64: off */
    unsigned accepts_per_s;  /* off */
    unsigned messages_per_s; /* of one connection, a burst of twice that: off; Close 1008 */
    unsigned control_per_s;  /* pings and pongs of one connection, for 10 s: 1000, DUET_OFF; Close 1008 */
    unsigned topics_max;     /* of one connection: 128 */
    unsigned memory_mib;     /* of the process: its control group's limit, DUET_OFF; from 90 % on newcomers get 503 */

    /* Times. */
    unsigned open_ms;  /* from accept to OPEN or the end of the first head, TLS included: 10 s */
    unsigned idle_ms;  /* between requests of a connection: 60 s */
    unsigned ping_ms, pong_ms, close_ms, message_ms; /* as duet_proto_config; message_ms also for a body taken whole */
    unsigned drain_ms; /* 30 s */
    unsigned drain_code; /* 1001 */
    unsigned requests_max; /* of one connection: 1000 */

    /* Who may come. */
    const char *const *origins; /* besides the server's own: "https://example.com"; a leading "*." as host: any one
                                 * label there; "*": any page */
    bool require_origin;
    const char *const *trusted_proxies; /* "10.0.0.0/8", "::1", "unix": X-Forwarded-* are believed */
    bool proxy_protocol;                /* PROXY v1 or v2 is due from the trusted ones first, on every listener */
    const char *const *subprotocols;    /* ours, in our order; the first offered is taken when no hook decides */
    bool require_subprotocol;           /* 400 without one */

    /* The site. */
    const duet_route *routes; /* borrowed. NULL: every path is a WebSocket's */
    const char *root;         /* a folder of files for what no route takes; copied */
    const duet_header *headers; /* added to every HTTP answer; borrowed */

    duet_tls *tls; /* for wss and https; borrowed */

    /* Every refusal, failure and drop, at most 10 a second for each reason. Any loop's thread, one at a time. NULL:
     * nothing but duet_serve()'s own line. */
    void (*log)(void *arg, const duet_log_event *event);
    /* Frames' heads of connections that asked for it with duet_conn_trace(). No place to close or abort one. */
    void (*trace)(duet_conn *c, const duet_trace *frame);
    /* The upgrade request and the 101 of a route with `trace`, as they were on the wire, just before `open`. */
    void (*trace_head)(duet_conn *c, bool sent, const char *head, size_t len);

    duet_deflate deflate; /* permessage-deflate: off; never with `pieces`. What is published is compressed once for all
                           * whose windows are the same */

    /* Which of the texts above is to blame is put here when duet_server_new() or duet_server_check() refuses one: of
     * `listen`, `listen_also`, `origins`, `trusted_proxies` or `root`, that pointer itself. Else it stays as it was. */
    const char **blame;
} duet_server_config;

#define DUET_SERVER_CONFIG_INIT .size = sizeof(duet_server_config)

/* Serves until SIGTERM or SIGINT, then drains. Logs one line to standard error when it cannot. 0 or 1, fit for main. */
DUET_API int duet_serve(const duet_server_config *config);

/*
 * Binds and listens; nothing is served before the run. 0 or a negative error, and then one line of what to do in `why`
 * (200 bytes, may be NULL).
 */
DUET_API int duet_server_new(duet_server **out, const duet_server_config *config, char *why);
/*
 * Judges a config without a server: what duet_server_new() would refuse, but for what only binding tells, such as a
 * busy port, and whether an fd: is open; and addresses of which two are the same or which this machine has not. Looks
 * up names of hosts. 0 or a negative error, and then one line of what to do in `why`, as there.
 */
DUET_API int duet_server_check(const duet_server_config *config, char *why);
/* After duet_server_run() returned, or without it; never inside a callback. Closes what is open, calling `close` for
 * each. NULL is fine. */
DUET_API void duet_server_free(duet_server *s);
/* Serves on this thread and threads - 1 others until duet_server_stop() or the end of a drain. 0 or an error. */
DUET_API int duet_server_run(duet_server *s);
/* Instead of run, with threads = 1: on your own loop, from its thread, which counts as inside of a callback everywhere.
 * The end of the run is duet_loop_stop(). Free the server before the loop. */
DUET_API int duet_server_attach(duet_server *s, duet_loop *loop);
/* For who turns the loop himself: true after a stop, and when a drain has ended. On the loop's thread. */
DUET_API bool duet_server_over(const duet_server *s);
/* Ends the run now. Any thread, and signal handlers. */
DUET_API void duet_server_stop(duet_server *s);
/* Stops accepting, sends each connection a Close behind what is queued, spread over 0.8 of drain_ms, and ends the run
 * when all are gone or the time is over. A streamed answer that is a member of a topic is ended likewise, and `gone`;
 * other answers have until then to end by themselves. Any thread, and signal handlers. */
DUET_API void duet_server_drain(duet_server *s);
DUET_API bool duet_server_draining(const duet_server *s);
/* The port of listener number `i`; 0: it has none. */
DUET_API unsigned duet_server_port(const duet_server *s, unsigned i);
DUET_API void *duet_server_arg(const duet_server *s);

/* Membership of a topic, any bytes up to 255. Twice is once. 0; DUET_ERR_LIMIT; DUET_ERR_INVALID; DUET_ERR_NOMEM;
 * DUET_ERR_CLOSED. Unsubscribing from what one is no member of is 0; what was published before is still sent, but for
 * what waits for the end of a message in parts: that meets `when_full`, as if the queue were full. */
DUET_API int duet_subscribe(duet_conn *c, const char *topic);
DUET_API int duet_unsubscribe(duet_conn *c, const char *topic);
/*
 * To every member of the topic on every loop, any thread. Publishes that happen one after another reach each member in
 * that order. 0; DUET_ERR_NOMEM; DUET_ERR_UTF8; DUET_ERR_INVALID.
 */
DUET_API int duet_publish(duet_server *s, const char *topic, duet_type type, const void *data, size_t len);
DUET_API int duet_publish_shared(duet_server *s, const char *topic, duet_shared *message);
/* The same to all but `c`, on its thread. */
DUET_API int duet_publish_except(duet_conn *c, const char *topic, duet_type type, const void *data, size_t len);
/* While it is held, what topics have for this connection or streamed answer waits, as within a message in parts: for
 * who has something to say first. Letting it go gives what waited. */
DUET_API void duet_hold(duet_conn *c, bool held);
DUET_API void duet_http_hold(duet_http *x, bool held);
/* How a topic stands on the calling thread's loop: how many members it has there, how many publications it ever got,
 * and how many of these all its members have been given (the others wait for a loop that has other work, too). All 0
 * where it has no members. */
typedef struct duet_topic_stats {
    uint64_t members, published, given;
} duet_topic_stats;
DUET_API void duet_topic_read(duet_server *s, const char *topic, duet_topic_stats *out);
/* To one connection, any thread; whether it was still there is not known. 0 or DUET_ERR_NOMEM, DUET_ERR_UTF8. */
DUET_API int duet_send_to(duet_server *s, uint64_t id, duet_type type, const void *data, size_t len);
/* Calls `fn` on the loop of connection or request `id`, with whatever it is now: find it by duet_conn_find() or
 * duet_http_find(). A loop's own number, from 0 on, is an id that names nothing on it. At the latest
 * duet_server_free() calls it. Any thread. 0; DUET_ERR_NOMEM; DUET_ERR_GONE for an id that no loop can have given: then
 * it is not called. */
DUET_API int duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *s, uint64_t id, void *arg), void *arg);
/* Calls `fn` once on each loop, with the loop's number in place of an id. Any thread. 0; DUET_ERR_NOMEM: not on all;
 * DUET_ERR_GONE: they do not all run yet. */
DUET_API int duet_post_all(duet_server *s, void (*fn)(duet_server *s, uint64_t loop, void *arg), void *arg);
/* Looks through the WebSockets of the calling thread's loop: at `most` places of its table, from place `from` on, which
 * is 0 at first. `each` gets those that are open, to ask them, not to send or close. Returns where to go on, so that a
 * million are looked through without the loop being kept from its work; 0: that was the last. */
DUET_API unsigned duet_look(duet_server *s, unsigned from, unsigned most, void (*each)(const duet_conn *c, void *arg),
                            void *arg);
/* On the loop of that id only. NULL: gone. */
DUET_API duet_conn *duet_conn_find(duet_server *s, uint64_t id);
DUET_API duet_http *duet_http_find(duet_server *s, uint64_t id);
/* The loop of the calling thread, for timers and watches in callbacks; NULL outside of them. */
DUET_API duet_loop *duet_server_loop(duet_server *s);
/* Starts the config's `trace` for this connection. */
DUET_API void duet_conn_trace(duet_conn *c);

typedef struct duet_server_stats {
    uint64_t connections, websockets;     /* now */
    uint64_t accepted, opened;            /* so far */
    uint64_t requests;                    /* HTTP, upgrades included */
    uint64_t messages_in, messages_out, bytes_in, bytes_out; /* bytes of the wire */
    uint64_t subscriptions, topics;       /* now; a topic counts once for each loop that has members */
    uint64_t published, skipped;          /* publications; deliveries that a full queue refused */
    uint64_t reasons[DUET_REASON_COUNT];  /* refusals, failures and drops */
    uint64_t codes[5001];                 /* closes by code as reported; index 0: all others */
    uint64_t loop_lag_us;                 /* the longest turn of the last seconds */
    uint64_t deflate_bytes;               /* memory of permessage-deflate now, with the windows that are kept */
    uint64_t turns[DUET_TURN_BUCKETS];    /* of all loops, by length: DUET_TURN_BOUNDS_US; a second old at most */
    uint64_t turns_us;                    /* the sum of their lengths */
} duet_server_stats;
/* Sums over all loops; any thread. */
DUET_API void duet_server_read_stats(duet_server *s, duet_server_stats *out);

#ifdef __cplusplus
}
#endif
#endif
