/* SPDX-License-Identifier: MIT */
/*
 * The hub: channels that are made on first use, remember what was said in them, and tell it to whoever subscribed.
 *
 * It knows no protocol. A way in (src/wire) has a `form`: how a publication looks on its wire, encoded once for all who
 * get it that way; and a `session` for each of its connections, which subscribes. Publications reach subscribers
 * through the server's topics, so a channel has one order, the same for all, and who joins gets everything from there
 * on.
 *
 * Threads: the functions of a session are called on the loop of its connection; everything else by any thread. A
 * channel's lock is held while a publication gets its offset and is given to the topics, and while a subscriber is told
 * what it missed and joins: so nothing comes twice and nothing is missed between the two (HUB-1).
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "hub/codes.h"
#include "hub/engine.h"
#include "hub/names.h"
#include "hub/options.h"
#include <duet/duet.h>

struct hub;
struct channel;
struct session;

enum { HUB_FORMS = 16, HUB_SERVERS = 2 };

/* How a way in shows things. Each returns a new message, or NULL without memory. `epoch` is that of the stream. Called
 * with the channel's lock held, by any thread: no place to call the hub. */
struct hub_form {
    duet_shared *(*publication)(const char *channel, size_t len, const char *epoch, const struct publication *p);
    /* Somebody came or went; `info` is a client's JSON (session_info()). NULL: this way does not tell. */
    duet_shared *(*presence)(const char *channel, size_t len, bool joined, const char *info, size_t info_len);
};

/* What somebody outside may want to know of. A channel is occupied while anybody is subscribed; those two and `leave`
 * are told of channels with occupancy_hook alone. */
enum hub_event_kind { HUB_EVENT_DISCONNECT, HUB_EVENT_LEAVE, HUB_EVENT_OCCUPIED, HUB_EVENT_VACATED };

struct hub_event {
    enum hub_event_kind kind;
    const char *channel, *client, *user; /* borrowed; what it has nothing to say of has the length 0 */
    size_t channel_len, client_len, user_len;
    uint64_t time_ms;
};

struct hub_config {
    const struct hub_options *namespaces; /* copied, but for their strings, which are borrowed */
    size_t count;
    bool any_namespace; /* names of namespaces that do not exist have the options of the first */
    struct hub_limits limits;
    struct engine *engine; /* taken; NULL: streams live in memory alone, and a restart forgets them */
    /* Milliseconds since 1970 that never go back; NULL: the system's. */
    uint64_t (*clock)(void *arg);
    /* Unpredictable bytes; NULL: the system's. 0 or a negative error. */
    int (*random)(void *arg, void *to, size_t len);
    void *arg;
    /* Told of events in their order for each channel, by any thread, with locks held: no place to call the hub, nor to
     * wait. NULL: nobody is. */
    void (*tell)(void *tell_arg, const struct hub_event *e);
    void *tell_arg;
};

/* 0; or a negative error, and then one line of what is wrong in `why`. */
enum { HUB_WHY = 200 };
int hub_new(struct hub **out, const struct hub_config *config, char why[HUB_WHY]);
/* Once no server turns any more, and before they are freed: what is on its way to the engine is kept, and the engine
 * ends. NULL is fine. */
void hub_stop(struct hub *h);
/* After the servers were freed, since sessions end with their connections. NULL is fine. */
void hub_free(struct hub *h);
/* Before a server runs. The number of the form. */
int hub_add_form(struct hub *h, const struct hub_form *form);
/* Sessions live on this server; before it runs. */
void hub_attach(struct hub *h, duet_server *s);
/* The operators' channel has no name, so that no client, token or backend can say it: only who passes the operators'
 * door is subscribed to it (session_subscribe.operators), and only this publishes in it. Any thread. */
void hub_tell_operators(struct hub *h, const char *json, size_t len);
unsigned hub_operators(const struct hub *h); /* how many listen */
/* Once a second, one thread at a time: what is too old is forgotten. */
void hub_tick(struct hub *h);
/*
 * Takes over the options of those namespaces that there are, found by name, at once for all that is done from now on;
 * but not their channel_regex, message_max and hooks, nor whether they keep a history at all. Everything is copied.
 * One thread at a time. 0 or DUET_ERR_NOMEM.
 */
int hub_reload(struct hub *h, const struct hub_options *namespaces, size_t count);
uint64_t hub_now(const struct hub *h);
const char *hub_node(const struct hub *h); /* a UUID of this run */
const struct hub_limits *hub_limits(const struct hub *h);
/* What an operator said of this channel; NULL: why it cannot be one in `*error`, BAD_REQUEST or UNKNOWN_CHANNEL. */
const struct hub_options *hub_options_of(const struct hub *h, const char *channel, size_t len, enum hub_error *error);
/* The same, with what the name says of itself; NULL: `name` says nothing. */
const struct hub_options *hub_judge(const struct hub *h, const char *channel, size_t len, struct hub_name *name,
                                    enum hub_error *error);
/* Unpredictable bytes, as configured. 0 or a negative error. Any thread. */
int hub_random(struct hub *h, void *to, size_t len);

/*
 * Where an answer goes: `done` is called once, on the calling thread before the function returns, or later on the loop
 * of the connection or request `id`, with whatever has become of that by then. NULL: no answer is wanted.
 */
struct hub_published {
    enum hub_error error;
    uint64_t offset; /* 0: the channel keeps no history */
    char epoch[STREAM_EPOCH + 1];
};

struct hub_reply {
    duet_server *server;
    uint64_t id, tag; /* tag: the caller's own */
    void (*done)(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *result);
};

struct hub_publish {
    const char *channel;
    size_t len;
    const char *way;                /* by which it came, for who follows it; NULL: the program's own */
    struct publication_parts parts; /* borrowed; time_ms is set by the hub */
    bool skip_history;
};

/* Publishes. JSON is checked and its newlines outside of strings taken out by the caller (content_take()). */
void hub_publish(struct hub *h, const struct hub_publish *what, const struct hub_reply *to);

/* A page of history or a channel's position. Publications are borrowed for the call. */
struct hub_page {
    enum hub_error error;
    char epoch[STREAM_EPOCH + 1];
    uint64_t top;
    struct publication *const *publications;
    uint32_t count;
};

struct hub_history {
    const char *channel;
    size_t len;
    int64_t limit; /* 0: the position alone; negative: as many as there may be */
    bool has_since, reverse;
    struct stream_position since;
};

struct hub_pager {
    duet_server *server;
    uint64_t id, tag;
    void (*done)(duet_server *s, uint64_t id, uint64_t tag, const struct hub_page *page);
};
void hub_read_history(struct hub *h, const struct hub_history *what, const struct hub_pager *to);
/* Drops what a channel keeps; epoch and top stay. */
void hub_remove_history(struct hub *h, const char *channel, size_t len);

/* Who is there and may be seen: calls `each` (unless it is NULL) with the client's JSON, all under the channel's lock.
 * Returns how many clients; `users` (unless it is NULL) is how many different ones. DUET_ERR_NOMEM: those could not be
 * counted. */
long hub_presence(struct hub *h, const char *channel, size_t len, size_t *users,
                  void (*each)(void *arg, const char *client, const char *info, size_t info_len), void *arg);

/*
 * The sessions of a user, all of them or the one of a client. Each is told on its own loop, soon after the call; who
 * comes meanwhile is not. Any thread. 0, also where there is no such session; or DUET_ERR_NOMEM: not all were told.
 */
struct hub_whom {
    const char *user, *client; /* client: its UUID; client_len 0: all */
    size_t user_len, client_len;
    const char *spared; /* UUIDs of clients that are not meant, one behind the other */
    size_t spared_count;
    const char *session; /* the one that its way calls so (session_calls.named); session_len 0: whatever it is called */
    size_t session_len;
};
enum { HUB_REASON_MOST = 123 }; /* bytes */
/* Ends their connections with this code and reason (NULL: the code's), as far as their way has them. */
int hub_disconnect(struct hub *h, const struct hub_whom *whom, int code, const char *reason);
/* They go on until then, of the hub's clock, whatever their tokens say; a time that is over ends them (3005). 0: for
 * ever. */
int hub_refresh(struct hub *h, const struct hub_whom *whom, uint64_t at_ms);
/* What there is to say of a subscription from the server's side. */
struct hub_invitation {
    const char *channel; /* a name that hub_options_of() knows */
    size_t len;
    const char *info, *data; /* JSON on one line: shown with it in presence; told to it alone. May be empty */
    size_t info_len, data_len;
    struct hub_override override;
    uint64_t expire_at_ms; /* of the hub's clock; 0: never */
    bool recover;          /* it is told what was said since `from` */
    struct stream_position from;
};
/* Subscribes them from the server's side, where their way can be told so (Centrifugal), and whatever their tokens say;
 * who is subscribed stays so. */
int hub_subscribe(struct hub *h, const struct hub_whom *whom, const struct hub_invitation *what);
/* Ends that subscription, if they have it, and tells them with this code. */
int hub_unsubscribe(struct hub *h, const struct hub_whom *whom, const char *channel, size_t len, int code);

/* All channels in memory, in no order; `more` ends it by returning false. */
void hub_each_channel(struct hub *h, bool (*more)(void *arg, const char *name, size_t len, size_t subscribers),
                      void *arg);

/* What can be seen of a channel from outside. */
struct hub_glance {
    const char *name;
    size_t len;
    uint32_t subscribers;
    uint64_t published; /* since it came into memory */
    uint64_t before;    /* the same when it was last looked at, `since_ms` ago; 0 and 0: it was not */
    uint64_t since_ms;
};
/* Looks at `most` channels, from where the last call ended on; `each` may not call the hub. True: all have been looked
 * at, and the next call begins anew. One thread at a time; the names' lock is held for a few channels at a time only,
 * so that nobody waits for a million of them. */
bool hub_survey(struct hub *h, unsigned most, void (*each)(void *arg, const struct hub_glance *g), void *arg);
/* How many are subscribed to a channel now; 0 also for one that is not in memory. */
uint32_t hub_subscribers(struct hub *h, const char *channel, size_t len);

/* Whether publications can be kept now; `why` says what is wrong. Any thread; waits for nothing. */
bool hub_healthy(struct hub *h, char why[HUB_WHY]);

struct hub_stats {
    uint64_t channels, sessions, users, subscriptions, history_bytes, publications; /* now, but publications: so far */
    uint64_t recovered, unrecovered; /* subscribers that got what they missed; that could not */
    uint64_t refused;                /* publications that the store did not take */
    uint64_t uptime_ms;
};
void hub_read_stats(struct hub *h, struct hub_stats *out);

#endif
