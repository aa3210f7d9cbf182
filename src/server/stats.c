/* SPDX-License-Identifier: MIT */
#include "server/server.h"
#include <string.h>

static uint64_t get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_loop(const struct server_loop *l, duet_server_stats *out)
{
    out->connections += __atomic_load_n(&l->conns, __ATOMIC_RELAXED);
    out->websockets += __atomic_load_n(&l->websockets, __ATOMIC_RELAXED);
    out->accepted += get(&l->accepted);
    out->opened += get(&l->opened);
    out->requests += get(&l->requests);
    out->messages_in += get(&l->host.messages_in);
    out->messages_out += get(&l->host.messages_out);
    out->bytes_in += get(&l->host.bytes_in);
    out->bytes_out += get(&l->host.bytes_out);
    out->skipped += get(&l->host.skipped);
    out->deflate_bytes += get(&l->host.deflate.bytes);
    out->subscriptions += get(&l->topics.subscriptions);
    out->topics += get(&l->topics.count);
    out->published += get(&l->topics.published);
    for (int i = 0; i < DUET_REASON_COUNT; i++)
        out->reasons[i] += get(&l->reasons[i]);
    for (int i = 0; i < 5001; i++)
        out->codes[i] += get(&l->codes[i]);
    for (int i = 0; i < DUET_TURN_BUCKETS; i++)
        out->turns[i] += get(&l->turns[i]);
    out->turns_us += get(&l->turns_us);
    if (get(&l->lag_us) > out->loop_lag_us)
        out->loop_lag_us = get(&l->lag_us);
}

void duet_server_read_stats(duet_server *s, duet_server_stats *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < s->count; i++)
        add_loop(&s->loops[i], out);
}
