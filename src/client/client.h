/* SPDX-License-Identifier: MIT */
/*
 * A client as its own files see it.
 *
 *             name known       a socket            TLS, request, answer       closed or lost
 *  RESOLVING -----------> CONNECTING -----------> OPENING -----------> OPEN -----------------+
 *      ^  |                   |  |                 ^ |                                       |
 *      |  |                   |  +-- PROXYING -----+ |                                       |
 *      |  |                   |    its |  a tunnel   |                                       |
 *      |  +-------------------+--------+-------------+-- failed --> WAITING or OVER <--------+
 *      +---------------- the wait is over -----------------------------+
 *
 * With a proxy the name and the socket are the proxy's. In PROXYING, OPENING and OPEN there is a duet_conn, whose phase
 * is proxy.c's, opening.c's and then conn_websocket. It is freed in a reaping; until then the next attempt does not
 * begin, and a client that was freed keeps its memory.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/buf.h"
#include "client/proxy.h"
#include "conn/conn.h"
#include "http/chunk.h"
#include "http/head.h"
#include "http/url.h"
#include "net/random.h"
#include "net/resolve.h"
#include "net/tls_client.h"
#include <duet/client.h>

enum client_state { CLIENT_RESOLVING, CLIENT_CONNECTING, CLIENT_PROXYING, CLIENT_OPENING, CLIENT_OPEN, CLIENT_WAITING,
                    CLIENT_OVER };

enum { CLIENT_NAME = 256, CLIENT_DETAIL = 200, REDIRECTS_MOST = 5, REDIRECT_PLAIN = 2 };

struct duet_client;

/* One address that is being connected to. */
struct attempt {
    struct watch watch; /* first; its fd is -1 unless it runs */
    struct duet_client *client;
};

struct duet_client_group {
    duet_loop *loop;
    unsigned refs;
    X509_STORE *trust; /* the first that one of them read, from `ca`; NULL: none yet */
    char *ca;          /* NULL: what the system trusts */
    struct chunk_pool pool;
    struct random random;
};

struct duet_client {
    struct conn_host host; /* first */
    duet_client_config config; /* every default filled in */
    duet_loop *loop;
    char *home, *home_name;             /* the config's URL and tls_name */
    char *url_text, *target, *tls_name; /* of where this attempt is: of `home` until a redirect */
    struct http_url url;
    char name[CLIENT_NAME];            /* the URL's host */
    char host_field[CLIENT_NAME + 16];
    struct proxy proxy;                /* the way to it */
    SSL_CTX *tls;                      /* wss */
    duet_client_group *group;          /* never NULL; the config's, or its own */
    int bind_family;                   /* 0: the system chooses where it comes from */
    uint8_t bind_to[16];
    uint8_t state;
    bool freed;
    bool told;         /* of the end of this attempt */
    bool again;        /* another attempt follows */
    unsigned failures; /* in a row */
    uint64_t began_ms; /* the attempt */
    struct task start, reap;
    struct timer timer;   /* RESOLVING, CONNECTING: its end; WAITING: the next attempt */
    struct timer stagger; /* CONNECTING: the next address */
    struct lookup *lookup;
    struct resolved resolved;
    unsigned next, running; /* addresses: the next one to try; attempts that run */
    struct attempt attempts[RESOLVE_MOST];
    int error;              /* of the last address that failed */
    duet_conn *conn; /* until its reaping */
    struct tls_verdict verdict;
    struct proxy_talk *talk; /* PROXYING */
    unsigned proxy_status;   /* what the proxy answered instead of 2xx */
    bool hopeless;           /* it would answer the same again: there is no other attempt */
    char detail[CLIENT_DETAIL];
    /* A refusal: its body as it comes. */
    bool refused;
    unsigned retry_after_s;
    uint8_t body_kind; /* enum http_body */
    uint64_t body_left;
    struct http_chunk chunk;
    struct buf body;
    /* Redirects. */
    char *next_url; /* where the connection that ends now leads; else NULL */
    unsigned hops;  /* of this attempt */
    bool moved;     /* the URL is not that of `home` */
    bool strayed;   /* they have led to another origin than that of `home` */
    duet_header plain[REDIRECT_PLAIN + 1]; /* what of `headers` strangers get */
};

static inline struct duet_client *client_of(const duet_conn *c)
{
    return (struct duet_client *)(void *)conn_host(c);
}

/* group.c */
duet_client_group *group_ref(duet_client_group *g);
/* As tls_client_new(), with the certificates of the group where they are what `o` names. */
int group_tls(duet_client_group *g, SSL_CTX **out, const struct tls_client_options *o, char *why);

/* client.c */
void client_go(duet_client *cl); /* to where the attempt leads now */
/* Where the client goes from now on, and the name to verify there (NULL: its host's). 0; DUET_ERR_URL with a line in
 * `why` (200 bytes), or DUET_ERR_NOMEM: then it goes nowhere. */
int client_set_url(duet_client *cl, const char *text, const char *tls_name, char *why);
/* The attempt did not open. `detail` may be NULL. Nothing of the attempt is running any more, but for its connection,
 * which is dead. */
void client_failed(duet_client *cl, int error, const char *detail);

/* connect.c: addresses to a socket, then opening_start() */
void connect_begin(duet_client *cl);
void connect_stop(duet_client *cl);

/* redirect.c: a refusal was read. True: it is followed, and the connection is dead. Else `detail` may say why not. */
bool redirect_take(duet_client *cl, duet_conn *c);
void redirect_go(duet_client *cl);   /* it has ended */
int redirect_home(duet_client *cl, char *why); /* a new attempt; as client_set_url() */

/* opening.c: a socket that is connected to the server, taken */
void opening_start(duet_client *cl, int fd);
/* The client's connection over a socket, taken. NULL: without memory, client_failed() was called. */
duet_conn *opening_conn(duet_client *cl, int fd);
/* The same as opening_start() for one that has a tunnel now. */
void opening_through(duet_client *cl, duet_conn *c);
uint64_t client_deadline(const duet_client *cl); /* of the attempt */

#endif
