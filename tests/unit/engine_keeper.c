/* SPDX-License-Identifier: MIT */
/*
 * The keeper of a store in one thread, while each call of the disk, each allocation of SQLite's and each of ours fails
 * in turn, once and from there on: what was answered with 0 is there, then and after the next start; what was not is
 * told, and the next try does it (STO-1, STO-4). LONG_TESTS=1: every one of them; else some.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/keeper.h"
#include "shim.h"
#include "stored.h"

enum { PATIENCE = 4, TRIES = 1000 };

/* What fails. */

enum { OURS = -1 };

static const struct failure {
    const char *name;
    int ops, with; /* OURS: allocations of ours */
} failures[] = {
    { "reads", 1 << SHIM_READ, SQLITE_IOERR_READ },
    { "writes", 1 << SHIM_WRITE | 1 << SHIM_TRUNCATE, SQLITE_IOERR_WRITE },
    { "room", 1 << SHIM_WRITE | 1 << SHIM_TRUNCATE, SQLITE_FULL },
    { "syncs", 1 << SHIM_SYNC, SQLITE_IOERR_FSYNC },
    { "opening", 1 << SHIM_OPEN | 1 << SHIM_DELETE, SQLITE_CANTOPEN },
    { "anything, in words that are new", (1 << SHIM_OPS) - 1, SQLITE_PERM },
    { "memory of SQLite's", 1 << SHIM_MEMORY, SQLITE_NOMEM },
    { "memory of ours", OURS, 0 },
};
enum { FAILURES = sizeof(failures) / sizeof(*failures) };

static void arm(const struct failure *f, long nth, bool for_ever)
{
    if (f->ops == OURS)
        mem_fail((unsigned long)nth, for_ever);
    else
        shim_fail((unsigned)f->ops, nth, for_ever, f->with);
}

/* How many of what fails there were. */
static long disarm(const struct failure *f)
{
    return f->ops == OURS ? (long)mem_fail_end() : shim_fail_end();
}

/* Each in turn, as far as there is time. `live` returns how many there were. */
static void each(long (*live)(const struct failure *f, long nth, bool for_ever), long steps)
{
    for (const struct failure *f = failures; f < failures + FAILURES; f++) {
        long count = live(f, LONG_MAX, false);
        assert_true(count > 0);
        long step = getenv("LONG_TESTS") != NULL ? 1 : 1 + count / steps;
        for (long nth = 0; nth < count; nth += step) {
            print_message("# %s %ld of %ld\n", f->name, nth, count);
            live(f, nth, false);
            live(f, nth, true);
        }
    }
}

/* What is kept. */

enum { ONE, TWO, OLD, CHANNELS };
static const char *const names[CHANNELS] = { "one", "two", "old" };

/* What was answered with 0. */
static struct kept {
    char epoch[STREAM_EPOCH + 1];
    uint64_t first, top;
    bool gone;
} kept[CHANNELS];

/* What is given to it; made before memory fails. */
enum { MOST = 8 };
static struct publication *publications[CHANNELS][MOST + 1]; /* by offset */

static struct keeper k;
static int patience; /* what fails ends when it is used up */
static const struct failure *failing;

static void endure(void)
{
    if (patience-- == 0)
        disarm(failing);
    k.retry_at = 0; /* nobody waits */
}

static void make_publications(void)
{
    for (int c = 0; c < CHANNELS; c++)
        for (uint64_t o = 1; o <= MOST; o++) {
            char text[40];
            snprintf(text, sizeof(text), "%s at %u", names[c], (unsigned)o);
            publications[c][o] =
                publication_new(&(struct publication_parts){ .kind = HUB_TEXT, .data = text, .len = strlen(text) });
            publications[c][o]->offset = o;
        }
}

static void free_publications(void)
{
    for (int c = 0; c < CHANNELS; c++)
        for (uint64_t o = 1; o <= MOST; o++)
            publication_unref(publications[c][o]);
}

/* Every publication there is of it is what it is; they are those that were kept. Which epoch that is under is learned.
 */
static bool look(int c)
{
    struct asked *q = ask_load(names[c], 100);
    keeper_commit(&k, NULL, &q->load);
    bool looked = q->load.error == 0, found = looked && q->load.found;
    struct stream *s = &q->load.stream;
    if (looked)
        assert_int_equal(found, kept[c].top > 0 && !kept[c].gone);
    if (found) {
        assert_int_equal(s->top, kept[c].top);
        assert_int_equal(stream_oldest(s), kept[c].first);
        for (uint64_t o = stream_oldest(s); o <= s->top; o++)
            assert_string_equal(text_at(s, o), publications[c][o]->is.data);
        memcpy(kept[c].epoch, s->epoch, sizeof(kept[c].epoch));
        stream_fini(s);
    }
    free(q);
    return looked;
}

/* Until it is kept. A channel may have another epoch after a failure, which is learned by loading it. */
static void insist(int c, const char *epoch)
{
    bool anew = strcmp(epoch, kept[c].epoch) != 0 && kept[c].top > 0;
    for (int n = 0; n < TRIES; n++) {
        uint64_t offset = anew ? 1 : kept[c].top + 1;
        struct engine_append append = { .name = names[c],
                                        .name_len = strlen(names[c]),
                                        .history_size = 1000,
                                        .history_ttl_ms = c == OLD ? 1000 : 1000000,
                                        .history_meta_ttl_ms = c == OLD ? 2000 : 2000000,
                                        .publication = publications[c][offset] };
        memcpy(append.epoch, anew ? epoch : kept[c].epoch, STREAM_EPOCH);
        keeper_commit(&k, &append, NULL);
        int rc = append.error;
        if (rc == 0) {
            kept[c].first = anew || kept[c].top == 0 ? 1 : kept[c].first;
            kept[c].top = offset;
            if (anew)
                memcpy(kept[c].epoch, epoch, sizeof(kept[c].epoch));
            return;
        }
        endure();
        if (!anew)
            look(c);
    }
    fail_msg("it does not come back");
}

static void insist_clear(int c, uint64_t offset)
{
    struct keeper_clear clear = { .append = { .name = names[c], .name_len = strlen(names[c]) }, .offset = offset };
    for (int n = 0; n < TRIES; n++) {
        keeper_commit(&k, &clear.append, NULL);
        if (clear.append.error == 0) {
            kept[c].first = offset + 1;
            return;
        }
        endure();
    }
    fail_msg("it is not cleared");
}

/* What is due for its age is done by now. */
static void grow_old(uint64_t now_ms)
{
    said.now_ms = now_ms;
    for (int n = 0; n < PATIENCE + 4; n++) {
        k.retain_at = 0;
        keeper_tick(&k);
        keeper_commit(&k, NULL, NULL);
        if (k.db == NULL)
            endure();
    }
}

static void open_at_last(enum store_durability durability)
{
    struct store_config config = {
        .dir = folder, .durability = durability, .retry_ms = 1, .retain_ms = 1000000, .log = hear, .now_ms = told_time
    };
    char why[STORE_WHY] = "";
    for (int n = 0; keeper_open(&k, &config, why) < 0; n++) {
        if (why[0] == '\0' || n == TRIES)
            fail_msg("%d: \"%s\"", n, why);
        keeper_close(&k);
        endure();
    }
}

static void start_anew(const struct failure *f)
{
    memset(kept, 0, sizeof(kept));
    for (int c = 0; c < CHANNELS; c++)
        memcpy(kept[c].epoch, epoch_a, sizeof(kept[c].epoch));
    patience = PATIENCE;
    failing = f;
    said.now_ms = 1000000;
    forget_said();
    make_folder();
    make_publications();
}

static void live(enum store_durability durability)
{
    open_at_last(durability);
    insist(OLD, epoch_a);
    for (int i = 0; i < 4; i++) {
        insist(ONE, kept[ONE].epoch);
        insist(TWO, kept[TWO].epoch);
    }
    insist_clear(ONE, 2);
    look(ONE);
    grow_old(1001500); /* its publications are too old, */
    kept[OLD].first = 2;
    insist(ONE, kept[ONE].epoch);
    grow_old(1003000); /* and now all of it is */
    kept[OLD].gone = true;
    insist(TWO, epoch_b);
    insist(TWO, kept[TWO].epoch);
    keeper_tick(&k);
    keeper_close(&k);
}

static long live_under(enum store_durability durability, const struct failure *f, long nth, bool for_ever)
{
    start_anew(f);
    arm(f, nth, for_ever);
    live(durability);
    long count = disarm(f);
    patience = TRIES;
    open_at_last(durability);
    for (int c = 0; c < CHANNELS; c++)
        assert_true(look(c));
    keeper_close(&k);
    free_publications();
    remove_folder(folder);
    said.now_ms = 0;
    return count;
}

static long live_strictly(const struct failure *f, long nth, bool for_ever)
{
    return live_under(STORE_FSYNC, f, nth, for_ever);
}

static long live_loosely(const struct failure *f, long nth, bool for_ever)
{
    return live_under(STORE_BATCH, f, nth, for_ever);
}

TEST(keeper, sto_4_keeps_what_it_said_whatever_fails)
{
    each(live_strictly, 10);
}

TEST(keeper, sto_4_keeps_what_it_said_by_and_by_whatever_fails)
{
    each(live_loosely, 4);
}

/* Damage: what is saved of a file. */

enum { SAVED = 4, LAST = 5 };
static const char *const saved[SAVED] = { "a", "b:room", "c", "d" };
static const char *const epochs[SAVED] = { "EpochOne", "EpochTwo", "EpochSix", "EpochTen" };

struct bytes {
    uint8_t *at;
    size_t len;
};

static struct bytes read_file(const char *path)
{
    struct bytes b = { malloc(1 << 20), 0 };
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, b.at, 1 << 20);
    b.len = n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        close(fd);
    return b;
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

/* In a folder of its own, which is there afterwards, and empty; as it is stopped, or killed: then with its log. */
static void make_files(enum store_durability durability, bool killed, struct bytes *file, struct bytes *log)
{
    make_folder();
    struct engine *e = open_store((struct store_config){ .durability = durability });
    for (int c = 0; c < SAVED; c++)
        for (uint64_t o = 1; o <= LAST; o++) {
            char text[80];
            snprintf(text, sizeof(text), "payload of %s at %u, and some words more", saved[c], (unsigned)o);
            assert_int_equal(keep(e, saved[c], epochs[c], o, text), 0);
        }
    close_store(e);
    if (killed) { /* the run is one more, and says so in the log */
        e = open_store((struct store_config){ .durability = durability });
        *log = read_file(path_of("duet.sqlite-wal"));
    }
    *file = read_file(path_of("duet.sqlite"));
    if (killed)
        close_store(e);
    remove_folder(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    forget_said();
}

/* The byte of a publication's payload is another. */
static void damage(struct bytes *b, const char *row)
{
    uint8_t *at = memmem(b->at, b->len, row, strlen(row));
    assert_non_null(at);
    *at ^= 1;
}

/* The row of the channel b:room is: its top. */
static void damage_row(struct bytes *b)
{
    uint8_t *at = memmem(b->at, b->len, epochs[1], STREAM_EPOCH);
    assert_non_null(at);
    at[STREAM_EPOCH] ^= 1;
}

static void expect_payload(const struct stream *s, int c, uint64_t offset)
{
    char text[80];
    snprintf(text, sizeof(text), "payload of %s at %u, and some words more", saved[c], (unsigned)offset);
    assert_string_equal(text_at(s, offset), text);
}

/* How it was saved: under its epoch it is whole; under another there is what could be read. -1: nothing is. */
static int look_at_saved(int c, uint64_t *oldest)
{
    struct asked *q = ask_load(saved[c], 100);
    keeper_commit(&k, NULL, &q->load);
    assert_int_equal(q->load.error, 0);
    bool found = q->load.found;
    struct stream s = q->load.stream;
    free(q);
    if (!found)
        return -1;
    int same = memcmp(s.epoch, epochs[c], STREAM_EPOCH) == 0;
    *oldest = stream_oldest(&s);
    assert_int_equal(s.top, LAST);
    if (same)
        assert_int_equal(*oldest, 1);
    for (uint64_t o = *oldest; o <= s.top; o++)
        expect_payload(&s, c, o);
    stream_fini(&s);
    return same;
}

/* The same of a channel of which the newest may be gone, too: what is there is right. */
static int look_at_rows(int c)
{
    struct asked *q = ask_load(saved[c], 100);
    keeper_commit(&k, NULL, &q->load);
    assert_int_equal(q->load.error, 0);
    bool found = q->load.found;
    struct stream s = q->load.stream;
    free(q);
    if (!found)
        return -1;
    int same = memcmp(s.epoch, epochs[c], STREAM_EPOCH) == 0;
    if (same)
        assert_int_equal(s.top * 10 + stream_oldest(&s), LAST * 10 + 1);
    for (uint64_t o = stream_oldest(&s); o <= s.top; o++)
        expect_payload(&s, c, o);
    stream_fini(&s);
    return same;
}

static void open_saved(void)
{
    struct store_config config = { .dir = folder, .log = hear };
    char why[STORE_WHY] = "";
    if (keeper_open(&k, &config, why) < 0)
        fail_msg("%s", why);
}

static struct bytes damaged;
static uint64_t left; /* of b:room: from here on */

/* What fails on the way costs nothing more than the damage did. */
static long save(const struct failure *f, long nth, bool for_ever)
{
    struct store_config config = { .dir = folder, .log = hear };
    char why[STORE_WHY] = "";
    uint64_t oldest;
    make_folder();
    write_file(path_of("duet.sqlite"), damaged.at, damaged.len);
    forget_said();
    arm(f, nth, for_ever);
    int rc = keeper_open(&k, &config, why);
    for (int c = 0; rc == 0 && c < SAVED; c++) {
        struct engine_load load = { .name = saved[c], .name_len = strlen(saved[c]), .most = 100 };
        keeper_commit(&k, NULL, &load);
        if (load.error == 0 && load.found)
            stream_fini(&load.stream);
    }
    long count = disarm(f);
    if (rc < 0)
        assert_true(why[0] != '\0');
    keeper_close(&k);
    open_saved();
    /* A start or a stop that went wrong may leave the next one unsure, which it says. */
    bool unsure = said.unclean > 0;
    for (int c = 0; c < SAVED; c++) {
        assert_int_equal(look_at_saved(c, &oldest), c != 1 && !unsure);
        assert_int_equal(oldest, c != 1 ? 1 : left);
    }
    assert_true(said.damaged > 0);
    keeper_close(&k);
    remove_folder(folder);
    return count;
}

/* A publication is wrong, which is found by the first who loads its channel. */
TEST(keeper, sto_3_saves_a_file_that_is_found_damaged_while_it_runs_whatever_fails)
{
    struct bytes log;
    make_files(STORE_FSYNC, false, &damaged, &log);
    remove_folder(folder);
    damage(&damaged, "payload of b:room at 3");
    left = 4;
    each(save, 8);
    free(damaged.at);
}

/* A channel's row is wrong, which is found at the start; its publications say themselves what they are. */
TEST(keeper, sto_3_saves_a_file_that_is_found_damaged_at_the_start_whatever_fails)
{
    struct bytes log;
    make_files(STORE_FSYNC, false, &damaged, &log);
    remove_folder(folder);
    damage_row(&damaged);
    left = 1;
    each(save, 8);
    free(damaged.at);
}

/* What may be missing besides: of a file whose last stop was none, under a durability that waits for no disk, or whose
 * log lost something, nothing is sure, and every channel gets a new epoch. */
TEST(keeper, sto_1_trusts_a_damaged_file_as_far_as_its_last_stop_goes)
{
    static const struct {
        enum store_durability durability;
        bool killed, torn;
        int whole; /* channels */
    } rows[] = { { STORE_FSYNC, false, false, 3 },
                 { STORE_BATCH, false, false, 3 },
                 { STORE_FSYNC, true, false, 3 },
                 { STORE_FSYNC, true, true, 0 },
                 { STORE_BATCH, true, false, 0 } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bytes file, log = { NULL, 0 };
        uint64_t oldest;
        int whole = 0;
        make_files(rows[i].durability, rows[i].killed, &file, &log);
        damage_row(&file);
        write_file(path_of("duet.sqlite"), file.at, file.len);
        if (rows[i].torn)
            log.at[log.len - 1] ^= 1;
        if (rows[i].killed)
            write_file(path_of("duet.sqlite-wal"), log.at, log.len);
        open_saved();
        for (int c = 0; c < SAVED; c++)
            whole += look_at_saved(c, &oldest) == 1;
        assert_int_equal(whole, rows[i].whole);
        assert_int_equal(said.damaged, 1);
        keeper_close(&k);
        free(file.at);
        free(log.at);
        remove_folder(folder);
    }
}

/* By SQL, on a file that nobody has open: what is right to SQLite and wrong to us. */
static void alter(const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path_of("duet.sqlite"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

/* STO-3: rows that say something else than they said, or are gone. */
TEST(keeper, sto_3_rows_that_are_wrong_cost_what_they_are_about)
{
    static const struct {
        const char *sql;
        int whole, unknown; /* channels */
        bool at_start;      /* it is found then, not by a load */
    } rows[] = {
        { "DELETE FROM state", 0, 0, true }, /* of what was not synced nothing is known */
        { "UPDATE state SET run = run + 1", 0, 0, true },
        { "UPDATE state SET dirty = 7", 0, 0, true },
        { "UPDATE channel SET epoch = 'short' WHERE name = x'63'", 3, 1, true },
        { "UPDATE channel SET epoch = 'EpochSix and more' WHERE name = x'63'", 3, 0, true },
        { "UPDATE channel SET epoch = 'EpochNot' WHERE name = x'63'", 3, 1, true },
        { "UPDATE channel SET run = 9 WHERE name = x'63'", 3, 0, true },
        { "UPDATE channel SET name = zeroblob(300) WHERE name = x'63'", 3, 1, true },
        { "DELETE FROM channel WHERE name = x'63'", 3, 1, true },
        { "DELETE FROM publication", 0, 4, false },
        { "DELETE FROM publication WHERE offset = 5", 0, 0, false },
        { "DELETE FROM publication WHERE offset = 3", 0, 0, false },
        { "UPDATE publication SET data = x'78' WHERE offset IN (2, 3)", 0, 0, false },
        { "UPDATE publication SET kind = 0", 0, 4, false },
        { "PRAGMA user_version = 99", 0, 4, true }, /* nothing is read that is of no known form */
        { "PRAGMA application_id = 99", 0, 4, true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bytes file, log;
        int whole = 0, unknown = 0;
        make_files(STORE_FSYNC, false, &file, &log);
        write_file(path_of("duet.sqlite"), file.at, file.len);
        alter(rows[i].sql);
        open_saved();
        print_message("# %s\n", rows[i].sql);
        assert_int_equal(said.damaged, rows[i].at_start);
        for (int c = 0; c < SAVED; c++) {
            int how = look_at_rows(c);
            whole += how == 1;
            unknown += how == -1;
        }
        assert_int_equal(said.damaged, 1);
        assert_int_equal(whole, rows[i].whole);
        assert_int_equal(unknown, rows[i].unknown);
        keeper_close(&k);
        free(file.at);
        remove_folder(folder);
    }
}

/* Somebody has the file, by other means than the lock: a person with sqlite3, say. */
TEST(keeper, sto_6_says_that_somebody_else_has_the_file)
{
    struct store_config config = { .dir = folder, .log = hear };
    struct bytes file, log;
    char why[STORE_WHY] = "";
    sqlite3 *db = NULL;
    uint64_t oldest;
    make_files(STORE_FSYNC, false, &file, &log);
    write_file(path_of("duet.sqlite"), file.at, file.len);
    assert_int_equal(sqlite3_open(path_of("duet.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(keeper_open(&k, &config, why), -EBUSY);
    assert_non_null(strstr(why, strerror(EBUSY)));
    keeper_close(&k);
    sqlite3_close(db);
    open_saved();
    for (int c = 0; c < SAVED; c++)
        assert_int_equal(look_at_saved(c, &oldest), 1);
    assert_int_equal(said.damaged, 0);
    keeper_close(&k);
    free(file.at);
    remove_folder(folder);
}

/* STO-4: the log is long enough to be written into the file, and that fails: it is told, and tried again. */
TEST(keeper, sto_4_a_log_that_cannot_be_written_into_the_file_is_kept_and_tried_again)
{
    enum { COUNT = 100, SIZE = 60000 };
    static char text[SIZE + 1];
    make_folder();
    forget_said();
    open_saved();
    memset(text, 'x', SIZE);
    for (uint64_t o = 1; o <= COUNT; o++) {
        struct asked *q = ask_append("a", epoch_a, o, text);
        keeper_commit(&k, &q->append, NULL);
        assert_int_equal(end_append(q), 0);
    }
    shim_fail(1 << SHIM_WRITE, 0, true, SQLITE_IOERR_WRITE);
    keeper_tick(&k);
    assert_int_equal(keeper_trouble(&k), -EIO);
    assert_int_equal(said.unavailable, 1);
    struct asked *q = ask_append("a", epoch_a, COUNT + 1, text);
    keeper_commit(&k, &q->append, NULL);
    assert_int_equal(end_append(q), -EIO);
    shim_fail_end();
    k.retry_at = 0;
    keeper_tick(&k);
    assert_int_equal(keeper_trouble(&k), 0);
    assert_int_equal(said.available, 1);
    struct engine_load load = { .name = "a", .name_len = 1, .most = 1000 };
    keeper_commit(&k, NULL, &load);
    assert_int_equal(load.error, 0);
    assert_int_equal(load.stream.top, COUNT);
    assert_int_equal(load.stream.count, COUNT);
    assert_string_equal(load.stream.epoch, epoch_a);
    stream_fini(&load.stream);
    keeper_close(&k);
    remove_folder(folder);
}

/* What `batch` may lose is of the last 10 ms: its sync is due that long after the first commit that waits for it,
 * whatever is committed meanwhile. */
TEST(keeper, sto_1_of_batch_is_due_on_disk_10_ms_after_it_was_begun)
{
    struct store_config config = { .dir = folder, .log = hear, .durability = STORE_BATCH, .retain_ms = 3600000 };
    char why[STORE_WHY] = "";
    make_folder();
    assert_int_equal(keeper_open(&k, &config, why), 0);
    uint64_t begun = clock_ms(), due = UINT64_MAX;
    for (uint64_t o = 1; o <= 3; o++) {
        struct asked *q = ask_append("a", epoch_a, o, "x");
        keeper_commit(&k, &q->append, NULL);
        assert_int_equal(end_append(q), 0);
        if (o == 1)
            due = keeper_deadline(&k);
        assert_int_equal(keeper_deadline(&k), due);
        while (clock_ms() < begun + o) /* the next one is begun later */
            sched_yield();
    }
    assert_true(due >= begun + 10 && due <= clock_ms() + 10);
    shim_fail(1 << SHIM_SYNC, -1, false, 0); /* counts them */
    while (clock_ms() < due)
        sched_yield();
    keeper_tick(&k);
    assert_int_equal(shim_fail_end(), 1);
    assert_true(keeper_deadline(&k) > due + 10); /* nothing waits any more */
    keeper_close(&k);
    remove_folder(folder);
}

/* More channels than one transaction saves. */
TEST(keeper, sto_3_saves_thousands_of_channels)
{
    enum { COUNT = 2500 };
    static struct engine_append appends[COUNT];
    static char names_of[COUNT][16];
    struct publication *p =
        publication_new(&(struct publication_parts){ .kind = HUB_TEXT, .data = "payload", .len = 7 });
    assert_non_null(p);
    p->offset = 1;
    make_folder();
    open_saved();
    for (int i = 0; i < COUNT; i++) {
        snprintf(names_of[i], sizeof(names_of[i]), "n%06d", i);
        appends[i] = (struct engine_append){ .next = i + 1 < COUNT ? &appends[i + 1] : NULL,
                                             .name = names_of[i],
                                             .name_len = strlen(names_of[i]),
                                             .epoch = "EpochOne",
                                             .history_size = 10,
                                             .history_ttl_ms = 1000000,
                                             .history_meta_ttl_ms = 2000000,
                                             .publication = p };
    }
    keeper_commit(&k, appends, NULL);
    publication_unref(p);
    keeper_close(&k);
    alter("UPDATE channel SET top = 2 WHERE name = CAST('n001234' AS BLOB)");
    forget_said();
    open_saved();
    assert_non_null(strstr(said.detail, "2499 channels are as they were, 1 have a new epoch"));
    assert_non_null(strstr(said.detail, "2500 publications are there"));
    for (int i = 0; i < COUNT; i++) {
        struct engine_load load = { .name = names_of[i], .name_len = strlen(names_of[i]), .most = 10 };
        keeper_commit(&k, NULL, &load);
        assert_int_equal(load.error, 0);
        assert_true(load.found && load.stream.top == 1 && load.stream.count == 1);
        assert_int_equal(strcmp(load.stream.epoch, "EpochOne") == 0, i != 1234);
        stream_fini(&load.stream);
    }
    keeper_close(&k);
    remove_folder(folder);
}
