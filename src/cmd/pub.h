/* SPDX-License-Identifier: MIT */
/* `duet pub`. */
#ifndef CMD_PUB_H
#define CMD_PUB_H

/* The arguments behind "pub"; the exit code: 0 all was sent and the Close was answered, 1 not so, 2 not understood. */
int pub_main(int argc, char **argv);

#endif
