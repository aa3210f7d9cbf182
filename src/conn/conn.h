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
 * Deadlines: one timer. It is armed for the earliest deadline there was; when it fires too early, since bytes came
 * meanwhile, it is armed again. So nothing is armed or cancelled on the hot path.
 */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include "http/address.h"
#include "net/stream.h"
#include "proto/proto.h"
#include <duet/conn.h>

enum conn_state { CONN_OPENING, CONN_ACTIVE, CONN_FINISHING, CONN_LINGERING, CONN_DEAD };

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
    duet_loop *loop;
    duet_server *server;
    duet_handler on;
    duet_proto_config proto; /* resolved */
    struct chunk_pool pool, *chunks; /* its own; the one in use, which several hosts of a loop may share */
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
    /* The stream could not be opened, and is still there to be asked why. NULL: nobody wants to know. */
    void (*unopened)(duet_conn *c);
};

struct duet_conn {
    struct stream stream; /* first */
    struct conn_host *host;
    const struct conn_phase *phase;
    struct task turn; /* the end of a turn in which something was queued */
    struct task reap;
    struct timer timer;
    struct duet_proto proto; /* before OPEN only its `out` is in use */
    struct conn_stash *stash;
    struct duet_http *http;
    struct http_head *parked;    /* how far the reading of a head that is not whole is; server/httpd.c */
    void *members;               /* of topics; server/topic.c */
    void *peer;                  /* what is known of the peer; server/ */
    struct http_address address; /* of the socket's peer, by IP; it outlives the socket for the log */
    uint16_t port;
    bool by_ip;
    uint64_t id;
    uint64_t born_ms;
    uint64_t since_ms; /* OPENING: the accept; FINISHING, LINGERING: their start; ACTIVE: the last progress of a full
                          queue */
    uint64_t messages_in, messages_out, bytes_in, bytes_out;
    uint64_t ping_us; /* when duet_ping() or the last ping was written */
    uint64_t mark_ms; /* HTTP: when a head began or the last bytes came; WebSocket: see over_rate() */
    uint32_t budget_us;
    uint32_t rtt_us;
    uint16_t served;   /* requests of this connection */
    uint16_t messages; /* of this reading */
    uint8_t state;
    uint8_t reason; /* enum duet_reason, for the log */
    bool paused : 1, choked : 1, congested : 1, again : 1, again_due : 1, opened : 1, told : 1, gave_up : 1, traced : 1,
        secure : 1, out_waits : 1, wants_more : 1, proxied : 1, large : 1,
        at_end : 1, /* the peer's end of file was read, and it is written to still */
        left : 1,   /* duet_close() or duet_abort() was called */
        resumed : 1, /* TLS went on from an earlier session */
        held : 1;    /* what topics have for it waits */
    uint16_t slow_code; /* of the Close of a slow reader; 0: 1008 */
    uint16_t route;     /* of a server's WebSocket: its number in the table of routes, from 1 on; 0: none */
    int error;
    uint32_t unsent; /* bytes that were given up */
    uint64_t data[]; /* the application's block */
};

/* Single-writer counters that any thread may read. */
static inline void count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* A connection on an accepted socket, in OPENING; `ops` and `tls` make its stream. NULL without memory: `fd` is closed.
 */
duet_conn *conn_new(struct conn_host *host, int fd, const struct stream_ops *ops, void *tls);
/* Watches the socket and begins. 0 or a negative error: then it is freed. */
int conn_start(duet_conn *c, const struct conn_phase *phase);
/* A client's, after conn_start(): it speaks first. What is queued is written when the stream is open. */
void conn_speak(duet_conn *c);
/* The same for one that is ACTIVE, with nothing queued or read ahead, and has got another phase and perhaps another
 * stream (TLS inside of a tunnel): it is in OPENING again. */
void conn_reopen(duet_conn *c);

/* Something was queued: written at the end of the turn, or of the reading that goes on. */
static inline void conn_wrote(duet_conn *c)
{
    if (!c->turn.queued && c->host->reading != c)
        loop_at_end(c->host->loop, &c->turn);
}
/* Writes now. False: it is dead or over. */
bool conn_flush(duet_conn *c);
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
    return c->proto.out.bytes;
}

/* After something was queued by a sender who is told when there is room again. */
static inline void conn_queued_more(duet_conn *c)
{
    if (conn_queued(c) > c->host->queue_soft)
        c->congested = true;
    conn_wrote(c);
}

/* From HTTP to WebSocket: the 101 is in the queue. */
void websocket_begin(duet_conn *c, char *subprotocol, struct deflate *deflate); /* both taken; or NULL */
/* The same for a client: duet_proto_recv() said that it is open. */
void websocket_opened(duet_conn *c);
/* Queues a message, without a look at limits and not yet to be written: conn_flush() or conn_queued_more() is next.
 * 0 or a negative error. */
int websocket_deliver(duet_conn *c, duet_shared *message);
/* `n` bytes were read to where duet_proto_room() said. */
void websocket_filled(duet_conn *c, size_t n);

#endif
