/* SPDX-License-Identifier: MIT */
#include "engine/keeper.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/salvage.h"
#include <duet/error.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SYNC_MS = 10,     /* what `batch` may lose */
    LOG_PAGES = 1000, /* of the log, until it is written into the file */
    RETRY_MS = 200,
    MEND_MS = 60000,
    RETAIN_MS = 100,
    RETAIN_CHANNELS = 64, /* a step looks at so many */
    RETAIN_ROWS = 256     /* and removes so many publications */
};

/* The wall's clock of the start, and from then on the steady one: nobody puts it back. */
static uint64_t now_ms(const struct keeper *k)
{
    if (k->config.now_ms != NULL)
        return k->config.now_ms(k->config.arg);
    return k->wall_ms + (clock_ms() - k->steady_ms);
}

static void say(const struct keeper *k, duet_log_level level, const char *event, int error, const char *detail)
{
    if (k->config.log == NULL)
        return;
    k->config.log(k->config.arg, &(duet_log_event){ .level = level,
                                                    .event = event,
                                                    .reason = error ? duet_strerror(error) : NULL,
                                                    .code = error,
                                                    .detail = detail });
}

/* Trouble. */

int keeper_trouble(struct keeper *k)
{
    pthread_mutex_lock(&k->health);
    int trouble = k->trouble;
    pthread_mutex_unlock(&k->health);
    return trouble;
}

static void set_trouble(struct keeper *k, int trouble)
{
    pthread_mutex_lock(&k->health);
    k->trouble = trouble;
    pthread_mutex_unlock(&k->health);
}

static void close_reader(struct keeper *k)
{
    pthread_mutex_lock(&k->reading);
    database_close(k->reader);
    k->reader = NULL;
    pthread_mutex_unlock(&k->reading);
}

/* From USABLE to FAILED, or an attempt to come back that failed, too. */
static void fail(struct keeper *k, int error)
{
    if (keeper_trouble(k) == 0)
        say(k, DUET_LOG_ERROR, "store_unavailable", error,
            "publications with history are refused until the disk works");
    set_trouble(k, error);
    /* A commit that had no room was rolled back before anything was synced, so what can be read is right. */
    if (error != -ENOSPC)
        close_reader(k);
    database_close(k->db);
    k->db = NULL;
    k->sync_at = 0;
    /* A disk that damages what was just mended would be filled with files that are set aside. */
    k->retry_at = clock_ms() + (error == DUET_ERR_FORMAT ? MEND_MS : k->config.retry_ms);
}

/* Opening. */

static enum database_sync sync_of(const struct keeper *k)
{
    static const enum database_sync kinds[] = {
        [STORE_FSYNC] = DATABASE_FULL, [STORE_BATCH] = DATABASE_NORMAL, [STORE_MEMORY] = DATABASE_OFF
    };
    return kinds[k->config.durability];
}

static bool is_loose(const struct keeper *k)
{
    return k->config.durability != STORE_FSYNC;
}

static int open_reader(struct keeper *k, uint64_t suspect)
{
    char why[FOLDER_WHY] = "";
    pthread_mutex_lock(&k->reading);
    database_close(k->reader);
    k->reader = NULL;
    k->suspect = suspect;
    int rc = database_open(&k->reader, k->folder.file, why);
    pthread_mutex_unlock(&k->reading);
    return rc;
}

/* Sets the damaged file aside; what was saved of it is to be opened. */
static int mend(struct keeper *k, enum salvage_trust trust, char *why)
{
    struct salvage s;
    char detail[256];
    close_reader(k);
    database_close(k->db);
    k->db = NULL;
    int rc = salvage_file(&k->folder, trust, now_ms(k), &s);
    if (rc < 0) {
        snprintf(why, FOLDER_WHY, "%.100s is damaged, and cannot be set aside (%s)", k->folder.file, duet_strerror(rc));
        return rc;
    }
    snprintf(detail, sizeof(detail),
             "set aside as %.60s; %" PRIu64 " channels are as they were, %" PRIu64
             " have a new epoch and what could be read, %" PRIu64 " publications are there",
             s.name, s.whole, s.renewed, s.publications);
    say(k, DUET_LOG_ERROR, "store_damaged", 0, detail);
    k->retained.len = 0;
    return 0;
}

/* The run begins: said in the file itself, not only in its log, which may get lost. */
static int begin_run(struct keeper *k, struct state_row *state, bool unclean)
{
    /* What a killed process wrote is in the system's memory, and not surely on disk: before anybody sees it, it is. The
     * log stays as long as it is, since an empty one looks like one that was lost. */
    int rc = database_checkpoint(k->db, false);
    if (unclean) {
        state->suspect = state->run;
        say(k, DUET_LOG_WARNING, "store_unclean", 0,
            "the last stop was none, and what was seen may be gone: channels get a new epoch");
    }
    state->run++;
    state->dirty = is_loose(k) ? STATE_LOOSE : STATE_STRICT;
    if (rc == 0)
        rc = database_begin(k->db);
    if (rc == 0)
        rc = database_put_state(k->db, state);
    if (rc == 0)
        rc = database_commit(k->db);
    return rc < 0 ? rc : database_checkpoint(k->db, false);
}

/* All that was acknowledged before is in the file itself by now, and the log may be another. */
static void mark_again(struct keeper *k)
{
    mark_close(&k->mark);
    if (!is_loose(k)) /* else each start after a kill is unsure anyhow */
        mark_open(&k->mark, k->folder.fd);
}

/* Opened and looked through, so that the table of channels can be trusted, and in use from now on. */
static int open_run(struct keeper *k, enum folder_log log, char *why)
{
    struct state_row state;
    int rc = database_open(&k->db, k->folder.file, why);
    if (rc == 0)
        rc = database_state(k->db, &state);
    if (rc >= 0)
        rc = database_check_channels(k->db, state.channels);
    if (rc == 0)
        rc =
            begin_run(k, &state, state.dirty == STATE_LOOSE || (state.dirty != STATE_CLEAN && log != FOLDER_LOG_SOUND));
    if (rc == 0)
        rc = database_durability(k->db, sync_of(k));
    if (rc == 0)
        mark_again(k);
    return rc < 0 ? rc : open_reader(k, state.suspect);
}

static int start(struct keeper *k, char *why)
{
    enum folder_log log = FOLDER_LOG_NONE;
    bool made = false;
    int rc = folder_open(&k->folder, k->config.dir, why);
    if (rc == 0)
        rc = folder_prepare(&k->folder, &made, why);
    if (rc == 0)
        rc = folder_log(&k->folder, &log);
    if (rc < 0)
        return rc;
    if (made && log != FOLDER_LOG_NONE)
        say(k, DUET_LOG_ERROR, "store_damaged", 0, "the file is gone or empty and its log is there: all begins anew");
    rc = open_run(k, log, why);
    if (rc == DUET_ERR_FORMAT) {
        rc = mend(k, log == FOLDER_LOG_SOUND ? SALVAGE_STARTED : SALVAGE_TORN, why);
        if (rc == 0)
            rc = open_run(k, FOLDER_LOG_NONE, why);
    }
    return rc;
}

int keeper_open(struct keeper *k, const struct store_config *config, char *why)
{
    *k = (struct keeper){ .config = *config, .folder = { .fd = -1, .lock_fd = -1 }, .mark = { .fd = -1, .log = -1 } };
    pthread_mutex_init(&k->reading, NULL);
    pthread_mutex_init(&k->health, NULL);
    k->wall_ms = clock_wall_ms();
    k->steady_ms = clock_ms();
    if (k->config.retry_ms == 0)
        k->config.retry_ms = RETRY_MS;
    if (k->config.retain_ms == 0)
        k->config.retain_ms = RETAIN_MS;
    why[0] = '\0';
    k->retain_at = clock_ms() + k->config.retain_ms;
    int rc = start(k, why);
    k->begun = rc == 0;
    if (rc < 0 && why[0] == '\0')
        snprintf(why, STORE_WHY, "%.120s cannot be used: %s", config->dir, duet_strerror(rc));
    return rc;
}

/* Everything is on disk, and only then that the stop was orderly. */
static void stop_clean(struct keeper *k)
{
    struct state_row state;
    int rc = database_durability(k->db, DATABASE_FULL);
    if (rc == 0)
        rc = database_checkpoint(k->db, false);
    if (rc == 0)
        rc = database_sync(k->db);
    if (rc == 0)
        rc = database_begin(k->db);
    if (rc == 0)
        rc = database_state(k->db, &state);
    state.dirty = STATE_CLEAN;
    if (rc >= 0)
        rc = database_put_state(k->db, &state);
    if (rc == 0)
        rc = database_commit(k->db);
    if (rc < 0)
        say(k, DUET_LOG_ERROR, "store_unavailable", rc, "the stop is not orderly to the next start");
}

void keeper_close(struct keeper *k)
{
    close_reader(k);
    if (k->begun && k->db != NULL)
        stop_clean(k);
    database_close(k->db);
    mark_close(&k->mark);
    folder_close(&k->folder);
    touched_free(k->doubts);
    pthread_mutex_destroy(&k->reading);
    pthread_mutex_destroy(&k->health);
}

/* Coming back. */

/* What the lost transaction may have left is taken back, and that this could be written shows that the disk works. */
static int settle(struct keeper *k, uint64_t *suspect)
{
    struct batch b;
    int rc = batch_begin(&b, k->db, now_ms(k));
    for (struct touched *t = k->doubts; t != NULL && rc == 0; t = t->next)
        rc = batch_undo(&b, t);
    /* Where nobody waited for the disk, what was answered may be lost with what was not (STO-1). */
    if (is_loose(k) && k->shaken)
        b.state.suspect = b.state.run++;
    b.state_changed = true;
    if (rc == 0)
        rc = batch_end(&b);
    *suspect = b.state.suspect;
    if (rc < 0)
        batch_abandon(&b);
    batch_fini(&b);
    return rc;
}

static void forget_doubts(struct keeper *k)
{
    touched_free(k->doubts);
    k->doubts = NULL;
}

static int open_settled(struct keeper *k)
{
    char why[FOLDER_WHY] = "";
    uint64_t suspect = 0;
    int rc = database_open(&k->db, k->folder.file, why);
    if (rc == 0)
        rc = database_checkpoint(k->db, false);
    if (rc == 0)
        rc = settle(k, &suspect);
    if (rc == 0)
        rc = database_durability(k->db, sync_of(k));
    if (rc == 0)
        mark_again(k);
    return rc < 0 ? rc : open_reader(k, suspect);
}

/* Damage was found by a run that goes on. What there was to settle is of the rows of the file that is set aside. */
static int mend_running(struct keeper *k)
{
    char why[FOLDER_WHY] = "";
    forget_doubts(k);
    int rc = mend(k, SALVAGE_RUNNING, why);
    return rc < 0 ? rc : open_run(k, FOLDER_LOG_NONE, why);
}

static int come_back(struct keeper *k)
{
    int rc = open_settled(k);
    return rc == DUET_ERR_FORMAT ? mend_running(k) : rc;
}

/* Whether the file can be used; tried again when that is due. */
static bool usable(struct keeper *k)
{
    if (k->db != NULL)
        return true;
    if (clock_ms() < k->retry_at)
        return false;
    int rc = come_back(k);
    if (rc < 0) {
        fail(k, rc);
        return false;
    }
    forget_doubts(k);
    k->shaken = false;
    set_trouble(k, 0);
    say(k, DUET_LOG_INFO, "store_available", 0, NULL);
    return true;
}

/* Committing. */

static int append_all(struct batch *b, struct engine_append *appends)
{
    int rc = 0;
    for (struct engine_append *a = appends; a != NULL; a = a->next) {
        if (a->publication != NULL)
            rc = batch_append(b, a);
        else
            rc = batch_clear(b, a->name, a->name_len, ((struct keeper_clear *)a)->offset);
        a->error = rc;
        if (rc < 0 && !batch_error_is_own(rc))
            return rc;
    }
    return 0;
}

static int fill(struct keeper *k, struct batch *b, struct engine_append *appends, struct engine_load *loads)
{
    int rc = append_all(b, appends);
    for (struct engine_load *l = loads; l != NULL && rc == 0; l = l->next)
        rc = batch_renew(b, l->name, l->name_len);
    if (rc == 0 && clock_ms() >= k->retain_at) {
        rc = batch_retain(b, &k->retained, RETAIN_CHANNELS, RETAIN_ROWS);
        k->retain_at = clock_ms() + k->config.retain_ms;
    }
    return rc;
}

static int transaction(struct keeper *k, struct engine_append *appends, struct engine_load *loads)
{
    struct batch b;
    uint64_t begun = clock_ms();
    int rc = batch_begin(&b, k->db, now_ms(k));
    if (rc == 0)
        rc = fill(k, &b, appends, loads);
    if (rc == 0)
        rc = batch_end(&b);
    if (rc < 0) {
        batch_abandon(&b);
        k->doubts = b.first;
        b.first = NULL;
    } else if (k->config.durability == STORE_BATCH && k->sync_at == 0) {
        k->sync_at = begun + SYNC_MS;
    }
    batch_fini(&b);
    return rc;
}

static int read_channel(struct database *db, uint64_t suspect, struct engine_load *l)
{
    struct channel_row row;
    int rc = database_begin_read(db);
    if (rc == 0)
        rc = database_channel(db, l->name, l->name_len, &row);
    l->found = rc == 1;
    bool renew = l->found && row.run <= suspect;
    if (l->found && !renew)
        rc = database_stream(db, l->name, l->name_len, &row, l->most, &l->stream);
    database_rollback(db);
    l->error = rc < 0 ? rc : 0;
    if (rc < 0)
        l->found = false;
    return rc < 0 ? rc : renew ? 0 : 1;
}

/* All of them, or up to the first that finds damage. */
static int read_all(struct keeper *k, struct engine_load **loads)
{
    for (; *loads != NULL; *loads = (*loads)->next)
        if (read_channel(k->db, 0, *loads) == DUET_ERR_FORMAT)
            return DUET_ERR_FORMAT;
    return 0;
}

static void give_up(struct engine_append *appends, struct engine_load *loads, int error)
{
    for (; appends != NULL; appends = appends->next)
        appends->error = error;
    for (; loads != NULL; loads = loads->next) {
        loads->error = error;
        loads->found = false;
    }
}

void keeper_commit(struct keeper *k, struct engine_append *appends, struct engine_load *loads)
{
    if (!usable(k)) {
        give_up(appends, loads, keeper_trouble(k));
        return;
    }
    int rc = transaction(k, appends, loads);
    if (rc == DUET_ERR_FORMAT) {
        rc = mend_running(k);
        if (rc == 0)
            rc = transaction(k, appends, loads);
    }
    if (rc < 0) {
        k->shaken = rc != -ENOSPC;
        fail(k, rc);
        give_up(appends, loads, rc);
        return;
    }
    mark_set(&k->mark, (unsigned long)database_log_pages(k->db));
    if (read_all(k, &loads) < 0) {
        rc = mend_running(k);
        if (rc == 0)
            rc = read_all(k, &loads);
        if (rc < 0) {
            fail(k, rc);
            give_up(NULL, loads, rc);
        }
    }
}

void keeper_tick(struct keeper *k)
{
    uint64_t now = clock_ms();
    if (k->db == NULL) {
        usable(k);
        return;
    }
    int rc = 0;
    if (k->sync_at != 0 && now >= k->sync_at) {
        rc = database_sync(k->db);
        k->sync_at = 0;
    }
    if (rc == 0 && database_log_pages(k->db) >= LOG_PAGES)
        rc = database_checkpoint(k->db, false);
    if (rc < 0 && rc != -EBUSY) {
        k->shaken = rc != -ENOSPC;
        fail(k, rc);
    } else if (now >= k->retain_at) {
        keeper_commit(k, NULL, NULL);
    }
}

uint64_t keeper_deadline(const struct keeper *k)
{
    if (k->db == NULL)
        return k->retry_at;
    return k->sync_at != 0 && k->sync_at < k->retain_at ? k->sync_at : k->retain_at;
}

/* The reader's. */

int keeper_read(struct keeper *k, struct engine_load *l)
{
    pthread_mutex_lock(&k->reading);
    int rc = k->reader == NULL ? -EIO : read_channel(k->reader, k->suspect, l);
    bool closed = k->reader == NULL;
    pthread_mutex_unlock(&k->reading);
    if (closed) {
        int trouble = keeper_trouble(k);
        l->error = trouble;
        l->found = false;
        /* It is being opened again this moment: the writer knows more. */
        return trouble != 0;
    }
    return rc == 1 || (rc < 0 && rc != DUET_ERR_FORMAT);
}
