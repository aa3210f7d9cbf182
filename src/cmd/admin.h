/* SPDX-License-Identifier: MIT */
/*
 * Whom operators' paths answer (HUB-18): who shows the token, where there is one, in `Authorization: Bearer TOKEN`;
 * without one everybody who reaches a listener of their own, and else programs on this machine.
 */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include <duet/duet.h>
#include <stdbool.h>

struct admin_door {
    const char *token; /* NULL: there is none */
    bool own_listener; /* of --admin-listen */
};

/* False: it was answered, with 401 or 403. */
bool admin_may(const struct admin_door *door, duet_http *x, const duet_request *r);

#endif
