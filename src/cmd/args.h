/* SPDX-License-Identifier: MIT */
/* The command lines of the tools that connect: what they have in common, and the fields that several print by. */
#ifndef CMD_ARGS_H
#define CMD_ARGS_H

#include "cmd/cmdline.h"
#include <duet/header.h>

enum { ARGS_UNSET = -1, ARGS_SECONDS_MOST = 1000000, ARGS_COUNT_MOST = 1000000000, ARGS_RATE_MOST = 1000000 };
enum { ARGS_REDIRECTS_MOST = 5 };

/* The strings are the arguments' own. Lists end with NULL, the headers with a NULL name. */
struct args {
    const char **words; /* what is no option: URLs, files */
    size_t words_count;
    const char **subprotocols, **header_lines, **pins;
    duet_header *headers; /* of `header_lines`, and of `auth` */
    char **header_texts;  /* what `headers` points into */
    const char *origin, *proxy, *ca, *cert, *key;
    const char *auth, *password_file;
    long ping_ms;         /* ARGS_UNSET: not said; so the next ones */
    long redirects;
    bool insecure, deflate, trace, trace_secrets, help;
    /* Not of all tools. */
    long wait_ms, count;
    long rate;            /* 0: no limit */
    bool raw, binary, hex, null, framed, json, timestamps, stats, retry, no_history;
    const char **sends;   /* of duet connect, first of all */
    const char **channels, *api_key_file, *idempotency_key; /* of duet pub */
};

/* The table of the fields above for all tools, for a `struct cmdline`. */
extern const struct cmdline_option args_reach[];
#define ARGS_TITLE "Options of all tools that connect"

/* `own` is the struct that the line's own options are in; it may be `a`. Asks at the terminal for a password that is
 * not given. 0; or a negative error, and then one line of what is wrong and what to do in `why`. Either way
 * args_fini(). */
int args_parse(struct args *a, const struct cmdline *line, void *own, int argc, char **argv, char why[CMDLINE_WHY]);
void args_fini(struct args *a, const struct cmdline *line, void *own);

#endif
