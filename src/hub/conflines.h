/* SPDX-License-Identifier: MIT */
/* Where in the file, or by which variable, each field and each text of a configuration was said: by their addresses. */
#ifndef HUB_CONFLINES_H
#define HUB_CONFLINES_H

#include "hub/config.h"

/* Notes it of `what`, NULL being nothing: a line, or a variable's name, which is copied. What was noted of it before
 * counts no more. False without memory. */
bool conflines_note(struct config *c, const void *what, unsigned line, const char *variable);
void conflines_free(struct config *c);

#endif
