/* SPDX-License-Identifier: MIT */
/* Pages of --help: aligned, and with colour only on a terminal that has it. */
#ifndef CMD_HELP_H
#define CMD_HELP_H

#include <stdbool.h>
#include <stdio.h>

struct help {
    FILE *to;
    bool colour;
};

struct help help_begin(FILE *to);
void help_usage(const struct help *h, const char *line);
void help_title(const struct help *h, const char *title);
/* `value` is what follows the name, or "". */
void help_entry(const struct help *h, const char *name, const char *value, const char *what);

#endif
