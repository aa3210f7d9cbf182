/* SPDX-License-Identifier: MIT */
/*
 * The plainest way in: a WebSocket to /channel/NAME is a member of channel NAME, and each message is for all members,
 * the sender too. No envelope: the browser's own WebSocket is the client.
 *
 * NAME is all of the path behind /channel/, decoded: 1 to 255 bytes.
 */
#ifndef WIRE_PLAIN_H
#define WIRE_PLAIN_H

#include <duet/duet.h>

#define PLAIN_PATH "/channel/"

/* The `upgrade` of the route PLAIN_PATH. */
void plain_upgrade(duet_http *x, const duet_request *r);

/* The channel whose member this connection is, until its `close` returns; NULL: it came another way. */
const char *plain_channel(const duet_conn *c);

#endif
