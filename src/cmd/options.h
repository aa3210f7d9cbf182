/* SPDX-License-Identifier: MIT */
/* The command line of `duet serve`. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "cmd/cmdline.h"

enum options_log { OPTIONS_LOG_BY_TTY, OPTIONS_LOG_JSON, OPTIONS_LOG_HUMAN };
enum options_durability { OPTIONS_DURABILITY_NOT_SAID, OPTIONS_FSYNC, OPTIONS_BATCH, OPTIONS_MEMORY };
enum options_deflate { OPTIONS_DEFLATE_NOT_SAID, OPTIONS_DEFLATE_ON, OPTIONS_DEFLATE_OFF };

/* The strings are the arguments' own. */
struct options {
    const char **listen, **origins, **proxies, **certs, **keys; /* each ends with NULL */
    size_t pairs; /* of certificates and keys */
    const char *root, *admin, *api; /* NULL: none */
    long threads; /* 0: not said */
    int log; /* enum options_log */
    int deflate; /* enum options_deflate */
    const char *data; /* the folder of the store; NULL: none */
    int durability; /* enum options_durability */
    const char *config, *api_key_file; /* NULL: none */
    bool proxy_protocol, check, production, demo, help;
};

/* 0; or a negative error, and then one line of what is wrong and what to do in `why`. Either way options_fini(). */
int options_parse(struct options *o, int argc, char **argv, char why[CMDLINE_WHY]);
void options_fini(struct options *o);
/* The option that this text came by ("--root"); NULL: by none. */
const char *options_whose(const struct options *o, const char *text);
void options_help(void); /* to standard output */

#endif
