/* SPDX-License-Identifier: MIT */
/*
 * The operators' way in: a WebSocket that gets what the operators' channel says, as it is. It only listens. Who may
 * come is the caller's question: operator_upgrade() lets everybody in.
 */
#ifndef WIRE_OPERATOR_H
#define WIRE_OPERATOR_H

#include "wire/wire.h"

#define OPERATOR_PROTOCOL "duet.admin.v1" /* a subprotocol that is offered beside a token */

void operator_upgrade(duet_http *x, const duet_request *r);
/* False: it came another way. */
bool operator_describe(const duet_conn *c, struct wire_about *out);

#endif
