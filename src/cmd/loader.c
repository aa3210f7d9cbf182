/* SPDX-License-Identifier: MIT */
#include "cmd/loader.h"
#include "base/clock.h"
#include "base/mem.h"
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { NAP_MS = 10, OPEN_MS = 30000, FAREWELL_MS = 2000, LEAST_QUEUE = 1024 * 1024, CLOCK_EACH = 16, SOURCE_TEXT = 24 };

void loader_trouble(struct loader *me, const char *format, ...)
{
    if (me->tally->trouble[0] != 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(me->tally->trouble, sizeof(me->tally->trouble), format, args);
    va_end(args);
}

void loader_tick(struct loader *me)
{
    duet_timer_set(me->tick, 0);
}

static struct link *link_of(const duet_conn *c)
{
    return duet_client_arg(duet_client_of(c));
}

static void opened(duet_conn *c)
{
    struct link *l = link_of(c);
    struct loader *me = l->loader;
    uint64_t now = load_clock();
    bool counts = l->role != LINK_STORM || loader_measures(me, l->began_ns);
    l->conn = c;
    l->state = LINK_OPEN;
    me->opening--;
    load_add(&me->tally->opened, 1);
    if (counts)
        histogram_add(&me->tally->opening, now > l->began_ns ? now - l->began_ns : 0);
    if (l->role == LINK_STORM)
        storm_opened(l);
    else if (l->role == LINK_SUBSCRIBER)
        load_set(&me->tally->alive, me->tally->alive + 1);
    else if (l->role == LINK_SLOW)
        duet_pause(c);
}

static void received(duet_conn *c, const duet_msg *m)
{
    messages_received(link_of(c), m);
}

static void drained(duet_conn *c)
{
    messages_drained(link_of(c));
}

static void count_closed(struct link *l, const duet_closing *why)
{
    struct load_tally *t = l->loader->tally;
    const char *what = why->error != 0 ? duet_strerror(why->error) : duet_code_text(why->code);
    if (l->role == LINK_SLOW) {
        if (t->slow_closed++ == 0)
            t->slow_code = why->code;
        return;
    }
    load_add(&t->closed, 1);
    loader_trouble(l->loader, "connection %u was closed with %u: %s", l->number, why->code, what);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct link *l = link_of(c);
    struct loader *me = l->loader;
    bool ours = l->role == LINK_STORM && why->code == DUET_CODE_NORMAL && why->error == 0;
    l->state = LINK_GONE;
    l->conn = NULL;
    if (!me->leaving && !ours)
        count_closed(l, why);
    if (l->role == LINK_STORM)
        storm_gone(l);
    else if (!me->leaving)
        messages_gone(l);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct link *l = duet_client_arg(client);
    struct loader *me = l->loader;
    l->state = LINK_GONE;
    me->opening--;
    if (me->leaving)
        return;
    load_add(&me->tally->failed, 1);
    loader_trouble(me, "%s", why->detail);
    if (l->role == LINK_STORM)
        storm_gone(l);
}

/* In turns, so that no address runs out of ports. */
static const char *source_of(const struct link *l, char text[SOURCE_TEXT])
{
    const struct load_plan *plan = l->loader->plan;
    static _Thread_local unsigned next;
    unsigned count = 0;
    while (plan->sources != NULL && plan->sources[count] != NULL)
        count++;
    if (count > 0)
        return plan->sources[(l->loader->index + next++ * plan->processes) % count];
    if (plan->loopbacks == 0)
        return NULL;
    unsigned n = (l->loader->index + next++ * plan->processes) % plan->loopbacks;
    snprintf(text, SOURCE_TEXT, "127.0.%u.%u", n / 250 & 255, 2 + n % 250);
    return text;
}

void link_begin(struct link *l, uint64_t due_ns)
{
    struct loader *me = l->loader;
    char why[TOOL_WHY], source[SOURCE_TEXT];
    duet_client_config config = me->config;
    config.url = l->role == LINK_PUBLISHER ? me->plan->publish_url : me->plan->url;
    config.arg = l;
    config.bind_address = source_of(l, source);
    l->began_ns = due_ns;
    int rc = duet_connect(&l->client, me->loop, &config, why);
    if (rc == 0) {
        l->state = LINK_OPENING;
        me->opening++;
        return;
    }
    l->state = LINK_GONE;
    load_add(&me->tally->failed, 1);
    loader_trouble(me, "%s", why);
    load_set(&me->shared->over, 1);
}

static void add_links(struct loader *me, enum link_role role, unsigned count, uint32_t first)
{
    for (unsigned i = 0; i < count; i++)
        me->links[me->count++] = (struct link){ .loader = me, .role = (uint8_t)role, .number = first + i };
}

/* This process's share: numbers from `first` on. */
static unsigned share(const struct load_plan *plan, unsigned index, unsigned of, unsigned *first)
{
    unsigned each = of / plan->processes, more = of % plan->processes;
    *first = index * each + (index < more ? index : more);
    return each + (index < more);
}

static int make_links(struct loader *me)
{
    static const enum link_role roles[] = { [LOAD_ECHO] = LINK_ECHO, [LOAD_FANOUT] = LINK_SUBSCRIBER,
                                            [LOAD_SLOW] = LINK_SUBSCRIBER, [LOAD_CONNECT] = LINK_STORM,
                                            [LOAD_IDLE] = LINK_HELD };
    const struct load_plan *plan = me->plan;
    unsigned publishers = me->index == 0 ? plan->publishers : 0;
    unsigned first, slow_first, slow = share(plan, me->index, plan->slow, &slow_first);
    unsigned count = share(plan, me->index, plan->connections - plan->slow, &first);
    size_t all = (size_t)publishers + count + slow;
    bool echo = plan->mode == LOAD_ECHO;
    me->streams = echo ? 1 : plan->publishers;
    me->links = mem_zalloc((all + 1) * sizeof(*me->links));
    me->orders = mem_zalloc((all * me->streams + 1) * sizeof(*me->orders));
    me->times = mem_zalloc(((echo && plan->rate == 0 ? all * plan->in_flight : 0) + 1) * sizeof(*me->times));
    if (me->links == NULL || me->orders == NULL || me->times == NULL)
        return DUET_ERR_NOMEM;
    add_links(me, LINK_PUBLISHER, publishers, 0);
    add_links(me, roles[plan->mode], count, first);
    add_links(me, LINK_SLOW, slow, plan->connections - plan->slow + slow_first);
    me->senders = me->links;
    me->sender_count = echo ? count : publishers;
    me->sender_total = echo ? plan->connections : plan->publishers;
    me->period_ns = plan->rate > 0 ? 1e9 / (double)plan->rate : 0;
    return plan->mode == LOAD_CONNECT ? storm_init(me) : 0;
}

static void trace(duet_conn *c, const duet_trace *frame)
{
    frames_frame(&link_of(c)->loader->tool.frames, frame);
}

static void trace_head(duet_client *client, bool sent, const char *head, size_t len)
{
    const struct link *l = duet_client_arg(client);
    frames_head(&l->loader->tool.frames, sent, head, len);
}

static void make_config(struct loader *me)
{
    size_t largest = payload_largest(&me->plan->sizes);
    me->config = tool_config(&me->tool);
    me->config.on = (duet_handler){ .open = opened, .message = received, .drain = drained, .close = closed };
    me->config.failed = failed;
    me->config.data_size = 0;
    me->config.trace = me->tool.args.trace ? trace : NULL;
    me->config.trace_head = me->tool.args.trace ? trace_head : NULL;
    me->config.group = me->group;
    me->config.open_ms = OPEN_MS;
    me->config.read_on = true; /* else two who wait for each other's reading would wait for ever */
    me->config.queue_max = (unsigned)(largest > LEAST_QUEUE ? largest : LEAST_QUEUE);
    if (me->tool.args.ping_ms == ARGS_UNSET)
        me->config.ping_ms = DUET_OFF; /* nothing but the load */
}

static void tick(void *arg)
{
    struct loader *me = arg;
    if (me->plan->mode == LOAD_CONNECT)
        storm_tick(me);
    else
        messages_tick(me);
}

static int prepare(struct loader *me)
{
    int rc = duet_loop_new(&me->loop);
    if (rc == 0)
        rc = duet_client_group_new(&me->group, me->loop);
    if (rc < 0)
        return rc;
    me->tick = duet_timer_new(me->loop, tick, me);
    if (me->tick == NULL)
        return DUET_ERR_NOMEM;
    rc = payload_init(&me->payload, me->plan->kind, &me->plan->sizes, me->plan->seed);
    if (rc == 0)
        rc = make_links(me);
    if (rc == 0)
        make_config(me);
    return rc;
}

static bool is_over(const struct loader *me)
{
    return load_get(&me->shared->over) != 0;
}

/* Sleeps until something comes or `until_ns`, but not for long: the parent may want something. */
static void nap(struct loader *me, uint64_t until_ns)
{
    uint64_t now = load_clock(), most = (uint64_t)NAP_MS * 1000000;
    int due_ms = duet_loop_wait_ms(me->loop);
    if (due_ms >= 0 && (uint64_t)due_ms * 1000000 < most)
        most = (uint64_t)due_ms * 1000000;
    uint64_t ns = until_ns <= now ? 0 : until_ns - now < most ? until_ns - now : most;
    struct pollfd pfd = { .fd = duet_loop_fd(me->loop), .events = POLLIN };
    struct timespec t = { .tv_nsec = (long)ns };
    if (ns > 0)
        ppoll(&pfd, 1, &t, NULL);
}

static void turn(struct loader *me, uint64_t next_ns)
{
    me->turns++;
    if (duet_loop_turn(me->loop, 0) == 0 && !me->plan->spin)
        nap(me, next_ns);
}

/* The parent asks for a rate in this mode, too. */
static bool may_open(const struct loader *me, uint64_t began, uint64_t *due_ns)
{
    *due_ns = load_clock();
    if (me->next == me->count || me->opening >= me->plan->opening)
        return false;
    if (me->plan->mode != LOAD_IDLE || me->period_ns <= 0)
        return true;
    uint64_t at = began + (uint64_t)(((double)me->next * me->plan->processes + me->index) * me->period_ns);
    bool due = at <= *due_ns;
    *due_ns = at;
    return due;
}

static void open_all(struct loader *me)
{
    uint64_t began = load_clock(), due_ns;
    while (!is_over(me) && (me->next < me->count || me->opening > 0)) {
        while (may_open(me, began, &due_ns) && !is_over(me))
            link_begin(&me->links[me->next++], due_ns);
        turn(me, me->next < me->count && me->opening < me->plan->opening ? due_ns : UINT64_MAX);
    }
}

static uint64_t next_due(const struct loader *me)
{
    if (me->plan->mode == LOAD_CONNECT)
        return storm_next(me);
    /* Progress in other processes wakes nobody. */
    if (me->plan->publishers > 0 && me->period_ns <= 0 && me->plan->processes > 1)
        return load_clock() + 200000;
    return messages_next(me);
}

/* Without a rate an echo times itself: each answer is the next one's turn. */
static bool needs_ticks(const struct loader *me)
{
    if (me->plan->mode == LOAD_CONNECT)
        return true;
    return me->sender_count > 0 && (me->plan->mode != LOAD_ECHO || me->period_ns > 0);
}

static void run(struct loader *me)
{
    bool ticks = needs_ticks(me);
    if (me->plan->mode != LOAD_CONNECT)
        messages_begin(me);
    for (unsigned turns = 0; !is_over(me); turns++) {
        uint64_t next = UINT64_MAX;
        if (ticks) {
            next = next_due(me);
            if (me->plan->spin || me->period_ns <= 0 || next <= load_clock())
                loader_tick(me);
        }
        turn(me, next);
        if (turns % CLOCK_EACH == 0 || !me->plan->spin) {
            me->until_ns = load_get(&me->shared->until_ns);
            if (load_clock() >= me->until_ns)
                break;
        }
    }
    if (ticks)
        loader_tick(me); /* what was due before the end, if only just */
    turn(me, 0);
}

static bool outstanding(struct loader *me)
{
    if (me->plan->mode == LOAD_CONNECT)
        return storm_outstanding(me);
    return me->plan->mode != LOAD_IDLE && messages_outstanding(me);
}

static void wait_for_rest(struct loader *me)
{
    messages_last(me);
    uint64_t until = load_clock() + me->plan->wait_ns, next_look = 0;
    while (!is_over(me) && load_clock() < until) {
        if (load_clock() >= next_look) {
            if (!outstanding(me))
                return;
            next_look = load_clock() + 1000000;
        }
        turn(me, next_look);
    }
}

/* Closes in order, as far as the server does its part in time. */
static void leave(struct loader *me)
{
    uint64_t until = load_clock() + (uint64_t)FAREWELL_MS * 1000000;
    unsigned open = 0;
    me->leaving = true;
    for (unsigned i = 0; i < me->count; i++)
        if (me->links[i].state == LINK_OPEN)
            duet_close(me->links[i].conn, DUET_CODE_NORMAL, NULL);
    do {
        turn(me, load_clock() + 1000000);
        open = 0;
        for (unsigned i = 0; i < me->count && open == 0; i++)
            open += me->links[i].state == LINK_OPEN;
    } while (open > 0 && load_clock() < until && !is_over(me));
}

static void finish(struct loader *me)
{
    me->leaving = true;
    for (unsigned i = 0; me->links != NULL && i < me->count; i++)
        duet_client_free(me->links[i].client);
    duet_client_group_free(me->group);
    duet_timer_free(me->tick);
    duet_loop_free(me->loop);
    payload_fini(&me->payload);
    mem_free(me->links);
    mem_free(me->orders);
    mem_free(me->times);
    mem_free(me->idle_slots);
}

static void live(struct loader *me)
{
    if (me->plan->mode != LOAD_CONNECT)
        open_all(me);
    load_set(&me->tally->state, LOAD_READY);
    while (!is_over(me) && (me->start_ns = load_get(&me->shared->start_ns)) == 0)
        turn(me, UINT64_MAX);
    me->from_ns = load_get(&me->shared->from_ns);
    me->until_ns = load_get(&me->shared->until_ns);
    if (me->start_ns != 0) {
        run(me);
        me->until_ns = load_get(&me->shared->until_ns);
        wait_for_rest(me);
    }
    if (me->plan->mode == LOAD_CONNECT)
        me->tally->unsent = storm_unbegun(me);
    else
        messages_count(me);
    load_set(&me->tally->state, LOAD_DONE);
    leave(me);
}

int loader_run(const struct load_plan *plan, struct load_shared *shared, unsigned index, const struct args *args)
{
    struct loader me = { .plan = plan, .shared = shared, .tally = &shared->tallies[index], .index = index };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    me.tool.args = *args;
    me.tool.frames = (struct frames){ clock_us(), args->trace_secrets };
    int rc = prepare(&me);
    if (rc == 0)
        live(&me);
    else
        loader_trouble(&me, "%s", duet_strerror(rc));
    finish(&me);
    return rc < 0;
}
