/* SPDX-License-Identifier: MIT */
/*
 * What the operators' page shows of the whole, as one JSON text a second:
 *
 *     {"t":1764000000000,"version":"0.1.0","uptime_ms":...,"healthy":true,"why":"...",
 *      "now":{"connections":...,"websockets":...,"sessions":...,"users":...,"subscriptions":...,"channels":...,
 *             "history_bytes":...,"lag_us":...},
 *      "sum":{"accepted":...,"opened":...,"requests":...,"messages_in":...,"messages_out":...,"bytes_in":...,
 *             "bytes_out":...,"publications":...,"refused":...,"skipped":...,"log_dropped":...},
 *      "closes":{"1000":12},"reasons":{"slow":1},
 *      "trips":[...],"unanswered":...,"looked":...,
 *      "subscribed":[{"channel":"...","subscribers":9,"rate":1.5}],"busy":[the same],
 *      "slow":[{"id":...,"user":"...","from":"192.0.2.1:5555 channel","queued":...,"rtt_us":...,"age_ms":...}]}
 *
 * Sums are so far; who reads makes rates of them.
 */
#ifndef CMD_FIGURES_H
#define CMD_FIGURES_H

#include "base/buf.h"
#include "cmd/readers.h"
#include "hub/hub.h"

struct figures;

/* 0 or a negative error. Both outlive it. */
int figures_new(struct figures **out, duet_server *s, struct hub *hub);
void figures_free(struct figures *f); /* behind duet_server_free(). NULL is fine */
/* Looks on, and writes what is known. One thread at a time. Without memory `b` has failed. */
void figures_write(struct figures *f, struct buf *b, uint64_t log_dropped);

#endif
