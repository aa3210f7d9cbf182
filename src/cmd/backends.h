/* SPDX-License-Identifier: MIT */
/*
 * The backends of `duet serve --demo`: programs that the pages of web/apps/ need, as anybody would run them beside a
 * server. Each is a process of its own (cmd/child.h). What it prints goes into the log under its name; when it ends it
 * is started again, later each time, until it has ended at once too often.
 *
 * A program finds in its environment:
 *     DUET_URL      where the server is: ws://127.0.0.1:8080
 *     DUET_API      where its API is: http://127.0.0.1:8080
 *     DUET_API_KEY  the API's key, if it has one
 *     DUET_TOKEN_SECRET  the secret of the demo's tokens (cmd/setup.c), as all that is in this program's environment
 *     DUET_LISTEN   where to listen, for one that does: ws://127.0.0.1:8081
 *
 * All on the loop's thread, but backends_put().
 */
#ifndef CMD_BACKENDS_H
#define CMD_BACKENDS_H

#include "base/buf.h"
#include <duet/log.h>
#include <duet/loop.h>

/* One backend: whose it is, the name of the program, and whether it listens on a port of its own, the server's and its
 * place among those. */
struct backends_kind {
    const char *name, *program;
    bool listens;
};
extern const struct backends_kind backends_of_demo[]; /* ends with a NULL name */

struct backends_config {
    const struct backends_kind *kinds; /* ends with a NULL name; borrowed. Other strings are for backends_new() alone */
    const char *folders[3];            /* where the programs are looked for; NULL ends it. None: beside this program */
    const char *host;                  /* where they listen, as a URL has it: "127.0.0.1" */
    unsigned port;                     /* the server's; 0: those that listen are not started */
    unsigned first_ms, most_ms;        /* before one is started again, at first and at most; 0: 1 and 30 s */
    unsigned stop_ms;                  /* what it has to end by itself; 0: 2 s */
    void (*log)(void *arg, const duet_log_event *event);
    void *arg;
};

struct backends;

/* 0 or a negative error. None is started yet. */
int backends_new(struct backends **out, const struct backends_config *config);
/* Ends those that run, by force if it must be. NULL is fine. */
void backends_free(struct backends *b);

/* Where this one listens, as http://...; NULL: it does not, or is not there. */
const char *backends_url(const struct backends *b, const char *name);

/* Starts them, on this loop. `key` may be NULL. 0 or a negative error; a program that is missing is none. */
int backends_start(struct backends *b, duet_loop *loop, const char *url, const char *api, const char *key);
/* Asks them to end; none is started any more. NULL is fine. */
void backends_stop(struct backends *b);

/* Those that run, as an object of JSON: {"game":{"port":8081},"monitor":{}}. Any thread; NULL: there are none. */
void backends_put(const struct backends *b, struct buf *out);

#endif
