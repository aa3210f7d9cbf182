/* SPDX-License-Identifier: MIT */
/*
 * The path of a request target as it is matched: decoded once, dot segments and empty segments removed (HTTP-15).
 */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <stddef.h>

#include "http/field.h"

/*
 * Decodes the path at the front of `target` (up to "?" or the end; empty stands for "/") into `out`, terminated.
 * `out` may be `target` itself. Decoding comes first, so that %2e%2e%2f climbs no better than ../ does: to the root and
 * no further. "//" becomes "/", so that no result names another host when it is written into a Location.
 *
 * Returns the length; -400 when it does not begin with "/", holds a bad % sequence, a zero byte or a raw byte
 * from 0x80 on; -414 when `cap` is too small (len + 2 is always enough). The result may hold any other byte.
 */
int http_path_decode(const char *target, size_t len, char *out, size_t cap);

/* What stands behind the first "?"; `at` is NULL when there is none. Not decoded. */
struct http_text http_path_query(const char *target, size_t len);

#endif
