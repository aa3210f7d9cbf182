/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include "kernel.h"
#include "sim.h"
#include <duet/error.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 8, QUEUE = 64 };

struct kept {
    char name[32], epoch[STREAM_EPOCH + 1];
    struct publication **all; /* offset o is at o - 1 */
    uint64_t top, cap;
};

struct task {
    struct engine_load *load; /* or */
    struct engine_append *append;
    uint64_t due_us;
};

struct disk {
    struct engine engine; /* first */
    struct dice *dice;
    struct disk_mood mood;
    struct kept kept[CHANNELS];
    struct task queue[QUEUE];
    unsigned first, last;
    bool crashed;
};

static struct kept *kept_of(struct disk *d, const char *name, size_t len)
{
    for (int i = 0; i < CHANNELS; i++) {
        struct kept *k = &d->kept[i];
        if (k->name[0] == '\0')
            snprintf(k->name, sizeof(k->name), "%.*s", (int)len, name);
        if (strlen(k->name) == len && memcmp(k->name, name, len) == 0)
            return k;
    }
    bool has_room = false;
    CHECK(has_room);
    return NULL;
}

static int take(struct engine *e, struct engine_load *load, struct engine_append *append)
{
    struct disk *d = (struct disk *)e;
    if (d->last - d->first == QUEUE || dice_one_in(d->dice, d->mood.full_one_in))
        return DUET_ERR_FULL;
    d->queue[d->last++ % QUEUE] = (struct task){
        .load = load, .append = append, .due_us = kernel_now_us() + dice_below(d->dice, d->mood.delay_us + 1)
    };
    return 0;
}

static int load(struct engine *e, struct engine_load *l)
{
    return take(e, l, NULL);
}

static int append(struct engine *e, struct engine_append *a)
{
    return take(e, NULL, a);
}

static void clear(struct engine *e, const char *name, size_t len, uint64_t offset)
{
    (void)e;
    (void)name;
    (void)len;
    (void)offset;
}

static bool healthy(struct engine *e, char *why)
{
    (void)e;
    (void)why;
    return true;
}

static void do_load(struct disk *d, struct engine_load *l, int error)
{
    const struct kept *k = kept_of(d, l->name, l->name_len);
    l->error = error;
    l->found = error == 0 && k->epoch[0] != '\0';
    if (l->found) {
        uint64_t from = k->top > l->most ? k->top - l->most : 0;
        stream_init(&l->stream, k->epoch);
        stream_resume(&l->stream, from, 0);
        for (uint64_t o = from; o < k->top && l->error == 0; o++) {
            l->error = stream_reserve(&l->stream);
            if (l->error < 0)
                stream_fini(&l->stream); /* it is not taken */
            else
                stream_append(&l->stream, k->all[o], l->most, k->all[o]->is.time_ms);
        }
    }
    l->done(l);
}

static void do_append(struct disk *d, struct engine_append *a, int error)
{
    struct kept *k = kept_of(d, a->name, a->name_len);
    if (error == 0 && k->epoch[0] == '\0')
        memcpy(k->epoch, a->epoch, sizeof(k->epoch));
    if (error == 0 && (a->publication->offset != k->top + 1 || strcmp(k->epoch, a->epoch) != 0))
        error = DUET_ERR_STATE;
    if (error == 0 && k->top == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 16;
        k->all = realloc(k->all, (size_t)k->cap * sizeof(struct publication *));
    }
    /* A copy: what is on a disk is no memory of the server. */
    struct publication *copy = error == 0 ? publication_new(&a->publication->is) : NULL;
    if (copy != NULL) {
        copy->offset = a->publication->offset;
        k->all[k->top++] = copy;
    } else if (error == 0) {
        error = DUET_ERR_NOMEM;
    }
    a->error = error;
    a->done(a);
}

uint64_t disk_next_us(const struct disk *d)
{
    return d->first == d->last ? UINT64_MAX : d->queue[d->first % QUEUE].due_us;
}

static void do_next(struct disk *d, int error)
{
    struct task t = d->queue[d->first++ % QUEUE];
    if (t.load != NULL)
        do_load(d, t.load, error);
    else
        do_append(d, t.append, error);
}

bool disk_turn(struct disk *d, uint64_t now_us)
{
    bool any = false;
    while (disk_next_us(d) <= now_us) {
        int error = dice_one_in(d->dice, d->mood.fail_one_in) ? -EIO : 0;
        if (error < 0)
            sim_count("failures of the disk");
        do_next(d, error);
        any = true;
    }
    return any;
}

static void end(struct engine *e)
{
    struct disk *d = (struct disk *)e;
    while (d->first != d->last)
        do_next(d, d->crashed ? -EIO : 0);
    d->crashed = false;
}

struct disk *disk_new(struct dice *dice, const struct disk_mood *mood)
{
    static const struct engine_ops ops = { "disk", load, append, clear, healthy, end };
    struct disk *d = calloc(1, sizeof(*d));
    d->engine.ops = &ops;
    d->dice = dice;
    d->mood = *mood;
    return d;
}

struct engine *disk_engine(struct disk *d)
{
    return &d->engine;
}

void disk_crash(struct disk *d)
{
    d->crashed = true;
}

void disk_set_mood(struct disk *d, const struct disk_mood *mood)
{
    d->mood = *mood;
}

const struct publication *disk_at(struct disk *d, const char *channel, uint64_t offset)
{
    const struct kept *k = kept_of(d, channel, strlen(channel));
    return offset > 0 && offset <= k->top ? k->all[offset - 1] : NULL;
}

void disk_free(struct disk *d)
{
    for (int i = 0; d != NULL && i < CHANNELS; i++) {
        for (uint64_t o = 0; o < d->kept[i].top; o++)
            publication_unref(d->kept[i].all[o]);
        free(d->kept[i].all);
    }
    free(d);
}
