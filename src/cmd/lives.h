/* SPDX-License-Identifier: MIT */
/* A line of the log for each WebSocket and each stream at its end (log_connections). */
#ifndef CMD_LIVES_H
#define CMD_LIVES_H

#include "cmd/journal.h"
#include "wire/wire.h"

/* Within the handler's `close`, before the connection's way forgets who it was. Never waits: a line that the journal
 * has no room for is counted there. */
void lives_closed(struct journal *j, const duet_conn *c, const duet_closing *why);
/* The same of a streamed answer: a site's `ended`. Of messages nobody counts how many it was. */
void lives_ended(struct journal *j, duet_http *x, const struct wire_about *about, int code);

#endif
