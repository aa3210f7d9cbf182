/* SPDX-License-Identifier: MIT */
/* `duet token`: makes and checks tokens. */
#ifndef CMD_TOKEN_H
#define CMD_TOKEN_H

/* The arguments behind the command's name; the exit code. */
int token_main(int argc, char **argv);

#endif
