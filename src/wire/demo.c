/* SPDX-License-Identifier: MIT */
#include "wire/demo.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "wire/plain.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    TOKEN = 32,
    TRACES = 256,            /* the oldest gives its place up */
    EVENTS_MOST = 64 * 1024, /* bytes kept of one connection; then only the live ones go on */
    READERS = 4,
    TICKS = 100
};

/* One connection's events as they are streamed; under `lock`, since who reads may be on another thread. */
struct trace {
    char token[TOKEN + 1]; /* "": not named yet */
    bool used, owned, ended;
    uint64_t number; /* grows with each that is made */
    uint64_t start_ms;
    struct buf events;
    uint64_t readers[READERS];
    unsigned reader_count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct trace traces[TRACES];
static uint64_t made;

static uint64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct trace *find(const char *token)
{
    for (int i = 0; i < TRACES; i++)
        if (traces[i].used && strcmp(traces[i].token, token) == 0 && token[0] != 0)
            return &traces[i];
    return NULL;
}

/* A free place, or the oldest whose connection has ended; NULL when 256 are open. */
static struct trace *make(const char *token)
{
    struct trace *best = NULL;
    for (int i = 0; i < TRACES; i++) {
        struct trace *t = &traces[i];
        if (!t->used) {
            best = t;
            break;
        }
        if ((t->ended || !t->owned) && (best == NULL || t->number < best->number))
            best = t;
    }
    if (best == NULL)
        return NULL;
    buf_fini(&best->events);
    *best = (struct trace){ .used = true, .number = ++made, .start_ms = monotonic_ms() };
    memcpy(best->token, token, strlen(token) + 1);
    return best;
}

static void topic_of(const char *token, char out[64])
{
    snprintf(out, 64, "trace:%s", token);
}

/* Keeps an event and sends it to who reads already. Called with `lock` held, so that a reader that joins gets each
 * event once: from what is kept, or as it comes. */
static void say(duet_server *s, struct trace *t, const struct buf *event)
{
    char topic[64];
    if (event->failed)
        return;
    if (t->events.len + event->len <= EVENTS_MOST)
        buf_put(&t->events, event->at, event->len);
    if (t->reader_count == 0)
        return;
    topic_of(t->token, topic);
    duet_publish(s, topic, DUET_TEXT, event->at, event->len);
}

static struct trace *trace_of(duet_conn *c)
{
    return ((struct client *)duet_data(c))->demo;
}

void demo_upgrade(duet_http *x, const duet_request *r)
{
    (void)r;
    struct client *client = duet_http_data(x);
    pthread_mutex_lock(&lock);
    struct trace *t = make("");
    if (t != NULL)
        t->owned = true;
    pthread_mutex_unlock(&lock);
    if (t == NULL) {
        duet_http_text(x, 503, "too many are looking at their frames: try again later");
        return;
    }
    *client = (struct client){ .kind = CLIENT_DEMO, .demo = t };
    if (duet_http_upgrade(x, NULL, NULL) < 0) {
        t->ended = true;
        *client = (struct client){ 0 };
        duet_http_text(x, 503, "out of memory");
    }
}

void demo_head(duet_conn *c, bool sent, const char *head, size_t len)
{
    struct trace *t = trace_of(c);
    struct buf b;
    buf_init(&b, NULL, 0);
    buf_printf(&b, "event: %s\ndata: {\"head\":", sent ? "response" : "request");
    json_put_string(&b, head, len);
    buf_puts(&b, "}\n\n");
    pthread_mutex_lock(&lock);
    say(duet_server_of(c), t, &b);
    pthread_mutex_unlock(&lock);
    buf_fini(&b);
}

void demo_frame(duet_conn *c, const duet_trace *f)
{
    struct trace *t = trace_of(c);
    struct buf b;
    char space[256];
    if (t == NULL)
        return;
    buf_init(&b, space, sizeof(space));
    buf_printf(&b,
               "event: frame\ndata: {\"dir\":\"%s\",\"fin\":%d,\"rsv\":%u,\"opcode\":%u,\"masked\":%d,\"length\":%llu,"
               "\"head\":\"",
               f->sent ? "out" : "in", f->final, f->rsv, f->opcode, f->masked, (unsigned long long)f->length);
    for (size_t i = 0; i < f->head_len; i++)
        buf_printf(&b, "%02x", f->head[i]);
    buf_printf(&b, "\",\"ms\":%llu}\n\n", (unsigned long long)(monotonic_ms() - t->start_ms));
    pthread_mutex_lock(&lock);
    say(duet_server_of(c), t, &b);
    pthread_mutex_unlock(&lock);
    buf_fini(&b);
}

void demo_open(duet_conn *c)
{
    duet_conn_trace(c);
}

/* {"trace":"<32 hex>"}; false when it is anything else. */
static bool token_in(const duet_msg *m, char token[TOKEN + 1])
{
    static const char before[] = "{\"trace\":\"", behind[] = "\"}";
    const char *text = m->data;
    if (m->len != sizeof(before) - 1 + TOKEN + sizeof(behind) - 1 || memcmp(text, before, sizeof(before) - 1) != 0 ||
        memcmp(text + m->len - 2, behind, 2) != 0)
        return false;
    memcpy(token, text + sizeof(before) - 1, TOKEN);
    token[TOKEN] = 0;
    return strspn(token, "0123456789abcdef") == TOKEN;
}

/* The trace gets its name. A reader that came before waits under that name: its place goes, its readers stay. */
static void name_trace(duet_conn *c, struct trace *t, const char *token)
{
    char topic[64];
    pthread_mutex_lock(&lock);
    struct trace *waiting = find(token);
    if (waiting != NULL && waiting->owned) {
        pthread_mutex_unlock(&lock);
        return; /* somebody's already */
    }
    memcpy(t->token, token, TOKEN + 1);
    if (waiting != NULL) {
        memcpy(t->readers, waiting->readers, sizeof(t->readers));
        t->reader_count = waiting->reader_count;
        buf_fini(&waiting->events);
        *waiting = (struct trace){ 0 };
        topic_of(token, topic);
        duet_publish(duet_server_of(c), topic, DUET_TEXT, t->events.at, t->events.len);
    }
    pthread_mutex_unlock(&lock);
}

static bool says(const duet_msg *m, const char *word)
{
    return m->type == DUET_TEXT && m->len == strlen(word) && memcmp(m->data, word, m->len) == 0;
}

void demo_message(duet_conn *c, const duet_msg *m)
{
    struct trace *t = trace_of(c);
    char token[TOKEN + 1];
    if (t->token[0] == 0 && m->type == DUET_TEXT && token_in(m, token))
        name_trace(c, t, token);
    else if (says(m, "close"))
        duet_close(c, DUET_CODE_NORMAL, "bye");
    else if (says(m, "ping"))
        duet_ping(c);
    else
        duet_send(c, m->type, m->data, m->len);
}

void demo_pong(duet_conn *c, unsigned rtt_us)
{
    struct client *client = duet_data(c);
    char space[64];
    struct buf b;
    if (client->kind != CLIENT_DEMO)
        return;
    buf_init(&b, space, sizeof(space));
    buf_printf(&b, "event: rtt\ndata: {\"us\":%u}\n\n", rtt_us);
    pthread_mutex_lock(&lock);
    say(duet_server_of(c), client->demo, &b);
    pthread_mutex_unlock(&lock);
    buf_fini(&b);
}

static void end_reader(duet_server *s, uint64_t id, void *arg)
{
    (void)arg;
    duet_http *x = duet_http_find(s, id);
    if (x != NULL)
        duet_http_end(x);
}

void demo_close(duet_conn *c, const duet_closing *why)
{
    struct trace *t = trace_of(c);
    struct buf b;
    unsigned code = why->code == DUET_CODE_LOST && why->sent ? why->sent : why->code;
    buf_init(&b, NULL, 0);
    buf_printf(&b, "event: close\ndata: {\"code\":%u,\"reason\":", code);
    json_put_string(&b, why->reason ? why->reason : "", why->reason_len);
    buf_printf(&b, ",\"clean\":%s}\n\n", why->error == 0 ? "true" : "false");
    pthread_mutex_lock(&lock);
    say(duet_server_of(c), t, &b);
    t->ended = true;
    for (unsigned i = 0; i < t->reader_count; i++)
        duet_post(duet_server_of(c), t->readers[i], end_reader, NULL);
    pthread_mutex_unlock(&lock);
    buf_fini(&b);
}

/* What was kept, and then what comes. */
static void read_trace(duet_http *x, struct trace *t)
{
    static const duet_header fields[] = { { "Content-Type", "text/event-stream" },
                                          { "Cache-Control", "no-store" },
                                          { "X-Accel-Buffering", "no" },
                                          { NULL, NULL } };
    char topic[64];
    if (duet_http_begin(x, 200, fields) < 0)
        return;
    duet_http_write(x, ": the trace of your connection\n\n", 32);
    duet_http_write(x, t->events.at, t->events.len);
    if (t->ended) {
        duet_http_end(x);
        return;
    }
    topic_of(t->token, topic);
    t->readers[t->reader_count++] = duet_http_id(x);
    duet_http_subscribe(x, topic);
}

void demo_trace(duet_http *x, const duet_request *r)
{
    const char *token = strrchr(duet_request_path(r), '/') + 1;
    if (strlen(token) != TOKEN || strspn(token, "0123456789abcdef") != TOKEN) {
        duet_http_text(x, 404, "no such trace");
        return;
    }
    pthread_mutex_lock(&lock);
    struct trace *t = find(token);
    if (t == NULL)
        t = make(token);
    bool full = t == NULL || t->reader_count == READERS;
    if (!full)
        read_trace(x, t);
    pthread_mutex_unlock(&lock);
    if (full)
        duet_http_text(x, 503, "too many are looking: try again later");
}

/* Ticks: made up, and the same for who polls and who is pushed to. */

static struct tick {
    uint64_t n, ms;
    double price;
} ticks[TICKS];
static uint64_t tick_count;
static atomic_uint watchers;
static atomic_ullong polled_ms;

bool demo_wanted(void)
{
    enum { PATIENCE_MS = 10000 };
    return atomic_load(&watchers) > 0 || monotonic_ms() - atomic_load(&polled_ms) < PATIENCE_MS;
}

void demo_watched(bool more)
{
    if (more)
        atomic_fetch_add(&watchers, 1);
    else
        atomic_fetch_sub(&watchers, 1);
}

static uint64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void put_tick(struct buf *b, const struct tick *t)
{
    buf_printf(b, "{\"n\":%llu,\"t\":%llu,\"price\":%.2f}", (unsigned long long)t->n, (unsigned long long)t->ms,
               t->price);
}

void demo_tick(duet_server *s)
{
    char topic[256], space[128];
    struct buf b;
    pthread_mutex_lock(&lock);
    const struct tick *last = &ticks[(tick_count + TICKS - 1) % TICKS];
    struct tick *t = &ticks[tick_count % TICKS];
    double price = tick_count ? last->price : 100;
    /* A walk that comes home: no randomness is needed for a picture. */
    uint64_t step = (tick_count * 2654435761u >> 7) % 101;
    price += ((double)step - 50) / 100 + (100 - price) / 50;
    *t = (struct tick){ .n = ++tick_count, .ms = wall_ms(), .price = price };
    buf_init(&b, space, sizeof(space));
    put_tick(&b, t);
    pthread_mutex_unlock(&lock);
    plain_topic("demo-ticks", topic);
    duet_publish(s, topic, DUET_TEXT, b.at, b.len);
    buf_fini(&b);
}

void demo_ticks(duet_http *x, const duet_request *r)
{
    static const duet_header fields[] = { { "Content-Type", "application/json" },
                                          { "Cache-Control", "no-store" },
                                          { NULL, NULL } };
    char text[24];
    uint64_t after = 0;
    struct buf b;
    if (duet_request_param(r, "after", text, sizeof(text)) > 0)
        sscanf(text, "%lu", &after);
    buf_init(&b, NULL, 0);
    buf_puts(&b, "[");
    atomic_store(&polled_ms, monotonic_ms());
    pthread_mutex_lock(&lock);
    uint64_t from = tick_count > TICKS ? tick_count - TICKS : 0;
    for (uint64_t n = after > from ? after : from; n < tick_count; n++) {
        if (b.len > 1)
            buf_puts(&b, ",");
        put_tick(&b, &ticks[n % TICKS]);
    }
    pthread_mutex_unlock(&lock);
    buf_puts(&b, "]");
    if (b.failed || duet_http_reply(x, 200, fields, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory");
    buf_fini(&b);
}
