/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "hub/core.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { UNUSED_MS = 60 * 1000 }; /* so long a channel that can be loaded again stays in memory */

bool channel_keeps(const struct channel *c)
{
    return channel_options(c)->history_size > 0 && channel_options(c)->history_ttl_ms > 0;
}

bool channel_streams(const struct channel *c)
{
    const struct hub_options *o = channel_options(c);
    return channel_keeps(c) &&
           (o->cache || o->force_recovery || o->allow_recovery || o->force_positioning || o->allow_positioning);
}

void channel_topic(const struct channel *c, unsigned form, bool presence, char out[CORE_TOPIC])
{
    snprintf(out, CORE_TOPIC, "%c%x%" PRIx64, presence ? 'j' : 'p', form, c->serial);
}

/* Loading. */

/* A form's members missed something: they are to come back with their position. */
static void end_members(struct channel *c, unsigned form)
{
    for (uint32_t i = 0; i < c->sub_count; i++)
        if (c->subs[i]->form == form)
            session_end_later(c->subs[i], HUB_UNSUBSCRIBE_INSUFFICIENT);
}

static void heal(struct channel *c)
{
    unsigned lost = c->lost;
    c->lost = 0;
    for (unsigned f = 0; lost >> f != 0; f++)
        if (lost >> f & 1)
            end_members(c, f);
}

struct loading {
    struct engine_load load; /* first */
    struct channel *channel;
};

/* Retries go on to be known over a restart. */
static void take_keys(struct channel *c)
{
    const struct hub_limits *limits = &c->hub->config.limits;
    for (uint64_t o = stream_oldest(&c->stream); o <= c->stream.top; o++) {
        const struct publication_parts *is = &stream_at(&c->stream, o)->is;
        uint64_t until = is->time_ms + limits->idempotency_ms;
        if (is->key_len == 0 || retries_find(&c->retries, is->key, is->key_len, hub_now(c->hub)) != NULL)
            continue;
        struct retry *key =
            retries_add(&c->retries, is->key, is->key_len, until, limits->idempotency_keys, c->hub->channels.key);
        if (key != NULL)
            key->offset = o;
    }
}

void channel_set_version(struct channel *c, uint64_t version, char *epoch)
{
    mem_free(c->version_epoch);
    c->version_epoch = epoch;
    c->version = version;
}

/* Versions likewise: the newest publication that has one says which, unless a newer one, not kept, is known. */
static int take_version(struct channel *c, const struct stream *s)
{
    for (uint64_t o = s->top; o >= stream_oldest(s) && o > 0; o--) {
        const struct publication_parts *is = &stream_at(s, o)->is;
        if (is->version == 0)
            continue;
        if (c->version_epoch != NULL &&
            (strcmp(c->version_epoch, is->version_epoch) != 0 || is->version <= c->version))
            return 0;
        char *epoch = mem_strdup(is->version_epoch);
        if (epoch == NULL)
            return DUET_ERR_NOMEM;
        channel_set_version(c, is->version, epoch);
        return 0;
    }
    return 0;
}

static int take_stream(struct channel *c, struct engine_load *l)
{
    size_t bytes = c->stream.bytes;
    if (take_version(c, &l->stream) < 0) {
        stream_fini(&l->stream);
        return DUET_ERR_NOMEM;
    }
    bool other = strcmp(c->stream.epoch, l->stream.epoch) != 0;
    stream_fini(&c->stream);
    c->stream = l->stream;
    c->assigned = c->stream.top;
    channel_account(c, bytes);
    take_keys(c);
    if (!other)
        return 0;
    /* Who is subscribed has positions of an epoch that is over. */
    c->lost = (1u << c->hub->form_count) - 1;
    heal(c);
    return 0;
}

/* The engine knows nothing of a channel that has had publications: they were forgotten for their age, or lost. Offsets
 * of its epoch cannot go on, so that it begins a new one. */
static int begin_anew(struct channel *c, struct engine_load *l)
{
    char epoch[STREAM_EPOCH + 1];
    int rc = hub_epoch(c->hub, epoch);
    if (rc == 0) {
        stream_init(&l->stream, epoch);
        rc = take_stream(c, l);
    }
    return rc;
}

static void loaded(struct engine_load *l)
{
    struct loading *loading = (struct loading *)l;
    struct channel *c = loading->channel;
    pthread_mutex_lock(&c->lock);
    struct waiter *w = c->waiting;
    c->waiting = NULL;
    c->waiting_last = &c->waiting;
    if (l->error == 0 && l->found)
        l->error = take_stream(c, l);
    else if (l->error == 0 && c->stream.top > 0)
        l->error = begin_anew(c, l);
    c->state = l->error < 0 ? CHANNEL_NEW : CHANNEL_READY;
    while (w != NULL) {
        struct waiter *next = w->next;
        w->loaded(c, w, l->error);
        w = next;
    }
    pthread_mutex_unlock(&c->lock);
    mem_free(loading);
    hub_release(c);
}

static int load(struct channel *c)
{
    struct loading *loading = mem_zalloc(sizeof(*loading));
    if (loading == NULL)
        return DUET_ERR_NOMEM;
    loading->load.done = loaded;
    loading->load.name = c->name;
    loading->load.name_len = c->name_len;
    loading->load.most = channel_options(c)->history_size;
    loading->channel = hub_ref(c);
    int rc = c->hub->config.engine->ops->load(c->hub->config.engine, &loading->load);
    if (rc == 0) {
        c->state = CHANNEL_LOADING;
        return 0;
    }
    mem_free(loading);
    hub_release(c); /* the caller has one more */
    return rc;
}

enum channel_use channel_use(struct channel *c, struct waiter *w)
{
    c->used_ms = hub_now(c->hub);
    if (c->state == CHANNEL_NEW && (c->hub->config.engine == NULL || !channel_keeps(c)))
        c->state = CHANNEL_READY;
    if (c->state == CHANNEL_READY)
        return CHANNEL_USE;
    if (w == NULL || (c->state == CHANNEL_NEW && load(c) < 0))
        return CHANNEL_FAIL;
    w->next = NULL;
    *c->waiting_last = w;
    c->waiting_last = &w->next;
    return CHANNEL_WAIT;
}

/* Telling. */

static void to_topic(struct channel *c, unsigned form, bool presence, duet_shared *message)
{
    char topic[CORE_TOPIC];
    bool lost = message == NULL;
    channel_topic(c, form, presence, topic);
    for (unsigned i = 0; i < c->hub->server_count && !lost; i++)
        /* Who is subscribed was counted before, so what is missed here is nobody's. */
        if (atomic_load_explicit(&c->hub->sessions_on[i], memory_order_relaxed) > 0)
            lost = duet_publish_shared(c->hub->servers[i], topic, message) < 0;
    duet_shared_unref(message);
    if (lost)
        c->lost |= 1u << form;
}

void channel_tell(struct channel *c, struct publication *p)
{
    struct hub *h = c->hub;
    atomic_fetch_add_explicit(&h->publications, 1, memory_order_relaxed);
    __atomic_store_n(&c->published, c->published + 1, __ATOMIC_RELAXED);
    for (unsigned f = 0; f < h->form_count; f++)
        if (c->members[f] > 0)
            to_topic(c, f, false, h->forms[f].publication(c->name, c->name_len, c->stream.epoch, p));
    for (uint32_t i = 0, left = c->directs; left > 0; i++)
        if (c->subs[i]->direct) {
            session_give_later(c->subs[i], p);
            left--;
        }
    if (c->lost != 0)
        heal(c);
    if (trace_follows(p))
        trace_told(c, p);
}

void channel_tell_presence(struct channel *c, const struct subscription *sub, bool joined)
{
    struct hub *h = c->hub;
    const char *info = sub->info ? sub->info : sub->session->info;
    size_t len = sub->info ? sub->info_len : sub->session->info_len;
    if (!channel_options(c)->join_leave || sub->unheard)
        return;
    for (unsigned f = 0; f < h->form_count; f++)
        if (c->tellers[f] > 0 && h->forms[f].presence != NULL)
            to_topic(c, f, true, h->forms[f].presence(c->name, c->name_len, joined, info, len));
    for (uint32_t i = 0; c->directs > 0 && i < c->sub_count; i++)
        if (c->subs[i]->direct && c->subs[i]->tells)
            session_give_presence_later(c->subs[i], joined, info, len);
}

void channel_tell_event(struct channel *c, enum hub_event_kind kind, const struct subscription *sub)
{
    const struct hub_config *config = &c->hub->config;
    if (config->tell == NULL || !channel_options(c)->occupancy_hook)
        return;
    struct hub_event e = { .kind = kind, .channel = c->name, .channel_len = c->name_len, .time_ms = hub_now(c->hub) };
    if (sub != NULL) {
        e.client = sub->session->client;
        e.client_len = SESSION_CLIENT;
        e.user = sub->session->user;
        e.user_len = sub->session->user_len;
    }
    config->tell(config->tell_arg, &e);
}

/* Forgetting. */

void channel_account(struct channel *c, size_t bytes_before)
{
    struct hub *h = c->hub;
    size_t bytes = c->stream.bytes;
    uint64_t all = atomic_fetch_add(&h->history_bytes, bytes - bytes_before) + (bytes - bytes_before);
    while (all > h->config.limits.history_bytes && c->stream.count > 0) {
        stream_drop(&c->stream);
        size_t less = bytes - c->stream.bytes;
        bytes = c->stream.bytes;
        all = atomic_fetch_sub(&h->history_bytes, less) - less;
    }
}

void channel_expire(struct channel *c, uint64_t now_ms)
{
    size_t bytes = c->stream.bytes;
    retries_expire(&c->retries, now_ms);
    stream_expire(&c->stream, channel_options(c)->history_ttl_ms, now_ms);
    channel_account(c, bytes);
    if (c->lost != 0)
        heal(c);
}

bool channel_idle(struct channel *c, uint64_t now_ms)
{
    uint64_t unused_ms = now_ms > c->used_ms ? now_ms - c->used_ms : 0;
    if (c->sub_count > 0 || c->state == CHANNEL_LOADING)
        return false;
    if (c->hub->config.engine != NULL && channel_keeps(c))
        return unused_ms >= UNUSED_MS;
    if (!retries_expire(&c->retries, now_ms) || c->stream.count > 0)
        return false;
    if (c->stream.top > 0 || c->version > 0)
        return unused_ms >= channel_options(c)->history_meta_ttl_ms;
    return !channel_streams(c) || unused_ms >= UNUSED_MS; /* somebody may hold a position, though at 0 */
}

void channel_free(struct channel *c)
{
    atomic_fetch_sub(&c->hub->history_bytes, c->stream.bytes);
    stream_fini(&c->stream);
    retries_fini(&c->retries);
    mem_free(c->version_epoch);
    mem_free(c->subs);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}
