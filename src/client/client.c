/* SPDX-License-Identifier: MIT */
#include "client/client.h"
#include "base/mem.h"
#include "client/backoff.h"
#include "net/stream_tls.h"
#include "proto/handshake.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { WHY = 200 };

static int say(char *why, int error, const char *line)
{
    snprintf(why, WHY, "%s", line);
    return error;
}

static void default_to(unsigned *value, unsigned otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void resolve_config(duet_client_config *c)
{
    default_to(&c->queue_soft, 256 * 1024);
    default_to(&c->queue_max, 1024 * 1024);
    default_to(&c->stall_ms, 10000);
    default_to(&c->resolve_ms, 5000);
    default_to(&c->open_ms, 10000);
    default_to(&c->close_ms, 5000);
    default_to(&c->retry_first_ms, 5000);
    default_to(&c->retry_most_ms, 60000);
}

/* The connection's own: masking keys, the handshake's key. */
static int fill_random(void *arg, void *to, size_t len)
{
    return random_fill(&client_of(arg)->group->random, to, len);
}

static void trace_frame(void *arg, const duet_trace *frame)
{
    client_of(arg)->config.trace(arg, frame);
}

static void trace_head(void *arg, bool sent, const char *head, size_t len)
{
    duet_client *cl = client_of(arg);
    cl->config.trace_head(cl, sent, head, len);
}

static void begin(duet_client *cl);

static void retry_due(struct timer *t)
{
    duet_client *cl = (duet_client *)(void *)((char *)t - offsetof(duet_client, timer));
    if (cl->conn == NULL) {
        begin(cl);
        return;
    }
    conn_kill(cl->conn, 0); /* it lingers still; its end was told */
    timer_arm(&cl->loop->wheel, &cl->timer, cl->loop->now_ms + 1);
}

/* WAITING, or OVER. Returns the wait. */
static unsigned decide(duet_client *cl, bool again, unsigned failures)
{
    uint32_t drawn;
    cl->told = true;
    cl->again = again && !cl->freed && random_fill(&cl->group->random, &drawn, sizeof(drawn)) == 0;
    cl->failures = failures + 1;
    if (!cl->again) {
        cl->state = CLIENT_OVER;
        return 0;
    }
    cl->state = CLIENT_WAITING;
    unsigned wait_ms = backoff_ms(cl->config.retry_first_ms, cl->config.retry_most_ms, failures, drawn);
    wait_ms += cl->retry_after_s * 1000; /* with the jitter: others were told the same */
    cl->timer.due = retry_due;
    timer_arm(&cl->loop->wheel, &cl->timer, cl->loop->now_ms + wait_ms);
    return wait_ms;
}

static bool worth_another(const duet_client *cl, int error, unsigned status)
{
    if (status != 0 && error != DUET_ERR_NOMEM)
        return status >= 500 || status == 408 || status == 425 || status == 429;
    return !cl->hopeless && cl->verdict.error == 0 && error != DUET_ERR_INVALID && error != DUET_ERR_URL;
}

void client_failed(duet_client *cl, int error, const char *detail)
{
    if (cl->told)
        return;
    unsigned status = cl->conn ? duet_proto_status(&cl->conn->proto) : 0;
    unsigned wait_ms = decide(cl, cl->config.retry && worth_another(cl, error, status), cl->failures);
    duet_failure f = { .error = error,
                       .status = status,
                       .detail = detail != NULL && detail[0] != 0 ? detail : duet_strerror(error),
                       .body = cl->body.at,
                       .body_len = cl->body.len,
                       .final = !cl->again,
                       .retry_ms = wait_ms,
                       .proxy_status = cl->proxy_status };
    if (cl->config.failed)
        cl->config.failed(cl, &f);
}

/* An open connection ended; its handler hears of it next. */
static void websocket_closed(duet_conn *c, const duet_closing *why, enum duet_reason reason)
{
    (void)reason;
    duet_client *cl = client_of(c);
    bool again = cl->config.retry && !c->left && why->code != DUET_CODE_NORMAL && why->code != DUET_CODE_POLICY;
    decide(cl, again, why->code == DUET_CODE_LATER ? cl->failures : 0);
}

static void conn_gone(duet_conn *c)
{
    client_of(c)->conn = NULL;
}

/* TLS failed: the verdict on the certificate, or else what OpenSSL says. */
static void stream_unopened(duet_conn *c)
{
    duet_client *cl = client_of(c);
    const char *reason;
    if (!c->stream.as->tls)
        return;
    if (tls_verdict_text(&cl->verdict, cl->tls_name, cl->detail, sizeof(cl->detail)))
        return;
    cl->detail[0] = 0;
    if ((reason = stream_tls_reason(&c->stream)) != NULL)
        snprintf(cl->detail, sizeof(cl->detail), "TLS failed: %s", reason);
}

/* What the hop or attempt before left. */
static void forget(duet_client *cl)
{
    buf_fini(&cl->body);
    cl->refused = cl->hopeless = false;
    cl->proxy_status = 0;
    cl->detail[0] = 0;
    cl->verdict = (struct tls_verdict){ 0 };
    cl->retry_after_s = 0;
    cl->error = 0;
}

void client_go(duet_client *cl)
{
    forget(cl);
    connect_begin(cl);
}

/* An attempt. */
static void begin(duet_client *cl)
{
    char why[WHY] = "";
    cl->told = cl->again = false;
    cl->began_ms = cl->loop->now_ms;
    forget(cl);
    int rc = redirect_home(cl, why);
    if (rc < 0)
        client_failed(cl, rc, why);
    else
        connect_begin(cl);
}

static void start(struct task *t)
{
    begin((duet_client *)(void *)((char *)t - offsetof(duet_client, start)));
}

static void host_init(duet_client *cl)
{
    const duet_client_config *c = &cl->config;
    struct conn_host *h = &cl->host;
    duet_proto_config proto = { .size = sizeof(proto),
                                .role = DUET_CLIENT,
                                .message_max = c->message_max,
                                .pieces = c->pieces,
                                .open_ms = c->open_ms,
                                .ping_ms = c->ping_ms,
                                .pong_ms = c->pong_ms,
                                .close_ms = c->close_ms,
                                .message_ms = c->message_ms,
                                .control_per_s = c->control_per_s,
                                .random = fill_random,
                                .trace = c->trace ? trace_frame : NULL,
                                .trace_head = c->trace_head ? trace_head : NULL,
                                .host = cl->host_field,
                                .target = cl->target,
                                .origin = c->origin,
                                .subprotocols = c->subprotocols,
                                .headers = c->headers,
                                .deflate = c->deflate };
    proto_config_resolve(&h->home.config, &proto);
    h->one = true;
    h->on = c->on;
    h->home.chunks = &cl->group->pool;
    h->queue_soft = c->queue_soft;
    h->queue_max = c->queue_max == DUET_OFF ? 0 : c->queue_max;
    h->stall_ms = c->stall_ms;
    h->close_ms = c->close_ms;
    h->when_full = c->when_full;
    h->read_on = c->read_on;
    h->data_size = c->data_size;
    h->gone = conn_gone;
    h->closed = websocket_closed;
    h->unopened = stream_unopened;
    conn_host_init(h);
    conn_host_start(h, cl->loop);
}

int client_set_url(duet_client *cl, const char *text, const char *tls_name, char *why)
{
    const char *line;
    char *copy = mem_strdup(text);
    if (copy == NULL)
        return DUET_ERR_NOMEM;
    mem_free(cl->url_text);
    mem_free(cl->target);
    mem_free(cl->tls_name);
    cl->url_text = copy;
    cl->target = cl->tls_name = NULL;
    if (!http_url_parse(copy, strlen(copy), HTTP_URL_CONNECT, &cl->url, &line))
        return say(why, DUET_ERR_URL, line);
    if (cl->url.host.len >= sizeof(cl->name) ||
        http_url_host_field(&cl->url, cl->host_field, sizeof(cl->host_field)) == 0)
        return say(why, DUET_ERR_URL, "the host is longer than 255 bytes");
    memset(cl->name, 0, sizeof(cl->name));
    if (cl->url.host.len > 0)
        memcpy(cl->name, cl->url.host.at, cl->url.host.len);
    size_t root = strlen(cl->url.root), len = cl->url.target.len;
    cl->target = mem_zalloc(root + len + 1);
    cl->tls_name = mem_strdup(tls_name ? tls_name : cl->name);
    if (cl->target == NULL || cl->tls_name == NULL)
        return DUET_ERR_NOMEM;
    memcpy(cl->target, cl->url.root, root);
    if (len > 0)
        memcpy(cl->target + root, cl->url.target.at, len);
    cl->host.home.config.target = cl->target;
    return 0;
}

/* Copies what is to outlive the caller's. */
static int read_url(duet_client *cl, char *why)
{
    duet_client_config *c = &cl->config;
    if (c->url == NULL)
        return say(why, DUET_ERR_URL, "no URL is given");
    if (c->redirects > REDIRECTS_MOST)
        return say(why, DUET_ERR_INVALID, "at most 5 redirects are followed");
    cl->home = mem_strdup(c->url);
    cl->home_name = c->tls_name ? mem_strdup(c->tls_name) : NULL;
    if (cl->home == NULL || (c->tls_name != NULL && cl->home_name == NULL))
        return DUET_ERR_NOMEM;
    c->url = cl->home;
    c->tls_name = cl->home_name;
    return client_set_url(cl, cl->home, cl->home_name, why);
}

/* The request is put together once for nothing: what breaks it is told now, and never sent (CLI-4). */
static int check_request(duet_client *cl, char *why)
{
    char space[1024];
    struct buf b;
    if (!extension_options_valid(&cl->config.deflate))
        return say(why, DUET_ERR_INVALID, "deflate has windows of 9 to 15 bits and levels up to 9");
    buf_init(&b, space, sizeof(space));
    int rc = handshake_request(&b, &cl->host.home.config, "");
    if (rc == 0 && b.failed)
        rc = DUET_ERR_NOMEM;
    buf_fini(&b);
    if (rc == DUET_ERR_INVALID)
        return say(why, rc,
                   "a header, the origin or a subprotocol has a byte that cannot be sent, comes twice, or is the "
                   "handshake's own");
    return rc;
}

static int read_tls(duet_client *cl, char *why)
{
    const duet_client_config *c = &cl->config;
    struct tls_client_options o = {
        .ca = c->ca, .cert = c->cert, .key = c->key, .insecure = c->insecure, .pins = c->pins
    };
    if (c->pins != NULL && !cl->url.secure)
        return say(why, DUET_ERR_INVALID, "pins need a wss or https URL");
    if (!cl->url.secure && c->redirects == 0)
        return 0;
    if ((c->cert == NULL) != (c->key == NULL))
        return say(why, DUET_ERR_INVALID, "a certificate and its key go together");
    return group_tls(cl->group, &cl->tls, &o, why);
}

static int join_group(duet_client *cl, char *why)
{
    duet_client_group *g = cl->config.group;
    if (g == NULL)
        return duet_client_group_new(&cl->group, cl->loop);
    if (g->loop != cl->loop)
        return say(why, DUET_ERR_INVALID, "the group is of another loop");
    cl->group = group_ref(g);
    return 0;
}

static int read_bind_address(duet_client *cl, char *why)
{
    const char *text = cl->config.bind_address;
    cl->config.bind_address = NULL; /* it may not stay */
    if (text == NULL)
        return 0;
    if (inet_pton(AF_INET, text, cl->bind_to) == 1)
        cl->bind_family = AF_INET;
    else if (inet_pton(AF_INET6, text, cl->bind_to) == 1)
        cl->bind_family = AF_INET6;
    else
        return say(why, DUET_ERR_INVALID, "bind_address is no IP address");
    return 0;
}

static int init(duet_client *cl, const duet_client_config *config, char *why)
{
    memcpy(&cl->config, config, config->size < sizeof(cl->config) ? config->size : sizeof(cl->config));
    resolve_config(&cl->config);
    for (unsigned i = 0; i < RESOLVE_MOST; i++)
        cl->attempts[i] = (struct attempt){ .watch.fd = -1, .client = cl };
    int rc = read_url(cl, why);
    if (rc == 0)
        rc = join_group(cl, why);
    if (rc == 0)
        rc = read_bind_address(cl, why);
    if (rc < 0)
        return rc;
    rc = proxy_init(&cl->proxy, &cl->config, &cl->url, why);
    cl->config.proxy_env &= cl->config.proxy == NULL;
    cl->config.proxy = NULL; /* borrowed until now */
    if (rc < 0)
        return rc;
    host_init(cl);
    rc = check_request(cl, why);
    return rc < 0 ? rc : read_tls(cl, why);
}

static void client_fini(struct task *t)
{
    duet_client *cl = (duet_client *)(void *)((char *)t - offsetof(duet_client, reap));
    SSL_CTX_free(cl->tls);
    proxy_fini(&cl->proxy);
    buf_fini(&cl->body);
    duet_client_group_free(cl->group);
    mem_free(cl->home);
    mem_free(cl->home_name);
    mem_free(cl->next_url);
    mem_free(cl->url_text);
    mem_free(cl->target);
    mem_free(cl->tls_name);
    mem_free(cl);
}

int duet_connect(duet_client **out, duet_loop *loop, const duet_client_config *config, char *why)
{
    char unused[WHY];
    why = why ? why : unused;
    why[0] = 0;
    if (config == NULL || config->size == 0)
        return say(why, DUET_ERR_INVALID, "the config must begin with DUET_CLIENT_CONFIG_INIT");
    duet_client *cl = mem_zalloc(sizeof(*cl));
    if (cl == NULL)
        return say(why, DUET_ERR_NOMEM, duet_strerror(DUET_ERR_NOMEM));
    cl->loop = loop;
    cl->start.run = start;
    cl->reap.run = client_fini;
    int rc = init(cl, config, why);
    if (rc < 0) {
        if (why[0] == 0)
            say(why, rc, duet_strerror(rc));
        client_fini(&cl->reap);
        return rc;
    }
    loop_at_end(loop, &cl->start);
    *out = cl;
    return 0;
}

void duet_client_free(duet_client *cl)
{
    if (cl == NULL || cl->freed)
        return;
    cl->freed = true;
    loop_not_at_end(cl->loop, &cl->start);
    connect_stop(cl);
    if (cl->conn != NULL)
        conn_end(cl->conn, DUET_ERR_CLOSED);
    client_failed(cl, DUET_ERR_CLOSED, NULL);
    cl->state = CLIENT_OVER;
    loop_reap(cl->loop, &cl->reap);
}

duet_conn *duet_client_conn(const duet_client *cl)
{
    return cl->state == CLIENT_OPEN && cl->conn != NULL && cl->conn->state == CONN_ACTIVE ? cl->conn : NULL;
}

const char *duet_client_url(const duet_client *cl)
{
    return cl->url_text;
}

duet_client *duet_client_of(const duet_conn *c)
{
    return conn_host(c)->server == NULL ? client_of(c) : NULL;
}

void *duet_client_arg(const duet_client *cl)
{
    return cl->config.arg;
}

duet_loop *duet_client_loop(const duet_client *cl)
{
    return cl->loop;
}
