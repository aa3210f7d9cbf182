/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket protocol (RFC 6455), both roles, without I/O: bytes and time go in, events and bytes come out. It makes
 * no system call, knows no clock and has no globals, so it runs over anything that carries bytes. duet_serve() stands
 * on it; use it alone where Duet's loop does not fit (examples/sansio.c).
 *
 * One object is one connection, used by one thread at a time. Once it failed it stays failed, with its first error: it
 * has its Close frame (or HTTP refusal) left to send, and can then be freed.
 *
 * Time is milliseconds of any monotonic clock, the same one in every call.
 */
#ifndef DUET_PROTO_H
#define DUET_PROTO_H

#include <duet/error.h>
#include <duet/header.h>
#include <duet/request.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct duet_proto duet_proto;
typedef struct duet_shared duet_shared;

typedef enum duet_role { DUET_SERVER, DUET_CLIENT } duet_role;

/* The values are the opcodes of RFC 6455 5.2. */
typedef enum duet_type { DUET_TEXT = 1, DUET_BINARY = 2, DUET_PING = 9, DUET_PONG = 10 } duet_type;

/* name, code, meaning (RFC 6455 7.4.1). NONE and LOST are only reported, never sent. */
#define DUET_CODES(X)                                                                                        \
    X(NORMAL, 1000, "normal closure")                                                                        \
    X(AWAY, 1001, "going away")                                                                              \
    X(PROTOCOL, 1002, "protocol error")                                                                      \
    X(UNSUPPORTED, 1003, "unsupported data")                                                                 \
    X(NONE, 1005, "no code was sent")                                                                        \
    X(LOST, 1006, "the connection was lost without a Close frame")                                           \
    X(INVALID, 1007, "invalid payload data")                                                                 \
    X(POLICY, 1008, "policy violation")                                                                      \
    X(TOO_BIG, 1009, "message too big")                                                                      \
    X(EXTENSION, 1010, "an extension is missing")                                                            \
    X(INTERNAL, 1011, "internal error")                                                                      \
    X(RESTART, 1012, "service restart")                                                                      \
    X(LATER, 1013, "try again later")                                                                        \
    X(GATEWAY, 1014, "bad gateway")

typedef enum duet_code {
#define DUET_CODE_ENUM(name, code, meaning) DUET_CODE_##name = code,
    DUET_CODES(DUET_CODE_ENUM)
#undef DUET_CODE_ENUM
} duet_code;

/* The meaning of a code, or "unknown", "private" (4000-4999) or "registered" (3000-3999). Any thread. */
DUET_API const char *duet_code_text(unsigned code);

/* A frame's head as it passes (RFC 6455 5.2). Borrowed for the call. */
typedef struct duet_trace {
    bool sent; /* else received */
    bool final, masked;
    uint8_t rsv, opcode; /* rsv: 4, 2, 1 for RSV1, RSV2, RSV3 */
    uint64_t length;
    const uint8_t *head; /* its bytes on the wire, the masking key included */
    size_t head_len;
    /* Sent with RSV1: the message's length before it was compressed; else 0. What was received compressed has its
     * length when it is whole, as a message. */
    uint64_t plain_length;
} duet_trace;

/*
 * permessage-deflate (RFC 7692). Off by default: compressed text that mixes a secret with what an attacker may choose
 * tells him the secret by its length, TLS or not (CRIME; RFC 7692 8).
 *
 * By default every message begins with an empty window, in both directions, so an idle connection of a server keeps
 * nothing (a client, or an object alone, keeps what it used to compress and inflate for its next message). With
 * `keep_window` a connection keeps two of its own from its first compressed message on, as far as the peer agrees: of
 * 2^(window_bits + 3) bytes and 6 KiB to compress, of 2^peer_window_bits and 10 KiB to inflate; 310 KiB for 15 and 15.
 * Small messages that resemble each other get much shorter by it.
 */
typedef struct duet_deflate {
    bool on;
    bool keep_window;
    unsigned window_bits;      /* of our compressor, 9 to 15: 15; the peer may ask for less */
    unsigned peer_window_bits; /* of the peer's, 9 to 15: 15; a client that does not know this parameter keeps to 15 */
    unsigned least;            /* bytes: shorter messages go as they are: 126. So do those sent in parts */
    unsigned level;            /* 1 (fast, the default) to 9 */
    unsigned inflated_per_s;   /* bytes that the peer's messages become, for 10 s: 64 MiB, DUET_OFF; Close 1008 */
} duet_deflate;

/* Zero is the default everywhere; DUET_OFF turns a limit or timer off. */
typedef struct duet_proto_config {
    size_t size; /* DUET_PROTO_CONFIG_INIT */
    duet_role role;
    unsigned message_max; /* bytes of a message: 1 MiB; over it Close 1009. With `pieces`: of all pieces together */
    bool pieces;          /* messages come as PIECE events as they arrive, never gathered */
    unsigned open_ms;     /* from new to OPEN: 10 s */
    unsigned ping_ms;     /* silence before a ping: 25 s */
    unsigned pong_ms;     /* the wait for any byte after it: 10 s */
    unsigned close_ms;    /* the wait for the peer's Close after ours, and a client's for the end of TCP: 5 s */
    unsigned message_ms;  /* a gathered message must end within this and 1 s for each 16 KiB: 60 s; else Close 1008 */
    unsigned control_per_s; /* control frames from the peer, kept up for 10 s: 1000; over it Close 1008 */
    bool trust_text;      /* do not check the UTF-8 of text that is sent (MSG-8) */

    /* Fills `to` with `len` unpredictable bytes: masking keys and the client's key; the phase of the first ping. 0 or a
     * negative error. Required for clients. */
    int (*random)(void *arg, void *to, size_t len);
    /* Each frame's head, in both directions; NULL costs one branch. Inside, as in `trace_head`, the object may be asked
     * and sent on, not closed or freed. */
    void (*trace)(void *arg, const duet_trace *frame);
    void *arg; /* for all of them; duet_proto_set_arg() gives one object another */

    /* Clients: the request. `host` with its port when that is not the default one. Strings are checked, not copied. */
    const char *host, *target, *origin; /* origin may be NULL */
    const char *const *subprotocols; /* offered, in the order wanted; ends with NULL */
    const duet_header *headers;      /* more of them; ends with a NULL name */

    duet_deflate deflate; /* not with `pieces` */

    /* The heads of the handshake as they are on the wire, without the body of a refusal; of what is no head, all that
     * came. They hold what the peer is to keep secret: Authorization, Cookie. */
    void (*trace_head)(void *arg, bool sent, const char *head, size_t len);
} duet_proto_config;

#define DUET_PROTO_CONFIG_INIT .size = sizeof(duet_proto_config)

/* Bytes that were received: a turn moves `data` forward and makes `len` less. The bytes must be writable. */
typedef struct duet_input {
    uint8_t *data;
    size_t len;
} duet_input;

typedef enum duet_event_kind {
    DUET_EVENT_REQUEST = 1, /* server: a valid upgrade request; answer with duet_proto_accept() or _reject() */
    DUET_EVENT_OPEN,        /* client: the server accepted. A server is open once it has accepted, without this event */
    DUET_EVENT_MESSAGE,     /* a whole message */
    DUET_EVENT_PIECE,       /* part of a message (`pieces`); `first` and `last` may both be set, `len` may be 0 */
    DUET_EVENT_PING,        /* answered already */
    DUET_EVENT_PONG,
    DUET_EVENT_CLOSE        /* the peer's Close; answered already. The connection ends when the output is written */
} duet_event_kind;

typedef struct duet_event {
    duet_event_kind kind;
    duet_type type;      /* MESSAGE, PIECE */
    bool first, last;    /* PIECE */
    const uint8_t *data; /* payload, or the Close reason; borrowed until the next call on the object or its input */
    size_t len;
    duet_shared *owner;  /* MESSAGE: the buffer that holds it when that is the message's own, else NULL */
    uint16_t code;       /* CLOSE; DUET_CODE_NONE when it had none */
    bool answers;        /* PONG: to the last ping of ours, for the first time */
} duet_event;

/*
 * A connection from its first byte, as a server or client. `config` is copied, its strings are borrowed until
 * duet_proto_free(). Returns 0;
 * DUET_ERR_NOMEM; DUET_ERR_INVALID for a config that cannot work (a client without random, a header with a line break,
 * a subprotocol that is no token or named twice); DUET_ERR_RANDOM. A client's request is then in the output.
 */
DUET_API int duet_proto_new(duet_proto **out, const duet_proto_config *config, uint64_t now_ms);
DUET_API void duet_proto_free(duet_proto *p); /* NULL is fine */
DUET_API void duet_proto_set_arg(duet_proto *p, void *arg);

/*
 * Takes received bytes and says what they mean.
 *
 * Reads from the front of `in` and moves it past what was used. Returns 1 with one event in `ev`; 0 when more bytes are
 * needed (`in` is then empty, or a request waits for its answer and `in` holds what came behind it); or a negative
 * error, after which all input is ignored.
 *
 * Payloads are unmasked where they lie, so the bytes of `in` must be writable.
 */
DUET_API int duet_proto_recv(duet_proto *p, duet_input *in, uint64_t now_ms, duet_event *ev);

/*
 * Where the next bytes can be received without a copy: sets `at` and returns how many fit there, or 0 when the caller
 * should use its own buffer (and duet_proto_recv). Then duet_proto_filled() says that `n` bytes were put there; results
 * as duet_proto_recv().
 */
DUET_API size_t duet_proto_room(duet_proto *p, void **at);
DUET_API int duet_proto_filled(duet_proto *p, size_t n, uint64_t now_ms, duet_event *ev);

/* The request of a REQUEST event, until the answer. */
DUET_API const duet_request *duet_proto_request(const duet_proto *p);

/*
 * Answers 101 (RFC 6455 4.2.2). `subprotocol` is one of those offered, or NULL. `headers` (NULL or ending with a NULL
 * name) are added. 0; DUET_ERR_STATE; DUET_ERR_NOMEM; DUET_ERR_INVALID for a subprotocol that was not offered, a header
 * that belongs to the handshake or one with a control byte: then nothing was sent and it can be answered otherwise.
 */
DUET_API int duet_proto_accept(duet_proto *p, const char *subprotocol, const duet_header *headers,
                               uint64_t now_ms);
/* Answers with an HTTP status (300-599), headers and a body, all copied. The object has then failed with
 * DUET_ERR_HANDSHAKE. Results as above. */
DUET_API int duet_proto_reject(duet_proto *p, unsigned status, const duet_header *headers, const void *body,
                               size_t len);

/* The subprotocol agreed on, or NULL. */
DUET_API const char *duet_proto_subprotocol(const duet_proto *p);
/* The HTTP status that ended or made the handshake: 101, a refusal's, 0 before. */
DUET_API unsigned duet_proto_status(const duet_proto *p);
DUET_API bool duet_proto_is_open(const duet_proto *p);
/* The Close code that the peer sent; DUET_CODE_LOST when no Close came (yet). */
DUET_API unsigned duet_proto_close_code(const duet_proto *p);

/*
 * Queues one message, or a ping or pong (at most 125 bytes) when `type` says so. From DUET_BORROW bytes on a server
 * borrows `data` until duet_proto_settle() or until it was written; smaller data are copied.
 * 0; DUET_ERR_CLOSED; DUET_ERR_STATE before OPEN; DUET_ERR_UTF8; DUET_ERR_INVALID; DUET_ERR_NOMEM: nothing was queued.
 */
DUET_API int duet_proto_send(duet_proto *p, duet_type type, const void *data, size_t len);
enum { DUET_BORROW = 2048 };

/* Queues a message that was encoded once for many; takes a reference of its own. A client masks a copy. */
DUET_API int duet_proto_send_shared(duet_proto *p, duet_shared *message);

/* Whether permessage-deflate was agreed on. */
DUET_API bool duet_proto_deflates(const duet_proto *p);
/* Whether messages that are sent from now on may be compressed, as they may at first: not those that hold a secret
 * beside what somebody else may choose. A message for many that was compressed for others is sent plain then, too. */
DUET_API void duet_proto_set_deflate(duet_proto *p, bool on);

/* A message in parts, each a frame of its own, for what is not known whole. No other message goes in between
 * (DUET_ERR_STATE); pings do. The last part may be empty. */
DUET_API int duet_proto_send_begin(duet_proto *p, duet_type type);
DUET_API int duet_proto_send_part(duet_proto *p, const void *data, size_t len, bool last);

/*
 * Queues a Close behind all that was sent. `code` 0 sends none; else 1000-1003, 1007-1014 or 3000-4999. `reason` (NULL
 * or UTF-8) is cut at 123 bytes, between characters. Nothing can be sent after it; what the peer still sends is dropped
 * until its own Close. 0 (also when closing already); DUET_ERR_INVALID; DUET_ERR_UTF8; DUET_ERR_STATE before OPEN.
 */
DUET_API int duet_proto_close(duet_proto *p, unsigned code, const char *reason);

/* What there is to write: fills at most `max` of `iov`, returns how many. They stay good until the next call that
 * changes the object. */
DUET_API int duet_proto_output(const duet_proto *p, struct iovec *iov, int max);
DUET_API void duet_proto_sent(duet_proto *p, size_t n); /* the first `n` bytes of it were written */
DUET_API size_t duet_proto_queued(const duet_proto *p); /* bytes of messages and heads that wait */
/* Copies what is still borrowed from the caller. 0 or DUET_ERR_NOMEM: then the object has failed, and what was borrowed
 * is gone from the output. */
DUET_API int duet_proto_settle(duet_proto *p);

/* When duet_proto_tick() is due next; UINT64_MAX: never. */
DUET_API uint64_t duet_proto_deadline(const duet_proto *p);
/* Does what is due: queues a ping, or fails with DUET_ERR_TIMEOUT or DUET_ERR_POLICY. 0 or that error. */
DUET_API int duet_proto_tick(duet_proto *p, uint64_t now_ms);

/*
 * A message that is encoded once and queued for many connections without a copy; counted, free with the last reference.
 * duet_shared_new() copies `data`. NULL: no memory, or text that is not UTF-8. Any thread.
 */
DUET_API duet_shared *duet_shared_new(duet_type type, const void *data, size_t len);
DUET_API duet_shared *duet_shared_ref(duet_shared *s); /* returns `s` */
DUET_API void duet_shared_unref(duet_shared *s);       /* NULL is fine */
DUET_API duet_type duet_shared_type(const duet_shared *s);
DUET_API const void *duet_shared_data(const duet_shared *s, size_t *len);

#ifdef __cplusplus
}
#endif
#endif
