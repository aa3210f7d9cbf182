/* SPDX-License-Identifier: MIT */
/* `duet connect`. */
#ifndef CMD_CONNECT_H
#define CMD_CONNECT_H

/* The arguments behind "connect"; the exit code: 0 closed cleanly or --count is reached, 1 failed, 2 not understood. */
int connect_main(int argc, char **argv);

#endif
