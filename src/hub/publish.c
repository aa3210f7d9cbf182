/* SPDX-License-Identifier: MIT */
/*
 * A publication's way: its key and version are looked at, it gets its offset, it is kept, it is told, it is answered.
 * With an engine it is kept by that first; it is a `flight` meanwhile.
 */
#include "base/mem.h"
#include "hub/core.h"
#include "hub/trace.h"
#include <assert.h>
#include <string.h>

/* Answers. */

/* One that comes later. It is made before anything happens, since nothing may be left without its answer. */
struct answer {
    struct posting posting; /* first */
    struct answer *next;
    struct hub_reply to;
    struct hub_published result;
};

static void give_answer(duet_server *s, uint64_t id, void *arg)
{
    struct answer *a = arg;
    if (a->to.done != NULL)
        a->to.done(s, id, a->to.tag, &a->result);
    mem_free(a);
}

static struct answer *answer_new(const struct hub_reply *to)
{
    struct answer *a = mem_alloc(sizeof(*a));
    if (a != NULL)
        *a = (struct answer){ .posting = { .server = to->server, .id = to->id, .run = give_answer }, .to = *to };
    return a;
}

static void answer(const struct hub_reply *to, const struct hub_published *result)
{
    if (to->done != NULL)
        to->done(to->server, to->id, to->tag, result);
}

/* From another thread. Takes it. */
static void answer_later(struct hub *h, struct answer *a, const struct hub_published *result)
{
    a->result = *result;
    if (a->to.done != NULL)
        hub_post(h, &a->posting);
    else
        mem_free(a);
}

static struct hub_published refusal(enum hub_error error)
{
    return (struct hub_published){ .error = error };
}

static struct hub_published success(const struct channel *c, uint64_t offset)
{
    struct hub_published r = { .offset = offset };
    if (offset > 0)
        memcpy(r.epoch, c->stream.epoch, sizeof(r.epoch));
    return r;
}

/* A step of its way, for who follows it. */
static void note(const struct channel *c, const struct publication *p, enum trace_kind kind, uint64_t offset,
                 uint64_t more)
{
    if (trace_follows(p))
        trace_note(c, &(struct trace_step){ .run = p->run, .kind = kind, .offset = offset, .more = more });
}

/* What waits: for its channel to be loaded, or for a flight to land. */

struct waiting {
    struct waiter waiter; /* first */
    struct publication *publication;
    struct answer *answer;
    bool skip_history;
};

static void waiting_free(struct waiting *w)
{
    publication_unref(w->publication);
    mem_free(w->answer);
    mem_free(w);
}

static void go_on(struct channel *c, struct waiter *waiter, int error);

static struct waiting *waiting_new(struct publication *p, bool skip_history, const struct hub_reply *to)
{
    struct waiting *w = mem_zalloc(sizeof(*w));
    if (w == NULL || (w->answer = answer_new(to)) == NULL) {
        mem_free(w);
        return NULL;
    }
    w->waiter.loaded = go_on;
    w->publication = publication_ref(p);
    w->skip_history = skip_history;
    return w;
}

/* Flights. */

struct flight {
    struct engine_append append; /* first */
    struct channel *channel;
    struct retry *key;      /* NULL: it has none */
    char *version_epoch;    /* NULL: it has no version; the channel's once it has landed */
    struct answer *answers; /* to who sent it, and to who sent the same again meanwhile */
    struct waiter *behind, **behind_last; /* newer versions that are not kept */
};

static void flight_free(struct flight *f)
{
    while (f->answers != NULL) {
        struct answer *next = f->answers->next;
        mem_free(f->answers);
        f->answers = next;
    }
    publication_unref(f->append.publication);
    mem_free(f->version_epoch);
    mem_free(f);
}

/* It is kept: now it is part of the stream, and everybody may see it. */
static void arrive(struct channel *c, struct publication *p)
{
    size_t bytes = c->stream.bytes;
    stream_append(&c->stream, p, channel_options(c)->history_size, hub_now(c->hub));
    channel_account(c, bytes);
    channel_tell(c, p);
}

/* It is published: what is not newer is a repeat from now on. `epoch` is the channel's then, unless it is NULL. */
static void note_version(struct channel *c, const struct publication_parts *is, char **epoch)
{
    if (*epoch != NULL)
        channel_set_version(c, is->version, *epoch);
    *epoch = NULL;
}

/* They are published now; or not, as that one was not. */
static void let_go(struct flight *f, int error)
{
    struct waiter *w = f->behind;
    while (w != NULL) {
        struct waiter *next = w->next;
        w->loaded(f->channel, w, error);
        w = next;
    }
}

static void landed(struct engine_append *a)
{
    struct flight *f = (struct flight *)a;
    struct channel *c = f->channel;
    struct hub_published result;
    pthread_mutex_lock(&c->lock);
    if (a->error == 0 && a->publication->offset == c->stream.top + 1 && stream_reserve(&c->stream) == 0) {
        note(c, a->publication, TRACE_KEPT, a->publication->offset, 0);
        arrive(c, a->publication);
        note_version(c, &a->publication->is, &f->version_epoch);
        result = success(c, a->publication->offset);
        if (f->key != NULL) {
            f->key->offset = a->publication->offset;
            f->key->flight = NULL;
        }
    } else {
        /* What was given out behind it will fail as well; from then on offsets go on where the store is (HUB-4). */
        c->assigned = c->stream.top;
        if (c->state == CHANNEL_READY)
            c->state = CHANNEL_NEW; /* the store may know better: it is asked before the next use */
        atomic_fetch_add(&c->hub->refused, 1);
        note(c, a->publication, TRACE_FAILED, 0, 0);
        result = refusal(HUB_ERROR_INTERNAL);
        if (f->key != NULL)
            retries_drop(&c->retries, f->key);
    }
    if (c->versioned == f)
        c->versioned = NULL;
    while (f->answers != NULL) {
        struct answer *next = f->answers->next;
        answer_later(c->hub, f->answers, &result);
        f->answers = next;
    }
    let_go(f, result.error == HUB_OK ? 0 : DUET_ERR_STATE);
    pthread_mutex_unlock(&c->lock);
    flight_free(f);
    hub_release(c);
}

static struct flight *flight_new(struct channel *c, struct publication *p, struct retry *key,
                                 const struct hub_reply *to, char **version_epoch)
{
    struct flight *f = mem_zalloc(sizeof(*f));
    struct answer *a = answer_new(to);
    if (f == NULL || a == NULL) {
        mem_free(f);
        mem_free(a);
        return NULL;
    }
    p->offset = c->assigned + 1;
    f->append = (struct engine_append){
        .done = landed,
        .name = c->name,
        .name_len = c->name_len,
        .publication = publication_ref(p),
        .history_size = channel_options(c)->history_size,
        .history_ttl_ms = channel_options(c)->history_ttl_ms,
        .history_meta_ttl_ms = channel_options(c)->history_meta_ttl_ms,
    };
    memcpy(f->append.epoch, c->stream.epoch, sizeof(f->append.epoch));
    f->channel = hub_ref(c);
    f->key = key;
    f->version_epoch = *version_epoch;
    *version_epoch = NULL;
    f->answers = a;
    f->behind_last = &f->behind;
    if (key != NULL)
        key->flight = f;
    return f;
}

/* Publishing, with the channel's lock held. Each returns true with the answer, or false when it comes later. */

static bool keep(struct channel *c, struct publication *p, struct retry *key, const struct hub_reply *to,
                 char **version_epoch, struct hub_published *result)
{
    struct engine *e = c->hub->config.engine;
    if (e == NULL) {
        if (stream_reserve(&c->stream) < 0) {
            *result = refusal(HUB_ERROR_INTERNAL);
            return true;
        }
        note(c, p, TRACE_NUMBERED, c->stream.top + 1, 0);
        arrive(c, p);
        *result = success(c, p->offset);
        return true;
    }
    struct flight *f = flight_new(c, p, key, to, version_epoch);
    if (f != NULL)
        note(c, p, TRACE_NUMBERED, p->offset, 1);
    if (f != NULL && e->ops->append(e, &f->append) == 0) {
        c->assigned++;
        if (f->version_epoch != NULL)
            c->versioned = f;
        return false;
    }
    if (f != NULL) {
        hub_release(c); /* the caller has one more */
        flight_free(f);
    }
    if (key != NULL)
        key->flight = NULL;
    atomic_fetch_add(&c->hub->refused, 1);
    note(c, p, TRACE_FAILED, 0, 0);
    *result = refusal(HUB_ERROR_INTERNAL);
    return true;
}

static bool is_newer(const struct publication_parts *is, const char *epoch, uint64_t version)
{
    return strlen(epoch) != is->version_epoch_len || memcmp(epoch, is->version_epoch, is->version_epoch_len) != 0 ||
           is->version > version;
}

/* What was sent again while the first is on its way to the disk has the same answer. */
static bool wait_with(struct flight *f, const struct hub_reply *to, struct hub_published *result)
{
    struct answer *a = answer_new(to);
    *result = refusal(HUB_ERROR_INTERNAL);
    if (a == NULL)
        return true;
    a->next = f->answers;
    f->answers = a;
    return false;
}

/* What is not kept could be told at once. But behind it the older version would be told, that is on its way. */
static bool wait_behind(struct flight *f, struct publication *p, const struct hub_reply *to,
                        struct hub_published *result)
{
    struct waiting *w = waiting_new(p, true, to);
    *result = refusal(HUB_ERROR_INTERNAL);
    if (w == NULL)
        return true;
    *f->behind_last = &w->waiter;
    f->behind_last = &w->waiter.next;
    return false;
}

/* A key that was seen before. */
static bool repeat(struct channel *c, struct retry *key, const struct hub_reply *to, struct hub_published *result)
{
    if (key->flight != NULL)
        return wait_with(key->flight, to, result);
    *result = success(c, key->offset);
    return true;
}

/* A version that was seen before, or is older: of what was published, or of what is on its way. */
static bool is_stale(struct channel *c, const struct publication *p, const struct hub_reply *to, bool *now,
                     struct hub_published *result)
{
    const struct publication_parts *is = &p->is;
    if (is->version == 0)
        return false;
    *now = true;
    if (c->version_epoch != NULL && !is_newer(is, c->version_epoch, c->version))
        *result = success(c, c->stream.top);
    else if (c->versioned != NULL &&
             !is_newer(is, c->versioned->version_epoch, c->versioned->append.publication->is.version))
        *now = wait_with(c->versioned, to, result);
    else
        return false;
    note(c, p, TRACE_KNOWN, 0, 1);
    return true;
}

static bool publish(struct channel *c, struct publication *p, bool skip_history, const struct hub_reply *to,
                    struct hub_published *result)
{
    const struct hub_limits *limits = &c->hub->config.limits;
    struct retry *key = NULL;
    char *version_epoch = NULL;
    bool now = true;
    if (p->is.key_len > 0) {
        key = retries_find(&c->retries, p->is.key, p->is.key_len, hub_now(c->hub));
        if (key != NULL) {
            note(c, p, TRACE_KNOWN, key->offset, 0);
            return repeat(c, key, to, result);
        }
    }
    if (is_stale(c, p, to, &now, result))
        return now;
    if (p->is.version > 0 && skip_history && c->versioned != NULL)
        return wait_behind(c->versioned, p, to, result);
    if (p->is.key_len > 0)
        key = retries_add(&c->retries, p->is.key, p->is.key_len, hub_now(c->hub) + limits->idempotency_ms,
                          limits->idempotency_keys, c->hub->channels.key);
    if (p->is.version > 0)
        version_epoch = mem_strdup(p->is.version_epoch);
    if ((p->is.key_len > 0 && key == NULL) || (p->is.version > 0 && version_epoch == NULL)) {
        *result = refusal(HUB_ERROR_INTERNAL);
    } else if (channel_keeps(c) && !skip_history) {
        now = keep(c, p, key, to, &version_epoch, result);
    } else {
        channel_tell(c, p);
        *result = success(c, 0);
    }
    if (now && result->error == HUB_OK)
        note_version(c, &p->is, &version_epoch);
    mem_free(version_epoch);
    if (now && key != NULL) {
        key->offset = result->offset;
        if (result->error != HUB_OK)
            retries_drop(&c->retries, key);
    }
    return now;
}

static void go_on(struct channel *c, struct waiter *waiter, int error)
{
    struct waiting *w = (struct waiting *)waiter;
    struct hub_published result = refusal(HUB_ERROR_INTERNAL);
    if (error < 0)
        note(c, w->publication, TRACE_FAILED, 0, 0);
    if (error < 0 || publish(c, w->publication, w->skip_history, &w->answer->to, &result)) {
        answer_later(c->hub, w->answer, &result);
        w->answer = NULL;
    }
    waiting_free(w);
}

/* With the lock held. True with the answer. */
static bool publish_or_wait(struct channel *c, struct publication *p, bool skip_history, const struct hub_reply *to,
                            struct hub_published *result)
{
    struct waiting *w = c->state == CHANNEL_READY ? NULL : waiting_new(p, skip_history, to);
    enum channel_use use = channel_use(c, w ? &w->waiter : NULL);
    if (use == CHANNEL_WAIT) {
        note(c, p, TRACE_LOADS, 0, 0);
        return false;
    }
    if (w != NULL)
        waiting_free(w);
    if (use == CHANNEL_USE)
        return publish(c, p, skip_history, to, result);
    note(c, p, TRACE_FAILED, 0, 0);
    *result = refusal(HUB_ERROR_INTERNAL);
    return true;
}

static void publish_to(struct channel *c, const struct publication_parts *parts, bool skip_history, uint32_t run,
                       const struct hub_reply *to)
{
    struct hub_published result = refusal(HUB_ERROR_INTERNAL);
    bool now = true;
    struct publication_parts is = *parts;
    is.time_ms = hub_now(c->hub);
    struct publication *p = publication_new(&is);
    if (p != NULL) {
        p->run = run;
        pthread_mutex_lock(&c->lock);
        now = publish_or_wait(c, p, skip_history, to, &result);
        pthread_mutex_unlock(&c->lock);
        publication_unref(p);
    }
    if (now)
        answer(to, &result);
}

/* 0, or why it cannot be said there. */
static enum hub_error judge(const struct hub_options *o, const struct publication_parts *parts)
{
    if (!(o->kinds >> parts->kind & 1))
        return HUB_ERROR_BAD_REQUEST;
    return parts->len > o->message_max ? HUB_ERROR_LIMIT : HUB_OK;
}

void hub_publish(struct hub *h, const struct hub_publish *what, const struct hub_reply *to)
{
    static const struct hub_reply nobody;
    enum hub_error error;
    uint32_t run = trace_wanted(h) ? trace_came(h, what->channel, what->len, what->way, &what->parts) : 0;
    struct channel *c = hub_channel(h, what->channel, what->len, &error);
    if (to == NULL)
        to = &nobody;
    if (c != NULL)
        error = judge(channel_options(c), &what->parts);
    if (error == HUB_OK) {
        publish_to(c, &what->parts, what->skip_history, run, to);
    } else {
        struct hub_published result = refusal(error);
        trace_refused(h, what->channel, what->len, run, (int)error);
        answer(to, &result);
    }
    if (c != NULL)
        hub_release(c);
}

void hub_tell_operators(struct hub *h, const char *json, size_t len)
{
    static const struct hub_reply nobody;
    publish_to(h->operators, &(struct publication_parts){ .kind = HUB_JSON, .data = json, .len = len }, true, 0,
               &nobody);
}

unsigned hub_operators(const struct hub *h)
{
    return __atomic_load_n(&h->operators->sub_count, __ATOMIC_RELAXED);
}

void session_publish(struct session *s, struct subscription *sub, const struct publication_parts *parts,
                     const struct hub_reply *to)
{
    static const struct hub_reply nobody;
    struct channel *c = sub->channel;
    enum hub_error error = judge(channel_options(c), parts);
    uint32_t run = trace_wanted(c->hub) ? trace_came(c->hub, c->name, c->name_len, s->calls->way, parts) : 0;
    if (to == NULL)
        to = &nobody;
    if (error == HUB_OK) {
        publish_to(c, parts, false, run, to);
    } else {
        struct hub_published result = refusal(error);
        trace_refused(c->hub, c->name, c->name_len, run, (int)error);
        answer(to, &result);
    }
}
