/* SPDX-License-Identifier: MIT */
/* The files beside the database: the folder with its lock, the log as it is found, and the mark of what was
 * acknowledged. What stands in the way is told, or given up where it does not matter. */
#include "base/mem.h"
#include "engine/folder.h"
#include "engine/log.h"
#include "engine/mark.h"
#include "stored.h"
#include <signal.h>
#include <sys/resource.h>

static const struct store_config fsync_config = { .durability = STORE_FSYNC };

/* A disk that takes nothing more: no file may grow beyond this. */
static void let_grow(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void put(const char *name, const void *data, size_t len)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

/* What is in it; "" when it is not there. */
static const char *text_in(const char *name)
{
    static char text[64];
    int fd = open(path_of(name), O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

/* The folder. */

static struct folder f;

static void begin(void)
{
    char why[FOLDER_WHY] = "";
    make_folder();
    if (folder_open(&f, folder, why) < 0)
        fail_msg("%s", why);
}

static void end(void)
{
    folder_close(&f);
    remove_folder(folder);
}

/* STO-6 */
TEST(folder, sto_6_is_of_one_process_and_says_of_which)
{
    struct folder other;
    char why[FOLDER_WHY] = "", expected[FOLDER_WHY];
    begin();
    assert_int_equal(folder_open(&other, folder, why), -EBUSY);
    snprintf(expected, sizeof(expected), "%.100s is in use by another process, %ld", f.path, (long)getpid());
    assert_string_equal(why, expected);
    folder_close(&other);
    put("duet.lock", "", 0); /* on a full disk it says nothing */
    assert_int_equal(folder_open(&other, folder, why), -EBUSY);
    snprintf(expected, sizeof(expected), "%.100s is in use by another process", f.path);
    assert_string_equal(why, expected);
    folder_close(&other);
    folder_close(&f);
    let_grow(0); /* and the lock holds all the same */
    assert_int_equal(folder_open(&f, folder, why), 0);
    assert_string_equal(text_in("duet.lock"), "");
    assert_int_equal(folder_open(&other, folder, why), -EBUSY);
    let_grow(RLIM_INFINITY);
    folder_close(&other);
    end();
}

TEST(folder, says_that_a_link_leads_nowhere)
{
    struct folder other;
    char why[FOLDER_WHY] = "";
    make_folder();
    assert_int_equal(symlink("nowhere", path_of("link")), 0);
    assert_int_equal(folder_open(&other, path_of("link"), why), -ENOENT);
    assert_non_null(strstr(why, "cannot be found"));
    folder_close(&other);
    remove_folder(folder);
}

TEST(folder, sto_12_refuses_a_file_of_another_user)
{
    char why[FOLDER_WHY] = "";
    bool made;
    begin();
    put("duet.sqlite", "", 0);
    if (chown(path_of("duet.sqlite"), 1, (gid_t)-1) < 0) {
        end();
        skip(); /* only root gives files away */
    }
    assert_int_equal(folder_prepare(&f, &made, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "belongs to another user"));
    end();
}

static int look(const char *dir, char why[FOLDER_WHY])
{
    why[0] = 0;
    return folder_look(dir, why);
}

TEST(folder, is_looked_at_while_another_process_has_it_and_nothing_is_made)
{
    char why[FOLDER_WHY] = "", deep[300];
    begin();
    assert_int_equal(look(folder, why), 0);
    assert_int_equal(symlink("nowhere", path_of("duet.sqlite")), 0);
    assert_int_equal(look(folder, why), -ELOOP);
    assert_non_null(strstr(why, "is a link, which is not followed"));
    unlink(path_of("duet.sqlite"));
    put("duet.sqlite-wal", "", 0);
    assert_int_equal(chmod(path_of("duet.sqlite-wal"), 0640), 0);
    assert_int_equal(look(folder, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "chmod 600"));
    unlink(path_of("duet.sqlite-wal"));
    assert_int_equal(look(path_of("fresh"), why), 0);
    assert_int_equal(look(path_of("fresh/"), why), 0);
    assert_int_equal(access(path_of("fresh"), F_OK), -1);
    snprintf(deep, sizeof(deep), "%s/none/fresh", folder);
    assert_int_equal(look(deep, why), -ENOENT);
    assert_non_null(strstr(why, "cannot be made"));
    assert_int_equal(symlink("nowhere", path_of("link")), 0);
    assert_int_equal(look(path_of("link"), why), -ENOENT);
    assert_non_null(strstr(why, "cannot be found"));
    assert_int_equal(look("/etc/passwd", why), -ENOTDIR);
    assert_non_null(strstr(why, "is no folder that can be read"));
    assert_int_equal(chmod(folder, 0707), 0);
    assert_int_equal(look(folder, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "chmod o-w"));
    assert_int_equal(chmod(folder, 0700), 0);
    end();
}

/* As the service's folder and what is in it are the service's own. */
TEST(folder, of_another_user_is_looked_at_by_root_as_by_him)
{
    char why[FOLDER_WHY] = "";
    begin();
    if (chown(path_of("duet.lock"), 1, (gid_t)-1) < 0) {
        end();
        skip(); /* only root gives files away */
    }
    assert_int_equal(look(folder, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "belongs to another user"));
    assert_int_equal(chown(folder, 1, (gid_t)-1), 0);
    assert_int_equal(look(folder, why), 0);
    put("duet.sqlite", "", 0); /* root's own, which started there itself */
    assert_int_equal(look(folder, why), 0);
    assert_int_equal(chown(path_of("duet.sqlite"), 2, (gid_t)-1), 0);
    assert_int_equal(look(folder, why), DUET_ERR_INVALID);
    end();
}

/* What was damaged keeps its bytes and its log, under a name that nothing else has. */
TEST(folder, sets_damaged_files_aside_and_never_one_over_another)
{
    static const char *const expected[] = { "duet.sqlite.damaged-19700101T000001Z",
                                            "duet.sqlite.damaged-19700101T000001Z-1",
                                            "duet.sqlite.damaged-19700101T000001Z-2" };
    char name[64], log_name[80];
    begin();
    for (int i = 0; i < 3; i++) {
        put("duet.sqlite", &"abc"[i], 1);
        put("duet.sqlite-wal", &"def"[i], 1);
        put("duet.sqlite-shm", "x", 1);
        assert_int_equal(folder_prepare_new(&f), 0);
        assert_int_equal(folder_replace(&f, 1000 + (uint64_t)i, name), 0);
        assert_string_equal(name, expected[i]);
        assert_string_equal(text_in("duet.sqlite"), "");
        assert_int_equal(files_named("duet.sqlite-"), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(text_in(expected[i])[0], "abc"[i]);
        snprintf(log_name, sizeof(log_name), "%s-wal", expected[i]);
        assert_int_equal(text_in(log_name)[0], "def"[i]);
    }
    /* Of a file that is gone there is nothing to set aside. */
    unlink(path_of("duet.sqlite"));
    assert_int_equal(folder_prepare_new(&f), 0);
    assert_int_equal(folder_replace(&f, 5000, name), 0);
    assert_int_equal(access(path_of("duet.sqlite"), F_OK), 0);
    end();
}

/* Something is there already, and is no file. */
static void block(const char *name)
{
    unlink(path_of(name));
    assert_int_equal(mkdir(path_of(name), 0700), 0);
}

static void unblock(const char *name)
{
    rmdir(path_of(name));
}

TEST(folder, says_what_stands_in_the_way_of_setting_aside)
{
    static const char *const blocks[] = { "duet.sqlite.damaged-19700101T000001Z-wal", "duet.sqlite-shm",
                                          "duet.sqlite" };
    char name[64];
    begin();
    assert_int_equal(folder_replace(&f, 1000, name), -ENOENT); /* there is no new one */
    for (int i = 0; i < 3; i++) {
        put("duet.sqlite", "a", 1);
        put("duet.sqlite-wal", "b", 1);
        assert_int_equal(folder_prepare_new(&f), 0);
        block(blocks[i]);
        assert_true(folder_replace(&f, 1000, name) < 0);
        assert_int_equal(access(path_of("duet.sqlite.new"), F_OK), 0); /* it is not in its place */
        unblock(blocks[i]);
    }
    block("duet.sqlite.new");
    assert_true(folder_prepare_new(&f) < 0);
    unblock("duet.sqlite.new");
    end();
    begin();
    remove_folder(folder);
    assert_int_equal(folder_prepare_new(&f), -ENOENT);
    folder_close(&f);
}

/* The log. */

struct bytes {
    uint8_t at[140000];
    size_t len;
};

/* The log of a store that was killed. */
static void killed_log(struct bytes *b)
{
    make_folder();
    struct engine *e = open_store(fsync_config);
    keep_numbers(e, "a", epoch_a, 1, 4);
    int fd = open(path_of("duet.sqlite-wal"), O_RDONLY);
    ssize_t n = read(fd, b->at, sizeof(b->at));
    assert_true(n > 8000 && n < (ssize_t)sizeof(b->at));
    b->len = (size_t)n;
    close(fd);
    close_store(e);
    remove_folder(folder);
}

/* As folder_log() finds it, in a folder without a mark; or an error. */
static int found(const struct bytes *b)
{
    enum folder_log log;
    begin();
    put("duet.sqlite-wal", b->at, b->len);
    int rc = folder_log(&f, &log);
    end();
    return rc < 0 ? rc : (int)log;
}

static void put_big(uint8_t *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t word(const uint8_t *p, bool is_big)
{
    return is_big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                  : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void sum(uint32_t sums[2], bool is_big, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        sums[0] += word(p + i, is_big) + sums[1];
        sums[1] += word(p + i + 4, is_big) + sums[0];
    }
}

/* Its checksums as a machine of this order has them, by SQLite's description of the format. */
static void sum_again(struct bytes *b, bool is_big)
{
    uint32_t sums[2] = { 0, 0 };
    size_t page = word(b->at + 8, true);
    b->at[3] = (uint8_t)((b->at[3] & ~1u) | is_big);
    sum(sums, is_big, b->at, 24);
    put_big(b->at + 24, sums[0]);
    put_big(b->at + 28, sums[1]);
    for (size_t at = 32; at + 24 + page <= b->len; at += 24 + page) {
        sum(sums, is_big, b->at + at, 8);
        sum(sums, is_big, b->at + at + 24, page);
        put_big(b->at + at + 16, sums[0]);
        put_big(b->at + at + 20, sums[1]);
    }
}

TEST(log, of_a_machine_of_either_byte_order_is_understood)
{
    static struct bytes b;
    killed_log(&b);
    assert_int_equal(found(&b), FOLDER_LOG_SOUND);
    for (int is_big = 0; is_big < 2; is_big++) {
        sum_again(&b, is_big);
        assert_int_equal(found(&b), FOLDER_LOG_SOUND);
        b.at[b.len - 1] ^= 1;
        assert_int_equal(found(&b), FOLDER_LOG_TORN);
        b.at[b.len - 1] ^= 1;
    }
}

/* All of it is right by its salts and sums, but that there is no such page. */
TEST(log, has_pages_of_a_size_that_there_is)
{
    static const struct {
        uint32_t page;
        int found;
    } rows[] = { { 0, FOLDER_LOG_TORN },     { 256, FOLDER_LOG_TORN },   { 512, FOLDER_LOG_SOUND },
                 { 1000, FOLDER_LOG_TORN },  { 4096, FOLDER_LOG_SOUND }, { 65536, FOLDER_LOG_SOUND },
                 { 131072, FOLDER_LOG_TORN } };
    static struct bytes b;
    killed_log(&b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        put_big(b.at + 8, rows[i].page);
        memcpy(b.at + 32 + 8, b.at + 16, 8); /* its salts */
        b.len = 32 + 24 + rows[i].page;
        sum_again(&b, false);
        assert_int_equal(found(&b), rows[i].found);
    }
}

TEST(log, that_cannot_be_looked_at_is_an_error)
{
    static struct bytes b;
    enum folder_log log;
    killed_log(&b);
    begin();
    put("duet.sqlite-wal", b.at, b.len);
    mem_fail(0, false);
    assert_int_equal(folder_log(&f, &log), DUET_ERR_NOMEM);
    mem_fail_end();
    unlink(path_of("duet.sqlite-wal"));
    assert_int_equal(symlink("elsewhere", path_of("duet.sqlite-wal")), 0);
    assert_int_equal(folder_log(&f, &log), -ELOOP);
    block("duet.sqlite-wal");
    assert_int_equal(folder_log(&f, &log), -EISDIR);
    unblock("duet.sqlite-wal");
    assert_int_equal(folder_log(&f, &log), 0);
    assert_int_equal(log, FOLDER_LOG_NONE);
    end();
}

/* The mark: where it cannot be written nothing is known, and nothing depends on it. */

static const uint8_t salts[24] = { [16] = 1, 2, 3, 4, 5, 6, 7, 8 };

static void mark_begin(struct mark *m)
{
    begin();
    put("duet.sqlite-wal", salts, sizeof(salts));
    mark_open(m, f.fd);
}

static void expect_mark(bool known, unsigned long frames)
{
    unsigned long n = 0;
    assert_int_equal(mark_read(f.fd, salts + 16, &n), known);
    if (known)
        assert_int_equal(n, frames);
}

TEST(mark, says_how_many_frames_were_acknowledged)
{
    struct mark m;
    mark_begin(&m);
    expect_mark(true, 0);
    for (unsigned long n = 1; n <= 3; n++) {
        mark_set(&m, 2 * n);
        expect_mark(true, 2 * n);
        mark_set(&m, n); /* a log only grows */
        expect_mark(true, 2 * n);
    }
    uint8_t other[24];
    memcpy(other, salts, sizeof(other));
    other[20] ^= 1;
    unsigned long n = 9;
    assert_true(mark_read(f.fd, other + 16, &n)); /* of a log that was begun anew none was */
    assert_int_equal(n, 0);
    put("duet.sqlite-wal", other, sizeof(other));
    mark_set(&m, 1);
    assert_true(mark_read(f.fd, other + 16, &n));
    assert_int_equal(n, 1);
    mark_close(&m);
    put("duet.sqlite-mark", "short", 5);
    expect_mark(false, 0);
    end();
}

TEST(mark, that_cannot_be_made_or_written_is_none)
{
    struct mark m;
    begin();
    block("duet.sqlite-mark");
    mark_open(&m, f.fd);
    assert_int_equal(m.fd, -1);
    mark_set(&m, 7);
    expect_mark(false, 0);
    unblock("duet.sqlite-mark");
    end();

    for (rlim_t room = 0; room <= sizeof(struct mark_place); room += sizeof(struct mark_place)) {
        let_grow(room); /* for none, and for the first of the two places */
        begin();
        mark_open(&m, f.fd);
        let_grow(RLIM_INFINITY);
        assert_int_equal(m.fd, -1);
        assert_int_equal(files_named("duet.sqlite-mark"), 0);
        end();
    }

    mark_begin(&m);
    let_grow(0);
    mark_set(&m, 7);
    let_grow(RLIM_INFINITY);
    expect_mark(false, 0);
    assert_int_equal(files_named("duet.sqlite-mark"), 0);
    end();

    mark_begin(&m);
    put("duet.sqlite-wal", salts, 20); /* which log it is cannot be seen */
    mark_set(&m, 7);
    expect_mark(false, 0);
    end();
}

/* A store without a mark is one with all its promises: what it kept is there. */
TEST(mark, that_is_missing_costs_a_store_nothing_that_it_kept)
{
    make_folder();
    struct engine *e = open_store(fsync_config);
    keep_numbers(e, "a", epoch_a, 1, 3);
    close_store(e);
    unlink(path_of("duet.sqlite-mark"));
    e = open_store(fsync_config);
    expect_numbers(e, "a", epoch_a, 1, 3);
    keep_numbers(e, "a", epoch_a, 4, 5);
    close_store(e);
    e = open_store(fsync_config);
    expect_numbers(e, "a", epoch_a, 1, 5);
    close_store(e);
    remove_folder(folder);
}
