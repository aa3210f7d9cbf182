/* SPDX-License-Identifier: MIT */
/*
 * A store's file that was damaged while nobody looked: every byte with a bit flipped, every length it may be cut to,
 * parts zeroed, all of it gone (STO-3). What is read is what was written, or the channel has another epoch and the log
 * says so. LONG_TESTS=1: all of them; else some.
 */
#include "stored.h"
#include "engine/crc32c.h"
#include "engine/mark.h"
#include "shim.h"

enum { CHANNELS = 4, LAST = 5 };

static const char *const channels[CHANNELS] = { "a", "b:room", "chat:with-a-longer-name", "d" };
static const char *const epochs[CHANNELS] = { "EpochOne", "EpochTwo", "EpochSix", "EpochTen" };

struct bytes {
    uint8_t *at;
    size_t len;
};

static bool is_long(void)
{
    return getenv("LONG_TESTS") != NULL;
}

static struct bytes read_file(const char *path)
{
    struct bytes b = { malloc(4 << 20), 0 };
    int fd = open(path, O_RDONLY);
    ssize_t n;
    while (fd >= 0 && (n = read(fd, b.at + b.len, 65536)) > 0)
        b.len += (size_t)n;
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

static void payload(char text[80], int c, uint64_t offset)
{
    snprintf(text, 80, "payload of %s at %llu, and some words more", channels[c], (unsigned long long)offset);
}

static struct engine *filled(void)
{
    struct engine *e = open_store((struct store_config){ .durability = STORE_FSYNC });
    for (int c = 0; c < CHANNELS; c++)
        for (uint64_t o = 1; o <= LAST; o++) {
            char text[80];
            payload(text, c, o);
            assert_int_equal(keep(e, channels[c], epochs[c], o, text), 0);
        }
    return e;
}

/* Removes what one try left, but the folder. */
static void empty_folder(void)
{
    char was[sizeof(folder)];
    strcpy(was, folder);
    remove_folder(folder);
    assert_int_equal(mkdir(was, 0700), 0);
    forget_said();
}

/* Each channel is as it was, or has another epoch. How many are not as they were. */
static int check_channel(struct engine *e, int c)
{
    struct stream s;
    bool found = false;
    assert_int_equal(fetch_most(e, channels[c], 100, &found, &s), 0);
    if (!found)
        return 1;
    bool same = strcmp(s.epoch, epochs[c]) == 0;
    if (same) {
        assert_int_equal(s.top, LAST);
        assert_int_equal(s.count, LAST);
    }
    for (uint64_t o = stream_oldest(&s); o <= s.top; o++) {
        char text[80];
        payload(text, c, o);
        assert_string_equal(text_at(&s, o), text);
    }
    /* It goes on from there. */
    assert_int_equal(keep(e, channels[c], s.epoch, s.top + 1, "next"), 0);
    stream_fini(&s);
    return !same;
}

static int check_all(void)
{
    struct engine *e = open_store((struct store_config){ .durability = STORE_FSYNC });
    int lost = 0;
    for (int c = 0; c < CHANNELS; c++)
        lost += check_channel(e, c);
    close_store(e);
    return lost;
}

static struct bytes clean_file(void)
{
    make_folder();
    close_store(filled());
    return read_file(path_of("duet.sqlite"));
}

static unsigned step_of(unsigned some)
{
    return is_long() ? 1 : some;
}

TEST(damage, sto_3_a_flipped_bit_in_any_byte_of_the_file)
{
    struct bytes b = clean_file();
    uint64_t dice = 3;
    int damaged = 0;
    /* Each of SQLite's own head, and some of the rest. */
    for (size_t i = 0; i < b.len; i += i < 100 ? 1 : 1 + shim_pick(&dice, 2 * step_of(30) - 1)) {
        empty_folder();
        b.at[i] ^= (uint8_t)(1u << i % 8);
        write_file(path_of("duet.sqlite"), b.at, b.len);
        b.at[i] ^= (uint8_t)(1u << i % 8);
        print_message("# byte %zu\n", i);
        int lost = check_all();
        damaged += said.damaged > 0;
        if (lost > 0)
            assert_true(said.damaged > 0);
        assert_int_equal(files_named("duet.sqlite.damaged-") > 0, said.damaged > 0);
    }
    assert_true(damaged > 10);
    free(b.at);
    remove_folder(folder);
}

/* Its bytes are as they were, and their checksum is right; but it is among the texts, and no search for it finds it. */
TEST(damage, sto_3_a_name_that_became_a_text)
{
    enum { COLUMNS = 12, BLOB_6 = 2 * 6 + 12 }; /* as a record's head has them, before the name */
    struct bytes b = clean_file();
    int found = 0;
    for (size_t i = COLUMNS; i + 6 < b.len; i++) {
        if (memcmp(b.at + i, "b:room", 6) != 0 || b.at[i - COLUMNS] != BLOB_6)
            continue;
        found++;
        empty_folder();
        b.at[i - COLUMNS]++;
        write_file(path_of("duet.sqlite"), b.at, b.len);
        b.at[i - COLUMNS]--;
        check_all();
        assert_int_equal(said.damaged, 1);
    }
    assert_true(found > 0);
    free(b.at);
    remove_folder(folder);
}

TEST(damage, sto_3_a_file_cut_at_any_length)
{
    struct bytes b = clean_file();
    for (size_t len = 0; len < b.len; len += len < 20 ? 1 : step_of(97)) {
        empty_folder();
        write_file(path_of("duet.sqlite"), b.at, len);
        print_message("# length %zu\n", len);
        int lost = check_all();
        /* An empty file is what a new store has. */
        assert_true(len == 0 ? lost == CHANNELS : lost == 0 || said.damaged > 0);
    }
    free(b.at);
    remove_folder(folder);
}

TEST(damage, sto_3_pages_of_zeros)
{
    struct bytes b = clean_file();
    for (size_t at = 0; at < b.len; at += 4096) {
        uint8_t page[4096];
        empty_folder();
        memcpy(page, b.at + at, sizeof(page));
        memset(b.at + at, 0, sizeof(page));
        write_file(path_of("duet.sqlite"), b.at, b.len);
        memcpy(b.at + at, page, sizeof(page));
        assert_true(check_all() == 0 || said.damaged > 0);
    }
    empty_folder();
    memset(b.at, 0, b.len);
    write_file(path_of("duet.sqlite"), b.at, b.len);
    assert_int_equal(check_all(), CHANNELS);
    assert_true(said.damaged > 0);
    free(b.at);
    remove_folder(folder);
}

/* One publication is wrong, and the rest of the file is right: one channel pays for it. */
TEST(damage, sto_3_of_one_row_costs_one_channel)
{
    struct bytes b = clean_file();
    static const char row[] = "payload of b:room at 3";
    uint8_t *at = memmem(b.at, b.len, row, sizeof(row) - 1);
    assert_non_null(at);
    empty_folder();
    *at ^= 1;
    write_file(path_of("duet.sqlite"), b.at, b.len);
    struct engine *e = open_store((struct store_config){ .durability = STORE_FSYNC });
    for (int c = 0; c < CHANNELS; c++)
        assert_int_equal(check_channel(e, c), c == 1);
    struct stream s = fetch(e, channels[1]);
    assert_int_equal(stream_oldest(&s), 4); /* behind the hole */
    assert_int_equal(s.top, LAST + 1);
    stream_fini(&s);
    assert_int_equal(said.damaged, 1);
    assert_non_null(strstr(said.detail, "duet.sqlite.damaged-"));
    close_store(e);
    free(b.at);
    remove_folder(folder);
}

/* The files as a killed process leaves them: the log has it all. */
static void killed_files(struct bytes *file, struct bytes *log)
{
    make_folder();
    struct engine *e = filled();
    *file = read_file(path_of("duet.sqlite"));
    *log = read_file(path_of("duet.sqlite-wal"));
    close_store(e);
    assert_true(log->len > 10000);
}

static void write_killed(const struct bytes *file, const struct bytes *log)
{
    empty_folder();
    write_file(path_of("duet.sqlite"), file->at, file->len);
    write_file(path_of("duet.sqlite-wal"), log->at, log->len);
}

TEST(damage, sto_3_a_flipped_bit_in_any_byte_of_the_log)
{
    struct bytes file, log;
    uint64_t dice = 5;
    killed_files(&file, &log);
    write_killed(&file, &log);
    assert_int_equal(check_all(), 0);
    for (size_t i = 0; i < log.len; i += 1 + shim_pick(&dice, 2 * step_of(400) - 1)) {
        log.at[i] ^= (uint8_t)(1u << i % 8);
        write_killed(&file, &log);
        log.at[i] ^= (uint8_t)(1u << i % 8);
        print_message("# byte %zu of %zu\n", i, log.len);
        int lost = check_all();
        assert_true(lost == 0 || said.damaged > 0 || said.unclean > 0);
    }
    free(file.at);
    free(log.at);
    remove_folder(folder);
}

/* As write_killed(), on the same boot: with the mark of what was acknowledged, unless `marks` is NULL. */
static unsigned unclean_after(const struct bytes *file, const struct bytes *log, const struct mark_place marks[2])
{
    write_killed(file, log);
    if (marks != NULL)
        write_file(path_of("duet.sqlite-mark"), marks, 2 * sizeof(*marks));
    int lost = check_all();
    assert_int_equal(said.damaged, 0);
    assert_true(lost == 0 || said.unclean > 0);
    return said.unclean;
}

/* `log` holds the frames that were acknowledged, and has room for one more behind them. */
static void half_written(const struct bytes *file, struct bytes log, struct mark_place marks[2], size_t frame)
{
    struct bytes longer = { log.at, log.len + frame }, shorter = { log.at, log.len - frame };
    memcpy(log.at + log.len, log.at + log.len - frame, frame); /* right salts, wrong sums */
    assert_int_equal(unclean_after(file, &longer, marks), 0);
    assert_int_equal(unclean_after(file, &log, marks), 0);
    assert_int_equal(unclean_after(file, &shorter, marks), 1);
    log.at[log.len - 1] ^= 1;
    assert_int_equal(unclean_after(file, &log, marks), 1);
    log.at[log.len - 1] ^= 1;

    /* Without a mark, with none that is whole, with one of another boot, it may have been acknowledged. */
    assert_int_equal(unclean_after(file, &longer, NULL), 1);
    marks[0].frames ^= 1;
    assert_int_equal(unclean_after(file, &longer, marks), 0); /* killed while the mark was written */
    marks[1].frames ^= 1;
    assert_int_equal(unclean_after(file, &longer, marks), 1);
    for (int i = 0; i < 2; i++) {
        marks[i].frames ^= 1;
        assert_int_equal(marks[i].crc, crc32c(0, &marks[i], offsetof(struct mark_place, crc)));
        marks[i].boot[0] ^= 1;
        marks[i].crc = crc32c(0, &marks[i], offsetof(struct mark_place, crc));
    }
    assert_int_equal(unclean_after(file, &longer, marks), 1);
}

TEST(damage, sto_3_a_frame_that_was_being_written_when_the_process_was_killed)
{
    make_folder();
    struct engine *e = filled();
    struct bytes file = read_file(path_of("duet.sqlite")), log = read_file(path_of("duet.sqlite-wal"));
    struct bytes mark = read_file(path_of("duet.sqlite-mark"));
    struct mark_place marks[2];
    close_store(e);
    assert_int_equal(mark.len, sizeof(marks));
    memcpy(marks, mark.at, sizeof(marks));
    const uint8_t *page = log.at + 8; /* its size, big-endian */
    size_t frame = 24 + ((size_t)page[2] << 8 | page[3]);
    assert_int_equal(log.len, 32 + frame * (marks[0].turn > marks[1].turn ? marks[0] : marks[1]).frames);
    half_written(&file, log, marks, frame);
    free(file.at);
    free(log.at);
    free(mark.at);
    remove_folder(folder);
}

/* Where each start after a kill is unsure anyhow, nothing is marked. */
TEST(damage, sto_1_marks_under_fsync_alone)
{
    for (int d = STORE_FSYNC; d <= STORE_MEMORY; d++) {
        make_folder();
        close_store(open_store((struct store_config){ .durability = (enum store_durability)d }));
        assert_int_equal(files_named("duet.sqlite-mark"), d == STORE_FSYNC);
        remove_folder(folder);
    }
}

TEST(damage, sto_3_a_log_that_is_gone)
{
    struct bytes file, log;
    killed_files(&file, &log);
    for (size_t len = 0; len <= 32; len += 16) {
        struct bytes cut = { log.at, len };
        write_killed(&file, &cut);
        check_all();
        assert_int_equal(said.unclean, 1);
    }
    write_killed(&file, &log);
    unlink(path_of("duet.sqlite-wal"));
    check_all();
    assert_int_equal(said.unclean, 1);
    free(file.at);
    free(log.at);
    remove_folder(folder);
}

TEST(damage, sto_3_a_file_or_folder_that_is_gone)
{
    struct bytes file, log;
    killed_files(&file, &log);
    empty_folder();
    write_file(path_of("duet.sqlite-wal"), log.at, log.len);
    assert_int_equal(check_all(), CHANNELS);
    assert_int_equal(said.damaged, 1);
    remove_folder(folder);
    assert_int_equal(check_all(), CHANNELS); /* made again */
    free(file.at);
    free(log.at);
    remove_folder(folder);
}

/* Found while it runs: by a load, when all else goes on. */
TEST(damage, sto_3_is_mended_while_the_store_runs)
{
    struct bytes b = clean_file();
    static const char row[] = "payload of d at 2";
    uint8_t *at = memmem(b.at, b.len, row, sizeof(row) - 1);
    assert_non_null(at);
    forget_said();
    struct engine *e = open_store((struct store_config){ .durability = STORE_FSYNC });
    int fd = open(path_of("duet.sqlite"), O_WRONLY);
    assert_int_equal(pwrite(fd, "P", 1, at - b.at), 1);
    close(fd);
    struct stream s = fetch(e, "d");
    assert_string_not_equal(s.epoch, epochs[3]);
    assert_int_equal(stream_oldest(&s), 3);
    stream_fini(&s);
    assert_int_equal(said.damaged, 1);
    /* Who had the old epoch has to load again; others have not noticed. */
    assert_int_equal(keep(e, "d", epochs[3], LAST + 1, "x"), DUET_ERR_STATE);
    assert_int_equal(keep(e, "a", epochs[0], LAST + 1, "x"), 0);
    close_store(e);
    free(b.at);
    remove_folder(folder);
}
