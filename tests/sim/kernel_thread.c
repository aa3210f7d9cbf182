/* SPDX-License-Identifier: MIT */
/*
 * Threads that run one at a time, on the test's own stack, when kernel_run_threads() says so. One that waits for a
 * condition is left where it is and begun again from its start when the condition is signalled: that is the same as
 * going on for threads that keep nothing but what they were given, as those of net/worker.c and net/resolve.c do.
 */
#include "kernel_in.h"
#include "sim.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <string.h>

enum { THREADS = 64 };
static const uint64_t never = UINT64_MAX;

static struct thread {
    void *(*fn)(void *arg);
    void *arg;
    uint64_t due_us;
    const void *waits; /* for this condition */
    bool done;
    jmp_buf out;
} threads[THREADS];
static unsigned count;
static struct thread *running;

bool kernel_lazy_threads;

void threads_boot(void)
{
    memset(threads, 0, sizeof(threads));
    count = 0;
    running = NULL;
    kernel_lazy_threads = false;
}

static uint64_t soon(void)
{
    return kernel.now_us + dice_below(&kernel.dice, kernel.weather.jitter_us + 1);
}

uint64_t thread_next_us(void)
{
    uint64_t next = never;
    if (kernel_lazy_threads)
        return never;
    for (unsigned i = 0; i < count; i++)
        if (!threads[i].done && threads[i].waits == NULL && threads[i].due_us < next)
            next = threads[i].due_us;
    return next;
}

unsigned kernel_waiting_threads(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++)
        n += !threads[i].done;
    return n;
}

static void run(struct thread *t)
{
    t->waits = NULL;
    running = t;
    if (setjmp(t->out) == 0) {
        t->fn(t->arg);
        running->done = true;
    }
    running = NULL;
}

void kernel_run_threads(void)
{
    for (unsigned i = 0; running == NULL && !kernel_lazy_threads && i < count; i++)
        if (!threads[i].done && threads[i].waits == NULL && threads[i].due_us <= kernel.now_us)
            run(&threads[i]);
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg)
{
    (void)attr;
    if (fails(CALL_thread))
        return errno;
    if (count == THREADS)
        return EAGAIN;
    threads[count] = (struct thread){ .fn = fn, .arg = arg, .due_us = soon() };
    *out = (pthread_t)++count;
    return 0;
}

int __wrap_pthread_join(pthread_t id, void **result);
int __wrap_pthread_join(pthread_t id, void **result)
{
    struct thread *t = &threads[id - 1];
    (void)result;
    if (!t->done)
        run(t);
    if (!t->done)
        sim_failed(__FILE__, __LINE__, "a thread that is waited for ends");
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    if (running == NULL)
        sim_failed(__FILE__, __LINE__, "the loop's thread waits for nobody");
    running->waits = condition;
    pthread_mutex_unlock(lock);
    longjmp(running->out, 1);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
    for (unsigned i = 0; i < count; i++) {
        if (threads[i].waits != condition)
            continue;
        threads[i].waits = NULL;
        threads[i].due_us = soon();
    }
    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    return __wrap_pthread_cond_broadcast(condition);
}
