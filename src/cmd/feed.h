/* SPDX-License-Identifier: MIT */
/*
 * Sends what is read from files as messages of one connection, no faster than the connection takes it.
 *
 * Files are read one after the other on the loop: a pipe or a terminal when there is something, a regular file some
 * KiB at a time.
 */
#ifndef CMD_FEED_H
#define CMD_FEED_H

#include <duet/client.h>

enum feed_form {
    FEED_LINES, /* each line is a text message, 16 MiB at most */
    FEED_HEX,   /* each line has hexadecimal digits and is a binary message */
    FEED_WHOLE  /* each file is one binary message, in fragments when it is over 64 KiB */
};

struct feed;

struct feed_config {
    const char *name;         /* the tool's, for what it has to say of a terminal's line that cannot be sent */
    const char *const *files; /* ends with NULL; "-" is standard input, and so is an empty list. Borrowed */
    enum feed_form form;
    duet_conn *conn;
    /* Once: all was sent (`why` is NULL), or it cannot go on: one line. The feed does nothing after it. */
    void (*ended)(void *arg, const char *why);
    void *arg;
};

/* NULL without memory. Reading begins in a later turn of the loop. */
struct feed *feed_new(duet_loop *loop, const struct feed_config *config);
void feed_go_on(struct feed *f); /* of the handler's `drain` */
void feed_stop(struct feed *f);  /* reads and sends no more, and `ended` is not called. NULL is fine */
void feed_free(struct feed *f);  /* before the connection's `close` returns. NULL is fine */

#endif
