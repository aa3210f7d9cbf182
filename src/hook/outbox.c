/* SPDX-License-Identifier: MIT */
/*
 * A table of events in SQLite, and one of occupied channels that changes in the same transaction. Without a folder it
 * is a database in memory: one code for both.
 */
#include "hook/outbox.h"
#include "base/json.h"
#include "base/mem.h"
#include <duet/duet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "outbox.sqlite"

enum { VACATED_AT_ONCE = 1000 };

enum statement { BEGIN, COMMIT, ROLLBACK, PUT, OCCUPY, VACATE, NEXT, DROP, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT] = "INSERT INTO event (body) VALUES (?1)",
    [OCCUPY] = "INSERT OR IGNORE INTO occupied (channel) VALUES (?1)",
    [VACATE] = "DELETE FROM occupied WHERE channel = ?1",
    [NEXT] = "SELECT id, body FROM event ORDER BY id LIMIT ?1",
    [DROP] = "DELETE FROM event WHERE id <= ?1",
};

/* Synced with each write: an event that was told and then lost with the power would leave its id to another, which the
 * backend would take for that one. The loops do not wait for it, the courier does. */
static const char schema[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                             "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB);"
                             "CREATE TABLE IF NOT EXISTS occupied (channel BLOB PRIMARY KEY) WITHOUT ROWID;"
                             "CREATE TABLE IF NOT EXISTS box (name TEXT)";

/* An event that is in memory alone. */
struct fresh {
    struct fresh *next;
    enum hook_occupancy by;
    size_t channel_len, len;
    char bytes[]; /* the channel, then the JSON without its id */
};

struct outbox {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    char name[17]; /* the beginning of each id */

    pthread_mutex_t lock; /* of what follows */
    struct fresh *first, **last;
    size_t fresh_bytes;
    uint64_t waiting, dropped;
};

/* Results and statements. */

static int error_of(int rc)
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
    default:
        return -EIO;
    }
}

static int run(struct outbox *o, enum statement which)
{
    sqlite3_stmt *s = o->statements[which];
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return error_of(rc);
}

static int run_with(struct outbox *o, enum statement which, const void *blob, size_t len)
{
    sqlite3_bind_blob(o->statements[which], 1, blob, (int)len, SQLITE_STATIC);
    return run(o, which);
}

/* Events as JSON. */

static void put_text(struct buf *b, const char *name, const char *text, size_t len)
{
    if (len == 0)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_put_string(b, text, len);
}

/* What follows its id. */
static void put_event(struct buf *b, const struct hook_event *e)
{
    buf_printf(b, "\"type\":\"%s\",\"time\":%" PRIu64, e->type, e->time_ms);
    put_text(b, "channel", e->channel, e->channel_len);
    put_text(b, "client", e->client, e->client_len);
    put_text(b, "user", e->user, e->user_len);
    buf_puts(b, "}");
}

static struct fresh *fresh_new(const struct hook_event *e)
{
    char space[512];
    struct buf b;
    buf_init(&b, space, sizeof(space));
    put_event(&b, e);
    struct fresh *f = b.failed ? NULL : mem_alloc(sizeof(*f) + e->channel_len + b.len);
    if (f != NULL) {
        *f = (struct fresh){ .by = e->by, .channel_len = e->channel_len, .len = b.len };
        if (e->channel_len > 0)
            memcpy(f->bytes, e->channel, e->channel_len);
        memcpy(f->bytes + e->channel_len, b.at, b.len);
    }
    buf_fini(&b);
    return f;
}

static size_t size_of(const struct fresh *f)
{
    return sizeof(*f) + f->channel_len + f->len;
}

bool outbox_put(struct outbox *o, const struct hook_event *e)
{
    struct fresh *f = fresh_new(e);
    pthread_mutex_lock(&o->lock);
    bool good = f != NULL && o->waiting < OUTBOX_MOST && o->fresh_bytes + size_of(f) <= OUTBOX_FRESH_BYTES;
    if (good) {
        *o->last = f;
        o->last = &f->next;
        o->fresh_bytes += size_of(f);
        o->waiting++;
    } else {
        o->dropped++;
    }
    pthread_mutex_unlock(&o->lock);
    if (!good)
        mem_free(f);
    return good;
}

struct outbox_stats outbox_stats(const struct outbox *o)
{
    struct outbox *at = (struct outbox *)o; /* only its lock changes */
    pthread_mutex_lock(&at->lock);
    struct outbox_stats s = { at->waiting, at->dropped };
    pthread_mutex_unlock(&at->lock);
    return s;
}

/* Writing down. */

static int write_one(struct outbox *o, const struct fresh *f)
{
    int rc = run_with(o, PUT, f->bytes + f->channel_len, f->len);
    if (rc == 0 && f->by == HOOK_OCCUPIES)
        rc = run_with(o, OCCUPY, f->bytes, f->channel_len);
    if (rc == 0 && f->by == HOOK_VACATES)
        rc = run_with(o, VACATE, f->bytes, f->channel_len);
    return rc;
}

/* All of `first`, or nothing. */
static int write_all(struct outbox *o, const struct fresh *first)
{
    int rc = run(o, BEGIN);
    if (rc < 0)
        return rc;
    for (const struct fresh *f = first; f != NULL && rc == 0; f = f->next)
        rc = write_one(o, f);
    if (rc == 0)
        rc = run(o, COMMIT);
    if (rc < 0)
        run(o, ROLLBACK);
    return rc;
}

static void free_all(struct fresh *f)
{
    while (f != NULL) {
        struct fresh *next = f->next;
        mem_free(f);
        f = next;
    }
}

int outbox_write(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    struct fresh *first = o->first, **last = o->last;
    size_t bytes = o->fresh_bytes;
    o->first = NULL;
    o->last = &o->first;
    pthread_mutex_unlock(&o->lock);
    if (first == NULL)
        return 0;
    int rc = write_all(o, first);
    pthread_mutex_lock(&o->lock);
    if (rc < 0) { /* before what came meanwhile */
        *last = o->first;
        o->last = o->first == NULL ? last : o->last;
        o->first = first;
    } else {
        o->fresh_bytes -= bytes;
    }
    pthread_mutex_unlock(&o->lock);
    if (rc == 0)
        free_all(first);
    return rc;
}

/* Giving out. */

int outbox_next(struct outbox *o, struct buf *body, int64_t *last)
{
    sqlite3_stmt *s = o->statements[NEXT];
    int n = 0, rc;
    sqlite3_bind_int(s, 1, OUTBOX_BATCH);
    buf_puts(body, "{\"events\":[");
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        *last = sqlite3_column_int64(s, 0);
        buf_printf(body, "%s{\"id\":\"%s-%" PRId64 "\",", n++ > 0 ? "," : "", o->name, *last);
        buf_put(body, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    }
    sqlite3_reset(s);
    buf_puts(body, "]}");
    if (rc != SQLITE_DONE)
        return error_of(rc);
    return body->failed ? DUET_ERR_NOMEM : n;
}

int outbox_drop(struct outbox *o, int64_t last)
{
    sqlite3_bind_int64(o->statements[DROP], 1, last);
    int rc = run(o, DROP);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&o->lock);
    o->waiting -= (uint64_t)sqlite3_changes64(o->db);
    pthread_mutex_unlock(&o->lock);
    return 0;
}

/* Opening. */

static int open_file(struct outbox *o, const char *folder)
{
    char path[4096];
    if (folder == NULL)
        return error_of(sqlite3_open_v2(":memory:", &o->db,
                                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    if ((size_t)snprintf(path, sizeof(path), "%s/" FILE_NAME, folder) >= sizeof(path))
        return -ENAMETOOLONG;
    /* Made here, since SQLite would let all read it. */
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return error_of(
        sqlite3_open_v2(path, &o->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL));
}

static int prepare(struct outbox *o)
{
    int rc = error_of(sqlite3_exec(o->db, schema, NULL, NULL, NULL));
    for (int i = 0; i < STATEMENTS && rc == 0; i++)
        rc = error_of(sqlite3_prepare_v3(o->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &o->statements[i], NULL));
    return rc;
}

/* The first column of the first row, into `text` of `size` bytes. 0: there is none. */
static int ask(struct outbox *o, const char *question, char *text, int size)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(o->db, question, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    const char *is = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    if (is != NULL)
        snprintf(text, (size_t)size, "%s", is);
    else if (rc == SQLITE_ROW)
        rc = sqlite3_column_type(s, 0) == SQLITE_NULL ? SQLITE_CORRUPT : SQLITE_NOMEM;
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 1 : error_of(rc);
}

/* Ids of a box that was begun anew are others than those before. */
static int name_it(struct outbox *o)
{
    uint8_t random[(sizeof(o->name) - 1) / 2];
    char command[64];
    int rc = ask(o, "SELECT name FROM box", o->name, sizeof(o->name));
    if (rc > 0)
        return strspn(o->name, "0123456789abcdef") == sizeof(o->name) - 1 ? 0 : DUET_ERR_FORMAT;
    if (rc < 0)
        return rc;
    if (RAND_bytes(random, sizeof(random)) != 1)
        return DUET_ERR_NOMEM;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(o->name + 2 * i, 3, "%02x", random[i]);
    snprintf(command, sizeof(command), "INSERT INTO box (name) VALUES ('%s')", o->name);
    return error_of(sqlite3_exec(o->db, command, NULL, NULL, NULL));
}

/* One channel is. 1; 0: there is no room to tell it. */
static int vacate(struct outbox *o, uint64_t now_ms, const void *channel, size_t len)
{
    struct hook_event e = { .type = HOOK_EVENT_VACATED, .by = HOOK_VACATES, .time_ms = now_ms };
    e.channel = channel;
    e.channel_len = len;
    if (outbox_put(o, &e))
        return 1;
    return outbox_stats(o).waiting < OUTBOX_MOST ? DUET_ERR_NOMEM : 0;
}

/* Some of those that were occupied. How many; 0: there are no more, or no room for them. */
static int vacate_some(struct outbox *o, uint64_t now_ms)
{
    sqlite3_stmt *s = NULL;
    int n = 0, step = SQLITE_ROW, rc = 1;
    int prepared = sqlite3_prepare_v2(o->db, "SELECT channel FROM occupied LIMIT ?1", -1, &s, NULL);
    if (prepared != SQLITE_OK)
        return error_of(prepared);
    sqlite3_bind_int(s, 1, VACATED_AT_ONCE);
    while (rc > 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
        rc = vacate(o, now_ms, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        n += rc > 0;
    }
    sqlite3_finalize(s);
    if (rc < 0 || error_of(step) < 0)
        return rc < 0 ? rc : error_of(step);
    rc = outbox_write(o);
    return rc < 0 ? rc : n;
}

/* Nobody is there yet. Bit by bit, since what is not on disk has its limit; a full box leaves the rest for the next
 * start. */
static int vacate_all(struct outbox *o, uint64_t now_ms)
{
    int rc;
    while ((rc = vacate_some(o, now_ms)) > 0)
        ;
    return rc;
}

static int begin(struct outbox *o, const char *folder, uint64_t now_ms)
{
    char count[24];
    int rc = open_file(o, folder);
    if (rc == 0)
        rc = prepare(o);
    if (rc == 0)
        rc = name_it(o);
    if (rc == 0)
        rc = ask(o, "SELECT count(*) FROM event", count, sizeof(count));
    if (rc < 0)
        return rc;
    o->waiting = (uint64_t)strtoull(count, NULL, 10);
    return vacate_all(o, now_ms);
}

int outbox_open(struct outbox **out, const char *folder, uint64_t now_ms, char why[OUTBOX_WHY])
{
    struct outbox *o = mem_zalloc(sizeof(*o));
    if (o == NULL) {
        snprintf(why, OUTBOX_WHY, "out of memory");
        return DUET_ERR_NOMEM;
    }
    pthread_mutex_init(&o->lock, NULL);
    o->last = &o->first;
    int rc = begin(o, folder, now_ms);
    if (rc < 0) {
        snprintf(why, OUTBOX_WHY, "%.120s/" FILE_NAME ": %s%s", folder ? folder : "", duet_strerror(rc),
                 rc == DUET_ERR_FORMAT ? ": move it away, and the events in it are told no more" : "");
        outbox_close(o);
        return rc;
    }
    *out = o;
    return 0;
}

void outbox_close(struct outbox *o)
{
    if (o == NULL)
        return;
    if (o->statements[STATEMENTS - 1] != NULL)
        outbox_write(o);
    free_all(o->first);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(o->statements[i]);
    sqlite3_close(o->db);
    pthread_mutex_destroy(&o->lock);
    mem_free(o);
}
