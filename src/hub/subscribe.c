/* SPDX-License-Identifier: MIT */
/*
 * How a session comes into a channel. Under the channel's lock it is answered, with what it missed, and joins the
 * topic; a publication gets its offset and goes to the topics under the same lock. So what has an offset up to the
 * answer's is in the answer, what has a higher one comes by the topic, and nothing is in both or in neither (HUB-1).
 */
#include "base/mem.h"
#include "hub/core.h"
#include <string.h>

static void refuse(struct session *s, const struct session_subscribe *what, enum hub_error error)
{
    what->done(s, what->tag,
               &(struct session_subscribed){ .error = error, .channel = what->channel, .len = what->len });
}

/* Recovery. */

/* The newest alone: who has it already gets nothing. */
static void recover_cache(const struct channel *c, const struct stream_position *from, struct session_subscribed *r)
{
    const struct stream *s = &c->stream;
    bool same = from->offset == s->top && (from->epoch[0] == '\0' || strcmp(from->epoch, s->epoch) == 0);
    r->recovered = same || stream_at(s, s->top) != NULL;
    if (!same && r->recovered)
        r->count = 1;
}

static void recover(const struct channel *c, const struct session_subscribe *what, struct session_subscribed *r)
{
    const struct stream *s = &c->stream;
    r->was_recovering = true;
    if (channel_options(c)->cache) {
        recover_cache(c, &what->from, r);
        return;
    }
    r->recovered =
        stream_recovers(s, &what->from, what->page_bytes > 0 ? UINT32_MAX : c->hub->config.limits.recovery_max);
    if (!r->recovered)
        return;
    r->count = (uint32_t)(s->top - what->from.offset);
    r->offset = what->from.offset;
}

/* The newest `last` of those that are kept. */
static void look_back(const struct channel *c, uint32_t last, struct session_subscribed *r)
{
    r->count = last < c->stream.count ? last : c->stream.count;
    r->offset -= r->count;
}

/* Of the newest `count` those that make one page. */
static void cut_page(const struct stream *s, size_t page_bytes, struct session_subscribed *r)
{
    size_t bytes = 0;
    uint32_t n = 0;
    while (n < r->count && (n == 0 || bytes < page_bytes))
        bytes += publication_size(stream_at(s, s->top - r->count + 1 + n++));
    r->more = n < r->count;
    r->count = n;
}

/* What comes behind an offset, in one piece; NULL without memory. */
static struct publication **gather(const struct stream *s, uint64_t offset, uint32_t count)
{
    struct publication **all = mem_alloc(count * sizeof(struct publication *));
    for (uint32_t i = 0; all != NULL && i < count; i++)
        all[i] = stream_at(s, offset + 1 + i);
    return all;
}

/* What the answer says. Its publications are to be freed. */
static enum hub_error look_up(struct channel *c, const struct session_subscribe *what, struct session_subscribed *r,
                              struct publication ***all)
{
    const struct hub_options *o = channel_options(c);
    r->channel = c->name;
    r->len = c->name_len;
    if (!channel_streams(c) && !((what->positioned || what->recoverable) && channel_keeps(c)))
        return HUB_OK;
    stream_expire(&c->stream, o->history_ttl_ms, hub_now(c->hub));
    r->positioned = true;
    r->recoverable = what->recoverable || o->force_recovery || o->allow_recovery || o->cache;
    r->offset = c->stream.top;
    memcpy(r->epoch, c->stream.epoch, sizeof(r->epoch));
    if (what->recover && r->recoverable)
        recover(c, what, r);
    else if (!what->recover && r->recoverable)
        look_back(c, what->last, r);
    if (r->was_recovering)
        atomic_fetch_add(r->recovered ? &c->hub->recovered : &c->hub->unrecovered, 1);
    if (r->was_recovering && !r->recovered && what->or_fail)
        return HUB_ERROR_UNRECOVERABLE;
    if (r->count == 0)
        return HUB_OK;
    uint64_t before = c->stream.top - r->count;
    if (what->page_bytes > 0)
        cut_page(&c->stream, what->page_bytes, r);
    else if (r->count > c->hub->config.limits.recovery_max)
        r->count = c->hub->config.limits.recovery_max;
    *all = gather(&c->stream, before, r->count);
    r->publications = *all;
    return *all ? HUB_OK : HUB_ERROR_INTERNAL;
}

/* Membership. */

static bool grow(struct subscription ***subs, uint32_t count, uint32_t *cap)
{
    if (count < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 2;
    struct subscription **grown = mem_realloc(*subs, more * sizeof(struct subscription *));
    if (grown == NULL)
        return false;
    *subs = grown;
    *cap = more;
    return true;
}

static struct subscription *make(struct session *s, struct channel *c, const struct session_subscribe *what)
{
    struct subscription *sub = mem_zalloc(sizeof(*sub));
    if (sub == NULL)
        return NULL;
    *sub = (struct subscription){
        .session = s,
        .channel = c,
        .number = atomic_fetch_add(&s->hub->numbers, 1),
        .tag = what->tag,
        .expire_at_ms = what->expire_at_ms,
        .renewal_ms = what->renewal_ms,
        .form = (uint8_t)what->form,
        .direct = what->direct,
        .server_side = what->server_side,
        .unseen = what->unseen,
        .unheard = what->unheard,
        .tells = (what->join_leave || channel_options(c)->force_push_join_leave) && channel_options(c)->join_leave,
    };
    if (what->chan_info_len == 0)
        return sub;
    /* The session's with one member more. */
    static const char key[] = ",\"chan_info\":";
    size_t own = s->info_len - 1, len = own + sizeof(key) - 1 + what->chan_info_len + 1;
    sub->info = mem_alloc(len);
    if (sub->info == NULL) {
        mem_free(sub);
        return NULL;
    }
    memcpy(sub->info, s->info, own);
    memcpy(sub->info + own, key, sizeof(key) - 1);
    memcpy(sub->info + own + sizeof(key) - 1, what->chan_info, what->chan_info_len);
    sub->info[len - 1] = '}';
    sub->info_len = (uint32_t)len;
    return sub;
}

static int join_topics(struct session *s, const struct channel *c, const struct subscription *sub)
{
    char topic[CORE_TOPIC];
    if (sub->direct)
        return 0;
    channel_topic(c, sub->form, false, topic);
    int rc = s->calls->join(s, topic);
    if (rc < 0 || !sub->tells)
        return rc;
    channel_topic(c, sub->form, true, topic);
    rc = s->calls->join(s, topic);
    if (rc < 0) {
        channel_topic(c, sub->form, false, topic);
        s->calls->leave(s, topic);
    }
    return rc;
}

static void enter(struct session *s, struct channel *c, struct subscription *sub)
{
    s->subs[s->sub_count++] = sub;
    sub->at = c->sub_count;
    c->subs[c->sub_count] = sub;
    channel_count(c, c->sub_count + 1);
    if (sub->direct)
        c->directs++;
    else
        c->members[sub->form]++;
    if (sub->tells && !sub->direct)
        c->tellers[sub->form]++;
    atomic_fetch_add(&c->hub->subscriptions, 1);
    if (c->sub_count == 1)
        channel_tell_event(c, HUB_EVENT_OCCUPIED, NULL);
}

/* Makes it a subscriber; with the answer behind it, nothing can fail any more but its topics. */
static struct subscription *prepare(struct session *s, struct channel *c, const struct session_subscribe *what)
{
    if (!grow(&s->subs, s->sub_count, &s->sub_cap) || !grow(&c->subs, c->sub_count, &c->sub_cap))
        return NULL;
    struct subscription *sub = make(s, c, what);
    if (sub != NULL)
        enter(s, c, sub);
    return sub;
}

/*
 * With the lock held. The answer goes out before the topic is joined, since what the topic brings must come behind it;
 * so a topic that cannot be joined after all ends the session. False: it is no subscriber (yet).
 */
static bool admit(struct session *s, struct channel *c, const struct session_subscribe *what)
{
    struct session_subscribed r = { .error = HUB_OK };
    struct publication **all = NULL;
    struct subscription *sub = NULL;
    r.error = look_up(c, what, &r, &all);
    if (r.error == HUB_OK && !r.more && (sub = prepare(s, c, what)) == NULL)
        r.error = HUB_ERROR_INTERNAL;
    if (r.error == HUB_OK)
        what->done(s, what->tag, &r);
    else
        refuse(s, what, r.error);
    if (sub != NULL) {
        if (join_topics(s, c, sub) < 0)
            s->calls->disconnect(s, HUB_DISCONNECT_INTERNAL, NULL);
        channel_tell_presence(c, sub, true);
    }
    mem_free(all);
    return sub != NULL;
}

/* What waits for its channel: a copy of the wish. */

struct waiting {
    struct posting posting; /* first */
    struct waiter waiter;
    const struct session_calls *calls;
    struct channel *channel;
    struct session_subscribe what;
    int error;
    char bytes[];
};

static struct waiting *waiting_new(struct session *s, struct channel *c, const struct session_subscribe *what);

/* Takes the reference. */
static void subscribe_to(struct session *s, struct channel *c, const struct session_subscribe *what)
{
    bool in = false;
    pthread_mutex_lock(&c->lock);
    struct waiting *w = c->state == CHANNEL_READY ? NULL : waiting_new(s, c, what);
    enum channel_use use = channel_use(c, w ? &w->waiter : NULL);
    if (use == CHANNEL_USE)
        in = admit(s, c, what);
    else if (use == CHANNEL_FAIL)
        refuse(s, what, HUB_ERROR_INTERNAL);
    pthread_mutex_unlock(&c->lock);
    if (use != CHANNEL_WAIT)
        mem_free(w);
    if (use != CHANNEL_WAIT && !in)
        hub_release(c); /* else the subscription, or who waits, has it */
}

/* 0, or why it may have no subscription like this one more. */
static enum hub_error judge(const struct session *s, const struct session_subscribe *what)
{
    if (session_find(s, what->channel, what->len) != NULL)
        return HUB_ERROR_ALREADY;
    return s->sub_count >= s->hub->config.limits.channels_per_connection ? HUB_ERROR_LIMIT : HUB_OK;
}

/* On the session's loop, with the channel loaded, or not. */
static void run_again(duet_server *server, uint64_t id, void *arg)
{
    struct waiting *w = arg;
    struct session *s = w->calls->find(server, id);
    enum hub_error error = HUB_ERROR_INTERNAL;
    if (s != NULL && w->what.wanted != NULL && !w->what.wanted(s, w->what.tag))
        s = NULL;
    if (s != NULL && w->error == 0)
        error = judge(s, &w->what);
    if (error == HUB_OK) {
        subscribe_to(s, w->channel, &w->what);
    } else {
        if (s != NULL)
            refuse(s, &w->what, error);
        hub_release(w->channel);
    }
    mem_free(w);
}

static void loaded(struct channel *c, struct waiter *waiter, int error)
{
    struct waiting *w = (struct waiting *)(void *)((char *)waiter - offsetof(struct waiting, waiter));
    w->error = error;
    hub_post(c->hub, &w->posting);
}

static struct waiting *waiting_new(struct session *s, struct channel *c, const struct session_subscribe *what)
{
    struct waiting *w = mem_zalloc(sizeof(*w) + what->len + what->chan_info_len);
    if (w == NULL)
        return NULL;
    *w = (struct waiting){ .posting = { .server = s->server, .id = s->id, .run = run_again },
                           .waiter.loaded = loaded,
                           .calls = s->calls,
                           .channel = c };
    w->what = *what;
    w->what.channel = w->bytes;
    w->what.chan_info = w->bytes + what->len;
    memcpy(w->bytes, what->channel, what->len);
    if (what->chan_info_len > 0)
        memcpy(w->bytes + what->len, what->chan_info, what->chan_info_len);
    return w;
}

void session_subscribe(struct session *s, const struct session_subscribe *what)
{
    enum hub_error error = judge(s, what);
    if (error != HUB_OK) {
        refuse(s, what, error);
        return;
    }
    struct channel *c =
        what->operators ? hub_ref(s->hub->operators) : hub_channel(s->hub, what->channel, what->len, &error);
    if (c == NULL)
        refuse(s, what, error);
    else
        subscribe_to(s, c, what);
}
