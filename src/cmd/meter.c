/* SPDX-License-Identifier: MIT */
#include "cmd/meter.h"
#include "cmd/report.h"
#include <stdio.h>
#include <unistd.h>

void meter_init(struct meter *m)
{
    *m = (struct meter){ .on = isatty(STDERR_FILENO) != 0 };
}

bool meter_due(const struct meter *m, uint64_t now, uint64_t each_ns)
{
    return m->on && now - m->at_ns >= each_ns;
}

void meter_show(struct meter *m, const struct load_plan *plan, const struct load_shared *shared, uint64_t opened,
                uint64_t done, uint64_t now)
{
    char n[32], all[32];
    uint64_t start = load_get(&shared->start_ns);
    double seconds = (double)(now - m->at_ns) / 1e9;
    fputs("\r\x1b[K", stderr);
    if (start == 0)
        fprintf(stderr, "opening: %s of %s", report_grouped(n, opened),
                report_grouped(all, plan->connections + plan->publishers));
    else if (now < shared->from_ns)
        fputs("warming up", stderr);
    else
        fprintf(stderr, "%.0f of %.0f s", (double)(now - shared->from_ns) / 1e9, (double)plan->duration_ns / 1e9);
    if (start != 0 && m->at_ns != 0 && plan->mode != LOAD_IDLE)
        fprintf(stderr, ": %s a second", report_grouped(n, (uint64_t)((double)(done - m->done) / seconds)));
    fflush(stderr);
    m->at_ns = now;
    m->done = done;
}

void meter_clear(const struct meter *m)
{
    if (m->on)
        fputs("\r\x1b[K", stderr);
}
