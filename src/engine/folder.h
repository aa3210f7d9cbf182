/* SPDX-License-Identifier: MIT */
/*
 * The folder of the store, which belongs to one process at a time (STO-6), and its files, which nobody else may read
 * and which are no links (STO-12). No name of a file is made of what a peer sent (STO-11).
 */
#ifndef ENGINE_FOLDER_H
#define ENGINE_FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FOLDER_WHY = 200 };

struct folder {
    int fd, lock_fd;
    uid_t owner;              /* whose the files may be, besides this user's */
    char path[PATH_MAX];      /* of the folder, without links */
    char file[PATH_MAX + 16]; /* of the database: PATH/duet.sqlite */
};

/* Makes the folder if it is not there, and takes its lock. 0; or a negative error, with a line in `why`. */
int folder_open(struct folder *f, const char *dir, char why[FOLDER_WHY]);
void folder_close(struct folder *f); /* of zeroed memory, too */

/* What folder_open() and folder_prepare() would refuse, but for the lock, and without making anything. */
int folder_look(const char *dir, char why[FOLDER_WHY]);

/* Makes the database's file, empty, if it is not there; refuses links and files that others can read. `made`: it was.
 */
int folder_prepare(struct folder *f, bool *made, char why[FOLDER_WHY]);
/* An empty file beside it, PATH/duet.sqlite.new, for what is saved of a damaged one. */
int folder_prepare_new(struct folder *f);

/* How the write-ahead log looks before anybody opens it: 1, as something of it was lost; 0, in order. */
enum folder_log { FOLDER_LOG_NONE, FOLDER_LOG_SOUND, FOLDER_LOG_TORN };
int folder_log(struct folder *f, enum folder_log *log);

/* Sets the damaged file with its log aside as duet.sqlite.damaged-TIME, and puts the new one in its place. `name` (64
 * bytes) is what it is called now. Killed in between, the next start finds the file damaged again. */
int folder_replace(struct folder *f, uint64_t now_ms, char name[64]);

#endif
