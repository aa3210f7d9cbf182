/* SPDX-License-Identifier: MIT */
/* What can be read of a damaged file goes into a new one (STO-3). */
#ifndef ENGINE_SALVAGE_H
#define ENGINE_SALVAGE_H

#include "engine/folder.h"
#include <stdbool.h>
#include <stdint.h>

/* What was saved. */
struct salvage {
    uint64_t whole;        /* channels that are as they were */
    uint64_t renewed;      /* that have a new epoch, with what could be read of them up to a hole */
    uint64_t publications; /* of all */
    char name[64];         /* of the damaged file */
};

/* Why every channel may have to get a new epoch: more may be missing than can be seen. */
enum salvage_trust {
    SALVAGE_RUNNING, /* found by who wrote the file himself, and has not stopped since */
    SALVAGE_STARTED, /* found at a start: what the file says of its last stop counts */
    SALVAGE_TORN     /* so, and without an orderly stop the log lost something, too */
};

/*
 * Makes the new file, sets the damaged one aside and puts the new one in its place; no connection to the file may be
 * open. 0; or what the disk said: then the damaged file is where it was.
 */
int salvage_file(struct folder *f, enum salvage_trust trust, uint64_t now_ms, struct salvage *s);

#endif
