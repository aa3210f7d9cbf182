/* SPDX-License-Identifier: MIT */
/* The parameters of a query, also those that come more than once. */
#ifndef WIRE_QUERY_H
#define WIRE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/* The next `key=value` behind `*at` (begin with the query; NULL is fine), decoded (application/x-www-form-urlencoded)
 * into `out` with a zero byte, which a value may also hold. Its length, or -1: there is none; -2: it does not fit. */
long query_next(const char **at, const char *key, char *out, size_t cap);

#endif
