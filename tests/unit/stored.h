/* SPDX-License-Identifier: MIT */
/* A store in a folder of its own, asked one thing after the other. */
#ifndef TESTS_STORED_H
#define TESTS_STORED_H

#include "test.h"
#include "engine/store.h"
#include <dirent.h>
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#define USED_OR_NOT __attribute__((unused))

static const char epoch_a[] = "epochAaa";
static const char epoch_b[] = "epochBbb";

/* Folders. */

static char folder[64];

USED_OR_NOT static void make_folder(void)
{
    /* In memory where that is to be had: what reaches a disk is not what these tests are about. */
    snprintf(folder, sizeof(folder), "%s/duet-store-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
}

/* The files of a folder, and it. */
USED_OR_NOT static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
    rmdir(path);
}

USED_OR_NOT static const char *path_of(const char *name)
{
    static char path[2][512];
    static unsigned turn;
    turn++;
    snprintf(path[turn % 2], sizeof(path[0]), "%s/%s", folder, name);
    return path[turn % 2];
}

/* How many files of the folder have names that begin so. */
USED_OR_NOT static int files_named(const char *prefix)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    if (d != NULL)
        closedir(d);
    return n;
}

/* What the store has to say, and what it is told of the time. */

static struct {
    pthread_mutex_t lock;
    unsigned damaged, unclean, unavailable, available;
    char detail[512];
    uint64_t now_ms; /* 0: the system's */
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

USED_OR_NOT static void hear(void *arg, const duet_log_event *event)
{
    (void)arg;
    pthread_mutex_lock(&said.lock);
    said.damaged += strcmp(event->event, "store_damaged") == 0;
    said.unclean += strcmp(event->event, "store_unclean") == 0;
    said.unavailable += strcmp(event->event, "store_unavailable") == 0;
    said.available += strcmp(event->event, "store_available") == 0;
    snprintf(said.detail, sizeof(said.detail), "%s", event->detail ? event->detail : "");
    pthread_mutex_unlock(&said.lock);
}

USED_OR_NOT static void forget_said(void)
{
    said.damaged = said.unclean = said.unavailable = said.available = 0;
}

USED_OR_NOT static uint64_t told_time(void *arg)
{
    (void)arg;
    return __atomic_load_n(&said.now_ms, __ATOMIC_RELAXED);
}

/* Stores. */

USED_OR_NOT static int try_store(struct engine **e, struct store_config config, char *why)
{
    config.dir = config.dir ? config.dir : folder;
    config.log = hear;
    config.now_ms = said.now_ms ? told_time : NULL;
    return store_new(e, &config, why);
}

USED_OR_NOT static struct engine *open_store(struct store_config config)
{
    struct engine *e = NULL;
    char why[STORE_WHY] = "";
    if (try_store(&e, config, why) < 0)
        fail_msg("the store does not open: %s", why);
    return e;
}

USED_OR_NOT static void close_store(struct engine *e)
{
    e->ops->end(e);
}

/* Requests. Each has a place to be awaited. */

struct asked {
    struct engine_append append;
    struct engine_load load;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    unsigned nth; /* of all that were done */
};

static unsigned done_so_far;

USED_OR_NOT static void mark_done(struct asked *q)
{
    pthread_mutex_lock(&q->lock);
    q->done = true;
    q->nth = __atomic_add_fetch(&done_so_far, 1, __ATOMIC_RELAXED);
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

USED_OR_NOT static void append_done(struct engine_append *a)
{
    mark_done(a->owner);
}

USED_OR_NOT static void load_done(struct engine_load *l)
{
    mark_done(l->owner);
}

USED_OR_NOT static void await(struct asked *q)
{
    pthread_mutex_lock(&q->lock);
    while (!q->done)
        pthread_cond_wait(&q->answered, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

USED_OR_NOT static bool is_done(struct asked *q)
{
    pthread_mutex_lock(&q->lock);
    bool done = q->done;
    pthread_mutex_unlock(&q->lock);
    return done;
}

/* One publication for a channel, of a text; to be changed before it is given to the store. */
USED_OR_NOT static struct asked *ask_append(const char *name, const char *epoch, uint64_t offset, const char *text)
{
    struct asked *q = calloc(1, sizeof(*q));
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    q->append = (struct engine_append){ .done = append_done,
                                        .owner = q,
                                        .name = name,
                                        .name_len = strlen(name),
                                        .history_size = 1000,
                                        .history_ttl_ms = 3600000,
                                        .history_meta_ttl_ms = 7200000 };
    memcpy(q->append.epoch, epoch, STREAM_EPOCH);
    q->append.publication =
        publication_new(&(struct publication_parts){ .kind = HUB_TEXT, .data = text, .len = strlen(text) });
    assert_non_null(q->append.publication);
    q->append.publication->offset = offset;
    return q;
}

/* Once it is done. */
USED_OR_NOT static int end_append(struct asked *q)
{
    int error = q->append.error;
    publication_unref(q->append.publication);
    free(q);
    return error;
}

USED_OR_NOT static int give(struct engine *e, struct asked *q)
{
    int rc = e->ops->append(e, &q->append);
    if (rc == 0)
        await(q);
    else
        q->append.error = rc;
    return end_append(q);
}

USED_OR_NOT static int keep(struct engine *e, const char *name, const char *epoch, uint64_t offset, const char *text)
{
    return give(e, ask_append(name, epoch, offset, text));
}

/* "n" as the payload of offset n. */
USED_OR_NOT static void keep_numbers(struct engine *e, const char *name, const char *epoch, uint64_t from, uint64_t to)
{
    for (uint64_t o = from; o <= to; o++) {
        char text[24];
        snprintf(text, sizeof(text), "%llu", (unsigned long long)o);
        assert_int_equal(keep(e, name, epoch, o, text), 0);
    }
}

USED_OR_NOT static struct asked *ask_load(const char *name, uint32_t most)
{
    struct asked *q = calloc(1, sizeof(*q));
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    q->load =
        (struct engine_load){ .done = load_done, .owner = q, .name = name, .name_len = strlen(name), .most = most };
    return q;
}

/* A channel as the store has it; the stream is the caller's when it was found. */
USED_OR_NOT static int fetch_most(struct engine *e, const char *name, uint32_t most, bool *found, struct stream *s)
{
    struct asked *q = ask_load(name, most);
    int rc = e->ops->load(e, &q->load);
    if (rc == 0) {
        await(q);
        rc = q->load.error;
        *found = q->load.found;
        *s = q->load.stream;
    }
    free(q);
    return rc;
}

/* It is there, and this is it. */
USED_OR_NOT static struct stream fetch(struct engine *e, const char *name)
{
    struct stream s;
    bool found = false;
    assert_int_equal(fetch_most(e, name, 1000000, &found, &s), 0);
    assert_true(found);
    return s;
}

USED_OR_NOT static bool is_known(struct engine *e, const char *name)
{
    struct stream s;
    bool found = false;
    assert_int_equal(fetch_most(e, name, 1000000, &found, &s), 0);
    if (found)
        stream_fini(&s);
    return found;
}

USED_OR_NOT static const char *text_at(const struct stream *s, uint64_t offset)
{
    struct publication *p = stream_at(s, offset);
    return p ? p->is.data : NULL;
}

/* Offsets `from` to `to` are kept, with their numbers as payload, under the epoch (NULL: any). */
USED_OR_NOT static void expect_numbers(struct engine *e, const char *name, const char *epoch, uint64_t from,
                                       uint64_t to)
{
    struct stream s = fetch(e, name);
    if (epoch != NULL)
        assert_string_equal(s.epoch, epoch);
    assert_int_equal(s.top, to);
    assert_int_equal(stream_oldest(&s), from);
    for (uint64_t o = from; o <= to; o++)
        assert_int_equal(strtoull(text_at(&s, o), NULL, 10), o);
    stream_fini(&s);
}

#endif
