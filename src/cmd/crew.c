/* SPDX-License-Identifier: MIT */
#include "cmd/crew.h"
#include "cmd/loader.h"
#include "cmd/meter.h"
#include "cmd/report.h"
#include "cmd/show.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 20, PROGRESS_MS = 200, LEAD_MS = 20 };

static const uint64_t ms = 1000000;

struct crew {
    const char *name;
    const struct load_plan *plan;
    const pid_t *pids; /* the server's */
    unsigned pid_count;
    struct load_shared *shared;
    struct outcome *out;
    pid_t children[LOAD_PROCESSES]; /* 0: it has ended */
    unsigned started;
    unsigned signals;
    struct meter meter;
};

static void say(const struct crew *c, const char *line)
{
    meter_clear(&c->meter);
    show_line(c->name, line);
}

/* A process that ends before it is DONE leaves the others nothing to wait for. */
static void bury(struct crew *c)
{
    for (unsigned i = 0; i < c->started; i++) {
        int status;
        if (c->children[i] == 0 || waitpid(c->children[i], &status, WNOHANG) != c->children[i])
            continue;
        c->children[i] = 0;
        struct load_tally *t = &c->shared->tallies[i];
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && load_get(&t->state) == LOAD_DONE)
            continue;
        if (t->trouble[0] == 0)
            snprintf(t->trouble, sizeof(t->trouble), "process %u of the load ended unexpectedly", i);
        t->failed++;
        load_set(&t->state, LOAD_DONE);
        load_set(&c->shared->over, 1);
    }
}

static void kill_all(struct crew *c)
{
    for (unsigned i = 0; i < c->started; i++) {
        if (c->children[i] == 0)
            continue;
        kill(c->children[i], SIGKILL);
        waitpid(c->children[i], NULL, 0);
        c->children[i] = 0;
    }
}

/* The first ends the measuring, the second everything. */
static void interrupted(struct crew *c)
{
    uint64_t now = load_clock();
    c->out->interrupted = true;
    if (++c->signals > 1) {
        c->out->killed = true;
        kill_all(c);
    } else if (load_get(&c->shared->start_ns) == 0) {
        load_set(&c->shared->over, 1);
    } else if (now < c->shared->until_ns) {
        load_set(&c->shared->until_ns, now);
    }
}

/* Waits for a signal until then at most. */
static void wait_until(struct crew *c, uint64_t at)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    uint64_t now = load_clock(), left = at > now ? at - now : 0;
    if (left > LOOK_MS * ms)
        left = LOOK_MS * ms;
    struct timespec t = { .tv_nsec = (long)left };
    int n = sigtimedwait(&set, NULL, &t);
    if (n == SIGINT || n == SIGTERM)
        interrupted(c);
    bury(c);
}

static bool all_are(const struct crew *c, enum load_state state)
{
    for (unsigned i = 0; i < c->plan->processes; i++)
        if (load_get(&c->shared->tallies[i].state) < state)
            return false;
    return true;
}

static uint64_t sum_of(const struct crew *c, size_t field)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->plan->processes; i++)
        sum += load_get((const uint64_t *)(const void *)((const char *)&c->shared->tallies[i] + field));
    return sum;
}

/* What a server's time is divided by. */
static uint64_t done_so_far(const struct crew *c)
{
    return sum_of(c, c->plan->mode == LOAD_CONNECT ? offsetof(struct load_tally, opened)
                                                   : offsetof(struct load_tally, received));
}

static void show_progress(struct crew *c)
{
    uint64_t now = load_clock();
    if (!meter_due(&c->meter, now, PROGRESS_MS * ms))
        return;
    meter_show(&c->meter, c->plan, c->shared, sum_of(c, offsetof(struct load_tally, opened)), done_so_far(c),
                  now);
}

static void set_times(struct crew *c)
{
    struct load_shared *s = c->shared;
    uint64_t start = load_clock() + LEAD_MS * ms;
    s->from_ns = start + c->plan->warm_up_ns;
    s->until_ns = s->from_ns + c->plan->duration_ns;
    load_set(&s->start_ns, start);
}

static bool is_over(const struct crew *c)
{
    return load_get(&c->shared->over) != 0 || c->out->killed;
}

static void run_until(struct crew *c, const uint64_t *at)
{
    while (!is_over(c) && load_clock() < load_get(at) && load_clock() < load_get(&c->shared->until_ns)) {
        wait_until(c, *at);
        show_progress(c);
    }
}

static void measure(struct crew *c)
{
    struct outcome *o = c->out;
    struct load_shared *s = c->shared;
    run_until(c, &s->from_ns);
    o->before = usage_read(c->pids, c->pid_count, false);
    o->before_count = done_so_far(c);
    run_until(c, &s->until_ns);
    o->after = usage_read(c->pids, c->pid_count, true);
    o->after_count = done_so_far(c);
    uint64_t now = load_clock(), end = load_get(&s->until_ns);
    if (is_over(c) && now < end)
        end = now;
    o->measured = end > s->from_ns;
    o->seconds = o->measured ? (double)(end - s->from_ns) / 1e9 : 0;
}

static void add_up(struct crew *c)
{
    struct load_tally *sum = &c->out->sum;
    for (unsigned i = 0; i < c->plan->processes; i++) {
        const struct load_tally *t = &c->shared->tallies[i];
        static const size_t fields = offsetof(struct load_tally, slow_code) / sizeof(uint64_t);
        for (size_t f = 0; f < fields; f++)
            ((uint64_t *)(void *)sum)[f] += ((const uint64_t *)(const void *)t)[f];
        if (sum->slow_code == 0)
            sum->slow_code = t->slow_code;
        histogram_merge(&sum->latency, &t->latency);
        histogram_merge(&sum->lag, &t->lag);
        histogram_merge(&sum->opening, &t->opening);
        if (sum->trouble[0] == 0)
            memcpy(sum->trouble, t->trouble, sizeof(sum->trouble));
    }
    c->out->lost = sum->expected > sum->unique ? sum->expected - sum->unique : 0;
}

static void supervise(struct crew *c)
{
    while (!is_over(c) && !all_are(c, LOAD_READY)) {
        wait_until(c, UINT64_MAX);
        show_progress(c);
    }
    if (c->plan->mode != LOAD_CONNECT && sum_of(c, offsetof(struct load_tally, opened)) == 0)
        load_set(&c->shared->over, 1);
    if (!is_over(c)) {
        set_times(c);
        measure(c);
    }
    while (!c->out->killed && !all_are(c, LOAD_DONE))
        wait_until(c, UINT64_MAX);
    meter_clear(&c->meter);
    for (unsigned i = 0; i < c->started && !c->out->killed;) {
        wait_until(c, UINT64_MAX);
        while (i < c->started && c->children[i] == 0)
            i++;
    }
    add_up(c);
}

static bool start(struct crew *c, const struct args *args)
{
    fflush(NULL);
    for (unsigned i = 0; i < c->plan->processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            exit(loader_run(c->plan, c->shared, i, args));
        }
        if (pid < 0) {
            char line[LOAD_TROUBLE];
            snprintf(line, sizeof(line), "cannot start process %u: %s", i, strerror(errno));
            say(c, line);
            kill_all(c);
            return false;
        }
        c->children[c->started++] = pid;
    }
    return true;
}

/* Before the first fork: the children inherit that signals are blocked, and Ctrl-C is the parent's alone. */
static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool crew_run(struct outcome *out, const char *name, const struct load_plan *plan, const struct args *args,
              const pid_t *pids, unsigned pid_count)
{
    struct crew c = { .name = name, .plan = plan, .pids = pids, .pid_count = pid_count, .out = out };
    c.shared = mmap(NULL, sizeof(*c.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c.shared == MAP_FAILED) {
        show_line(name, strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < LOAD_PUBLISHERS; i++)
        c.shared->publishers[i].first = UINT64_MAX;
    meter_init(&c.meter);
    block_signals();
    out->empty = usage_read(pids, pid_count, true);
    bool good = start(&c, args);
    if (good)
        supervise(&c);
    munmap(c.shared, sizeof(*c.shared));
    return good;
}

bool outcome_failed(const struct outcome *o)
{
    const struct load_tally *t = &o->sum;
    return t->failed + t->closed + t->changed + t->strange + t->again + t->late + t->unsent + o->lost > 0;
}
