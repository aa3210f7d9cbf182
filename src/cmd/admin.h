/* SPDX-License-Identifier: MIT */
/*
 * Whom operators' paths answer (HUB-18): who shows the token, where there is one, in `Authorization: Bearer TOKEN`, or
 * for a WebSocket of a page as an offered subprotocol `token.TOKEN`, with whatever a subprotocol cannot have as %XX
 * (WEB-7: it is never selected). Without a token everybody who reaches a listener of their own, and else programs on
 * this machine.
 *
 * Where no token is asked for, a browser is: it goes wherever the page of any site sends it. So there a path that acts,
 * or tells what a page could read, answers by an address or as localhost alone (no name that somebody else gave it,
 * WEB-5), and no page of another origin.
 */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include <duet/duet.h>
#include <stdbool.h>

struct admin_door {
    const _Atomic(char *) *token; /* NULL in it: there is none; it may be another one later */
    bool own_listener; /* of --admin-listen */
};

/* Each: false: it was answered, with 401 or 403. */
bool admin_may(const struct admin_door *door, duet_http *x, const duet_request *r);
/* For what acts, and for WebSockets. */
bool admin_may_act(const struct admin_door *door, duet_http *x, const duet_request *r);
/* For what says nothing but how to ask: where there is a token, everybody. */
bool admin_may_look(const struct admin_door *door, duet_http *x, const duet_request *r);

#endif
