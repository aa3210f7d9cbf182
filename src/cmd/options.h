/* SPDX-License-Identifier: MIT */
/* The command line of `duet serve`. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "cmd/cmdline.h"
#include "hub/config.h"

/* The strings are the arguments' own. */
struct options {
    const char **listen, **origins, **proxies, **certs, **keys; /* each ends with NULL */
    size_t pairs;                                               /* of certificates and keys */
    const char *root, *admin, *api;                             /* NULL: none */
    long threads;                                               /* 0: not said */
    int log, deflate, durability;                               /* which of the words of each, from 1; 0: not said */
    const char *data;                                           /* the folder of the store; NULL: none */
    const char *config, *api_key_file;                          /* NULL: none */
    bool proxy_protocol, check, production, demo, help;
};

/* 0; or a negative error, and then one line of what is wrong and what to do in `why`. Either way options_fini(). */
int options_parse(struct options *o, int argc, char **argv, char why[CMDLINE_WHY]);
void options_fini(struct options *o);
/* The option that this text came by ("--root"); NULL: by none. */
const char *options_whose(const struct options *o, const char *text);

/* What of this is said of keys of the configuration: all but certificates, of which there are lists of pairs. Borrowed
 * from `o` and `out`. */
enum { OPTIONS_WORDS = 16 };
struct options_words {
    struct config_word words[OPTIONS_WORDS];
    char threads[24];
    /* Its own. */
    size_t count;
};
void options_words(const struct options *o, struct options_words *out);

void options_help(void); /* to standard output */

#endif
