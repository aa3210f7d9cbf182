/* SPDX-License-Identifier: MIT */
/*
 * Channels as Server-Sent Events (WHATWG HTML, 9.2): GET /events?channel=NAME, and up to 16 of them.
 *
 * One channel's publications are `message` events; of several, each is an event of the channel's name. The data is
 * JSON: the payload as it is, text as a string, binary as {"b64":"..."}. The id holds a position for each channel, in
 * the order of the request, so that an EventSource which comes back by itself (Last-Event-ID), or `?since=` the same,
 * gets what it missed, also after a restart of a server that keeps its history. Where that cannot be told completely,
 * there is first the event `duet.lost` with the data {"channel":"NAME"}. `&last=N` brings the newest N of each first.
 * The stream begins with a `retry` of one to three seconds, so that not all come back at once.
 */
#ifndef WIRE_SSE_H
#define WIRE_SSE_H

#include "hub/hub.h"

#define SSE_PATH      "/events"
#define SSE_TRANSPORT "events" /* as the backend is told */

enum { SSE_CHANNELS_MOST = 16, SSE_QUIET_S = 20 };

extern const struct hub_form sse_form; /* of streams with one channel */

void sse_http(duet_http *x, const duet_request *r);
/* Every SSE_QUIET_S a comment, which keeps proxies from closing a quiet stream. */
void sse_tick(duet_server *s, uint64_t count);

#endif
