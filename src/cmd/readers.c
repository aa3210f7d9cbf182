/* SPDX-License-Identifier: MIT */
#include "cmd/readers.h"
#include "base/mem.h"
#include "wire/wire.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { LOOPS = 256, SHORTEST_US = 125 };

/* One loop's part. */
struct view {
    unsigned at;               /* its own: where it goes on */
    struct readers_seen round; /* its own: this round so far */
    struct readers_seen last;  /* under the lock: the round before */
};

struct readers {
    duet_server *server;
    pthread_mutex_t lock;
    struct view *views[LOOPS]; /* each made by its loop, under the lock */
};

unsigned readers_trip(unsigned us)
{
    unsigned i = 0;
    while (i < READERS_TRIPS - 1 && us >= (unsigned)SHORTEST_US << i)
        i++;
    return i;
}

int readers_new(struct readers **out, duet_server *s)
{
    struct readers *r = mem_zalloc(sizeof(*r));
    if (r == NULL)
        return DUET_ERR_NOMEM;
    r->server = s;
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return 0;
}

void readers_free(struct readers *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < LOOPS; i++)
        mem_free(r->views[i]);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void note_slow(struct top *slow, const duet_conn *c, const duet_conn_stats *stats)
{
    struct wire_about about;
    struct top_entry e = { .value = stats->queued, .other = stats->rtt_us, .id = duet_id(c), .age_ms = duet_age_ms(c) };
    char peer[64];
    wire_describe(c, &about);
    if (about.user != NULL)
        top_name(&e, about.user, about.user_len);
    snprintf(e.note, sizeof(e.note), "%s%s%s", duet_peer(c, peer), about.way[0] ? " " : "", about.way);
    top_add(slow, &e);
}

static void look_at(const duet_conn *c, void *arg)
{
    struct readers_seen *seen = arg;
    duet_conn_stats stats;
    duet_conn_read_stats(c, &stats);
    seen->connections++;
    if (stats.rtt_us == 0)
        seen->unanswered++;
    else
        seen->trips[readers_trip(stats.rtt_us)]++;
    if (top_takes(&seen->slow, stats.queued))
        note_slow(&seen->slow, c, &stats);
}

static struct view *view_of(struct readers *r, unsigned loop)
{
    pthread_mutex_lock(&r->lock);
    if (r->views[loop] == NULL)
        r->views[loop] = mem_zalloc(sizeof(struct view));
    pthread_mutex_unlock(&r->lock);
    return r->views[loop];
}

static void look(duet_server *s, uint64_t loop, void *arg)
{
    struct readers *r = arg;
    struct view *v = view_of(r, loop & 0xff);
    if (v == NULL)
        return; /* without memory nothing is seen */
    v->at = duet_look(s, v->at, READERS_AT_ONCE, look_at, &v->round);
    if (v->at != 0)
        return;
    pthread_mutex_lock(&r->lock);
    v->last = v->round;
    pthread_mutex_unlock(&r->lock);
    memset(&v->round, 0, sizeof(v->round));
}

void readers_look(struct readers *r)
{
    duet_post_all(r->server, look, r); /* whom there was no memory to ask looks a second later */
}

void readers_seen(struct readers *r, struct readers_seen *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < LOOPS; i++) {
        const struct readers_seen *seen = r->views[i] ? &r->views[i]->last : NULL;
        if (seen == NULL)
            continue;
        out->connections += seen->connections;
        out->unanswered += seen->unanswered;
        for (unsigned n = 0; n < READERS_TRIPS; n++)
            out->trips[n] += seen->trips[n];
        for (unsigned n = 0; n < seen->slow.count; n++)
            top_add(&out->slow, &seen->slow.of[n]);
    }
    pthread_mutex_unlock(&r->lock);
}
