/* SPDX-License-Identifier: MIT */
/*
 * What a power cut leaves of a store at any moment, and what the store makes of it (STO-1, STO-2). A run is noted write
 * by write and sync by sync; then each of many moments is a disk, in three ways, which is opened and compared with what
 * the run had asked and been told by then. LONG_TESTS=1: every moment, and more runs.
 */
#include "stored.h"
#include "shim.h"

enum { CHANNELS = 3, KEPT = 8, MOST = 400 };

static const char *const channels[CHANNELS] = { "a", "news:b", "a-third-one" };

/* What the run asked. */
static struct {
    int channel;
    uint64_t offset;
    char *text;
} issued[MOST];
static unsigned issued_count;
static uint64_t tops[CHANNELS];
static struct {
    int channel;
    uint64_t offset;
} clears[MOST];
static unsigned clear_count;

/* Marks among the notes. */
enum { ISSUED = 0, ACKED = 1, CLEARED = 2, STOPPED = 3, STARTED = 4, MARKS = 5 };

static bool is_long(void)
{
    return getenv("LONG_TESTS") != NULL;
}

static void acked(struct engine_append *a)
{
    struct asked *q = a->owner;
    assert_int_equal(a->error, 0);
    shim_mark((unsigned)q->nth * MARKS + ACKED);
    append_done(a);
}

static struct asked *issue(struct engine *e, int channel, uint64_t *dice)
{
    size_t len = shim_pick(dice, 8) == 0 ? shim_pick(dice, 9000) : shim_pick(dice, 60);
    char *text = calloc(1, len + 40);
    uint64_t offset = ++tops[channel];
    int head = sprintf(text, "%s %llu ", channels[channel], (unsigned long long)offset);
    for (size_t i = 0; i < len; i++)
        text[(size_t)head + i] = (char)('a' + shim_dice(dice) % 26);
    struct asked *q = ask_append(channels[channel], epoch_a, offset, text);
    q->append.done = acked;
    q->append.history_size = KEPT;
    q->nth = issued_count;
    issued[issued_count].channel = channel;
    issued[issued_count].offset = offset;
    issued[issued_count++].text = text;
    shim_mark(q->nth * MARKS + ISSUED);
    assert_int_equal(e->ops->append(e, &q->append), 0);
    return q;
}

static void burst(struct engine *e, uint64_t *dice)
{
    struct asked *waits[6];
    unsigned n = 1 + (unsigned)(shim_dice(dice) % 6);
    for (unsigned i = 0; i < n; i++)
        waits[i] = issue(e, (int)(shim_dice(dice) % CHANNELS), dice);
    for (unsigned i = 0; i < n; i++) {
        await(waits[i]);
        end_append(waits[i]);
    }
}

static void clear_some(struct engine *e, uint64_t *dice)
{
    int channel = (int)(shim_dice(dice) % CHANNELS);
    clears[clear_count].channel = channel;
    clears[clear_count].offset = tops[channel] / 2;
    shim_mark(clear_count * MARKS + CLEARED);
    e->ops->clear(e, channels[channel], strlen(channels[channel]), clears[clear_count++].offset);
}

/* A run of the store, noted from its first byte on. */
static void play(enum store_durability durability, uint64_t seed, unsigned steps)
{
    uint64_t dice = seed;
    struct store_config config = { .durability = durability };
    shim_take_notes(true);
    issued_count = clear_count = 0;
    memset(tops, 0, sizeof(tops));
    make_folder();
    struct engine *e = open_store(config);
    for (unsigned i = 0; i < steps && issued_count + 6 < MOST; i++) {
        burst(e, &dice);
        if (shim_dice(&dice) % 10 == 0)
            clear_some(e, &dice);
        if (i == steps / 2) {
            close_store(e);
            shim_mark(STOPPED);
            shim_mark(STARTED);
            e = open_store(config);
        }
    }
    close_store(e);
    shim_mark(STOPPED);
    shim_take_notes(false);
    remove_folder(folder);
}

static void end_play(void)
{
    for (unsigned i = 0; i < issued_count; i++)
        free(issued[i].text);
    shim_take_notes(true);
    shim_take_notes(false);
}

/* What was known by a moment, of a channel. */
struct known {
    uint64_t issued, acked, synced; /* highest offsets; synced: acked before the last sync of the log */
    uint64_t cleared;
};

static bool is_stopped;

static void know(size_t count, struct known known[CHANNELS])
{
    uint64_t acked_now[CHANNELS] = { 0 };
    memset(known, 0, CHANNELS * sizeof(*known));
    is_stopped = true;
    for (size_t i = 0; i < count; i++) {
        const struct shim_note *n = &shim.notes[i];
        if (n->op == SHIM_SYNC && n->kind == SHIM_LOG)
            for (int c = 0; c < CHANNELS; c++)
                known[c].synced = acked_now[c];
        if (n->op != SHIM_MARK)
            continue;
        unsigned which = n->mark / MARKS;
        if (n->mark % MARKS == ISSUED) {
            known[issued[which].channel].issued = issued[which].offset;
            is_stopped = false;
        } else if (n->mark % MARKS == ACKED) {
            acked_now[issued[which].channel] = known[issued[which].channel].acked = issued[which].offset;
        } else if (n->mark % MARKS == CLEARED) {
            known[clears[which].channel].cleared = clears[which].offset;
        } else {
            is_stopped = n->mark % MARKS == STOPPED;
        }
    }
}

static const char *text_of(int channel, uint64_t offset)
{
    for (unsigned i = 0; i < issued_count; i++)
        if (issued[i].channel == channel && issued[i].offset == offset)
            return issued[i].text;
    return NULL;
}

static uint64_t renewed;

/* What is there must be what was said, whatever it is. */
static void check_stream(int channel, const struct stream *s, const struct known *k, enum store_durability durability)
{
    bool same = strcmp(s->epoch, epoch_a) == 0;
    uint64_t least = is_stopped || durability == STORE_FSYNC ? k->acked : durability == STORE_BATCH ? k->synced : 0;
    renewed += !same;
    assert_true(s->top <= k->issued);
    assert_true(s->top >= least);
    for (uint64_t o = stream_oldest(s); o <= s->top; o++)
        assert_string_equal(text_at(s, o), text_of(channel, o));
    uint64_t oldest = s->top > KEPT ? s->top - KEPT + 1 : 1;
    if (oldest <= k->cleared)
        oldest = (k->cleared < s->top ? k->cleared : s->top) + 1;
    if (durability != STORE_MEMORY || is_stopped)
        assert_true(stream_oldest(s) <= oldest);
    /* The next offset has not been seen by anybody under this epoch (STO-1). */
    if (same)
        assert_true(s->top >= (durability == STORE_FSYNC ? k->acked : k->issued));
}

/* Two lives of what the cut left: what is read, and what is written then. */
static void check_disk(const struct shim_disk *disk, const struct known known[CHANNELS],
                       enum store_durability durability)
{
    disk_write(disk, folder);
    struct engine *e = open_store((struct store_config){ .durability = durability });
    for (int c = 0; c < CHANNELS; c++) {
        struct stream s;
        bool found = false;
        assert_int_equal(fetch_most(e, channels[c], 1000, &found, &s), 0);
        if (!found) {
            assert_true((is_stopped || durability == STORE_FSYNC ? known[c].acked
                         : durability == STORE_BATCH             ? known[c].synced
                                                                 : 0) == 0);
            continue;
        }
        check_stream(c, &s, &known[c], durability);
        assert_int_equal(keep(e, channels[c], s.epoch, s.top + 1, "next"), 0);
        struct stream after = fetch(e, channels[c]);
        assert_string_equal(text_at(&after, s.top + 1), "next");
        stream_fini(&after);
        stream_fini(&s);
    }
    close_store(e);
}

static void cut_at(size_t count, enum shim_cut cut, enum store_durability durability, uint64_t *dice)
{
    struct shim_disk disk;
    struct known known[CHANNELS];
    uint64_t before = *dice;
    disk_after(&disk, count, cut, dice);
    know(count, known);
    print_message("# cut %d at %zu of %zu, dice %llx\n", (int)cut, count, shim.count, (unsigned long long)before);
    renewed = 0;
    check_disk(&disk, known, durability);
    /* Without a torn log there is nothing to be unsure of. A frame's head over an older frame is one for a moment. */
    const struct shim_note *last = &shim.notes[count - 1];
    bool between = last->op == SHIM_WRITE && last->kind == SHIM_LOG && last->len == 24;
    if (durability == STORE_FSYNC && cut != CUT_MIXED && !between)
        assert_int_equal(renewed, 0);
    disk_fini(&disk);
}

static void cut_everywhere(enum store_durability durability, uint64_t seed, unsigned steps, unsigned moments)
{
    uint64_t dice = seed * 7;
    play(durability, seed, steps);
    make_folder();
    for (int cut = CUT_KEPT; cut <= CUT_MIXED; cut++) {
        for (unsigned i = 0; i < (is_long() ? shim.count : moments); i++)
            cut_at(is_long() ? i + 1 : 1 + shim_pick(&dice, shim.count), (enum shim_cut)cut, durability, &dice);
    }
    remove_folder(folder);
    end_play();
}

static void many(enum store_durability durability)
{
    for (uint64_t seed = 1; seed <= (is_long() ? 20 : 2); seed++)
        cut_everywhere(durability, seed, is_long() ? 30 : 16, 50);
}

TEST(crash, sto_1_and_2_of_fsync_all_that_was_acknowledged_is_there)
{
    many(STORE_FSYNC);
}

TEST(crash, sto_1_and_2_of_batch_all_but_the_last_10_ms_is_there)
{
    many(STORE_BATCH);
}

TEST(crash, sto_1_and_2_of_memory_nothing_is_wrong_that_is_there)
{
    many(STORE_MEMORY);
}
