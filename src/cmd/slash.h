/* SPDX-License-Identifier: MIT */
/* Lines that begin with a slash: what a person at the prompt asks of the tool itself. */
#ifndef CMD_SLASH_H
#define CMD_SLASH_H

#include "cmd/tool.h"

/* Does what `line` says, "/ping" for one, and tells of it on standard error. `c` is NULL while there is no
 * connection. */
void slash_do(struct tool *t, duet_conn *c, const char *line);

#endif
