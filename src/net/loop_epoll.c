/* SPDX-License-Identifier: MIT */
#include "net/loop.h"
#include "base/clock.h"
#include "base/mem.h"
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    BATCH = 1024,
    LOOK_FIRST = 4, /* events until the clock is read, of which usual ones are 7 us each */
    LOOK_LAST = 16, /* and so many between two looks at most: what each takes may change */
    TASK_US = 5,    /* about what a task at the turn's end takes, mostly a write */
    STALL_MS = 1000,
    DEFERRED_MOST = 256 * 1024
};

/* A call from another thread, in memory of its own. */
struct posted {
    struct task task; /* first */
    void (*fn)(void *arg);
    void *arg;
};

/* Epoll knows `wake` by this address, which is no watch. */
static void *wake_mark(duet_loop *l)
{
    return l;
}

static int loop_init(duet_loop *l)
{
    l->end_last = &l->end_first;
    l->next_last = &l->next_first;
    l->reap_last = &l->reap_first;
    l->now_ms = clock_ms();
    wheel_init(&l->wheel, l->now_ms);
    l->recv = mem_alloc(LOOP_RECV);
    l->batch = mem_alloc(BATCH * sizeof(*l->batch));
    if (l->recv == NULL || l->batch == NULL)
        return DUET_ERR_NOMEM;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return -errno;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0)
        return -errno;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = wake_mark(l) };
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e) < 0 ? -errno : 0;
}

int duet_loop_new(duet_loop **out)
{
    duet_loop *l = mem_zalloc(sizeof(*l));
    if (l == NULL)
        return DUET_ERR_NOMEM;
    l->epoll = l->wake = -1;
    pthread_mutex_init(&l->lock, NULL);
    int rc = loop_init(l);
    if (rc < 0) {
        duet_loop_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

/* Behind the last task of a list, so that each in it has a next one. */
static struct task end_mark;

static struct task *after(const struct task *t)
{
    return t->next != &end_mark ? t->next : NULL;
}

static struct task *pop(struct task **first, struct task ***last)
{
    struct task *t = *first;
    *first = after(t);
    if (*first == NULL)
        *last = first;
    t->next = NULL;
    return t;
}

static void push(struct task ***last, struct task *t)
{
    t->next = &end_mark;
    **last = t;
    *last = &t->next;
}

static void reap(duet_loop *l)
{
    while (l->reap_first != NULL) {
        struct task *t = pop(&l->reap_first, &l->reap_last);
        t->run(t);
    }
}

static void call_posted(struct task *t)
{
    struct posted p = *(struct posted *)t;
    mem_free(t);
    p.fn(p.arg);
}

void duet_loop_free(duet_loop *l)
{
    if (l == NULL)
        return;
    reap(l);
    for (struct task *t = l->posted, *next; t != NULL; t = next) {
        next = t->next;
        if (t->run == call_posted)
            mem_free(t); /* what it was meant for is gone */
    }
    if (l->wake >= 0)
        close(l->wake);
    if (l->epoll >= 0)
        close(l->epoll);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->batch);
    mem_free(l->recv);
    mem_free(l->tls);
    mem_free(l);
}

int duet_loop_fd(const duet_loop *l)
{
    return l->epoll;
}

uint64_t duet_loop_now_ms(const duet_loop *l)
{
    return l->now_ms;
}

static int wait_from(duet_loop *l, uint64_t now_ms)
{
    if (l->end_first != NULL || l->reap_first != NULL || l->batch_next < l->batch_count)
        return 0;
    uint64_t next = wheel_next(&l->wheel);
    if (next == UINT64_MAX)
        return -1;
    if (next <= now_ms)
        return 0;
    return next - now_ms < INT_MAX ? (int)(next - now_ms) : INT_MAX;
}

int duet_loop_wait_ms(duet_loop *l)
{
    return wait_from(l, clock_ms());
}

static void handle(duet_loop *l, const struct epoll_event *e)
{
    /* A callback before this one may have removed it (NET-9); its memory stays until the reaping. */
    struct spot *s = e->data.ptr;
    if (s->fd < 0)
        return;
    uint32_t what = e->events & (LOOP_IN | LOOP_OUT);
    if (e->events & (EPOLLHUP | EPOLLERR))
        what |= LOOP_HUP;
    if (s->plain)
        l->ready(s, what);
    else
        ((struct watch *)(void *)s)->ready((struct watch *)(void *)s, what);
}

/* Reads the clock, and says when to do so next if there is time left: as many events as were handled so far take about
 * as long again. */
static bool slice_is_over(duet_loop *l, int handled, uint64_t began_us)
{
    uint64_t us = clock_us() - began_us + (uint64_t)l->owed * TASK_US;
    if (us >= LOOP_SLICE_US)
        return true;
    int more = us >= LOOP_SLICE_US / 2 || handled < LOOK_FIRST ? LOOK_FIRST : handled;
    l->look_at = l->batch_next + (more < LOOK_LAST ? more : LOOK_LAST);
    return false;
}

/* Handles events until all are, or the slice is over. Returns whether `wake` was among them. */
static bool dispatch(duet_loop *l, uint64_t began_us)
{
    int first = l->batch_next, next = first, count = l->batch_count;
    const struct epoll_event *e = l->batch + first;
    bool woken = false;
    l->look_at = first + LOOK_FIRST;
    l->owed = 0;
    for (; next < count; e++) {
        l->batch_next = ++next;
        if (e->data.ptr == wake_mark(l))
            woken = true;
        else
            handle(l, e);
        if (next >= l->look_at && next < count && slice_is_over(l, next - first, began_us))
            break;
    }
    return woken;
}

/* What is left of the batch has nothing for it any more: its memory may be gone in the next turn, which goes on with
 * that. There is one event of it at most. */
static void forget_event(duet_loop *l, const struct spot *s)
{
    static struct spot nobody = { .fd = -1 };
    if (l->batch_next > 0 && l->batch[l->batch_next - 1].data.ptr == s)
        return; /* the one at hand, as mostly */
    for (int i = l->batch_next; i < l->batch_count; i++)
        if (l->batch[i].data.ptr == s)
            l->batch[i].data.ptr = &nobody;
}

static void run_posted(duet_loop *l)
{
    /* Emptied before the list is taken: who posts after that finds an empty list and wakes us again. */
    uint64_t count;
    ssize_t ignored = read(l->wake, &count, sizeof(count));
    (void)ignored;
    l->woken = false;
    pthread_mutex_lock(&l->lock);
    struct task *newest = l->posted, *oldest = NULL;
    l->posted = NULL;
    pthread_mutex_unlock(&l->lock);
    while (newest != NULL) {
        struct task *t = newest;
        newest = t->next;
        t->next = oldest;
        oldest = t;
    }
    while (oldest != NULL) {
        struct task *t = oldest;
        oldest = t->next;
        t->next = NULL;
        t->run(t);
    }
}

static void run_end(duet_loop *l)
{
    while (l->end_first != NULL) {
        l->running = pop(&l->end_first, &l->end_last);
        l->running->run(l->running);
        l->running = NULL;
    }
    if (l->next_first != NULL) {
        l->end_first = l->next_first;
        l->end_last = l->next_last;
        l->next_first = NULL;
        l->next_last = &l->next_first;
    }
}

/* After the whole process stood still (a stopped machine, a callback that slept) the timers are late, and what peers
 * sent meanwhile lies unread. It is read first, or else all would be punished for our own stall (TIM-3, TIM-7). */
static void run_timers(duet_loop *l, int handled)
{
    uint64_t next = wheel_next(&l->wheel);
    bool more = l->batch_next < l->batch_count || l->batch_count == BATCH;
    if (more && next < l->now_ms && l->now_ms - next >= STALL_MS && l->deferred < DEFERRED_MOST) {
        l->deferred += (unsigned)handled;
        return;
    }
    l->deferred = 0;
    wheel_advance(&l->wheel, l->now_ms);
}

static void count_turn(struct loop_turns *turns, uint64_t us)
{
#define BOUND(us) us,
    static const uint64_t bounds[] = { DUET_TURN_BOUNDS_US(BOUND) };
#undef BOUND
    _Static_assert(sizeof(bounds) / sizeof(bounds[0]) + 1 == DUET_TURN_BUCKETS, "the last one has no bound");
    unsigned i = 0;
    while (i < DUET_TURN_BUCKETS - 1 && us > bounds[i])
        i++;
    turns->counts[i]++;
    turns->sum_us += us;
}

/* A new batch, unless there is something left of the last one. 0 or -errno. */
static int wait_for_events(duet_loop *l, int wait_ms, uint64_t now_us)
{
    if (l->batch_next < l->batch_count)
        return 0;
    if (wait_ms != 0) {
        int due = wait_from(l, now_us / 1000);
        if (due >= 0 && (wait_ms < 0 || due < wait_ms))
            wait_ms = due;
    }
    int count = epoll_wait(l->epoll, l->batch, BATCH, wait_ms);
    if (count < 0 && errno != EINTR)
        return -errno;
    l->batch_next = 0;
    l->batch_count = count > 0 ? count : 0;
    return 0;
}

/* `now_us`: a moment ago; unused where `wait_ms` is 0. */
static int turn(duet_loop *l, int wait_ms, uint64_t now_us)
{
    int rc = wait_for_events(l, wait_ms, now_us);
    if (rc < 0)
        return rc;
    uint64_t began_us = clock_us();
    l->now_ms = began_us / 1000;
    l->turning = true;
    int first = l->batch_next;
    bool woken = dispatch(l, began_us);
    int handled = l->batch_next - first;
    /* That somebody posted meanwhile is an event, which would come behind the rest of the batch. */
    if (woken || l->batch_next < l->batch_count)
        run_posted(l);
    run_timers(l, handled);
    run_end(l);
    reap(l);
    l->turning = false;
    l->ended_us = clock_us();
    count_turn(&l->turns, l->ended_us - began_us);
    return handled - woken;
}

int duet_loop_turn(duet_loop *l, int wait_ms)
{
    if (l->turning)
        return DUET_ERR_STATE;
    return turn(l, wait_ms, wait_ms != 0 ? clock_us() : 0);
}

int duet_loop_run(duet_loop *l)
{
    if (l->turning)
        return DUET_ERR_STATE;
    int rc = 0;
    l->ended_us = clock_us();
    while (!l->stopping && rc >= 0)
        rc = turn(l, -1, l->ended_us);
    l->stopping = false;
    return rc < 0 ? rc : 0;
}

void duet_loop_stop(duet_loop *l)
{
    l->stopping = true;
}

int spot_watch(duet_loop *l, struct spot *s, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = s };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &e) < 0)
        return -errno;
    s->events = (uint8_t)events;
    return 0;
}

int spot_rewatch(duet_loop *l, struct spot *s, uint32_t events)
{
    if (events == s->events)
        return 0;
    struct epoll_event e = { .events = events, .data.ptr = s };
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &e) < 0)
        return -errno;
    s->events = (uint8_t)events;
    return 0;
}

void spot_unwatch(duet_loop *l, struct spot *s)
{
    if (s->fd < 0)
        return;
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    forget_event(l, s);
    s->fd = -1;
    s->events = 0;
}

static void write_wake(duet_loop *l)
{
    uint64_t one = 1;
    ssize_t ignored = write(l->wake, &one, sizeof(one));
    (void)ignored; /* it fails only when it is as readable as can be */
}

static void wake_outside(duet_loop *l)
{
    if (l->turning || l->woken)
        return;
    l->woken = true;
    write_wake(l);
}

void loop_at_end(duet_loop *l, struct task *t)
{
    if (task_queued(t))
        return;
    l->owed++;
    push(t == l->running ? &l->next_last : &l->end_last, t);
    wake_outside(l);
}

static bool take_out(struct task **first, struct task ***last, struct task *t)
{
    if (*first == NULL)
        return false;
    for (struct task **at = first; *at != &end_mark; at = &(*at)->next) {
        if (*at != t)
            continue;
        if (t->next == &end_mark)
            *last = at;
        *at = at == first ? after(t) : t->next;
        t->next = NULL;
        return true;
    }
    return false;
}

void loop_not_at_end(duet_loop *l, struct task *t)
{
    if (task_queued(t) && !take_out(&l->end_first, &l->end_last, t))
        take_out(&l->next_first, &l->next_last, t);
}

void loop_reap(duet_loop *l, struct task *t)
{
    if (task_queued(t))
        return;
    push(&l->reap_last, t);
    wake_outside(l);
}

void loop_post_task(duet_loop *l, struct task *t)
{
    pthread_mutex_lock(&l->lock);
    bool first = l->posted == NULL;
    t->next = l->posted;
    l->posted = t;
    /* Inside the lock, because the loop may be freed once the call has run. */
    if (first)
        write_wake(l);
    pthread_mutex_unlock(&l->lock);
}

void loop_unpost(duet_loop *l, struct task *t)
{
    pthread_mutex_lock(&l->lock);
    struct task **at = &l->posted;
    while (*at != NULL && *at != t)
        at = &(*at)->next;
    if (*at == t)
        *at = t->next;
    t->next = NULL;
    pthread_mutex_unlock(&l->lock);
}

int loop_post(duet_loop *l, void (*fn)(void *arg), void *arg)
{
    struct posted *p = mem_alloc(sizeof(*p));
    if (p == NULL)
        return DUET_ERR_NOMEM;
    *p = (struct posted){ .task.run = call_posted, .fn = fn, .arg = arg };
    loop_post_task(l, &p->task);
    return 0;
}

struct duet_watch {
    struct watch watch;
    struct task reap;
    duet_loop *loop;
    int events;
    void (*ready)(void *arg, int fd, int events);
    void *arg;
};

static void watch_ready(struct watch *watch, uint32_t events)
{
    duet_watch *w = (duet_watch *)watch;
    int what = (events & LOOP_IN ? DUET_READABLE : 0) | (events & LOOP_OUT ? DUET_WRITABLE : 0);
    if (events & LOOP_HUP)
        what |= w->events;
    w->ready(w->arg, watch->fd, what);
}

static void watch_reap(struct task *t)
{
    mem_free((char *)t - offsetof(duet_watch, reap));
}

duet_watch *duet_loop_watch(duet_loop *l, int fd, int events, void (*ready)(void *arg, int fd, int events), void *arg)
{
    if (fd < 0 || events == 0 || (events & ~(DUET_READABLE | DUET_WRITABLE)) != 0)
        return NULL;
    duet_watch *w = mem_alloc(sizeof(*w));
    if (w == NULL)
        return NULL;
    *w = (duet_watch){
        .watch = { .fd = fd, .ready = watch_ready },
        .reap.run = watch_reap,
        .loop = l,
        .events = events,
        .ready = ready,
        .arg = arg,
    };
    uint32_t mask = (events & DUET_READABLE ? LOOP_IN : 0) | (events & DUET_WRITABLE ? LOOP_OUT : 0);
    if (loop_watch(l, &w->watch, mask) < 0) {
        mem_free(w);
        return NULL;
    }
    return w;
}

void duet_watch_free(duet_watch *w)
{
    if (w == NULL)
        return;
    loop_unwatch(w->loop, &w->watch);
    loop_reap(w->loop, &w->reap);
}

struct duet_timer {
    struct timer timer;
    duet_loop *loop;
    void (*due)(void *arg);
    void *arg;
};

static void timer_due(struct timer *timer)
{
    duet_timer *t = (duet_timer *)timer;
    t->due(t->arg); /* may have freed it */
}

duet_timer *duet_timer_new(duet_loop *l, void (*due)(void *arg), void *arg)
{
    duet_timer *t = mem_alloc(sizeof(*t));
    if (t != NULL)
        *t = (duet_timer){ .timer.due = timer_due, .loop = l, .due = due, .arg = arg };
    return t;
}

void duet_timer_set(duet_timer *t, uint64_t after_ms)
{
    static const uint64_t year = (uint64_t)366 * 24 * 3600 * 1000;
    /* Between turns the time of the last one may be long ago. */
    uint64_t now = t->loop->turning ? t->loop->now_ms : clock_ms();
    timer_arm(&t->loop->wheel, &t->timer, now + (after_ms < year ? after_ms : year));
}

void duet_timer_cancel(duet_timer *t)
{
    timer_cancel(&t->loop->wheel, &t->timer);
}

void duet_timer_free(duet_timer *t)
{
    if (t == NULL)
        return;
    duet_timer_cancel(t);
    mem_free(t);
}
