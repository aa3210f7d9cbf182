/* SPDX-License-Identifier: MIT */
/* The Accept-Encoding field (RFC 9110 12.5.3). */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

#include "http/head.h"

/*
 * How welcome a content coding ("br", "gzip", "identity"; lower case) is, from 0 (not acceptable) to 1000: by its own
 * element, or else by "*". Named by neither, or with no field at all, identity is 1 and the others 0: nobody is
 * sent a coding without having asked. A malformed element counts as absent; of equal ones the first counts.
 */
unsigned http_accept_encoding(const struct http_head *head, const char *data, const char *coding);

#endif
