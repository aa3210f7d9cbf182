/* SPDX-License-Identifier: MIT */
/*
 * Publishes messages by the HTTP API of a server, in one channel or in several at once, each answered before the next.
 *
 * A message is JSON where it is JSON, else text; a binary one goes as base64. Nothing is tried twice.
 */
#ifndef CMD_PUBLISHER_H
#define CMD_PUBLISHER_H

#include "cmd/args.h"
#include <duet/proto.h>

struct publisher;

struct publisher_config {
    const char *name;               /* the tool's */
    const char *url;                /* the server's: http, https (or ws, wss), or unix:/path. Borrowed, as all of it */
    const struct args *args;        /* how it is reached: fields, proxy, certificates */
    const char *const *channels;    /* ends with NULL; one at least */
    const char *key_file;           /* of X-API-Key; NULL: none */
    const char *idempotency_key;    /* message n has this one, "-" and n, so that it may come again; NULL: none */
    bool (*interrupted)(void *arg); /* asked once a second while an answer is waited for: true, nothing is */
    void *arg;
};

/* 0; or a negative error, and one line in `why`. */
int publisher_new(struct publisher **out, const struct publisher_config *config, char why[CMDLINE_WHY]);
/* Waits for the answer. 0: it is published in all of them; DUET_ERR_UTF8: nothing was sent; DUET_ERR_CLOSED: the exit
 * code is publisher_result(), and all is said. */
int publisher_send(struct publisher *p, duet_type type, const void *data, size_t len);
int publisher_result(const struct publisher *p); /* 0, or a TOOL_* of tool.h */
void publisher_free(struct publisher *p);        /* NULL is fine */

#endif
