/* SPDX-License-Identifier: MIT */
/*
 * The topics of one connection. A single one, the commonest number, lies in the connection itself (its `topic` and
 * `topic_index`) and takes no memory; from the second on they are in a block of their own, until the last is gone.
 */
#ifndef SERVER_MEMBERSHIPS_H
#define SERVER_MEMBERSHIPS_H

#include <duet/conn.h>
#include <stddef.h>
#include <stdint.h>

struct topic;

struct membership {
    struct topic *topic;
    uint32_t index; /* among the topic's members */
};

size_t memberships_count(const duet_conn *c);
struct membership memberships_at(const duet_conn *c, uint32_t i);
/* Where the connection keeps its index in this topic's members; NULL: it is none of them. */
uint32_t *memberships_place(duet_conn *c, const struct topic *t);

/* Room for one more: 0, or DUET_ERR_NOMEM and all is as it was. */
int memberships_grow(duet_conn *c);
void memberships_add(duet_conn *c, struct topic *t, uint32_t index); /* behind memberships_grow() */
/* Takes out number `i`, whose place the last one takes; frees what the last of all leaves. */
void memberships_drop(duet_conn *c, uint32_t i);

#endif
