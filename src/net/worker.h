/* SPDX-License-Identifier: MIT */
/*
 * A few threads for calls that block, such as those to files. A piece of work is the caller's own struct: nothing is
 * allocated for it and nothing can fail once it was taken.
 *
 *   worker_run()  --->  waiting  --->  run() on a thread of the worker  --->  done() on the loop it came from
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "net/loop.h"

enum { WORKER_THREADS_MOST = 64, WORKER_WAITING_MOST = 4096 };

struct worker;

/* Embedded in what it is about. The caller sets `run` and `done`; the rest is the worker's until `done`. */
struct work {
    struct task posted; /* first */
    struct work *next, **link;
    struct worker *worker;
    duet_loop *loop;
    /* On a thread of the worker, with every signal blocked. It may touch what only this work owns. */
    void (*run)(struct work *);
    /* Once for each that was taken. `ran`: on its loop's thread, after `run`. Else worker_free() gives it back from its
     * own thread, run or not: then there is nothing to do but free. It may queue itself again when it ran. */
    void (*done)(struct work *, bool ran);
};

int worker_new(struct worker **out, unsigned threads); /* 0, DUET_ERR_INVALID, DUET_ERR_NOMEM or -errno */
/* Waits for what runs; what still waits is not run. Each piece whose `done` was not called is given back by it. No loop
 * that work came from may turn meanwhile, and none may be freed before. NULL is fine. */
void worker_free(struct worker *w);

/* Queues one piece, from the thread of `loop`. 0; DUET_ERR_LIMIT when WORKER_WAITING_MOST wait already, and then it was
 * not taken. */
int worker_run(struct worker *w, duet_loop *loop, struct work *work);

#endif
