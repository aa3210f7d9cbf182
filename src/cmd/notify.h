/* SPDX-License-Identifier: MIT */
/* Telling who started this process how it is, as systemd asks for with Type=notify: sd_notify(3). */
#ifndef CMD_NOTIFY_H
#define CMD_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    struct sockaddr_un to;
    socklen_t len; /* 0: nobody asked */
};

/* Takes NOTIFY_SOCKET and removes it from the environment; before there are threads. 0; or DUET_ERR_INVALID: what it
 * says is no socket, and nobody is told anything. */
int notify_begin(struct notify *n);
/* Each returns 0, where nobody asked too, or -errno. */
int notify_ready(const struct notify *n, const char *where); /* it serves there; after a reload NULL */
int notify_reloading(const struct notify *n);
int notify_stopping(const struct notify *n, uint64_t within_ms); /* and is over by then */

#endif
