/* SPDX-License-Identifier: MIT */
/*
 * The plainest way in: a WebSocket to /channel/NAME is subscribed to channel NAME, and each message is a publication
 * for all subscribers, the sender too. No envelope: the browser's own WebSocket is the client.
 *
 * NAME is all of the path behind /channel/, decoded: 1 to 255 bytes. `?since=EPOCH:OFFSET` (or Last-Event-ID) brings
 * what was missed first, or closes with PLAIN_GONE when that cannot be told; `?last=N` brings the newest N first.
 *
 * With the subprotocol "duet.v1" what comes is a JSON text each:
 *     {"channel":"NAME","client":"UUID","epoch":"E","offset":41,"recovered":true}      once, first
 *     {"offset":42,"time":1764000000000,"who":{"user":"","client":"UUID"},"data":...}  each publication
 *     {"error":{"code":103,"message":"permission denied"}}                             what was sent was not published
 *     {"joined":{"user":"","client":"UUID"}}, and "left"                               after ?presence=yes
 * `data` is the payload that was JSON, or {"text":"..."}, or {"b64":"..."}, as `text` and `b64` in its place.
 */
#ifndef WIRE_PLAIN_H
#define WIRE_PLAIN_H

#include "hub/hub.h"

#define PLAIN_PATH      "/channel/"
#define PLAIN_ENVELOPE  "duet.v1"
#define PLAIN_TRANSPORT "plain" /* as the backend is told */

/* Close codes of its own: whoever comes back with the same `since` gets the same answer. */
enum { PLAIN_GONE = 4410 };

extern const struct hub_form plain_form, envelope_form;

/* The `upgrade` of the route PLAIN_PATH. */
void plain_upgrade(duet_http *x, const duet_request *r);

/* False: it came another way. */
struct wire_about;
bool plain_describe(const duet_conn *c, struct wire_about *out);

/* The channel this connection is subscribed to, until its `close` returns; NULL: it came another way. */
const char *plain_channel(const duet_conn *c);

#endif
