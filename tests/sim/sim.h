/* SPDX-License-Identifier: MIT */
/*
 * What the simulations share: seeds from the command line, a trace of what happened, and the count of what the library
 * has allocated. A check that fails prints the end of the trace, the seed, and how to play it again.
 *
 *   sim_NAME FROM COUNT    plays those of the seeds that are its own
 *   sim_NAME SEED          plays one, and prints its whole trace
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "dice.h"
#include <stdio.h>

/* Says a line of the trace. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(claim)                                                                                                   \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            sim_failed(__FILE__, __LINE__, #claim);                                                                    \
    } while (0)
_Noreturn void sim_failed(const char *file, int line, const char *claim);

/* Whatever ends the program from now on is told with its trace. */
void sim_watch(const char *name);
/* Called before a seed is played, so that whatever ends the program names it. */
void sim_begin(uint64_t seed);
/* What the library holds now: allocations of mem.h that were not freed. */
long sim_held(void);

/* Plays `play` for the seeds that the arguments name and `mine` is true for. main()'s result. */
int sim_main(int argc, char **argv, bool (*mine)(uint64_t seed), void (*play)(uint64_t seed));

/* Counts something that happened; printed at the end, so that a reader sees what the seeds reach. */
void sim_count(const char *what);

#endif
