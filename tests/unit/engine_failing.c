/* SPDX-License-Identifier: MIT */
/*
 * A disk that fails: each call in turn, once or from there on, and for good until there is room again (STO-4).
 * LONG_TESTS=1: every call, at every durability; else some of them.
 */
#include "stored.h"
#include "shim.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { CHANNELS = 2, OFFSETS = 6, TRIES = 1000000 };

static const char *const channels[CHANNELS] = { "one", "two" };

/* What was acknowledged: the payload of each offset, under which epoch. */
static struct {
    char epoch[STREAM_EPOCH + 1];
    uint64_t top;
    char texts[OFFSETS + 1][32];
} kept[CHANNELS];

static bool is_long(void)
{
    return getenv("LONG_TESTS") != NULL;
}

static bool is_as_kept(const struct stream *s, int c)
{
    if (s->top != kept[c].top || s->count != kept[c].top)
        return false;
    for (uint64_t o = 1; o <= s->top; o++)
        if (strcmp(text_at(s, o), kept[c].texts[o]) != 0)
            return false;
    return true;
}

/* A load says that it failed, or tells all that was kept and nothing else; then it is known under which epoch. */
static bool look(struct engine *e, int c)
{
    struct stream s;
    bool found = false;
    if (fetch_most(e, channels[c], 100, &found, &s) < 0)
        return false;
    assert_int_equal(found, kept[c].top > 0);
    if (found) {
        assert_true(is_as_kept(&s, c));
        memcpy(kept[c].epoch, s.epoch, sizeof(kept[c].epoch));
        stream_fini(&s);
    }
    return true;
}

/* One offset, tried with another payload each time, until it is kept. `patience`: the failing ends after so many. */
static void insist(struct engine *e, int c, int *patience)
{
    uint64_t offset = kept[c].top + 1;
    for (int n = 0; n < TRIES; n++) {
        char text[32];
        snprintf(text, sizeof(text), "%llu.%d", (unsigned long long)offset, n);
        int rc = keep(e, channels[c], kept[c].epoch, offset, text);
        if (rc == 0) {
            kept[c].top = offset;
            strcpy(kept[c].texts[offset], text);
            return;
        }
        if ((*patience)-- == 0)
            shim_fail_end();
        look(e, c); /* refused since its epoch is another by now: that is learned by loading */
        sched_yield();
    }
    fail_msg("the store does not come back");
}

static void start_anew(void)
{
    memset(kept, 0, sizeof(kept));
    for (int c = 0; c < CHANNELS; c++)
        memcpy(kept[c].epoch, epoch_a, sizeof(kept[c].epoch));
    forget_said();
}

static struct engine *open_at_last(struct store_config config)
{
    struct engine *e = NULL;
    char why[STORE_WHY] = "";
    while (try_store(&e, config, why) < 0) {
        assert_true(why[0] != '\0');
        shim_fail_end();
    }
    return e;
}

static void check_again(enum store_durability durability)
{
    struct engine *e = open_store((struct store_config){ .durability = durability });
    for (int c = 0; c < CHANNELS; c++)
        assert_true(look(e, c));
    close_store(e);
}

/* Returns how many calls of the kinds there were. */
static long scenario(enum store_durability durability, unsigned ops, long nth, bool for_ever, int with)
{
    int patience = 5;
    start_anew();
    make_folder();
    shim_fail(ops, nth, for_ever, with);
    struct engine *e = open_at_last((struct store_config){ .durability = durability, .retry_ms = 1 });
    for (int i = 0; i < CHANNELS * OFFSETS; i++) {
        insist(e, i % CHANNELS, &patience);
        if (i == OFFSETS)
            look(e, 0);
    }
    long calls = shim_fail_end();
    for (int c = 0; c < CHANNELS; c++)
        while (!look(e, c))
            sched_yield();
    close_store(e);
    check_again(durability);
    remove_folder(folder);
    return calls;
}

static void each_call(enum store_durability durability, unsigned ops, int with)
{
    long calls = scenario(durability, ops, -1, false, 0);
    assert_true(calls > 2);
    for (long n = 0; n < calls; n += is_long() ? 1 : 1 + calls / 12) {
        scenario(durability, ops, n, false, with);
        scenario(durability, ops, n, true, with);
    }
}

enum { WRITES = 1u << SHIM_WRITE | 1u << SHIM_TRUNCATE, SYNCS = 1u << SHIM_SYNC };

TEST(failing, sto_4_a_full_disk_refuses_and_is_used_again_when_there_is_room)
{
    for (int d = STORE_FSYNC; d <= STORE_MEMORY; d++)
        each_call((enum store_durability)d, WRITES, SQLITE_FULL);
}

TEST(failing, sto_4_errors_of_writes)
{
    for (int d = STORE_FSYNC; d <= STORE_MEMORY; d++)
        each_call((enum store_durability)d, WRITES, SQLITE_IOERR_WRITE);
}

TEST(failing, sto_4_errors_of_syncs)
{
    each_call(STORE_FSYNC, SYNCS, SQLITE_IOERR_FSYNC);
}

TEST(failing, sto_4_errors_of_reads_and_of_opening)
{
    each_call(STORE_FSYNC, 1u << SHIM_READ, SQLITE_IOERR_READ);
    each_call(STORE_FSYNC, 1u << SHIM_OPEN | 1u << SHIM_DELETE, SQLITE_IOERR_ACCESS);
}

TEST(failing, sto_4_errors_of_anything_and_of_memory)
{
    each_call(STORE_FSYNC, (1u << SHIM_OPS) - 1, SQLITE_IOERR);
    each_call(STORE_BATCH, (1u << SHIM_OPS) - 1, SQLITE_IOERR_NOMEM);
}

/*
 * A sync that failed has lost its pages, which one reads as if they were there, and the next sync says that all is
 * well. Then the power goes: whatever was acknowledged before or after is on the disk. `more`: so do the next ones,
 * such as those of closing the file. */
static void lose_and_cut(long nth, bool more, uint64_t *dice)
{
    struct shim_disk disk;
    int patience = more ? 3 : 1000;
    start_anew();
    make_folder();
    shim_take_notes(true);
    shim_fail(SYNCS, nth, more, SQLITE_IOERR_FSYNC);
    struct engine *e = open_at_last((struct store_config){ .retry_ms = 1 });
    for (int i = 0; i < CHANNELS * OFFSETS; i++)
        insist(e, i % CHANNELS, &patience);
    size_t count = shim.count;
    shim_fail_end();
    close_store(e);
    for (int cut = CUT_DROPPED; cut <= CUT_MIXED; cut++) {
        disk_after(&disk, count, (enum shim_cut)cut, dice);
        disk_write(&disk, folder);
        disk_fini(&disk);
        check_again(STORE_FSYNC);
    }
    shim_take_notes(true);
    shim_take_notes(false);
    remove_folder(folder);
}

TEST(failing, sto_4_a_failed_sync_is_never_taken_for_one_that_worked)
{
    uint64_t dice = 4;
    long calls = scenario(STORE_FSYNC, SYNCS, -1, false, 0);
    for (long n = 0; n < calls; n++) {
        lose_and_cut(n, false, &dice);
        lose_and_cut(n, true, &dice);
    }
}

/* Tells what it thinks of itself. */
TEST(failing, sto_4_says_that_it_is_not_healthy_and_why)
{
    char why[STORE_WHY] = "";
    make_folder();
    start_anew();
    struct engine *e = open_store((struct store_config){ .retry_ms = 1 });
    assert_true(e->ops->healthy(e, why));
    shim_fail(WRITES, 0, true, SQLITE_IOERR_WRITE);
    assert_int_equal(keep(e, "one", epoch_a, 1, "x"), -EIO);
    assert_false(e->ops->healthy(e, why));
    assert_non_null(strstr(why, folder));
    assert_non_null(strstr(why, strerror(EIO)));
    assert_int_equal(said.unavailable, 1);
    shim_fail_end();
    while (!e->ops->healthy(e, why)) /* by itself, without a request */
        sched_yield();
    assert_int_equal(keep(e, "one", epoch_a, 1, "y"), 0);
    assert_int_equal(said.unavailable, 1);
    assert_int_equal(said.available, 1);
    close_store(e);
    remove_folder(folder);
}

/* A real file system without room, of a size, in a process that may have mounts of its own; 77: it may not. */

static int in_small_folder(const char *size, int (*run)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char options[32];
        snprintf(options, sizeof(options), "size=%s", size);
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", folder, "tmpfs", 0, options) < 0)
            _exit(77);
        _exit(run());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int too_small_to_start(void)
{
    struct engine *e = NULL;
    char why[STORE_WHY] = "";
    int rc = try_store(&e, (struct store_config){ .dir = path_of("store") }, why);
    return rc < 0 && strstr(why, strerror(ENOSPC)) != NULL ? 0 : 1;
}

static void fill(const char *name)
{
    static char block[4096];
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) == sizeof(block))
        ;
    close(fd);
}

static int full_and_empty_again(void)
{
    struct engine *e = open_store((struct store_config){ .dir = path_of("store"), .retry_ms = 1 });
    char text[2000];
    uint64_t offset = 1;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    keep_numbers(e, "read", epoch_a, 1, 3);
    fill("ballast");
    /* Where the log begins anew there may be some room once more. */
    for (int refused = 0; refused < 50;) {
        int rc = keep(e, "full", epoch_a, offset, text);
        if (rc != 0 && rc != -ENOSPC)
            return 2;
        refused = rc == 0 ? 0 : refused + 1;
        offset += rc == 0;
    }
    expect_numbers(e, "read", epoch_a, 1, 3); /* reading goes on */
    unlink(path_of("ballast"));
    while (keep(e, "full", epoch_a, offset, "room") != 0)
        sched_yield();
    struct stream s = fetch(e, "full");
    bool right = s.top == offset && strcmp(text_at(&s, offset), "room") == 0;
    stream_fini(&s);
    close_store(e);
    return right ? 0 : 3;
}

TEST(failing, sto_4_a_file_system_without_room)
{
    make_folder();
    int rc = in_small_folder("64k", too_small_to_start);
    if (rc != 77) {
        assert_int_equal(rc, 0);
        assert_int_equal(in_small_folder("1m", full_and_empty_again), 0);
    }
    remove_folder(folder);
    if (rc == 77)
        skip(); /* without the right to mount */
}
