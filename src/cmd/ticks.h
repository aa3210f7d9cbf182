/* SPDX-License-Identifier: MIT */
/*
 * A made-up price for the comparison of polling and push: five a second, while somebody looks. Pushed to the channel
 * TICKS_CHANNEL as {"n":17,"t":1764000000000,"price":101.25}, and to be asked for by GET /demo/ticks?after=N, which
 * answers the later ones as an array of at most 100.
 */
#ifndef CMD_TICKS_H
#define CMD_TICKS_H

#include "hub/hub.h"

#define TICKS_CHANNEL "demo-ticks"

struct ticks;

/* They are made on `loop` and published by `hub`; both outlive them. 0 or a negative error. */
int ticks_new(struct ticks **out, duet_loop *loop, struct hub *hub);
void ticks_free(struct ticks *t); /* on the loop's thread, when no server turns any more. NULL is fine */

/* The channel has a member more or less. Any thread, as the next. */
void ticks_member(struct ticks *t, bool joined);
void ticks_answer(struct ticks *t, duet_http *x, const duet_request *r);

#endif
