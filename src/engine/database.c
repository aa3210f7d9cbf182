/* SPDX-License-Identifier: MIT */
#include "engine/database.h"
#include "base/mem.h"
#include "engine/crc32c.h"
#include "engine/schema.h"
#include <duet/error.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum statement {
    BEGIN,
    BEGIN_READ,
    COMMIT,
    ROLLBACK,
    STATE,
    PUT_STATE,
    CHANNEL,
    PUT_CHANNEL,
    REMOVE_CHANNEL,
    NEXT_CHANNEL,
    LAST_CHANNEL,
    ALL_CHANNELS,
    PUT_PUBLICATION,
    REMOVE_PUBLICATIONS,
    PUBLICATIONS,
    PUBLICATION_BELOW,
    STATEMENTS
};

#define CHANNEL_COLUMNS     "id, epoch, top, first, low, touched_ms, run, size, ttl_ms, meta_ttl_ms, crc, name"
#define PUBLICATION_COLUMNS "kind, time_ms, version, data, info, tags, key, version_epoch, crc, offset"

/* A row's name comes last in what is read, and is bound last in what is written, too. */
static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [BEGIN_READ] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [STATE] = "SELECT run, suspect, next_id, channels, dirty, crc FROM state WHERE id = 1",
    [PUT_STATE] = "INSERT OR REPLACE INTO state (id, run, suspect, next_id, channels, dirty, crc)"
                  " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
    [CHANNEL] = "SELECT " CHANNEL_COLUMNS " FROM channel WHERE name = ?1",
    [PUT_CHANNEL] = "INSERT OR REPLACE INTO channel (" CHANNEL_COLUMNS
                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [REMOVE_CHANNEL] = "DELETE FROM channel WHERE name = ?1",
    [NEXT_CHANNEL] = "SELECT " CHANNEL_COLUMNS " FROM channel WHERE name > ?1 ORDER BY name LIMIT 1",
    [LAST_CHANNEL] = "SELECT " CHANNEL_COLUMNS " FROM channel WHERE ?1 IS NULL OR name < ?1 ORDER BY name DESC LIMIT 1",
    [ALL_CHANNELS] = "SELECT " CHANNEL_COLUMNS " FROM channel ORDER BY name",
    [PUT_PUBLICATION] = "INSERT OR REPLACE INTO publication (" PUBLICATION_COLUMNS
                        ", channel) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [REMOVE_PUBLICATIONS] = "DELETE FROM publication WHERE channel = ?1 AND offset >= ?2 AND offset < ?3",
    [PUBLICATIONS] = "SELECT " PUBLICATION_COLUMNS " FROM publication"
                     " WHERE channel = ?1 AND offset >= ?2 AND offset <= ?3 ORDER BY offset",
    [PUBLICATION_BELOW] = "SELECT " PUBLICATION_COLUMNS " FROM publication"
                          " WHERE channel = ?1 AND offset <= ?2 ORDER BY offset DESC LIMIT 1",
};

struct database {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    enum database_sync sync;
    int log_pages;
};

/* Results. */

int database_error(sqlite3 *db, int rc)
{
    switch (rc & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return DUET_ERR_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return DUET_ERR_FORMAT;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return DUET_ERR_NOMEM;
        /* A quota has no code of its own. */
        return db != NULL && sqlite3_system_errno(db) == EDQUOT ? -EDQUOT : -EIO;
    default:
        return -EIO;
    }
}

/* One step of a statement that was bound: 1, a row; 0, done, and the statement is ready for the next. */
static int step(struct database *d, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    rc = sqlite3_extended_errcode(d->db);
    int error = database_error(d->db, rc);
    sqlite3_reset(s);
    return error;
}

/* A statement that gives no row. */
static int run(struct database *d, sqlite3_stmt *s)
{
    int rc = step(d, s);
    if (rc == 1)
        sqlite3_reset(s);
    return rc < 0 ? rc : 0;
}

static void bind_number(sqlite3_stmt *s, int at, uint64_t n)
{
    sqlite3_bind_int64(s, at, (sqlite3_int64)n);
}

/* Bytes that live until the statement ran; none are an empty blob, not NULL. */
static void bind_bytes(sqlite3_stmt *s, int at, const void *data, size_t len)
{
    sqlite3_bind_blob64(s, at, len > 0 ? data : "", len, SQLITE_STATIC);
}

static uint64_t number(sqlite3_stmt *s, int at)
{
    return (uint64_t)sqlite3_column_int64(s, at);
}

static const char *bytes(sqlite3_stmt *s, int at, size_t *len)
{
    const char *data = sqlite3_column_blob(s, at);
    *len = (size_t)sqlite3_column_bytes(s, at);
    return data != NULL ? data : "";
}

/* Opening and closing. */

static uint32_t state_crc(const struct state_row *state)
{
    uint32_t crc = crc32c_number(0, state->run);
    crc = crc32c_number(crc, state->suspect);
    crc = crc32c_number(crc, state->next_id);
    crc = crc32c_number(crc, state->channels);
    return crc32c_number(crc, state->dirty);
}

static int log_grew(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct database *d = arg;
    (void)db;
    (void)name;
    d->log_pages = pages;
    return SQLITE_OK;
}

static int prepare(struct database *d)
{
    int rc = SQLITE_OK;
    for (int i = 0; i < STATEMENTS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(d->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[i], NULL);
    /* The tables are checked before: what is missing now was lost. */
    return rc == SQLITE_ERROR ? DUET_ERR_FORMAT : database_error(d->db, rc);
}

static int open_file(struct database *d, const char *path, char *why)
{
    /* The file is there already, with its mode: SQLite would make it readable for all (STO-12). */
    int rc = sqlite3_open_v2(path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK) {
        snprintf(why, 200, "%s", d->db != NULL ? sqlite3_errmsg(d->db) : "out of memory");
        return d->db != NULL ? database_error(d->db, rc) : DUET_ERR_NOMEM;
    }
    sqlite3_extended_result_codes(d->db, 1);
    sqlite3_busy_timeout(d->db, 5000);
    sqlite3_wal_hook(d->db, log_grew, d); /* and no checkpoints by SQLite itself */
    return schema_check(d->db, state_crc(&(struct state_row){ .next_id = 1 }), why);
}

int database_open(struct database **out, const char *path, char *why)
{
    struct database *d = mem_zalloc(sizeof(*d));
    if (d == NULL)
        return DUET_ERR_NOMEM;
    int rc = open_file(d, path, why);
    if (rc == 0)
        rc = prepare(d);
    if (rc == 0)
        rc = database_durability(d, DATABASE_FULL);
    if (rc < 0) {
        database_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void database_close(struct database *d)
{
    if (d == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(d->statements[i]);
    sqlite3_close(d->db);
    mem_free(d);
}

/* Transactions. */

int database_begin(struct database *d)
{
    return run(d, d->statements[BEGIN]);
}

int database_begin_read(struct database *d)
{
    return run(d, d->statements[BEGIN_READ]);
}

int database_commit(struct database *d)
{
    return run(d, d->statements[COMMIT]);
}

void database_rollback(struct database *d)
{
    for (int i = 0; i < STATEMENTS; i++)
        if (d->statements[i] != NULL)
            sqlite3_reset(d->statements[i]);
    if (!sqlite3_get_autocommit(d->db))
        run(d, d->statements[ROLLBACK]);
}

int database_durability(struct database *d, enum database_sync sync)
{
    static const char *const words[] = { "PRAGMA synchronous=OFF", "PRAGMA synchronous=NORMAL",
                                         "PRAGMA synchronous=FULL" };
    d->sync = sync;
    return database_error(d->db, sqlite3_exec(d->db, words[sync], NULL, NULL, NULL));
}

int database_sync(struct database *d)
{
    static const int files[] = { SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER };
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        sqlite3_file *file = NULL;
        int rc = sqlite3_file_control(d->db, "main", files[i], &file);
        if (rc == SQLITE_OK && file != NULL && file->pMethods != NULL)
            rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
        if (rc != SQLITE_OK)
            return database_error(d->db, rc);
        if (d->sync == DATABASE_NORMAL)
            break; /* checkpoints sync the file themselves */
    }
    return 0;
}

int database_checkpoint(struct database *d, bool truncate)
{
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(d->db, NULL, mode, NULL, NULL);
    if (rc == SQLITE_OK)
        d->log_pages = 0;
    return database_error(d->db, rc == SQLITE_OK ? rc : sqlite3_extended_errcode(d->db));
}

int database_log_pages(const struct database *d)
{
    return d->log_pages;
}

void database_keep_log(struct database *d)
{
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* The file's row. */

int database_state(struct database *d, struct state_row *state)
{
    sqlite3_stmt *s = d->statements[STATE];
    int rc = step(d, s);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return DUET_ERR_FORMAT;
    *state = (struct state_row){ .run = number(s, 0),
                                 .suspect = number(s, 1),
                                 .next_id = number(s, 2),
                                 .channels = number(s, 3),
                                 .dirty = (enum state_dirty)number(s, 4) };
    bool right = number(s, 5) == state_crc(state) && state->dirty <= STATE_LOOSE;
    sqlite3_reset(s);
    return right ? 1 : DUET_ERR_FORMAT;
}

int database_put_state(struct database *d, const struct state_row *state)
{
    sqlite3_stmt *s = d->statements[PUT_STATE];
    bind_number(s, 1, state->run);
    bind_number(s, 2, state->suspect);
    bind_number(s, 3, state->next_id);
    bind_number(s, 4, state->channels);
    bind_number(s, 5, state->dirty);
    bind_number(s, 6, state_crc(state));
    return run(d, s);
}

/* Channels. */

static uint32_t channel_crc(const char *name, size_t len, const struct channel_row *row)
{
    uint32_t crc = crc32c_field(0, name, len);
    crc = crc32c_number(crc, row->id);
    crc = crc32c(crc, row->epoch, STREAM_EPOCH);
    crc = crc32c_number(crc, row->top);
    crc = crc32c_number(crc, row->first);
    crc = crc32c_number(crc, row->low);
    crc = crc32c_number(crc, row->touched_ms);
    crc = crc32c_number(crc, row->run);
    crc = crc32c_number(crc, row->size);
    crc = crc32c_number(crc, row->ttl_ms);
    return crc32c_number(crc, row->meta_ttl_ms);
}

/* Whether the row that was stepped to is right; what it says is in `row` and `name` either way, cut to their size. */
static bool read_channel(sqlite3_stmt *s, struct channel_name *name, struct channel_row *row)
{
    size_t epoch_len, len;
    bool is_blob = sqlite3_column_type(s, 11) == SQLITE_BLOB;
    const char *epoch = bytes(s, 1, &epoch_len), *text = bytes(s, 11, &len);
    *row = (struct channel_row){ .id = number(s, 0),
                                 .top = number(s, 2),
                                 .first = number(s, 3),
                                 .low = number(s, 4),
                                 .touched_ms = number(s, 5),
                                 .run = number(s, 6),
                                 .size = (uint32_t)number(s, 7),
                                 .ttl_ms = number(s, 8),
                                 .meta_ttl_ms = number(s, 9) };
    memcpy(row->epoch, epoch, epoch_len < STREAM_EPOCH ? epoch_len : STREAM_EPOCH);
    name->len = len < sizeof(name->bytes) ? len : sizeof(name->bytes);
    memcpy(name->bytes, text, name->len);
    /* A name that a flipped bit made text out of stands where no search finds it. */
    return is_blob && len == name->len && epoch_len == STREAM_EPOCH &&
           number(s, 10) == channel_crc(name->bytes, name->len, row);
}

int database_channel(struct database *d, const char *name, size_t len, struct channel_row *row)
{
    sqlite3_stmt *s = d->statements[CHANNEL];
    struct channel_name found;
    bind_bytes(s, 1, name, len);
    int rc = step(d, s);
    if (rc <= 0)
        return rc;
    if (!read_channel(s, &found, row) || found.len != len || memcmp(found.bytes, name, len) != 0)
        rc = DUET_ERR_FORMAT;
    sqlite3_reset(s);
    return rc;
}

int database_put_channel(struct database *d, const char *name, size_t len, const struct channel_row *row)
{
    sqlite3_stmt *s = d->statements[PUT_CHANNEL];
    bind_number(s, 1, row->id);
    sqlite3_bind_text(s, 2, row->epoch, STREAM_EPOCH, SQLITE_STATIC);
    bind_number(s, 3, row->top);
    bind_number(s, 4, row->first);
    bind_number(s, 5, row->low);
    bind_number(s, 6, row->touched_ms);
    bind_number(s, 7, row->run);
    bind_number(s, 8, row->size);
    bind_number(s, 9, row->ttl_ms);
    bind_number(s, 10, row->meta_ttl_ms);
    bind_number(s, 11, channel_crc(name, len, row));
    bind_bytes(s, 12, name, len);
    return run(d, s);
}

int database_remove_channel(struct database *d, const char *name, size_t len)
{
    bind_bytes(d->statements[REMOVE_CHANNEL], 1, name, len);
    return run(d, d->statements[REMOVE_CHANNEL]);
}

bool channel_name_before(const struct channel_name *a, const struct channel_name *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    return order < 0 || (order == 0 && a->len < b->len);
}

int database_next_channel(struct database *d, struct database_walk *walk)
{
    sqlite3_stmt *s = d->statements[walk->back ? LAST_CHANNEL : NEXT_CHANNEL];
    if (walk->name.len == SIZE_MAX)
        sqlite3_bind_null(s, 1);
    else
        bind_bytes(s, 1, walk->name.bytes, walk->name.len);
    int rc = step(d, s);
    if (rc <= 0)
        return rc;
    struct channel_name from = walk->name; /* what is bound lies there */
    bool right = read_channel(s, &walk->name, &walk->row);
    sqlite3_reset(s);
    /* A damaged tree may send one in circles. */
    bool onward = from.len == SIZE_MAX ||
                  (walk->back ? channel_name_before(&walk->name, &from) : channel_name_before(&from, &walk->name));
    if (!onward || (!right && !walk->damaged))
        return DUET_ERR_FORMAT;
    walk->damaged = !right;
    return 1;
}

int database_check_channels(struct database *d, uint64_t count)
{
    sqlite3_stmt *s = d->statements[ALL_CHANNELS];
    struct channel_name before = { .len = 0 }, name;
    struct channel_row row;
    uint64_t seen = 0;
    int rc;
    while ((rc = step(d, s)) == 1) {
        if (!read_channel(s, &name, &row) || (seen++ > 0 && !channel_name_before(&before, &name))) {
            sqlite3_reset(s);
            return DUET_ERR_FORMAT;
        }
        before = name;
    }
    return rc < 0 ? rc : seen == count ? 0 : DUET_ERR_FORMAT;
}

/* Publications. */

static uint32_t publication_crc(const char *name, size_t len, const char *epoch, uint64_t offset,
                                const struct publication_parts *is)
{
    uint32_t crc = crc32c_field(0, name, len);
    crc = crc32c(crc, epoch, STREAM_EPOCH);
    crc = crc32c_number(crc, offset);
    crc = crc32c_number(crc, is->kind);
    crc = crc32c_number(crc, is->time_ms);
    crc = crc32c_number(crc, is->version);
    crc = crc32c_field(crc, is->data, is->len);
    crc = crc32c_field(crc, is->info, is->info_len);
    crc = crc32c_field(crc, is->tags, is->tags_len);
    crc = crc32c_field(crc, is->key, is->key_len);
    return crc32c_field(crc, is->version_epoch, is->version_epoch_len);
}

int database_put_publication(struct database *d, const char *name, size_t len, const struct channel_row *row,
                             const struct publication *p)
{
    sqlite3_stmt *s = d->statements[PUT_PUBLICATION];
    const struct publication_parts *is = &p->is;
    bind_number(s, 1, is->kind);
    bind_number(s, 2, is->time_ms);
    bind_number(s, 3, is->version);
    bind_bytes(s, 4, is->data, is->len);
    bind_bytes(s, 5, is->info, is->info_len);
    bind_bytes(s, 6, is->tags, is->tags_len);
    bind_bytes(s, 7, is->key, is->key_len);
    bind_bytes(s, 8, is->version_epoch, is->version_epoch_len);
    bind_number(s, 9, publication_crc(name, len, row->epoch, p->offset, is));
    bind_number(s, 10, p->offset);
    bind_number(s, 11, row->id);
    return run(d, s);
}

int database_remove_publications(struct database *d, uint64_t id, uint64_t from, uint64_t to)
{
    sqlite3_stmt *s = d->statements[REMOVE_PUBLICATIONS];
    bind_number(s, 1, id);
    bind_number(s, 2, from);
    bind_number(s, 3, to);
    return run(d, s);
}

/* The publication of the row that was stepped to; DUET_ERR_FORMAT when it is wrong. */
static int read_publication(sqlite3_stmt *s, const char *name, size_t len, const char *epoch, struct publication **out)
{
    struct publication_parts is = { .kind = (enum hub_kind)number(s, 0),
                                    .time_ms = number(s, 1),
                                    .version = number(s, 2) };
    is.data = bytes(s, 3, &is.len);
    is.info = bytes(s, 4, &is.info_len);
    is.tags = bytes(s, 5, &is.tags_len);
    is.key = bytes(s, 6, &is.key_len);
    is.version_epoch = bytes(s, 7, &is.version_epoch_len);
    uint64_t offset = number(s, 9);
    if (number(s, 8) != publication_crc(name, len, epoch, offset, &is))
        return DUET_ERR_FORMAT;
    struct publication *p = publication_new(&is);
    if (p == NULL)
        return DUET_ERR_NOMEM;
    p->offset = offset;
    *out = p;
    return 0;
}

/* Puts the row that was stepped to behind what is there. */
static int take_publication(sqlite3_stmt *s, const char *name, size_t len, const struct channel_row *row, uint32_t most,
                            struct stream *to)
{
    struct publication *p = NULL;
    int rc = read_publication(s, name, len, row->epoch, &p);
    if (rc == 0 && p->offset != to->top + 1)
        rc = DUET_ERR_FORMAT;
    if (rc == 0)
        rc = stream_reserve(to);
    if (rc == 0)
        stream_append(to, p, most, row->touched_ms);
    publication_unref(p);
    return rc;
}

int database_stream(struct database *d, const char *name, size_t len, const struct channel_row *row, uint32_t most,
                    struct stream *out)
{
    sqlite3_stmt *s = d->statements[PUBLICATIONS];
    uint64_t count = row->top + 1 - row->first;
    if (count > most)
        count = most;
    stream_init(out, row->epoch);
    stream_resume(out, row->top - count, row->touched_ms);
    if (count == 0)
        return 0;
    bind_number(s, 1, row->id);
    bind_number(s, 2, row->top - count + 1);
    bind_number(s, 3, row->top);
    int rc;
    while ((rc = step(d, s)) == 1) {
        rc = take_publication(s, name, len, row, most, out);
        if (rc < 0) {
            sqlite3_reset(s);
            break;
        }
    }
    if (rc == 0 && out->top != row->top)
        rc = DUET_ERR_FORMAT;
    if (rc < 0)
        stream_fini(out);
    return rc;
}

int database_publication_below(struct database *d, const char *name, size_t len, const struct channel_row *row,
                               uint64_t *offset, struct publication **out)
{
    sqlite3_stmt *s = d->statements[PUBLICATION_BELOW];
    bind_number(s, 1, row->id);
    bind_number(s, 2, *offset);
    int rc = step(d, s);
    if (rc <= 0)
        return rc;
    *offset = number(s, 9);
    *out = NULL;
    rc = read_publication(s, name, len, row->epoch, out);
    sqlite3_reset(s);
    return rc < 0 && rc != DUET_ERR_FORMAT ? rc : 1;
}
