/* SPDX-License-Identifier: MIT */
/*
 * The file of the store through its life: opened, written, found damaged and mended, lost with its disk and found
 * again.
 *
 *              start                    the disk failed
 *   CLOSED ------------> USABLE ----------------------------> FAILED
 *                          ^   what was there is checked        |
 *                          +------------------------------------+
 *
 * A commit that failed may have reached the disk or not, and a sync that is tried again may say that it worked while
 * the pages are gone. So the file is then closed and opened again, all of its log is written into it, which syncs, and
 * what the lost transaction left of each channel is taken back, in a transaction of its own (STO-4).
 *
 * One thread, the writer's, but for what is said to be others'.
 */
#ifndef ENGINE_KEEPER_H
#define ENGINE_KEEPER_H

#include "engine/batch.h"
#include "engine/folder.h"
#include "engine/mark.h"
#include "engine/store.h"
#include <pthread.h>

struct keeper {
    struct store_config config;
    struct folder folder;
    struct mark mark;
    uint64_t wall_ms, steady_ms;           /* when it was opened */
    bool begun;                            /* the start went well: there is something to stop in order */
    struct database *db;                   /* NULL while it has failed */
    struct touched *doubts;                /* channels of the transaction that was lost, as they were before it */
    bool shaken;                           /* more may be lost than the doubts: a sync failed that was not a commit's */
    struct channel_name retained;          /* retention has come so far */
    uint64_t sync_at, retain_at, retry_at; /* of the steady clock, in ms; 0: not due */

    pthread_mutex_t reading; /* and below it what the reader has */
    struct database *reader; /* NULL: loads fail, with `trouble` */
    uint64_t suspect;        /* as in the file */

    pthread_mutex_t health; /* and below it what anybody may ask */
    int trouble;            /* 0: fine */
};

int keeper_open(struct keeper *k, const struct store_config *config, char *why);
/* An orderly stop, if the file is usable. */
void keeper_close(struct keeper *k);

/* Keeps the appends (one without a publication is a clear()) and then answers the loads: all have their `error`. */
void keeper_commit(struct keeper *k, struct engine_append *appends, struct engine_load *loads);
/* What is due without a request; and what a commit left to do once it was answered. */
void keeper_tick(struct keeper *k);
/* When that is: a time of the steady clock in ms. */
uint64_t keeper_deadline(const struct keeper *k);

/* The reader's: 1, answered; 0, the writer has to, since something is to be written for it. */
int keeper_read(struct keeper *k, struct engine_load *l);

/* Anybody's. */
int keeper_trouble(struct keeper *k);

/* What clear() queues: it has no publication, and `done` frees it. */
struct keeper_clear {
    struct engine_append append;
    uint64_t offset;
    char name[];
};

#endif
