/* SPDX-License-Identifier: MIT */
/* The subcommands of `duet`. Each gets its own arguments, argv[0] being its name, and returns the exit status: 0; 1 it
 * could not be done; 2 the command line is wrong. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

int cmd_serve(int argc, char **argv);

#endif
