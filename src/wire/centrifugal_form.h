/* SPDX-License-Identifier: MIT */
/*
 * What clients of the Centrifugal protocol are told, as they get it: replies and pushes as JSON, one a message, a line
 * or an event. Those that only listen get the pushes bare.
 */
#ifndef WIRE_CENTRIFUGAL_FORM_H
#define WIRE_CENTRIFUGAL_FORM_H

#include "base/buf.h"
#include "base/jsonread.h"
#include "hub/session.h"

/* By which way it comes: text messages of a WebSocket, lines of a streamed answer, Server-Sent Events. */
enum centrifugal_way { CENTRIFUGAL_WEBSOCKET, CENTRIFUGAL_STREAM, CENTRIFUGAL_EVENTS, CENTRIFUGAL_WAYS };

/* Of each way two: [0] for those who can speak, [1] for those who only listen. */
extern const struct hub_form centrifugal_forms[CENTRIFUGAL_WAYS][2];

/* What stands before and behind each piece of JSON. */
void centrifugal_open(struct buf *b, enum centrifugal_way way);
void centrifugal_shut(struct buf *b, enum centrifugal_way way);

/* {"push":{"channel":"c","NAME":  or, bare, {"channel":"c","NAME":  and then its object and the end. Without a channel
 * where `len` is 0. */
void centrifugal_put_push(struct buf *b, bool bare, const char *channel, size_t len, const char *name);
void centrifugal_end_push(struct buf *b, bool bare);

/* What was subscribed to, with its braces open at the end: for more. `streams`: its position is told. */
void centrifugal_put_subscribed(struct buf *b, const struct session_subscribed *r, bool positioned, bool recoverable);
/* ,"publications":[...] behind that, each as it is; nothing when there are none. */
void centrifugal_put_publications(struct buf *b, const struct session_subscribed *r);
/* {"code":n,"reason":"..."} */
void centrifugal_put_code(struct buf *b, int code, const char *reason);
/* A reply that is an error. */
void centrifugal_put_error(struct buf *b, uint32_t id, int error, const char *message, bool temporary);
/* "key": for the next member of an object that has `first` not been written yet. */
void centrifugal_put_key(struct buf *b, const char *key);

#endif
