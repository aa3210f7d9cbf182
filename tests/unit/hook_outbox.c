/* SPDX-License-Identifier: MIT */
/* What the backend is to hear of, in memory and on a disk that fails, is full, loses its power or is damaged. */
#include "stored.h"
#include "shim.h"
#include "base/mem.h"
#include "hook/outbox.h"
#include <sys/wait.h>

static struct outbox *box;

static void open_at(const char *in, uint64_t now_ms)
{
    char why[OUTBOX_WHY] = "";
    if (outbox_open(&box, in, now_ms, why) < 0)
        fail_msg("the box does not open: %s", why);
}

static void close_box(void)
{
    outbox_close(box);
    box = NULL;
}

static bool put(const char *type, enum hook_occupancy by, const char *channel, uint64_t time_ms)
{
    return outbox_put(
        box, &(struct hook_event){
                 .type = type, .by = by, .time_ms = time_ms, .channel = channel, .channel_len = strlen(channel) });
}

static void put_numbers(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n <= to; n++)
        assert_true(put("leave", HOOK_NEITHER, "c", n));
}

static void write_down(void)
{
    assert_int_equal(outbox_write(box), 0);
}

static void drop(int64_t last)
{
    assert_int_equal(outbox_drop(box, last), 0);
}

static uint64_t waiting(void)
{
    return outbox_stats(box).waiting;
}

/* The oldest as JSON, with NAME for what all ids begin with. */
static struct {
    int n;
    int64_t last;
    char name[17], text[256 * 1024];
} said_now;

static const char *next(void)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    said_now.n = outbox_next(box, &b, &said_now.last);
    assert_true(said_now.n >= 0);
    buf_put(&b, "", 1);
    assert_false(b.failed);
    char *to = said_now.text;
    for (const char *at = b.at, *id; *at != '\0';) {
        id = strstr(at, "\"id\":\"");
        size_t len = id ? (size_t)(id - at) + 6 : strlen(at);
        assert_true(to + len + 5 < said_now.text + sizeof(said_now.text));
        memcpy(to, at, len);
        to += len;
        at += len;
        if (id != NULL) {
            memcpy(said_now.name, at, 16);
            to += sprintf(to, "NAME");
            at += 16;
        }
    }
    *to = '\0';
    buf_fini(&b);
    return said_now.text;
}

/* The times of what waits, and of how many; each id is higher than the one before. */
static unsigned times(uint64_t out[], unsigned most)
{
    unsigned n = 0;
    long long last = 0;
    for (const char *at = next(); n < most && (at = strstr(at, "NAME-")) != NULL; n++) {
        long long id = strtoll(at += 5, NULL, 10);
        assert_true(id > last);
        last = id;
        out[n] = strtoull(strstr(at, "\"time\":") + 7, NULL, 10);
    }
    assert_int_equal(n, said_now.n < (int)most ? said_now.n : (int)most);
    return n;
}

TEST(outbox, tells_each_event_with_what_it_knows_of_it)
{
    make_folder();
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        open_at(on_disk ? folder : NULL, 1);
        assert_string_equal(next(), "{\"events\":[]}");
        const struct hook_event all = { .type = "leave",
                                        .time_ms = 12,
                                        .channel = "a\"b",
                                        .channel_len = 3,
                                        .client = "c1",
                                        .client_len = 2,
                                        .user = "\xc3\xa9",
                                        .user_len = 2 };
        assert_true(outbox_put(box, &all));
        assert_true(outbox_put(box, &(struct hook_event){ .type = "disconnect", .time_ms = UINT64_MAX }));
        assert_int_equal(waiting(), 2);
        assert_string_equal(next(), "{\"events\":[]}"); /* they are in memory alone */
        write_down();
        static const char both[] =
            "{\"events\":[{\"id\":\"NAME-1\",\"type\":\"leave\",\"time\":12,\"channel\":\"a\\\"b\",\"client\":\"c1\","
            "\"user\":\"\xc3\xa9\"},{\"id\":\"NAME-2\",\"type\":\"disconnect\",\"time\":18446744073709551615}]}";
        assert_string_equal(next(), both);
        assert_int_equal(strspn(said_now.name, "0123456789abcdef"), 16);
        assert_string_equal(next(), both); /* the same, as often as it is told */
        drop(1);
        assert_int_equal(waiting(), 1);
        assert_string_equal(next(),
                            "{\"events\":[{\"id\":\"NAME-2\",\"type\":\"disconnect\",\"time\":18446744073709551615}]}");
        drop(said_now.last);
        assert_int_equal(waiting(), 0);
        assert_string_equal(next(), "{\"events\":[]}");
        close_box();
    }
    remove_folder(folder);
}

TEST(outbox, gives_out_a_hundred_at_once)
{
    uint64_t out[OUTBOX_BATCH + 1];
    make_folder();
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        open_at(on_disk ? folder : NULL, 1);
        for (unsigned many = OUTBOX_BATCH - 1; many <= OUTBOX_BATCH + 1; many++) {
            put_numbers(1, many);
            write_down();
            unsigned first = many < OUTBOX_BATCH ? many : OUTBOX_BATCH;
            assert_int_equal(times(out, OUTBOX_BATCH + 1), first);
            for (unsigned i = 0; i < first; i++)
                assert_int_equal(out[i], i + 1);
            drop(said_now.last);
            assert_int_equal(times(out, OUTBOX_BATCH + 1), many - first);
            if (many > first)
                assert_int_equal(out[0], many);
            drop(said_now.last);
            assert_int_equal(waiting(), 0);
        }
        close_box();
    }
    remove_folder(folder);
}

TEST(outbox, keeps_what_waits_over_a_restart_under_the_same_ids)
{
    char first[4096], name[17];
    make_folder();
    open_at(folder, 1);
    put_numbers(1, 2);
    write_down();
    put_numbers(3, 3); /* written down by the end */
    close_box();
    open_at(folder, 1);
    assert_int_equal(waiting(), 3);
    strcpy(first, next());
    strcpy(name, said_now.name);
    assert_non_null(strstr(first, "NAME-3"));
    close_box();
    open_at(folder, 1);
    assert_string_equal(next(), first);
    assert_string_equal(said_now.name, name);
    /* An id is never used again, though nothing is left that has one. */
    drop(said_now.last);
    close_box();
    open_at(folder, 1);
    assert_int_equal(waiting(), 0);
    put_numbers(4, 4);
    write_down();
    assert_string_equal(next(), "{\"events\":[{\"id\":\"NAME-4\",\"type\":\"leave\",\"time\":4,\"channel\":\"c\"}]}");
    assert_string_equal(said_now.name, name);
    close_box();
    remove_folder(folder);
}

TEST(outbox, has_another_name_when_it_begins_anew)
{
    char name[17] = "";
    make_folder();
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        for (int i = 0; i < 2; i++) {
            open_at(on_disk ? folder : NULL, 1);
            assert_int_equal(waiting(), 0);
            put_numbers(1, 1);
            write_down();
            next();
            assert_string_not_equal(said_now.name, name);
            strcpy(name, said_now.name);
            close_box();
            unlink(path_of("outbox.sqlite"));
        }
    }
    remove_folder(folder);
}

/* Occupied channels. */

/* Ends without a word, as by SIGKILL. */
static void crash_after(void (*what)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        what();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void occupy_and_crash(void)
{
    open_at(folder, 1);
    put("occupied", HOOK_OCCUPIES, "left", 2);
    put("occupied", HOOK_OCCUPIES, "stays", 3);
    put("occupied", HOOK_OCCUPIES, "stays", 3); /* it is there already */
    put("vacated", HOOK_VACATES, "left", 4);
    outbox_write(box);
    put("occupied", HOOK_OCCUPIES, "lost", 5);
}

TEST(outbox, channels_are_vacated_after_a_crash)
{
    make_folder();
    crash_after(occupy_and_crash);
    for (int again = 0; again < 2; again++) {
        open_at(folder, 77 + (uint64_t)again);
        assert_string_equal(next(), "{\"events\":["
                                    "{\"id\":\"NAME-1\",\"type\":\"occupied\",\"time\":2,\"channel\":\"left\"},"
                                    "{\"id\":\"NAME-2\",\"type\":\"occupied\",\"time\":3,\"channel\":\"stays\"},"
                                    "{\"id\":\"NAME-3\",\"type\":\"occupied\",\"time\":3,\"channel\":\"stays\"},"
                                    "{\"id\":\"NAME-4\",\"type\":\"vacated\",\"time\":4,\"channel\":\"left\"},"
                                    "{\"id\":\"NAME-5\",\"type\":\"vacated\",\"time\":77,\"channel\":\"stays\"}]}");
        assert_int_equal(waiting(), 5);
        close_box(); /* the second time nobody is there */
    }
    remove_folder(folder);
}

TEST(outbox, channels_that_were_left_are_not_vacated_again)
{
    uint64_t out[8];
    make_folder();
    open_at(folder, 1);
    put("occupied", HOOK_OCCUPIES, "c", 1);
    write_down();
    put("vacated", HOOK_VACATES, "c", 2);
    close_box();
    open_at(folder, 77);
    assert_int_equal(times(out, 8), 2);
    assert_int_equal(out[1], 2);
    drop(said_now.last);
    /* Told or not, it is occupied. */
    put("occupied", HOOK_OCCUPIES, "c", 3);
    write_down();
    next();
    drop(said_now.last);
    close_box();
    open_at(folder, 78);
    assert_int_equal(times(out, 8), 1);
    assert_int_equal(out[0], 78);
    close_box();
    remove_folder(folder);
}

/* Limits. */

/* The file as another program would change it. */
static void change_file(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path_of("outbox.sqlite"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

static void fill_file(unsigned events)
{
    char sql[300];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
             "INSERT INTO event (body) SELECT '\"type\":\"leave\",\"time\":7}' FROM n",
             events);
    change_file(sql);
}

TEST(outbox, holds_a_million_events)
{
    make_folder();
    open_at(folder, 1);
    close_box();
    fill_file(OUTBOX_MOST - 1);
    open_at(folder, 1);
    assert_int_equal(waiting(), OUTBOX_MOST - 1);
    assert_true(put("leave", HOOK_NEITHER, "c", 1));
    assert_int_equal(waiting(), OUTBOX_MOST);
    assert_int_equal(outbox_stats(box).dropped, 0);
    assert_false(put("leave", HOOK_NEITHER, "c", 2));
    write_down();
    assert_false(put("leave", HOOK_NEITHER, "c", 3));
    assert_int_equal(outbox_stats(box).dropped, 2);
    assert_int_equal(waiting(), OUTBOX_MOST);
    next();
    drop(1);
    assert_true(put("leave", HOOK_NEITHER, "c", 4));
    assert_false(put("leave", HOOK_NEITHER, "c", 5));
    close_box();
    remove_folder(folder);
}

static bool put_user(const char *user, size_t len)
{
    return outbox_put(box, &(struct hook_event){ .type = "t", .user = user, .user_len = len });
}

TEST(outbox, holds_64_MiB_that_are_not_on_disk)
{
    enum {
        MOST = OUTBOX_FRESH_BYTES,
        FIRST = MOST / 6 - 100,
        HEAD = sizeof("\"type\":\"t\",\"time\":0,\"user\":\"\"}") - 1
    };
    char *space = malloc(FIRST), rest[1000];
    memset(space, 0xff, FIRST); /* no character: six bytes each as JSON */
    memset(rest, 'r', sizeof(rest));
    open_at(NULL, 1);
    assert_true(put_user(space, FIRST));
    size_t fits = sizeof(rest);
    while (!put_user(rest, fits))
        fits--;
    assert_int_equal(outbox_stats(box).dropped, sizeof(rest) - fits);
    /* That is all of it, but for what holds them together. */
    size_t json = 6 * (size_t)FIRST + fits + 2 * (size_t)HEAD;
    assert_in_range(MOST - json, 2 * 32, 2 * 48);
    assert_false(put_user("", 0));
    /* What is written down makes room again. */
    write_down();
    assert_true(put_user(rest, fits + 1));
    close_box();
    free(space);
}

TEST(outbox, opens_though_it_has_no_room_to_say_what_is_vacated)
{
    make_folder();
    open_at(folder, 1);
    for (char c = 'a'; c <= 'c'; c++)
        put("occupied", HOOK_OCCUPIES, (char[]){ c, '\0' }, 1);
    close_box();
    fill_file(OUTBOX_MOST - 3 - 1);
    for (unsigned left = 3; left > 0; left--) { /* one channel at each start, since there is room for one event */
        open_at(folder, 1);
        assert_int_equal(waiting(), OUTBOX_MOST);
        next();
        drop(strtoll(strstr(said_now.text, "NAME-") + 5, NULL, 10));
        close_box();
    }
    open_at(folder, 1);
    assert_int_equal(waiting(), OUTBOX_MOST - 1);
    close_box();
    remove_folder(folder);
}

TEST(outbox, vacates_more_channels_than_memory_would_hold_at_once)
{
    char sql[400];
    make_folder();
    open_at(folder, 1);
    close_box();
    /* With names this long each event is 3 KiB: some 72 MiB. */
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             "INSERT INTO occupied SELECT CAST(printf('%%06d%%.*c', i, 1500, 'x') AS BLOB) FROM n",
             24000);
    change_file(sql);
    open_at(folder, 1);
    assert_int_equal(waiting(), 24000);
    assert_int_equal(outbox_stats(box).dropped, 0);
    next();
    assert_non_null(strstr(said_now.text, "\"type\":\"vacated\",\"time\":1,\"channel\":\"000001x"));
    close_box();
    open_at(folder, 2);
    assert_int_equal(waiting(), 24000);
    close_box();
    remove_folder(folder);
}

/* Files. */

/* STO-12 */
TEST(outbox, is_nobody_elses_to_read)
{
    struct stat st;
    make_folder();
    mode_t mask = umask(0);
    open_at(folder, 1);
    umask(mask);
    put_numbers(1, 1);
    write_down();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(path_of(i ? "outbox.sqlite-wal" : "outbox.sqlite"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    close_box();
    remove_folder(folder);
}

static void refuses(const char *in, int error, const char *words)
{
    char why[OUTBOX_WHY] = "";
    box = NULL;
    assert_int_equal(outbox_open(&box, in, 1, why), error);
    assert_null(box);
    assert_non_null(strstr(why, words));
    assert_non_null(strstr(why, "outbox.sqlite"));
}

/* STO-12 */
TEST(outbox, follows_no_link_that_lies_in_its_place)
{
    struct stat st;
    make_folder();
    int fd = open(path_of("victim"), O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(symlink("victim", path_of("outbox.sqlite")), 0);
    refuses(folder, -ELOOP, "symbolic");
    assert_int_equal(stat(path_of("victim"), &st), 0);
    assert_int_equal(st.st_size, 0);
    remove_folder(folder);
}

TEST(outbox, needs_a_folder_that_is_there)
{
    char deep[5000];
    make_folder();
    refuses(path_of("none"), -ENOENT, "No such file");
    memset(deep, 'd', sizeof(deep) - 1);
    deep[0] = '/';
    deep[sizeof(deep) - 1] = '\0';
    refuses(deep, -ENAMETOOLONG, "too long");
    remove_folder(folder);
}

TEST(outbox, says_that_a_file_is_damaged_and_what_to_do)
{
    char junk[8192];
    make_folder();
    memset(junk, 'x', sizeof(junk));
    int fd = open(path_of("outbox.sqlite"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    refuses(folder, DUET_ERR_FORMAT, "move it away");
    unlink(path_of("outbox.sqlite"));
    /* Its head is sound; the pages behind it are not. */
    open_at(folder, 1);
    put_numbers(1, 500);
    close_box();
    fd = open(path_of("outbox.sqlite"), O_WRONLY);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 4096), sizeof(junk));
    close(fd);
    refuses(folder, DUET_ERR_FORMAT, "move it away");
    /* What its ids begin with. */
    static const char *const names[] = { "NULL", "'short'", "'0123456789abcde\"'", "x'00'" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char sql[64];
        unlink(path_of("outbox.sqlite"));
        open_at(folder, 1);
        close_box();
        snprintf(sql, sizeof(sql), "UPDATE box SET name = %s", names[i]);
        change_file(sql);
        refuses(folder, DUET_ERR_FORMAT, "move it away");
    }
    /* Another program's table of the same name. */
    unlink(path_of("outbox.sqlite"));
    change_file("CREATE TABLE event (what TEXT)");
    refuses(folder, -EIO, "outbox.sqlite");
    remove_folder(folder);
}

TEST(outbox, what_a_full_disk_does_not_take_stays_in_its_order)
{
    uint64_t out[16];
    make_folder();
    open_at(folder, 1);
    put_numbers(1, 2);
    shim_fail(1u << SHIM_WRITE, 0, true, SQLITE_FULL);
    assert_int_equal(outbox_write(box), -ENOSPC);
    put_numbers(3, 4);
    assert_int_equal(outbox_write(box), -ENOSPC);
    assert_int_equal(waiting(), 4);
    assert_int_equal(times(out, 16), 0);
    shim_fail_end();
    put_numbers(5, 5);
    write_down();
    assert_int_equal(times(out, 16), 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(out[i], i + 1);
    shim_fail(1u << SHIM_WRITE, 0, true, SQLITE_FULL);
    assert_int_equal(outbox_drop(box, said_now.last), -ENOSPC);
    assert_int_equal(waiting(), 5);
    shim_fail_end();
    drop(said_now.last);
    assert_int_equal(waiting(), 0);
    close_box();
    remove_folder(folder);
}

/* A life of a box, tried again wherever it fails. */

static void insist_open(uint64_t now_ms)
{
    char why[OUTBOX_WHY];
    int tries = 0;
    while (outbox_open(&box, folder, now_ms, why) < 0)
        assert_true(++tries < 3);
}

/* Everything is told in the end, in order, and told again only where dropping it had failed. */
static void live(void)
{
    uint64_t seen = 0;
    int tries = 0;
    insist_open(1);
    put("occupied", HOOK_OCCUPIES, "a", 1);
    put("occupied", HOOK_OCCUPIES, "b", 2);
    put("vacated", HOOK_VACATES, "a", 3);
    outbox_close(box); /* what it could not write is lost, as a whole */
    insist_open(4);
    put_numbers(5, 8);
    while (outbox_write(box) < 0)
        assert_true(++tries < 3);
    while (waiting() > 0) {
        struct buf b;
        int64_t last;
        buf_init(&b, NULL, 0);
        int n = outbox_next(box, &b, &last);
        assert_true(n != 0 && ++tries < 20);
        for (char *at = n > 0 ? b.at : NULL; n > 0 && (at = memmem(at, b.len - (size_t)(at - b.at), "\"time\":", 7));) {
            uint64_t time = strtoull(at += 7, NULL, 10);
            assert_true(time > seen);
            assert_true(time == seen + 1 || (seen == 0 && time == 5));
            seen = time;
        }
        buf_fini(&b);
        if (n > 0 && outbox_drop(box, last) < 0)
            seen = 0, tries++;
    }
    close_box();
}

TEST(outbox, loses_nothing_of_what_it_wrote_whatever_call_fails)
{
    static const int withs[] = { SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN };
    const unsigned all = (1u << SHIM_OPS) - 1;
    for (size_t w = 0; w < sizeof(withs) / sizeof(*withs); w++) {
        long calls = 1;
        for (long n = 0; n < calls; n++) {
            make_folder();
            shim_fail(all, n, false, withs[w]);
            live();
            long made = shim_fail_end();
            calls = n == 0 ? made : calls;
            remove_folder(folder);
        }
        assert_true(calls > 20);
    }
}

/* The power goes. */

enum { CUT_ROUNDS = 8 };

/* What was told by mark n: ids and times go up together, one by one. */
static void tell_and_note(void)
{
    open_at(folder, 1);
    for (unsigned n = 1; n <= CUT_ROUNDS; n++) {
        put_numbers(n, n);
        write_down();
        next();
        shim_mark(n); /* from here on the backend knows of it */
        drop(said_now.last);
    }
}

static void write_disk(const struct shim_disk *d, const char *in)
{
    static const char *const names[] = { "outbox.sqlite", "outbox.sqlite-wal", "outbox.sqlite-journal" };
    char path[300];
    for (int i = 0; i < SHIM_KINDS; i++) {
        snprintf(path, sizeof(path), "%s/%s", in, names[i]);
        unlink(path);
        if (!d->files[i].exists)
            continue;
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, d->files[i].at ? (void *)d->files[i].at : "", d->files[i].len), d->files[i].len);
        close(fd);
    }
    snprintf(path, sizeof(path), "%s/outbox.sqlite-shm", in);
    unlink(path);
}

/* Nothing new has the id of what was told. */
static void begin_after_cut(const char *in, unsigned told, const char *name)
{
    open_at(in, 1);
    put_numbers(1000, 1000);
    write_down();
    next();
    if (told > 0)
        assert_string_equal(said_now.name, name);
    const char *newest = strstr(said_now.text, "\"time\":1000");
    while (strncmp(newest, "NAME-", 5) != 0)
        newest--;
    assert_true(strtoull(newest + 5, NULL, 10) > told);
    close_box();
}

TEST(outbox, uses_no_id_again_wherever_the_power_goes)
{
    char name[17], other[80];
    uint64_t dice = 1;
    make_folder();
    snprintf(other, sizeof(other), "%s-cut", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    shim_take_notes(true);
    tell_and_note();
    shim_take_notes(false);
    strcpy(name, said_now.name);
    close_box();
    for (size_t count = 0, told = 0; count <= shim.count; count++) {
        if (count > 0 && shim.notes[count - 1].op == SHIM_MARK)
            told = shim.notes[count - 1].mark;
        for (enum shim_cut cut = CUT_KEPT; cut <= CUT_MIXED; cut++) {
            struct shim_disk d;
            disk_after(&d, count, cut, &dice);
            write_disk(&d, other);
            disk_fini(&d);
            begin_after_cut(other, (unsigned)told, name);
        }
    }
    remove_folder(other);
    remove_folder(folder);
}

TEST(outbox, needs_memory_and_says_so)
{
    char why[OUTBOX_WHY];
    make_folder();
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = outbox_open(&box, folder, 1, why);
        if (mem_fail_end() <= n)
            break;
        assert_int_equal(rc, DUET_ERR_NOMEM);
    }
    for (unsigned long n = 0; n < 2; n++) {
        char big[2000];
        memset(big, 'c', sizeof(big));
        mem_fail(n, false);
        assert_false(outbox_put(box, &(struct hook_event){ .type = "t", .channel = big, .channel_len = sizeof(big) }));
        mem_fail_end();
        assert_int_equal(outbox_stats(box).dropped, n + 1);
    }
    put("occupied", HOOK_OCCUPIES, "c", 1);
    write_down();
    struct buf b;
    buf_init(&b, NULL, 0);
    mem_fail(0, true);
    assert_int_equal(outbox_next(box, &b, &said_now.last), DUET_ERR_NOMEM);
    mem_fail_end();
    buf_fini(&b);
    assert_int_equal(waiting(), 1);
    close_box();
    /* Of a channel that is to be vacated. */
    mem_fail(1, false);
    assert_int_equal(outbox_open(&box, folder, 1, why), DUET_ERR_NOMEM);
    mem_fail_end();
    open_at(folder, 1);
    assert_int_equal(waiting(), 2);
    close_box();
    remove_folder(folder);
}

/* Threads. */

enum { THREADS = 4, EACH = 2000 };

static void *put_many(void *arg)
{
    char channel[2] = { (char)('a' + *(int *)arg), '\0' };
    for (uint64_t n = 1; n <= EACH; n++)
        assert_true(put("leave", HOOK_NEITHER, channel, n));
    return NULL;
}

TEST(outbox, takes_events_of_all_threads_in_the_order_of_each)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], turns = 0;
    uint64_t seen[THREADS] = { 0 }, all = 0;
    make_folder();
    open_at(folder, 1);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &numbers[i]), 0);
    }
    while (all < (uint64_t)THREADS * EACH) {
        /* Each second time the disk is full, while more comes. */
        if (turns++ % 2 == 0)
            shim_fail(1u << SHIM_WRITE, 0, true, SQLITE_FULL);
        outbox_write(box);
        shim_fail_end();
        for (const char *at = next(); (at = strstr(at, "\"time\":")) != NULL; all++) {
            uint64_t n = strtoull(at += 7, NULL, 10);
            int thread = strstr(at, "\"channel\":\"")[11] - 'a';
            assert_int_equal(n, ++seen[thread]);
        }
        if (said_now.n > 0)
            drop(said_now.last);
        sched_yield();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(waiting(), 0);
    close_box();
    remove_folder(folder);
}
