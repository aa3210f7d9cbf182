/* SPDX-License-Identifier: MIT */
/*
 * The process's memory against its budget (MEM-7): what the kernel counts as resident, since that is what a container
 * is killed for. It is looked at each second, ten times a second when it is getting tight, and before reading when so
 * much came in since that it could have grown by a 64th: a fast peer fills 100 MiB in less than a tenth of a second. At
 * 90 % newcomers are refused, at 95 % those for whom the most is kept are closed until that is enough.
 */
#include "server/cgroup.h"
#include "server/httpd.h"
#include <malloc.h>
#include <unistd.h>

enum { CALM_MS = 1000, TIGHT_MS = 100, TIGHT = 70, REFUSE = 90, CLOSE = 95, PARTS = 64 };

static uint64_t resident(void)
{
    return file_number("/proc/self/statm", 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What was let go may still be the allocator's, and would be counted against those who are left. */
static uint64_t resident_trimmed(uint64_t limit)
{
    uint64_t used = resident();
    if (used <= limit / 100 * REFUSE)
        return used;
    malloc_trim(0);
    return resident();
}

/* What is kept for a connection: what waits to be sent, and a message or a body that is not whole yet (MSG-3). */
static size_t held_for(const duet_conn *c)
{
    size_t held = conn_queued(c);
    if (c->proto.busy != NULL && c->proto.busy->gather != NULL)
        held += c->proto.busy->gather->len;
    if (conn_http(c) != NULL)
        held += conn_http(c)->body.len;
    return held;
}

/* Closes those of this loop for whom the most is kept, until `excess` bytes were let go. False: nothing is kept. */
static bool close_fullest(struct server_loop *l, uint64_t excess)
{
    bool any = false;
    while (excess > 0) {
        duet_conn *worst = NULL;
        size_t held = 0;
        for (uint32_t i = 0; i < server_slots(l); i++) {
            duet_conn *c = server_slot(l, i);
            if (c == NULL || c->state != CONN_ACTIVE || held_for(c) <= held)
                continue;
            worst = c;
            held = held_for(c);
        }
        if (worst == NULL)
            return any;
        report(l, worst, DUET_REASON_no_memory, DUET_CODE_LATER, NULL, "the memory budget is used up");
        worst->reason = DUET_REASON_no_memory;
        conn_kill(worst, DUET_ERR_NOMEM);
        excess -= held < excess ? held : excess;
        any = true;
    }
    return any;
}

/* False: some were closed, whose memory is free at the end of the turn. */
static bool look(struct server_loop *l)
{
    uint64_t limit = l->server->memory_max, used = resident_trimmed(limit);
    bool fine = true;
    l->refusing = used > limit / 100 * REFUSE;
    if (used > limit / 100 * CLOSE)
        fine = !close_fullest(l, (used - limit / 100 * REFUSE) / l->server->count + 1);
    l->host.look_at = l->host.bytes_in + limit / PARTS / l->server->count + 1;
    timer_arm(&l->loop->wheel, &l->budget, l->loop->now_ms + (used > limit / 100 * TIGHT ? TIGHT_MS : CALM_MS));
    return fine;
}

static void look_due(struct timer *t)
{
    look((struct server_loop *)(void *)((char *)t - offsetof(struct server_loop, budget)));
}

/* conn_host.look */
static bool look_before_reading(struct conn_host *host)
{
    return look((struct server_loop *)(void *)host);
}

void budget_init(duet_server *s)
{
    if (s->config.memory_mib == DUET_OFF)
        return;
    s->memory_max = s->config.memory_mib ? (uint64_t)s->config.memory_mib * 1024 * 1024
                                         : cgroup_memory_max("/proc/self/cgroup", "/sys/fs/cgroup");
}

void budget_start(struct server_loop *l)
{
    if (l->server->memory_max == 0)
        return;
    l->budget.due = look_due;
    l->host.look = look_before_reading;
    l->host.look_at = 1;
    timer_arm(&l->loop->wheel, &l->budget, l->loop->now_ms);
}
