/* SPDX-License-Identifier: MIT */
/*
 * A protocol object whose doings are written down: each event and each frame that it sends becomes a line of `trace`.
 *
 *   open                          101 was answered or received
 *   message text 'Hi'             also piece text first last 'Hi'
 *   ping 'x', pong 'x'            received
 *   send text 'Hi' [more]         a frame sent; "more" when it is not the last of its message
 *   send packed text (12)         with RSV1; the payload as it is sent
 *   send close 1002 ''            or "send close" without a code
 *   close 1000 'bye'              the peer's
 *   error PROTOCOL
 *   http 400                      the status line sent
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "proto/proto.h"
#include "test.h"

struct peer {
    duet_proto *proto;
    duet_proto_config config;
    uint64_t now_ms;
    int error;
    bool failed_new;
    bool gave_up; /* accepting failed: it waits for an answer for ever */
    bool echo;    /* sends each message back */
    char trace[65536];
    size_t len;
    uint8_t wire[1 << 21]; /* bytes sent that no line was made of yet */
    size_t wire_len;
    bool head_done; /* the HTTP head was seen */
};

/* A server that waits for a request; a client that sent its own. Not open yet. */
struct peer *peer_new(duet_role role, const duet_proto_config *config);
/* The same, open, with an empty trace. */
struct peer *peer_open(duet_role role, const duet_proto_config *config);
void peer_free(struct peer *p);

/* Receives a copy of these bytes, from exactly sized memory, so that a read beyond them is seen. */
void peer_feed(struct peer *p, const void *data, size_t len);
/* The same, through duet_proto_room() when that offers a place. */
void peer_feed_room(struct peer *p, const void *data, size_t len);
void peer_tick(struct peer *p, uint64_t now_ms);
/* Takes the output, as if a socket took it. */
void peer_flush(struct peer *p);

/* Builds a frame as the other side would send it: masked when `p` is a server. Returns its length. */
size_t peer_frame(const struct peer *p, uint8_t *to, unsigned first_byte, const void *payload, size_t len);

#define EXPECT_TRACE(peer, expected) assert_string_equal((peer)->trace, expected)

extern const char peer_request[]; /* a valid upgrade request */

#endif
