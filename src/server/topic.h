/* SPDX-License-Identifier: MIT */
/*
 * Topics of one loop: which of its connections get what is published under a name.
 *
 * A topic keeps its members in a compact array, each with the number of the next publication it is due, and a log of
 * publications not yet given to all. Publishing only appends to the log; at the end of the turn each member gets all
 * that is pending at once, so that it leaves in one write, and its memory is touched once. A member that is sent
 * something else before gets its pending publications first (catch_up), so that order holds for each connection.
 *
 * Across threads: a publication is put into the inbox of each other loop, all under one lock, so that every loop sees
 * one order; and a loop drains its inbox before it appends a publication of its own, before a member joins or leaves,
 * and before it is sent something else. So publishes that happen one after another reach every member on every loop in
 * that order, and a member gets what was published while it was one. With one loop, and no publisher elsewhere, no lock
 * is taken.
 *
 * A member that is sending a message in parts gets what is published meanwhile behind its last part; where that would
 * keep more than 1 MiB, it counts as too slow.
 *
 * A long fan-out is cut: after 500 us the rest of the members goes on in the next turn, other connections being served
 * between; order within a topic holds, since each member keeps its own place. When a log holds more than 1 MiB, it is
 * delivered to its end at once.
 */
#ifndef SERVER_TOPIC_H
#define SERVER_TOPIC_H

#include "base/map.h"
#include "net/loop.h"
#include <duet/server.h>
#include <pthread.h>

struct server_loop;
struct topic;

enum { TOPIC_NAME_MOST = 255, TOPIC_SLICE_US = 500, TOPIC_LOG_MOST = 1024 * 1024 };

struct topics {
    struct server_loop *loop;
    struct map names;      /* to struct topic */
    struct topic *pending; /* topics with news, in the order they got them */
    struct topic **pending_last;
    struct task deliver;                     /* at the end of the turn */
    unsigned behind;                         /* topics whose log holds anything */
    pthread_mutex_t lock;                    /* in use: the first loop's, for the inboxes of all */
    struct publication *inbox, **inbox_last; /* under `lock` */
    bool news;                               /* whether anything is in it; written under `lock`, atomic */
    bool posted;                             /* under `lock`: a call to drain the inbox is on its way */
    bool listening;                          /* under `lock` */
    uint64_t count, subscriptions;
    uint64_t published; /* of the whole server, in its first loop; atomic */
};

int topics_init(struct topics *t, struct server_loop *loop, const uint64_t key[2]);
void topics_fini(struct topics *t);
/* Whether its loop is there to be told of what other threads publish; it has no members otherwise. */
void topics_listen(struct topics *t, bool listening);

/* Membership of a connection (in its WebSocket phase or as a streamed response). Results as duet_subscribe(). */
int topic_join(duet_conn *c, const char *name, size_t len);
int topic_leave(duet_conn *c, const char *name, size_t len);
void topic_leave_all(duet_conn *c); /* when it is gone; also frees c->topic */
/* Gives `c` what is pending for it (conn_host.catch_up). */
void topic_catch_up(duet_conn *c);

/* To all loops of the server; any thread. `except` is an id, or 0. Takes a reference of its own. */
int topic_publish(duet_server *s, const char *name, size_t len, duet_shared *message, uint64_t except);

#endif
