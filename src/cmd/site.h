/* SPDX-License-Identifier: MIT */
/* What `duet serve` consists of, for the files that put it together. */
#ifndef CMD_SITE_H
#define CMD_SITE_H

#include "cmd/activation.h"
#include "cmd/notify.h"
#include "cmd/routes.h"
#include "cmd/setup.h"
#include "wire/wire.h"
#include <duet/loop.h>
#include <duet/server.h>
#include <duet/tls.h>

struct backends;
struct console;
struct demo;
struct journal;
struct ticks;

/* The duet_server_arg() of all its servers. Set before they run. */
struct site {
    struct wire_site wires; /* first */
    struct options given;   /* the command line */
    struct setup setup;     /* of that, and of the configuration */
    struct options options; /* the setup's, with the sockets that were passed for their names */
    char *why;              /* SETUP_WHY bytes, where site_complain_at() puts its line; NULL: it prints it */
    struct activation sockets;
    struct notify manager;
    struct journal *journal;
    struct demo *demo;
    struct console *console;
    struct ticks *ticks;
    struct backends *backends; /* NULL without --demo, or where they could not reach the server */
    duet_tls *tls;
    duet_server *server, *admin, *api; /* NULL without --admin-listen, without --api-listen */
    duet_route routes[ROUTES_MOST];    /* of the server */
    duet_loop *loop;                   /* the main thread's, as all below */
    duet_watch *signal_watch, *ended_watch;
    duet_timer *beat; /* once a second */
    uint64_t beats;
    int signal_fd, ended_fd; /* ended_fd: the server's run is over */
    int stops;               /* SIGTERM and SIGINT so far */
    int result;              /* of the server's run */
};

struct site *site_of(duet_server *s);

/* Where it listens; ends with NULL. */
const char *const *site_urls(const struct site *site);

/* Prints a line; 1, the exit code. */
int site_complain(const char *what);
/* The same of a text of the options or a field of the configuration, with where it was said; or keeps it in `why`. */
int site_complain_at(const struct site *site, const void *of, const char *what);

/* The log. Any thread. */
void site_log(void *site, const duet_log_event *event);
void site_say(struct site *site, duet_log_level level, const char *event, const char *detail);

#endif
