/* SPDX-License-Identifier: MIT */
/* `duet init`: writes a configuration to begin with. */
#ifndef CMD_INIT_H
#define CMD_INIT_H

/* The arguments behind the command's name; the exit code. */
int init_main(int argc, char **argv);

#endif
