/* SPDX-License-Identifier: MIT */
/*
 * The chunked transfer coding (RFC 9112 7.1), taken apart as it comes. Nothing is allocated; chunk extensions and
 * trailers are bounded and dropped (HTTP-10).
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stdint.h>

#include "http/field.h"

enum {
    HTTP_CHUNK_LINE_MOST = 64,       /* bytes of a chunk's first line, without its CRLF */
    HTTP_CHUNK_TRAILERS_MOST = 4096, /* bytes of all trailer lines with their CRLF */

    HTTP_CHUNK_MORE = 0, /* `in` is used up */
    HTTP_CHUNK_DATA = 1, /* `data` is a piece of the body, never empty, borrowed from `in` */
    HTTP_CHUNK_END = 2   /* the body is complete; `in` begins with what follows */
};

struct http_chunk { /* zeroed is ready for a new body */
    uint8_t state;
    uint8_t line_len;
    uint16_t trailers; /* bytes of them so far */
    uint64_t left;     /* of this chunk's data */
    const char *error; /* why it was refused, a constant sentence; it stays refused */
    char line[HTTP_CHUNK_LINE_MOST];
};

/* Reads from the front of `in` and moves it past what was used. Returns one of the results above, or -400. */
int http_chunk_next(struct http_chunk *c, struct http_text *in, struct http_text *data);

#endif
