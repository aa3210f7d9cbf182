/* SPDX-License-Identifier: MIT */
#include "hook/hook.h"
#include "base/clock.h"
#include "base/loglimit.h"
#include "base/mem.h"
#include "hook/breaker.h"
#include "hook/courier.h"
#include "hook/transfer.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_MS = 1000, RETRY_MS = 10, CONNECTIONS_MOST = 64 };

/* A question on its way to the backend and back. */
struct ask {
    struct ask *next;
    struct hooks *hooks;
    enum hook_kind kind;
    char *fields;
    struct transfer transfer;
    bool good;
    duet_server *server;
    uint64_t id, tag;
    void (*done)(duet_server *s, uint64_t id, uint64_t tag, const struct hook_answer *answer);
};

struct hooks {
    struct hooks_config config;
    CURLM *multi;
    pthread_t thread;
    bool runs; /* the thread */
    struct outbox *box;     /* NULL: nothing is told */
    struct courier courier; /* of it */

    pthread_mutex_t lock; /* of `asked`, `stopping` */
    struct ask *asked, **asked_last;
    bool stopping;

    /* The thread's. */
    struct breaker breakers[HOOK_KINDS];
    struct loglimit loglimit;
    struct ask *unposted; /* answered, and there was no memory to say so */
    struct ask *under_way;

    atomic_ullong waiting, asked_count[HOOK_KINDS], failed_count[HOOK_KINDS];
};

const char *hook_name(enum hook_kind kind)
{
    static const char *const names[] = {
#define HOOK_TEXT(name, text) text,
        HOOK_KINDS_X(HOOK_TEXT)
#undef HOOK_TEXT
    };
    return names[kind];
}

static void say(const struct hooks *h, const duet_log_event *event)
{
    if (h->config.log != NULL)
        h->config.log(h->config.arg, event);
}

/* Answers. */

static void ask_free(struct ask *a)
{
    transfer_fini(&a->transfer, a->hooks->multi);
    mem_free(a->fields);
    mem_free(a);
}

static void deliver(duet_server *s, uint64_t id, void *arg)
{
    struct ask *a = arg;
    struct hook_answer answer = { a->good ? a->transfer.answer.at : NULL, a->good ? a->transfer.answer.len : 0 };
    a->done(s, id, a->tag, &answer);
    buf_fini(&a->transfer.answer);
    mem_free(a);
}

/* Only what `deliver` needs is left of it then: it may run after the hooks are gone. */
static void post(struct hooks *h, struct ask *a)
{
    struct buf answer = a->transfer.answer;
    buf_init(&a->transfer.answer, NULL, 0);
    transfer_fini(&a->transfer, h->multi);
    a->transfer.answer = answer;
    mem_free(a->fields);
    a->fields = NULL;
    int rc = duet_post(a->server, a->id, deliver, a);
    if (rc == 0)
        atomic_fetch_sub(&h->waiting, 1);
    if (rc < 0) {
        a->next = h->unposted;
        h->unposted = a;
    }
}

static void post_again(struct hooks *h)
{
    struct ask *a = h->unposted;
    h->unposted = NULL;
    while (a != NULL) {
        struct ask *next = a->next;
        post(h, a);
        a = next;
    }
}

static void fail(struct hooks *h, struct ask *a, const char *why)
{
    duet_log_event e = { .level = DUET_LOG_WARNING, .event = "hook_failed" };
    char detail[HOOK_WHY + 200];
    atomic_fetch_add(&h->failed_count[a->kind], 1);
    if (why != NULL && loglimit_take(&h->loglimit, hook_name(a->kind), clock_ms(), &e.suppressed)) {
        snprintf(detail, sizeof(detail), "%s, %.150s: %.190s", hook_name(a->kind), h->config.urls[a->kind], why);
        e.detail = detail;
        say(h, &e);
    }
    a->good = false;
    post(h, a);
}

static void say_state(struct hooks *h, enum hook_kind kind, bool down)
{
    char detail[300];
    duet_log_event e = { .level = DUET_LOG_INFO, .event = "hook_up", .detail = detail };
    if (down) {
        e.level = DUET_LOG_ERROR;
        e.event = "hook_down";
    }
    snprintf(detail, sizeof(detail), "%s, %.150s: %s", hook_name(kind), h->config.urls[kind],
             down ? "it has failed five times in a row, and is left alone for a while" : "it answers again");
    say(h, &e);
}

static void unlink_ask(struct hooks *h, const struct ask *a)
{
    struct ask **at = &h->under_way;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
}

static void finish(struct hooks *h, struct ask *a, CURLcode result)
{
    char why[TRANSFER_WHY];
    struct breaker *b = &h->breakers[a->kind];
    unlink_ask(h, a);
    a->good = transfer_end(&a->transfer, result, why);
    if (a->good ? breaker_good(b) : breaker_bad(b, clock_ms()))
        say_state(h, a->kind, !a->good);
    if (a->good)
        post(h, a);
    else
        fail(h, a, why);
}

/* Questions. */

static void begin(struct hooks *h, struct ask *a)
{
    const struct transfer_want want = {
        .url = h->config.urls[a->kind], .timeout_ms = h->config.timeout_ms, .fields = a->fields, .owner = a
    };
    if (!breaker_allows(&h->breakers[a->kind], clock_ms())) {
        fail(h, a, NULL);
        return;
    }
    if (transfer_begin(&a->transfer, h->multi, &want) < 0) {
        breaker_bad(&h->breakers[a->kind], clock_ms());
        fail(h, a, "out of memory");
        return;
    }
    a->next = h->under_way;
    h->under_way = a;
}

/* What was asked since; whether to stop. */
static bool take_asked(struct hooks *h, struct ask **first)
{
    pthread_mutex_lock(&h->lock);
    *first = h->asked;
    h->asked = NULL;
    h->asked_last = &h->asked;
    bool stopping = h->stopping;
    pthread_mutex_unlock(&h->lock);
    return stopping;
}

bool hooks_has(const struct hooks *h, enum hook_kind kind)
{
    return h != NULL && h->config.urls[kind] != NULL;
}

static struct ask *ask_new(struct hooks *h, const struct hook_question *q)
{
    struct ask *a = mem_zalloc(sizeof(*a));
    char *fields = q->fields ? mem_strdup(q->fields) : NULL;
    if (a == NULL || (q->fields != NULL && fields == NULL) || q->body->failed) {
        mem_free(fields);
        mem_free(a);
        return NULL;
    }
    *a = (struct ask){ .hooks = h, .kind = q->kind, .fields = fields, .server = q->server, .id = q->id, .tag = q->tag };
    a->done = q->done;
    /* What stands in the caller's memory moves into one's own. */
    buf_init(&a->transfer.body, NULL, 0);
    buf_put(&a->transfer.body, q->body->at, q->body->len);
    if (!a->transfer.body.failed)
        return a;
    ask_free(a);
    return NULL;
}

int hooks_ask(struct hooks *h, const struct hook_question *q)
{
    assert(hooks_has(h, q->kind));
    bool room = atomic_fetch_add(&h->waiting, 1) < HOOK_ASKED_MOST;
    struct ask *a = room ? ask_new(h, q) : NULL;
    buf_fini(q->body);
    if (a == NULL) {
        atomic_fetch_sub(&h->waiting, 1);
        return room ? DUET_ERR_NOMEM : DUET_ERR_LIMIT;
    }
    pthread_mutex_lock(&h->lock);
    bool stopping = h->stopping;
    if (!stopping) {
        *h->asked_last = a;
        h->asked_last = &a->next;
    }
    pthread_mutex_unlock(&h->lock);
    if (stopping) { /* nobody is there to answer it */
        atomic_fetch_sub(&h->waiting, 1);
        ask_free(a);
        return DUET_ERR_CLOSED;
    }
    atomic_fetch_add(&h->asked_count[q->kind], 1);
    curl_multi_wakeup(h->multi);
    return 0;
}

void hooks_tell(struct hooks *h, const struct hook_event *e)
{
    if (h == NULL || h->box == NULL)
        return;
    outbox_put(h->box, e);
    courier_wake(&h->courier);
}

/* The thread. */

static void read_results(struct hooks *h)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
        char *owner = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode result = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
        finish(h, (struct ask *)(void *)owner, result);
    }
}

/* One turn; what it waits for at the most. */
static unsigned turn(struct hooks *h, struct ask *first)
{
    int running;
    while (first != NULL) {
        struct ask *next = first->next;
        begin(h, first);
        first = next;
    }
    curl_multi_perform(h->multi, &running);
    read_results(h);
    post_again(h);
    return h->unposted != NULL ? RETRY_MS : IDLE_MS;
}

/* Nobody waits for an answer any more. */
static void drop_asked(struct hooks *h, struct ask *first)
{
    while (h->under_way != NULL) {
        struct ask *a = h->under_way;
        unlink_ask(h, a);
        fail(h, a, NULL);
    }
    while (first != NULL) {
        struct ask *next = first->next;
        fail(h, first, NULL);
        first = next;
    }
}

static void *run(void *arg)
{
    struct hooks *h = arg;
    struct ask *first;
    while (!take_asked(h, &first)) {
        unsigned wait = turn(h, first);
        curl_multi_poll(h->multi, NULL, 0, (int)wait, NULL);
    }
    drop_asked(h, first);
    return NULL;
}

/* Making and ending. */

static int start_courier(struct hooks *h, char why[HOOK_WHY])
{
    const struct hooks_config *config = &h->config;
    h->courier = (struct courier){ .url = config->events_url, .timeout_ms = config->timeout_ms, .log = config->log };
    h->courier.least_ms = config->retry_ms;
    h->courier.arg = config->arg;
    int rc = outbox_open(&h->box, config->folder, clock_wall_ms(), why);
    if (rc < 0)
        return rc;
    h->courier.box = h->box;
    return courier_start(&h->courier);
}

static int start(struct hooks *h, char why[HOOK_WHY])
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->multi = curl_multi_init();
    if (h->multi == NULL)
        return DUET_ERR_NOMEM;
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MOST);
    int rc = h->config.events_url != NULL ? start_courier(h, why) : 0;
    if (rc == 0)
        rc = -pthread_create(&h->thread, NULL, run, h);
    h->runs = rc == 0;
    return rc;
}

int hooks_new(struct hooks **out, const struct hooks_config *config, char why[HOOK_WHY])
{
    struct hooks *h = mem_zalloc(sizeof(*h));
    why[0] = '\0';
    int rc = h ? 0 : DUET_ERR_NOMEM;
    if (rc == 0) {
        h->config = *config;
        h->asked_last = &h->asked;
        pthread_mutex_init(&h->lock, NULL);
        rc = start(h, why);
    }
    if (rc < 0) {
        if (why[0] == '\0')
            snprintf(why, HOOK_WHY, "%s", duet_strerror(rc));
        hooks_free(h);
        return rc;
    }
    *out = h;
    return 0;
}

/* There is still no memory to say it on its loop; but no loop turns now. */
static void give_unposted(struct hooks *h)
{
    while (h->unposted != NULL) {
        struct ask *a = h->unposted;
        h->unposted = a->next;
        atomic_fetch_sub(&h->waiting, 1);
        deliver(a->server, a->id, a);
    }
}

void hooks_stop(struct hooks *h)
{
    if (h == NULL || !h->runs)
        return;
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_mutex_unlock(&h->lock);
    curl_multi_wakeup(h->multi);
    pthread_join(h->thread, NULL);
    h->runs = false;
    give_unposted(h);
    courier_stop(&h->courier);
}

void hooks_free(struct hooks *h)
{
    if (h == NULL)
        return;
    hooks_stop(h);
    courier_fini(&h->courier);
    outbox_close(h->box);
    if (h->multi != NULL)
        curl_multi_cleanup(h->multi);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

void hooks_read_stats(struct hooks *h, struct hooks_stats *out)
{
    struct outbox_stats box = h->box ? outbox_stats(h->box) : (struct outbox_stats){ 0 };
    for (int i = 0; i < HOOK_KINDS; i++) {
        out->asked[i] = atomic_load(&h->asked_count[i]);
        out->failed[i] = atomic_load(&h->failed_count[i]);
    }
    out->waiting = atomic_load(&h->waiting);
    out->events_waiting = box.waiting;
    out->events_told = atomic_load(&h->courier.told);
    out->events_dropped = box.dropped;
}
