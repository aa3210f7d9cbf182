/* SPDX-License-Identifier: MIT */
/*
 * How far the log holds what was acknowledged: a small file that is written before anybody is told, and never synced,
 * so that it outlives the process but not the machine. It says of which boot it is.
 *
 * A process that is killed may leave the last frame of the log half written, which looks like damage. A frame behind
 * the mark was acknowledged to nobody, so it may be wrong; one before it may not (STO-1, STO-3). After a crash of the
 * machine, or without the file, nothing is known.
 */
#ifndef ENGINE_MARK_H
#define ENGINE_MARK_H

#include <stdbool.h>
#include <stdint.h>

enum { MARK_BOOT = 36, MARK_SALTS = 8 };

/* One mark, as it is in the file. */
struct mark_place {
    uint64_t turn; /* the higher is the newer */
    uint64_t frames;
    uint8_t salts[MARK_SALTS]; /* which log it is: SQLite draws new ones when it begins anew */
    char boot[MARK_BOOT];
    uint32_t crc; /* of all before it */
};

struct mark {
    int folder, fd, log; /* fd: -1, nothing is marked */
    struct mark_place last;
};

/* What a process of this boot has left of the log with these salts; false: nothing is known. */
bool mark_read(int folder, const uint8_t salts[MARK_SALTS], unsigned long *frames);

/* From now on the mark is this process's. Where it cannot be made a kill may leave the next start unsure; nothing else
 * depends on it. */
void mark_open(struct mark *m, int folder);
void mark_close(struct mark *m);
/* All frames of the log up to this one are acknowledged from now on. */
void mark_set(struct mark *m, unsigned long frames);

#endif
