/* SPDX-License-Identifier: MIT */
/*
 * What the connections of a server look like while somebody looks: which have the longest queues, and how long the way
 * to them and back takes. Each loop looks through its own, at most READERS_AT_ONCE in a second, so that it is not kept
 * from its work; what it found is there when it has been through all of them.
 */
#ifndef CMD_READERS_H
#define CMD_READERS_H

#include "cmd/top.h"
#include <duet/server.h>

enum { READERS_AT_ONCE = 16 * 1024, READERS_TRIPS = 12 };

struct readers;

/* What is known of all loops: `trips[i]` counts the connections whose last ping took less than 125 us << i, the last
 * one all others that answered one. */
struct readers_seen {
    uint64_t connections, unanswered; /* looked at; of these, no ping was answered yet */
    uint64_t trips[READERS_TRIPS];
    struct top slow; /* `value` bytes wait; `other` is the last round trip in microseconds; the note is the way */
};

int readers_new(struct readers **out, duet_server *s);
/* Behind duet_server_free(), since a loop may still be asked; NULL is fine. */
void readers_free(struct readers *r);
/* Lets each loop look on. Any thread, one at a time, as the next. */
void readers_look(struct readers *r);
void readers_seen(struct readers *r, struct readers_seen *out);

/* The place of a round trip among `trips`. */
unsigned readers_trip(unsigned us);

#endif
