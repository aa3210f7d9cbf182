/* SPDX-License-Identifier: MIT */
#include "hook/courier.h"
#include "base/clock.h"
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_MS = 1000, PARTING_TIMES = 2, PARTING_MS = 10 };

/* How the backend and the disk do. */

static void say(const struct courier *c, bool good, const char *event, const char *detail)
{
    duet_log_level level = good ? DUET_LOG_INFO : DUET_LOG_ERROR;
    if (c->log != NULL)
        c->log(c->arg, &(duet_log_event){ .level = level, .event = event, .detail = detail });
}

/* Whether that is news. */
static bool settle(const struct courier *c, struct courier_retry *r, bool good, uint64_t now_ms)
{
    bool was_good = r->wait_ms == 0;
    unsigned least = c->least_ms > 0 ? c->least_ms : COURIER_LEAST_MS;
    r->wait_ms = good ? 0 : was_good ? least : 2 * r->wait_ms;
    if (r->wait_ms > COURIER_MOST_MS)
        r->wait_ms = COURIER_MOST_MS;
    r->next_ms = good ? 0 : now_ms + r->wait_ms;
    return good != was_good;
}

static void disk_said(struct courier *c, int rc, uint64_t now_ms)
{
    char detail[OUTBOX_WHY] = "events are on disk again";
    if (rc < 0)
        snprintf(detail, sizeof(detail), "events wait in memory: %.150s", duet_strerror(rc));
    if (settle(c, &c->disk, rc == 0, now_ms))
        say(c, rc == 0, rc < 0 ? "outbox_unavailable" : "outbox_available", detail);
}

static void backend_said(struct courier *c, const char *why, uint64_t now_ms)
{
    bool good = why == NULL;
    char detail[TRANSFER_WHY + 200];
    snprintf(detail, sizeof(detail), "%.150s%s%.200s", c->url, good ? "" : ": ", good ? "" : why);
    if (settle(c, &c->backend, good, now_ms))
        say(c, good, good ? "events_taken" : "events_not_taken", detail);
}

/* A turn. */

/* The box has what is fresh, and no more what the backend has. 0; or what the disk said. */
static int keep(struct courier *c)
{
    int rc = c->taken > 0 ? outbox_drop(c->box, c->taken) : 0;
    if (rc < 0)
        return rc;
    if (c->taken > 0)
        atomic_fetch_add(&c->told, c->count);
    c->taken = 0;
    return outbox_write(c->box);
}

/* 0; or what the disk said. */
static int send_batch(struct courier *c, uint64_t now_ms)
{
    const struct transfer_want want = { .url = c->url, .timeout_ms = c->timeout_ms, .owner = NULL };
    memset(&c->transfer, 0, sizeof(c->transfer));
    buf_init(&c->transfer.body, NULL, 0);
    int n = outbox_next(c->box, &c->transfer.body, &c->last);
    c->count = n > 0 ? (unsigned)n : 0;
    c->on_its_way = n > 0 && transfer_begin(&c->transfer, c->multi, &want) == 0;
    if (n > 0 && !c->on_its_way)
        backend_said(c, "out of memory", now_ms);
    if (!c->on_its_way)
        transfer_fini(&c->transfer, c->multi);
    return n < 0 ? n : 0;
}

static unsigned until(uint64_t next_ms, uint64_t now_ms, unsigned most)
{
    return next_ms > now_ms && next_ms - now_ms < most ? (unsigned)(next_ms - now_ms) : most;
}

unsigned courier_turn(struct courier *c, uint64_t now_ms)
{
    if (now_ms >= c->disk.next_ms) {
        int rc = keep(c);
        if (rc == 0 && !c->on_its_way && now_ms >= c->backend.next_ms && outbox_stats(c->box).waiting > 0)
            rc = send_batch(c, now_ms);
        disk_said(c, rc, now_ms);
    }
    return until(c->disk.next_ms, now_ms, until(c->backend.next_ms, now_ms, IDLE_MS));
}

void courier_done(struct courier *c, CURLcode result, uint64_t now_ms)
{
    char why[TRANSFER_WHY];
    bool taken = transfer_end(&c->transfer, result, why);
    transfer_fini(&c->transfer, c->multi);
    c->on_its_way = false;
    c->taken = taken ? c->last : 0;
    backend_said(c, taken ? NULL : why, now_ms);
}

/* The thread. */

static void turn(struct courier *c, unsigned most_ms)
{
    CURLMsg *m;
    int n;
    curl_multi_perform(c->multi, &n);
    while ((m = curl_multi_info_read(c->multi, &n)) != NULL)
        if (m->msg == CURLMSG_DONE)
            courier_done(c, m->data.result, clock_ms());
    unsigned wait = courier_turn(c, clock_ms());
    curl_multi_poll(c->multi, NULL, 0, (int)(wait < most_ms ? wait : most_ms), NULL);
}

static bool waits(const struct courier *c)
{
    return outbox_stats(c->box).waiting > 0;
}

static void part(struct courier *c)
{
    uint64_t end = clock_ms() + (uint64_t)PARTING_TIMES * c->timeout_ms;
    c->backend.next_ms = c->disk.next_ms = 0;
    while (waits(c) && clock_ms() < end && clock_ms() >= c->backend.next_ms && clock_ms() >= c->disk.next_ms)
        turn(c, PARTING_MS);
}

static void *run(void *arg)
{
    struct courier *c = arg;
    while (!atomic_load(&c->stopping))
        turn(c, IDLE_MS);
    part(c);
    return NULL;
}

int courier_start(struct courier *c)
{
    c->multi = curl_multi_init();
    if (c->multi == NULL)
        return DUET_ERR_NOMEM;
    int rc = -pthread_create(&c->thread, NULL, run, c);
    c->runs = rc == 0;
    return rc;
}

void courier_wake(struct courier *c)
{
    curl_multi_wakeup(c->multi);
}

void courier_stop(struct courier *c)
{
    if (!c->runs)
        return;
    atomic_store(&c->stopping, true);
    courier_wake(c);
    pthread_join(c->thread, NULL);
    c->runs = false;
}

void courier_fini(struct courier *c)
{
    courier_stop(c);
    if (c->on_its_way)
        transfer_fini(&c->transfer, c->multi);
    c->on_its_way = false;
    if (c->multi != NULL)
        curl_multi_cleanup(c->multi);
    c->multi = NULL;
}
