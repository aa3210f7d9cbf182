/* SPDX-License-Identifier: MIT */
/*
 * Messages that are sent, come back or are published, and are checked.
 *
 * With a rate, message `n` of sender `s` is due at start + (n * senders + s) * period, whatever the server does: its
 * latency counts from there, so that a server that stands still is charged for all that should have been sent
 * meanwhile. Nothing need be remembered of a message that is out. Without a rate each sender has `in_flight` out, and
 * their times are kept.
 */
#include "cmd/loader.h"

enum { STALLED_MS = 1000 };

static const uint64_t ms = 1000000;

static uint64_t due_at(const struct loader *me, uint32_t sender, uint64_t number)
{
    return me->start_ns + (uint64_t)(((double)number * (double)me->sender_total + (double)sender) * me->period_ns);
}

static struct order *orders_of(const struct link *l)
{
    return l->loader->orders + (size_t)(l - l->loader->links) * l->loader->streams;
}

static uint64_t *time_of(const struct link *l, uint64_t number)
{
    const struct loader *me = l->loader;
    if (l->role == LINK_PUBLISHER)
        return &me->shared->publishers[l->number].at[number % LOAD_RING];
    return &me->times[(size_t)(l - me->links) * me->plan->in_flight + number % me->plan->in_flight];
}

/* A publication is known to the other processes before it is out. */
static void announce(struct link *l, uint64_t due_ns)
{
    struct load_publisher *p = &l->loader->shared->publishers[l->number];
    if (p->first == UINT64_MAX && due_ns >= l->loader->from_ns)
        load_set(&p->first, l->sent);
    load_set(&p->published, l->sent + 1);
}

/* Sends what is due, as far as the connection takes it. */
static void pump(struct link *l, uint64_t now)
{
    struct loader *me = l->loader;
    while (l->sent < l->due && l->state == LINK_OPEN) {
        size_t len;
        uint64_t due_ns = me->period_ns > 0 ? due_at(me, l->number, l->sent) : now;
        const void *data = payload_make(&me->payload, l->number, l->sent, &len);
        if (duet_queued(l->conn) > me->config.queue_max)
            return; /* until it drains */
        if (l->role == LINK_PUBLISHER)
            announce(l, due_ns);
        if (duet_send(l->conn, payload_type(&me->payload), data, len) < 0)
            return; /* it is about to close */
        if (me->period_ns > 0)
            histogram_add(&me->tally->lag, now > due_ns ? now - due_ns : 0);
        l->sent++;
        load_add(&me->tally->sent, 1);
    }
}

/* Without a rate: one more is due now. */
static void one_more(struct link *l, uint64_t now)
{
    load_set(time_of(l, l->due), now);
    l->due++;
}

static void tick_rate(struct loader *me, uint64_t now)
{
    for (uint64_t at; (at = messages_next(me)) <= now && at < me->until_ns;) {
        struct link *l = &me->senders[me->turn];
        l->due++;
        pump(l, now);
        if (++me->turn == me->sender_count) {
            me->turn = 0;
            me->round++;
        }
    }
}

/* Publications that not all have yet, times those who are to get them. */
static uint64_t behind(const struct loader *me, uint64_t *alive)
{
    uint64_t published = 0, progress = 0;
    *alive = 0;
    for (unsigned i = 0; i < me->plan->publishers; i++)
        published += load_get(&me->shared->publishers[i].published);
    for (unsigned i = 0; i < me->plan->processes; i++) {
        *alive += load_get(&me->shared->tallies[i].alive);
        progress += load_get(&me->shared->tallies[i].progress);
    }
    return published * *alive > progress ? published * *alive - progress : 0;
}

static bool stalled(struct loader *me, uint64_t behind_now, uint64_t now)
{
    if (behind_now != me->moved) {
        me->moved = behind_now;
        me->moved_ns = now;
    }
    return now - me->moved_ns > STALLED_MS * ms;
}

/* As many publications are out as may be. One that is lost must not end the run: after a second it goes on. */
static void tick_publishers(struct loader *me, uint64_t now)
{
    uint64_t alive, open = behind(me, &alive);
    if (alive == 0 || now >= me->until_ns)
        return;
    bool again = stalled(me, open, now);
    while (again || open < alive * me->plan->in_flight * me->plan->publishers) {
        struct link *l = &me->senders[me->turn++ % me->sender_count];
        if (l->state != LINK_OPEN || l->sent < l->due)
            return;
        one_more(l, now);
        pump(l, now);
        open += alive;
        if (again)
            me->moved_ns = now;
        again = false;
    }
}

uint64_t messages_next(const struct loader *me)
{
    if (me->sender_count == 0 || me->period_ns <= 0)
        return UINT64_MAX;
    return due_at(me, me->senders[me->turn].number, me->round);
}

void messages_tick(struct loader *me)
{
    uint64_t now = load_clock();
    if (me->period_ns > 0)
        tick_rate(me, now);
    else if (me->plan->publishers > 0)
        tick_publishers(me, now);
}

void messages_begin(struct loader *me)
{
    if (me->plan->rate > 0 || me->plan->publishers > 0)
        return; /* the ticks do it */
    for (unsigned i = 0; i < me->sender_count; i++) {
        struct link *l = &me->senders[i];
        uint64_t now = load_clock();
        while (l->due < me->plan->in_flight && l->state == LINK_OPEN)
            one_more(l, now);
        pump(l, now);
    }
}

void messages_drained(struct link *l)
{
    pump(l, load_clock());
}

/* Which number came: UINT64_MAX, none of ours. What is damaged counts as the one that was due. */
static uint64_t identify(struct link *l, const duet_msg *m, uint32_t *stream, uint64_t want, uint64_t limit)
{
    struct loader *me = l->loader;
    uint32_t whose;
    uint64_t number;
    if (payload_is(&me->payload, m->type, m->data, m->len, *stream, want) && want < limit)
        return want;
    bool named = payload_whose(m->data, m->len, want, &whose, &number);
    bool whole = named && payload_is(&me->payload, m->type, m->data, m->len, whose, number);
    bool ours = named && whose == *stream && number < limit;
    if (whole && ours)
        return number;
    if (whole) {
        load_add(&me->tally->strange, 1);
        loader_trouble(me, "connection %u got message %llu of connection %u, which was not for it", l->number,
                       (unsigned long long)number, whose);
        return UINT64_MAX;
    }
    load_add(&me->tally->changed, 1);
    loader_trouble(me, "connection %u got %zu bytes that are not what was sent as message %llu", l->number, m->len,
                   (unsigned long long)want);
    return ours ? number : want < limit ? want : UINT64_MAX;
}

/* False: it is no news. */
static bool take(struct link *l, struct order *o, uint64_t number, uint64_t *missing, enum order_verdict *verdict)
{
    struct load_tally *t = l->loader->tally;
    *verdict = order_take(o, number, missing);
    if (*verdict == ORDER_AGAIN) {
        load_add(&t->again, 1);
        loader_trouble(l->loader, "connection %u got message %llu again", l->number, (unsigned long long)number);
        return false;
    }
    if (*verdict == ORDER_LATE) {
        load_add(&t->late, 1);
        loader_trouble(l->loader, "connection %u got message %llu behind a later one", l->number,
                       (unsigned long long)number);
    }
    load_add(&t->unique, 1);
    return true;
}

static void measure(struct loader *me, uint64_t began, uint64_t now, size_t len)
{
    if (loader_measures(me, now)) {
        load_add(&me->tally->measured, 1);
        load_add(&me->tally->measured_bytes, len);
    }
    if (loader_measures(me, began))
        histogram_add(&me->tally->latency, now > began ? now - began : 0);
}

/* What one connection gets in one turn was read at once, so one look at the clock does for all. */
static uint64_t time_of_reading(const struct link *l)
{
    struct loader *me = l->loader;
    if (me->heard != l || me->heard_turn != me->turns) {
        me->heard = l;
        me->heard_turn = me->turns;
        me->heard_ns = load_clock();
    }
    return me->heard_ns;
}

static void received_echo(struct link *l, const duet_msg *m)
{
    struct loader *me = l->loader;
    struct order *o = orders_of(l);
    enum order_verdict verdict;
    uint64_t missing, now = time_of_reading(l), number = identify(l, m, &l->number, o->want, l->sent);
    if (number == UINT64_MAX || !take(l, o, number, &missing, &verdict))
        return;
    bool timed = me->period_ns > 0 || verdict != ORDER_LATE; /* else its time is another's by now */
    measure(me, me->period_ns > 0 ? due_at(me, l->number, number) : timed ? *time_of(l, number) : 0, now, m->len);
    if (me->period_ns > 0 || verdict == ORDER_LATE || now >= me->until_ns)
        return;
    for (uint64_t i = 0; i <= missing && l->due - o->want < me->plan->in_flight; i++)
        one_more(l, now);
    pump(l, now);
}

/* The first that a subscriber gets tells from where on it was subscribed; but what is measured is for all. */
static void join(struct link *l, struct order *o, const struct load_publisher *p, uint64_t number, uint64_t began)
{
    struct load_tally *t = l->loader->tally;
    uint64_t first = load_get(&p->first);
    o->want = began >= l->loader->from_ns && first < number ? first : number;
    o->seen = UINT64_MAX;
    load_add(&t->progress, o->want);
    t->expected -= o->want; /* messages_count() adds what was published */
}

static void received_publication(struct link *l, const duet_msg *m)
{
    struct loader *me = l->loader;
    uint64_t now = time_of_reading(l), missing, number;
    uint32_t from = 0;
    if (me->streams > 1 && (!payload_whose(m->data, m->len, 0, &from, &number) || from >= me->streams))
        from = 0;
    struct order *o = orders_of(l) + from;
    const struct load_publisher *p = &me->shared->publishers[from];
    enum order_verdict verdict;
    number = identify(l, m, &from, o->want, load_get(&p->published));
    if (number == UINT64_MAX)
        return;
    uint64_t began = me->period_ns > 0 ? due_at(me, from, number) : load_get(&p->at[number % LOAD_RING]);
    if (o->want == 0)
        join(l, o, p, number, began);
    uint64_t before = o->want;
    if (!take(l, o, number, &missing, &verdict))
        return;
    load_add(&me->tally->progress, o->want - before);
    measure(me, began, now, m->len);
}

/* A slow reader reads at last: what it gets is whole, but the server may have left some out. */
static void received_late(struct link *l, const duet_msg *m)
{
    struct loader *me = l->loader;
    uint32_t whose;
    uint64_t number;
    me->tally->slow_received++;
    bool named = payload_whose(m->data, m->len, orders_of(l)->want, &whose, &number);
    if (named && payload_is(&me->payload, m->type, m->data, m->len, whose, number)) {
        orders_of(l)->want = number + 1;
        return;
    }
    load_add(&me->tally->changed, 1);
    loader_trouble(me, "a slow reader got %zu bytes that nobody sent", m->len);
}

void messages_received(struct link *l, const duet_msg *m)
{
    load_add(&l->loader->tally->received, 1);
    switch (l->role) {
    case LINK_ECHO:
        received_echo(l, m);
        break;
    case LINK_SUBSCRIBER:
        received_publication(l, m);
        break;
    case LINK_SLOW:
        received_late(l, m);
        break;
    default:
        break; /* a publisher may hear itself */
    }
}

void messages_gone(struct link *l)
{
    struct load_tally *t = l->loader->tally;
    if (l->role != LINK_SUBSCRIBER)
        return;
    load_set(&t->alive, t->alive - 1);
    for (unsigned i = 0; i < l->loader->streams; i++)
        load_set(&t->progress, t->progress - orders_of(l)[i].want);
}

void messages_last(struct loader *me)
{
    for (unsigned i = 0; i < me->count; i++)
        if (me->links[i].role == LINK_SLOW && me->links[i].state == LINK_OPEN)
            duet_resume(me->links[i].conn);
}

static bool waits_for_publications(const struct link *l)
{
    const struct order *o = orders_of(l);
    for (unsigned i = 0; i < l->loader->streams; i++)
        if (o[i].want < load_get(&l->loader->shared->publishers[i].published))
            return true;
    return !load_get(&l->loader->shared->published_all);
}

static bool all_sent(const struct loader *me)
{
    for (unsigned i = 0; i < me->sender_count; i++)
        if (me->senders[i].state == LINK_OPEN && me->senders[i].sent < me->senders[i].due)
            return false;
    return true;
}

bool messages_outstanding(struct loader *me)
{
    if (me->plan->publishers > 0 && me->index == 0 && all_sent(me))
        load_set(&me->shared->published_all, 1);
    for (unsigned i = 0; i < me->count; i++) {
        const struct link *l = &me->links[i];
        if (l->state != LINK_OPEN)
            continue;
        if (l->sent < l->due || (l->role == LINK_ECHO && orders_of(l)->want < l->sent))
            return true;
        if ((l->role == LINK_SUBSCRIBER || l->role == LINK_SLOW) && waits_for_publications(l))
            return true;
    }
    return false;
}

static uint64_t never_heard(const struct loader *me, const struct link *l)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < me->streams; i++) {
        const struct load_publisher *p = &me->shared->publishers[i];
        uint64_t published = load_get(&p->published), first = load_get(&p->first);
        sum += orders_of(l)[i].want > 0 ? published : published - (first < published ? first : published);
    }
    return sum;
}

void messages_count(struct loader *me)
{
    struct load_tally *t = me->tally;
    for (unsigned i = 0; i < me->count; i++) {
        const struct link *l = &me->links[i];
        t->unsent += l->due - l->sent;
        if (l->role == LINK_ECHO)
            t->expected += l->sent;
        else if (l->role == LINK_SUBSCRIBER)
            t->expected += never_heard(me, l);
    }
}
