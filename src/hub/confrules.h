/* SPDX-License-Identifier: MIT */
/* What of the configuration goes together. */
#ifndef HUB_CONFRULES_H
#define HUB_CONFRULES_H

#include "hub/config.h"

/* 0; or DUET_ERR_INVALID, and then "FILE:LINE: what does not go together, and what to do" in `why`; or DUET_ERR_NOMEM.
 */
int confrules_check(const struct config *c, const char *file, char why[CONFIG_WHY]);

#endif
