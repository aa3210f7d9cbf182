/* SPDX-License-Identifier: MIT */
/* The parent of a load: starts its processes, keeps their time, watches them, and adds up what they did. */
#ifndef CMD_CREW_H
#define CMD_CREW_H

#include "cmd/args.h"
#include "cmd/load.h"
#include "cmd/usage.h"

enum { CREW_PIDS = 32 };

/* What came of it. */
struct outcome {
    struct load_tally sum;
    double seconds;      /* that were measured */
    bool measured;       /* the warm-up was over */
    bool interrupted;    /* SIGINT or SIGTERM ended it early */
    bool killed;         /* a second one at once: there is nothing to tell */
    uint64_t lost;       /* messages that should have come */
    struct usage empty;  /* of the server: before the first connection, */
    struct usage before, after; /* around the measured time, */
    uint64_t before_count, after_count; /* and what was received, or opened, by then */
};

/* Runs it to its end. `name` is the tool's. False: it could not be begun, and that was said. */
bool crew_run(struct outcome *out, const char *name, const struct load_plan *plan, const struct args *args,
              const pid_t *pids, unsigned pid_count);
/* Whether anything went wrong that the server or the network is to blame for. */
bool outcome_failed(const struct outcome *o);

#endif
