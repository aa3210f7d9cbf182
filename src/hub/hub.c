/* SPDX-License-Identifier: MIT */
#include "hub/hub.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hub/core.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { TICK_CHANNELS = 4096 }; /* looked at by one tick, so that a million of them take four minutes */
enum { SURVEY_AT_ONCE = 256 }; /* channels */

uint64_t hub_now(const struct hub *h)
{
    if (h->config.clock != NULL)
        return h->config.clock(h->config.arg);
    return h->wall_ms + (clock_ms() - h->steady_ms);
}

int hub_random(struct hub *h, void *to, size_t len)
{
    if (h->config.random != NULL)
        return h->config.random(h->config.arg, to, len);
    while (getrandom(to, len, 0) != (ssize_t)len)
        if (errno != EINTR)
            return DUET_ERR_RANDOM;
    return 0;
}

int hub_uuid(struct hub *h, char out[SESSION_CLIENT + 1])
{
    uint8_t r[16];
    int rc = hub_random(h, r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 9562 5.4: version 4 */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (int i = 0, at = 0; i < 16; i++)
        at += snprintf(out + at, (size_t)(SESSION_CLIENT + 1 - at),
                       i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", r[i]);
    return rc;
}

const char *hub_node(const struct hub *h)
{
    return h->node;
}

const struct hub_limits *hub_limits(const struct hub *h)
{
    return &h->config.limits;
}

static struct channel *new_channel(struct hub *h, size_t space, const char *name, size_t len,
                                   const char epoch[STREAM_EPOCH + 1])
{
    struct channel *c = mem_zalloc(sizeof(*c) + len);
    if (c == NULL)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->hub = h;
    c->space = space;
    c->serial = ++h->serials;
    c->waiting_last = &c->waiting;
    c->name_len = (uint8_t)len;
    memcpy(c->name, name, len);
    stream_init(&c->stream, epoch);
    return c;
}

/* It keeps nothing, and whoever may listen may hear all. */
static int make_operators(struct hub *h)
{
    static const char no_epoch[STREAM_EPOCH + 1];
    hub_options_default(&h->operators_options);
    h->operators = new_channel(h, 0, "", 0, no_epoch);
    if (h->operators == NULL)
        return DUET_ERR_NOMEM;
    h->operators->refs = 1; /* it is never forgotten */
    return 0;
}

static int init(struct hub *h, const struct hub_config *config, char *why)
{
    uint64_t seed[2];
    h->config = *config;
    h->wall_ms = clock_wall_ms();
    h->steady_ms = clock_ms();
    h->began_ms = hub_now(h);
    h->namespaces = mem_dup(config->namespaces, config->count * sizeof(*config->namespaces));
    if (h->namespaces == NULL)
        return DUET_ERR_NOMEM;
    atomic_init(&h->options, h->namespaces);
    int rc = hub_random(h, seed, sizeof(seed));
    if (rc == 0)
        rc = hub_uuid(h, h->node);
    if (rc == 0)
        rc = hub_names_new(&h->names, h->namespaces, config->count, config->limits.name_max, why);
    if (rc == 0)
        rc = make_operators(h);
    if (rc == 0)
        rc = tracing_new(&h->tracing);
    map_init(&h->channels, seed);
    map_init(&h->users, seed);
    return rc;
}

int hub_new(struct hub **out, const struct hub_config *config, char why[HUB_WHY])
{
    struct hub *h = mem_zalloc(sizeof(*h));
    snprintf(why, HUB_WHY, "%s", duet_strerror(DUET_ERR_NOMEM));
    if (h == NULL) {
        if (config->engine != NULL)
            config->engine->ops->end(config->engine);
        return DUET_ERR_NOMEM;
    }
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->session_lock, NULL);
    int rc = init(h, config, why);
    if (rc < 0) {
        hub_free(h);
        return rc;
    }
    *out = h;
    return 0;
}

static struct posting *take_unposted(struct hub *h)
{
    pthread_mutex_lock(&h->lock);
    struct posting *all = h->unposted;
    h->unposted = NULL;
    pthread_mutex_unlock(&h->lock);
    return all;
}

static void run_posting(duet_server *s, uint64_t id, void *arg)
{
    struct posting *p = arg;
    p->run(s, id, p);
}

void hub_post(struct hub *h, struct posting *p)
{
    if (duet_post(p->server, p->id, run_posting, p) == 0)
        return;
    pthread_mutex_lock(&h->lock);
    p->next = h->unposted;
    h->unposted = p;
    pthread_mutex_unlock(&h->lock);
}

/* What could not be posted: again, or for an id of no loop, or at the end, here, where it finds nobody. */
static void post_again(struct hub *h, bool last)
{
    struct posting *p = take_unposted(h);
    while (p != NULL) {
        struct posting *next = p->next;
        int rc = last ? DUET_ERR_GONE : duet_post(p->server, p->id, run_posting, p);
        if (rc == DUET_ERR_NOMEM)
            hub_post(h, p);
        else if (rc < 0)
            p->run(p->server, p->id, p);
        p = next;
    }
}

void hub_stop(struct hub *h)
{
    if (h != NULL && h->config.engine != NULL)
        h->config.engine->ops->end(h->config.engine);
    if (h == NULL)
        return;
    h->config.engine = NULL;
    post_again(h, true);
}

void hub_free(struct hub *h)
{
    if (h == NULL)
        return;
    hub_stop(h);
    while (h->newest != NULL) {
        struct channel *c = h->newest;
        h->newest = c->older;
        channel_free(c);
    }
    if (h->operators != NULL)
        channel_free(h->operators);
    tracing_free(h->tracing);
    map_fini(&h->channels);
    map_fini(&h->users);
    hub_names_free(h->names);
    if (h->replaced != NULL)
        mem_free(atomic_load(&h->options));
    while (h->replaced != NULL) {
        struct options_list *next = h->replaced->next;
        if (h->replaced->options != h->namespaces)
            mem_free(h->replaced->options);
        mem_free(h->replaced);
        h->replaced = next;
    }
    mem_free(h->namespaces);
    pthread_mutex_destroy(&h->lock);
    pthread_mutex_destroy(&h->session_lock);
    mem_free(h);
}

int hub_add_form(struct hub *h, const struct hub_form *form)
{
    if (h->form_count == HUB_FORMS)
        return DUET_ERR_LIMIT;
    h->forms[h->form_count] = *form;
    return (int)h->form_count++;
}

void hub_attach(struct hub *h, duet_server *s)
{
    if (h->server_count < HUB_SERVERS)
        h->servers[h->server_count++] = s;
}

const struct hub_options *hub_judge(const struct hub *h, const char *channel, size_t len, struct hub_name *name,
                                    enum hub_error *error)
{
    const struct hub_options *options = NULL;
    int rc = hub_name_judge(h->names, channel, len, name, &options);
    if (rc == HUB_ERROR_UNKNOWN_CHANNEL && h->config.any_namespace) {
        rc = HUB_OK;
        options = h->namespaces;
    }
    *error = (enum hub_error)rc;
    return rc == HUB_OK ? atomic_load_explicit(&h->options, memory_order_acquire) + (options - h->namespaces) : NULL;
}

const struct hub_options *hub_options_of(const struct hub *h, const char *channel, size_t len, enum hub_error *error)
{
    struct hub_name name;
    return hub_judge(h, channel, len, &name, error);
}

/* What a running hub takes over of `fresh`: all but what its names are, and whether there is a stream at all. */
static struct hub_options merged(const struct hub_options *now, const struct hub_options *fresh)
{
    struct hub_options o = *fresh;
    bool streams = now->history_size > 0 && now->history_ttl_ms > 0;
    memcpy(o.name, now->name, sizeof(o.name));
    o.channel_regex = now->channel_regex;
    o.message_max = now->message_max;
    o.subscribe_hook = now->subscribe_hook;
    o.publish_hook = now->publish_hook;
    o.occupancy_hook = now->occupancy_hook;
    if (streams != (fresh->history_size > 0 && fresh->history_ttl_ms > 0)) {
        o.history_size = now->history_size;
        o.history_ttl_ms = now->history_ttl_ms;
    }
    return o;
}

static const struct hub_options *find_space(const struct hub_options *all, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

int hub_reload(struct hub *h, const struct hub_options *fresh, size_t count)
{
    size_t n = h->config.count;
    struct hub_options *now = atomic_load_explicit(&h->options, memory_order_acquire);
    struct hub_options *next = mem_dup(now, n * sizeof(*now));
    struct options_list *old = mem_alloc(sizeof(*old));
    if (next == NULL || old == NULL) {
        mem_free(next);
        mem_free(old);
        return DUET_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct hub_options *said = find_space(fresh, count, now[i].name);
        if (said != NULL)
            next[i] = merged(&now[i], said);
    }
    pthread_mutex_lock(&h->lock);
    *old = (struct options_list){ .next = h->replaced, .options = now };
    h->replaced = old;
    atomic_store_explicit(&h->options, next, memory_order_release);
    pthread_mutex_unlock(&h->lock);
    return 0;
}

/* Names and references, under the hub's lock. */

static void link_channel(struct hub *h, struct channel *c)
{
    c->older = h->newest;
    if (h->newest != NULL)
        h->newest->newer = c;
    h->newest = c;
    atomic_fetch_add(&h->channel_count, 1);
}

static void unlink_channel(struct hub *h, struct channel *c)
{
    if (h->cursor == c)
        h->cursor = c->older;
    if (h->surveyed == c)
        h->surveyed = c->older;
    if (c->older != NULL)
        c->older->newer = c->newer;
    if (c->newer != NULL)
        c->newer->older = c->older;
    else
        h->newest = c->older;
    map_take(&h->channels, c->name, c->name_len);
    atomic_fetch_sub(&h->channel_count, 1);
}

int hub_epoch(struct hub *h, char out[STREAM_EPOCH + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    uint8_t random[STREAM_EPOCH];
    int rc = hub_random(h, random, sizeof(random));
    if (rc < 0)
        return rc;
    for (int i = 0; i < STREAM_EPOCH; i++)
        out[i] = letters[random[i] % 64];
    out[STREAM_EPOCH] = '\0';
    return 0;
}

static struct channel *make_channel(struct hub *h, const struct hub_options *options, const char *name, size_t len)
{
    char epoch[STREAM_EPOCH + 1];
    size_t space = (size_t)(options - atomic_load_explicit(&h->options, memory_order_acquire));
    struct channel *c = hub_epoch(h, epoch) < 0 ? NULL : new_channel(h, space, name, len, epoch);
    if (c != NULL && map_put(&h->channels, name, len, c) < 0) {
        channel_free(c);
        return NULL;
    }
    if (c != NULL)
        link_channel(h, c);
    return c;
}

/* One that is not there. Under the lock. */
static struct channel *add_channel(struct hub *h, const char *name, size_t len, enum hub_error *error)
{
    const struct hub_options *options = hub_options_of(h, name, len, error);
    if (options == NULL)
        return NULL;
    *error = HUB_ERROR_LIMIT;
    if (h->channels.count >= h->config.limits.channels_max)
        return NULL;
    *error = HUB_ERROR_INTERNAL;
    return make_channel(h, options, name, len);
}

struct channel *hub_channel(struct hub *h, const char *name, size_t len, enum hub_error *error)
{
    pthread_mutex_lock(&h->lock);
    struct channel *c = map_get(&h->channels, name, len);
    if (c == NULL)
        c = add_channel(h, name, len, error);
    if (c != NULL) {
        c->refs++;
        *error = HUB_OK;
    }
    pthread_mutex_unlock(&h->lock);
    return c;
}

struct channel *hub_channel_known(struct hub *h, const char *name, size_t len)
{
    pthread_mutex_lock(&h->lock);
    struct channel *c = map_get(&h->channels, name, len);
    if (c != NULL)
        c->refs++;
    pthread_mutex_unlock(&h->lock);
    return c;
}

struct channel *hub_ref(struct channel *c)
{
    pthread_mutex_lock(&c->hub->lock);
    c->refs++;
    pthread_mutex_unlock(&c->hub->lock);
    return c;
}

/* Nobody refers to it, so nobody holds its lock, and nobody can get to it while we hold the hub's. */
static bool forget_if_idle(struct hub *h, struct channel *c)
{
    if (c->refs > 0 || !channel_idle(c, hub_now(h)))
        return false;
    unlink_channel(h, c);
    return true;
}

void hub_release(struct channel *c)
{
    struct hub *h = c->hub;
    pthread_mutex_lock(&h->lock);
    c->refs--;
    bool over = forget_if_idle(h, c);
    pthread_mutex_unlock(&h->lock);
    if (over)
        channel_free(c);
}

/* The next channel of the round, with a reference; NULL: the round is over. */
static struct channel *next_of_round(struct hub *h, bool begin)
{
    pthread_mutex_lock(&h->lock);
    struct channel *c = begin && h->cursor == NULL ? h->newest : h->cursor;
    if (c != NULL) {
        c->refs++;
        h->cursor = c->older;
    }
    pthread_mutex_unlock(&h->lock);
    return c;
}

void hub_tick(struct hub *h)
{
    post_again(h, false);
    for (unsigned n = 0; n < TICK_CHANNELS; n++) {
        struct channel *c = next_of_round(h, n == 0);
        if (c == NULL)
            return;
        pthread_mutex_lock(&c->lock);
        channel_expire(c, hub_now(h));
        pthread_mutex_unlock(&c->lock);
        hub_release(c);
    }
}

void hub_each_channel(struct hub *h, bool (*more)(void *arg, const char *name, size_t len, size_t subscribers),
                      void *arg)
{
    pthread_mutex_lock(&h->lock);
    for (struct channel *c = h->newest; c != NULL; c = c->older)
        if (!more(arg, c->name, c->name_len, __atomic_load_n(&c->sub_count, __ATOMIC_RELAXED)))
            break;
    pthread_mutex_unlock(&h->lock);
}

/* The next to look at; NULL: there is none. Under the lock. */
static struct channel *next_to_survey(struct hub *h, bool begin)
{
    struct channel *c = begin && h->surveyed == NULL ? h->newest : h->surveyed;
    h->surveyed = c ? c->older : NULL;
    return c;
}

static struct hub_glance glance_at(struct channel *c, uint64_t now_ms)
{
    struct hub_glance g = {
        .name = c->name,
        .len = c->name_len,
        .subscribers = __atomic_load_n(&c->sub_count, __ATOMIC_RELAXED),
        .published = __atomic_load_n(&c->published, __ATOMIC_RELAXED),
        .before = c->seen,
        .since_ms = c->seen_ms ? now_ms - c->seen_ms : 0,
    };
    c->seen = g.published;
    c->seen_ms = now_ms;
    return g;
}

bool hub_survey(struct hub *h, unsigned most, void (*each)(void *arg, const struct hub_glance *g), void *arg)
{
    uint64_t now_ms = hub_now(h);
    bool over = false;
    for (unsigned n = 0; n < most && !over;) {
        pthread_mutex_lock(&h->lock);
        for (unsigned i = 0; i < SURVEY_AT_ONCE && n < most && !over; i++, n++) {
            struct channel *c = next_to_survey(h, n == 0);
            if (c != NULL) {
                const struct hub_glance g = glance_at(c, now_ms);
                each(arg, &g);
            }
            over = c == NULL || h->surveyed == NULL;
        }
        pthread_mutex_unlock(&h->lock);
    }
    return over;
}

uint32_t hub_subscribers(struct hub *h, const char *channel, size_t len)
{
    pthread_mutex_lock(&h->lock);
    struct channel *c = map_get(&h->channels, channel, len);
    uint32_t n = c ? __atomic_load_n(&c->sub_count, __ATOMIC_RELAXED) : 0;
    pthread_mutex_unlock(&h->lock);
    return n;
}

bool hub_healthy(struct hub *h, char why[HUB_WHY])
{
    struct engine *e = h->config.engine;
    return e == NULL || e->ops->healthy(e, why);
}

void hub_read_stats(struct hub *h, struct hub_stats *out)
{
    pthread_mutex_lock(&h->session_lock);
    size_t users = h->users.count;
    pthread_mutex_unlock(&h->session_lock);
    *out = (struct hub_stats){
        .users = users,
        .channels = h->channel_count,
        .sessions = h->session_count,
        .subscriptions = h->subscriptions,
        .history_bytes = h->history_bytes,
        .publications = h->publications,
        .recovered = h->recovered,
        .unrecovered = h->unrecovered,
        .refused = h->refused,
        .uptime_ms = hub_now(h) - h->began_ms,
    };
}
