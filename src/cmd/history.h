/* SPDX-License-Identifier: MIT */
/* Lines that were typed before, for libedit; kept in a file that only its owner can read. */
#ifndef CMD_HISTORY_H
#define CMD_HISTORY_H

#include <histedit.h>
#include <stdbool.h>
#include <stddef.h>

struct history;

/* NULL without memory. `kept`: with those of $XDG_STATE_HOME/duet/history (~/.local/state), where there is such a
 * place; each line is written there at once. */
struct history *history_new(bool kept);
void history_free(struct history *h); /* NULL is fine; after the editor */
void history_attach(struct history *h, EditLine *edit);
/* A line in UTF-8; not an empty one nor one that begins with a blank: that is how a secret is typed. */
void history_add(struct history *h, const char *line, size_t len);

#endif
