/* SPDX-License-Identifier: MIT */
/* Entity tags in conditions (RFC 9110 8.8.3, 13.1): If-None-Match, If-Match, If-Range. */
#ifndef HTTP_ETAG_H
#define HTTP_ETAG_H

#include <stdbool.h>

#include "http/head.h"

enum http_etag_comparison {
    HTTP_ETAG_WEAK,  /* If-None-Match: W/"a" and "a" are the same */
    HTTP_ETAG_STRONG /* If-Match, If-Range: a weak tag equals nothing */
};

/*
 * Whether the lines of the field `name` (lower case) hold `etag` (terminated, with its quotes: "\"a\"" or "W/\"a\"")
 * or are "*". Reading a line stops at the first thing that is no entity tag.
 */
bool http_etag_listed(const struct http_head *head, const char *data, const char *name, const char *etag,
                      enum http_etag_comparison how);

#endif
