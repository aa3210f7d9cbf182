/* SPDX-License-Identifier: MIT */
/* One process of a load as its files see it: loader.c opens, turns and ends, messages.c and storm.c are the load. */
#ifndef CMD_LOADER_H
#define CMD_LOADER_H

#include "cmd/load.h"
#include "cmd/order.h"
#include "cmd/tool.h"

enum link_role { LINK_ECHO, LINK_SUBSCRIBER, LINK_SLOW, LINK_PUBLISHER, LINK_HELD, LINK_STORM };
enum link_state { LINK_NEW, LINK_OPENING, LINK_OPEN, LINK_GONE };

/* A connection. */
struct link {
    struct loader *loader;
    duet_client *client;
    duet_conn *conn;   /* while it is OPEN */
    uint32_t number;   /* among all of its role in all processes */
    uint8_t role, state;
    uint64_t began_ns; /* when it was to be opened */
    uint64_t due, sent; /* messages: what should have been sent, and what was */
};

struct loader {
    const struct load_plan *plan;
    struct load_shared *shared;
    struct load_tally *tally;
    unsigned index;
    struct tool tool;
    duet_loop *loop;
    duet_client_config config;
    struct payload payload;
    struct link *links;
    unsigned count, next, opening; /* links; the next one to open; those in the handshake */
    struct order *orders;          /* `streams` for each link */
    unsigned streams;
    uint64_t *times;               /* closed echo loop: `in_flight` for each link */
    struct link *senders;          /* the first of `sender_count` links that send */
    unsigned sender_count;
    uint64_t sender_total;         /* in all processes */
    uint64_t start_ns, from_ns, until_ns; /* from start_ns on; until_ns may come nearer */
    double period_ns;              /* between two messages of all processes; 0: closed loop */
    uint64_t round;                /* with a rate: the next message is number `round` of sender `turn` */
    unsigned turn;
    uint64_t turns;
    const struct link *heard;      /* whose message came last, in turn `heard_turn`: at `heard_ns` */
    uint64_t heard_turn, heard_ns;
    uint64_t moved_ns, moved;      /* fan-out without a rate: when progress was last seen */
    duet_timer *tick;              /* due in each turn while there is something to time */
    duet_client_group *group;      /* of all its connections */
    unsigned *idle_slots, idle_count; /* storm.c */
    uint64_t storm_begun;
    bool leaving;                  /* what ends now is no loss */
};

/* A process's whole life. Its exit code. */
int loader_run(const struct load_plan *plan, struct load_shared *shared, unsigned index, const struct args *args);

/* loader.c */
/* Connects; what goes wrong at once is counted. */
void link_begin(struct link *l, uint64_t due_ns);
/* Keeps the first of them. */
__attribute__((format(printf, 2, 3))) void loader_trouble(struct loader *me, const char *format, ...);
/* Has `tick` called in the next turn. */
void loader_tick(struct loader *me);

static inline bool loader_measures(const struct loader *me, uint64_t ns)
{
    return ns >= me->from_ns && ns < me->until_ns;
}

/* messages.c */
void messages_begin(struct loader *me);
void messages_tick(struct loader *me);
void messages_received(struct link *l, const duet_msg *m);
void messages_drained(struct link *l);
void messages_gone(struct link *l); /* before the end */
void messages_last(struct loader *me); /* nothing more is due */
bool messages_outstanding(struct loader *me);
void messages_count(struct loader *me); /* what is missing, at the end */
uint64_t messages_next(const struct loader *me); /* when the next one is due; UINT64_MAX: nobody knows */

/* storm.c */
int storm_init(struct loader *me);
void storm_tick(struct loader *me);
void storm_opened(struct link *l);
void storm_gone(struct link *l);
bool storm_outstanding(const struct loader *me);
uint64_t storm_unbegun(const struct loader *me); /* that were due, and found no slot */
uint64_t storm_next(const struct loader *me);

#endif
