/* SPDX-License-Identifier: MIT */
/*
 * The doors of the hub: by which keys and rules tokens are judged, for all ways in. They can be changed while it serves
 * (SIGHUP): a token is judged by the old ones or the new ones, as a whole.
 */
#ifndef HUB_DOORS_H
#define HUB_DOORS_H

#include "hub/config.h"
#include "hub/token.h"

struct hub_doors;

/* 0 or DUET_ERR_NOMEM. No token is good until hub_doors_set(). */
int hub_doors_new(struct hub_doors **out);
void hub_doors_free(struct hub_doors *doors); /* NULL is fine */

/* Loads the keys that the configuration names and has them and its rules from now on. 0; or a negative error, the doors
 * are then as they were, and one line of what is wrong is in `why`. Any thread. */
int hub_doors_set(struct hub_doors *doors, const struct config *config, char why[HUB_KEYS_WHY]);

/* As hub_token_connection() and hub_token_subscription(). Any thread. */
int hub_doors_connection(struct hub_doors *doors, const char *token, size_t len, uint64_t now_ms,
                         struct hub_claims *out);
int hub_doors_subscription(struct hub_doors *doors, const char *token, size_t len, uint64_t now_ms,
                           const struct hub_subscriber *who, struct hub_claims *out);

#endif
