/* SPDX-License-Identifier: MIT */
#include "net/worker.h"
#include "base/mem.h"
#include <signal.h>

/* Doubly linked, since finished work leaves in any order. */
struct list {
    struct work *first, **last;
};

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t some; /* something waits, or it ends */
    struct list waiting; /* under `lock`, as all below */
    struct list ran;     /* posted, `done` not called yet */
    unsigned count;      /* that wait */
    bool ending;
    unsigned threads; /* that were started */
    pthread_t thread[WORKER_THREADS_MOST];
};

static void list_init(struct list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_put(struct list *l, struct work *work)
{
    work->next = NULL;
    work->link = l->last;
    *l->last = work;
    l->last = &work->next;
}

static void list_take(struct list *l, struct work *work)
{
    *work->link = work->next;
    if (work->next != NULL)
        work->next->link = work->link;
    else
        l->last = work->link;
}

static void deliver(struct task *t)
{
    struct work *work = (struct work *)t;
    struct worker *w = work->worker;
    pthread_mutex_lock(&w->lock);
    list_take(&w->ran, work);
    pthread_mutex_unlock(&w->lock);
    work->done(work, true);
}

static void *work_on(void *arg)
{
    struct worker *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->waiting.first == NULL && !w->ending)
            pthread_cond_wait(&w->some, &w->lock);
        if (w->ending)
            break;
        struct work *work = w->waiting.first;
        list_take(&w->waiting, work);
        w->count--;
        pthread_mutex_unlock(&w->lock);
        work->run(work);
        pthread_mutex_lock(&w->lock);
        list_put(&w->ran, work);
        /* Inside the lock: worker_free() finds each piece in a list, and in no loop that does not know it yet. */
        loop_post_task(work->loop, &work->posted);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int start_threads(struct worker *w, unsigned threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    while (rc == 0 && w->threads < threads) {
        rc = pthread_create(&w->thread[w->threads], NULL, work_on, w);
        w->threads += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

int worker_new(struct worker **out, unsigned threads)
{
    if (threads == 0 || threads > WORKER_THREADS_MOST)
        return DUET_ERR_INVALID;
    struct worker *w = mem_zalloc(sizeof(*w));
    if (w == NULL)
        return DUET_ERR_NOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->some, NULL);
    list_init(&w->waiting);
    list_init(&w->ran);
    int rc = start_threads(w, threads);
    if (rc < 0) {
        worker_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->some);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->threads; i++)
        pthread_join(w->thread[i], NULL);
    for (struct work *work; (work = w->ran.first) != NULL;) {
        list_take(&w->ran, work);
        loop_unpost(work->loop, &work->posted);
        work->done(work, false);
    }
    for (struct work *work; (work = w->waiting.first) != NULL;) {
        list_take(&w->waiting, work);
        work->done(work, false);
    }
    pthread_cond_destroy(&w->some);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

int worker_run(struct worker *w, duet_loop *loop, struct work *work)
{
    work->posted = (struct task){ .run = deliver };
    work->worker = w;
    work->loop = loop;
    pthread_mutex_lock(&w->lock);
    bool full = w->count >= WORKER_WAITING_MOST;
    if (!full) {
        list_put(&w->waiting, work);
        w->count++;
        pthread_cond_signal(&w->some);
    }
    pthread_mutex_unlock(&w->lock);
    return full ? DUET_ERR_LIMIT : 0;
}
