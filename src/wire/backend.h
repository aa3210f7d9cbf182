/* SPDX-License-Identifier: MIT */
/*
 * What the backend is asked about a client and its answers (hook/hook.h), as JSON.
 *
 *   asked     {"client":"...","transport":"websocket","protocol":"json","encoding":"json","user":"...", ...}
 *   answered  {"result":{...}}, {"error":{"code":1000,"message":"..."}} or {"disconnect":{"code":4000,"reason":"..."}}
 *
 * Fields of the client's request go along as fields, under their own names, and only those that the operator named;
 * what a client says its headers are is a member of the JSON, "headers", and never a field (HUB-12).
 */
#ifndef WIRE_BACKEND_H
#define WIRE_BACKEND_H

#include "base/buf.h"
#include "base/jsonread.h"
#include "hook/hook.h"
#include "hub/hub.h"
#include "hub/token.h"

struct wire_site;

enum { BACKEND_TEXT_MOST = 123 }; /* what fits into a Close */

struct backend_who {
    const char *client, *user; /* client: its UUID, NULL: it has none yet */
    size_t user_len;
    const char *transport;
    const struct hub_claims *claims; /* whose `meta` the backend knows; NULL: none */
};

/* Begins a question; what follows is put by the next two, and then "}". */
void backend_begin(struct buf *b, void *space, size_t size, const struct backend_who *who);
void backend_put_text(struct buf *b, const char *name, const char *text, size_t len);
void backend_put_json(struct buf *b, const char *name, struct json_slice value); /* nothing when it is not there */

/* The fields of a request that go along, as struct hook_question has them; NULL: there are none. Without memory
 * `*failed`. */
char *backend_fields(const struct wire_site *site, const duet_request *r, bool *failed);

enum backend_kind {
    BACKEND_NOTHING, /* it did not come, or is none of these: error 100 (HUB-15) */
    BACKEND_RESULT,
    BACKEND_ERROR,
    BACKEND_DISCONNECT
};

struct backend_answer {
    enum backend_kind kind;
    struct json_slice result;         /* an object, borrowed from the answer */
    int code;                         /* of an error, 100 to 1999; of a disconnect, 3000 to 4999 */
    bool temporary;                   /* the error */
    char text[BACKEND_TEXT_MOST + 1]; /* its message, or reason; cut between characters */
};

void backend_read(struct backend_answer *out, const struct hook_answer *a);
/* A member of a result; `text` is NULL when it is not there, or null. */
struct json_slice backend_member(struct json_slice result, const char *name);
bool backend_flag(struct json_slice result, const char *name);
/* "expire_at", in ms; 0: there is none. False: it is no time, so nobody knows when this ends. */
bool backend_expiry(struct json_slice result, uint64_t *at_ms);
/* A result of `refresh` or `sub_refresh`: it goes on until `at_ms`, as above, or is `over`. False: it says neither, as
 * with an "expired" that is no boolean, so it is no answer. */
bool backend_renewal(struct json_slice result, uint64_t now_ms, uint64_t *at_ms, bool *over);

/* A result of `connect` or `subscribe` as if a token had said it. HUB_OK, HUB_ERROR_INTERNAL when it cannot be. Either
 * way hub_claims_fini(). */
int backend_claims(struct hub_claims *out, struct json_slice result);

/* The hub's `tell`: passes events on; its argument is a struct wire_site. */
void backend_tell(void *site, const struct hub_event *e);

/* JSON without newlines, since ways in put it on a line. */
void backend_put_line(struct buf *b, struct json_slice value);

#endif
