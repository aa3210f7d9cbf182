/* SPDX-License-Identifier: MIT */
/* The command line of `duet serve`. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { OPTIONS_WHY = 200 };

enum options_log { OPTIONS_LOG_BY_TTY, OPTIONS_LOG_JSON, OPTIONS_LOG_HUMAN };

/* The strings are the arguments' own. */
struct options {
    const char **listen, **origins, **proxies, **certs, **keys; /* each ends with NULL */
    size_t pairs; /* of certificates and keys */
    const char *root, *admin; /* NULL: none */
    unsigned threads; /* 0: not said */
    bool proxy_protocol, help;
    enum options_log log;
};

/* 0; or a negative error, and then one line of what is wrong and what to do in `why`. Either way options_fini(). */
int options_parse(struct options *o, int argc, char **argv, char why[OPTIONS_WHY]);
void options_fini(struct options *o);
void options_help(void); /* to standard output */

#endif
