/* SPDX-License-Identifier: MIT */
/*
 * The HTTP API for backends: POST /api/METHOD with a JSON object, in the form that Centrifugo's has, so that its
 * libraries work:
 *
 *     publish           channel, data, text or b64data, tags, idempotency_key, version, version_epoch, skip_history
 *     broadcast         channels, and the same
 *     subscribe         user, channel, client, session, info, data, expire_at, override, recover_since
 *     unsubscribe       user, channel, client, session
 *     disconnect        user, client, session, disconnect {code, reason}, whitelist
 *     refresh           user, client, session, expire_at or expired
 *     presence          channel
 *     presence_stats    channel
 *     history           channel, limit, since {offset, epoch}, reverse
 *     history_remove    channel
 *     channels          pattern ("chat:*")
 *     info
 *     batch             commands: [{"METHOD": {...}}, ...]
 *
 * `b64data` and `b64info` are JSON in base64; of a publication, also any bytes. `text`, which Centrifugo's has not, is
 * a string that is published as text and not as JSON: who comes by /channel/NAME gets it without quotes.
 *
 * An answer is {"result": {...}} or {"error": {"code": ..., "message": ...}}, both with status 200.
 *
 * The door (HUB-18): with a key, X-API-Key (or "Authorization: apikey KEY") must have it, compared in constant time;
 * else 401. Without one, only this machine may ask, by a name of its own in Host, and no page of another origin.
 */
#ifndef WIRE_API_H
#define WIRE_API_H

#include <duet/duet.h>

#define API_PATH "/api/"

enum { API_COMMANDS_MOST = 1000, API_DEPTH_MOST = 32 };

void api_http(duet_http *x, const duet_request *r); /* of a route for POST */
/* The same without the door, for who has one of his own: the request's body is what METHOD is to do. */
void api_run(duet_http *x, const duet_request *r, const char *method);

#endif
