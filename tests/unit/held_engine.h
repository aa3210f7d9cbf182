/* SPDX-License-Identifier: MIT */
/*
 * An engine whose disk is the test: what it is given waits until the test lets it happen, or fail. It keeps a stream of
 * each channel, as a store does.
 */
#ifndef TESTS_HELD_ENGINE_H
#define TESTS_HELD_ENGINE_H

#include "hub/engine.h"
#include "test.h"
#include <duet/error.h>

enum { HELD_CHANNELS = 4, HELD_QUEUE = 64 };

struct held {
    struct engine engine; /* first */
    struct held_channel {
        char name[32];
        char epoch[STREAM_EPOCH + 1];
        struct publication *kept[256]; /* by offset */
        uint64_t top, bottom;          /* bottom: up to there all was dropped */
    } channels[HELD_CHANNELS];
    struct held_task {
        struct engine_load *load; /* or */
        struct engine_append *append;
    } queue[HELD_QUEUE];
    unsigned first, last;
    bool full; /* refuses at once */
    bool ended;
};

static struct held_channel *held_channel(struct held *h, const char *name, size_t len)
{
    for (int i = 0; i < HELD_CHANNELS; i++) {
        struct held_channel *c = &h->channels[i];
        if (c->name[0] == '\0')
            snprintf(c->name, sizeof(c->name), "%.*s", (int)len, name);
        if (strlen(c->name) == len && memcmp(c->name, name, len) == 0)
            return c;
    }
    fail_msg("too many channels");
    return NULL;
}

static int held_take(struct engine *e, struct held_task task)
{
    struct held *h = (struct held *)e;
    if (h->full)
        return DUET_ERR_FULL;
    assert_true(h->last - h->first < HELD_QUEUE);
    h->queue[h->last++ % HELD_QUEUE] = task;
    return 0;
}

static int held_load(struct engine *e, struct engine_load *l)
{
    return held_take(e, (struct held_task){ .load = l });
}

static int held_append(struct engine *e, struct engine_append *a)
{
    return held_take(e, (struct held_task){ .append = a });
}

static void held_clear(struct engine *e, const char *name, size_t len, uint64_t offset)
{
    struct held_channel *c = held_channel((struct held *)e, name, len);
    c->bottom = offset < c->top ? offset : c->top;
}

static bool held_healthy(struct engine *e, char *why)
{
    (void)e;
    (void)why;
    return true;
}

static void held_do_load(struct held *h, struct engine_load *l, int error)
{
    struct held_channel *c = held_channel(h, l->name, l->name_len);
    l->error = error;
    l->found = error == 0 && c->epoch[0] != '\0';
    if (l->found) {
        uint64_t from = c->top - c->bottom < l->most ? c->bottom + 1 : c->top - l->most + 1;
        stream_init(&l->stream, c->epoch);
        stream_resume(&l->stream, from - 1, 0);
        for (uint64_t o = from; o <= c->top; o++) {
            assert_int_equal(stream_reserve(&l->stream), 0);
            stream_append(&l->stream, c->kept[o], l->most, 0);
        }
    }
    l->done(l);
}

static void held_do_append(struct held *h, struct engine_append *a, int error)
{
    struct held_channel *c = held_channel(h, a->name, a->name_len);
    if (c->epoch[0] == '\0' && error == 0)
        memcpy(c->epoch, a->epoch, sizeof(c->epoch));
    if (error == 0 && (a->publication->offset != c->top + 1 || strcmp(c->epoch, a->epoch) != 0))
        error = DUET_ERR_STATE;
    if (error == 0)
        c->kept[++c->top] = publication_ref(a->publication);
    a->error = error;
    a->done(a);
}

/* Lets the oldest happen, with this error; false: nothing waits. */
static bool held_release(struct held *h, int error)
{
    if (h->first == h->last)
        return false;
    struct held_task task = h->queue[h->first++ % HELD_QUEUE];
    if (task.load != NULL)
        held_do_load(h, task.load, error);
    else
        held_do_append(h, task.append, error);
    return true;
}

static void held_end(struct engine *e)
{
    struct held *h = (struct held *)e;
    while (held_release(h, 0))
        ;
    h->ended = true;
}

static struct held *held_new(void)
{
    static const struct engine_ops ops = { "held", held_load, held_append, held_clear, held_healthy, held_end };
    struct held *h = calloc(1, sizeof(*h));
    h->engine.ops = &ops;
    return h;
}

static void held_free(struct held *h)
{
    for (int i = 0; i < HELD_CHANNELS; i++)
        for (uint64_t o = 1; o <= h->channels[i].top; o++)
            publication_unref(h->channels[i].kept[o]);
    free(h);
}

#endif
