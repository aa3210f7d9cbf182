/* SPDX-License-Identifier: MIT */
/*
 * The store: publications a second and how long each takes until it is acknowledged, at each durability, with some in
 * flight; next to what the disk needs for a write and a sync of the same bytes. And how long a start takes.
 *
 *   bench_store [DIR [CHANNELS]]    in a new folder of DIR (.), and a start with so many channels (100000)
 */
#include "engine/store.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 100, MOST_IN_FLIGHT = 4096, SAMPLES = 1 << 20 };

static const char epoch[] = "benchmrk";

/* One place in flight: a channel's next publication as soon as the last is acknowledged. */
struct flight {
    struct engine_append append;
    char name[24];
    uint64_t offset;
    double since;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct engine *engine;
    double until;
    unsigned flying;
    size_t count;
    float took[SAMPLES];
} run = { .lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static void landed(struct engine_append *a);

static void launch(struct flight *f, uint64_t history)
{
    char data[PAYLOAD];
    memset(data, 'x', sizeof(data));
    f->append = (struct engine_append){ .done = landed,
                                        .owner = f,
                                        .name = f->name,
                                        .name_len = strlen(f->name),
                                        .history_size = (uint32_t)history,
                                        .history_ttl_ms = 3600000,
                                        .history_meta_ttl_ms = 3600000 };
    memcpy(f->append.epoch, epoch, sizeof(f->append.epoch));
    f->append.publication = publication_new(
        &(struct publication_parts){ .kind = HUB_TEXT, .data = data, .len = sizeof(data), .time_ms = 1764000000000 });
    if (f->append.publication == NULL)
        fail("out of memory");
    f->append.publication->offset = ++f->offset;
    f->since = seconds();
    if (run.engine->ops->append(run.engine, &f->append) < 0)
        fail("the queue is full");
}

static void landed(struct engine_append *a)
{
    struct flight *f = a->owner;
    double now = seconds();
    if (a->error < 0)
        fail(duet_strerror(a->error));
    publication_unref(a->publication);
    run.took[run.count++ % SAMPLES] = (float)(now - f->since);
    if (now < run.until) {
        launch(f, 100);
        return;
    }
    pthread_mutex_lock(&run.lock);
    if (--run.flying == 0)
        pthread_cond_signal(&run.idle);
    pthread_mutex_unlock(&run.lock);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* A folder that is gone when it is closed. */
static void open_store(const char *dir, enum store_durability durability)
{
    char why[STORE_WHY];
    if (store_new(&run.engine, &(struct store_config){ .dir = dir, .durability = durability }, why) < 0)
        fail(why);
}

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
    rmdir(path);
}

static double measure(const char *dir, enum store_durability durability, unsigned in_flight)
{
    static struct flight flights[MOST_IN_FLIGHT];
    static const char *const words[] = { "fsync", "batch", "memory" };
    memset(flights, 0, sizeof(flights));
    open_store(dir, durability);
    run.count = 0;
    run.flying = in_flight;
    double from = seconds();
    run.until = from + 3;
    for (unsigned i = 0; i < in_flight; i++) {
        snprintf(flights[i].name, sizeof(flights[i].name), "channel:%u", i);
        launch(&flights[i], 100);
    }
    pthread_mutex_lock(&run.lock);
    while (run.flying > 0)
        pthread_cond_wait(&run.idle, &run.lock);
    pthread_mutex_unlock(&run.lock);
    double rate = (double)run.count / (seconds() - from);
    size_t n = run.count < SAMPLES ? run.count : SAMPLES;
    qsort(run.took, n, sizeof(*run.took), by_size);
    printf("%-8s %6u in flight %10.0f publications/s   p50 %8.2f ms   p99 %8.2f ms\n", words[durability], in_flight,
           rate, 1000.0 * (double)run.took[n / 2], 1000.0 * (double)run.took[n * 99 / 100]);
    run.engine->ops->end(run.engine);
    remove_folder(dir);
    return rate;
}

/* What the disk needs for one: a page written over and synced. */
static double measure_disk(const char *dir)
{
    char path[300], page[4096] = "";
    snprintf(path, sizeof(path), "%s.floor", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), n = 0;
    double from = seconds();
    for (; seconds() - from < 2; n++)
        if (pwrite(fd, page, sizeof(page), 4096 * (n % 256)) < 0 || fdatasync(fd) < 0)
            fail("the disk cannot be written");
    double rate = n / (seconds() - from);
    close(fd);
    unlink(path);
    printf("%-8s %6d in flight %10.0f syncs/s          mean %7.2f ms\n", "disk", 1, rate, 1000 / rate);
    return rate;
}

/* A folder with so many channels of one publication each, and how long it takes until it can be used again. */
static void measure_start(const char *dir, unsigned channels)
{
    static struct flight flights[MOST_IN_FLIGHT];
    run.until = 0; /* one each */
    open_store(dir, STORE_MEMORY);
    for (unsigned at = 0; at < channels;) {
        unsigned n = channels - at < MOST_IN_FLIGHT ? channels - at : MOST_IN_FLIGHT;
        run.flying = n;
        for (unsigned i = 0; i < n; i++, at++) {
            flights[i].offset = 0;
            snprintf(flights[i].name, sizeof(flights[i].name), "channel:%u", at);
            launch(&flights[i], 1);
        }
        pthread_mutex_lock(&run.lock);
        while (run.flying > 0)
            pthread_cond_wait(&run.idle, &run.lock);
        pthread_mutex_unlock(&run.lock);
    }
    run.engine->ops->end(run.engine);
    double from = seconds();
    open_store(dir, STORE_FSYNC);
    printf("%-8s %u channels: %.2f s\n", "start", channels, seconds() - from);
    run.engine->ops->end(run.engine);
    remove_folder(dir);
}

int main(int argc, char **argv)
{
    static const unsigned in_flight[] = { 1, 16, 256, MOST_IN_FLIGHT };
    char dir[256];
    snprintf(dir, sizeof(dir), "%s/bench-store-%ld", argc > 1 ? argv[1] : ".", (long)getpid());
    measure_disk(dir);
    for (int d = STORE_FSYNC; d <= STORE_MEMORY; d++)
        for (size_t i = 0; i < sizeof(in_flight) / sizeof(*in_flight); i++)
            measure(dir, (enum store_durability)d, in_flight[i]);
    measure_start(dir, argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100000);
    return 0;
}
