/* SPDX-License-Identifier: MIT */
#include "engine/batch.h"
#include "base/mem.h"
#include <duet/error.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Rows that are out of sight are removed when there are so many of them, not one for each that is added. */
enum { TRIM_FROM = 64 };

int batch_epoch(char epoch[STREAM_EPOCH + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl"; /* 64 */
    uint8_t bytes[STREAM_EPOCH];
    ssize_t n;
    do
        n = getrandom(bytes, sizeof(bytes), 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof(bytes))
        return DUET_ERR_RANDOM;
    for (int i = 0; i < STREAM_EPOCH; i++)
        epoch[i] = letters[bytes[i] & 63];
    epoch[STREAM_EPOCH] = '\0';
    return 0;
}

int batch_begin(struct batch *b, struct database *db, uint64_t now_ms)
{
    /* The names in a batch are gone after milliseconds: nobody can make them collide for long. */
    static const uint64_t key[2] = { 0x6475657464756574, 0x73746f726573746f };
    *b = (struct batch){ .db = db, .now_ms = now_ms };
    map_init(&b->channels, key);
    int rc = database_begin(db);
    if (rc == 0)
        rc = database_state(db, &b->state);
    return rc < 0 ? rc : 0;
}

/* The channel's place in the batch: 0, or an error. */
static int touch(struct batch *b, const char *name, size_t len, struct touched **out)
{
    struct touched *t = map_get(&b->channels, name, len);
    *out = t;
    if (t != NULL)
        return 0;
    t = mem_zalloc(sizeof(*t) + len);
    if (t == NULL)
        return DUET_ERR_NOMEM;
    memcpy(t->name, name, len);
    t->len = len;
    int rc = database_channel(b->db, name, len, &t->was);
    t->existed = t->exists = rc == 1;
    t->row = t->was;
    if (rc >= 0)
        rc = map_put(&b->channels, name, len, t);
    if (rc < 0) {
        mem_free(t);
        return rc;
    }
    t->next = b->first;
    b->first = t;
    *out = t;
    return 0;
}

/* Appending. */

static bool is_suspect(const struct batch *b, const struct touched *t)
{
    return t->exists && t->row.run <= b->state.suspect;
}

static bool follows(const struct batch *b, const struct touched *t, const struct engine_append *a)
{
    uint64_t offset = a->publication->offset;
    if (!t->exists || strcmp(t->row.epoch, a->epoch) != 0)
        return offset == 1 && strlen(a->epoch) == STREAM_EPOCH;
    return !is_suspect(b, t) && offset == t->row.top + 1;
}

/* A channel that is new, or begins anew under another epoch: nothing of the old one is kept. */
static int start_channel(struct batch *b, struct touched *t, const char *epoch)
{
    if (t->exists) {
        int rc = database_remove_publications(b->db, t->row.id, 0, t->row.top + 1);
        if (rc < 0)
            return rc;
    } else {
        b->state.channels++;
    }
    b->state_changed = true;
    t->row = (struct channel_row){ .id = b->state.next_id++, .first = 1, .low = 1 };
    memcpy(t->row.epoch, epoch, STREAM_EPOCH);
    t->exists = true;
    return 0;
}

bool batch_error_is_own(int error)
{
    return error == DUET_ERR_STATE || error == DUET_ERR_LIMIT;
}

int batch_append(struct batch *b, const struct engine_append *a)
{
    struct touched *t;
    if (a->name_len > HUB_NAME_MOST)
        return DUET_ERR_LIMIT;
    int rc = touch(b, a->name, a->name_len, &t);
    if (rc < 0)
        return rc;
    if (!follows(b, t, a))
        return DUET_ERR_STATE;
    t->changed = true;
    if (!t->exists || strcmp(t->row.epoch, a->epoch) != 0)
        rc = start_channel(b, t, a->epoch);
    if (rc == 0)
        rc = database_put_publication(b->db, t->name, t->len, &t->row, a->publication);
    if (rc < 0)
        return rc;
    struct channel_row *row = &t->row;
    row->top = a->publication->offset;
    row->touched_ms = b->now_ms;
    row->run = b->state.run;
    row->size = a->history_size;
    row->ttl_ms = a->history_ttl_ms;
    row->meta_ttl_ms = a->history_meta_ttl_ms;
    if (row->top + 1 - row->first > row->size)
        row->first = row->top + 1 - row->size;
    return 0;
}

int batch_clear(struct batch *b, const char *name, size_t len, uint64_t offset)
{
    struct touched *t;
    int rc = touch(b, name, len, &t);
    if (rc < 0 || !t->exists)
        return rc;
    uint64_t first = offset < t->row.top ? offset + 1 : t->row.top + 1;
    if (first > t->row.first) {
        t->row.first = first;
        t->changed = true;
    }
    return 0;
}

/* Renewing and undoing. */

int batch_renew(struct batch *b, const char *name, size_t len)
{
    struct touched *t;
    struct stream s;
    int rc = touch(b, name, len, &t);
    if (rc < 0 || !is_suspect(b, t))
        return rc;
    rc = database_stream(b->db, name, len, &t->row, UINT32_MAX, &s);
    if (rc < 0)
        return rc;
    t->row.run = b->state.run;
    t->changed = true;
    rc = batch_epoch(t->row.epoch);
    /* Their checksums are over the epoch, too. */
    for (uint64_t o = stream_oldest(&s); rc == 0 && o <= s.top; o++)
        rc = database_put_publication(b->db, name, len, &t->row, stream_at(&s, o));
    stream_fini(&s);
    return rc;
}

/* What the file has of a channel now, after a transaction that may or may not have reached it, made what it was. */
static void restore(struct touched *t, const struct channel_row *was)
{
    bool same = t->exists && t->row.id == was->id;
    struct channel_row now = t->row;
    t->row = *was;
    /* What the lost transaction removed, since it was out of sight then, is out of sight from now on. */
    t->row.first = same && now.first <= was->top ? now.first : was->top + 1;
    t->row.low = same && now.low < t->row.first ? now.low : t->row.first;
}

int batch_undo(struct batch *b, const struct touched *was)
{
    struct touched *t;
    int rc = touch(b, was->name, was->len, &t);
    bool same = t != NULL && t->exists == was->existed && (!t->exists || t->row.id == was->was.id);
    /* A channel that was renewed may have its new epoch: nobody knows it, nor the old one. */
    if (rc < 0 || (same && (t->row.top == was->was.top || strcmp(t->row.epoch, was->was.epoch) != 0)))
        return rc;
    if (t->exists)
        rc = database_remove_publications(b->db, t->row.id, same ? was->was.top + 1 : 0, t->row.top + 1);
    b->state.channels += was->existed;
    b->state.channels -= t->exists;
    b->state_changed = t->changed = true;
    restore(t, &was->was);
    t->exists = was->existed;
    return rc;
}

/* Retention. */

/* Removes up to `*most` rows that are out of sight. */
static int trim(struct batch *b, struct touched *t, unsigned *most)
{
    struct channel_row *row = &t->row;
    uint64_t n = row->first - row->low;
    if (n > *most)
        n = *most;
    if (n == 0)
        return 0;
    int rc = database_remove_publications(b->db, row->id, row->low, row->low + n);
    row->low += n;
    *most -= (unsigned)n;
    t->changed = true;
    return rc;
}

/* What is due for the age of one channel. A time of touch in the future is of a clock that was put back: it counts as
 * now, and is so from now on (STO-8). */
static int retain(struct batch *b, struct touched *t, unsigned *most)
{
    struct channel_row *row = &t->row;
    if (row->touched_ms > b->now_ms) {
        row->touched_ms = b->now_ms;
        t->changed = true;
    }
    uint64_t age = b->now_ms - row->touched_ms;
    if (row->first <= row->top && age >= row->ttl_ms) {
        row->first = row->top + 1;
        t->changed = true;
    }
    int rc = trim(b, t, most);
    if (rc == 0 && row->low == row->top + 1 && age >= row->meta_ttl_ms) {
        t->exists = false;
        t->changed = true;
        b->state.channels--;
        b->state_changed = true;
    }
    return rc;
}

int batch_retain(struct batch *b, struct channel_name *at, unsigned channels, unsigned most)
{
    struct database_walk walk = { .name = *at };
    for (unsigned i = 0; i < channels && most > 0; i++) {
        struct touched *t;
        int rc = database_next_channel(b->db, &walk);
        if (rc == 0)
            at->len = 0;
        if (rc <= 0)
            return rc;
        rc = touch(b, walk.name.bytes, walk.name.len, &t);
        if (rc == 0 && t->exists)
            rc = retain(b, t, &most);
        if (rc < 0)
            return rc;
        if (t->exists && t->row.low < t->row.first)
            return 0; /* the next step goes on with it */
        *at = walk.name;
    }
    return 0;
}

/* The end. */

static int write_channel(struct batch *b, struct touched *t)
{
    if (!t->exists)
        return t->existed ? database_remove_channel(b->db, t->name, t->len) : 0;
    uint64_t hidden = t->row.first - t->row.low, added = t->row.top - t->was.top;
    unsigned most = added < UINT32_MAX / 2 ? (unsigned)added * 2 + TRIM_FROM : UINT32_MAX;
    int rc = hidden >= TRIM_FROM ? trim(b, t, &most) : 0;
    return rc < 0 ? rc : database_put_channel(b->db, t->name, t->len, &t->row);
}

int batch_end(struct batch *b)
{
    int rc = 0;
    for (struct touched *t = b->first; t != NULL && rc == 0; t = t->next)
        if (t->changed)
            rc = write_channel(b, t);
    if (rc == 0 && b->state_changed)
        rc = database_put_state(b->db, &b->state);
    return rc < 0 ? rc : database_commit(b->db);
}

void batch_abandon(struct batch *b)
{
    database_rollback(b->db);
}

void touched_free(struct touched *list)
{
    while (list != NULL) {
        struct touched *next = list->next;
        mem_free(list);
        list = next;
    }
}

void batch_fini(struct batch *b)
{
    touched_free(b->first);
    map_fini(&b->channels);
    b->first = NULL;
}
