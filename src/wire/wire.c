/* SPDX-License-Identifier: MIT */
#include "wire/wire.h"

static const duet_handler *of_conn(const duet_conn *c)
{
    static const duet_handler nobody;
    const struct wire *w = duet_data(c);
    return w->on ? w->on : &nobody;
}

static void opened(duet_conn *c)
{
    const duet_handler *on = of_conn(c);
    if (on->open)
        on->open(c);
}

static void message(duet_conn *c, const duet_msg *m)
{
    const duet_handler *on = of_conn(c);
    if (on->message)
        on->message(c, m);
}

static void drained(duet_conn *c)
{
    const duet_handler *on = of_conn(c);
    if (on->drain)
        on->drain(c);
}

static void pong(duet_conn *c, unsigned rtt_us)
{
    const duet_handler *on = of_conn(c);
    if (on->pong)
        on->pong(c, rtt_us);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    const duet_handler *on = of_conn(c);
    if (on->close)
        on->close(c, why);
}

static void gone(duet_http *x)
{
    const struct wire *w = duet_http_data(x);
    if (w->on != NULL && w->on->gone)
        w->on->gone(x);
}

const duet_handler wire_handler = {
    .open = opened,
    .message = message,
    .drain = drained,
    .pong = pong,
    .close = closed,
    .gone = gone,
};
