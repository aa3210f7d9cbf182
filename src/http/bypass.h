/* SPDX-License-Identifier: MIT */
/* The list of hosts that are reached without a proxy, as the environment variable no_proxy has it. */
#ifndef HTTP_BYPASS_H
#define HTTP_BYPASS_H

#include "http/field.h"
#include <stdint.h>

/*
 * Whether the list holds this host (a name, or an address as text without brackets) and port. Elements stand between
 * commas or white space:
 *
 *   example.com, .example.com        the name and all names below it; any case
 *   192.0.2.1, 2001:db8::1, [::1]    the address, however it is written
 *   10.0.0.0/8, fd00::/8             addresses; bits behind the prefix do not count
 *   *                                every host
 *
 * A name, an address in brackets or an IPv4 address with ":port" behind it holds for this port alone. Names are not
 * looked up. What is malformed holds nothing.
 */
bool http_bypass_holds(struct http_text list, struct http_text host, uint16_t port);

#endif
