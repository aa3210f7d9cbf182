/* SPDX-License-Identifier: MIT */
/* Messages on standard output. */
#ifndef CMD_PRINT_H
#define CMD_PRINT_H

#include "cmd/args.h"
#include <duet/client.h>
#include <stdio.h>

/* As the arguments say, with its end, not flushed. A terminal gets no controls of the peer. `marked`: after a <, for a
 * terminal where lines are typed, too. */
void print_message(const struct args *a, const duet_msg *m, bool marked);
/* The time now: of the day on a terminal, else as RFC 3339 has it; and a space. */
void print_time(FILE *to, bool terminal);

#endif
