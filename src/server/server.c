/* SPDX-License-Identifier: MIT */
#include "server/server.h"
#include "base/mem.h"
#include "http/date.h"
#include "server/httpd.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BEAT_MS = 1000, POOL_CHUNKS = 4096 };

static __thread struct server_loop *current;

struct server_loop *server_current(duet_server *s)
{
    if (current != NULL && current->server == s)
        return current;
    struct server_loop *l = &s->loops[0];
    return atomic_load(&s->attached) && pthread_equal(l->thread, pthread_self()) ? l : NULL;
}

static int fill_random(void *arg, void *to, size_t len)
{
    return random_fill(&loop_of(arg)->random, to, len);
}

/* Loops. */

static void signalled(struct watch *w, uint32_t events)
{
    struct server_loop *l = (struct server_loop *)(void *)((char *)w - offsetof(struct server_loop, signal));
    uint64_t count;
    ssize_t ignored = read(w->fd, &count, sizeof(count));
    (void)ignored;
    (void)events;
    if (atomic_load(&l->server->stopping))
        duet_loop_stop(l->loop);
    else if (atomic_load(&l->server->draining))
        drain_begin(l);
}

static void beat(struct timer *t)
{
    struct server_loop *l = (struct server_loop *)(void *)((char *)t - offsetof(struct server_loop, beat));
    uint64_t late = (l->loop->now_ms - t->at_ms) * 1000;
    __atomic_store_n(&l->lag_us, late, __ATOMIC_RELAXED);
    for (int i = 0; i < DUET_TURN_BUCKETS; i++)
        __atomic_store_n(&l->turns[i], l->loop->turns.counts[i], __ATOMIC_RELAXED);
    __atomic_store_n(&l->turns_us, l->loop->turns.sum_us, __ATOMIC_RELAXED);
    timer_arm(&l->loop->wheel, &l->beat, l->loop->now_ms + BEAT_MS);
}

const char *server_date(struct server_loop *l)
{
    if (l->date[0] == 0 || l->loop->now_ms - l->date_ms >= 1000) {
        http_date_format((int64_t)time(NULL), l->date);
        l->date_ms = l->loop->now_ms;
    }
    return l->date;
}

static unsigned slow_code(const duet_conn *c)
{
    const duet_route *route = server_route(c);
    return route != NULL && route->slow_code != 0 ? route->slow_code : DUET_CODE_POLICY;
}

static void host_init(struct server_loop *l)
{
    duet_server *s = l->server;
    const duet_server_config *c = &s->config;
    struct conn_host *h = &l->host;
    duet_proto_config proto = { .size = sizeof(proto),
                                .role = DUET_SERVER,
                                .message_max = c->message_max,
                                .pieces = c->pieces,
                                .open_ms = c->open_ms,
                                .ping_ms = c->ping_ms,
                                .pong_ms = c->pong_ms,
                                .close_ms = c->close_ms,
                                .message_ms = c->message_ms,
                                .control_per_s = c->control_per_s,
                                .random = fill_random,
                                .deflate = c->deflate };
    if (c->trace)
        proto.trace = accept_trace;
    proto_config_resolve(&h->home.config, &proto);
    h->server = s;
    h->on = c->on;
    h->pool.most = POOL_CHUNKS;
    h->index = (uint8_t)l->index;
    h->queue_soft = c->queue_soft;
    h->queue_max = c->queue_max == DUET_OFF ? 0 : c->queue_max;
    h->stall_ms = c->stall_ms;
    h->close_ms = c->close_ms;
    h->messages_per_s = c->messages_per_s;
    h->when_full = c->when_full;
    h->read_on = c->read_on;
    h->data_size = c->data_size;
    h->gone = accept_gone;
    h->catch_up = topic_catch_up;
    h->closed = accept_closed;
    h->opening = peer_opening;
    h->slow_code = slow_code;
    conn_host_init(h);
    l->beat.due = beat;
}

static int loop_init(duet_server *s, unsigned index)
{
    struct server_loop *l = &s->loops[index];
    l->server = s;
    l->index = index;
    l->signal.fd = -1;
    host_init(l);
    int rc = topics_init(&l->topics, l, s->map_key);
    if (rc < 0)
        return rc;
    l->signal.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->signal.ready = signalled;
    return l->signal.fd < 0 ? -errno : 0;
}

/* Bytes that nobody acknowledges must not keep a socket longer than a ping would (NET-7). Newcomers inherit it; a unix
 * socket has no such thing. */
static void limit_silence(const duet_server *s, int fd)
{
    const duet_proto_config *c = &s->loops[0].host.home.config;
    if (c->ping_ms == DUET_OFF || c->pong_ms == DUET_OFF)
        return;
    unsigned ms = c->ping_ms + c->pong_ms;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static int start_listeners(struct server_loop *l)
{
    duet_server *s = l->server;
    for (int i = 0; i < s->fd_count; i++) {
        struct server_listener *sl = &l->listeners[i];
        int fd = l->index == 0 ? s->fds[i] : s->fd_single[i] ? listen_same(s->fds[i]) : listen_again(s->fds[i]);
        if (fd < 0)
            return fd;
        sl->loop = l;
        limit_silence(s, fd);
        sl->secure = s->fd_secure[i];
        sl->passed = s->fd_passed[i];
        sl->listener.accepted = accept_newcomer;
        sl->listener.refused = accept_refused;
        sl->listener.exclusive = s->fd_single[i] && s->count > 1;
        int rc = listener_start(&sl->listener, l->loop, fd);
        if (rc < 0) {
            if (l->index != 0)
                close(fd);
            return rc;
        }
        sl->started = true;
        if (l->index == 0)
            s->fds[i] = -1; /* the listener's now */
    }
    return 0;
}

/* Puts a loop's part on its event loop. */
static int loop_start(struct server_loop *l, duet_loop *loop)
{
    int rc = 0;
    l->owns_loop = loop == NULL;
    if (loop == NULL)
        rc = duet_loop_new(&loop);
    if (rc < 0)
        return rc;
    __atomic_store_n(&l->loop, loop, __ATOMIC_RELEASE); /* another thread may post to it as soon as it is there */
    conn_host_start(&l->host, loop);
    rc = loop_watch(loop, &l->signal, LOOP_IN);
    if (rc == 0)
        timer_arm(&loop->wheel, &l->beat, loop->now_ms + BEAT_MS);
    if (rc == 0) {
        budget_start(l);
        topics_listen(&l->topics, true);
    }
    return rc;
}

static void loop_stop(struct server_loop *l)
{
    if (l->loop != NULL) {
        topics_listen(&l->topics, false);
        for (unsigned i = 0; i < SERVER_LISTENERS; i++)
            if (l->listeners[i].started)
                listener_stop(&l->listeners[i].listener, false);
        for (uint32_t i = 0; i < server_slots(l); i++)
            if (server_slot(l, i) != NULL)
                conn_kill(server_slot(l, i), DUET_ERR_CLOSED);
        /* The closing callbacks and the reaping. */
        duet_loop_turn(l->loop, 0);
        duet_loop_turn(l->loop, 0);
        timer_cancel(&l->loop->wheel, &l->beat);
        timer_cancel(&l->loop->wheel, &l->drain);
        timer_cancel(&l->loop->wheel, &l->budget);
        int fd = l->signal.fd;
        loop_unwatch(l->loop, &l->signal);
        l->signal.fd = fd;
    }
}

static void loop_fini(struct server_loop *l)
{
    topics_fini(&l->topics);
    chunk_pool_fini(&l->host.pool);
    deflate_pool_fini(&l->host.deflate);
    if (l->loop != NULL && l->owns_loop)
        duet_loop_free(l->loop);
    if (l->signal.fd >= 0)
        close(l->signal.fd);
    slots_fini(&l->host.slots);
}

static int init_loops(duet_server *s, char *why)
{
    int rc = 0;
    budget_init(s);
    s->loops = mem_zalloc(s->config.threads * sizeof(*s->loops));
    if (s->loops == NULL)
        return DUET_ERR_NOMEM;
    for (; rc == 0 && s->count < s->config.threads; s->count++)
        rc = loop_init(s, s->count);
    return rc < 0 ? rc : config_listen(s, why);
}

static int init(duet_server *s, const duet_server_config *config, char *why)
{
    pthread_mutex_init(&s->log_lock, NULL);
    pthread_mutex_init(&s->address_lock, NULL);
    if (random_system(s->map_key, sizeof(s->map_key)) < 0)
        return DUET_ERR_RANDOM;
    map_init(&s->addresses, s->map_key);
    return config_take(s, config, why);
}

/* One that has what it is told, and then what `go_on` gives it. */
static int make(duet_server **out, const duet_server_config *config, int (*go_on)(duet_server *s, char *why), char *why)
{
    char unused[SERVER_WHY];
    why = why ? why : unused;
    why[0] = 0;
    if (config == NULL || config->size == 0) {
        snprintf(why, SERVER_WHY, "the config must begin with DUET_SERVER_CONFIG_INIT");
        return DUET_ERR_INVALID;
    }
    duet_server *s = mem_zalloc(sizeof(*s));
    if (s == NULL)
        return DUET_ERR_NOMEM;
    int rc = init(s, config, why);
    if (rc == 0)
        rc = go_on(s, why);
    if (rc < 0) {
        if (why[0] == 0)
            snprintf(why, SERVER_WHY, "%s", duet_strerror(rc));
        duet_server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int duet_server_new(duet_server **out, const duet_server_config *config, char *why)
{
    return make(out, config, init_loops, why);
}

int duet_server_check(const duet_server_config *config, char *why)
{
    duet_server *s = NULL;
    int rc = make(&s, config, config_look, why);
    duet_server_free(s);
    return rc;
}

void duet_server_free(duet_server *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->count; i++)
        loop_stop(&s->loops[i]);
    worker_free(atomic_load(&s->worker)); /* its work knows the loops */
    /* Their last callbacks may have published. */
    for (unsigned i = 0; i < s->count; i++)
        loop_fini(&s->loops[i]);
    for (int i = 0; i < s->fd_count; i++)
        if (s->fds[i] >= 0)
            close(s->fds[i]);
    map_fini(&s->addresses);
    for (size_t i = 0; i < s->owned_count; i++)
        mem_free(s->owned[i]);
    mem_free(s->owned);
    mem_free(s->origins);
    mem_free(s->trusted);
    mem_free(s->loops);
    pthread_mutex_destroy(&s->log_lock);
    pthread_mutex_destroy(&s->address_lock);
    mem_free(s);
}

static void *serve(void *arg)
{
    struct server_loop *l = arg;
    current = l;
    duet_loop_run(l->loop);
    current = NULL;
    return NULL;
}

static void wake(struct server_loop *l)
{
    uint64_t one = 1;
    ssize_t ignored = write(l->signal.fd, &one, sizeof(one));
    (void)ignored;
}

int duet_server_run(duet_server *s)
{
    int rc = 0;
    unsigned started = 0, threads = 1;
    for (; rc == 0 && started < s->count; started++)
        rc = loop_start(&s->loops[started], NULL);
    /* The first loop last: it takes the descriptors that the others' are made after. */
    for (unsigned i = s->count; rc == 0 && i-- > 0;)
        rc = start_listeners(&s->loops[i]);
    for (; rc == 0 && threads < s->count; threads++)
        rc = -pthread_create(&s->loops[threads].thread, NULL, serve, &s->loops[threads]);
    if (rc == 0) {
        s->loops[0].thread = pthread_self();
        serve(&s->loops[0]);
    } else {
        duet_server_stop(s);
        threads--;
    }
    /* The others end by the same drain or stop, each in its own time. */
    for (unsigned i = 1; i < threads; i++)
        pthread_join(s->loops[i].thread, NULL);
    return rc;
}

int duet_server_attach(duet_server *s, duet_loop *loop)
{
    if (s->count != 1 || s->loops[0].loop != NULL)
        return DUET_ERR_INVALID;
    int rc = loop_start(&s->loops[0], loop);
    s->loops[0].thread = pthread_self();
    atomic_store(&s->attached, true);
    return rc < 0 ? rc : start_listeners(&s->loops[0]);
}

bool duet_server_over(const duet_server *s)
{
    const struct server_loop *l = &s->loops[0];
    return atomic_load(&s->stopping) || (l->draining && l->conns == 0);
}

void duet_server_stop(duet_server *s)
{
    atomic_store(&s->stopping, true);
    for (unsigned i = 0; i < s->count; i++)
        wake(&s->loops[i]);
}

void duet_server_drain(duet_server *s)
{
    atomic_store(&s->draining, true);
    for (unsigned i = 0; i < s->count; i++)
        wake(&s->loops[i]);
}

bool duet_server_draining(const duet_server *s)
{
    return atomic_load(&s->draining);
}

unsigned duet_server_port(const duet_server *s, unsigned i)
{
    return i < (unsigned)s->fd_count ? s->ports[i] : 0;
}

void *duet_server_arg(const duet_server *s)
{
    return s->config.arg;
}

duet_loop *duet_server_loop(duet_server *s)
{
    struct server_loop *l = server_current(s);
    return l ? l->loop : NULL;
}
