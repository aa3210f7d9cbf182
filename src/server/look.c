/* SPDX-License-Identifier: MIT */
/* All connections of a loop, some at a time: for who wants to know what there is. */
#include "server/server.h"

unsigned duet_look(duet_server *s, unsigned from, unsigned most, void (*each)(const duet_conn *c, void *arg), void *arg)
{
    const struct server_loop *l = server_current(s);
    uint32_t end = l ? server_slots(l) : 0, at = from;
    for (; at < end && at - from < most; at++) {
        const duet_conn *c = server_slot(l, at);
        if (c != NULL && c->opened && c->state == CONN_ACTIVE)
            each(c, arg);
    }
    return at < end ? at : 0;
}
