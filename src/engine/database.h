/* SPDX-License-Identifier: MIT */
/*
 * One connection to the file of the store, and its rows. Each row carries a CRC-32C over all that it says, and what it
 * belongs to; a row that is read was checked.
 *
 * Results: 0 or a count, or negative: DUET_ERR_FORMAT, the file is damaged; DUET_ERR_NOMEM; -ENOSPC, -EDQUOT, -EIO and
 * the like, what the disk said. A connection is used by one thread at a time.
 */
#ifndef ENGINE_DATABASE_H
#define ENGINE_DATABASE_H

#include "hub/stream.h"

struct database;

/* What was sure when the file was last opened. */
enum state_dirty {
    STATE_CLEAN,  /* an orderly stop */
    STATE_STRICT, /* nobody saw what was not kept first */
    STATE_LOOSE   /* somebody may have: `batch`, `memory`, or a namespace that delivers at once */
};

/* The row of the whole file. */
struct state_row {
    uint64_t run;      /* counts starts */
    uint64_t suspect;  /* channels that were last written in this run or an earlier one need a new epoch */
    uint64_t next_id;  /* of channels; none is used twice */
    uint64_t channels; /* rows, so that a lost one is missed */
    enum state_dirty dirty;
};

/* The row of a channel. Its publications first to top are kept: all of them, or the file is damaged. */
struct channel_row {
    uint64_t id;
    char epoch[STREAM_EPOCH + 1];
    uint64_t top;
    uint64_t first;      /* top + 1: none is kept */
    uint64_t low;        /* at most first: below first there may be rows from here on, which retention removes */
    uint64_t touched_ms; /* when the newest was kept */
    uint64_t run;        /* that wrote this */
    uint32_t size;
    uint64_t ttl_ms, meta_ttl_ms;
};

/* The names of channels, not terminated; in the order of their bytes. */
struct channel_name {
    char bytes[HUB_NAME_MOST];
    size_t len;
};

bool channel_name_before(const struct channel_name *a, const struct channel_name *b);

enum database_sync { DATABASE_OFF, DATABASE_NORMAL, DATABASE_FULL };

/*
 * Opens the file, which is there; one that is empty gets its tables. DUET_ERR_FORMAT: damaged; DUET_ERR_INVALID: no
 * file of ours, or of a newer format, and `why` (200 bytes) says so. database_close() takes NULL.
 */
int database_open(struct database **out, const char *path, char *why);
void database_close(struct database *d);

/* Transactions. rollback() cannot fail; after a failed commit() the database is to be opened again. */
int database_begin(struct database *d);
int database_begin_read(struct database *d);
int database_commit(struct database *d);
void database_rollback(struct database *d);

/* How commits reach the disk: FULL, each before it returns; NORMAL, by database_sync(); OFF: never. */
int database_durability(struct database *d, enum database_sync sync);
/* All that was committed is on disk when this returns 0. */
int database_sync(struct database *d);
/* Moves what was committed from the log into the file; `truncate`: all of it, and empties the log. */
int database_checkpoint(struct database *d, bool truncate);
/* Pages in the log since it was last begun anew. */
int database_log_pages(const struct database *d);
/* Leaves the log where it is when this connection closes as the last one. */
void database_keep_log(struct database *d);

/* The row of the file; reading it, 1 or an error: there is always one. */
int database_state(struct database *d, struct state_row *state);
int database_put_state(struct database *d, const struct state_row *state);

/* A channel: 1, found; 0, there is none. */
int database_channel(struct database *d, const char *name, size_t len, struct channel_row *row);
int database_put_channel(struct database *d, const char *name, size_t len, const struct channel_row *row);
int database_remove_channel(struct database *d, const char *name, size_t len);

/* The channel whose name comes next: 1, in `name` and `row`; 0, none does. `name` of length 0 begins. With `damaged`,
 * a row that is wrong is no error: it is said there, and only the name is of use. `back` walks the other way, and
 * begins with a length of SIZE_MAX. */
struct database_walk {
    struct channel_name name;
    struct channel_row row;
    bool back, damaged;
};
int database_next_channel(struct database *d, struct database_walk *walk);
/* Reads all channels, in one pass: 0, they are what the file's row says and in order; or an error. */
int database_check_channels(struct database *d, uint64_t count);

/* The publications of a channel. */
int database_put_publication(struct database *d, const char *name, size_t len, const struct channel_row *row,
                             const struct publication *p);
int database_remove_publications(struct database *d, uint64_t id, uint64_t from, uint64_t to);
/* The newest `most` into a stream of its own; DUET_ERR_FORMAT when one is missing or wrong. */
int database_stream(struct database *d, const char *name, size_t len, const struct channel_row *row, uint32_t most,
                    struct stream *out);
/* The next one down from `*offset`, which becomes its offset: 1, and `*out` has a reference, or is NULL when it is
 * wrong; 0, there is none. For what can be saved of a damaged file. */
int database_publication_below(struct database *d, const char *name, size_t len, const struct channel_row *row,
                               uint64_t *offset, struct publication **out);

#endif
