/* SPDX-License-Identifier: MIT */
/*
 * The plain way to a channel: the URL of a WebSocket is the channel, and a message is a publication. What one member
 * sends, text or binary, every member receives.
 */
#ifndef WIRE_PLAIN_H
#define WIRE_PLAIN_H

#include <duet/duet.h>

#define PLAIN_PATH "/channel/"

/* What a connection is; its data block. `plain_` or `demo_` functions own what it points to. */
struct client {
    enum { CLIENT_NONE, CLIENT_PLAIN, CLIENT_DEMO } kind;
    char *channel; /* plain: owned */
    void *demo;    /* demo: its trace */
};

void plain_upgrade(duet_http *x, const duet_request *r);
void plain_open(duet_conn *c);
void plain_message(duet_conn *c, const duet_msg *m);
void plain_close(duet_conn *c);

/* The topic that carries a channel, for publishing from elsewhere. Returns its length, or -1 when the name is too long.
 */
int plain_topic(const char *channel, char out[256]);

#endif
