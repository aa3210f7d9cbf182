/* SPDX-License-Identifier: MIT */
/*
 * One client of the hub: a connection of some way in, who it is, and what it is subscribed to. All of it on the loop of
 * the connection.
 */
#ifndef HUB_SESSION_H
#define HUB_SESSION_H

#include "hub/hub.h"

enum { SESSION_CLIENT = 36 }; /* a UUID */

struct subscription;

/* What the way in does for a session, on its loop. */
struct session_calls {
    const char *way; /* what it is called, for who follows a publication */
    /* The session of this connection or request; NULL: it is gone. */
    struct session *(*find)(duet_server *s, uint64_t id);
    /* Membership of a topic: duet_subscribe() or duet_http_subscribe(). */
    int (*join)(struct session *s, const char *topic);
    int (*leave)(struct session *s, const char *topic);
    /* For subscriptions that are `direct`: each publication, instead of a topic. */
    void (*publication)(struct session *s, const struct subscription *sub, struct publication *p);
    void (*joined)(struct session *s, const struct subscription *sub, bool joined, const char *info, size_t len);
    /* The hub ended a subscription: an enum hub_unsubscribe. It is over already. */
    void (*unsubscribed)(struct session *s, const char *channel, size_t len, bool server_side, int code);
    /* Somebody wants it subscribed (hub_subscribe()). NULL: this way has no place for it. */
    void (*subscribe)(struct session *s, const struct hub_invitation *what);
    /* The session is to end: an enum hub_disconnect, or a code of the backend's own. `reason`: NULL, that of the code.
     */
    void (*disconnect)(struct session *s, int code, const char *reason);
    /* It goes on until then, of the hub's clock. NULL: this way has no such time. */
    void (*refresh)(struct session *s, uint64_t at_ms);
    /* Whether this is what it calls itself (hub_whom.session). NULL: it has no such name. */
    bool (*named)(const struct session *s, const char *name, size_t len);
};

struct session_who {
    const char *user; /* "": anonymous */
    size_t user_len;
    const char *info; /* conn_info, JSON; may be empty */
    size_t info_len;
};

/* 0; DUET_ERR_NOMEM; DUET_ERR_LIMIT: this user has too many connections. `id` is that of the connection or request.
 * `owner` is the way's own. */
int session_new(struct session **out, struct hub *h, const struct session_calls *calls, duet_server *server,
                uint64_t id, const struct session_who *who, void *owner);
/* Leaves all channels. When the connection is gone: nothing is sent to it. NULL is fine. */
void session_free(struct session *s);

void *session_owner(const struct session *s);
struct hub *session_hub(const struct session *s);
duet_server *session_server(const struct session *s);
uint64_t session_id(const struct session *s);
const char *session_client(const struct session *s); /* a UUID, terminated */
const char *session_user(const struct session *s, size_t *len);
/* {"user":...,"client":...,"conn_info":...}, as publications and presence show it. */
const char *session_info(const struct session *s, size_t *len);

struct session_subscribed {
    enum hub_error error;
    const char *channel;
    size_t len;
    bool recoverable, positioned, recovered, was_recovering;
    char epoch[STREAM_EPOCH + 1]; /* "": the channel has no stream */
    uint64_t offset; /* where it stands: the live publications go on from here, or from the last of these */
    struct publication *const *publications; /* what was missed, in order; borrowed for the call */
    uint32_t count;
    bool more; /* not subscribed yet: ask again, to recover from the last of these */
};

struct session_subscribe {
    const char *channel;
    size_t len;
    bool operators; /* instead of `channel`, which is then empty, the operators' (hub_tell_operators()) */
    int form;
    bool direct;                  /* each publication comes by calls->publication instead of as the form shows it */
    bool recover;                 /* tell what was missed since `from` */
    bool positioned, recoverable; /* it is, where there is a history, whatever else the namespace says */
    bool or_fail;                 /* error UNRECOVERABLE where that cannot be told */
    struct stream_position from;
    uint32_t last;         /* without `recover`: bring the newest publications, so many */
    size_t page_bytes;     /* what is brought at once, or a single publication: see `more`; 0: all, at most the limit
                            * recovery_max */
    bool join_leave;       /* who comes and goes is told, where the namespace does that */
    bool server_side;      /* not the client's own wish */
    bool unseen, unheard;  /* presence does not show it; nobody hears of its coming and going */
    uint64_t tag;          /* the caller's own, for `done` and subscription_tag() */
    const char *chan_info; /* JSON shown with it in presence; may be empty */
    size_t chan_info_len;
    uint64_t expire_at_ms; /* of the hub's clock; 0: never */
    uint64_t renewal_ms;   /* likewise */
    /*
     * Called once, on this loop, before the first publication that comes live: now, or later when the channel had to be
     * loaded. With the channel's lock held: the place to write the answer, not to call the hub.
     */
    void (*done)(struct session *s, uint64_t tag, const struct session_subscribed *result);
    /* Asked when the channel had to be loaded. False: nobody wants it any more, nothing is done. NULL: it is wanted. */
    bool (*wanted)(struct session *s, uint64_t tag);
};
/* Everything is borrowed. Permission is the caller's question; limits and names are asked here. */
void session_subscribe(struct session *s, const struct session_subscribe *what);
/* False: it was not subscribed. */
bool session_unsubscribe(struct session *s, const char *channel, size_t len);

/* What it is subscribed to. */
struct subscription *session_find(const struct session *s, const char *channel, size_t len);
unsigned session_subscriptions(const struct session *s);
struct subscription *session_subscription(const struct session *s, unsigned i);
const char *subscription_channel(const struct subscription *sub, size_t *len);
const struct hub_options *subscription_options(const struct subscription *sub);
uint64_t subscription_tag(const struct subscription *sub);
bool subscription_server_side(const struct subscription *sub);
uint64_t subscription_expires(const struct subscription *sub);
void subscription_set_expires(struct subscription *sub, uint64_t expire_at_ms);
/* When its way is to look whether it may go on; the way's own. 0: never. */
uint64_t subscription_renewal(const struct subscription *sub);
void subscription_set_renewal(struct subscription *sub, uint64_t at_ms);

/* Whether it may publish once more now, as often as the namespace says (publish_per_s); what it may is spent. False:
 * error TOO_MANY. */
bool session_spend(struct session *s, const struct hub_options *o);

/* hub_publish() to a channel that this session is subscribed to, without looking for it. */
void session_publish(struct session *s, struct subscription *sub, const struct publication_parts *parts,
                     const struct hub_reply *to);

#endif
