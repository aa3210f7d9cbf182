/* SPDX-License-Identifier: MIT */
/*
 * The queue and its two threads. The writer takes all appends that wait, and the loads that have to come behind them;
 * the reader takes the other loads. A load is for the writer while anything waits of a channel with the same hash: the
 * counters say so without a memory for each channel.
 */
#include "engine/store.h"
#include "engine/folder.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "engine/keeper.h"
#include <duet/error.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { QUEUE_BYTES = 64 << 20, BUCKETS = 4096 };

/* A list with its end. */
struct append_list {
    struct engine_append *first, **last;
};
struct load_list {
    struct engine_load *first, **last;
};

struct store {
    struct engine engine;
    struct keeper keeper;
    pthread_t writer, reader;
    bool writes, reads; /* the threads run */

    pthread_mutex_t lock; /* for what is below */
    pthread_cond_t to_write, to_read;
    struct append_list appends;
    struct load_list loads, behind; /* behind: the writer's */
    size_t bytes, bytes_most;       /* of all that was taken and is not done */
    uint32_t waiting[BUCKETS];      /* appends that are not done, by hash */
    bool no_more_reads, no_more_writes;
};

static struct store *store_of(struct engine *e)
{
    return (struct store *)e;
}

static uint32_t *bucket(struct store *s, const char *name, size_t len)
{
    static const uint64_t key[2] = { 1, 2 };
    return &s->waiting[siphash13(key, name, len) % BUCKETS];
}

/* What waits. */

static size_t append_size(const struct engine_append *a)
{
    return sizeof(*a) + a->name_len + (a->publication != NULL ? publication_size(a->publication) : 0);
}

static size_t load_size(const struct engine_load *l)
{
    return sizeof(*l) + l->name_len;
}

static void put_load(struct load_list *list, struct engine_load *l)
{
    l->next = NULL;
    *list->last = l;
    list->last = &l->next;
}

static struct engine_load *take_loads(struct load_list *list)
{
    struct engine_load *first = list->first;
    *list = (struct load_list){ NULL, &list->first };
    return first;
}

static struct engine_append *take_appends(struct append_list *list)
{
    struct engine_append *first = list->first;
    *list = (struct append_list){ NULL, &list->first };
    return first;
}

static bool has_room(const struct store *s, size_t size)
{
    /* Something always fits: a limit below a single publication's size would never let it pass. */
    return s->bytes == 0 || s->bytes + size <= s->bytes_most;
}

static int store_load(struct engine *e, struct engine_load *l)
{
    struct store *s = store_of(e);
    int rc = DUET_ERR_FULL;
    pthread_mutex_lock(&s->lock);
    if (has_room(s, load_size(l))) {
        bool behind = *bucket(s, l->name, l->name_len) > 0;
        s->bytes += load_size(l);
        put_load(behind ? &s->behind : &s->loads, l);
        pthread_cond_signal(behind ? &s->to_write : &s->to_read);
        rc = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int store_append(struct engine *e, struct engine_append *a)
{
    struct store *s = store_of(e);
    int rc = DUET_ERR_FULL;
    pthread_mutex_lock(&s->lock);
    if (has_room(s, append_size(a))) {
        s->bytes += append_size(a);
        ++*bucket(s, a->name, a->name_len);
        a->next = NULL;
        *s->appends.last = a;
        s->appends.last = &a->next;
        pthread_cond_signal(&s->to_write);
        rc = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static void cleared(struct engine_append *a)
{
    mem_free(a);
}

static void store_clear(struct engine *e, const char *name, size_t len, uint64_t offset)
{
    struct keeper_clear *c = mem_zalloc(sizeof(*c) + len);
    if (c == NULL)
        return;
    memcpy(c->name, name, len);
    c->offset = offset;
    c->append.name = c->name;
    c->append.name_len = len;
    c->append.done = cleared;
    if (store_append(e, &c->append) < 0)
        mem_free(c);
}

static bool store_healthy(struct engine *e, char *why)
{
    int trouble = keeper_trouble(&store_of(e)->keeper);
    if (trouble < 0)
        snprintf(why, STORE_WHY, "%.100s: %s", store_of(e)->keeper.folder.path, duet_strerror(trouble));
    return trouble == 0;
}

/* The writer. */

static bool has_work(const struct store *s)
{
    return s->appends.first != NULL || s->behind.first != NULL;
}

static void wait_for_work(struct store *s)
{
    while (!has_work(s) && !s->no_more_writes) {
        uint64_t at = keeper_deadline(&s->keeper);
        struct timespec until = { .tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000 };
        if (clock_ms() >= at || pthread_cond_timedwait(&s->to_write, &s->lock, &until) != 0)
            return;
    }
}

/* They are no longer the store's; their memory is until their `done`, which comes next. */
static void release(struct store *s, const struct engine_append *appends, const struct engine_load *loads)
{
    pthread_mutex_lock(&s->lock);
    for (; appends != NULL; appends = appends->next) {
        s->bytes -= append_size(appends);
        --*bucket(s, appends->name, appends->name_len);
    }
    for (; loads != NULL; loads = loads->next)
        s->bytes -= load_size(loads);
    pthread_mutex_unlock(&s->lock);
}

static void answer_loads(struct engine_load *loads)
{
    while (loads != NULL) {
        struct engine_load *next = loads->next;
        loads->done(loads);
        loads = next;
    }
}

static void answer_appends(struct engine_append *appends)
{
    while (appends != NULL) {
        struct engine_append *next = appends->next;
        appends->done(appends);
        appends = next;
    }
}

static void *write_all(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        wait_for_work(s);
        if (!has_work(s) && s->no_more_writes)
            break;
        struct engine_append *appends = take_appends(&s->appends);
        struct engine_load *loads = take_loads(&s->behind);
        pthread_mutex_unlock(&s->lock);
        if (appends != NULL || loads != NULL)
            keeper_commit(&s->keeper, appends, loads);
        release(s, appends, loads);
        answer_appends(appends);
        answer_loads(loads);
        keeper_tick(&s->keeper);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* The reader. */

static void read_one(struct store *s, struct engine_load *l)
{
    bool answered = keeper_read(&s->keeper, l) == 1;
    pthread_mutex_lock(&s->lock);
    if (answered) {
        s->bytes -= load_size(l);
    } else {
        put_load(&s->behind, l);
        pthread_cond_signal(&s->to_write);
    }
    pthread_mutex_unlock(&s->lock);
    if (answered)
        l->done(l);
}

static void *read_all(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->loads.first == NULL && !s->no_more_reads)
            pthread_cond_wait(&s->to_read, &s->lock);
        struct engine_load *loads = take_loads(&s->loads);
        if (loads == NULL)
            break;
        pthread_mutex_unlock(&s->lock);
        while (loads != NULL) {
            struct engine_load *next = loads->next;
            read_one(s, loads);
            loads = next;
        }
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Making and ending. */

static void end_thread(struct store *s, pthread_t thread, bool runs, bool *no_more, pthread_cond_t *wake)
{
    if (!runs)
        return;
    pthread_mutex_lock(&s->lock);
    *no_more = true;
    pthread_cond_signal(wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(thread, NULL);
}

static void store_end(struct engine *e)
{
    struct store *s = store_of(e);
    /* The reader first: what it cannot answer it gives to the writer. */
    end_thread(s, s->reader, s->reads, &s->no_more_reads, &s->to_read);
    end_thread(s, s->writer, s->writes, &s->no_more_writes, &s->to_write);
    keeper_close(&s->keeper);
    pthread_cond_destroy(&s->to_write);
    pthread_cond_destroy(&s->to_read);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static const struct engine_ops store_ops = {
    .name = "sqlite",
    .load = store_load,
    .append = store_append,
    .clear = store_clear,
    .healthy = store_healthy,
    .end = store_end,
};

static void init(struct store *s, const struct store_config *config)
{
    pthread_condattr_t steady;
    s->engine.ops = &store_ops;
    s->bytes_most = config->queue_bytes ? config->queue_bytes : QUEUE_BYTES;
    s->appends.last = &s->appends.first;
    s->loads.last = &s->loads.first;
    s->behind.last = &s->behind.first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&s->to_write, &steady);
    pthread_cond_init(&s->to_read, NULL);
    pthread_condattr_destroy(&steady);
}

int store_new(struct engine **out, const struct store_config *config, char *why)
{
    struct store *s = mem_zalloc(sizeof(*s));
    if (s == NULL) {
        snprintf(why, STORE_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    init(s, config);
    int rc = keeper_open(&s->keeper, config, why);
    if (rc == 0)
        rc = -pthread_create(&s->writer, NULL, write_all, s);
    s->writes = rc == 0;
    if (rc == 0)
        rc = -pthread_create(&s->reader, NULL, read_all, s);
    s->reads = s->writes && rc == 0;
    if (rc < 0) {
        if (why[0] == '\0')
            snprintf(why, STORE_WHY, "%s", duet_strerror(rc));
        store_end(&s->engine);
        return rc;
    }
    *out = &s->engine;
    return 0;
}

int store_check(const char *dir, char why[STORE_WHY])
{
    return folder_look(dir, why);
}
