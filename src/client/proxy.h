/* SPDX-License-Identifier: MIT */
/*
 * The way through a proxy: which one, and the phase from a socket that is connected to it to a tunnel.
 *
 *            connected        HTTP: CONNECT, its answer
 *  connect.c ---------> proxy_start() ------------------------> opening_through() --> TLS, request, answer
 *                             SOCKS5: method, sign-in, reply
 */
#ifndef CLIENT_PROXY_H
#define CLIENT_PROXY_H

#include "http/socks.h"
#include "http/url.h"
#include <duet/client.h>

enum proxy_kind { PROXY_NONE, PROXY_HTTP, PROXY_SOCKS5 };

enum { PROXY_NAME = 256, PROXY_USER = 256 }; /* with their terminating zeros */

struct proxy {
    uint8_t kind;
    bool with_user;
    uint16_t port;
    char name[PROXY_NAME]; /* the proxy's host */
    char user[PROXY_USER], password[PROXY_USER];
};

/* Fills a zeroed `p` with how the config says to reach `url`. 0; or a negative error, and then a line in `why` (200
 * bytes), which never holds a user name or a password. */
int proxy_init(struct proxy *p, const duet_client_config *config, const struct http_url *url, char *why);
void proxy_fini(struct proxy *p); /* the password is wiped */

struct duet_client;

/* A socket that is connected to the proxy, taken. */
void proxy_start(struct duet_client *cl, int fd);

#endif
