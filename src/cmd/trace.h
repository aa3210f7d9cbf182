/* SPDX-License-Identifier: MIT */
/* `duet trace CHANNEL`: what happens to the publications of a channel, inside of a server. */
#ifndef CMD_TRACE_H
#define CMD_TRACE_H

int trace_main(int argc, char **argv);

#endif
