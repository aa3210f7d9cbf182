/* SPDX-License-Identifier: MIT */
#include "stored.h"
#include "base/mem.h"
#include "engine/keeper.h"
#include "shim.h"

static const struct store_config fsync_config = { .durability = STORE_FSYNC };

/* One number out of the file. */
static long long ask_file(const char *question)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open_v2(path_of("duet.sqlite"), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, question, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    long long n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void tell_file(const char *command)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path_of("duet.sqlite"), &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, command, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* What is kept. */

TEST(store, keeps_what_it_said_it_keeps)
{
    make_folder();
    struct engine *e = open_store(fsync_config);
    assert_string_equal(e->ops->name, "sqlite");
    assert_false(is_known(e, "a"));
    keep_numbers(e, "a", epoch_a, 1, 20);
    expect_numbers(e, "a", epoch_a, 1, 20);
    close_store(e);
    forget_said();
    e = open_store(fsync_config);
    assert_int_equal(said.unclean + said.damaged, 0);
    expect_numbers(e, "a", epoch_a, 1, 20);
    keep_numbers(e, "a", epoch_a, 21, 22);
    expect_numbers(e, "a", epoch_a, 1, 22);
    close_store(e);
    remove_folder(folder);
}

/* What the hub remembers of keys and versions comes back with the rows. */
TEST(store, gives_back_each_part_of_a_publication)
{
    static const struct publication_parts parts[] = {
        { .kind = HUB_JSON, .data = "{\"a\":1}", .len = 7 },
        { .kind = HUB_BINARY, .data = "\0\1\377", .len = 3, .time_ms = 1764000000000, .version = UINT64_MAX },
        { .kind = HUB_TEXT, .data = "", .len = 0, .key = "key\0key", .key_len = 7 },
        { .kind = HUB_TEXT,
          .data = "t",
          .len = 1,
          .info = "{\"user\":\"u\"}",
          .info_len = 12,
          .tags = "{\"k\":\"v\"}",
          .tags_len = 9,
          .version = 7,
          .version_epoch = "ve",
          .version_epoch_len = 2 },
    };
    enum { N = sizeof(parts) / sizeof(*parts) };
    make_folder();
    struct engine *e = open_store(fsync_config);
    for (unsigned i = 0; i < N; i++) {
        struct asked *q = ask_append("c", epoch_a, i + 1, "");
        publication_unref(q->append.publication);
        q->append.publication = publication_new(&parts[i]);
        q->append.publication->offset = i + 1;
        assert_int_equal(give(e, q), 0);
    }
    close_store(e);
    e = open_store(fsync_config);
    struct stream s = fetch(e, "c");
    for (unsigned i = 0; i < N; i++) {
        const struct publication_parts *is = &stream_at(&s, i + 1)->is, *was = &parts[i];
        assert_int_equal(is->kind, was->kind);
        assert_int_equal(is->time_ms, was->time_ms);
        assert_int_equal(is->version, was->version);
        assert_true(is->len == was->len && memcmp(is->data, was->data, was->len) == 0);
        assert_true(is->info_len == was->info_len && (!was->info || memcmp(is->info, was->info, was->info_len) == 0));
        assert_true(is->tags_len == was->tags_len && (!was->tags || memcmp(is->tags, was->tags, was->tags_len) == 0));
        assert_true(is->key_len == was->key_len && (!was->key || memcmp(is->key, was->key, was->key_len) == 0));
        assert_int_equal(is->version_epoch_len, was->version_epoch_len);
    }
    stream_fini(&s);
    close_store(e);
    remove_folder(folder);
}

TEST(store, loads_the_newest_up_to_a_number)
{
    static const struct {
        uint32_t most;
        uint64_t oldest;
    } rows[] = { { 0, 11 }, { 1, 10 }, { 9, 2 }, { 10, 1 }, { 11, 1 }, { UINT32_MAX, 1 } };
    make_folder();
    struct engine *e = open_store(fsync_config);
    keep_numbers(e, "a", epoch_a, 1, 10);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct stream s;
        bool found = false;
        assert_int_equal(fetch_most(e, "a", rows[i].most, &found, &s), 0);
        assert_true(found);
        assert_int_equal(s.top, 10);
        assert_int_equal(stream_oldest(&s), rows[i].oldest);
        stream_fini(&s);
    }
    close_store(e);
    remove_folder(folder);
}

/* HUB-4: offsets are dense, or the append is refused and nothing has changed. */
TEST(store, hub_4_refuses_what_does_not_follow)
{
    static const struct {
        const char *epoch;
        uint64_t offset;
        int error;
    } rows[] = {
        { epoch_a, 2, DUET_ERR_STATE },
        { epoch_a, 0, DUET_ERR_STATE },
        { epoch_a, 1, 0 },
        { epoch_a, 1, DUET_ERR_STATE },
        { epoch_a, 3, DUET_ERR_STATE },
        { epoch_a, 2, 0 },
        { epoch_b, 3, DUET_ERR_STATE }, /* another epoch begins at 1 */
        { epoch_a, 3, 0 },
        { epoch_b, 1, 0 },
        { epoch_a, 4, DUET_ERR_STATE },
        { epoch_b, 2, 0 },
    };
    make_folder();
    struct engine *e = open_store(fsync_config);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[8];
        snprintf(text, sizeof(text), "%u", (unsigned)rows[i].offset);
        assert_int_equal(keep(e, "a", rows[i].epoch, rows[i].offset, text), rows[i].error);
    }
    expect_numbers(e, "a", epoch_b, 1, 2);
    close_store(e);
    assert_int_equal(ask_file("SELECT count(*) FROM publication"), 2);
    remove_folder(folder);
}

TEST(store, sto_11_takes_any_name_and_makes_no_path_of_it)
{
    char longest[HUB_NAME_MOST + 2];
    const char *names[] = { "../../x",  "/etc/passwd", "a/b",  "duet.sqlite", "'; DROP TABLE channel; --",
                            "\xc3\xa4", "%00",         longest };
    enum { N = sizeof(names) / sizeof(*names) };
    make_folder();
    memset(longest, 'n', HUB_NAME_MOST);
    longest[HUB_NAME_MOST] = '\0';
    struct engine *e = open_store(fsync_config);
    for (unsigned i = 0; i < N; i++)
        keep_numbers(e, names[i], epoch_a, 1, i + 1);
    for (unsigned i = 0; i < N; i++)
        expect_numbers(e, names[i], epoch_a, 1, i + 1);
    longest[HUB_NAME_MOST] = 'n';
    longest[HUB_NAME_MOST + 1] = '\0';
    assert_int_equal(keep(e, longest, epoch_a, 1, "x"), DUET_ERR_LIMIT);
    close_store(e);
    assert_int_equal(files_named(""), 3 + 2); /* with . and .. */
    remove_folder(folder);
}

/* How much is kept. */

static int keep_some(struct engine *e, const char *name, uint64_t offset, uint32_t size, uint64_t ttl, uint64_t meta)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)offset);
    struct asked *q = ask_append(name, epoch_a, offset, text);
    q->append.history_size = size;
    q->append.history_ttl_ms = ttl;
    q->append.history_meta_ttl_ms = meta;
    return give(e, q);
}

TEST(store, keeps_as_many_as_the_namespace_says)
{
    make_folder();
    struct engine *e = open_store(fsync_config);
    for (uint64_t o = 1; o <= 6; o++) {
        assert_int_equal(keep_some(e, "five", o, 5, 10000, 10000), 0);
        expect_numbers(e, "five", epoch_a, o <= 5 ? 1 : o - 4, o);
    }
    assert_int_equal(keep_some(e, "five", 7, 2, 10000, 10000), 0); /* fewer from now on */
    expect_numbers(e, "five", epoch_a, 6, 7);
    for (uint64_t o = 1; o <= 1000; o++)
        assert_int_equal(keep_some(e, "long", o, 10, 10000, 10000), 0);
    expect_numbers(e, "long", epoch_a, 991, 1000);
    close_store(e);
    /* Rows that are out of sight are removed along the way, some at a time. */
    assert_true(ask_file("SELECT count(*) FROM publication") < 10 + 64 + 8);
    remove_folder(folder);
}

static void set_time(uint64_t ms)
{
    __atomic_store_n(&said.now_ms, ms, __ATOMIC_RELAXED);
}

/* Until the file says so: retention runs by itself. */
static void await_file(const char *question, long long answer)
{
    while (ask_file(question) != answer)
        sched_yield();
}

TEST(store, forgets_publications_and_then_the_channel_for_their_age)
{
    make_folder();
    set_time(1000000);
    struct engine *e = open_store((struct store_config){ .retain_ms = 1 });
    for (uint64_t o = 1; o <= 3; o++)
        assert_int_equal(keep_some(e, "old", o, 100, 5000, 9000), 0);
    set_time(1000000 + 4999);
    for (uint64_t o = 1; o <= 600; o++)
        assert_int_equal(keep_some(e, "young", o, 1000, 5000, 9000), 0);
    expect_numbers(e, "old", epoch_a, 1, 3); /* a ms less than its time, and retention has run */
    set_time(1000000 + 5000);
    await_file("SELECT count(*) FROM publication WHERE channel = 1", 0);
    struct stream s = fetch(e, "old");
    assert_int_equal(s.top, 3); /* epoch and top are still known */
    assert_string_equal(s.epoch, epoch_a);
    assert_int_equal(s.count, 0);
    stream_fini(&s);
    set_time(1000000 + 9000);
    await_file("SELECT count(*) FROM channel", 1);
    assert_false(is_known(e, "old"));
    assert_int_equal(keep_some(e, "old", 4, 100, 5000, 9000), DUET_ERR_STATE); /* it is to be loaded again */
    expect_numbers(e, "young", epoch_a, 1, 600);
    set_time(1000000 + 4999 + 9000);
    await_file("SELECT count(*) + (SELECT count(*) FROM publication) FROM channel", 0);
    close_store(e);
    assert_int_equal(ask_file("SELECT channels FROM state"), 0);
    said.now_ms = 0;
    remove_folder(folder);
}

/* The clock was put back between two runs: what is from its future is of now. */
TEST(store, sto_8_expires_nothing_early_and_nothing_never_when_the_clock_went_back)
{
    make_folder();
    set_time(50000000);
    struct engine *e = open_store((struct store_config){ .retain_ms = 1 });
    assert_int_equal(keep_some(e, "a", 1, 100, 5000, 9000), 0);
    close_store(e);
    set_time(1000);
    e = open_store((struct store_config){ .retain_ms = 1 });
    await_file("SELECT touched_ms FROM channel", 1000);
    expect_numbers(e, "a", epoch_a, 1, 1);
    set_time(1000 + 5000);
    await_file("SELECT count(*) FROM publication", 0);
    close_store(e);
    said.now_ms = 0;
    remove_folder(folder);
}

TEST(store, clears_up_to_an_offset)
{
    make_folder();
    struct engine *e = open_store(fsync_config);
    keep_numbers(e, "a", epoch_a, 1, 10);
    e->ops->clear(e, "a", 1, 4);
    e->ops->clear(e, "nobody", 6, 4);
    expect_numbers(e, "a", epoch_a, 5, 10);
    e->ops->clear(e, "a", 1, 2); /* that is no more */
    expect_numbers(e, "a", epoch_a, 5, 10);
    e->ops->clear(e, "a", 1, 99);
    struct stream s = fetch(e, "a");
    assert_int_equal(s.top, 10);
    assert_int_equal(s.count, 0);
    stream_fini(&s);
    keep_numbers(e, "a", epoch_a, 11, 11);
    close_store(e);
    e = open_store(fsync_config);
    expect_numbers(e, "a", epoch_a, 11, 11);
    close_store(e);
    remove_folder(folder);
}

/* The queue. */

TEST(store, answers_in_the_order_of_a_channel_and_commits_what_waits_together)
{
    enum { N = 300 };
    struct asked *waits[2 * N];
    make_folder();
    struct engine *e = open_store((struct store_config){ .durability = STORE_FSYNC });
    keep_numbers(e, "a", epoch_a, 1, 1);
    keep_numbers(e, "b", epoch_b, 1, 1);
    shim_fail(1u << SHIM_SYNC, -1, false, 0); /* counts them */
    shim_hold_syncs(true);
    for (unsigned i = 0; i < 2 * N; i++) {
        waits[i] = ask_append(i % 2 ? "b" : "a", i % 2 ? epoch_b : epoch_a, i / 2 + 2, "x");
        assert_int_equal(e->ops->append(e, &waits[i]->append), 0);
        if (i == 0)
            shim_await_held();
    }
    struct asked *load = ask_load("a", 1000); /* behind them */
    assert_int_equal(e->ops->load(e, &load->load), 0);
    shim_hold_syncs(false);
    for (unsigned i = 0; i < 2 * N; i++) {
        await(waits[i]);
        assert_int_equal(waits[i]->append.error, 0);
        assert_true(i < 2 || waits[i]->nth > waits[i - 2]->nth);
    }
    assert_int_equal(shim_fail_end(), 2); /* the first alone, and all others */
    await(load);
    assert_int_equal(load->load.error, 0);
    assert_int_equal(load->load.stream.top, N + 1);
    stream_fini(&load->load.stream);
    free(load);
    for (unsigned i = 0; i < 2 * N; i++)
        end_append(waits[i]);
    close_store(e);
    remove_folder(folder);
}

/* A publication of so many bytes, and what it takes in the queue. */
static size_t sized_append(struct asked **q, uint64_t offset, size_t len)
{
    char text[4000];
    memset(text, 'x', len);
    text[len] = '\0';
    *q = ask_append("a", epoch_a, offset, text);
    return sizeof((*q)->append) + 1 + publication_size((*q)->append.publication);
}

/* STO-5: a sync that takes for ever holds its own, and nobody else. */
TEST(store, sto_5_reads_and_refuses_while_a_sync_hangs)
{
    enum { BYTES = 20000 };
    make_folder();
    struct engine *e = open_store((struct store_config){ .queue_bytes = BYTES });
    keep_numbers(e, "read", epoch_b, 1, 5);
    shim_hold_syncs(true);
    struct asked *waits[200], *load = ask_load("read", 10);
    unsigned n = 0;
    size_t left = BYTES, least = sized_append(&waits[0], 1, 0);
    end_append(waits[0]);
    for (; left >= 2 * (least + 400); n++) {
        left -= sized_append(&waits[n], n + 1, 400);
        assert_int_equal(e->ops->append(e, &waits[n]->append), 0);
        if (n == 0)
            shim_await_held();
    }
    assert_true(n > 10);
    /* One byte too many is refused, and then as many as there are. */
    sized_append(&waits[n], n + 1, left - least + 1);
    assert_int_equal(e->ops->append(e, &waits[n]->append), DUET_ERR_FULL);
    end_append(waits[n]);
    /* Others read meanwhile. */
    assert_int_equal(e->ops->load(e, &load->load), 0);
    await(load);
    assert_int_equal(load->load.stream.top, 5);
    stream_fini(&load->load.stream);
    assert_int_equal(sized_append(&waits[n], n + 1, left - least), left);
    assert_int_equal(e->ops->append(e, &waits[n]->append), 0);
    assert_int_equal(e->ops->load(e, &load->load), DUET_ERR_FULL);
    free(load);
    assert_false(is_done(waits[0]));
    n++;
    shim_hold_syncs(false);
    for (unsigned i = 0; i < n; i++) {
        await(waits[i]);
        assert_int_equal(end_append(waits[i]), 0);
    }
    keep_numbers(e, "a", epoch_a, n + 1, n + 1);
    close_store(e);
    remove_folder(folder);
}

TEST(store, ends_with_all_that_waits_kept)
{
    struct asked *waits[100];
    make_folder();
    struct engine *e = open_store(fsync_config);
    for (unsigned i = 0; i < 100; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%u", i + 1);
        waits[i] = ask_append("a", epoch_a, i + 1, text);
        assert_int_equal(e->ops->append(e, &waits[i]->append), 0);
    }
    close_store(e);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(is_done(waits[i]));
        assert_int_equal(end_append(waits[i]), 0);
    }
    e = open_store(fsync_config);
    expect_numbers(e, "a", epoch_a, 1, 100);
    close_store(e);
    remove_folder(folder);
}

/* `batch` is on disk after 10 ms without being asked; `memory` never asks a disk. */
TEST(store, syncs_as_often_as_its_durability_says)
{
    make_folder();
    struct engine *e = open_store((struct store_config){ .durability = STORE_BATCH });
    assert_int_equal(keep(e, "a", epoch_a, 1, "1"), 0); /* a log that begins anew syncs its head */
    shim_hold_syncs(true);
    assert_int_equal(keep(e, "a", epoch_a, 2, "2"), 0); /* acknowledged before */
    shim_await_held();
    shim_hold_syncs(false);
    close_store(e);
    e = open_store((struct store_config){ .durability = STORE_MEMORY });
    shim_fail(1u << SHIM_SYNC, -1, false, 0);
    struct stream s = fetch(e, "a");
    for (uint64_t o = 3; o < 1500; o++) /* with checkpoints */
        assert_int_equal(keep(e, "a", s.epoch, o, "x"), 0);
    assert_int_equal(shim_fail_end(), 0);
    stream_fini(&s);
    close_store(e);
    remove_folder(folder);
}

/* Starts. */

/* The folder as a process that is killed leaves it, in another one, which is then the folder. */
static void copy_killed(void)
{
    char from[sizeof(folder)];
    static const char *const names[] = { "duet.sqlite", "duet.sqlite-wal" };
    strcpy(from, folder);
    make_folder();
    for (int i = 0; i < 2; i++) {
        static char block[1 << 20];
        char path[200];
        snprintf(path, sizeof(path), "%s/%s", from, names[i]);
        int in = open(path, O_RDONLY), out = open(path_of(names[i]), O_WRONLY | O_CREAT, 0600);
        for (ssize_t n; (n = read(in, block, sizeof(block))) > 0;)
            assert_int_equal(write(out, block, (size_t)n), n);
        close(in);
        close(out);
    }
}

/* STO-1: where somebody may have seen what is not there, every channel begins a new epoch. */
TEST(store, sto_1_gives_new_epochs_after_an_unclean_start_where_it_must)
{
    static const struct {
        struct store_config config;
        bool renews;
    } rows[] = {
        { { .durability = STORE_FSYNC }, false },
        { { .durability = STORE_BATCH }, true },
        { { .durability = STORE_MEMORY }, true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        make_folder();
        struct engine *e = open_store(rows[i].config);
        keep_numbers(e, "a", epoch_a, 1, 5);
        keep_numbers(e, "b", epoch_b, 1, 5);
        char first[sizeof(folder)];
        strcpy(first, folder);
        copy_killed();
        forget_said();
        struct engine *again = open_store(fsync_config); /* whatever it is now: that run counts */
        assert_int_equal(said.unclean, rows[i].renews);
        if (rows[i].renews)
            assert_int_equal(keep(again, "b", epoch_b, 6, "6"), DUET_ERR_STATE); /* not before it was loaded */
        struct stream s = fetch(again, "a");
        assert_int_equal(strcmp(s.epoch, epoch_a) != 0, rows[i].renews);
        assert_int_equal(strspn(s.epoch, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), STREAM_EPOCH);
        expect_numbers(again, "a", s.epoch, 1, 5); /* and stays */
        keep_numbers(again, "a", s.epoch, 6, 7);
        close_store(again);
        again = open_store(fsync_config);
        expect_numbers(again, "a", s.epoch, 1, 7);
        expect_numbers(again, "b", rows[i].renews ? NULL : epoch_b, 1, 5); /* loaded a start later */
        struct stream b = fetch(again, "b");
        assert_int_equal(strcmp(b.epoch, epoch_b) != 0, rows[i].renews);
        stream_fini(&b);
        stream_fini(&s);
        close_store(again);
        remove_folder(folder);
        strcpy(folder, first);
        close_store(e);
        remove_folder(folder);
    }
}

TEST(store, sto_6_belongs_to_one_process)
{
    char why[STORE_WHY] = "", pid[24];
    struct engine *e, *second = NULL;
    make_folder();
    e = open_store(fsync_config);
    assert_int_equal(try_store(&second, fsync_config, why), -EBUSY);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_non_null(strstr(why, folder));
    assert_non_null(strstr(why, "in use by another process"));
    assert_non_null(strstr(why, pid));
    assert_int_equal(keep(e, "a", epoch_a, 1, "1"), 0);
    close_store(e);
    close_store(open_store(fsync_config));
    remove_folder(folder);
}

/* STO-7. */
TEST(store, sto_7_refuses_a_newer_format_and_other_databases)
{
    char why[STORE_WHY] = "";
    struct engine *e = NULL;
    make_folder();
    e = open_store(fsync_config);
    keep_numbers(e, "a", epoch_a, 1, 3);
    close_store(e);
    tell_file("PRAGMA user_version = 2; PRAGMA application_id = 0x44750002");
    assert_int_equal(try_store(&e, fsync_config, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "newer Duet"));
    assert_int_equal(files_named("duet.sqlite.damaged"), 0);
    tell_file("PRAGMA user_version = 1; PRAGMA application_id = 0x44750001");
    e = open_store(fsync_config);
    expect_numbers(e, "a", epoch_a, 1, 3);
    close_store(e);
    tell_file("PRAGMA user_version = 77; PRAGMA application_id = 0x12345678");
    assert_int_equal(try_store(&e, fsync_config, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "another program"));
    assert_int_equal(files_named("duet.sqlite.damaged"), 0);
    remove_folder(folder);
}

/* The file of the first format, as it was written then: it is read for ever. */
TEST(store, sto_7_reads_the_file_of_each_format)
{
    static char block[1 << 16];
    char source[300];
    make_folder();
    snprintf(source, sizeof(source), "%s", __FILE__);
    strcpy(strrchr(source, '/'), "/format-1.sqlite");
    int in = open(source, O_RDONLY), out = open(path_of("duet.sqlite"), O_WRONLY | O_CREAT, 0600);
    ssize_t n = read(in, block, sizeof(block));
    assert_true(n > 4096);
    assert_int_equal(write(out, block, (size_t)n), n);
    close(in);
    close(out);
    struct engine *e = open_store(fsync_config);
    expect_numbers(e, "chat:room", epoch_a, 3, 12);
    expect_numbers(e, "other", epoch_b, 1, 2);
    keep_numbers(e, "other", epoch_b, 3, 3);
    close_store(e);
    remove_folder(folder);
}

/* Who may read. */

TEST(store, sto_12_makes_files_that_only_its_user_reads)
{
    mode_t before = umask(0);
    struct stat st;
    make_folder();
    struct engine *e = open_store((struct store_config){ .dir = path_of("made") });
    keep_numbers(e, "a", epoch_a, 1, 1);
    umask(before);
    static const char *const names[] = { "made/duet.sqlite", "made/duet.sqlite-wal", "made/duet.sqlite-shm",
                                         "made/duet.sqlite-mark", "made/duet.lock" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_int_equal(stat(path_of(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(path_of("made"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close_store(e);
    remove_folder(path_of("made"));
    remove_folder(folder);
}

static void make_link(const char *name)
{
    rename(path_of(name), path_of("elsewhere"));
    assert_int_equal(symlink("elsewhere", path_of(name)), 0);
}

static void make_readable(const char *name)
{
    int fd = open(path_of(name), O_RDONLY | O_CREAT, 0600);
    fchmod(fd, 0604);
    close(fd);
}

static void make_group_readable(const char *name)
{
    int fd = open(path_of(name), O_RDONLY | O_CREAT, 0600);
    fchmod(fd, 0640);
    close(fd);
}

static void make_pipe(const char *name)
{
    unlink(path_of(name));
    assert_int_equal(mkfifo(path_of(name), 0600), 0);
}

static void open_folder_to_all(const char *name)
{
    (void)name;
    chmod(folder, 0777);
}

TEST(store, sto_12_refuses_links_and_files_that_others_read)
{
    static void (*const deeds[])(const char *) = { make_link, make_readable, make_group_readable, make_pipe,
                                                   open_folder_to_all };
    static const char *const names[] = { "duet.sqlite", "duet.lock", "duet.sqlite-wal", "duet.sqlite-shm",
                                         "duet.sqlite-mark" };
    static const char *const words[] = { "link", "others", "others", "no file", "everybody" };
    for (size_t d = 0; d < sizeof(deeds) / sizeof(*deeds); d++)
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            char why[STORE_WHY] = "";
            struct engine *e = NULL;
            make_folder();
            close_store(open_store(fsync_config));
            deeds[d](names[i]);
            assert_true(try_store(&e, fsync_config, why) < 0);
            assert_non_null(strstr(why, words[d]));
            remove_folder(folder);
        }
}

TEST(store, says_why_a_folder_cannot_be_had)
{
    char why[STORE_WHY] = "";
    struct engine *e = NULL;
    make_folder();
    assert_true(try_store(&e, (struct store_config){ .dir = path_of("no/such") }, why) < 0);
    assert_non_null(strstr(why, "cannot be made"));
    close(open(path_of("file"), O_WRONLY | O_CREAT, 0600));
    assert_true(try_store(&e, (struct store_config){ .dir = path_of("file") }, why) < 0);
    assert_non_null(strstr(why, "no folder"));
    remove_folder(folder);
}

/* STO-10: a start reads the table of channels once, and of publications nothing. */
TEST(store, sto_10_reads_each_page_of_the_channels_once_when_it_starts)
{
    enum { N = 3000 };
    static struct asked *waits[N];
    static char names[N][16];
    make_folder();
    struct engine *e = open_store((struct store_config){ .durability = STORE_MEMORY });
    for (unsigned i = 0; i < N; i++) {
        char text[500];
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        snprintf(names[i], sizeof(names[i]), "channel%u", i);
        waits[i] = ask_append(names[i], epoch_a, 1, text);
        assert_int_equal(e->ops->append(e, &waits[i]->append), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        await(waits[i]);
        assert_int_equal(end_append(waits[i]), 0);
    }
    close_store(e);
    struct stat st;
    assert_int_equal(stat(path_of("duet.sqlite"), &st), 0);
    shim.bytes_read = 0;
    e = open_store((struct store_config){ .retain_ms = 1000000 });
    assert_true(shim.bytes_read < st.st_size / 3);
    close_store(e);
    remove_folder(folder);
}

/* One thread, and each allocation of ours fails in turn: what was not kept says so, and the next try keeps it. */
static bool keep_by(struct keeper *k, struct asked *q, uint64_t offset)
{
    q->append.publication->offset = offset;
    keeper_commit(k, &q->append, NULL);
    return q->append.error == 0;
}

static bool live_without_memory(unsigned long nth)
{
    struct keeper k;
    struct store_config config = { .dir = folder, .retry_ms = 1 };
    struct asked *q = ask_append("a", epoch_a, 0, "x"), *load = ask_load("a", 100);
    char why[STORE_WHY] = "";
    uint64_t top = 0;
    mem_fail(nth, false);
    int rc = keeper_open(&k, &config, why);
    for (int i = 0; rc == 0 && i < 4; i++)
        top += keep_by(&k, q, top + 1);
    if (rc == 0)
        keeper_commit(&k, NULL, &load->load);
    bool over = mem_fail_end() <= nth;
    if (rc == 0 && load->load.error == 0)
        stream_fini(&load->load.stream);
    while (rc == 0 && !keep_by(&k, q, top + 1))
        sched_yield();
    if (rc == 0) {
        keeper_commit(&k, NULL, &load->load);
        assert_int_equal(load->load.error, 0);
        assert_int_equal(load->load.stream.top, top + 1);
        assert_int_equal(load->load.stream.count, top + 1);
        stream_fini(&load->load.stream);
    }
    keeper_close(&k);
    end_append(q);
    free(load);
    return over;
}

TEST(store, without_memory_says_so_and_goes_on)
{
    bool over = false;
    for (unsigned long nth = 0; !over; nth++) {
        make_folder();
        over = live_without_memory(nth);
        remove_folder(folder);
    }
}

TEST(store, that_cannot_be_made_for_want_of_memory_says_so)
{
    struct engine *e = NULL;
    char why[STORE_WHY] = "";
    make_folder();
    mem_fail(0, false);
    assert_int_equal(try_store(&e, fsync_config, why), DUET_ERR_NOMEM);
    mem_fail_end();
    assert_string_equal(why, "out of memory");
    remove_folder(folder);
}

/* A clear() is nobody's who waits: without memory, or where too much waits, it is not done, and nothing else suffers.
 */
TEST(store, clears_nothing_where_it_cannot)
{
    make_folder();
    struct engine *e = open_store((struct store_config){ .queue_bytes = 4000 });
    keep_numbers(e, "a", epoch_a, 1, 3);
    mem_fail(0, true);
    e->ops->clear(e, "a", 1, 2);
    mem_fail_end();
    expect_numbers(e, "a", epoch_a, 1, 3);
    shim_hold_syncs(true);
    struct asked *waits[64];
    int n = 0;
    for (int rc = 0; rc == 0 && n < 64; n++) {
        waits[n] = ask_append("a", epoch_a, 4 + (uint64_t)n, "x");
        rc = e->ops->append(e, &waits[n]->append);
    }
    assert_true(n < 64);
    end_append(waits[--n]); /* that one was not taken */
    for (int i = 0; i < 100; i++)
        e->ops->clear(e, "a", 1, 0); /* until not even this has room */
    e->ops->clear(e, "a", 1, 2);
    shim_hold_syncs(false);
    for (int i = 0; i < n; i++) {
        await(waits[i]);
        assert_int_equal(end_append(waits[i]), 0);
    }
    struct stream s = fetch(e, "a");
    assert_int_equal(stream_oldest(&s), 1);
    stream_fini(&s);
    e->ops->clear(e, "a", 1, 2);
    keep_numbers(e, "a", epoch_a, 4 + (uint64_t)n, 4 + (uint64_t)n);
    s = fetch(e, "a");
    assert_int_equal(stream_oldest(&s), 3);
    stream_fini(&s);
    close_store(e);
    remove_folder(folder);
}
