/* SPDX-License-Identifier: MIT */
/* Those methods of the API that are about clients: whose user is `user`, all of them or the one that `client` (a UUID)
 * or `session` (of emulation) names. */
#ifndef WIRE_API_CLIENTS_H
#define WIRE_API_CLIENTS_H

#include "base/jsonread.h"
#include "hub/hub.h"

/* HUB_OK or an error; clients are told soon after it. */
enum hub_error api_subscribe(struct hub *h, struct json_slice params);
enum hub_error api_unsubscribe(struct hub *h, struct json_slice params);
enum hub_error api_disconnect(struct hub *h, struct json_slice params);
enum hub_error api_refresh(struct hub *h, struct json_slice params);

#endif
