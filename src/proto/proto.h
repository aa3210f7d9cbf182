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

struct duet_proto {
    const duet_proto_config *config; /* resolved */
    void *arg;
    struct outq out;
    struct proto_opening *opening; /* until OPEN */
    duet_shared *gather;
    uint8_t *control;       /* a control payload that came split, or NULL */
    uint8_t *late_pong;     /* the newest ping's answer while too many wait: a length, then the payload; or NULL */
    char *subprotocol;      /* owned */
    struct deflate *deflate; /* owned; NULL: not agreed on */
    const uint8_t *checked; /* the text handed out last, which needs no second check when it is sent back */
    size_t checked_len;

    uint64_t now_ms;   /* of the last call that told */
    uint64_t heard_ms; /* when bytes came last */
    uint64_t since_ms; /* HANDSHAKE: the start; OPEN: when the ping went out; CLOSING: our Close, 0: at the next tick */
    uint64_t began_ms; /* when the message that is coming began */
    uint64_t left;     /* payload bytes due of the frame */
    uint64_t total;    /* bytes of the message that is coming, as declared so far */
    uint64_t window_ms; /* when `controls` began to count */

    uint32_t key;
    uint32_t utf8, out_utf8;
    uint32_t fragments;
    uint32_t controls;
    uint32_t pings; /* sent; the payload of the last */
    uint32_t plain_length; /* of the message that was compressed last, for its trace */
    int error;
    uint16_t close_code; /* the peer's */
    uint16_t close_sent; /* ours; DUET_CODE_NONE for an empty one; 0: none was sent */
    uint16_t status;
    uint8_t state;
    uint8_t type;     /* of the message that is coming; 0: none is */
    uint8_t opcode;   /* of the frame */
    uint8_t out_type; /* of the message that is being sent in parts; 0: none is */
    uint8_t head_have, control_have;
    uint8_t reason_len; /* of the peer's Close, in `control` */
    uint8_t head[FRAME_HEAD_MOST];
    bool deflated : 1; /* the message that is coming is */
    bool plain : 1;    /* nothing is to be compressed */
    bool in_frame : 1, final : 1, delivered : 1, piece_said : 1, part_said : 1, pinged : 1;
    bool takes_short : 1, takes_bare : 1; /* short frames the short way: as a server, as a client */
};

/* Fills every default in. */
void proto_config_resolve(duet_proto_config *out, const duet_proto_config *in);

/* For a server that read the handshake itself: begins in OPEN, on the caller's memory, where `out` is an outq already
 * that may hold the 101. `config` is resolved and borrowed. */
void proto_init_open(duet_proto *p, const duet_proto_config *config, void *arg, uint64_t now_ms);
/* The same for a client whose request is still to be sent: it is queued. 0 or a negative error; proto_fini() either
 * way. */
int proto_init_client(duet_proto *p, const duet_proto_config *config, void *arg, uint64_t now_ms);
void proto_fini(duet_proto *p);
/* `p` compresses from now on; takes `d`, which may be NULL. */
void proto_deflate(duet_proto *p, struct deflate *d);
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
int message_recv(duet_proto *p, duet_input *in, duet_event *ev);
void message_release(duet_proto *p); /* lets go what was delivered */
void message_drop(duet_proto *p);    /* and what was not */

/* send.c */
int send_pong(duet_proto *p, const uint8_t *data, size_t len);
int send_close(duet_proto *p, unsigned code, const char *reason, size_t len);
void send_trace(duet_proto *p, bool sent, const uint8_t *head, size_t head_len);

static inline bool proto_masks(const duet_proto *p)
{
    return p->config->role == DUET_CLIENT;
}

#endif
