/* SPDX-License-Identifier: MIT */
/*
 * One connection's protocol state. A server's or client's connection holds one inside itself.
 *
 *                    accept            send close              peer's close
 * HANDSHAKE, WAITING -------> OPEN ------------------> CLOSING ------------> CLOSED
 *     |                         |      peer's close, answered                  ^
 *     |                         +----------------------------------------------+
 *     +-------------------------+-- error --> FAILED (a Close frame may be queued)
 *
 * A server is in WAITING from a valid request until its answer.
 *
 * Receiving: a head is read whole (`head` keeps the bytes of one that is split), then `left` payload bytes are due. A
 * whole message in the input is unmasked there and handed out from there. What is split over frames or reads is
 * gathered in `gather`, which is let go in the call after the one that delivered it.
 *
 * Most connections do nothing at most times. So an object is what it cannot do without, 48 bytes, and has a busy part
 * only while something is coming, going or due. An owner of many (conn.c) takes that part away when there is nothing
 * (proto_rests) and it is sure that nobody is in the middle of a call; any call that needs one takes it again, but
 * for those that receive: they find it there (proto_wake). Parts lie in the loop's pool, where the next one finds them
 * warm in the cache.
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include "base/buf.h"
#include "http/request.h"
#include "proto/deflate.h"
#include "proto/frame.h"
#include "proto/outq.h"
#include <duet/proto.h>

enum proto_state { HANDSHAKE, WAITING, OPEN, CLOSING, CLOSED, FAILED };

struct proto_opening {
    struct buf bytes;
    struct http_head head;
    struct duet_request request;
    char accept[32];   /* client: what the server must answer */
    unsigned interim;  /* client: answers before the one that counts */
    const char *error; /* client: what is wrong with the answer, constant; NULL: nothing, or no memory */
};

/* What is needed while something is coming, going or due. It is zero but for `out` at first, and as good as new when
 * proto_rests(): then nothing looks at what it holds before it is set. */
struct proto_busy {
    struct part *next; /* in the pool */
    struct outq out;
    struct proto_opening *opening; /* until OPEN */
    duet_shared *gather;
    uint8_t *control;       /* a control payload that came split, or NULL */
    uint8_t *late_pong;     /* the newest ping's answer while too many wait: a length, then the payload; or NULL */
    const uint8_t *checked; /* the text handed out last, which needs no second check when it is sent back */
    size_t checked_len;

    uint64_t now_ms;   /* of the last call that told */
    uint64_t since_ms; /* HANDSHAKE: the start; OPEN: when the ping went out; CLOSING: our Close, 0: at the next tick */
    uint64_t began_ms; /* when the message that is coming began */
    uint64_t left;     /* payload bytes due of the frame */
    uint64_t total;    /* bytes of the message that is coming, as declared so far */

    uint32_t key;
    uint32_t utf8, out_utf8;
    uint32_t fragments;
    uint32_t ping;         /* the payload of the one that is out */
    uint32_t plain_length; /* of the message that was compressed last, for its trace */
    int error;
    uint16_t close_code; /* the peer's; 0: none came */
    uint16_t close_sent; /* ours; DUET_CODE_NONE for an empty one; 0: none was sent */
    uint16_t status;
    uint8_t type;     /* of the message that is coming; 0: none is */
    uint8_t opcode;   /* of the frame */
    uint8_t out_type; /* of the message that is being sent in parts; 0: none is */
    uint8_t head_have, control_have;
    uint8_t reason_len; /* of the peer's Close, in `control` */
    uint8_t head[FRAME_HEAD_MOST];
    bool deflated : 1; /* the message that is coming is */
    bool in_frame : 1, final : 1, delivered : 1, piece_said : 1, part_said : 1, pinged : 1;
};

/* What few need, for as long as they live; made when it is needed. All zero at first. */
struct proto_rare {
    char *subprotocol;       /* owned */
    struct deflate *deflate; /* owned; NULL: not agreed on */
};

/* What the objects of one owner share. */
struct proto_home {
    duet_proto_config config;      /* resolved */
    struct chunk_pool *chunks;     /* where busy parts come from, too; NULL: an object alone, whose parts are its own */
    uint32_t busy_size, rare_size; /* the owner's own parts begin with ours */
    bool embedded;                 /* `arg` is not the config's, but what holds the object, `arg_offset` before it */
    size_t arg_offset;
};

struct duet_proto {
    struct proto_home *home;
    struct proto_busy *busy; /* NULL: OPEN, and nothing is coming, going or due */
    struct proto_rare *rare; /* may be NULL */
    uint64_t heard_ms : 48;  /* when bytes came last */
    uint64_t pings : 16;     /* sent, as far as that goes */
    union {
        uint32_t controls; /* of the peer since `window_ms` */
        int32_t ended;     /* the owner's, when nothing is received any more */
    };
    uint32_t window_ms; /* when `controls` began to count; its low bits */
    uint32_t user;      /* the owner's, for whatever it wants to keep */
    uint8_t state;
    bool plain : 1;                       /* nothing is to be compressed */
    bool takes_short : 1, takes_bare : 1; /* short frames the short way: as a server, as a client */
    uint16_t place;                       /* the same */
};

/* Takes a busy part, if there is none. 0 or DUET_ERR_NOMEM. */
int proto_wake_slow(duet_proto *p);

static inline int proto_wake(duet_proto *p)
{
    return __builtin_expect(p->busy != NULL, 1) ? 0 : proto_wake_slow(p);
}

/* Whether there is nothing that the busy part is needed for. */
bool proto_rests(duet_proto *p);
/* Gives it back; only where that is so, and there is one. */
void proto_sleep(duet_proto *p);
/* Makes the rare part, if there is none. 0 or DUET_ERR_NOMEM. */
int proto_need_rare(duet_proto *p);

static inline void *proto_arg(const duet_proto *p)
{
    return p->home->embedded ? (char *)(uintptr_t)p - p->home->arg_offset : p->home->config.arg;
}

static inline struct deflate *proto_deflater(const duet_proto *p)
{
    return p->rare ? p->rare->deflate : NULL;
}

/* Bytes came at this time. */
static inline void proto_heard(duet_proto *p, uint64_t now_ms)
{
    p->heard_ms = now_ms & (((uint64_t)1 << 48) - 1);
}

static inline size_t proto_queued(const duet_proto *p)
{
    return p->busy ? p->busy->out.bytes : 0;
}

/* When there is a late pong, and perhaps room for it now. */
void proto_send_late_pong(duet_proto *p);

/* duet_proto_sent() for one that is busy. */
static inline void proto_sent(duet_proto *p, size_t n)
{
    outq_sent(&p->busy->out, n);
    if (p->busy->late_pong != NULL)
        proto_send_late_pong(p);
}

/* Fills every default in. */
void proto_config_resolve(duet_proto_config *out, const duet_proto_config *in);

/* On the caller's zeroed memory, busy from the start: `out` can be written to. 0 or DUET_ERR_NOMEM. */
int proto_init(duet_proto *p, struct proto_home *home, uint64_t now_ms);
/* For a server that read the handshake itself: OPEN from now on. `out` may hold the 101. */
void proto_open(duet_proto *p, uint64_t now_ms);
/* For a client whose request is still to be sent: it is queued. 0 or a negative error. */
int proto_open_client(duet_proto *p, uint64_t now_ms);
void proto_fini(duet_proto *p);
/* Whether the config's `trace` is to see every frame of this one, also the short ones. */
void proto_trace(duet_proto *p, bool on);

void proto_enter(duet_proto *p, enum proto_state next);
/* Fails with `error`, queueing a Close with `code` when one can still be sent (0: none). Returns `error`. */
int proto_fail(duet_proto *p, int error, unsigned code);
void proto_became_open(duet_proto *p);

/* opening.c */
int opening_begin(duet_proto *p); /* client: queues the request */
int opening_recv(duet_proto *p, duet_input *in, duet_event *ev);
void opening_free(duet_proto *p);

/* message.c */
struct short_message {
    uint8_t *data;
    size_t len;
    unsigned type; /* FRAME_TEXT or FRAME_BINARY */
};

/* The commonest frame by far, a short message that lies whole at the front of a server's input: what duet_proto_recv()
 * does, without an event; but what was delivered before stays until message_release(). Only where `takes_short`. 1, an
 * error, or 0: it is something else, and nothing was done. */
int proto_recv_short(duet_proto *p, duet_input *in, uint64_t now_ms, struct short_message *m);
/* And what it does for all else. */
int proto_recv_long(duet_proto *p, duet_input *in, uint64_t now_ms, duet_event *ev);
int message_recv(duet_proto *p, duet_input *in, duet_event *ev);
void message_let_go(duet_proto *p); /* what was delivered, and is in a buffer of its own */
void message_drop(duet_proto *p);   /* that, and what was not */

/* What was delivered is over. */
static inline void message_release(duet_proto *p)
{
    p->busy->checked = NULL;
    if (p->busy->delivered)
        message_let_go(p);
}

/* send.c */
/* Queues what is encoded for this one already (proto_form()). 0 or a negative error. */
int proto_send_form(duet_proto *p, duet_shared *form);
int send_pong(duet_proto *p, const uint8_t *data, size_t len);
int send_close(duet_proto *p, unsigned code, const char *reason, size_t len);
void send_trace(duet_proto *p, bool sent, const uint8_t *head, size_t head_len);

/* Whether it compresses what it sends. */
static inline bool proto_packs(const duet_proto *p)
{
    return proto_deflater(p) != NULL && !p->plain;
}

/* How a message goes out here, where nothing is masked: as it is, or compressed. Borrowed from the message. */
static inline duet_shared *proto_form(duet_proto *p, duet_shared *s)
{
    return proto_packs(p) ? deflate_shared(p->rare->deflate, s) : s;
}

static inline bool proto_masks(const duet_proto *p)
{
    return p->home->config.role == DUET_CLIENT;
}

#endif
