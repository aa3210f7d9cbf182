/* SPDX-License-Identifier: MIT */
/* What passed over a connection, or several one after the other, for --stats. */
#ifndef CMD_TALLY_H
#define CMD_TALLY_H

#include <duet/client.h>
#include <stdio.h>

struct tally_way {
    uint64_t messages, bytes;     /* as the application sees them */
    uint64_t wire;                /* frames with their heads */
    uint64_t packed, packed_from; /* of the messages that went compressed: bytes on the wire, and before */
};

struct tally {
    struct tally_way in, out;
    uint64_t began_us, opened_us, lasted_us; /* the attempt; the connection, 0: none is open; all that ended */
    uint64_t opening_us;                     /* how long the last one took to open */
    unsigned connections, pongs;
    uint64_t rtt_sum_us;
    unsigned rtt_least_us, rtt_most_us;
};


void tally_begin(struct tally *t); /* an attempt to connect */
void tally_opened(struct tally *t);
void tally_closed(struct tally *t);
void tally_frame(struct tally *t, const duet_trace *f);
/* A whole message that came; `packed` is its compressed length, 0: it was not compressed. */
void tally_message(struct tally *t, size_t len, uint64_t packed);
void tally_ponged(struct tally *t, unsigned rtt_us);
/* Some lines. */
void tally_print(const struct tally *t, FILE *to);

#endif
