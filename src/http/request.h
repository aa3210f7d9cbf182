/* SPDX-License-Identifier: MIT */
/*
 * A request as <duet/request.h> shows it: a head that was read, with its strings terminated where they lie, and what
 * the floors above know about its peer.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/head.h"
#include <duet/request.h>

struct duet_request {
    char *data; /* borrowed; the head's bytes, writable */
    const struct http_head *head;
    char *path;            /* owned: decoded */
    const char *query;     /* in `data`, or NULL */
    const char *host;      /* in `data`; the floors above may put another */
    const char *peer;      /* borrowed; "" when nobody knows */
    bool secure;
    const void *body;      /* borrowed, or NULL */
    size_t body_len;
};

/* From a complete head, whose strings it terminates in place (their spans stay good). 0; -400 for a path that cannot be
 * decoded (HTTP-15); DUET_ERR_NOMEM. */
int request_init(struct duet_request *r, char *data, const struct http_head *head);
void request_fini(struct duet_request *r);

#endif
