/* SPDX-License-Identifier: MIT */
#include "server/server.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/date.h"
#include "http/reply.h"
#include "http/url.h"
#include "net/stream_tls.h"
#include "net/tls.h"
#include "server/files.h"
#include "server/httpd.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WHY = 200, BEAT_MS = 1000, POOL_CHUNKS = 4096 };

static __thread struct server_loop *current;

struct server_loop *server_current(duet_server *s)
{
    if (current != NULL && current->server == s)
        return current;
    struct server_loop *l = &s->loops[0];
    return atomic_load(&s->attached) && pthread_equal(l->thread, pthread_self()) ? l : NULL;
}

/* The configuration. */

static void default_to(unsigned *value, unsigned otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static unsigned descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur <= 128)
        return 64;
    return r.rlim_cur - 64 > UINT32_MAX / 2 ? UINT32_MAX / 2 : (unsigned)(r.rlim_cur - 64);
}

static int fill_defaults(duet_server_config *c, char *why)
{
    default_to(&c->threads, 1);
    default_to(&c->queue_soft, 256 * 1024);
    default_to(&c->queue_max, 1024 * 1024);
    default_to(&c->stall_ms, 10000);
    default_to(&c->head_max, 16 * 1024);
    default_to(&c->fields_max, 100);
    default_to(&c->target_max, 8 * 1024);
    default_to(&c->body_max, 1024 * 1024);
    default_to(&c->connections_max, descriptors());
    default_to(&c->topics_max, 128);
    default_to(&c->open_ms, 10000);
    default_to(&c->idle_ms, 60000);
    default_to(&c->close_ms, 5000);
    default_to(&c->drain_ms, 30000);
    default_to(&c->drain_code, DUET_CODE_AWAY);
    default_to(&c->requests_max, 1000);
    if (c->threads > SERVER_LOOPS || c->head_max > 60 * 1024 || c->fields_max > HTTP_FIELDS_MOST) {
        snprintf(why, WHY, "at most %d threads, 60 KiB of head and %d fields are possible", SERVER_LOOPS,
                 HTTP_FIELDS_MOST);
        return DUET_ERR_INVALID;
    }
    return 0;
}

static char *own(duet_server *s, const char *text)
{
    char *copy = mem_strdup(text);
    char **more = copy ? mem_realloc(s->owned, (s->owned_count + 1) * sizeof(*more)) : NULL;
    if (more == NULL) {
        mem_free(copy);
        return NULL;
    }
    s->owned = more;
    s->owned[s->owned_count++] = copy;
    return copy;
}

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

static int read_origins(duet_server *s, char *why)
{
    size_t n = count_of(s->config.origins);
    s->origins = mem_zalloc((n + 1) * sizeof(*s->origins));
    if (s->origins == NULL)
        return DUET_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s->config.origins[i], "*") == 0) {
            s->any_origin = true;
            continue;
        }
        char *text = own(s, s->config.origins[i]);
        if (text == NULL)
            return DUET_ERR_NOMEM;
        if (!http_origin_parse_entry(text, strlen(text), &s->origins[s->origin_count++])) {
            snprintf(why, WHY, "\"%.60s\" is no origin; write it as https://example.com or https://*.example.com",
                     text);
            return DUET_ERR_INVALID;
        }
    }
    s->config.origins = NULL;
    return 0;
}

static int read_proxies(duet_server *s, char *why)
{
    const char *const *list = s->config.trusted_proxies;
    size_t n = count_of(list);
    s->trusted = mem_zalloc((n + 1) * sizeof(*s->trusted));
    if (s->trusted == NULL)
        return DUET_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], "unix") == 0) {
            s->trust_unix = true;
        } else if (!http_network_parse(list[i], strlen(list[i]), &s->trusted[s->trusted_count++])) {
            snprintf(why, WHY, "\"%.60s\" is no network; write it as 10.0.0.0/8, fd00::/8, an address, or unix",
                     list[i]);
            return DUET_ERR_INVALID;
        }
    }
    if (s->config.proxy_protocol && n == 0) {
        snprintf(why, WHY, "the PROXY protocol needs trusted proxies: name those who may speak it");
        return DUET_ERR_INVALID;
    }
    s->trusted[s->trusted_count].bits = 128; /* see note_peer() */
    s->config.trusted_proxies = NULL;
    return 0;
}

static int open_url(duet_server *s, const char *text, char *why)
{
    struct http_url url;
    const char *wrong = "";
    char host[256], file[128];
    if (!http_url_parse(text, strlen(text), HTTP_URL_LISTEN, &url, &wrong)) {
        snprintf(why, WHY, "cannot listen on \"%.80s\": %s", text, wrong);
        return DUET_ERR_URL;
    }
    if (url.secure && s->config.tls == NULL) {
        snprintf(why, WHY, "cannot listen on \"%.80s\": TLS needs a certificate and its key", text);
        return DUET_ERR_TLS;
    }
    bool is_unix = url.scheme == HTTP_SCHEME_UNIX;
    snprintf(host, sizeof(host), "%.*s", (int)url.host.len, url.host.at ? url.host.at : "");
    snprintf(file, sizeof(file), "%.*s", (int)url.file.len, url.file.at ? url.file.at : "");
    int n = listen_open(s->fds + s->fd_count, SERVER_LISTENERS - s->fd_count, host, url.port, is_unix ? file : NULL,
                        s->config.threads > 1 && !is_unix, why);
    for (int i = 0; i < n; i++) {
        int k = s->fd_count++;
        s->fd_secure[k] = url.secure;
        s->fd_unix[k] = is_unix;
        s->ports[k] = listen_port(s->fds[k]);
    }
    return n < 0 ? n : 0;
}

static int open_all(duet_server *s, char *why)
{
    int rc = s->config.listen ? open_url(s, s->config.listen, why) : 0;
    const char *const *also = s->config.listen_also;
    for (size_t i = 0; rc == 0 && also != NULL && also[i] != NULL; i++)
        rc = open_url(s, also[i], why);
    if (rc == 0 && s->fd_count == 0) {
        snprintf(why, WHY, "nothing to listen on: name a URL such as ws://127.0.0.1:9001");
        rc = DUET_ERR_INVALID;
    }
    s->config.listen = NULL;
    s->config.listen_also = NULL;
    return rc;
}

/* The system's randomness by the block; a fork of this process would share it, and must not serve on. */
static int fill_random(void *arg, void *to, size_t len)
{
    struct server_loop *l = loop_of(arg);
    if (len > sizeof(l->random) - l->random_at) {
        if (getrandom(l->random, sizeof(l->random), 0) != sizeof(l->random))
            return DUET_ERR_RANDOM;
        l->random_at = 0;
    }
    memcpy(to, l->random + l->random_at, len);
    explicit_bzero(l->random + l->random_at, len);
    l->random_at += (unsigned)len;
    return 0;
}

/* Connections. */

uint64_t server_new_id(duet_conn *c)
{
    struct server_loop *l = loop_of(c);
    struct slot *slot = &l->slots[c->id >> 8 & 0xffffff];
    slot->generation++;
    c->id = (uint64_t)slot->generation << 32 | (c->id & 0xffffffff);
    return c->id;
}

duet_conn *server_find(struct server_loop *l, uint64_t id)
{
    uint32_t at = id >> 8 & 0xffffff;
    if ((id & 0xff) != l->index || at >= l->slots_cap || l->slots[at].generation != id >> 32)
        return NULL;
    return l->slots[at].conn;
}

static bool more_slots(struct server_loop *l)
{
    uint32_t cap = l->slots_cap ? 2 * l->slots_cap : 64;
    if (cap > 1u << 24)
        return false;
    struct slot *slots = mem_realloc(l->slots, cap * sizeof(*slots));
    if (slots == NULL)
        return false;
    for (uint32_t i = l->slots_cap; i < cap; i++)
        slots[i] = (struct slot){ .next = i + 1 < cap ? i + 1 : UINT32_MAX };
    l->slots_free = l->slots_cap;
    l->slots = slots;
    l->slots_cap = cap;
    return true;
}

static bool take_slot(duet_conn *c)
{
    struct server_loop *l = loop_of(c);
    if (l->slots_free == UINT32_MAX && !more_slots(l))
        return false;
    uint32_t at = l->slots_free;
    l->slots_free = l->slots[at].next;
    l->slots[at].conn = c;
    c->id = (uint64_t)at << 8 | l->index;
    server_new_id(c);
    l->conns++;
    atomic_fetch_add_explicit(&l->server->connections, 1, memory_order_relaxed);
    return true;
}

/* conn_host.gone: the last that is heard of a connection. */
static void conn_gone(duet_conn *c)
{
    struct server_loop *l = loop_of(c);
    if (!c->told && c->error != 0)
        report(l, c, (enum duet_reason)c->reason, c->error, NULL, NULL);
    peer_forget(c);
    topic_leave_all(c);
    if (c->id == 0)
        return;
    uint32_t at = c->id >> 8 & 0xffffff;
    l->slots[at].conn = NULL;
    l->slots[at].next = l->slots_free;
    l->slots_free = at;
    l->conns--;
    atomic_fetch_sub_explicit(&l->server->connections, 1, memory_order_relaxed);
    drain_check(l);
}

/* conn_host.closed */
static void websocket_closed(duet_conn *c, const duet_closing *why, enum duet_reason reason)
{
    struct server_loop *l = loop_of(c);
    l->websockets--;
    count_add(&l->codes[why->code < 5001 ? why->code : 0], 1);
    if (why->error != 0)
        report(l, c, reason, why->sent ? (int)why->sent : why->error, NULL, duet_strerror(why->error));
    topic_leave_all(c);
}

static void trace_frame(void *arg, const duet_trace *frame)
{
    duet_conn *c = arg;
    if (c->traced && c->host->server->config.trace)
        c->host->server->config.trace(c, frame);
}

void duet_conn_trace(duet_conn *c)
{
    c->traced = true;
    proto_trace(&c->proto, true);
}

/* Says so where that needs no handshake, and closes. */
static void refuse_newcomer(int fd, bool secure)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
                                 "Retry-After: 5\r\n\r\n";
    if (!secure && send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

static void accepted(struct listener *listener, int fd, const struct address *from)
{
    struct server_listener *sl = (struct server_listener *)(void *)listener;
    struct server_loop *l = sl->loop;
    duet_server *s = l->server;
    enum duet_reason why;
    count_add(&l->accepted, 1);
    if (!peer_admit(l, from, &why)) {
        report(l, NULL, why, 0, NULL, "raise the limit, or the number of descriptors (ulimit -n)");
        refuse_newcomer(fd, sl->secure);
        return;
    }
    duet_conn *c = conn_new(&l->host, fd, &stream_tcp_ops, NULL);
    if (c == NULL) {
        report(l, NULL, DUET_REASON_no_memory, DUET_ERR_NOMEM, NULL, NULL);
        return;
    }
    int rc = take_slot(c) ? peer_note(c, from, sl->secure) : DUET_ERR_NOMEM;
    if (rc == 0 && sl->secure)
        rc = stream_tls_start(&c->stream, tls_accept(s->config.tls));
    if (rc < 0) {
        c->reason = rc == DUET_ERR_LIMIT ? DUET_REASON_per_address : DUET_REASON_no_memory;
        conn_kill(c, rc);
        return;
    }
    conn_start(c, &httpd_phase);
}

static void accept_refused(struct listener *listener, int error)
{
    struct server_listener *sl = (struct server_listener *)(void *)listener;
    report(sl->loop, NULL, error == -EMFILE || error == -ENFILE ? DUET_REASON_fds : DUET_REASON_other, error, NULL,
           "no descriptor for a newcomer: raise ulimit -n");
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
                                .random = fill_random };
    if (c->trace)
        proto.trace = trace_frame;
    proto_config_resolve(&h->proto, &proto);
    h->server = s;
    h->on = c->on;
    h->pool.most = POOL_CHUNKS;
    h->queue_soft = c->queue_soft;
    h->queue_max = c->queue_max == DUET_OFF ? 0 : c->queue_max;
    h->stall_ms = c->stall_ms;
    h->close_ms = c->close_ms;
    h->messages_per_s = c->messages_per_s;
    h->when_full = c->when_full;
    h->read_on = c->read_on;
    h->data_size = c->data_size;
    h->gone = conn_gone;
    h->catch_up = topic_catch_up;
    h->closed = websocket_closed;
    h->opening = peer_opening;
    l->slots_free = UINT32_MAX;
    l->random_at = sizeof(l->random);
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
    const duet_proto_config *c = &s->loops[0].host.proto;
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
        int fd = l->index == 0 ? s->fds[i] : listen_again(s->fds[i]);
        if (fd < 0)
            return fd;
        sl->loop = l;
        limit_silence(s, fd);
        sl->secure = s->fd_secure[i];
        sl->listener.accepted = accepted;
        sl->listener.refused = accept_refused;
        sl->listener.exclusive = s->fd_unix[i] && s->count > 1;
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
    l->loop = l->host.loop = loop;
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
        for (uint32_t i = 0; i < l->slots_cap; i++)
            if (l->slots[i].conn != NULL)
                conn_kill(l->slots[i].conn, DUET_ERR_CLOSED);
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
    if (l->loop != NULL && l->owns_loop)
        duet_loop_free(l->loop);
    if (l->signal.fd >= 0)
        close(l->signal.fd);
    mem_free(l->slots);
}

static int check_roots(const duet_server_config *c, char *why)
{
    int rc = c->root != NULL ? files_check(c->root, why, WHY) : 0;
    for (const duet_route *r = c->routes; rc == 0 && r != NULL && r->path != NULL; r++)
        if (r->root != NULL)
            rc = files_check(r->root, why, WHY);
    return rc;
}

static int init(duet_server *s, const duet_server_config *config, char *why)
{
    memcpy(&s->config, config, config->size < sizeof(s->config) ? config->size : sizeof(s->config));
    pthread_mutex_init(&s->log_lock, NULL);
    pthread_mutex_init(&s->address_lock, NULL);
    int rc = fill_defaults(&s->config, why);
    budget_init(s);
    if (rc == 0 && getrandom(s->map_key, sizeof(s->map_key), 0) != sizeof(s->map_key))
        rc = DUET_ERR_RANDOM;
    map_init(&s->addresses, s->map_key);
    if (rc == 0)
        rc = read_origins(s, why);
    if (rc == 0)
        rc = read_proxies(s, why);
    if (rc == 0 && (rc = reply_fields_check(s->config.headers)) < 0)
        snprintf(why, WHY, "a header for every answer is malformed, or is the connection's own to say");
    if (rc == 0 && s->config.root != NULL && (s->config.root = own(s, s->config.root)) == NULL)
        rc = DUET_ERR_NOMEM;
    if (rc == 0)
        rc = check_roots(&s->config, why);
    if (rc < 0)
        return rc;
    s->loops = mem_zalloc(s->config.threads * sizeof(*s->loops));
    if (s->loops == NULL)
        return DUET_ERR_NOMEM;
    for (; rc == 0 && s->count < s->config.threads; s->count++)
        rc = loop_init(s, s->count);
    return rc < 0 ? rc : open_all(s, why);
}

int duet_server_new(duet_server **out, const duet_server_config *config, char *why)
{
    char unused[WHY];
    why = why ? why : unused;
    why[0] = 0;
    if (config == NULL || config->size == 0) {
        snprintf(why, WHY, "the config must begin with DUET_SERVER_CONFIG_INIT");
        return DUET_ERR_INVALID;
    }
    duet_server *s = mem_zalloc(sizeof(*s));
    if (s == NULL)
        return DUET_ERR_NOMEM;
    int rc = init(s, config, why);
    if (rc < 0) {
        if (why[0] == 0)
            snprintf(why, WHY, "%s", duet_strerror(rc));
        duet_server_free(s);
        return rc;
    }
    *out = s;
    return 0;
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

duet_conn *duet_conn_find(duet_server *s, uint64_t id)
{
    struct server_loop *l = server_current(s);
    duet_conn *c = l ? server_find(l, id) : NULL;
    return c != NULL && c->opened && c->state == CONN_ACTIVE ? c : NULL;
}

duet_http *duet_http_find(duet_server *s, uint64_t id)
{
    struct server_loop *l = server_current(s);
    duet_conn *c = l ? server_find(l, id) : NULL;
    return c != NULL && c->state == CONN_ACTIVE ? c->http : NULL;
}

/* Calls from other threads. */

struct call {
    duet_server *server;
    uint64_t id;
    void (*fn)(duet_server *, uint64_t, void *);
    void *arg;
    duet_shared *message;
};

static void run_call(void *arg)
{
    struct call call = *(struct call *)arg;
    mem_free(arg);
    if (call.fn != NULL) {
        call.fn(call.server, call.id, call.arg);
        return;
    }
    duet_conn *c = duet_conn_find(call.server, call.id);
    if (c != NULL)
        duet_send_shared(c, call.message);
    duet_shared_unref(call.message);
}

static int post(const struct call *call)
{
    duet_server *s = call->server;
    unsigned index = call->id & 0xff;
    if (index >= s->count || s->loops[index].loop == NULL)
        return DUET_ERR_GONE;
    struct call *copy = mem_dup(call, sizeof(*call));
    if (copy == NULL)
        return DUET_ERR_NOMEM;
    int rc = loop_post(s->loops[index].loop, run_call, copy);
    if (rc < 0)
        mem_free(copy);
    return rc;
}

int duet_post(duet_server *s, uint64_t id, void (*fn)(duet_server *s, uint64_t id, void *arg), void *arg)
{
    return post(&(struct call){ .server = s, .id = id, .fn = fn, .arg = arg });
}

int duet_send_to(duet_server *s, uint64_t id, duet_type type, const void *data, size_t len)
{
    if (type == DUET_TEXT && !utf8_valid(data, len))
        return DUET_ERR_UTF8;
    duet_shared *m = duet_shared_new(type, data, len);
    if (m == NULL)
        return DUET_ERR_NOMEM;
    int rc = post(&(struct call){ .server = s, .id = id, .message = m });
    if (rc < 0)
        duet_shared_unref(m);
    return rc;
}

static uint64_t get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_loop(const struct server_loop *l, duet_server_stats *out)
{
    out->connections += __atomic_load_n(&l->conns, __ATOMIC_RELAXED);
    out->websockets += __atomic_load_n(&l->websockets, __ATOMIC_RELAXED);
    out->accepted += get(&l->accepted);
    out->opened += get(&l->opened);
    out->requests += get(&l->requests);
    out->messages_in += get(&l->host.messages_in);
    out->messages_out += get(&l->host.messages_out);
    out->bytes_in += get(&l->host.bytes_in);
    out->bytes_out += get(&l->host.bytes_out);
    out->skipped += get(&l->host.skipped);
    out->subscriptions += get(&l->topics.subscriptions);
    out->topics += get(&l->topics.count);
    out->published += get(&l->topics.published);
    for (int i = 0; i < DUET_REASON_COUNT; i++)
        out->reasons[i] += get(&l->reasons[i]);
    for (int i = 0; i < 5001; i++)
        out->codes[i] += get(&l->codes[i]);
    if (get(&l->lag_us) > out->loop_lag_us)
        out->loop_lag_us = get(&l->lag_us);
}

void duet_server_read_stats(duet_server *s, duet_server_stats *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < s->count; i++)
        add_loop(&s->loops[i], out);
}
