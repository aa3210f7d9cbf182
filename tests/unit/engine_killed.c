/* SPDX-License-Identifier: MIT */
/*
 * A process that is killed (kill -9) at seeded moments while it appends, again and again on one folder (STO-1), in the
 * middle of trimming, too (STO-9). It says on a pipe what was acknowledged; what the folder has then is compared. 50
 * kills, with LONG_TESTS=1 1,000.
 */
#include "stored.h"
#include "shim.h"
#include <signal.h>
#include <sys/wait.h>

enum { CHANNELS = 5, KEPT = 50, IN_FLIGHT = 16 };

/* One line of the pipe: a publication that was given to the store, or acknowledged. */
struct line {
    uint32_t channel;
    uint32_t acked;
    uint64_t offset;
};

static int said_on; /* the pipe */

static char names[CHANNELS][16];
static char kept_epochs[CHANNELS][STREAM_EPOCH + 1];
static uint64_t acked[CHANNELS], given[CHANNELS];

static void say_line(uint32_t channel, uint64_t offset, bool is_acked)
{
    struct line l = { channel, is_acked, offset };
    if (write(said_on, &l, sizeof(l)) != sizeof(l))
        _exit(3);
}

static void acknowledged(struct engine_append *a)
{
    struct asked *q = a->owner;
    if (a->error == 0)
        say_line(q->nth, a->publication->offset, true);
    else
        _exit(4);
    append_done(a);
}

/* The process to be killed: it appends until then. */
static void append_for_ever(enum store_durability durability, uint64_t dice)
{
    struct engine *e = NULL;
    char why[STORE_WHY] = "";
    struct asked *waits[IN_FLIGHT] = { NULL };
    uint64_t tops[CHANNELS];
    if (try_store(&e, (struct store_config){ .durability = durability, .retain_ms = 1 }, why) < 0)
        _exit(5);
    memcpy(tops, acked, sizeof(tops)); /* the folder was looked at: these are the tops */
    for (unsigned i = 0;; i = (i + 1) % IN_FLIGHT) {
        unsigned c = (unsigned)(shim_dice(&dice) % CHANNELS);
        char text[300];
        if (waits[i] != NULL) {
            await(waits[i]);
            end_append(waits[i]);
        }
        snprintf(text, sizeof(text), "%llu %s %*d", (unsigned long long)++tops[c], names[c],
                 (int)(shim_dice(&dice) % 200) + 1, 0);
        waits[i] = ask_append(names[c], kept_epochs[c], tops[c], text);
        waits[i]->append.done = acknowledged;
        waits[i]->append.history_size = KEPT;
        waits[i]->nth = c;
        say_line(c, tops[c], false);
        if (e->ops->append(e, &waits[i]->append) < 0)
            _exit(6);
    }
}

/* Reads what it says, kills it after so many acknowledgements, and reads the rest. */
static void listen_and_kill(int fd, pid_t pid, uint64_t after)
{
    struct line l;
    bool killed = false;
    ssize_t n;
    while ((n = read(fd, &l, sizeof(l))) == sizeof(l)) {
        uint64_t *top = l.acked ? &acked[l.channel] : &given[l.channel];
        assert_int_equal(l.offset, *top + 1); /* in order */
        *top = l.offset;
        if (!killed && l.acked && after-- == 0) {
            kill(pid, SIGKILL);
            killed = true;
        }
    }
    assert_true(killed);
}

static void look_at(struct engine *e, unsigned c, bool same_epoch)
{
    struct stream s;
    bool found = false;
    assert_int_equal(fetch_most(e, names[c], 1000, &found, &s), 0);
    assert_true(found || acked[c] == 0);
    if (!found) {
        given[c] = 0;
        return;
    }
    if (same_epoch)
        assert_string_equal(s.epoch, kept_epochs[c]);
    else
        assert_string_not_equal(s.epoch, kept_epochs[c]);
    memcpy(kept_epochs[c], s.epoch, sizeof(s.epoch));
    assert_true(s.top >= acked[c] && s.top <= given[c]);
    assert_int_equal(s.count, s.top < KEPT ? s.top : KEPT);
    for (uint64_t o = stream_oldest(&s); o <= s.top; o++)
        assert_int_equal(strtoull(text_at(&s, o), NULL, 10), o);
    acked[c] = given[c] = s.top;
    stream_fini(&s);
}

static void kill_often(enum store_durability durability, unsigned kills)
{
    uint64_t dice = 1;
    make_folder();
    memset(acked, 0, sizeof(acked));
    memset(given, 0, sizeof(given));
    for (unsigned c = 0; c < CHANNELS; c++) {
        snprintf(names[c], sizeof(names[c]), "channel%u", c);
        snprintf(kept_epochs[c], sizeof(kept_epochs[c]), "epoch%03u", c);
    }
    for (unsigned i = 0; i < kills; i++) {
        int ends[2];
        uint64_t child_dice = shim_dice(&dice), after = shim_dice(&dice) % (i % 10 == 0 ? 2000 : 60);
        assert_int_equal(pipe(ends), 0);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            close(ends[0]);
            said_on = ends[1];
            append_for_ever(durability, child_dice);
        }
        close(ends[1]);
        listen_and_kill(ends[0], pid, after);
        close(ends[0]);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct engine *e = open_store((struct store_config){ .durability = durability });
        for (unsigned c = 0; c < CHANNELS; c++)
            look_at(e, c, durability == STORE_FSYNC);
        close_store(e);
    }
    assert_int_equal(files_named("duet.sqlite.damaged-"), 0);
    remove_folder(folder);
}

static unsigned kills(unsigned some)
{
    return getenv("LONG_TESTS") != NULL ? 20 * some : some;
}

TEST(killed, sto_1_under_fsync_all_that_was_acknowledged_is_there_once_and_in_order)
{
    forget_said();
    kill_often(STORE_FSYNC, kills(50));
    assert_int_equal(said.unclean, 0);
}

/* The system has what the process wrote; yet who was told of it before may know more than that. */
TEST(killed, sto_1_under_batch_and_memory_each_start_gives_new_epochs)
{
    kill_often(STORE_BATCH, kills(10));
    kill_often(STORE_MEMORY, kills(10));
}
