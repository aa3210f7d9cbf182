/* SPDX-License-Identifier: MIT */
/*
 * The hub as its own files see it.
 *
 * Locks, in the order in which they are taken: a channel's, then the hub's `lock` (names and references) or its
 * `session_lock`, then whatever duet_publish() takes. A channel is good while one holds a reference; subscriptions and
 * waiting calls hold one each.
 *
 *              first use, with an engine          loaded
 *     NEW ------------------------------> LOADING -------> READY
 *      |                                     | failed: who waited gets error 100
 *      |         without one                 v
 *      +-----------> READY                  NEW
 */
#ifndef HUB_CORE_H
#define HUB_CORE_H

#include "base/map.h"
#include "hub/bucket.h"
#include "hub/hub.h"
#include "hub/retries.h"
#include "hub/names.h"
#include "hub/session.h"
#include <pthread.h>
#include <stdatomic.h>

enum { CORE_TOPIC = 24 }; /* room for a topic's name */

/* Something that is to be called on the loop of a connection or request, for sure: the first member of what it needs.
 */
struct posting {
    struct posting *next;
    duet_server *server;
    uint64_t id;
    void (*run)(duet_server *s, uint64_t id, void *posting); /* frees it */
};

/* Options that hold no more. */
struct options_list {
    struct options_list *next;
    struct hub_options *options;
};

struct hub {
    struct hub_config config;
    struct hub_options *namespaces;        /* as they were at the start, which the names lead to */
    _Atomic(struct hub_options *) options; /* as they are now, in the same order */
    struct options_list *replaced;         /* those that were before, for who still looks at them; under the lock */
    struct hub_names *names;               /* of them */
    struct hub_form forms[HUB_FORMS];
    unsigned form_count;
    duet_server *servers[HUB_SERVERS];
    atomic_uint sessions_on[HUB_SERVERS]; /* what a server without any is told, nobody there hears */
    unsigned server_count;
    atomic_uint tracers; /* trace.c */
    struct tracing *tracing;
    struct hub_options operators_options;
    struct channel *operators;   /* not among `channels` */
    uint64_t wall_ms, steady_ms; /* both clocks when the hub began */
    uint64_t began_ms;
    char node[SESSION_CLIENT + 1];

    pthread_mutex_t lock;
    struct map channels;      /* by name */
    struct channel *newest;   /* of all */
    struct channel *cursor;   /* where hub_tick() goes on */
    struct channel *surveyed; /* where hub_survey() does */
    uint64_t serials;

    struct posting *unposted; /* for which there was no memory yet; under the lock */

    pthread_mutex_t session_lock;
    struct map users; /* by name, with their sessions */

    atomic_ullong channel_count, session_count, subscriptions, history_bytes, publications, recovered, unrecovered,
        refused, numbers; /* numbers: given to subscriptions so far */
};

enum channel_state { CHANNEL_NEW, CHANNEL_LOADING, CHANNEL_READY };

/* Something that waits for a channel to be loaded. */
struct waiter {
    struct waiter *next;
    /* With the channel's lock held, and a reference beside the waiter's; on an engine's thread. Takes the waiter. */
    void (*loaded)(struct channel *c, struct waiter *w, int error);
};

struct channel {
    struct hub *hub;
    size_t space;    /* its namespace, a place among the hub's options */
    uint64_t serial; /* never reused: topics are named by it */

    unsigned refs; /* this and the next lines under the hub's lock */
    struct channel *older, *newer;
    uint64_t seen, seen_ms; /* `published` at the last hub_survey(), and when that was */

    pthread_mutex_t lock; /* of all that follows */
    struct waiter *waiting, **waiting_last;
    struct stream stream;
    uint64_t assigned; /* the last offset that was given to the engine */
    struct retries retries;
    uint64_t version;         /* of what was published last with one */
    char *version_epoch;      /* NULL: none was */
    struct flight *versioned; /* the newest version that is on its way to the disk; NULL: none is */
    struct subscription **subs;
    uint32_t sub_count, sub_cap;
    uint32_t members[HUB_FORMS]; /* subscribed by the form's topic */
    uint32_t tellers[HUB_FORMS]; /* ... and told who comes and goes */
    uint32_t directs;
    unsigned lost; /* forms whose members missed something and are to leave */
    uint64_t used_ms;
    uint64_t published; /* so far; hub_survey() reads it without the lock */

    uint8_t state; /* enum channel_state */
    uint8_t name_len;
    char name[];
};

struct subscription {
    struct session *session;
    struct channel *channel;
    uint64_t number; /* never reused */
    uint64_t tag, expire_at_ms, renewal_ms;
    char *info; /* JSON of the client here, when it differs from the session's */
    uint32_t info_len;
    uint32_t at; /* its place in the channel's subs */
    uint8_t form;
    bool direct, tells, server_side, unseen, unheard;
};

struct session {
    struct hub *hub;
    const struct session_calls *calls;
    duet_server *server;
    uint64_t id;
    void *owner;
    char *info; /* JSON */
    uint32_t info_len, user_len;
    char *user;
    struct subscription **subs;
    uint32_t sub_count, sub_cap;
    struct session *next, **link; /* of the same user, under session_lock */
    struct bucket publishing;
    bool listed; /* among its user's */
    char client[SESSION_CLIENT + 1];
};

/* hub.c */
/* With a reference; NULL and why in `*error`. */
struct channel *hub_channel(struct hub *h, const char *name, size_t len, enum hub_error *error);
/* The same, if it is in memory: an engine may know more. */
struct channel *hub_channel_known(struct hub *h, const char *name, size_t len);
struct channel *hub_ref(struct channel *c);
void hub_release(struct channel *c); /* not with its lock held */
int hub_uuid(struct hub *h, char out[SESSION_CLIENT + 1]);
/* A random word that nobody takes for a number. 0 or a negative error. */
int hub_epoch(struct hub *h, char out[STREAM_EPOCH + 1]);

/* Takes it; any thread. Without memory to post it, the next ticks try again, and hub_stop() is the last. */
void hub_post(struct hub *h, struct posting *p);

/* What holds for it now; good as long as the hub. */
static inline const struct hub_options *channel_options(const struct channel *c)
{
    if (c->name_len == 0)
        return &c->hub->operators_options;
    return atomic_load_explicit(&c->hub->options, memory_order_acquire) + c->space;
}

/* channel.c: all with the channel's lock held */
enum channel_use { CHANNEL_USE, CHANNEL_WAIT, CHANNEL_FAIL };
/* Whether it can be used now; WAIT: `w` is taken, and told when it is loaded; FAIL: there is no memory. Without `w`
 * nothing waits. */
enum channel_use channel_use(struct channel *c, struct waiter *w);
bool channel_keeps(const struct channel *c);   /* it has a stream */
bool channel_streams(const struct channel *c); /* clients may hold positions in it */
/* Sets how many are subscribed; hub_each_channel() reads it without the lock. */
static inline void channel_count(struct channel *c, uint32_t n)
{
    __atomic_store_n(&c->sub_count, n, __ATOMIC_RELAXED);
}
/* Topics of a form: publications; who comes and goes. */
void channel_topic(const struct channel *c, unsigned form, bool presence, char out[CORE_TOPIC]);
/* To all who are subscribed. */
void channel_tell(struct channel *c, struct publication *p);
void channel_tell_presence(struct channel *c, const struct subscription *sub, bool joined);
/* To who is told of events, if the namespace does that; `sub` is whose event it is, NULL: the channel's own. */
void channel_tell_event(struct channel *c, enum hub_event_kind kind, const struct subscription *sub);
/* Whether it can be forgotten: nobody needs anything of it. */
bool channel_idle(struct channel *c, uint64_t now_ms);
void channel_expire(struct channel *c, uint64_t now_ms);
void channel_free(struct channel *c);
/* The stream has grown: the hub's budget for history is kept by dropping this channel's oldest. */
void channel_account(struct channel *c, size_t bytes_before);
/* Of what was published last with one. Takes `epoch`. */
void channel_set_version(struct channel *c, uint64_t version, char *epoch);

/* trace.c. `run` is 0 for what nobody follows: most of all that is published, so that is what the branch expects. */
int tracing_new(struct tracing **out);
void tracing_free(struct tracing *t); /* NULL is fine */
uint32_t trace_came(struct hub *h, const char *channel, size_t len, const char *way,
                    const struct publication_parts *parts); /* its run */
struct trace_step;
void trace_note(const struct channel *c, const struct trace_step *step);
void trace_refused(struct hub *h, const char *channel, size_t len, uint32_t run, int error);
void trace_told(struct channel *c, const struct publication *p); /* with the lock held, when it has been told */

static inline bool trace_wanted(struct hub *h)
{
    return __builtin_expect(atomic_load_explicit(&h->tracers, memory_order_relaxed) > 0, 0);
}

static inline bool trace_follows(const struct publication *p)
{
    return __builtin_expect(p->run != 0, 0);
}

/* session.c: ends the subscription with this number, on the session's loop, if it still is; any thread. */
void session_end_later(const struct subscription *sub, int code);
/* Gives a publication to a direct one, on its loop. */
void session_give_later(const struct subscription *sub, struct publication *p);
void session_give_presence_later(const struct subscription *sub, bool joined, const char *info, size_t len);

#endif
