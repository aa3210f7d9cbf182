/* SPDX-License-Identifier: MIT */
/* The command line that the measured examples share:
 * [--threads N] [--tls-cert F --tls-key F] [--deflate | --keep-window] URL */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills `config` in. Returns 0, or 2 after a line of help. The TLS object lives as long as the program. */
static int read_options(int argc, char **argv, duet_server_config *config)
{
    const char *cert = NULL, *key = NULL;
    char why[200];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            config->threads = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--tls-cert") == 0 && i + 1 < argc)
            cert = argv[++i];
        else if (strcmp(argv[i], "--tls-key") == 0 && i + 1 < argc)
            key = argv[++i];
        else if (strcmp(argv[i], "--deflate") == 0)
            config->deflate.on = true;
        else if (strcmp(argv[i], "--keep-window") == 0)
            config->deflate = (duet_deflate){ .on = true, .keep_window = true };
        else
            config->listen = argv[i];
    }
    if (config->listen == NULL || config->listen[0] == '-') {
        fprintf(stderr, "Usage: %s [--threads N] [--tls-cert F --tls-key F] [--deflate | --keep-window] URL\n",
                argv[0]);
        return 2;
    }
    if (cert != NULL && key != NULL && duet_tls_new(&config->tls, &cert, &key, 1, why) < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], why);
        return 2;
    }
    return 0;
}

#endif
