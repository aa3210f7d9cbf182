/* SPDX-License-Identifier: MIT */
#include "cmd/traces.h"
#include "base/clock.h"
#include "base/mem.h"
#include <pthread.h>
#include <string.h>

enum { MOST = 512, READERS = 4, EVENTS_MOST = 200, BYTES_MOST = 64 * 1024, READ_MOST = 16 * 1024, LINGER_MS = 10000 };

struct event {
    struct event *next;
    size_t len;
    char text[];
};

struct reader {
    uint64_t id;   /* 0: free */
    uint64_t next; /* the number of the event that it gets next */
    bool woken;    /* a wake is posted */
};

/* Waits for its connection, has it, or outlives it. */
enum state { WAITING, LIVING, ENDED };

struct trace {
    char token[TRACES_TOKEN];
    bool named;
    enum state state;
    duet_server *server;
    struct buf heads;           /* number 0: kept as long as the trace */
    struct event *first, *last; /* numbers first_number to next_number - 1 */
    uint64_t first_number, next_number;
    size_t count, bytes;
    uint64_t ended_ms;
    struct reader readers[READERS];
};

struct traces {
    pthread_mutex_t lock; /* of everything below, the traces too */
    struct trace *at[MOST];
    void (*wake)(duet_server *s, uint64_t id, void *unused);
};

bool traces_is_token(const char *text, size_t len)
{
    return len == TRACES_TOKEN && strspn(text, "0123456789abcdef") >= TRACES_TOKEN;
}

int traces_new(struct traces **out, void (*wake)(duet_server *s, uint64_t id, void *unused))
{
    struct traces *all = mem_zalloc(sizeof(*all));
    if (all == NULL)
        return DUET_ERR_NOMEM;
    pthread_mutex_init(&all->lock, NULL);
    all->wake = wake;
    *out = all;
    return 0;
}

static void drop_first(struct trace *t)
{
    struct event *e = t->first;
    t->first = e->next;
    if (t->first == NULL)
        t->last = NULL;
    t->first_number++;
    t->count--;
    t->bytes -= e->len;
    mem_free(e);
}

static void free_trace(struct trace *t)
{
    while (t->first != NULL)
        drop_first(t);
    buf_fini(&t->heads);
    mem_free(t);
}

void traces_free(struct traces *all)
{
    if (all == NULL)
        return;
    for (int i = 0; i < MOST; i++)
        if (all->at[i] != NULL)
            free_trace(all->at[i]);
    pthread_mutex_destroy(&all->lock);
    mem_free(all);
}

static bool has_readers(const struct trace *t)
{
    for (int i = 0; i < READERS; i++)
        if (t->readers[i].id != 0)
            return true;
    return false;
}

/* An ended one is kept for readers who come back, or come late. */
static bool is_over(const struct trace *t, uint64_t now)
{
    if (has_readers(t) || t->state == LIVING)
        return false;
    return t->state == WAITING || !t->named || now - t->ended_ms >= LINGER_MS;
}

static void forget(struct traces *all, struct trace *t)
{
    for (int i = 0; i < MOST; i++)
        if (all->at[i] == t)
            all->at[i] = NULL;
    free_trace(t);
}

/* A new one, in a free place; what is over makes place first. */
static struct trace *add(struct traces *all, duet_server *s, enum state state)
{
    int place = -1;
    uint64_t now = clock_ms();
    for (int i = 0; i < MOST; i++) {
        if (all->at[i] != NULL && is_over(all->at[i], now)) {
            free_trace(all->at[i]);
            all->at[i] = NULL;
        }
        if (all->at[i] == NULL)
            place = i;
    }
    struct trace *t = place >= 0 ? mem_zalloc(sizeof(*t)) : NULL;
    if (t == NULL)
        return NULL;
    t->server = s;
    t->state = state;
    t->first_number = t->next_number = 1;
    return all->at[place] = t;
}

static struct trace *find(struct traces *all, const char *token)
{
    for (int i = 0; i < MOST; i++)
        if (all->at[i] != NULL && all->at[i]->named && memcmp(all->at[i]->token, token, TRACES_TOKEN) == 0)
            return all->at[i];
    return NULL;
}

static struct event *event_of(const struct buf *b)
{
    struct event *e = b->failed ? NULL : mem_alloc(sizeof(*e) + b->len);
    if (e == NULL)
        return NULL;
    e->next = NULL;
    e->len = b->len;
    memcpy(e->text, b->at, b->len);
    return e;
}

static void wake_readers(struct traces *all, struct trace *t)
{
    for (int i = 0; i < READERS; i++) {
        struct reader *r = &t->readers[i];
        if (r->id != 0 && !r->woken)
            r->woken = duet_post(t->server, r->id, all->wake, NULL) == 0;
    }
}

struct trace *traces_begin(struct traces *all, duet_server *s, const struct buf *request)
{
    pthread_mutex_lock(&all->lock);
    struct trace *t = add(all, s, LIVING);
    if (t != NULL)
        buf_put(&t->heads, request->at, request->len);
    if (t != NULL && (request->failed || t->heads.failed)) {
        forget(all, t);
        t = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    return t;
}

void trace_put_head(struct traces *all, struct trace *t, const struct buf *response)
{
    if (t == NULL || response->failed)
        return;
    pthread_mutex_lock(&all->lock);
    buf_put(&t->heads, response->at, response->len);
    pthread_mutex_unlock(&all->lock);
}

/* A reader was here first: what was written meanwhile becomes its trace's. */
static void move_events(struct trace *to, struct trace *from)
{
    to->heads = from->heads;
    to->first = from->first;
    to->last = from->last;
    to->first_number = from->first_number;
    to->next_number = from->next_number;
    to->count = from->count;
    to->bytes = from->bytes;
    from->first = from->last = NULL;
    buf_init(&from->heads, NULL, 0);
}

struct trace *traces_name(struct traces *all, struct trace *t, const char token[TRACES_TOKEN])
{
    pthread_mutex_lock(&all->lock);
    struct trace *other = find(all, token);
    if (other == NULL) {
        memcpy(t->token, token, TRACES_TOKEN);
        t->named = true;
    } else if (other->state == WAITING) {
        move_events(other, t);
        forget(all, t);
        other->state = LIVING;
        t = other;
        wake_readers(all, t);
    } else {
        forget(all, t);
        t = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    return t;
}

void trace_put(struct traces *all, struct trace *t, const struct buf *event)
{
    struct event *e = t ? event_of(event) : NULL;
    if (e == NULL)
        return;
    pthread_mutex_lock(&all->lock);
    *(t->last ? &t->last->next : &t->first) = e;
    t->last = e;
    t->next_number++;
    t->count++;
    t->bytes += e->len;
    while (t->count > EVENTS_MOST || (t->bytes > BYTES_MOST && t->count > 1))
        drop_first(t);
    wake_readers(all, t);
    pthread_mutex_unlock(&all->lock);
}

void trace_end(struct traces *all, struct trace *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&all->lock);
    t->state = ENDED;
    t->ended_ms = clock_ms();
    wake_readers(all, t);
    if (!t->named)
        forget(all, t);
    pthread_mutex_unlock(&all->lock);
}

int traces_follow(struct traces *all, duet_server *s, const char token[TRACES_TOKEN], uint64_t id, struct trace **out)
{
    int place = -1;
    pthread_mutex_lock(&all->lock);
    struct trace *t = find(all, token);
    if (t == NULL && (t = add(all, s, WAITING)) != NULL) {
        memcpy(t->token, token, TRACES_TOKEN);
        t->named = true;
    }
    for (int i = 0; t != NULL && i < READERS && place < 0; i++)
        if (t->readers[i].id == 0)
            place = i;
    if (place >= 0) {
        t->readers[place] = (struct reader){ .id = id };
        *out = t;
    }
    pthread_mutex_unlock(&all->lock);
    return place;
}

/* The events from `number` on are put as far as READ_MOST allows; the number of the next. */
static uint64_t put_events(const struct trace *t, uint64_t number, struct buf *out)
{
    if (number < t->first_number)
        number = t->first_number; /* the reader is slow, and these are gone */
    const struct event *e = t->first;
    for (uint64_t at = t->first_number; at < number && e != NULL; at++)
        e = e->next;
    for (; e != NULL && out->len < READ_MOST; e = e->next, number++)
        buf_put(out, e->text, e->len);
    return number;
}

enum traces_more trace_read(struct traces *all, struct trace *t, int reader, struct buf *out)
{
    enum traces_more more = TRACES_WAIT;
    pthread_mutex_lock(&all->lock);
    struct reader *r = &t->readers[reader];
    r->woken = false;
    if (t->heads.len > 0) {
        if (r->next == 0)
            buf_put(out, t->heads.at, t->heads.len);
        r->next = put_events(t, r->next ? r->next : 1, out);
        more = r->next < t->next_number ? TRACES_MORE : t->state == ENDED ? TRACES_OVER : TRACES_WAIT;
    }
    pthread_mutex_unlock(&all->lock);
    return more;
}

void trace_unfollow(struct traces *all, struct trace *t, int reader)
{
    pthread_mutex_lock(&all->lock);
    t->readers[reader].id = 0;
    if (is_over(t, clock_ms()))
        forget(all, t);
    pthread_mutex_unlock(&all->lock);
}
