/* SPDX-License-Identifier: MIT */
/*
 * What all ways in share: one server has one handler, and each connection its own way. A connection's (or a streamed
 * answer's) data block begins with a `struct wire`, whose handler is called; the rest belongs to the way.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <duet/duet.h>

enum { WIRE_DATA = 32 }; /* bytes of a block: the server's data_size */

struct wire {
    const duet_handler *on; /* NULL: nobody's (yet) */
};

/* Passes each call on to the block's handler, as far as that has it. */
extern const duet_handler wire_handler;

#endif
