/* SPDX-License-Identifier: MIT */
/* The built-in pages of web/. */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

#include <duet/http.h>

/* The `http` of the route "/". "/" is index.html, and ".html" may be left out. */
void pages_http(duet_http *x, const duet_request *r);

#endif
