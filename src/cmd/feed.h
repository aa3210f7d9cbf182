/* SPDX-License-Identifier: MIT */
/*
 * Sends what is read from files as messages of a connection, no faster than the connection takes it.
 *
 * Files are read one after the other on the loop: a pipe or a terminal when there is something, a regular file some
 * KiB at a time. Nothing is read while there is no connection.
 */
#ifndef CMD_FEED_H
#define CMD_FEED_H

#include <duet/client.h>
#include <sys/types.h>

enum feed_form {
    FEED_LINES,  /* each line is a message, as each of these 16 MiB at most */
    FEED_NULL,   /* what ends with a NUL byte is one */
    FEED_FRAMED, /* four bytes of length, the most significant first, then the message */
    FEED_HEX,    /* each line has hexadecimal digits and is a binary message */
    FEED_WHOLE   /* each file is one binary message, in fragments when it is over 64 KiB */
};

struct feed;

struct feed_config {
    const char *name;         /* the tool's, for what it has to say of a terminal's line that cannot be sent */
    const char *const *files; /* ends with NULL; "-" is standard input, and so is an empty list. Borrowed */
    enum feed_form form;
    bool binary;              /* lines and the like are binary messages, not text */
    bool patient;             /* a connection that is lost is no end: feed_connect() brings another. Not with WHOLE */
    long rate;                /* messages a second at most; 0: no limit. Not with WHOLE */
    /* Instead of a connection, whole messages each: 0; DUET_ERR_UTF8; another negative error ends it. NULL: none. */
    int (*send)(void *arg, duet_type type, const void *data, size_t len);
    /* Once: all was sent (`why` is NULL), or it cannot go on: one line. The feed does nothing after it. */
    void (*ended)(void *arg, const char *why);
    void *arg;
};

struct feed_progress {
    uint64_t messages, bytes; /* sent */
    uint64_t size, read;      /* of all files; `size` is 0 where one is no regular file */
};

/* NULL without memory. It waits for a connection. */
struct feed *feed_new(duet_loop *loop, const struct feed_config *config);
/* Sends to `c` from a later turn of the loop on; NULL: to nobody, before the connection's `close` returns. A NULL feed
 * is fine. */
void feed_connect(struct feed *f, duet_conn *c);
void feed_begin(struct feed *f); /* the same for who has `send` */
void feed_go_on(struct feed *f); /* of the handler's `drain`. NULL is fine */
void feed_stop(struct feed *f);  /* reads and sends no more, and `ended` is not called. NULL is fine */
void feed_free(struct feed *f);  /* before the connection's `close` returns. NULL is fine */
struct feed_progress feed_progress(const struct feed *f);

/* Digits in pairs, blanks between them, to bytes at `to`, which may be `text`. How many; -1: it is something else. */
ssize_t feed_from_hex(void *to, const char *text, size_t len);

#endif
