/* SPDX-License-Identifier: MIT */
/*
 * A program that runs beside this one: in a process group of its own, with no descriptor of this process but a pipe for
 * what it prints, and dead when this process is, however that ends.
 */
#ifndef CMD_CHILD_H
#define CMD_CHILD_H

#include <sys/types.h>

struct child {
    pid_t pid;
    int ended_fd;  /* readable once it has ended */
    int output_fd; /* what it prints, both ways; does not block */
};

/* Starts the program at `path` with no argument and this environment (NULL at the end). It dies with the thread that
 * calls this. 0: both descriptors are the caller's; or a negative error, of the program too (-ENOENT, -EACCES). */
int child_start(struct child *out, const char *path, char *const *environment);

/* To it and what it has started, until child_reap(). */
void child_signal(const struct child *c, int number);

/* Once it has ended: its status as waitpid() has it. Closes both descriptors. */
int child_reap(struct child *c);

#endif
