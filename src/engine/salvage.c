/* SPDX-License-Identifier: MIT */
/*
 * The channels are walked from the first name up to where the file cannot be read, and from the last name down to
 * there. A channel of which everything is right goes over as it is. Of one with a hole, the newest publications that
 * follow each other go over, under a new epoch. A channel of which nothing is left is unknown from now on, so that it
 * begins with a new epoch, too.
 */
#include "engine/salvage.h"
#include "engine/batch.h"
#include "engine/database.h"
#include <duet/error.h>
#include <stdio.h>
#include <string.h>

enum { CHUNK = 1000 }; /* channels a transaction */

struct rescue {
    struct database *from, *to;
    struct state_row old, state;
    bool all;
    struct salvage *report;
};

static int copy_stream(struct rescue *r, const struct channel_name *name, struct channel_row *row,
                       const struct stream *s)
{
    int rc = 0;
    row->id = r->state.next_id++;
    row->top = s->top;
    row->first = row->low = stream_oldest(s);
    row->run = r->state.run;
    for (uint64_t o = row->first; rc == 0 && o <= s->top; o++)
        rc = database_put_publication(r->to, name->bytes, name->len, row, stream_at(s, o));
    if (rc == 0)
        rc = database_put_channel(r->to, name->bytes, name->len, row);
    r->state.channels++;
    r->report->publications += s->count;
    return rc;
}

/* The newest publications that are right and without a hole between them: `row` says which; none: top is 0. The row
 * itself may be wrong: then the publications' own checksums alone say what belongs to the channel. */
static int find_remains(struct rescue *r, const struct database_walk *walk, struct channel_row *row)
{
    uint64_t at = walk->damaged ? INT64_MAX : walk->row.top, least = walk->damaged ? 1 : walk->row.first;
    struct publication *p = NULL;
    bool hole = false;
    int rc = 0;
    row->top = 0;
    while (!hole && at >= least && at > 0 &&
           (rc = database_publication_below(r->from, walk->name.bytes, walk->name.len, &walk->row, &at, &p)) == 1) {
        hole = row->top != 0 && (p == NULL || at != row->first - 1);
        if (p != NULL && !hole && at >= least) {
            row->top = row->top ? row->top : at;
            row->first = at;
        }
        publication_unref(p);
        p = NULL;
        at--;
    }
    return rc < 0 && rc != DUET_ERR_FORMAT ? rc : 0;
}

static int copy_remains(struct rescue *r, const struct database_walk *walk)
{
    struct channel_row row = walk->row;
    struct stream s;
    int rc = find_remains(r, walk, &row);
    if (rc < 0 || row.top == 0)
        return rc;
    rc = database_stream(r->from, walk->name.bytes, walk->name.len, &row, UINT32_MAX, &s);
    if (rc < 0)
        return rc == DUET_ERR_FORMAT ? 0 : rc;
    rc = batch_epoch(row.epoch);
    if (rc == 0)
        rc = copy_stream(r, &walk->name, &row, &s);
    stream_fini(&s);
    r->report->renewed++;
    return rc;
}

/* Damage of the old file is no error here. What the disk or memory fails in is one: it may go well the next time. */
static int copy_channel(struct rescue *r, const struct database_walk *walk)
{
    struct channel_row row = walk->row;
    struct stream s;
    if (walk->damaged)
        return copy_remains(r, walk);
    int rc = database_stream(r->from, walk->name.bytes, walk->name.len, &row, UINT32_MAX, &s);
    if (rc == DUET_ERR_FORMAT)
        return copy_remains(r, walk);
    if (rc < 0)
        return rc;
    bool renew = r->all || row.run <= r->old.suspect;
    rc = renew ? batch_epoch(row.epoch) : 0;
    if (rc == 0)
        rc = copy_stream(r, &walk->name, &row, &s);
    stream_fini(&s);
    r->report->whole += !renew;
    r->report->renewed += renew;
    return rc;
}

/* The new file's log is emptied now and then, or it would hold everything twice. */
static int end_chunk(struct rescue *r)
{
    int rc = database_put_state(r->to, &r->state);
    if (rc == 0)
        rc = database_commit(r->to);
    return rc < 0 ? rc : database_checkpoint(r->to, true);
}

/* One way, up to where the file cannot be read, or to `stop`. 1: all of it was read. */
static int copy_way(struct rescue *r, struct database_walk *walk, const struct channel_name *stop)
{
    struct database_walk next = *walk;
    int rc = database_begin(r->to);
    for (unsigned n = 1; rc == 0; n++) {
        next.damaged = true;
        rc = database_next_channel(r->from, &next);
        if (rc <= 0 || (stop != NULL && !channel_name_before(stop, &next.name)))
            break;
        *walk = next;
        rc = copy_channel(r, walk);
        if (rc == 0 && n % CHUNK == 0)
            rc = end_chunk(r);
        if (rc == 0 && n % CHUNK == 0)
            rc = database_begin(r->to);
        if (rc < 0)
            return rc;
    }
    if (rc < 0 && rc != DUET_ERR_FORMAT)
        return rc;
    int ended = end_chunk(r);
    return ended < 0 ? ended : rc == 0;
}

static int copy_all(struct rescue *r)
{
    struct database_walk up = { .name.len = 0 }, down = { .name.len = SIZE_MAX, .back = true };
    int rc = copy_way(r, &up, NULL);
    if (rc == 0)
        rc = copy_way(r, &down, &up.name);
    return rc < 0 ? rc : 0;
}

/* The old file as far as it can be opened; nothing of it may be changed, nor its log emptied. */
static int open_old(struct rescue *r, struct folder *f, enum salvage_trust trust)
{
    char why[FOLDER_WHY] = "";
    int rc = database_open(&r->from, f->file, why);
    if (rc == DUET_ERR_FORMAT)
        return 0;
    if (rc < 0)
        return rc;
    database_keep_log(r->from);
    rc = database_state(r->from, &r->old);
    if (rc < 0 && rc != DUET_ERR_FORMAT)
        return rc;
    bool known = rc == 1;
    r->all = !known || (trust != SALVAGE_RUNNING && r->old.dirty == STATE_LOOSE) ||
             (trust == SALVAGE_TORN && r->old.dirty != STATE_CLEAN);
    return 0;
}

static int open_new(struct rescue *r, struct folder *f)
{
    char path[sizeof(f->file) + 4], why[FOLDER_WHY] = "";
    snprintf(path, sizeof(path), "%s.new", f->file);
    int rc = folder_prepare_new(f);
    if (rc == 0)
        rc = database_open(&r->to, path, why);
    /* One sync at the end does for all. */
    return rc < 0 ? rc : database_durability(r->to, DATABASE_OFF);
}

static int copy_file(struct rescue *r)
{
    int rc = r->from != NULL ? copy_all(r) : 0;
    if (rc == 0)
        rc = database_durability(r->to, DATABASE_FULL);
    if (rc == 0)
        rc = database_checkpoint(r->to, true);
    return rc < 0 ? rc : database_sync(r->to);
}

int salvage_file(struct folder *f, enum salvage_trust trust, uint64_t now_ms, struct salvage *s)
{
    struct rescue r = { .state = { .run = 1, .next_id = 1 }, .report = s };
    memset(s, 0, sizeof(*s));
    int rc = open_old(&r, f, trust);
    if (rc == 0)
        rc = open_new(&r, f);
    if (rc == 0)
        rc = copy_file(&r);
    database_close(r.to);
    database_close(r.from);
    return rc < 0 ? rc : folder_replace(f, now_ms, s->name);
}
