/* SPDX-License-Identifier: MIT */
/* What processes of this machine use, as the kernel tells in /proc. */
#ifndef CMD_USAGE_H
#define CMD_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    bool known; /* all of them are there */
    uint64_t cpu_ns;    /* of all their threads */
    uint64_t rss, own;  /* bytes in memory; of those the anonymous ones, which no file and no other process gives */
    uint64_t kernel;    /* of the whole machine: slabs, socket buffers, page tables */
};

/* `memory`: the last three, too, which takes longer. */
struct usage usage_read(const pid_t *pids, unsigned count, bool memory);

#endif
