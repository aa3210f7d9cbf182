/* SPDX-License-Identifier: MIT */
/*
 * The pages of web/, compiled into the program. tools/embed.c writes the table at build time.
 */
#ifndef CMD_WEB_H
#define CMD_WEB_H

#include <stddef.h>

struct web_file {
    const char *path; /* "/compare.html": where it lay below web/, with a slash in front */
    const char *type; /* for Content-Type */
    const char *etag; /* with its quotes; changes with the content */
    const unsigned char *data;
    size_t len;
};

/* In the order of strcmp() over `path`. */
extern const struct web_file web_files[];
extern const size_t web_files_count;

#endif
