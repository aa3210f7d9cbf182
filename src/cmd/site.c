/* SPDX-License-Identifier: MIT */
#include "cmd/site.h"
#include "cmd/console.h"
#include "cmd/demo.h"
#include "cmd/journal.h"
#include <stdio.h>

static const char *const default_urls[] = { "http://127.0.0.1:8080", NULL };

struct site *site_of(duet_server *s)
{
    return duet_server_arg(s);
}

const char *const *site_urls(const struct site *site)
{
    return site->options.listen[0] ? site->options.listen : default_urls;
}

struct demo *demo_of(duet_server *s)
{
    return site_of(s)->demo;
}

struct console *console_of(duet_server *s)
{
    return site_of(s)->console;
}

int site_complain(const char *what)
{
    fprintf(stderr, "duet serve: %s\n", what);
    return 1;
}

int site_complain_at(const struct site *site, const void *of, const char *what)
{
    char place[CONFIG_WHERE];
    setup_where(&site->setup, of, place);
    if (site->why != NULL)
        snprintf(site->why, SETUP_WHY, "%s%.150s", place, what);
    else
        fprintf(stderr, "duet serve: %s%s\n", place, what);
    return 1;
}

/* The log. */

void site_log(void *arg, const duet_log_event *event)
{
    struct site *site = arg;
    journal_put(site->journal, event);
}

void site_say(struct site *site, duet_log_level level, const char *event, const char *detail)
{
    journal_put(site->journal, &(duet_log_event){ .level = level, .event = event, .detail = detail });
}
