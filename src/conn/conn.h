/* SPDX-License-Identifier: MIT */
/*
 * One connection: a stream, a queue of what is to be written, deadlines, and a phase that says what its bytes mean. The
 * server's HTTP is one phase, WebSocket (websocket.c) another.
 *
 *              TLS done          the phase ended it          all written
 *  OPENING ---------------> ACTIVE --------------> FINISHING ------------> LINGERING
 *     |                       |                        |                      | end of file, or its time is over
 *     +-----------------------+------------------------+----------------------+--> DEAD, freed in the reaping
 *
 * Input: at most one loop buffer a turn. What a phase does not take (it paused, its queue is full, it had its share of
 * the turn) is copied to `stash` and comes first later.
 *
 * Output: what is queued while a connection is read leaves in one write at the end of its reading, unless it is in a
 * topic and more may come in this turn. That, and what others queue for it, leaves in one write at the end of the turn.
 * Bytes borrowed from the input are always written at the end of the reading, before the buffer is used again.
 *
 * LINGERING: our side of TCP is shut and what comes is thrown away. A client whose closing handshake is over leaves its
 * side open for close_ms, since the server is to end TCP first.
 *
 * An idle WebSocket has no busy part: conn_rest() takes it away where nobody is in the middle of a call, which is
 * behind an event, a turn, and a topic's visit. One that is traced keeps it, since a trace may do anything in any call.
 *
 * Deadlines: one timer. It is armed for the earliest deadline there was; when it fires too early, since bytes came
 * meanwhile, it is armed again. So nothing is armed or cancelled on the hot path.
 */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include "conn/slots.h"
#include "http/address.h"
#include "net/stream.h"
#include "proto/proto.h"
#include <duet/conn.h>

enum conn_state { CONN_OPENING, CONN_ACTIVE, CONN_FINISHING, CONN_LINGERING, CONN_DEAD };
enum { CONN_DATA = 160 }; /* where the application's block begins */
#define CONN_SIZE(data) ((data) ? CONN_DATA + ((data) + 15) / 16 * 16 : sizeof(struct duet_conn))

struct conn_phase {
    /* Takes from the front of `in`. What is left is kept and given again, when conn_again() or conn_set_reading()
     * asks. */
    void (*input)(duet_conn *c, duet_input *in);
    void (*eof)(duet_conn *c);
    /* When `due` is to be called; UINT64_MAX: never. Only while ACTIVE. */
    uint64_t (*deadline)(const duet_conn *c);
    void (*due)(duet_conn *c);
    /* The queue was congested and is below half the soft limit. */
    void (*drained)(duet_conn *c);
    /* Once, when all was written or can no longer be: `error` 0 or why. The phase tells its application. */
    void (*ended)(duet_conn *c, int error);
};

extern const struct conn_phase conn_websocket;

/* What the connections of one loop share. */
struct conn_host {
    struct proto_home home; /* first */
    duet_loop *loop;
    duet_server *server;
    duet_handler on;
    struct chunk_pool pool;  /* its own; `home.chunks` is the one in use, which several hosts of a loop may share */
    struct conn_slots slots; /* where its connections lie */
    bool one;                /* or there is one at most, by itself, and its id is its owner's */
    uint8_t index;           /* the lowest bits of all ids: generation << 32 | slot << 8 | index */
    struct deflate_pool deflate;
    size_t queue_soft, queue_max;
    unsigned stall_ms, close_ms, messages_per_s;
    duet_when_full when_full;
    bool read_on;
    size_t data_size;
    /* Of the reading that goes on: bytes in here need no copy before its end. */
    const uint8_t *input, *input_end;
    duet_conn *reading; /* whose it is */
    /* Counters; written by the loop's thread only. */
    uint64_t messages_in, messages_out, bytes_in, bytes_out, skipped;
    /* Before the next reading once `bytes_in` is so much, not 0; false: nothing may be read in this turn. */
    uint64_t look_at;
    bool (*look)(struct conn_host *host);
    /* To the server: it is gone (last call, memory goes after it), it opened, a topic's news must be queued first. */
    void (*gone)(duet_conn *c);
    void (*catch_up)(duet_conn *c);
    /* Before the first byte of a `proxied` connection: 1 go on, 0 wait, or an error. */
    int (*opening)(duet_conn *c);
    void (*closed)(duet_conn *c, const duet_closing *why, enum duet_reason reason);
    unsigned (*slow_code)(const duet_conn *c); /* of the Close of a slow reader; NULL: 1008 */
    /* The stream could not be opened, and is still there to be asked why. NULL: nobody wants to know. */
    void (*unopened)(duet_conn *c);
};

/* What a connection needs while something is coming, going or due: always, but for an idle WebSocket. */
struct conn_busy {
    struct proto_busy proto; /* first; before OPEN only its `out` is in use */
    const struct conn_phase *phase; /* NULL: conn_websocket */
    struct conn_stash *stash;
    struct duet_http *http;
    struct http_head *parked; /* how far the reading of a head that is not whole is; server/httpd.c */
    uint64_t born_ms;         /* before OPEN */
    uint64_t since_ms; /* OPENING: the accept; FINISHING, LINGERING: their start; ACTIVE: the last progress of a full
                          queue */
    uint64_t ping_us;  /* when duet_ping() or the last ping was written */
    uint64_t mark_ms;  /* HTTP: when a head began or the last bytes came */
    uint32_t unsent;   /* bytes that were given up */
    uint16_t served;   /* requests of this connection */
    uint16_t messages; /* of this reading */
    union {
        uint8_t flags; /* all of them; in an idle WebSocket there is none */
        struct {
            bool again : 1, again_due : 1, gave_up : 1, wants_more : 1, proxied : 1, congested : 1, out_waits : 1,
                at_end : 1; /* the peer's end of file was read, and it is written to still */
        };
    };
};

/* What few connections need. */
struct conn_rare {
    struct proto_rare proto; /* first */
    void *peer;              /* what is known of the peer; server/ */
    struct http_address address; /* of one that is not IPv4 */
    uint32_t over[4];        /* how often each of the counters began anew */
    uint32_t budget_us;      /* see over_rate() */
    uint64_t mark_ms;
};

enum conn_count { COUNT_MESSAGES_IN, COUNT_MESSAGES_OUT, COUNT_BYTES_IN, COUNT_BYTES_OUT };
enum { FROM_UNIX, FROM_IPV4, FROM_IPV6 };

/*
 * There are very many of these, and nearly all are idle: 152 bytes, and what the application's block takes. Where a
 * field of another struct would only pad, it is used: `stream.watch.user` is the peer's port, `proto.user` the last
 * round trip in microseconds, `proto.place` the number of a server's route, from 1 on (0: none), and `proto.ended` the
 * error from FINISHING on.
 */
struct duet_conn {
    struct stream stream; /* first */
    uint64_t id;          /* it stays when the slot is free, so that it never comes again */
    struct duet_proto proto;
    struct task turn; /* the end of a turn in which something was queued; at last the reaping */
    struct tick timer;
    struct topic *topic;     /* of one membership; of several what has them; server/topic.c */
    uint32_t topic_index;    /* its place there; UINT32_MAX: `topic` is a struct memberships */
    uint32_t counts[4];      /* enum conn_count */
    uint32_t born;           /* when it came, in BORN_MS of the clock */
    uint8_t address[4];      /* of the socket's peer, by IPv4; it outlives the socket for the log */
    uint8_t reason;          /* enum duet_reason, for the log */
    uint8_t state : 3, from : 2;
    bool paused : 1, choked : 1, opened : 1;
    bool told : 1, traced : 1, secure : 1, large : 1,
        left : 1,   /* duet_close() or duet_abort() was called */
        resumed : 1, /* TLS went on from an earlier session */
        held : 1;    /* what topics have for it waits */
};

enum { BORN_MS = 16 };

_Static_assert(sizeof(void *) != 8 || sizeof(struct duet_conn) == 152, "what an idle connection takes");

/* Single-writer counters that any thread may read. */
static inline void count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Once, when `data_size` and the config are set, and `home.chunks` if it is not its own pool. */
void conn_host_init(struct conn_host *host);
void conn_host_start(struct conn_host *host, duet_loop *loop); /* before its first connection */
/* A new id for what is new on the same connection, of a host with slots. Returns it. */
static inline uint64_t conn_new_id(duet_conn *c)
{
    return c->id += (uint64_t)1 << 32;
}
/* A connection on an accepted socket, in OPENING and busy. NULL without memory: `fd` is closed. */
duet_conn *conn_new(struct conn_host *host, int fd);
/* Watches the socket and begins. 0 or a negative error: then it is freed. */
int conn_start(duet_conn *c, const struct conn_phase *phase);
/* A client's, after conn_start(): it speaks first. What is queued is written when the stream is open. */
void conn_speak(duet_conn *c);
/* The same for one that is ACTIVE, with nothing queued or read ahead, and has got another phase and perhaps another
 * stream (TLS inside of a tunnel): it is in OPENING again. */
void conn_reopen(duet_conn *c);

static inline struct conn_host *conn_host(const duet_conn *c)
{
    return (struct conn_host *)(void *)c->proto.home;
}

/* NULL: it is idle. */
static inline struct conn_busy *conn_busy(const duet_conn *c)
{
    return (struct conn_busy *)(void *)c->proto.busy;
}

/* NULL: it needs none. */
static inline struct conn_rare *conn_rare(const duet_conn *c)
{
    return (struct conn_rare *)(void *)c->proto.rare;
}

static inline const struct conn_phase *conn_phase(const duet_conn *c)
{
    const struct conn_busy *b = conn_busy(c);
    return b != NULL && b->phase != NULL ? b->phase : &conn_websocket;
}

static inline struct duet_http *conn_http(const duet_conn *c)
{
    return c->proto.busy ? conn_busy(c)->http : NULL;
}

static inline bool conn_out_waits(const duet_conn *c)
{
    return c->proto.busy != NULL && conn_busy(c)->out_waits;
}

static inline int conn_error(const duet_conn *c)
{
    return c->state >= CONN_FINISHING ? c->proto.ended : 0;
}

/* The application's block, aligned for anything. */
static inline void *conn_data(const duet_conn *c)
{
    return (char *)(uintptr_t)c + CONN_DATA;
}

/* 0 or DUET_ERR_NOMEM: it is busy from now on. */
static inline int conn_wake(duet_conn *c)
{
    return proto_wake(&c->proto);
}
/* At the end of what was to be done: it is idle when there is nothing left. Never in the middle of a call for it. */
void conn_rest(duet_conn *c);

/* The peer's address. */
int conn_note_address(duet_conn *c, const struct http_address *a, uint16_t port); /* 0 or DUET_ERR_NOMEM */
bool conn_address(const duet_conn *c, struct http_address *a, uint16_t *port);    /* false: not by IP */

void conn_carry(duet_conn *c, enum conn_count which); /* a counter began anew */

static inline void conn_count(duet_conn *c, enum conn_count which, uint32_t n)
{
    if (__builtin_add_overflow(c->counts[which], n, &c->counts[which]))
        conn_carry(c, which);
}

uint64_t conn_counted(const duet_conn *c, enum conn_count which);

/* The stream took so many bytes. */
static inline void conn_count_written(duet_conn *c, size_t n)
{
    count_add(&conn_host(c)->bytes_out, n);
    conn_count(c, COUNT_BYTES_OUT, (uint32_t)n);
}

/* Something was queued: written at the end of the turn, or of the reading that goes on. */
static inline void conn_wrote(duet_conn *c)
{
    struct conn_host *host = conn_host(c);
    if (!task_queued(&c->turn) && host->reading != c)
        loop_at_end(host->loop, &c->turn);
}
/* Writes now. False: it is dead or over. */
bool conn_flush(duet_conn *c);
/* The stream took not all of what it was given: what it left is in the queue, and waits for it. */
void conn_stall(duet_conn *c);
/* The phase is over: what is queued is written, then the stream is shut down and lingers. */
void conn_finish(duet_conn *c, int error);
/* The reader is too slow: all but the frame that is half written is given up, and the application hears of it now. */
void conn_give_up(duet_conn *c, int error);
/* At once, nothing more is written. */
void conn_kill(duet_conn *c, int error);
/* The same, and the phase hears of it before this returns. */
void conn_end(duet_conn *c, int error);
/* Gives the phase what it left of its input in the next turn. */
void conn_again(duet_conn *c);
void conn_set_reading(duet_conn *c); /* after paused or choked changed */
/* A deadline may be earlier now. */
void conn_schedule(duet_conn *c);
bool conn_has_input(const duet_conn *c); /* stashed */

static inline size_t conn_queued(const duet_conn *c)
{
    return proto_queued(&c->proto);
}

/* After something was queued by a sender who is told when there is room again. */
static inline void conn_queued_more(duet_conn *c)
{
    if (conn_queued(c) > conn_host(c)->queue_soft)
        conn_busy(c)->congested = true;
    conn_wrote(c);
}

/* From HTTP to WebSocket: the 101 is in the queue. */
/* Both are taken, and may be NULL. The rare part must be there for one of them, and for `messages_per_s`. */
void websocket_begin(duet_conn *c, char *subprotocol, struct deflate *deflate);
/* The same for a client: duet_proto_recv() said that it is open. */
void websocket_opened(duet_conn *c);
/* Queues a message, without a look at limits and not yet to be written: conn_flush() or conn_queued_more() is next.
 * 0 or a negative error. */
int websocket_deliver(duet_conn *c, duet_shared *message);
/* The same for a server's that is idle, and written at once from where it lies: it becomes busy only for what the
 * socket does not take. False: it is not idle, and nothing was done. Else it may be dead, and nobody was told yet. */
bool websocket_pass(duet_conn *c, duet_shared *message);
/* `n` bytes were read to where duet_proto_room() said. */
void websocket_filled(duet_conn *c, size_t n);

#endif
