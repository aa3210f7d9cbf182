/* SPDX-License-Identifier: MIT */
/*
 * Dates of HTTP (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale. The two obsolete forms are
 * not read: a condition that holds one is not met, which costs a transfer and nothing else.
 */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_DATE_LEN = 29 };

/* Writes a time in seconds since 1970, terminated. Times before 1970 or after 9999 become the nearest there is. */
void http_date_format(int64_t seconds, char out[HTTP_DATE_LEN + 1]);

/* False when it is not exactly such a date (its day of the week included) from 1970 on. */
bool http_date_parse(const char *s, size_t len, int64_t *seconds);

#endif
