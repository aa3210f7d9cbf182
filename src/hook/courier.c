/* SPDX-License-Identifier: MIT */
#include "hook/courier.h"
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

enum { IDLE_MS = 1000 };

/* A trouble that is new is told once, and once that it is over. */
static void tell(bool *failing, bool fails, struct courier_news *news, const char *event, const char *what,
                 const char *why)
{
    if (*failing == fails)
        return;
    *failing = fails;
    news->event = event;
    news->good = !fails;
    snprintf(news->detail, sizeof(news->detail), "%.150s%s%.200s", what, fails ? ": " : "", fails ? why : "");
}

static void later(struct courier *c, uint64_t now_ms)
{
    unsigned least = c->least_ms > 0 ? c->least_ms : COURIER_LEAST_MS;
    c->wait_ms = c->wait_ms == 0 ? least : 2 * c->wait_ms;
    if (c->wait_ms > COURIER_MOST_MS)
        c->wait_ms = COURIER_MOST_MS;
    c->next_ms = now_ms + c->wait_ms;
}

static bool box_good(struct courier *c, int rc, uint64_t now_ms, struct courier_news *news)
{
    tell(&c->box_failing, rc < 0, news, rc < 0 ? "outbox_unavailable" : "outbox_available",
         rc < 0 ? "events wait in memory" : "events are on disk again", duet_strerror(rc));
    if (rc < 0)
        later(c, now_ms);
    return rc == 0;
}

static void send_batch(struct courier *c, CURLM *multi, uint64_t now_ms, struct courier_news *news)
{
    memset(&c->transfer, 0, sizeof(c->transfer));
    buf_init(&c->transfer.body, NULL, 0);
    int n = outbox_next(c->box, &c->transfer.body, &c->last);
    int rc = n < 0 ? n : 0;
    c->count = n > 0 ? (unsigned)n : 0;
    if (n > 0) {
        const struct transfer_want want = { .url = c->url, .timeout_ms = c->timeout_ms, .owner = NULL };
        rc = transfer_begin(&c->transfer, multi, &want);
        c->on_its_way = rc == 0;
    }
    if (!c->on_its_way)
        transfer_fini(&c->transfer, multi);
    box_good(c, rc, now_ms, news);
}

unsigned courier_turn(struct courier *c, CURLM *multi, uint64_t now_ms, struct courier_news *news)
{
    if (c->box == NULL)
        return IDLE_MS;
    if (!c->on_its_way && now_ms >= c->next_ms && box_good(c, outbox_write(c->box), now_ms, news) &&
        outbox_stats(c->box).waiting > 0)
        send_batch(c, multi, now_ms, news);
    return c->next_ms > now_ms && c->next_ms - now_ms < IDLE_MS ? (unsigned)(c->next_ms - now_ms) : IDLE_MS;
}

void courier_done(struct courier *c, CURLM *multi, CURLcode result, uint64_t now_ms, struct courier_news *news)
{
    char why[TRANSFER_WHY] = "", what[150];
    bool taken = transfer_end(&c->transfer, multi, result, why);
    transfer_fini(&c->transfer, multi);
    c->on_its_way = false;
    snprintf(what, sizeof(what), "%.140s", c->url);
    tell(&c->failing, !taken, news, taken ? "events_taken" : "events_not_taken", what, why);
    if (!taken) {
        later(c, now_ms);
        return;
    }
    c->next_ms = c->wait_ms = 0;
    if (box_good(c, outbox_drop(c->box, c->last), now_ms, news))
        c->told += c->count;
}

void courier_fini(struct courier *c, CURLM *multi)
{
    if (c->on_its_way)
        transfer_fini(&c->transfer, multi);
    c->on_its_way = false;
}
