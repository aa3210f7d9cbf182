/* SPDX-License-Identifier: MIT */
/*
 * What all ways in share: one server has one handler, and each connection its own way. A connection's (or a streamed
 * answer's) data block begins with a `struct wire`, whose handler is called; the rest belongs to the way.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "base/buf.h"
#include "hub/hub.h"
#include "hub/doors.h"
#include "hook/hook.h"
#include <duet/duet.h>

enum { WIRE_DATA = 32, WIRE_NODE = 16, WIRE_NO_CHANNEL = 80 }; /* WIRE_DATA: of a block, the server's data_size */

struct session;
struct wire_about;

struct wire {
    const duet_handler *on; /* NULL: nobody's (yet) */
};

/* Passes each call on to the block's handler, as far as that has it. */
extern const duet_handler wire_handler;

/* What the ways in stand on. A server's duet_server_arg() points to a struct that begins with this. */
struct wire_site {
    struct hub *hub;
    const _Atomic(char *) *api_key;   /* NULL, or what it points to is: none; may be another one later */
    int plain, envelope, sse;         /* the numbers of their forms */
    int centrifugal[3][2];            /* by enum centrifugal_way; of those who speak, who only listen */
    char no_channel[WIRE_NO_CHANNEL]; /* what is said of a name that is no channel's */
    char node[WIRE_NODE + 1];         /* this process, among others that serve the same address */
    /* Of a client of the Centrifugal protocol, a burst of twice that; 0: no limit; disconnect 3013 (HUB-6). */
    unsigned commands_per_s;  /* 10,000 */
    unsigned changes_per_s;   /* subscribe and unsubscribe: 500 */
    uint64_t ping_ms;         /* between pings of the server: 25 s */
    uint64_t pong_ms;         /* the wait for the answer: 10 s; disconnect 3012 */
    uint64_t connect_ms;      /* from the opening to a connect: 10 s; disconnect 3502 */
    uint64_t expired_ms;      /* so late a new token may come: 25 s; disconnect 3005 */
    struct hub_doors *doors;  /* NULL: no token is good. Borrowed */
    bool needs_token;         /* nobody is anonymous */
    struct hooks *hooks;      /* NULL: no backend is asked. Borrowed, as the next */
    /* A streamed answer is at its end, by this code (hub/codes.h); 0: its peer left. NULL: nobody wants to know. */
    void (*ended)(duet_http *x, const struct wire_about *about, int code);
    char *const *hook_fields; /* which fields of a request go along; ends with NULL */
};

static inline struct wire_site *wire_site_of(duet_server *s)
{
    return duet_server_arg(s);
}

/* Gives the hub the forms of all ways. 0 or a negative error. */
int wire_init(struct wire_site *site, struct hub *hub);
/* Once a second, from any thread, with the count of calls: keeps idle streams alive. */
void wire_tick(struct wire_site *site, duet_server *s, uint64_t count);

/* Whose connection this is, as its operator reads it. Strings are borrowed as long as the connection's block. */
struct wire_about {
    const char *way;     /* "channel", "centrifugal", "operator", "trace"; "": none of ours. Of a streamed answer
                          * "events", "http_stream" or "sse" */
    const char *channel; /* the one it has; NULL: none, or several */
    size_t channel_len;
    const char *user; /* NULL: nobody in particular */
    size_t user_len;
    unsigned channels; /* it is subscribed to */
};
void wire_describe(const duet_conn *c, struct wire_about *out);
/* What a session says of it, for the ways. NULL is fine. */
void wire_describe_session(const struct session *s, struct wire_about *out);

/* Tells of a streamed answer's end. A drain ends what nobody ended before. */
void wire_ended(duet_http *x, const struct wire_about *about, int code);

/* The calls of a session (hub/session.h) that stands on a WebSocket; NULL: it is closing. */
duet_conn *wire_conn_of(const struct session *s);
int wire_join(struct session *s, const char *topic);
int wire_leave(struct session *s, const char *topic);
void wire_disconnect(struct session *s, int code, const char *reason);
/* Of one that stands on a streamed answer. */
duet_http *wire_stream_of(const struct session *s);
int wire_join_stream(struct session *s, const char *topic);
int wire_leave_stream(struct session *s, const char *topic);

/* A publication's payload as JSON: JSON as it is, text as a string, binary as {"b64":"..."}. */
void wire_put_payload(struct buf *b, const struct publication *p);
/* Bytes as a JSON string of base64. */
void wire_put_base64(struct buf *b, const void *data, size_t len);
/* The whole of it: {"data":...,"offset":42,"info":...,"tags":...,"time":...}. */
void wire_put_publication(struct buf *b, const struct publication *p);
/* What comes behind its data, with the closing brace. */
void wire_put_rest(struct buf *b, const struct publication *p);
/* A position as a word, EPOCH:OFFSET. */
void wire_put_position(struct buf *b, const char *epoch, uint64_t offset);
/* Reads one; false: it is none. */
bool wire_read_position(const char *text, size_t len, struct stream_position *out);
/* What was put together as a message of its own; frees the buffer. NULL without memory. */
duet_shared *wire_shared(struct buf *b);

/* Whether the peer is on this machine, and nobody said that it speaks for another. */
bool wire_is_from_here(const duet_request *r);
/* The same of a program, which asks for no page from elsewhere: the Host names this machine (WEB-5), and the Origin, if
 * there is one, is that Host. */
bool wire_is_local(const duet_request *r);
/* Whether they are the same, in a time that says nothing of the secret but its length (HUB-18). */
bool wire_is_secret(const char *given, const char *secret);

/* Why a request is refused: `why` is a line for its sender, NULL when it is not. */
struct wire_refusal {
    unsigned status;
    const char *why;
    const char *challenge; /* of 401; NULL: Bearer */
};
extern const struct wire_refusal wire_fine, wire_no_memory;
void wire_refuse(duet_http *x, const struct wire_refusal *no);

#endif
