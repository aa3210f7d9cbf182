/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 on a connection: the phase before, or instead of, a WebSocket. One request at a time: the next is read when
 * the answer to this one is queued whole.
 *
 *  idle --head--> ASKED (the body comes, or is whole) --answer begins--> ANSWERING --its end--> idle, or the end
 *
 * Between requests a connection holds nothing of this: `duet_conn.http` is NULL.
 */
#ifndef SERVER_HTTPD_H
#define SERVER_HTTPD_H

#include "base/buf.h"
#include "http/chunk.h"
#include "http/request.h"
#include "server/server.h"

extern const struct conn_phase httpd_phase;

enum http_state { HTTP_ASKED, HTTP_ANSWERING };

struct duet_http {
    duet_conn *conn;
    const duet_route *route; /* NULL: none */
    uint8_t state, minor;
    bool head_only;   /* HEAD: no body goes out */
    bool keep_alive;  /* another request may follow */
    bool chunked;     /* the answer is */
    bool upgrade;     /* it is a valid upgrade request */
    bool in_callback; /* freed by who called, not by who answers */
    bool done;        /* answered whole */
    bool asked;       /* the application knows of it: `gone` is due */
    bool cors;        /* its Origin may read the answer */
    bool streams;     /* begun by duet_http_begin() */
    bool body_chunked, body_whole, body_over;
    uint64_t began_ms;  /* when its head was whole */
    uint64_t body_left; /* of a request's body with a length */
    uint64_t left;      /* bytes due of an answer with a length; UINT64_MAX: not known */
    struct http_chunk chunk;
    struct buf body;
    struct buf raw;         /* an upgrade's head as it came, when its route traces */
    struct buf kept;        /* the head's bytes, when the request outlives its reading */
    struct http_head *head; /* its fields; the loop's, or a copy of its own */
    struct duet_request request;
    bool owns_head;           /* `head` is a copy */
    char peer[64], host[256]; /* behind a proxy */
    void (*drain)(duet_http *x);
    /* Who makes a long answer: called when there is room for more, and once when the exchange is over. */
    void (*more)(duet_http *x, void *source);
    void (*over)(void *source);
    void *source;
};

/* The head of an answer with a known length: then exactly that many bytes by http_write(). Results as
 * duet_http_begin(). Own fields (validators, ranges) are in `own`, already checked; it may be NULL. */
int http_begin_length(duet_http *x, unsigned status, const duet_header *headers, const struct buf *own,
                      uint64_t length);
/* Bytes of the body: copied; of a counted block without a copy; or constant. No limit is looked at. */
int http_write(duet_http *x, const void *data, size_t len);
int http_write_shared(duet_http *x, duet_shared *block);
int http_write_static(duet_http *x, const void *data, size_t len);
/* The body is complete (its length must be): the exchange is over as soon as this turn's callbacks have returned. */
void http_end(duet_http *x);
/* The server goes away: a stream that is a member of a topic has no end of its own, so it gets one now, and its
 * application hears that it is gone. */
void http_drain(duet_http *x);
/* `more` is called at the end of each write that left less than half the soft limit; `over` once. */
void http_set_source(duet_http *x, void (*more)(duet_http *, void *), void (*over)(void *), void *source);

/* A refusal by the server itself: an answer of one line, Connection: close, and its report. */
void http_refuse(duet_conn *c, unsigned status, enum duet_reason reason, const char *line);

/* Queues a head that was put together. 0 or DUET_ERR_NOMEM. */
int http_queue_head(duet_conn *c, struct buf *b);
/* The exchange is the connection's no longer: it became something else. It is freed now, or by the callback's caller.
 */
void http_detach(duet_http *x);
void http_free(duet_http *x);

/* An upgrade request (upgrade.c): judged, then accepted, refused, or asked of the application. */
void upgrade_request(duet_http *x);

/* Whether the request's Origin passes the rule (upgrade.c). */
bool origin_allowed(const duet_http *x);

/* A publication to a streamed response. */
int http_deliver(duet_conn *c, duet_shared *message);

#endif
