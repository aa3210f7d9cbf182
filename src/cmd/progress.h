/* SPDX-License-Identifier: MIT */
/* A line on a terminal of how far a feed is, from its second second on. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include "cmd/feed.h"

struct progress;

/* NULL when standard error is no terminal, or without memory. */
struct progress *progress_new(duet_loop *loop, const struct feed *feed);
void progress_hide(struct progress *p); /* before anything is printed. NULL is fine */
void progress_free(struct progress *p); /* and takes the line away. NULL is fine */

#endif
