/* SPDX-License-Identifier: MIT */
#include "cmd/progress.h"
#include "base/mem.h"
#include <stdio.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EVERY_MS = 200 };

struct progress {
    const struct feed *feed;
    duet_timer *timer;
    bool drawn;
};

static void due(void *arg)
{
    struct progress *p = arg;
    struct feed_progress now = feed_progress(p->feed);
    fprintf(stderr, "\r%llu messages, %.1f MB", (unsigned long long)now.messages, (double)now.bytes / 1e6);
    if (now.size > 0)
        fprintf(stderr, ", %.0f %%", 100.0 * (double)now.read / (double)now.size);
    fputs("  ", stderr);
    p->drawn = true;
    duet_timer_set(p->timer, EVERY_MS);
}

struct progress *progress_new(duet_loop *loop, const struct feed *feed)
{
    struct progress *p = isatty(STDERR_FILENO) ? mem_zalloc(sizeof(*p)) : NULL;
    if (p == NULL)
        return NULL;
    p->feed = feed;
    p->timer = duet_timer_new(loop, due, p);
    if (p->timer == NULL) {
        mem_free(p);
        return NULL;
    }
    duet_timer_set(p->timer, FIRST_MS);
    return p;
}

void progress_hide(struct progress *p)
{
    if (p != NULL && p->drawn)
        fprintf(stderr, "\r%60s\r", "");
    if (p != NULL)
        p->drawn = false;
}

void progress_free(struct progress *p)
{
    if (p == NULL)
        return;
    progress_hide(p);
    duet_timer_free(p->timer);
    mem_free(p);
}
