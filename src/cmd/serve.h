/* SPDX-License-Identifier: MIT */
/* `duet serve`. */
#ifndef CMD_SERVE_H
#define CMD_SERVE_H

/* The arguments behind "serve"; the exit code: 0 drained, 1 could not serve or was ended at once, 2 not understood. */
int serve_main(int argc, char **argv);

#endif
