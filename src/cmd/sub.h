/* SPDX-License-Identifier: MIT */
/* `duet sub`. */
#ifndef CMD_SUB_H
#define CMD_SUB_H

/* The arguments behind "sub"; the exit code: 0 all ended cleanly, --count is reached or Ctrl-C came, 1 failed, 2 not
 * understood. */
int sub_main(int argc, char **argv);

#endif
