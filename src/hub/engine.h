/* SPDX-License-Identifier: MIT */
/*
 * What keeps streams beyond the hub's memory. The hub holds the publications of every channel in use, so an engine is
 * asked twice: what is there of a channel when it is first used, and to keep each publication before it is acknowledged
 * and before anybody sees it.
 *
 * All functions may be called by any thread and never wait for a disk or a network. What an engine takes is done once,
 * by any thread, but never from within the function itself: the caller may hold a channel's lock. What is appended to
 * one channel is done in the order in which it was given.
 *
 * What waits is bounded. load() and append() that find no room (or no memory) say so at once, by their result; such a
 * request is the caller's again, and its `done` is never called. Since an append that was refused at once has never
 * been in the queue, what is in the queue is not touched by it: the next append has the same offset (STO-5).
 */
#ifndef HUB_ENGINE_H
#define HUB_ENGINE_H

#include "hub/stream.h"

struct engine;

/* A request's memory is its owner's from `done` on; until then the engine's. */
struct engine_load {
    struct engine_load *next;
    void (*done)(struct engine_load *l);
    void *owner;
    const char *name; /* of the channel, as it is while this waits */
    size_t name_len;
    uint32_t most; /* publications at most, the newest: history_size */

    /* The answer. */
    int error; /* 0, or negative: nothing is known, the channel cannot be used now */
    bool found;
    struct stream stream; /* when found: epoch, top and what is kept; taken by the owner */
};

struct engine_append {
    struct engine_append *next;
    void (*done)(struct engine_append *a);
    void *owner;
    const char *name;
    size_t name_len;
    char epoch[STREAM_EPOCH + 1];
    struct publication *publication; /* its offset is set: one above the last that was kept, or the append is refused
                                        (DUET_ERR_STATE): what failed before it must leave no hole (HUB-4) */
    uint32_t history_size;           /* what is to be kept from now on */
    uint64_t history_ttl_ms, history_meta_ttl_ms;

    /* The answer: 0, it is kept; else it is not, and never will be. DUET_ERR_STATE: it does not follow what is kept,
     * since an append before it failed, or the channel has another epoch by now (its file was damaged, or what the
     * machine kept is no longer sure), or was forgotten for its age. Whoever thinks of it otherwise loads it again. */
    int error;
};

/* A result that must not be thrown away. */
#define ENGINE_CHECKED __attribute__((warn_unused_result))

struct engine_ops {
    const char *name; /* "sqlite" */
    /* 0: `done` will be called. Else nothing has happened: DUET_ERR_FULL, too much waits; DUET_ERR_NOMEM. */
    int (*load)(struct engine *e, struct engine_load *l) ENGINE_CHECKED;
    int (*append)(struct engine *e, struct engine_append *a) ENGINE_CHECKED;
    /* Drops what is kept of a channel: its publications up to `offset`; epoch and top stay. Best effort, behind what
     * was appended before; dropped where no room is. */
    void (*clear)(struct engine *e, const char *name, size_t len, uint64_t offset);
    /* Whether it can keep anything now; `why` (200 bytes) says what is wrong. */
    bool (*healthy)(struct engine *e, char *why);
    /* Finishes what waits, calls its `done`, and ends. */
    void (*end)(struct engine *e);
};

/* The first member of each engine. */
struct engine {
    const struct engine_ops *ops;
};

#endif
