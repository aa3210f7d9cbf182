/* SPDX-License-Identifier: MIT */
/* The configuration in the environment: DUET_LISTEN, DUET_TOKENS_ISSUER. */
#ifndef HUB_CONFENV_H
#define HUB_CONFENV_H

#include "hub/config.h"

/*
 * Puts what the variables say over what `c` has. 0; or a negative error, and then "VARIABLE: what is expected" in
 * `why`. A variable that begins like a section or is nearly a section's key, but none, is refused: else whoever
 * misspelt it would go without what he asked for. One that is nearly another key may be another program's: `doubt` of
 * `c` tells of the first.
 */
int confenv_read(struct config *c, char *const *env, char why[CONFIG_WHY]);

#endif
