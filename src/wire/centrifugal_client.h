/* SPDX-License-Identifier: MIT */
/*
 * A client of the Centrifugal protocol, by whatever way it came: where it stands, what is said to it, and its times.
 * All of it on the loop of its connection or streamed answer.
 *
 *             connect            channels joined
 *   WAITING ----------> JOINING -----------------> CONNECTED
 *      | \  the backend is   ^ |                         |
 *      |  +---------> ASKED -+ |                         |
 *      | refused        |      |                         |
 *      +------> REFUSED +      |                         |
 *      |           |    |      |                         |
 *      +-----------+----+------+------- disconnect ------+----> OVER
 *
 * What comes while it is ASKED or JOINING, while the backend looks at what it publishes, or while too many of its
 * commands wait for their answers, is kept and read later; nothing more is read from its WebSocket meanwhile.
 */
#ifndef WIRE_CENTRIFUGAL_CLIENT_H
#define WIRE_CENTRIFUGAL_CLIENT_H

#include "hub/bucket.h"
#include "hub/session.h"
#include "wire/backend.h"
#include "wire/centrifugal_command.h"
#include "wire/centrifugal_form.h"
#include "wire/permit.h"
#include "wire/wire.h"

enum {
    CENTRIFUGAL_COMMANDS = 64,       /* that wait for their answers */
    CENTRIFUGAL_LATER = 256 * 1024,  /* bytes of commands that wait to be read */
    CENTRIFUGAL_MESSAGE = 64 * 1024, /* bytes of a message */
    CENTRIFUGAL_SECRET = 32          /* letters of an emulated session's name */
};

enum centrifugal_state {
    CENTRIFUGAL_WAITING,
    CENTRIFUGAL_ASKED,
    CENTRIFUGAL_REFUSED,
    CENTRIFUGAL_JOINING,
    CENTRIFUGAL_CONNECTED,
    CENTRIFUGAL_OVER
};

struct centrifugal_wish;
struct centrifugal_join;
struct centrifugal_ask;

struct centrifugal {
    struct session *session; /* NULL unless JOINING or CONNECTED, or until the end of the turn in which it is OVER */
    duet_server *server;
    uint64_t id;
    duet_timer *timer;
    struct centrifugal_wish *wishes; /* subscriptions that are not answered yet */
    struct centrifugal_join *join;   /* only while JOINING */
    struct centrifugal_own *owns;    /* subscriptions with a delta or a filter */
    struct centrifugal_ask *asks;    /* what the backend is asked for it */
    char *fields;                    /* of its request, that the backend gets; NULL: none */
    struct hub_claims *claims;       /* of its token, or what the backend said of it; NULL: nothing */
    struct buf later;                /* commands that wait to be read */
    uint64_t due_ms;                 /* WAITING: to be stale; later: the next ping; of the loop's clock */
    uint64_t pong_ms;                /* when a pong is due; 0: none is */
    uint64_t expires_ms;             /* of the hub's clock; 0: never */
    uint64_t ask_ms;                 /* when the backend is asked whether it may go on, likewise; 0: it is not */
    uint64_t serial;                 /* of the last wish or question */
    struct bucket commands, changes;
    uint16_t waiting; /* commands that wait for their answers */
    uint16_t code;    /* OVER: why */
    uint8_t way, state;
    bool listens_only, pings, held, posted;
    bool publishing; /* the backend looks at what it publishes: the next waits, so that their order stays */
    char secret[CENTRIFUGAL_SECRET + 1]; /* "": a WebSocket, which needs none */
};

/* Not on any connection yet. NULL without memory. */
struct centrifugal *centrifugal_new(enum centrifugal_way way, bool listens_only);
/* It is this connection or streamed answer: its time begins to run. 0 or a negative error. */
int centrifugal_start(struct centrifugal *c, duet_server *server, uint64_t id);
/* Who it is, for its operator. */
void centrifugal_tell(const struct centrifugal *c, struct wire_about *out);
/* Of a streamed answer, before it is freed: what wire_ended() wants to know. */
void centrifugal_tell_end(const struct centrifugal *c, duet_http *x);
/* When its connection is gone. NULL is fine. */
void centrifugal_free(struct centrifugal *c);
/* The client of a connection or streamed answer; NULL: it has none (any more). On its loop. */
struct centrifugal *centrifugal_find(duet_server *s, uint64_t id);

/* What it sent: commands, or of one that only listens what it wants to be connected with. */
void centrifugal_receive(struct centrifugal *c, const char *text, size_t len);

/* Writing: what stands around the JSON is put, then it goes out, and the buffer is freed. */
void centrifugal_begin(const struct centrifugal *c, struct buf *b, void *space, size_t size);
void centrifugal_send(struct centrifugal *c, struct buf *b);
/* The head of a reply, {"id":n,"NAME":  whose end is "}". */
void centrifugal_reply(const struct centrifugal *c, struct buf *b, void *space, size_t size, uint32_t id,
                       enum centrifugal_method m);
void centrifugal_fail(struct centrifugal *c, uint32_t id, int error);
void centrifugal_fail_with(struct centrifugal *c, uint32_t id, int error, const char *message, bool temporary);
/* It is to end: an enum hub_disconnect. May be called with a channel's lock held. */
void centrifugal_disconnect(struct centrifugal *c, int code);
void centrifugal_disconnect_with(struct centrifugal *c, int code, const char *reason); /* 123 bytes at most */
/* What held it back may be over: from the end of this turn on it is read again. */
void centrifugal_wake(struct centrifugal *c);
/* A command more, or less, waits for its answer. */
void centrifugal_wait(struct centrifugal *c);
void centrifugal_answered(struct centrifugal *c);
/* Times may be other than they were. */
void centrifugal_schedule(struct centrifugal *c);

void centrifugal_enter(struct centrifugal *c, enum centrifugal_state next);
/* Its answer to connect is out: CONNECTED. */
void centrifugal_connected(struct centrifugal *c);

/* centrifugal_methods.c: what a command does. */
void centrifugal_run(struct centrifugal *c, const struct centrifugal_command *command,
                     const struct centrifugal_request *r);

void centrifugal_publish_answered(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                                  const struct backend_answer *answer);

/* centrifugal_connect.c */
void centrifugal_connect(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r);
void centrifugal_connect_answered(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r,
                                  const struct backend_answer *answer);
void centrifugal_join_free(struct centrifugal *c);
void centrifugal_add(struct session *s, const struct hub_invitation *what);       /* session_calls.subscribe */
void centrifugal_extend(struct session *s, uint64_t at_ms);                       /* session_calls.refresh */
bool centrifugal_is_named(const struct session *s, const char *name, size_t len); /* session_calls.named */
void centrifugal_refresh(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r);

/* centrifugal_channels.c: subscriptions */
void centrifugal_subscribe(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r);
void centrifugal_unsubscribe(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r);
void centrifugal_sub_refresh(struct centrifugal *c, uint32_t id, const struct centrifugal_request *r);
void centrifugal_wishes_free(struct centrifugal *c);
/* One from the server's side: what is to be told with it is kept, under the tag of its subscription. 0: no memory. */
uint64_t centrifugal_expect(struct centrifugal *c, const struct hub_invitation *i);
/* It is here: told as centrifugal_put_subscribed() does, or, with a NULL `b`, not at all. */
void centrifugal_put_expected(struct centrifugal *c, uint64_t tag, struct buf *b, const struct session_subscribed *r);
int centrifugal_form_of(const struct centrifugal *c); /* the number of its form */
/* What it may in a channel, besides what its tokens say. */
/* HUB_OK, or why not. `options` may be NULL. */
int centrifugal_may(const struct centrifugal *c, struct json_slice channel, enum permit_act act,
                    const struct hub_options **options);

void centrifugal_subscribe_answered(struct centrifugal *c, uint32_t id, uint64_t wish,
                                    const struct centrifugal_request *r, const struct backend_answer *answer);

/* centrifugal_hooks.c: what the backend is asked */
bool centrifugal_has_hook(const struct centrifugal *c, enum hook_kind kind);
/* Begins a question, with who it is about. */
void centrifugal_question(const struct centrifugal *c, struct buf *b, void *space, size_t size);
/* Ends and asks it; `question` is taken. `body` is what the answer's function needs of the command, `about` likewise. A
 * command waits until it is answered. HUB_OK or an error. */
int centrifugal_ask(struct centrifugal *c, enum hook_kind kind, uint32_t id, uint64_t about, struct json_slice body,
                    struct buf *question);
/* Says what the backend said instead of a result. */
void centrifugal_refuse(struct centrifugal *c, uint32_t id, const struct backend_answer *answer);
void centrifugal_call(struct centrifugal *c, const struct centrifugal_command *command,
                      const struct centrifugal_request *r); /* rpc and send */
void centrifugal_ask_refresh(struct centrifugal *c);
void centrifugal_ask_sub_refresh(struct centrifugal *c, struct subscription *sub);
void centrifugal_asks_free(struct centrifugal *c);

/* centrifugal_own.c: subscriptions that get what no other does, a delta or what passes a filter. */
struct centrifugal_own;
/* What a request asks for and the channel allows. HUB_OK, `out` NULL when it is nothing; or an error. */
int centrifugal_own_new(struct centrifugal_own **out, const struct hub_options *o, const struct centrifugal_request *r,
                        bool positioned);
void centrifugal_own_free(struct centrifugal_own *own); /* NULL is fine */
/* Its subscription begins, which has this tag: its part of the answer, and from then on it is the client's. */
void centrifugal_own_begin(struct centrifugal *c, struct centrifugal_own *own, uint64_t tag, struct buf *b,
                           const struct session_subscribed *r);
/* Those whose subscription has ended are freed. */
void centrifugal_own_sweep(struct centrifugal *c);
void centrifugal_own_free_all(struct centrifugal *c);
/* The session's calls `publication` and `joined`. */
void centrifugal_own_publication(struct session *s, const struct subscription *sub, struct publication *p);
void centrifugal_own_joined(struct session *s, const struct subscription *sub, bool joined, const char *info,
                            size_t len);

extern const struct session_calls centrifugal_calls[2]; /* of WebSockets, of streamed answers */

#endif
