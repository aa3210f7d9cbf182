/* SPDX-License-Identifier: MIT */
/* The built-in pages of web/. */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

#include "base/buf.h"
#include "cmd/web.h"
#include <duet/http.h>

/* The configuration of `duet serve --demo`, which its pages show. */
#define PAGES_DEMO_CONFIG "/apps/demo.yaml"

/* NULL: nothing has just this path. */
const struct web_file *pages_file(const char *path);

/* The applications there are, as an array of JSON: the folders of web/apps/ with a page. */
void pages_put_apps(struct buf *b);

/* The `http` of the route "/". A folder's page is its index.html, and ".html" may be left out. */
void pages_http(duet_http *x, const duet_request *r);

/* The operators' page and its files, of web/admin/; what is not there is taken from web/. `prefix` bytes of the path
 * are where they stand. */
void pages_admin(duet_http *x, const duet_request *r, size_t prefix);

#endif
