/* SPDX-License-Identifier: MIT */
/* The tables of the store's file, and the number of its format. */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include <sqlite3.h>

enum { SCHEMA_FORMAT = 1 };

/*
 * Makes the tables in a file that is empty, with `crc` in the row of the file as it is at first; or sees whether they
 * are there. 0; DUET_ERR_FORMAT when the file is damaged; DUET_ERR_INVALID with a line in `why` (200 bytes) when it is
 * of a newer format or nothing of ours (STO-7); or what the disk said.
 */
int schema_check(sqlite3 *db, unsigned crc, char *why);

/* What SQLite's result is among ours. */
int database_error(sqlite3 *db, int rc);

#endif
