/* SPDX-License-Identifier: MIT */
/*
 * One transaction of the writer: everything that waited. Each channel that it touches is read once and written once,
 * however many publications it gets.
 *
 * begin, then any of the calls, then end; or abandon, after any error. One thread.
 */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "base/map.h"
#include "engine/database.h"
#include "hub/engine.h"

/* A channel of the transaction: as it was, and as it is to be. */
struct touched {
    struct touched *next;
    struct channel_row was, row;
    bool existed, exists, changed;
    size_t len;
    char name[];
};

struct batch {
    struct database *db;
    struct state_row state;
    bool state_changed;
    uint64_t now_ms;
    struct map channels; /* to struct touched */
    struct touched *first;
};

int batch_begin(struct batch *b, struct database *db, uint64_t now_ms);

/*
 * 0; or a negative error, after which the transaction is lost, except when it is the request's own: then nothing was
 * changed by it, and the rest goes on (DUET_ERR_STATE: it does not follow; DUET_ERR_LIMIT: of the name).
 */
int batch_append(struct batch *b, const struct engine_append *a);
bool batch_error_is_own(int error);

/* Nothing up to `offset` is kept any more. */
int batch_clear(struct batch *b, const char *name, size_t len, uint64_t offset);
/* A channel that is suspect gets its new epoch; its publications stay. */
int batch_renew(struct batch *b, const char *name, size_t len);
/* What failed may stand in the file all the same (a commit whose sync failed): the channel is as it `was` again. */
int batch_undo(struct batch *b, const struct touched *t);

/*
 * Looks at the next channels behind `at` and does what is due for their age: drops publications that are too old,
 * forgets channels, removes up to `most` rows that nobody can see any more. `at` goes on, and begins again at the end.
 */
int batch_retain(struct batch *b, struct channel_name *at, unsigned channels, unsigned most);

/* Writes the channels, and commits. */
int batch_end(struct batch *b);
/* Rolls back. The touched channels stay until batch_fini(), or can be taken from `first`. */
void batch_abandon(struct batch *b);
void batch_fini(struct batch *b);
void touched_free(struct touched *list);

/* Eight letters that no channel had. 0 or DUET_ERR_RANDOM. */
int batch_epoch(char epoch[STREAM_EPOCH + 1]);

#endif
