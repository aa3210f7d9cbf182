/* SPDX-License-Identifier: MIT */
/* Which proxy the environment names. */
#ifndef CLIENT_PROXY_ENV_H
#define CLIENT_PROXY_ENV_H

#include "http/url.h"

/*
 * The value of the variable that names the proxy for this URL, *name says which one; NULL: none does, no_proxy has the
 * URL's host, or the program runs with more rights than who started it. https_proxy or HTTPS_PROXY for wss, http_proxy
 * for ws, then all_proxy or ALL_PROXY; no_proxy or NO_PROXY is a list as in http/bypass.h. An empty one counts as
 * unset.
 */
const char *proxy_env(const struct http_url *url, const char **name);

#endif
