/* SPDX-License-Identifier: MIT */
/* The Range field (RFC 9110 14): one range of bytes, or the whole. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What a Range field's value asks of a resource of `size` bytes. Returns 1 with the bytes [*first, *last] to send
 * (206); 0 when the whole is to be sent (200): another unit, several ranges, a malformed value; -416 when the one
 * range begins behind the end.
 */
int http_range_parse(const char *s, size_t len, uint64_t size, uint64_t *first, uint64_t *last);

#endif
