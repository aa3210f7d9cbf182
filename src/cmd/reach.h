/* SPDX-License-Identifier: MIT */
/* Where a server that listens is reached: as a browser takes it, and by programs on this machine. */
#ifndef CMD_REACH_H
#define CMD_REACH_H

#include "base/buf.h"
#include <duet/server.h>

/* All that it listens on (`urls` of its config, NULL at the end), with the ports that were picked:
 * "http://localhost:8080, unix:/run/duet". */
void reach_put_all(struct buf *b, const duet_server *s, const char *const *urls);

/* The first address without TLS, for who is on this machine. */
struct reach {
    char host[256], heard[256]; /* where to connect, and where it listens, as URLs have them */
    unsigned port;
    bool picked; /* the port was 0 */
};
/* False: there is none, or none that fits. */
bool reach_plain(struct reach *out, const duet_server *s, const char *const *urls);

#endif
