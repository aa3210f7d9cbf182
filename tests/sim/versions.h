/* SPDX-License-Identifier: MIT */
/*
 * What the versions of publications come to: of each channel the publications with a version that took effect, in their
 * order. One that does not follow the one before it should have been skipped.
 */
#ifndef SIM_VERSIONS_H
#define SIM_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

/* `n` counts in an epoch of its source's, which has a number here. n 0: none. */
struct version {
    uint64_t n;
    unsigned epoch;
};

void versions_begin(void);
/* Whether it is news behind `before`: of another epoch, or greater. */
bool version_follows(struct version v, struct version before);
/* This publication took effect, at this offset (0: it is not kept). Checks that it follows. */
void versions_add(unsigned channel, unsigned number, struct version v, uint64_t offset);
/* Whether it ever did. */
bool versions_have(unsigned channel, unsigned number);
/* What counts for a channel at this offset: the newest up to there that is not forgotten. */
struct version versions_at(unsigned channel, uint64_t offset);
/* The server was started again on a stream up to `top` and reads its newest `most`: what is not there is forgotten. */
void versions_restart(unsigned channel, uint64_t top, uint64_t most);

#endif
