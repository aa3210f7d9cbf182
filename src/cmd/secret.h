/* SPDX-License-Identifier: MIT */
/* Passwords: where they come from, and what they become. */
#ifndef CMD_SECRET_H
#define CMD_SECRET_H

#include "cmd/cmdline.h"

/*
 * The value of an Authorization field for `auth`, which is "user:password" or "user"; the password is then the first
 * line of `file`, or else DUET_PASSWORD in the environment, or else asked for at the terminal. `out` is the caller's to
 * mem_free(). 0; or a negative error and a line in `why`.
 */
int secret_basic(char **out, const char *auth, const char *file, char why[CMDLINE_WHY]);

#endif
