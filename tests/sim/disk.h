/* SPDX-License-Identifier: MIT */
/*
 * An engine of the simulation's own: it takes its time, fails when it likes, and survives a restart of the server with
 * what it had written by then. (HUB-4, STO-1, STO-4)
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "dice.h"
#include "hub/engine.h"

/* Chance and slowness; zero is a disk that works at once. */
struct disk_mood {
    unsigned delay_us;
    unsigned fail_one_in; /* writes and reads */
    unsigned full_one_in; /* requests that are refused at once */
};

struct disk;

struct disk *disk_new(struct dice *dice, const struct disk_mood *mood);
void disk_free(struct disk *d); /* for good */
/* The engine of one run of a server; it ends with hub_stop(). */
struct engine *disk_engine(struct disk *d);
/* The power fails: what waits when the engine ends is not written, and nobody is told that it was. */
void disk_crash(struct disk *d);
void disk_set_mood(struct disk *d, const struct disk_mood *mood);
/* What is kept of a channel at this offset; NULL: nothing is yet. */
const struct publication *disk_at(struct disk *d, const char *channel, uint64_t offset);

/* When it is done with what waits; UINT64_MAX: nothing waits. */
uint64_t disk_next_us(const struct disk *d);
/* Does what is due. Whether anything was. */
bool disk_turn(struct disk *d, uint64_t now_us);

#endif
