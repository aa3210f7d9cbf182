/* SPDX-License-Identifier: MIT */
/*
 * The format's number stands twice in the head of the file, as SQLite's user_version and in the lower half of its
 * application_id behind "Du": one that is damaged is not taken for a newer one.
 *
 * What peers sent is in blobs, so that it comes back as it was; `history` shows it as text, for people with sqlite3.
 */
#include "engine/schema.h"
#include <duet/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION = 0x44750000 }; /* "Du" */

static const char tables[] =
    "CREATE TABLE state (id INTEGER PRIMARY KEY, run INTEGER, suspect INTEGER, next_id INTEGER, channels INTEGER,"
    " dirty INTEGER, crc INTEGER);"
    "INSERT INTO state VALUES (1, 0, 0, 1, 0, 0, %u);"
    "CREATE TABLE channel (name BLOB PRIMARY KEY, id INTEGER, epoch TEXT, top INTEGER, first INTEGER, low INTEGER,"
    " touched_ms INTEGER, run INTEGER, size INTEGER, ttl_ms INTEGER, meta_ttl_ms INTEGER, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE publication (channel INTEGER, offset INTEGER, kind INTEGER, time_ms INTEGER, version INTEGER,"
    " data BLOB, info BLOB, tags BLOB, key BLOB, version_epoch BLOB, crc INTEGER,"
    " PRIMARY KEY (channel, offset)) WITHOUT ROWID;"
    "CREATE VIEW history AS SELECT CAST(c.name AS TEXT) AS channel, c.epoch, p.offset, p.time_ms,"
    " CASE p.kind WHEN 2 THEN hex(p.data) ELSE CAST(p.data AS TEXT) END AS data FROM channel c"
    " JOIN publication p ON p.channel = c.id AND p.offset >= c.first;"
    "PRAGMA application_id = %d; PRAGMA user_version = %d;";

static int number(sqlite3 *db, const char *question, int64_t *answer)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, question, -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *answer = sqlite3_column_int64(s, 0);
    else if (rc == SQLITE_DONE || rc == SQLITE_ERROR) /* none of the questions is wrong */
        rc = SQLITE_CORRUPT;
    sqlite3_finalize(s);
    return database_error(db, rc);
}

static int make(sqlite3 *db, unsigned crc)
{
    char *all = sqlite3_mprintf(tables, crc, APPLICATION | SCHEMA_FORMAT, SCHEMA_FORMAT);
    int rc = all == NULL ? SQLITE_NOMEM : sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, all, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_free(all);
    return database_error(db, rc);
}

static int settings(sqlite3 *db)
{
    /* No mmap: an error of the disk would be a signal. */
    return database_error(db,
                          sqlite3_exec(db,
                                       "PRAGMA journal_mode=WAL; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                                       "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-8192",
                                       NULL, NULL, NULL));
}

int schema_check(sqlite3 *db, unsigned crc, char *why)
{
    int64_t application = 0, version = 0, objects = 0;
    struct stat st;
    int rc = number(db, "PRAGMA application_id", &application);
    if (rc == 0)
        rc = number(db, "PRAGMA user_version", &version);
    if (rc == 0)
        rc = number(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (rc < 0)
        return rc;
    /* SQLite takes a file of one byte for an empty one. */
    if (stat(sqlite3_db_filename(db, "main"), &st) == 0 && st.st_size == 1)
        return DUET_ERR_FORMAT;
    /* A head that says that this version of SQLite may not write, in a file that may be written: nobody wrote that. */
    if (sqlite3_db_readonly(db, "main") == 1 && access(sqlite3_db_filename(db, "main"), W_OK) == 0)
        return DUET_ERR_FORMAT;
    bool empty = application == 0 && version == 0 && objects == 0;
    if (empty || (application == (APPLICATION | SCHEMA_FORMAT) && version == SCHEMA_FORMAT)) {
        rc = settings(db);
        return rc == 0 && empty ? make(db, crc) : rc;
    }
    if (application == (APPLICATION | version) && version > SCHEMA_FORMAT && version <= UINT16_MAX) {
        snprintf(why, 200, "its format is %d and this program knows %d: a newer Duet wrote it", (int)version,
                 SCHEMA_FORMAT);
        return DUET_ERR_INVALID;
    }
    if (application == (APPLICATION | SCHEMA_FORMAT) || version == SCHEMA_FORMAT)
        return DUET_ERR_FORMAT;
    snprintf(why, 200, "it is a database of another program");
    return DUET_ERR_INVALID;
}
