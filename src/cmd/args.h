/* SPDX-License-Identifier: MIT */
/* The command lines of the tools that connect: one table, where each option says which tools have it. */
#ifndef CMD_ARGS_H
#define CMD_ARGS_H

#include <duet/header.h>
#include <stdbool.h>
#include <stddef.h>

enum { ARGS_WHY = 200, ARGS_UNSET = -1 };

enum args_tool { ARGS_CONNECT = 1, ARGS_SUB = 2, ARGS_PUB = 4 };

/* The strings are the arguments' own. Lists end with NULL, the headers with a NULL name. */
struct args {
    const char **words; /* what is no option: URLs, files */
    size_t words_count;
    const char **subprotocols;
    duet_header *headers;
    char **header_texts; /* what `headers` points into */
    const char *origin, *ca, *cert, *key;
    long ping_ms, wait_ms, count; /* ARGS_UNSET: not said */
    bool insecure, deflate, trace, raw, binary, hex, null, help;
};

/* 0; or a negative error, and then one line of what is wrong and what to do in `why`. Either way args_fini(). */
int args_parse(struct args *a, enum args_tool tool, int argc, char **argv, char why[ARGS_WHY]);
void args_fini(struct args *a);
void args_help(enum args_tool tool); /* to standard output */
const char *args_name(enum args_tool tool); /* "duet connect" */

#endif
