/* SPDX-License-Identifier: MIT */
/*
 * The end of a server that loses nothing: no newcomers, then each connection is closed behind what it has queued, a few
 * at a time so that those who come back do not come all at once (OPS-1).
 */
#include "server/httpd.h"

enum { STEP_MS = 20, EACH_MS = 20 };

static struct server_loop *of_timer(struct timer *t)
{
    return (struct server_loop *)(void *)((char *)t - offsetof(struct server_loop, drain));
}

static void close_one(struct server_loop *l, duet_conn *c)
{
    if (c->state == CONN_OPENING) {
        conn_kill(c, 0);
        return;
    }
    if (c->state != CONN_ACTIVE)
        return;
    if (conn_phase(c) == &conn_websocket) {
        const duet_route *route = server_route(c);
        c->reason = DUET_REASON_draining;
        if (route != NULL && route->drain != NULL)
            route->drain(c);
        duet_close(c, l->server->config.drain_code, "going away");
    } else if (conn_http(c) == NULL) {
        conn_finish(c, 0);
    } else {
        http_drain(conn_http(c));
    }
}

/* The share of this step: all are asked within 0.8 of the time, and a few at once. */
static void step(struct timer *t)
{
    struct server_loop *l = of_timer(t);
    uint64_t now = l->loop->now_ms;
    if (now >= l->drain_until_ms) {
        for (uint32_t i = 0; i < server_slots(l); i++)
            if (server_slot(l, i) != NULL)
                conn_kill(server_slot(l, i), DUET_ERR_TIMEOUT);
    } else {
        uint64_t whole = (uint64_t)l->server->config.drain_ms * 8 / 10;
        if ((uint64_t)l->drain_count * EACH_MS < whole)
            whole = (uint64_t)l->drain_count * EACH_MS;
        uint64_t from = l->drain_until_ms - l->server->config.drain_ms;
        uint64_t due = whole <= now - from ? server_slots(l) : server_slots(l) * (now - from) / whole;
        for (; l->drain_next < due; l->drain_next++)
            if (server_slot(l, l->drain_next) != NULL)
                close_one(l, server_slot(l, l->drain_next));
        timer_arm(&l->loop->wheel, &l->drain, now + STEP_MS);
    }
    drain_check(l);
}

void drain_begin(struct server_loop *l)
{
    if (l->draining)
        return;
    l->draining = true;
    for (unsigned i = 0; i < SERVER_LISTENERS; i++)
        if (l->listeners[i].started) {
            listener_stop(&l->listeners[i].listener, !l->listeners[i].passed);
            l->listeners[i].started = false;
        }
    l->drain_next = 0;
    l->drain_count = l->conns;
    l->drain_until_ms = l->loop->now_ms + l->server->config.drain_ms;
    l->drain.due = step;
    timer_arm(&l->loop->wheel, &l->drain, l->loop->now_ms);
}

void drain_check(struct server_loop *l)
{
    if (l->draining && l->conns == 0)
        duet_loop_stop(l->loop);
}
