/* SPDX-License-Identifier: MIT */
/*
 * One direction of a simulated TCP connection: bytes arrive in order, in pieces, late, through a buffer with an end. It
 * stands still at times, and may be lost at any byte.
 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "dice.h"

struct link_weather {
    unsigned delay_ms, jitter_ms;
    size_t piece;          /* most bytes of a piece */
    size_t buffer;         /* most bytes on their way and unread */
    unsigned bytes_a_ms;   /* 0: no limit */
    unsigned still_one_in; /* pieces, after which nothing comes for up to still_ms */
    unsigned still_ms;
};

struct link_piece {
    uint64_t at_ms, end; /* bytes up to `end` are there from `at_ms` on */
};

struct link {
    struct link_weather weather;
    uint8_t *bytes; /* `buffer` of them, used as a ring */
    uint64_t sent, arrived, taken;
    struct link_piece *pieces;
    size_t first, count, cap;
    uint64_t last_ms; /* when the last piece arrives */
    bool shut;        /* an end follows the last byte */
    bool lost;        /* nothing more arrives */
};

void link_init(struct link *l, const struct link_weather *weather);
void link_fini(struct link *l);
size_t link_room(const struct link *l);
/* Sends as much as there is room for; how much that was. */
size_t link_send(struct link *l, struct dice *d, uint64_t now_ms, const void *data, size_t len);
void link_shut(struct link *l);
/* Bytes that can be taken now. */
size_t link_ready(struct link *l, uint64_t now_ms);
bool link_ended(struct link *l, uint64_t now_ms); /* all was taken, and the end came */
void link_take(struct link *l, void *to, size_t len);
uint64_t link_next(const struct link *l); /* when more arrives; UINT64_MAX: never as it is */
/* The connection is lost now: of what is on its way, some bytes may arrive still. */
void link_cut(struct link *l, struct dice *d, uint64_t now_ms);

#endif
