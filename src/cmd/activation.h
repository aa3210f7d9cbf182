/* SPDX-License-Identifier: MIT */
/*
 * The sockets that whoever started this process opened for it, as systemd does for a .socket unit: descriptors from 3
 * on, with how many there are and what each is called in the environment (sd_listen_fds(3)). They stay open while the
 * program is started anew, so nobody who connects meanwhile is refused.
 *
 * A URL names one as fd:NAME or fd:3, with TLS as fd+tls:NAME; sockets of one name go together. Either every socket is
 * named by a URL, or none is, and then all are listened on without TLS: a socket that is open and that nobody serves
 * would let its clients wait for ever.
 */
#ifndef CMD_ACTIVATION_H
#define CMD_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

enum { ACTIVATION_MOST = 16, ACTIVATION_WHY = 200 };

struct activation {
    int count;                          /* descriptors 3, 4, ... */
    const char *names[ACTIVATION_MOST]; /* of each; "": it has none */
    const char **urls;                  /* activation_listen(): what to listen on; ends with NULL */
    const char *blame;                  /* which URL is wrong; NULL: no single one */
    /* Its own. */
    size_t filled; /* of `urls` */
    bool used[ACTIVATION_MOST], assumed;
    char text[ACTIVATION_MOST][24];    /* their URLs, as the server takes them */
    const char *said[ACTIVATION_MOST]; /* what these were made of; NULL: they were not named */
    char *name_list;
};

/* Takes what the environment says and removes it there, so that no child believes it; before there are threads. 0; or a
 * negative error, and then one line of what is wrong in `why`. Either way activation_fini(). */
int activation_take(struct activation *a, char why[ACTIVATION_WHY]);
void activation_fini(struct activation *a); /* zeroed memory is fine; the sockets stay open */

/* Where no socket was passed, the one that this URL names is taken for passed from now on: for who looks whether a
 * configuration is sound before systemd starts with it. The URL is borrowed. */
void activation_assume(struct activation *a, const char *url);

/* The one socket that `*url` names is put there as the server takes it: for operators, and for the API. NULL and other
 * URLs stay. Before activation_listen(). 0 or a negative error with a line in `why`. */
int activation_one(struct activation *a, const char **url, char why[ACTIVATION_WHY]);
/* Makes `urls` of these, borrowed, and of the sockets. 0 or a negative error with a line in `why`. */
int activation_listen(struct activation *a, const char *const *given, char why[ACTIVATION_WHY]);
/* What a URL was before one of these two changed it: itself, mostly. NULL: nobody wrote it. */
const char *activation_said(const struct activation *a, const char *url);

#endif
