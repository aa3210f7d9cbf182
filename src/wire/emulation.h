/* SPDX-License-Identifier: MIT */
/*
 * The Centrifugal protocol where WebSockets do not get through: replies and pushes come in a streamed answer, as lines
 * or as Server-Sent Events, and commands by requests of their own to /emulation, which name the stream by its session.
 *
 *   POST /connection/http_stream      the body: commands, connect first
 *   GET  /connection/sse?cf_connect=  the same in the address; or POST with a body
 *   POST /emulation                   {"session":"...","node":"...","data":"commands"}: 204
 *   POST /connection/uni_http_stream  the body: {"token":"...","subs":{...}}; GET and ?cf_connect= the same
 *   GET  /connection/uni_sse          likewise: for those who only listen
 *
 * A session is the stream's id, which says on which loop it is, and 128 random bits, which alone open it.
 */
#ifndef WIRE_EMULATION_H
#define WIRE_EMULATION_H

#include "base/buf.h"
#include <duet/duet.h>

#define EMULATION_STREAM_PATH     "/connection/http_stream"
#define EMULATION_SSE_PATH        "/connection/sse"
#define EMULATION_PATH            "/emulation"
#define EMULATION_UNI_STREAM_PATH "/connection/uni_http_stream"
#define EMULATION_UNI_SSE_PATH    "/connection/uni_sse"

void emulation_stream(duet_http *x, const duet_request *r);
void emulation_sse(duet_http *x, const duet_request *r);
void emulation_uni_stream(duet_http *x, const duet_request *r);
void emulation_uni_sse(duet_http *x, const duet_request *r);
void emulation_post(duet_http *x, const duet_request *r);
/* The `drain_http` of the four streams' routes. */
void emulation_drain(duet_http *x);

struct centrifugal;
/* NULL: it is no stream of this kind. NULL is fine. */
struct centrifugal *emulation_client(duet_http *x);
/* The parameter cf_connect; nothing when there is none. False: it is longer than a message may be. */
bool emulation_put_connect(struct buf *b, const duet_request *r);

#endif
