/* SPDX-License-Identifier: MIT */
/*
 * The way in of `duet trace`: a WebSocket that gets the steps of a channel's publications (hub/trace.h), a JSON text
 * each:
 *
 *     {"channel":"NAME"}                                                                first
 *     {"run":7,"us":1234567,"step":"came","way":"channel","bytes":12,"kind":"text","who":"{...}"}
 *     {"run":7,"us":1234580,"step":"refused","code":103,"message":"permission denied"}
 *     ... "loads" | "known","offset":41 | "stale" | "numbered","offset":42,"store":true | "kept","offset":42 | "failed"
 *     ... "told","subscribers":120,"forms":2 | "given","loop":1,"members":60,"turns":3
 *     {"lost":5}                                                                        steps that there was no room
 * for
 *
 * `us` is a clock of this machine that begins anywhere. `who` is JSON, cut to 160 bytes. Who may come is the caller's
 * question.
 */
#ifndef WIRE_TRACER_H
#define WIRE_TRACER_H

#include "wire/wire.h"

/* `channel` is any name there could be. */
void tracer_upgrade(duet_http *x, const duet_request *r, const char *channel);
/* False: it came another way. */
bool tracer_describe(const duet_conn *c, struct wire_about *out);

#endif
