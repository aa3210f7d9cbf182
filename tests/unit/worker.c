/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/mem.h"
#include "net/worker.h"
#include <duet/error.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

struct job {
    struct work work;
    pthread_t loop_thread;
    sem_t *gate;    /* run() waits for it when there is one */
    sem_t *started; /* told when it runs */
    int runs, dones, given_back;
    bool on_loop, masked;
    int again;
};

static void job_run(struct work *work)
{
    struct job *j = (struct job *)work;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    j->masked = sigismember(&set, SIGTERM) == 1;
    if (j->started != NULL)
        sem_post(j->started);
    if (j->gate != NULL)
        sem_wait(j->gate);
    j->runs++;
}

static void job_done(struct work *work, bool ran)
{
    struct job *j = (struct job *)work;
    if (!ran) {
        j->given_back++;
        return;
    }
    j->dones++;
    j->on_loop = pthread_equal(pthread_self(), j->loop_thread) != 0;
    if (j->again > 0) {
        j->again--;
        assert_int_equal(worker_run(work->worker, work->loop, work), 0);
    }
}

static struct job job_make(void)
{
    return (struct job){ .work = { .run = job_run, .done = job_done }, .loop_thread = pthread_self() };
}

static duet_loop *loop_make(void)
{
    duet_loop *l;
    assert_int_equal(duet_loop_new(&l), 0);
    return l;
}

static struct worker *worker_make(unsigned threads)
{
    struct worker *w;
    assert_int_equal(worker_new(&w, threads), 0);
    return w;
}

TEST(worker, runs_elsewhere_and_comes_back_to_the_loop)
{
    duet_loop *l = loop_make();
    struct worker *w = worker_make(3);
    enum { JOBS = 500 };
    struct job *jobs = mem_alloc(JOBS * sizeof(*jobs));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = job_make();
        jobs[i].again = i % 3;
        assert_int_equal(worker_run(w, l, &jobs[i].work), 0);
    }
    int left = JOBS;
    for (int turns = 0; left > 0 && turns < 10000; turns++) {
        duet_loop_turn(l, 100);
        left = 0;
        for (int i = 0; i < JOBS; i++)
            left += jobs[i].dones < 1 + i % 3;
    }
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].runs, 1 + i % 3);
        assert_int_equal(jobs[i].dones, 1 + i % 3);
        assert_int_equal(jobs[i].given_back, 0);
        assert_true(jobs[i].on_loop);
        assert_true(jobs[i].masked);
    }
    worker_free(w);
    duet_loop_free(l);
    mem_free(jobs);
}

TEST(worker, gives_back_what_ran_what_runs_and_what_waits)
{
    duet_loop *l = loop_make();
    struct worker *w = worker_make(1);
    sem_t gate, started;
    sem_init(&gate, 0, 0);
    sem_init(&started, 0, 0);
    struct job ran = job_make(), runs = job_make(), waits = job_make();
    runs.gate = &gate;
    runs.started = &started;
    assert_int_equal(worker_run(w, l, &ran.work), 0);
    assert_int_equal(worker_run(w, l, &runs.work), 0);
    sem_wait(&started); /* one thread: `ran` is over, and its done is posted */
    assert_int_equal(worker_run(w, l, &waits.work), 0);
    sem_post(&gate);
    worker_free(w);
    assert_int_equal(ran.runs, 1);
    assert_int_equal(ran.given_back, 1);
    assert_int_equal(runs.runs, 1);
    assert_int_equal(runs.given_back, 1);
    assert_int_equal(waits.given_back, 1);
    duet_loop_turn(l, 0); /* nothing of them is left in the loop */
    assert_int_equal(ran.dones + runs.dones + waits.dones, 0);
    duet_loop_free(l);
    sem_destroy(&gate);
    sem_destroy(&started);
}

TEST(worker, takes_as_many_as_its_limit_and_no_more)
{
    duet_loop *l = loop_make();
    struct worker *w = worker_make(1);
    sem_t gate, started;
    sem_init(&gate, 0, 0);
    sem_init(&started, 0, 0);
    struct job first = job_make();
    first.gate = &gate;
    first.started = &started;
    assert_int_equal(worker_run(w, l, &first.work), 0);
    sem_wait(&started);
    struct job *jobs = mem_alloc((WORKER_WAITING_MOST + 1) * sizeof(*jobs));
    for (int i = 0; i <= WORKER_WAITING_MOST; i++) {
        jobs[i] = job_make();
        int rc = worker_run(w, l, &jobs[i].work);
        assert_int_equal(rc, i < WORKER_WAITING_MOST ? 0 : DUET_ERR_LIMIT);
    }
    sem_post(&gate);
    for (int turns = 0; jobs[WORKER_WAITING_MOST - 1].dones == 0 && turns < 10000; turns++)
        duet_loop_turn(l, 100);
    assert_int_equal(worker_run(w, l, &jobs[WORKER_WAITING_MOST].work), 0); /* there is room again */
    worker_free(w);
    struct job *last = &jobs[WORKER_WAITING_MOST];
    assert_int_equal(last->dones + last->given_back, 1);
    mem_free(jobs);
    duet_loop_free(l);
    sem_destroy(&gate);
    sem_destroy(&started);
}

TEST(worker, refuses_a_number_of_threads_out_of_range)
{
    struct worker *w;
    assert_int_equal(worker_new(&w, 0), DUET_ERR_INVALID);
    assert_int_equal(worker_new(&w, WORKER_THREADS_MOST + 1), DUET_ERR_INVALID);
    w = worker_make(WORKER_THREADS_MOST);
    worker_free(w);
    worker_free(NULL);
}

TEST(worker, needs_memory_only_to_begin)
{
    struct worker *w;
    mem_fail(0, true);
    assert_int_equal(worker_new(&w, 1), DUET_ERR_NOMEM);
    mem_fail_end();
    duet_loop *l = loop_make();
    w = worker_make(1);
    struct job j = job_make();
    mem_fail(0, true);
    int rc = worker_run(w, l, &j.work);
    for (int turns = 0; j.dones == 0 && turns < 100; turns++)
        duet_loop_turn(l, 100);
    worker_free(w);
    assert_int_equal(mem_fail_end(), 0);
    assert_int_equal(rc, 0);
    assert_int_equal(j.dones, 1);
    duet_loop_free(l);
}
