/* SPDX-License-Identifier: MIT */
/*
 * The engine that keeps streams in an embedded database, the file duet.sqlite of a folder.
 *
 * One thread writes: all that waits becomes one transaction. Another reads, so that a channel that is first used does
 * not wait behind a disk that takes its time. The queue of both is bounded.
 *
 * An append is done with 0
 *   fsync   when it is on disk: it survives a crash of the program, and of the machine;
 *   batch   when it is in the system's memory, and 10 ms later at the latest it is on disk: it survives a crash of the
 *           program, and all but the last 10 ms that of the machine;
 *   memory  when it is in the system's memory: it survives a crash of the program.
 * After a start that no orderly stop preceded, what somebody saw may be gone with `batch` and `memory`. So every
 * channel then gets a new epoch when it is next loaded, with the publications that are there: no epoch and offset ever
 * carry two payloads (STO-1).
 *
 * When the disk fails, appends are done with what it said (-ENOSPC, -EIO, ...) until it works again, without a restart.
 * Loads go on while only room is missing. A file that is found damaged is set aside as duet.sqlite.damaged-TIME, and
 * what can be read of it is kept; the channels that lost something get a new epoch.
 */
#ifndef ENGINE_STORE_H
#define ENGINE_STORE_H

#include "hub/engine.h"
#include <duet/log.h>

enum store_durability { STORE_FSYNC, STORE_BATCH, STORE_MEMORY };

enum { STORE_WHY = 200 };

struct store_config {
    const char *dir; /* made if it is not there, its parent is */
    enum store_durability durability;
    size_t queue_bytes; /* of publications that wait, with what belongs to them: 64 MiB */

    /* The hub's clock, in ms since 1970, which does not go back while the program runs; NULL: the system's at the
     * start, and steady from there. */
    uint64_t (*now_ms)(void *arg);
    /* store_damaged, store_unclean, store_unavailable, store_available. Any thread; NULL: nobody listens. */
    void (*log)(void *arg, const duet_log_event *event);
    void *arg;

    /* For tests: ms between attempts to use a disk again and between steps of retention. 0: those of everyday. */
    unsigned retry_ms, retain_ms;
};

/*
 * Opens the folder and starts. 0; or a negative error, with a line in `why` (STORE_WHY bytes) that says what to do: the
 * folder is another process's (-EBUSY), or the file is of a newer format (DUET_ERR_INVALID).
 */
int store_new(struct engine **out, const struct store_config *config, char *why);

/* Whether it could be opened, as far as can be seen of the folder from outside, and while another process has it. 0; or
 * a negative error with a line in `why`. */
int store_check(const char *dir, char why[STORE_WHY]);

#endif
