/* SPDX-License-Identifier: MIT */
/*
 * The Centrifugal protocol (version 2, JSON) over WebSockets: what centrifuge-js and its siblings speak.
 * docs/centrifugal.md has what works.
 */
#ifndef WIRE_CENTRIFUGAL_H
#define WIRE_CENTRIFUGAL_H

#include "hub/codes.h"
#include "wire/emulation.h"

#define CENTRIFUGAL_WEBSOCKET_PATH     "/connection/websocket"
#define CENTRIFUGAL_UNI_WEBSOCKET_PATH "/connection/uni_websocket"

/* The `upgrade` and `drain` of both routes; their `slow_code` is HUB_DISCONNECT_SLOW. */
void centrifugal_upgrade(duet_http *x, const duet_request *r);
void centrifugal_uni_upgrade(duet_http *x, const duet_request *r);
void centrifugal_drain(duet_conn *c);

/* False: it came another way. */
struct wire_about;
bool centrifugal_describe(const duet_conn *c, struct wire_about *out);

/* All routes of the protocol, emulation and those who only listen included: members of a table. */
#define CENTRIFUGAL_ROUTE_WS(p, u)                                                                                     \
    {                                                                                                                  \
        .path = p, .websocket = true, .upgrade = u, .slow_code = HUB_DISCONNECT_SLOW, .drain = centrifugal_drain       \
    }
#define CENTRIFUGAL_ROUTE_HTTP(p, m, h)                                                                                \
    {                                                                                                                  \
        .path = p, .methods = m, .http = h, .drain_http = emulation_drain, .cors = true                                \
    }
#define CENTRIFUGAL_ROUTES                                                                                             \
    CENTRIFUGAL_ROUTE_WS(CENTRIFUGAL_WEBSOCKET_PATH, centrifugal_upgrade),                                             \
        CENTRIFUGAL_ROUTE_WS(CENTRIFUGAL_UNI_WEBSOCKET_PATH, centrifugal_uni_upgrade),                                 \
        CENTRIFUGAL_ROUTE_HTTP(EMULATION_STREAM_PATH, "POST", emulation_stream),                                       \
        CENTRIFUGAL_ROUTE_HTTP(EMULATION_SSE_PATH, "GET, POST", emulation_sse),                                        \
        CENTRIFUGAL_ROUTE_HTTP(EMULATION_UNI_STREAM_PATH, "GET, POST", emulation_uni_stream),                          \
        CENTRIFUGAL_ROUTE_HTTP(EMULATION_UNI_SSE_PATH, "GET, POST", emulation_uni_sse),                                \
    {                                                                                                                  \
        .path = EMULATION_PATH, .methods = "POST", .http = emulation_post, .cors = true                                \
    }

#endif
