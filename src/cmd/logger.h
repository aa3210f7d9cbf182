/* SPDX-License-Identifier: MIT */
/*
 * Log events to standard error, without ever blocking who logs (OPS-5): lines go to a bounded ring, and a thread of its
 * own writes them. What finds the ring full is counted and dropped.
 */
#ifndef CMD_LOGGER_H
#define CMD_LOGGER_H

#include <duet/log.h>
#include <stdbool.h>

int logger_start(duet_log_format format, bool colour);     /* 0 or a negative error */
void logger_event(void *arg, const duet_log_event *event); /* any thread; `arg` is not used */
unsigned long logger_dropped(void);
void logger_stop(void); /* writes what is left, for a second at most */

#endif
