/* SPDX-License-Identifier: MIT */
/* What a load came to, for people and for programs; and a line of how it goes meanwhile. */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include "cmd/load.h"
#include <stdio.h>

struct outcome;

/* On standard error, when that is a terminal. */
struct progress {
    bool on;
    uint64_t at_ns, done; /* of the last line */
};

void progress_init(struct progress *p);
bool progress_due(const struct progress *p, uint64_t now, uint64_t each_ns);
void progress_show(struct progress *p, const struct load_plan *plan, const struct load_shared *shared, uint64_t opened,
                   uint64_t done, uint64_t now);
void progress_clear(const struct progress *p);

/* "echo" */
const char *report_mode(enum load_mode mode);
/* One line of what was asked for. */
void report_settings(char *out, size_t size, const struct load_plan *plan);
/* "12.3 us": three digits. */
void report_duration(char out[16], uint64_t ns);

void report_table(FILE *to, const struct load_plan *plan, const struct outcome *o);
/* The object that duet-bench(1) documents. False: no memory. */
bool report_json(FILE *to, const struct load_plan *plan, const struct outcome *o);

#endif
