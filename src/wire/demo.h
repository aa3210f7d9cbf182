/* SPDX-License-Identifier: MIT */
/*
 * What the built-in pages show live: an echo whose frames are traced for its owner, and prices that tick.
 *
 * WebSocket /demo/echo: the first message names a token, {"trace":"<32 hex>"}; others come back. "close" is answered
 * with Close 1000 "bye", "ping" with a ping. GET /demo/trace/<32 hex>: that connection's events since its start as
 * text/event-stream. Who picked the 128 random bits is the only one who can know them. GET /demo/ticks?after=N: the
 * ticks after number N; the channel demo-ticks pushes the same.
 */
#ifndef WIRE_DEMO_H
#define WIRE_DEMO_H

#include <duet/duet.h>

void demo_upgrade(duet_http *x, const duet_request *r);
void demo_head(duet_conn *c, bool sent, const char *head, size_t len);
void demo_frame(duet_conn *c, const duet_trace *frame);
void demo_open(duet_conn *c);
void demo_message(duet_conn *c, const duet_msg *m);
void demo_pong(duet_conn *c, unsigned rtt_us);
void demo_close(duet_conn *c, const duet_closing *why);

void demo_trace(duet_http *x, const duet_request *r);
void demo_ticks(duet_http *x, const duet_request *r);

/* Makes and publishes the next tick. One thread, five times a second. */
void demo_tick(duet_server *s);
/* Whether anybody is on the channel of the ticks, or polled in the last ten seconds. Any thread. */
bool demo_wanted(void);
void demo_watched(bool more); /* a member came to that channel, or left it */

#endif
