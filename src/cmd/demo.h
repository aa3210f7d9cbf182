/* SPDX-License-Identifier: MIT */
/*
 * The live part of the home page.
 *
 * /demo/echo is a WebSocket. Its first message may be {"trace":"TOKEN"} with 32 random hexadecimal digits; "ping" sends
 * a ping, "close" closes with 1000 "bye"; every other message comes back as it went.
 *
 * GET /demo/trace/TOKEN is that connection as a text/event-stream, from its beginning to its end:
 *     request, response  {"head":"..."}                              the heads of the handshake, as on the wire
 *     frame              {"dir":"in","fin":1,"rsv":0,"opcode":1,"masked":1,"length":5,"head":"8185...","ms":123}
 *     rtt                {"us":123}                                  a ping's round trip
 *     close              {"code":1000,"reason":"bye","clean":true}
 */
#ifndef CMD_DEMO_H
#define CMD_DEMO_H

#include <duet/server.h>

#define DEMO_ECHO  "/demo/echo"
#define DEMO_TRACE "/demo/trace/"

struct demo;

int demo_new(struct demo **out);
void demo_free(struct demo *d); /* no server turns any more. NULL is fine */

/* The server's duet_server_arg() leads to the demo by this. */
struct demo *demo_of(duet_server *s);

void demo_upgrade(duet_http *x, const duet_request *r); /* of the route DEMO_ECHO, which has `trace` */
void demo_trace(duet_http *x, const duet_request *r);   /* of the route DEMO_TRACE */
/* Of the server's config. */
void demo_head(duet_conn *c, bool sent, const char *head, size_t len);
void demo_frame(duet_conn *c, const duet_trace *frame);

#endif
