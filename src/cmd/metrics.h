/* SPDX-License-Identifier: MIT */
/* The numbers of a server as Prometheus' text. */
#ifndef CMD_METRICS_H
#define CMD_METRICS_H

#include <duet/duet.h>

void metrics_reply(duet_http *x, duet_server *of);

#endif
