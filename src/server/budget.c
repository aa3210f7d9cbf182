/* SPDX-License-Identifier: MIT */
/*
 * The process's memory against its budget (MEM-7): what the kernel counts as resident, since that is what a container
 * is killed for, looked at each second and ten times a second when it is getting tight. At 90 % newcomers are refused,
 * at 95 % those who keep the most waiting are closed until what they held is enough.
 */
#include "server/server.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALM_MS = 1000, TIGHT_MS = 100, TIGHT = 70, REFUSE = 90, CLOSE = 95 };

/* The first number in a file; 0: there is none ("max"). */
static uint64_t number_in(const char *path, unsigned skip)
{
    char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = text;
    for (; skip > 0 && (at = strchr(at, ' ')) != NULL; skip--)
        at++;
    return at ? strtoull(at, NULL, 10) : 0;
}

static uint64_t resident(void)
{
    return number_in("/proc/self/statm", 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The container's limit, either version of cgroups; huge numbers mean none. */
static uint64_t container_limit(void)
{
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", 0);
    if (limit == 0)
        limit = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes", 0);
    return limit > UINT64_MAX / 4 ? 0 : limit;
}

/* Closes the slowest of this loop, the fullest queue first, until `excess` bytes were let go. */
static void close_slowest(struct server_loop *l, uint64_t excess)
{
    while (excess > 0) {
        duet_conn *worst = NULL;
        for (uint32_t i = 0; i < l->slots_cap; i++) {
            duet_conn *c = l->slots[i].conn;
            if (c != NULL && c->state == CONN_ACTIVE && (worst == NULL || conn_queued(c) > conn_queued(worst)))
                worst = c;
        }
        size_t held = worst ? conn_queued(worst) : 0;
        if (held == 0)
            return;
        report(l, worst, DUET_REASON_no_memory, DUET_CODE_LATER, NULL, "the memory budget is used up");
        worst->reason = DUET_REASON_no_memory;
        conn_kill(worst, DUET_ERR_NOMEM);
        excess -= held < excess ? held : excess;
    }
}

static void look(struct timer *t)
{
    struct server_loop *l = (struct server_loop *)(void *)((char *)t - offsetof(struct server_loop, budget));
    uint64_t limit = l->server->memory_max, used = resident();
    l->refusing = used > limit / 100 * REFUSE;
    if (used > limit / 100 * CLOSE)
        close_slowest(l, (used - limit / 100 * REFUSE) / l->server->count);
    timer_arm(&l->loop->wheel, t, l->loop->now_ms + (used > limit / 100 * TIGHT ? TIGHT_MS : CALM_MS));
}

void budget_init(duet_server *s)
{
    if (s->config.memory_mib == DUET_OFF)
        return;
    s->memory_max = s->config.memory_mib ? (uint64_t)s->config.memory_mib * 1024 * 1024 : container_limit();
}

void budget_start(struct server_loop *l)
{
    if (l->server->memory_max == 0)
        return;
    l->budget.due = look;
    timer_arm(&l->loop->wheel, &l->budget, l->loop->now_ms);
}
