/* SPDX-License-Identifier: MIT */
/*
 * The log of the program. Who logs never waits: lines go into a bounded ring, and a thread writes them out. What a full
 * ring has no room for is dropped, and counted (OPS-5).
 */
#ifndef CMD_JOURNAL_H
#define CMD_JOURNAL_H

#include <duet/log.h>

struct journal;

/* Writes to `fd`, which stays the caller's. 0 or a negative error. */
int journal_new(struct journal **out, int fd, duet_log_format format);
/* Waits until all is written, a second at most: a reader who reads no more does not keep the program from its end. */
void journal_free(struct journal *j);

duet_log_format journal_format(const struct journal *j);
void journal_put(struct journal *j, const duet_log_event *event); /* any thread */
void journal_text(struct journal *j, const char *line);           /* as it is, with its newline; any thread */
uint64_t journal_dropped(struct journal *j);                      /* lines so far */

#endif
