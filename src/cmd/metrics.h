/* SPDX-License-Identifier: MIT */
/* A server's counters as Prometheus reads them (text format 0.0.4). No label comes from a peer (OPS-6). */
#ifndef CMD_METRICS_H
#define CMD_METRICS_H

#include "base/buf.h"
#include "hook/hook.h"
#include "hub/hub.h"

/* Any thread. Without memory `b` has failed. */
void metrics_write(struct buf *b, duet_server *s, struct hub *hub, uint64_t log_dropped);
void metrics_write_hooks(struct buf *b, struct hooks *hooks);

#endif
