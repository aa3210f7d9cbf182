/* SPDX-License-Identifier: MIT */
/* A field of an HTTP head, as an application gives it. */
#ifndef DUET_HEADER_H
#define DUET_HEADER_H

typedef struct duet_header {
    const char *name, *value;
} duet_header;

#endif
