/* SPDX-License-Identifier: MIT */
/* What the tools that connect have in common: arguments, loop, signals, and a client's config. */
#ifndef CMD_TOOL_H
#define CMD_TOOL_H

#include "cmd/args.h"
#include <duet/client.h>

enum { TOOL_WHY = 200 };

struct tool {
    const char *name;
    const struct cmdline *line;
    void *own;
    struct args args;
    duet_loop *loop;
    int result; /* the exit code */
    int signals; /* SIGINT and SIGTERM so far */
    int signal_fd;
    duet_watch *signal_watch;
    /* What is wrong with the arguments, as one line; NULL: nothing. May be NULL. */
    const char *(*misfit)(const struct tool *t);
    void (*interrupted)(struct tool *t); /* the first of them; the second stops the loop, and `result` is 1 */
};

/* Reads the arguments: the line's own options into `own`, NULL: into `args`. True: go on. Else the exit code is
 * `result`, and all is said. Either way tool_end(). */
bool tool_begin(struct tool *t, const struct cmdline *line, void *own, int argc, char **argv);
void tool_end(struct tool *t); /* all clients and feeds of its loop are gone */

/* What the arguments say, with `arg` the tool. The URL, the handler and `failed` are the caller's to fill. */
duet_client_config tool_config(struct tool *t);
/* Begins to connect. False: `result` is set, and the line is said. */
bool tool_connect(struct tool *t, duet_client **out, const duet_client_config *config);
struct tool *tool_of(const duet_conn *c);

/* Says it, and the exit code will be 1. */
void tool_fail(struct tool *t, const char *why);
/* Prints a message and its end; a terminal gets no controls of the peer. False: standard output takes no more, which
 * was said. */
bool tool_print(struct tool *t, const duet_msg *m);

#endif
