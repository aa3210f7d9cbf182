/* SPDX-License-Identifier: MIT */
/*
 * Who comes by one of the plain ways, /channel/NAME and /events: somebody with a connection token, or nobody in
 * particular. The token is looked for in `Authorization: Bearer TOKEN`; as an offered subprotocol `token.TOKEN` beside
 * the real one, since a browser's WebSocket can send no other field (WEB-7: it is never selected); and in the query,
 * `?token=TOKEN`, which the log does not show (WEB-6).
 *
 * There is no way to bring a fresh token later, so a connection ends when its token does (HUB-11).
 */
#ifndef WIRE_GUEST_H
#define WIRE_GUEST_H

#include "base/jsonread.h"
#include "hub/session.h"
#include "wire/permit.h"
#include "wire/wire.h"

struct guest;

/* `*out` is NULL for nobody in particular, unless there is a backend, which may want to know more. What is refused says
 * so; nothing is there then. `*asks`: it has no token, and the backend is to say who it is. */
struct wire_refusal guest_read(struct guest **out, const struct wire_site *site, const duet_request *r,
                               const char *transport, bool *asks);
/* What the backend said of it. HUB_OK or an error. */
int guest_name(struct guest *g, struct json_slice result);
void guest_free(struct guest *g); /* NULL is fine, as for all below */

struct session_who guest_who(const struct guest *g);
/* As permit(). */
int guest_may(const struct guest *g, const struct hub *hub, const char *channel, size_t len, enum permit_act act,
              bool subscribed, const struct hub_options **options);
/* The same as an answer to a request to subscribe. */
struct wire_refusal guest_judge(const struct guest *g, const struct wire_site *site, const char *channel, size_t len,
                                bool *asks); /* the backend is to be asked */

/* What is no channel, by what the hub said of it (hub_options_of()). */
struct wire_refusal guest_no_channel(const struct wire_site *site, int error);
/* It ends at this time at the latest; 0: that changes nothing. */
void guest_limit(struct guest *g, uint64_t at_ms);
/* It ends at this time instead; 0: never. Without memory it stays as it was. */
void guest_extend(struct guest *g, uint64_t at_ms);

/* What the backend is asked about it, and the fields that go along. It is not NULL. */
void guest_question(const struct guest *g, struct buf *b, void *space, size_t size);
const char *guest_fields(const struct guest *g);

/* Calls `expired` once when the token ends, on the loop of this connection or streamed answer, which is the calling
 * one, and not from here. 0 or DUET_ERR_NOMEM. */
int guest_watch(struct guest *g, duet_server *server, uint64_t id, void (*expired)(duet_server *server, uint64_t id));

#endif
