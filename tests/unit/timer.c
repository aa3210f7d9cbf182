/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "net/timer.h"

enum { TIMERS = 200 };

struct entry {
    struct timer timer;
    bool armed;
    uint64_t armed_at; /* when it was armed, for what lay in the past already */
};

static struct entry entries[TIMERS];
static struct wheel wheel;
static uint64_t seed, last_at;
static unsigned fired;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 20) % below;
}

static void entry_due(struct timer *t)
{
    struct entry *e = (struct entry *)t;
    assert_true(e->armed);
    assert_false(timer_armed(t));
    assert_true(t->at_ms <= wheel.now_ms);
    uint64_t tick = t->at_ms > e->armed_at ? t->at_ms : e->armed_at;
    assert_true(tick >= last_at); /* the earliest first */
    last_at = tick;
    e->armed = false;
    fired++;
}

/* The model: the first time of all that is armed. */
static uint64_t first_at(void)
{
    uint64_t first = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (entries[i].armed && entries[i].timer.at_ms < first)
            first = entries[i].timer.at_ms;
    return first;
}

static void arm_one(void)
{
    static const uint64_t ranges[] = { 2, 64, 65, 4096, 262144, 1u << 25, 1u << 30, (uint64_t)1 << 36 };
    struct entry *e = &entries[draw(TIMERS)];
    uint64_t at = wheel.now_ms + draw(ranges[draw(sizeof(ranges) / sizeof(*ranges))]);
    if (draw(20) == 0)
        at = wheel.now_ms > 10 ? wheel.now_ms - 10 : 0;
    timer_arm(&wheel, &e->timer, at);
    e->armed = true;
    e->armed_at = wheel.now_ms;
}

static void step(void)
{
    uint64_t next = wheel_next(&wheel), first = first_at();
    assert_true(first == UINT64_MAX ? next == UINT64_MAX : next <= (first > wheel.now_ms ? first : wheel.now_ms));
    static const uint64_t jumps[] = { 1, 2, 70, 5000, 300000, 1u << 26, (uint64_t)1 << 31 };
    uint64_t to = wheel.now_ms + draw(jumps[draw(sizeof(jumps) / sizeof(*jumps))]);
    if (draw(3) == 0 && next != UINT64_MAX)
        to = next;
    last_at = 0;
    wheel_advance(&wheel, to);
    assert_true(wheel.now_ms == to);
    assert_true(first_at() > to); /* nothing due was left */
}

TEST(timer, fires_exactly_what_a_model_fires)
{
    for (uint64_t s = 1; s <= 20; s++) {
        seed = s;
        memset(entries, 0, sizeof(entries));
        wheel_init(&wheel, draw((uint64_t)1 << (s * 2)));
        for (int i = 0; i < TIMERS; i++)
            entries[i].timer.due = entry_due;
        for (int i = 0; i < 5000; i++) {
            struct entry *e = &entries[draw(TIMERS)];
            if (draw(4) == 0) {
                timer_cancel(&wheel, &e->timer);
                e->armed = false;
            } else if (draw(3) != 0) {
                arm_one();
            } else {
                step();
            }
        }
        for (int i = 0; i < TIMERS; i++)
            assert_int_equal(entries[i].armed, timer_armed(&entries[i].timer));
    }
    assert_true(fired > 10000);
}

static unsigned count;

static void count_due(struct timer *t)
{
    (void)t;
    count++;
}

TEST(timer, is_due_at_its_tick_and_not_one_before)
{
    static const uint64_t after[] = { 1,        63,         64,         65,         4095,
                                      4096,     4097,       262143,     262144,     16777215,
                                      16777216, 1073741823, 1073741824, 1073741825, (uint64_t)366 * 86400000 };
    for (uint64_t start = 0; start < 130; start++) {
        for (size_t i = 0; i < sizeof(after) / sizeof(*after); i++) {
            struct timer t = { .due = count_due };
            wheel_init(&wheel, start);
            timer_arm(&wheel, &t, start + after[i]);
            count = 0;
            wheel_advance(&wheel, start + after[i] - 1);
            assert_int_equal(count, 0);
            wheel_advance(&wheel, start + after[i]);
            assert_int_equal(count, 1);
            assert_true(wheel_next(&wheel) == UINT64_MAX);
        }
    }
}

static struct timer *pair[2];

static struct timer *make(void (*due)(struct timer *), uint64_t at)
{
    struct timer *t = calloc(1, sizeof(*t));
    t->due = due;
    timer_arm(&wheel, t, at);
    return t;
}

/* Whichever is first ends both. */
static void free_both(struct timer *t)
{
    count++;
    struct timer *other = pair[t == pair[0]];
    timer_cancel(&wheel, other);
    free(other);
    free(t);
}

TEST(timer, tim_2_frees_itself_and_another_of_the_same_tick)
{
    wheel_init(&wheel, 1000);
    count = 0;
    pair[0] = make(free_both, 1100);
    pair[1] = make(free_both, 1100);
    wheel_advance(&wheel, 1100);
    assert_int_equal(count, 1);
    assert_true(wheel_next(&wheel) == UINT64_MAX);
}

static void rearm_due(struct timer *t)
{
    count++;
    timer_arm(&wheel, t, wheel.now_ms);
}

TEST(timer, tim_2_armed_for_now_in_its_callback_waits_for_the_next_advance)
{
    struct timer t = { .due = rearm_due };
    wheel_init(&wheel, 5);
    timer_arm(&wheel, &t, 6);
    count = 0;
    wheel_advance(&wheel, 100);
    assert_int_equal(count, 1);
    assert_true(wheel_next(&wheel) == 100);
    wheel_advance(&wheel, 100);
    assert_int_equal(count, 2);
    timer_cancel(&wheel, &t);
    wheel_advance(&wheel, 1000);
    assert_int_equal(count, 2);
}

TEST(timer, cancelled_twice_is_cancelled)
{
    struct timer t = { .due = count_due };
    wheel_init(&wheel, 0);
    timer_cancel(&wheel, &t);
    timer_arm(&wheel, &t, 7);
    timer_arm(&wheel, &t, 9);
    timer_cancel(&wheel, &t);
    timer_cancel(&wheel, &t);
    assert_true(wheel_next(&wheel) == UINT64_MAX);
}
