/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/clock.h"
#include "net/loop.h"
#include "base/mem.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static duet_loop *loop;

static void begin(void)
{
    assert_int_equal(duet_loop_new(&loop), 0);
}

static bool fd_readable(void)
{
    struct pollfd p = { .fd = duet_loop_fd(loop), .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

/* Two ends with a byte waiting on the first. */
static void ripe_pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
}

struct side {
    struct watch watch;
    struct side *other;
    int calls;
};

static int reused[2];
static struct side newcomer;

static void count_ready(struct watch *w, uint32_t events)
{
    (void)events;
    ((struct side *)w)->calls++;
}

/* Ends the other one, whose event is in the batch already, and has a newcomer get its descriptor. */
static void end_other(struct watch *w, uint32_t events)
{
    struct side *s = (struct side *)w;
    assert_int_equal(events, LOOP_IN);
    s->calls++;
    int fd = s->other->watch.fd;
    loop_unwatch(loop, &s->other->watch);
    close(fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, reused), 0);
    assert_int_equal(reused[0], fd);
    newcomer.watch = (struct watch){ .fd = reused[0], .ready = count_ready };
    assert_int_equal(loop_watch(loop, &newcomer.watch, LOOP_IN), 0);
    loop_unwatch(loop, w);
}

TEST(loop, net_9_an_event_of_the_batch_reaches_neither_the_removed_nor_who_got_its_descriptor)
{
    begin();
    int a[2], b[2];
    ripe_pair(a);
    ripe_pair(b);
    struct side one = { .watch = { .fd = a[0], .ready = end_other } };
    struct side two = { .watch = { .fd = b[0], .ready = end_other }, .other = &one };
    one.other = &two;
    assert_int_equal(loop_watch(loop, &one.watch, LOOP_IN), 0);
    assert_int_equal(loop_watch(loop, &two.watch, LOOP_IN), 0);
    newcomer.calls = 0;
    assert_int_equal(duet_loop_turn(loop, 1000), 2);
    assert_int_equal(one.calls + two.calls, 1);
    assert_int_equal(newcomer.calls, 0);
    assert_int_equal(duet_loop_turn(loop, 0), 0);
    assert_int_equal(write(reused[1], "x", 1), 1);
    duet_loop_turn(loop, 1000);
    assert_int_equal(newcomer.calls, 1);
    loop_unwatch(loop, &newcomer.watch);
    close(reused[0]);
    close(reused[1]);
    close(one.calls ? a[0] : b[0]);
    close(a[1]);
    close(b[1]);
    duet_loop_free(loop);
}

TEST(loop, net_5_a_watch_for_both_gets_both_and_only_what_it_asked_for)
{
    begin();
    int a[2];
    ripe_pair(a);
    struct side s = { .watch = { .fd = a[0], .ready = count_ready } };
    assert_int_equal(loop_watch(loop, &s.watch, 0), 0);
    duet_loop_turn(loop, 0);
    assert_int_equal(s.calls, 0);
    assert_int_equal(spot_rewatch(loop, &s.watch.spot, LOOP_IN | LOOP_OUT), 0);
    duet_loop_turn(loop, 0);
    assert_int_equal(s.calls, 1);
    loop_unwatch(loop, &s.watch);
    loop_unwatch(loop, &s.watch); /* twice is fine */
    duet_loop_turn(loop, 0);
    assert_int_equal(s.calls, 1);
    close(a[0]);
    close(a[1]);
    duet_loop_free(loop);
}

enum { THREADS = 4, POSTS = 2000 };

static int next_of[THREADS], arrived;

static void take_post(void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    assert_int_equal(next_of[n / POSTS], n % POSTS);
    next_of[n / POSTS]++;
    if (++arrived == THREADS * POSTS)
        duet_loop_stop(loop);
}

static void *post_all(void *arg)
{
    for (uintptr_t i = 0; i < POSTS; i++)
        if (loop_post(loop, take_post, (void *)((uintptr_t)arg * POSTS + i)) != 0)
            abort();
    return NULL;
}

TEST(loop, posts_of_a_thread_arrive_all_and_in_order)
{
    begin();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, (void *)i), 0);
    assert_int_equal(duet_loop_run(loop), 0);
    assert_int_equal(arrived, THREADS * POSTS);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    duet_loop_free(loop);
}

static void post_again(void *arg)
{
    int *count = arg;
    if (++*count < 3)
        loop_post(loop, post_again, arg);
}

TEST(loop, what_a_post_posts_comes_in_the_next_turn)
{
    begin();
    int count = 0;
    loop_post(loop, post_again, &count);
    for (int i = 1; i <= 4; i++) {
        duet_loop_turn(loop, 0);
        assert_int_equal(count, i < 3 ? i : 3);
    }
    loop_post(loop, post_again, &count); /* left over: freed with the loop */
    duet_loop_free(loop);
}

struct job {
    struct task task;
    struct job *then;
    int runs, order;
};

static int ran;

static void run_job(struct task *t)
{
    struct job *j = (struct job *)t;
    j->runs++;
    j->order = ++ran;
    if (j->then != NULL)
        loop_at_end(loop, &j->then->task);
}

TEST(loop, a_task_runs_once_a_turn_and_what_it_queues_in_the_same_turn)
{
    begin();
    struct job second = { .task.run = run_job }, first = { .task.run = run_job, .then = &second };
    assert_false(fd_readable());
    loop_at_end(loop, &first.task);
    loop_at_end(loop, &first.task);
    assert_true(fd_readable()); /* queued between turns */
    assert_int_equal(duet_loop_wait_ms(loop), 0);
    assert_int_equal(duet_loop_turn(loop, -1), 0);
    assert_int_equal(first.runs, 1);
    assert_int_equal(second.runs, 1);
    assert_false(fd_readable());
    assert_int_equal(duet_loop_wait_ms(loop), -1);
    duet_loop_free(loop);
}

TEST(loop, a_task_that_queues_itself_runs_in_the_next_turn_which_does_not_wait)
{
    begin();
    struct job self = { .task.run = run_job };
    self.then = &self;
    loop_at_end(loop, &self.task);
    for (int i = 1; i <= 3; i++) {
        duet_loop_turn(loop, -1);
        assert_int_equal(self.runs, i);
    }
    loop_not_at_end(loop, &self.task);
    duet_loop_turn(loop, 0);
    assert_int_equal(self.runs, 3);
    duet_loop_free(loop);
}

TEST(loop, a_task_taken_out_does_not_run_wherever_it_stood)
{
    for (int gone = 0; gone < 3; gone++) {
        begin();
        struct job jobs[3] = { { .task.run = run_job }, { .task.run = run_job }, { .task.run = run_job } };
        for (int i = 0; i < 3; i++)
            loop_at_end(loop, &jobs[i].task);
        loop_not_at_end(loop, &jobs[gone].task);
        struct job late = { .task.run = run_job };
        loop_at_end(loop, &late.task);
        duet_loop_turn(loop, 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(jobs[i].runs, i != gone);
        assert_int_equal(late.runs, 1);
        duet_loop_free(loop);
    }
}

TEST(loop, reaping_is_last_of_a_turn)
{
    begin();
    struct job reaped = { .task.run = run_job }, end = { .task.run = run_job };
    loop_reap(loop, &reaped.task);
    loop_at_end(loop, &end.task);
    assert_int_equal(duet_loop_wait_ms(loop), 0);
    duet_loop_turn(loop, 0);
    assert_true(reaped.order > end.order);
    loop_reap(loop, &reaped.task);
    duet_loop_free(loop); /* reaps as well */
    assert_int_equal(reaped.runs, 2);
}

struct user {
    duet_watch *watch;
    int calls, events, turn;
    bool end;
};

static void user_ready(void *arg, int fd, int events)
{
    (void)fd;
    struct user *u = arg;
    u->calls++;
    u->events = events;
    u->turn = duet_loop_turn(loop, 0);
    if (u->end)
        duet_watch_free(u->watch);
}

TEST(loop, a_watch_frees_itself_in_its_callback_and_a_turn_in_a_turn_is_refused)
{
    begin();
    int a[2];
    ripe_pair(a);
    struct user u = { .end = true };
    u.watch = duet_loop_watch(loop, a[0], DUET_READABLE, user_ready, &u);
    assert_non_null(u.watch);
    assert_int_equal(duet_loop_turn(loop, 0), 1);
    assert_int_equal(u.turn, DUET_ERR_STATE);
    assert_int_equal(duet_loop_turn(loop, 0), 0);
    assert_int_equal(u.calls, 1);
    assert_int_equal(u.events, DUET_READABLE);
    close(a[0]);
    close(a[1]);
    duet_loop_free(loop);
}

TEST(loop, a_hang_up_counts_as_what_was_asked_for)
{
    for (int asked = 1; asked <= 3; asked++) {
        begin();
        int a[2];
        ripe_pair(a);
        close(a[1]);
        struct user u = { 0 };
        u.watch = duet_loop_watch(loop, a[0], asked, user_ready, &u);
        duet_loop_turn(loop, 0);
        assert_int_equal(u.events, asked);
        duet_watch_free(u.watch);
        close(a[0]);
        duet_loop_free(loop);
    }
}

TEST(loop, a_watch_that_cannot_be_is_null)
{
    begin();
    struct user u = { 0 };
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_null(duet_loop_watch(loop, file, DUET_READABLE, user_ready, &u)); /* epoll refuses a file */
    assert_null(duet_loop_watch(loop, -1, DUET_READABLE, user_ready, &u));
    assert_null(duet_loop_watch(loop, 0, 0, user_ready, &u));
    assert_null(duet_loop_watch(loop, 0, 4, user_ready, &u));
    duet_watch_free(NULL);
    close(file);
    duet_loop_free(loop);
}

struct clockwork {
    duet_timer *timer;
    int calls;
    bool end;
};

static void clockwork_due(void *arg)
{
    struct clockwork *c = arg;
    c->calls++;
    if (c->end)
        duet_timer_free(c->timer);
    else
        duet_timer_set(c->timer, 0);
}

TEST(loop, tim_2_a_timer_sets_and_frees_itself)
{
    begin();
    struct clockwork again = { 0 }, once = { .end = true };
    again.timer = duet_timer_new(loop, clockwork_due, &again);
    once.timer = duet_timer_new(loop, clockwork_due, &once);
    assert_int_equal(duet_loop_wait_ms(loop), -1);
    duet_timer_set(again.timer, UINT64_MAX); /* TIM-5: a year */
    duet_timer_set(once.timer, 20);
    int wait = duet_loop_wait_ms(loop);
    assert_true(wait >= 0 && wait <= 20);
    uint64_t start = clock_us();
    while (once.calls == 0)
        duet_loop_turn(loop, -1);
    assert_true(clock_us() - start >= 18000);
    duet_timer_set(again.timer, 0);
    for (int i = 1; i <= 3; i++) {
        duet_loop_turn(loop, -1);
        assert_int_equal(again.calls, i); /* once a turn, without waiting for the clock */
    }
    duet_timer_cancel(again.timer);
    assert_int_equal(duet_loop_wait_ms(loop), -1);
    duet_timer_free(again.timer);
    duet_timer_free(NULL);
    duet_loop_free(loop);
}

enum { CROWD = 2500 };
static struct watch crowd[CROWD];
static unsigned crowd_read, crowd_read_before;

static void crowd_ready(struct watch *w, uint32_t events)
{
    (void)events;
    uint64_t count;
    if (read(w->fd, &count, sizeof(count)) == sizeof(count))
        crowd_read++;
}

static void crowd_deadline(void *arg)
{
    (void)arg;
    crowd_read_before = crowd_read;
}

/* TIM-7 is the same from the other side: a callback that sleeps. */
TEST(loop, tim_3_after_a_stall_what_came_is_read_before_deadlines_count)
{
    begin();
    uint64_t one = 1;
    crowd_read = crowd_read_before = 0;
    for (int i = 0; i < CROWD; i++) {
        crowd[i].fd = eventfd(0, EFD_NONBLOCK);
        crowd[i].ready = crowd_ready;
        assert_int_equal(loop_watch(loop, &crowd[i], LOOP_IN), 0);
        assert_int_equal(write(crowd[i].fd, &one, sizeof(one)), sizeof(one));
    }
    duet_timer *deadline = duet_timer_new(loop, crowd_deadline, NULL);
    duet_timer_set(deadline, 0);
    /* As if the last turn had been two seconds ago. */
    loop->wheel.now_ms -= 2000;
    timer_arm(&loop->wheel, (struct timer *)deadline, loop->now_ms - 1999);
    while (crowd_read_before == 0)
        duet_loop_turn(loop, 0);
    assert_int_equal(crowd_read_before, CROWD);
    duet_timer_free(deadline);
    for (int i = 0; i < CROWD; i++) {
        int fd = crowd[i].fd;
        loop_unwatch(loop, &crowd[i]);
        close(fd);
    }
    duet_loop_free(loop);
}

static void work_for(uint64_t us)
{
    uint64_t from = clock_us();
    while (clock_us() - from < us)
        ;
}

static void work_3_ms(struct watch *w, uint32_t events)
{
    count_ready(w, events);
    work_for(3000);
    loop_unwatch(loop, w);
}

static uint64_t turns_counted(int from)
{
    uint64_t sum = 0;
    for (int i = from; i < DUET_TURN_BUCKETS; i++)
        sum += loop->turns.counts[i];
    return sum;
}

TEST(loop, a_turn_is_counted_by_what_it_worked_and_not_by_what_it_waited)
{
    enum { OVER_2_MS = 6 };
    begin();
    int a[2];
    assert_int_equal(duet_loop_turn(loop, 200), 0); /* nothing comes */
    assert_int_equal(turns_counted(0), 1);
    assert_true(loop->turns.sum_us < 200000);
    memset(&loop->turns, 0, sizeof(loop->turns));
    ripe_pair(a);
    struct side s = { .watch = { .fd = a[0], .ready = work_3_ms } };
    assert_int_equal(loop_watch(loop, &s.watch, LOOP_IN), 0);
    assert_int_equal(duet_loop_turn(loop, 1000), 1);
    assert_int_equal(turns_counted(0), 1);
    assert_int_equal(turns_counted(OVER_2_MS), 1);
    assert_true(loop->turns.sum_us >= 3000);
    close(a[0]);
    close(a[1]);
    duet_loop_free(loop);
}

enum { SLOW = 12, SLOW_US = 200 };
static struct side slow[SLOW];

/* It reads nothing, so it is ready again at once. */
static void work_a_while(struct watch *w, uint32_t events)
{
    count_ready(w, events);
    loop_took_long(loop);
    work_for(SLOW_US);
}

static void begin_slow(int fds[SLOW][2])
{
    begin();
    for (int i = 0; i < SLOW; i++) {
        ripe_pair(fds[i]);
        slow[i] = (struct side){ .watch = { .fd = fds[i][0], .ready = work_a_while } };
        assert_int_equal(loop_watch(loop, &slow[i].watch, LOOP_IN), 0);
    }
}

static void end_slow(int fds[SLOW][2])
{
    for (int i = 0; i < SLOW; i++) {
        loop_unwatch(loop, &slow[i].watch);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    duet_loop_free(loop);
}

TEST(loop, long_work_is_cut_into_turns_and_all_have_theirs_once_before_any_twice)
{
    int fds[SLOW][2], handled = 0;
    begin_slow(fds);
    while (handled < SLOW) {
        int n = duet_loop_turn(loop, -1);
        assert_in_range(n, 1, LOOP_SLICE_US / SLOW_US + 1);
        handled += n;
        assert_int_equal(duet_loop_wait_ms(loop), handled < SLOW ? 0 : -1);
    }
    for (int i = 0; i < SLOW; i++)
        assert_int_equal(slow[i].calls, 1);
    end_slow(fds);
}

static void work_unsaid(struct watch *w, uint32_t events)
{
    count_ready(w, events);
    work_for(SLOW_US);
}

/* The clock is read behind the fourth at the latest, and then it has gone too far. */
TEST(loop, long_work_is_cut_also_where_nobody_says_that_it_is_long)
{
    int fds[SLOW][2];
    begin_slow(fds);
    for (int i = 0; i < SLOW; i++)
        slow[i].watch.ready = work_unsaid;
    assert_in_range(duet_loop_turn(loop, -1), 1, 4);
    end_slow(fds);
}

static void note_call(void *arg)
{
    *(bool *)arg = true;
}

TEST(loop, between_slices_timers_have_their_turn)
{
    int fds[SLOW][2], handled = 0;
    bool rang = false;
    begin_slow(fds);
    duet_timer *t = duet_timer_new(loop, note_call, &rang);
    duet_timer_set(t, 0);
    while (!rang)
        handled += duet_loop_turn(loop, -1);
    assert_in_range(handled, 1, SLOW - 1);
    duet_timer_free(t);
    end_slow(fds);
}

/* Nothing of it is in the batch. */
TEST(loop, between_slices_is_called_what_was_posted_meanwhile)
{
    int fds[SLOW][2];
    bool called = false;
    begin_slow(fds);
    int handled = duet_loop_turn(loop, -1);
    assert_int_equal(loop_post(loop, note_call, &called), 0);
    handled += duet_loop_turn(loop, -1);
    assert_in_range(handled, 2, SLOW - 1);
    assert_true(called);
    end_slow(fds);
}

/* What is left of the batch is another's, by then. */
TEST(loop, net_9_who_is_removed_between_slices_hears_nothing_more)
{
    int fds[SLOW][2];
    begin_slow(fds);
    int handled = duet_loop_turn(loop, -1);
    for (int i = 0; i < SLOW; i++)
        if (slow[i].calls == 0) {
            loop_unwatch(loop, &slow[i].watch);
            slow[i].watch.fd = 0; /* as if its memory were another's by now */
        }
    for (int i = 0; i < SLOW; i++)
        duet_loop_turn(loop, 0);
    int calls = 0;
    for (int i = 0; i < SLOW; i++)
        calls += slow[i].calls > 0;
    assert_int_equal(calls, handled);
    for (int i = 0; i < SLOW; i++)
        if (slow[i].calls == 0)
            slow[i].watch.fd = -1;
    end_slow(fds);
}

static void do_nothing(struct task *t)
{
    (void)t;
}

static struct task put_off[SLOW][64];

static void put_work_off(struct watch *w, uint32_t events)
{
    struct side *s = (struct side *)w;
    count_ready(w, events);
    for (int i = 0; i < 64; i++) {
        put_off[s - slow][i].run = do_nothing;
        loop_at_end(loop, &put_off[s - slow][i]);
    }
}

TEST(loop, what_is_put_off_to_the_end_of_a_turn_counts_as_its_work)
{
    int fds[SLOW][2];
    begin_slow(fds);
    for (int i = 0; i < SLOW; i++)
        slow[i].watch.ready = put_work_off;
    assert_in_range(duet_loop_turn(loop, -1), 1, 4);
    end_slow(fds);
}

TEST(loop, every_allocation_may_fail)
{
    for (unsigned long nth = 0;; nth++) {
        duet_loop *l = NULL;
        mem_fail(nth, false);
        int rc = duet_loop_new(&l);
        duet_timer *t = rc == 0 ? duet_timer_new(l, clockwork_due, NULL) : NULL;
        int posted = rc == 0 ? loop_post(l, post_again, NULL) : 0;
        unsigned long asked = mem_fail_end();
        if (asked <= nth)
            assert_true(rc == 0 && t != NULL && posted == 0);
        else
            assert_true(rc == DUET_ERR_NOMEM || t == NULL || posted == DUET_ERR_NOMEM);
        duet_timer_free(t);
        duet_loop_free(rc == 0 ? l : NULL);
        if (asked <= nth)
            break;
    }
}
