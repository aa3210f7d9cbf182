/* SPDX-License-Identifier: MIT */
/* Which path is whose, of the servers of `duet serve`. Their duet_server_arg() is the site. */
#ifndef CMD_ROUTES_H
#define CMD_ROUTES_H

#include "cmd/setup.h"
#include <duet/server.h>

enum { ROUTES_MOST = 32 };

/* Of the server of the site, as the setup wants it; ends with zeros. */
void routes_fill(const struct setup *s, duet_route routes[ROUTES_MOST]);

/* Of those with a listener of their own. */
extern const duet_route routes_admin[], routes_api[];

#endif
