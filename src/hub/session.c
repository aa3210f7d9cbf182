/* SPDX-License-Identifier: MIT */
#include "hub/session.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/core.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Making and ending. */

/* {"user":"...","client":"...","conn_info":...} */
static int make_info(struct session *s, const struct session_who *who)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    buf_puts(&b, "{\"user\":");
    json_put_string(&b, who->user, who->user_len);
    buf_printf(&b, ",\"client\":\"%s\"", s->client);
    if (who->info_len > 0) {
        buf_puts(&b, ",\"conn_info\":");
        buf_put(&b, who->info, who->info_len);
    }
    buf_puts(&b, "}");
    s->info = b.failed ? NULL : mem_dup(b.at, b.len);
    s->info_len = (uint32_t)b.len;
    buf_fini(&b);
    return s->info ? 0 : DUET_ERR_NOMEM;
}

/* The sessions of one user. */
struct user {
    struct session *first;
    uint32_t count;
};

/* Under the lock, as the next. */
static int join_user(struct hub *h, struct session *s)
{
    struct user *u = map_get(&h->users, s->user, s->user_len);
    uint32_t most = h->config.limits.connections_per_user;
    if (u != NULL && s->user_len > 0 && most > 0 && u->count >= most)
        return DUET_ERR_LIMIT;
    if (u == NULL) {
        u = mem_zalloc(sizeof(*u));
        if (u == NULL || map_put(&h->users, s->user, s->user_len, u) < 0) {
            mem_free(u);
            return DUET_ERR_NOMEM;
        }
    }
    s->next = u->first;
    s->link = &u->first;
    if (s->next != NULL)
        s->next->link = &s->next;
    u->first = s;
    u->count++;
    return 0;
}

static void leave_user(struct hub *h, struct session *s)
{
    struct user *u = map_get(&h->users, s->user, s->user_len);
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    if (--u->count == 0) {
        map_take(&h->users, s->user, s->user_len);
        mem_free(u);
    }
}

static void count_on_server(const struct session *s, int more)
{
    for (unsigned i = 0; i < s->hub->server_count; i++)
        if (s->hub->servers[i] == s->server)
            atomic_fetch_add(&s->hub->sessions_on[i], (unsigned)more);
}

static int enlist(struct session *s)
{
    struct hub *h = s->hub;
    pthread_mutex_lock(&h->session_lock);
    int rc = join_user(h, s);
    pthread_mutex_unlock(&h->session_lock);
    s->listed = rc == 0;
    if (s->listed) {
        atomic_fetch_add(&h->session_count, 1);
        count_on_server(s, 1);
    }
    return rc;
}

static void delist(struct session *s)
{
    struct hub *h = s->hub;
    if (!s->listed)
        return;
    pthread_mutex_lock(&h->session_lock);
    leave_user(h, s);
    pthread_mutex_unlock(&h->session_lock);
    atomic_fetch_sub(&h->session_count, 1);
    count_on_server(s, -1);
}

int session_new(struct session **out, struct hub *h, const struct session_calls *calls, duet_server *server,
                uint64_t id, const struct session_who *who, void *owner)
{
    struct session *s = mem_zalloc(sizeof(*s));
    int rc = s ? 0 : DUET_ERR_NOMEM;
    if (rc == 0) {
        s->hub = h;
        s->calls = calls;
        s->server = server;
        s->id = id;
        s->owner = owner;
        s->user_len = (uint32_t)who->user_len;
        s->user = mem_alloc(who->user_len + 1);
        rc = s->user ? hub_uuid(h, s->client) : DUET_ERR_NOMEM;
    }
    if (rc == 0) {
        memcpy(s->user, who->user, who->user_len);
        s->user[who->user_len] = '\0';
        rc = make_info(s, who);
    }
    if (rc == 0)
        rc = enlist(s);
    if (rc < 0) {
        session_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

/* Out of the channel; with its lock held. */
static void leave_channel(struct subscription *sub)
{
    struct channel *c = sub->channel;
    struct subscription *last = c->subs[c->sub_count - 1];
    channel_count(c, c->sub_count - 1);
    c->subs[sub->at] = last;
    last->at = sub->at;
    if (sub->direct)
        c->directs--;
    else
        c->members[sub->form]--;
    if (sub->tells && !sub->direct)
        c->tellers[sub->form]--;
    c->used_ms = hub_now(c->hub);
    channel_tell_presence(c, sub, false);
    channel_tell_event(c, HUB_EVENT_LEAVE, sub);
    if (c->sub_count == 0)
        channel_tell_event(c, HUB_EVENT_VACATED, NULL);
    atomic_fetch_sub(&c->hub->subscriptions, 1);
}

/* Out of its topics, when the connection goes on without it. */
static void leave_topics(struct subscription *sub)
{
    char topic[CORE_TOPIC];
    if (sub->direct)
        return;
    channel_topic(sub->channel, sub->form, false, topic);
    sub->session->calls->leave(sub->session, topic);
    if (!sub->tells)
        return;
    channel_topic(sub->channel, sub->form, true, topic);
    sub->session->calls->leave(sub->session, topic);
}

static void subscription_free(struct subscription *sub)
{
    if (sub == NULL)
        return;
    mem_free(sub->info);
    mem_free(sub);
}

/* `topics`: it leaves them, too. */
static void end(struct subscription *sub, bool topics)
{
    struct session *s = sub->session;
    struct channel *c = sub->channel;
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (s->subs[i] == sub) {
            s->subs[i] = s->subs[--s->sub_count];
            break;
        }
    pthread_mutex_lock(&c->lock);
    if (topics)
        leave_topics(sub);
    leave_channel(sub);
    pthread_mutex_unlock(&c->lock);
    subscription_free(sub);
    hub_release(c);
}

static void tell_gone(const struct session *s)
{
    const struct hub_config *config = &s->hub->config;
    if (!s->listed || config->tell == NULL)
        return;
    config->tell(config->tell_arg, &(struct hub_event){ .kind = HUB_EVENT_DISCONNECT,
                                                        .client = s->client,
                                                        .client_len = SESSION_CLIENT,
                                                        .user = s->user,
                                                        .user_len = s->user_len,
                                                        .time_ms = hub_now(s->hub) });
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    while (s->sub_count > 0)
        end(s->subs[s->sub_count - 1], false);
    tell_gone(s);
    delist(s);
    mem_free(s->subs);
    mem_free(s->info);
    mem_free(s->user);
    mem_free(s);
}

void *session_owner(const struct session *s)
{
    return s->owner;
}

struct hub *session_hub(const struct session *s)
{
    return s->hub;
}

duet_server *session_server(const struct session *s)
{
    return s->server;
}

uint64_t session_id(const struct session *s)
{
    return s->id;
}

const char *session_client(const struct session *s)
{
    return s->client;
}

const char *session_user(const struct session *s, size_t *len)
{
    *len = s->user_len;
    return s->user;
}

const char *session_info(const struct session *s, size_t *len)
{
    *len = s->info_len;
    return s->info;
}

bool session_spend(struct session *s, const struct hub_options *o)
{
    return bucket_spend(&s->publishing, hub_now(s->hub), o->publish_per_s);
}

/* What it is subscribed to. */

struct subscription *session_find(const struct session *s, const char *channel, size_t len)
{
    for (uint32_t i = 0; i < s->sub_count; i++) {
        const struct channel *c = s->subs[i]->channel;
        if (c->name_len == len && memcmp(c->name, channel, len) == 0)
            return s->subs[i];
    }
    return NULL;
}

unsigned session_subscriptions(const struct session *s)
{
    return s->sub_count;
}

struct subscription *session_subscription(const struct session *s, unsigned i)
{
    return s->subs[i];
}

const char *subscription_channel(const struct subscription *sub, size_t *len)
{
    *len = sub->channel->name_len;
    return sub->channel->name;
}

const struct hub_options *subscription_options(const struct subscription *sub)
{
    return channel_options(sub->channel);
}

uint64_t subscription_tag(const struct subscription *sub)
{
    return sub->tag;
}

bool subscription_server_side(const struct subscription *sub)
{
    return sub->server_side;
}

uint64_t subscription_expires(const struct subscription *sub)
{
    return sub->expire_at_ms;
}

void subscription_set_expires(struct subscription *sub, uint64_t expire_at_ms)
{
    sub->expire_at_ms = expire_at_ms;
}

uint64_t subscription_renewal(const struct subscription *sub)
{
    return sub->renewal_ms;
}

void subscription_set_renewal(struct subscription *sub, uint64_t at_ms)
{
    sub->renewal_ms = at_ms;
}

bool session_unsubscribe(struct session *s, const char *channel, size_t len)
{
    struct subscription *sub = session_find(s, channel, len);
    if (sub != NULL)
        end(sub, true);
    return sub != NULL;
}

/* From other threads. */

struct errand {
    const struct session_calls *calls;
    uint64_t number; /* of the subscription */
    int code;
    bool joined;
    struct publication *publication;
    size_t len;
    char info[];
};

/* Whom it is for; NULL: it has ended meanwhile. */
static struct subscription *addressee(duet_server *server, uint64_t id, const struct errand *e)
{
    struct session *s = e->calls->find(server, id);
    for (uint32_t i = 0; s != NULL && i < s->sub_count; i++)
        if (s->subs[i]->number == e->number)
            return s->subs[i];
    return NULL;
}

static void errand_free(struct errand *e)
{
    publication_unref(e->publication);
    mem_free(e);
}

/* Without memory it did not get what it should: its form is lost, and the next tick ends such subscriptions. */
static void send_out(const struct subscription *sub, struct errand *e,
                     void (*run)(duet_server *s, uint64_t id, void *arg))
{
    if (e != NULL) {
        e->calls = sub->session->calls;
        e->number = sub->number;
    }
    if (e != NULL && duet_post(sub->session->server, sub->session->id, run, e) == 0)
        return;
    sub->channel->lost |= 1u << sub->form;
    if (e != NULL)
        errand_free(e);
}

static void run_end(duet_server *server, uint64_t id, void *arg)
{
    struct errand *e = arg;
    struct subscription *sub = addressee(server, id, e);
    if (sub != NULL) {
        struct session *s = sub->session;
        struct channel *c = hub_ref(sub->channel);
        bool server_side = sub->server_side;
        end(sub, true);
        s->calls->unsubscribed(s, c->name, c->name_len, server_side, e->code);
        hub_release(c);
    }
    errand_free(e);
}

void session_end_later(const struct subscription *sub, int code)
{
    struct errand *e = mem_zalloc(sizeof(*e));
    if (e != NULL)
        e->code = code;
    send_out(sub, e, run_end);
}

static void run_give(duet_server *server, uint64_t id, void *arg)
{
    struct errand *e = arg;
    struct subscription *sub = addressee(server, id, e);
    if (sub != NULL)
        sub->session->calls->publication(sub->session, sub, e->publication);
    errand_free(e);
}

void session_give_later(const struct subscription *sub, struct publication *p)
{
    struct errand *e = mem_zalloc(sizeof(*e));
    if (e != NULL)
        e->publication = publication_ref(p);
    send_out(sub, e, run_give);
}

static void run_presence(duet_server *server, uint64_t id, void *arg)
{
    struct errand *e = arg;
    struct subscription *sub = addressee(server, id, e);
    if (sub != NULL)
        sub->session->calls->joined(sub->session, sub, e->joined, e->info, e->len);
    errand_free(e);
}

void session_give_presence_later(const struct subscription *sub, bool joined, const char *info, size_t len)
{
    struct errand *e = mem_zalloc(sizeof(*e) + len);
    if (e != NULL) {
        e->joined = joined;
        e->len = len;
        memcpy(e->info, info, len);
    }
    send_out(sub, e, run_presence);
}

/* To all sessions of a user, or one of them. */

enum order_kind { ORDER_DISCONNECT, ORDER_REFRESH, ORDER_SUBSCRIBE, ORDER_UNSUBSCRIBE };

struct order {
    const struct session_calls *calls;
    enum order_kind kind;
    int code;                         /* with which it ends */
    uint64_t at_ms;                   /* of a refresh */
    struct hub_invitation invitation; /* to be taken back: its channel alone */
    const char *reason, *session;     /* reason: may be NULL */
    size_t session_len;
    char text[]; /* what the above points into */
};

static void obey(struct session *s, const struct order *o)
{
    struct subscription *sub;
    switch (o->kind) {
    case ORDER_DISCONNECT:
        s->calls->disconnect(s, o->code, o->reason);
        break;
    case ORDER_REFRESH:
        if (o->at_ms > 0 && o->at_ms <= hub_now(s->hub))
            s->calls->disconnect(s, HUB_DISCONNECT_EXPIRED, NULL);
        else if (s->calls->refresh != NULL)
            s->calls->refresh(s, o->at_ms);
        break;
    case ORDER_SUBSCRIBE:
        if (s->calls->subscribe != NULL)
            s->calls->subscribe(s, &o->invitation);
        break;
    case ORDER_UNSUBSCRIBE:
        if ((sub = session_find(s, o->invitation.channel, o->invitation.len)) != NULL) {
            bool server_side = sub->server_side;
            end(sub, true);
            s->calls->unsubscribed(s, o->invitation.channel, o->invitation.len, server_side, o->code);
        }
        break;
    }
}

/* Only its way knows what it is called, and only on its loop. */
static bool is_called(const struct session *s, const struct order *o)
{
    return o->session_len == 0 || (s->calls->named != NULL && s->calls->named(s, o->session, o->session_len));
}

static void run_order(duet_server *server, uint64_t id, void *arg)
{
    struct order *o = arg;
    struct session *s = o->calls->find(server, id);
    if (s != NULL && is_called(s, o))
        obey(s, o);
    mem_free(o);
}

/* Moves what `*text` is to where `*at` is. */
static void pack(char **at, const char **text, size_t len)
{
    if (len > 0)
        memcpy(*at, *text, len);
    *text = *at;
    *at += len;
}

static int give_order(const struct session *s, const struct order *what)
{
    const struct hub_invitation *i = &what->invitation;
    size_t reason_len = what->reason ? strlen(what->reason) + 1 : 0;
    struct order *o = mem_alloc(sizeof(*o) + i->len + i->info_len + i->data_len + reason_len + what->session_len);
    if (o == NULL)
        return DUET_ERR_NOMEM;
    *o = *what;
    o->calls = s->calls;
    char *at = o->text;
    pack(&at, &o->invitation.channel, i->len);
    pack(&at, &o->invitation.info, i->info_len);
    pack(&at, &o->invitation.data, i->data_len);
    pack(&at, &o->session, o->session_len);
    if (o->reason != NULL)
        pack(&at, &o->reason, reason_len);
    int rc = duet_post(s->server, s->id, run_order, o);
    if (rc < 0)
        mem_free(o);
    return rc == DUET_ERR_NOMEM ? rc : 0;
}

static bool is_meant(const struct session *s, const struct hub_whom *whom)
{
    for (size_t i = 0; i < whom->spared_count; i++)
        if (memcmp(whom->spared + i * SESSION_CLIENT, s->client, SESSION_CLIENT) == 0)
            return false;
    return whom->client_len == 0 ||
           (whom->client_len == SESSION_CLIENT && memcmp(whom->client, s->client, SESSION_CLIENT) == 0);
}

static int order_all(struct hub *h, const struct hub_whom *whom, struct order *what)
{
    int rc = 0;
    what->session = whom->session;
    what->session_len = whom->session_len;
    pthread_mutex_lock(&h->session_lock);
    const struct user *u = map_get(&h->users, whom->user, whom->user_len);
    for (const struct session *s = u ? u->first : NULL; s != NULL && rc == 0; s = s->next)
        if (is_meant(s, whom))
            rc = give_order(s, what);
    pthread_mutex_unlock(&h->session_lock);
    return rc;
}

int hub_disconnect(struct hub *h, const struct hub_whom *whom, int code, const char *reason)
{
    return order_all(h, whom, &(struct order){ .kind = ORDER_DISCONNECT, .code = code, .reason = reason });
}

int hub_refresh(struct hub *h, const struct hub_whom *whom, uint64_t at_ms)
{
    return order_all(h, whom, &(struct order){ .kind = ORDER_REFRESH, .at_ms = at_ms });
}

int hub_subscribe(struct hub *h, const struct hub_whom *whom, const struct hub_invitation *what)
{
    return order_all(h, whom, &(struct order){ .kind = ORDER_SUBSCRIBE, .invitation = *what });
}

int hub_unsubscribe(struct hub *h, const struct hub_whom *whom, const char *channel, size_t len, int code)
{
    const struct hub_invitation what = { .channel = channel, .len = len };
    return order_all(h, whom, &(struct order){ .kind = ORDER_UNSUBSCRIBE, .code = code, .invitation = what });
}
