/* SPDX-License-Identifier: MIT */
/* The built-in pages, from the program's own memory. */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

#include <duet/duet.h>

void pages_reply(duet_http *x, const duet_request *r);

#endif
