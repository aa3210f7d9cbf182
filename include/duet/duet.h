/* SPDX-License-Identifier: MIT */
/*
 * Duet: WebSockets (RFC 6455) for C programs on Linux.
 *
 * This is the umbrella: it includes every public header, and says what all of them share, which is the
 * version and the error codes.
 *
 * Words used in every contract of these headers:
 *   borrowed  the callee (or you) may look at it until the moment named, and must not free it
 *   copied    it can be reused as soon as the call returns
 *   taken     the callee frees it, also when the call fails
 */
#ifndef DUET_DUET_H
#define DUET_DUET_H

#include <duet/error.h>
#include <duet/proto.h>
#include <duet/loop.h>
#include <duet/conn.h>
#include <duet/http.h>
#include <duet/tls.h>
#include <duet/server.h>
#include <duet/client.h>

#endif
