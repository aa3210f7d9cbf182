/* SPDX-License-Identifier: MIT */
#include "cmd/help.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_WIDTH = 26 };

struct help help_begin(FILE *to)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    bool wanted = no_colour == NULL || no_colour[0] == 0;
    return (struct help){ to, wanted && term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(to)) };
}

void help_usage(const struct help *h, const char *line)
{
    fprintf(h->to, "%sUsage:%s %s\n", h->colour ? "\x1b[1m" : "", h->colour ? "\x1b[0m" : "", line);
}

void help_title(const struct help *h, const char *title)
{
    fprintf(h->to, "\n%s%s:%s\n", h->colour ? "\x1b[1m" : "", title, h->colour ? "\x1b[0m" : "");
}

void help_entry(const struct help *h, const char *name, const char *value, const char *what)
{
    int used = (int)(strlen(name) + (value[0] ? 1 + strlen(value) : 0));
    fprintf(h->to, "  %s%s%s%s%s%*s%s\n", h->colour ? "\x1b[36m" : "", name, h->colour ? "\x1b[0m" : "",
            value[0] ? " " : "", value, used < NAME_WIDTH ? NAME_WIDTH - used : 1, "", what);
}
