/* SPDX-License-Identifier: MIT */
/* What the tools that connect have in common: arguments, loop, signals, a client's config, and what is said of it. */
#ifndef CMD_TOOL_H
#define CMD_TOOL_H

#include "cmd/args.h"
#include "cmd/frames.h"
#include "cmd/prompt.h"
#include "cmd/tally.h"
#include <duet/client.h>

enum { TOOL_WHY = 200 };

/* Exit codes. */
enum {
    TOOL_FAILED = 1,    /* something could not be read, written or sent, or did not come */
    TOOL_USAGE = 2,     /* the command line, or a file it names */
    TOOL_UNREACHED = 3, /* no name, no connection, no TLS, no answer in time */
    TOOL_REFUSED = 4,   /* an HTTP status instead of 101, or an answer that is no WebSocket's */
    TOOL_CLOSED = 5     /* lost without a Close, or closed with a code that is no clean end */
};

struct tool {
    const char *name;
    const struct cmdline *line;
    void *own;
    struct args args;
    duet_loop *loop;
    int result; /* the exit code */
    bool over;  /* tool_stop() was called */
    int signals; /* SIGINT and SIGTERM so far */
    int signal_fd;
    duet_watch *signal_watch;
    struct prompt *prompt; /* lines are typed at a terminal; NULL: they are not. The tool's own */
    bool asked_rtt;        /* the next round trip is to be told */
    bool left;             /* /close was typed: no other connection follows */
    struct tally tally;
    struct frames frames;
    /* What is wrong with the arguments, as one line; NULL: nothing. May be NULL. */
    const char *(*misfit)(const struct tool *t);
    void (*interrupted)(struct tool *t); /* the first of them; the second stops the loop, and `result` is 1 */
};

/* Reads the arguments: the line's own options into `own`, NULL: into `args`. True: go on. Else the exit code is
 * `result`, and all is said. Either way tool_end(). */
bool tool_begin(struct tool *t, const struct cmdline *line, void *own, int argc, char **argv);
void tool_end(struct tool *t); /* all clients and feeds of its loop are gone */

/* Turns the loop until tool_stop(). */
void tool_run(struct tool *t);
void tool_stop(struct tool *t);

/* What the arguments say, with `arg` the tool and a data block of its own. The URL, the handler and `failed` are the
 * caller's to fill; its callbacks begin with the tool_*() of their name. */
duet_client_config tool_config(struct tool *t);
/* Begins to connect. False: `result` is set, and the line is said. */
bool tool_connect(struct tool *t, duet_client **out, const duet_client_config *config);
struct tool *tool_of(const duet_conn *c);

void tool_opened(duet_conn *c);
/* Prints a message and its end. False: standard output takes no more, which was said. */
bool tool_message(duet_conn *c, const duet_msg *m);
void tool_ponged(duet_conn *c, unsigned rtt_us);
/* Says how it ended when that is worth a word: when it was not `expected` or is traced. `url` may be NULL: there is
 * only one. */
void tool_closed(duet_conn *c, const char *url, const duet_closing *why, bool expected);
/* Says why it did not open. A final one is the exit code. */
void tool_unopened(struct tool *t, const char *url, const duet_failure *why);

/* Says it, and the exit code will be 1. */
void tool_fail(struct tool *t, const char *why);

#endif
