/* SPDX-License-Identifier: MIT */
/* What the kernel's files say about memory. */
#ifndef SERVER_CGROUP_H
#define SERVER_CGROUP_H

#include <stdint.h>

/* The number that is the word after `skip` others in a file; 0: there is none, as for "max". */
uint64_t file_number(const char *path, unsigned skip);

/*
 * The limit in bytes of the memory that this process's control group may use, of either version of them, or of a group
 * above it where that is less; 0: none. `self` is /proc/self/cgroup and `mount` /sys/fs/cgroup, except in tests.
 */
uint64_t cgroup_memory_max(const char *self, const char *mount);

#endif
