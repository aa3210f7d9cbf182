/* SPDX-License-Identifier: MIT */
/* The built-in pages of web/. */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

#include <duet/http.h>

/* The `http` of the route "/". "/" is index.html, and ".html" may be left out. */
void pages_http(duet_http *x, const duet_request *r);

/* The operators' page and its files, of web/admin/; what is not there is taken from web/. `prefix` bytes of the path
 * are where they stand. */
void pages_admin(duet_http *x, const duet_request *r, size_t prefix);

#endif
