/* SPDX-License-Identifier: MIT */
/*
 * What the scenarios of faults.c play on: a server with a plain port beside its own, clients of the library, and raw
 * peers, on one loop and the simulated kernel. Anything in it may fail at any time: a scenario goes on with what there
 * is.
 */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include "kernel.h"
#include "sim.h"
#include <duet/duet.h>

enum { STAGE_CLIENTS = 4, STAGE_PORT = 9001, STAGE_PLAIN = 9002, STAGE_RAW = 9003, STAGE_LARGE = 300 * 1024 };
enum { OVER_TCP = 1, OVER_UNIX = 2, OVER_TLS = 4, DEFLATED = 8, KEPT = 16, IN_PIECES = 32, ALONE = 64 };

struct scenario {
    const char *name;
    void (*run)(void);
    unsigned ways;     /* OVER_*: on each of these; ALONE: it makes its own server, or has none */
    unsigned deflates; /* also with DEFLATED, KEPT */
    /* So often clients open at least when nothing fails, and over TLS resume a session. */
    unsigned opens, resumes;
};
#define EVERYWHERE (OVER_TCP | OVER_UNIX | OVER_TLS)

extern const struct scenario websocket_scenarios[], http_scenarios[], client_scenarios[], server_scenarios[],
    hub_scenarios[];

struct visitor {
    duet_client *client;
    unsigned opens, closes, fails, finals;
    bool retries, used;
};

extern struct stage {
    duet_loop *loop;
    duet_server *server;
    unsigned how;
    struct visitor visitors[STAGE_CLIENTS];
    unsigned opens, closes, asked, gone, resumed;
    uint64_t last_id;
    duet_http *kept;
    uint8_t *large; /* STAGE_LARGE bytes */
} stage;

/* How many turns in a row may have work to do. */
extern unsigned stage_patience;

/* Makes loop and server; a negative error: nothing is left of it. */
int stage_begin(unsigned how);
/* With nothing failing any more: the server serves the next one, drains, and all ends well. Frees it all. */
void stage_end(void);
/* The same for those that have no server. */
void stage_end_alone(void);

void settle(unsigned ms);                  /* turns until so much time has passed */
int visit(const duet_client_config *more); /* a client, which gets its time to open; -1: it cannot even begin */
duet_conn *conn(int i);                    /* NULL: it is not open */
void tell(int i, const char *text);
void tell_bytes(int i, char first, size_t len); /* binary: `first`, then zeros */

int dial(void); /* a raw peer of the plain port */
void say_raw(int fd, const char *text);
size_t hear_raw(int fd, char *to, size_t size); /* what came by now, with a zero byte */
void hang_up(int fd);
/* One exchange with the plain port, with time in between. */
void exchange(const char *first, const char *rest);

#define STAGE_UPGRADE                                                                                                  \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                     \
    "Sec-WebSocket-Version: 13\r\n"

void stage_open_tls(void); /* once, before everything */
void stage_close_tls(void);
extern char stage_folder[64]; /* with a file.txt, and a file.large */

#endif
