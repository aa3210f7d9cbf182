/* SPDX-License-Identifier: MIT */
/* Opening files below a folder and nowhere else, whatever their names and links say. May block: for worker threads. */
#ifndef NET_BENEATH_H
#define NET_BENEATH_H

/*
 * Opens `path` (relative, not empty) for reading, below the folder `root`. A descriptor, or -errno: -EXDEV when it
 * would leave the folder by "..", a link or an absolute path. It may be a folder or anything else, and does not wait
 * for a FIFO's writer: look at fstat() before reading.
 */
int beneath_open(int root, const char *path);

/* How the same is done by a kernel without openat2() (before 5.6, or a sandbox that hides it): a step for each segment,
 * and no link is followed at all (-ELOOP). */
int beneath_walk(int root, const char *path);

#endif
