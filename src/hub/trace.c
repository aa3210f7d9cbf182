/* SPDX-License-Identifier: MIT */
/*
 * The lock is a leaf, but for what duet_post() takes: steps are noted under a channel's. How a loop gets on with its
 * members is not told by the loop, which has no time for it: a probe is posted behind the publication, looks how the
 * topic stands, and posts itself again until all members have it.
 */
#include "hub/trace.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hub/core.h"
#include <stdio.h>
#include <string.h>

enum { TURNS_MOST = 2000, LOOPS_MOST = 256 };

struct tracer {
    struct hub *hub;
    duet_server *server;
    uint64_t id;
    void (*news)(duet_server *s, uint64_t id, void *unused);
    size_t len;
    char channel[HUB_NAME_MOST];
    /* Under the lock. */
    unsigned at, count; /* of the steps in the ring */
    bool told;          /* news were sent, and nothing was taken since */
    uint64_t lost;
    struct trace_step steps[TRACE_STEPS];
};

struct tracing {
    pthread_mutex_t lock;
    struct tracer *of[TRACE_TRACERS];
    uint32_t runs; /* given so far */
};

int tracing_new(struct tracing **out)
{
    struct tracing *t = mem_zalloc(sizeof(*t));
    if (t == NULL)
        return DUET_ERR_NOMEM;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

void tracing_free(struct tracing *t)
{
    if (t == NULL)
        return;
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* Tracers. */

static int enlist(struct tracer *t)
{
    struct tracing *all = t->hub->tracing;
    int rc = DUET_ERR_LIMIT;
    pthread_mutex_lock(&all->lock);
    for (int i = 0; i < TRACE_TRACERS && rc != 0; i++)
        if (all->of[i] == NULL) {
            all->of[i] = t;
            rc = 0;
        }
    pthread_mutex_unlock(&all->lock);
    if (rc == 0)
        atomic_fetch_add(&t->hub->tracers, 1);
    return rc;
}

int hub_trace_begin(struct tracer **out, struct hub *h, const char *channel, size_t len, duet_server *server,
                    uint64_t id, void (*news)(duet_server *s, uint64_t id, void *unused))
{
    struct tracer *t = len <= HUB_NAME_MOST ? mem_zalloc(sizeof(*t)) : NULL;
    if (t == NULL)
        return len <= HUB_NAME_MOST ? DUET_ERR_NOMEM : DUET_ERR_LIMIT;
    t->hub = h;
    t->server = server;
    t->id = id;
    t->news = news;
    t->len = len;
    memcpy(t->channel, channel, len);
    int rc = enlist(t);
    if (rc < 0) {
        mem_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void hub_trace_end(struct tracer *t)
{
    if (t == NULL)
        return;
    struct tracing *all = t->hub->tracing;
    pthread_mutex_lock(&all->lock);
    for (int i = 0; i < TRACE_TRACERS; i++)
        if (all->of[i] == t)
            all->of[i] = NULL;
    pthread_mutex_unlock(&all->lock);
    atomic_fetch_sub(&t->hub->tracers, 1);
    mem_free(t);
}

unsigned hub_trace_take(struct tracer *t, struct trace_step *out, unsigned most, uint64_t *lost)
{
    unsigned n = 0;
    pthread_mutex_lock(&t->hub->tracing->lock);
    for (; n < most && t->count > 0; n++, t->count--) {
        out[n] = t->steps[t->at];
        t->at = (t->at + 1) % TRACE_STEPS;
    }
    *lost = t->lost;
    t->lost = 0;
    t->told = t->count > 0; /* the caller comes again for the rest */
    pthread_mutex_unlock(&t->hub->tracing->lock);
    return n;
}

/* Steps. */

static bool watches(const struct tracer *t, const char *channel, size_t len)
{
    return t != NULL && t->len == len && memcmp(t->channel, channel, len) == 0;
}

/* Under the lock, as the next. */
static void keep(struct tracer *t, const struct trace_step *step)
{
    if (t->count == TRACE_STEPS)
        t->lost++;
    else
        t->steps[(t->at + t->count++) % TRACE_STEPS] = *step;
    /* Without memory to say so the next step does. */
    if (!t->told)
        t->told = duet_post(t->server, t->id, t->news, NULL) == 0;
}

/* To all who watch the channel. Without a run it is a new one's first. Returns the run; 0: nobody watches. */
static uint32_t put(struct hub *h, const char *channel, size_t len, struct trace_step step)
{
    struct tracing *all = h->tracing;
    uint32_t run = 0;
    step.us = clock_us();
    pthread_mutex_lock(&all->lock);
    for (int i = 0; i < TRACE_TRACERS; i++) {
        if (!watches(all->of[i], channel, len))
            continue;
        if (step.run == 0)
            step.run = ++all->runs ? all->runs : ++all->runs;
        run = step.run;
        keep(all->of[i], &step);
    }
    pthread_mutex_unlock(&all->lock);
    return run;
}

uint32_t trace_came(struct hub *h, const char *channel, size_t len, const char *way,
                    const struct publication_parts *parts)
{
    struct trace_step step = { .kind = TRACE_CAME, .count = parts->len, .more = parts->kind };
    size_t who = parts->info_len < TRACE_TEXT ? parts->info_len : TRACE_TEXT;
    snprintf(step.way, sizeof(step.way), "%s", way ? way : "");
    if (who > 0)
        memcpy(step.text, parts->info, who);
    return put(h, channel, len, step);
}

void trace_note(const struct channel *c, const struct trace_step *step)
{
    put(c->hub, c->name, c->name_len, *step);
}

static void put_refused(struct hub *h, const char *channel, size_t len, uint32_t run, int code, const char *words)
{
    struct trace_step step = { .run = run, .kind = TRACE_REFUSED, .error = code };
    snprintf(step.text, sizeof(step.text), "%s", words);
    if (run != 0)
        put(h, channel, len, step);
}

void trace_refused(struct hub *h, const char *channel, size_t len, uint32_t run, int error)
{
    put_refused(h, channel, len, run, error, hub_code_text(error));
}

void hub_trace_refused(struct hub *h, const struct hub_publish *what, int code, const char *words)
{
    if (trace_wanted(h))
        put_refused(h, what->channel, what->len, trace_came(h, what->channel, what->len, what->way, &what->parts), code,
                    words);
}

/* Loops. */

struct probe {
    struct hub *hub;
    uint32_t run;
    unsigned loop, turns;
    uint64_t goal; /* when so many publications of the topic are given, ours is */
    char topic[CORE_TOPIC];
    size_t len;
    char channel[];
};

static void tell_given(const struct probe *p, uint64_t members, bool given)
{
    put(p->hub, p->channel, p->len,
        (struct trace_step){ .run = p->run,
                             .kind = TRACE_GIVEN,
                             .loop = p->loop,
                             .count = members,
                             .more = !given         ? 0
                                     : p->turns > 1 ? p->turns - 1
                                                    : 1 });
}

/* Behind the publication on its loop; the members get it at the end of the turn. */
static void look(duet_server *s, uint64_t id, void *arg)
{
    struct probe *p = arg;
    duet_topic_stats topic;
    duet_topic_read(s, p->topic, &topic);
    if (p->turns++ == 0)
        p->goal = topic.published;
    bool given = topic.given >= p->goal;
    if (topic.members > 0 && (given || p->turns == TURNS_MOST))
        tell_given(p, topic.members, given);
    else if (topic.members > 0 && duet_post(s, id, look, p) == 0)
        return;
    mem_free(p);
}

/* False: there is no such loop, or no memory. */
static bool send_probe(const struct channel *c, uint32_t run, duet_server *s, unsigned loop, unsigned form)
{
    struct probe *p = mem_zalloc(sizeof(*p) + c->name_len);
    if (p == NULL)
        return false;
    p->hub = c->hub;
    p->run = run;
    p->loop = loop;
    p->len = c->name_len;
    memcpy(p->channel, c->name, c->name_len);
    channel_topic(c, form, false, p->topic);
    if (duet_post(s, loop, look, p) == 0)
        return true;
    mem_free(p);
    return false;
}

void trace_told(struct channel *c, const struct publication *p)
{
    const struct hub *h = c->hub;
    struct trace_step step = { .run = p->run, .kind = TRACE_TOLD, .count = c->sub_count };
    for (unsigned f = 0; f < h->form_count; f++)
        step.more += c->members[f] > 0;
    trace_note(c, &step);
    for (unsigned f = 0; f < h->form_count; f++)
        for (unsigned i = 0; i < h->server_count && c->members[f] > 0; i++)
            for (unsigned loop = 0; loop < LOOPS_MOST && send_probe(c, p->run, h->servers[i], loop, f); loop++)
                ;
}
