/* SPDX-License-Identifier: MIT */
/* What a load came to, for people and for programs. */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

#include "cmd/load.h"
#include <stdbool.h>
#include <stdio.h>

struct outcome;

/* "echo" */
const char *report_mode(enum load_mode mode);
/* One line of what was asked for. */
void report_settings(char *out, size_t size, const struct load_plan *plan);
/* "1,234,567", which is `out`. */
const char *report_grouped(char out[32], uint64_t n);
/* "12.3 us": three digits. */
void report_duration(char out[16], uint64_t ns);

void report_table(FILE *to, const struct load_plan *plan, const struct outcome *o);
/* The object that duet-bench(1) documents. False: no memory. */
bool report_json(FILE *to, const struct load_plan *plan, const struct outcome *o);

#endif
