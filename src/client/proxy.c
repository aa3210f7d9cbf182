/* SPDX-License-Identifier: MIT */
/*
 *   ASKING --- 2xx ------------------------------------------------> tunnel         HTTP
 *   METHOD --- none ------------------> REPLY --- granted ----------> tunnel         SOCKS5
 *     +------- password --> SIGN_IN -----^
 *
 * Each answer is gathered until it is whole. Nobody speaks before us, neither the proxy between its answers nor the
 * server through the tunnel (with TLS, too, the client is first), so bytes behind an answer are an error.
 */
#include "client/proxy.h"
#include "base/digest.h"
#include "base/mem.h"
#include "client/backoff.h"
#include "client/client.h"
#include "client/proxy_env.h"
#include "http/reply.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WHY = 200, INTERIM_MOST = 8 };

static const struct http_limits head_limits = { .head_bytes = HTTP_HEAD_MOST, .fields = HTTP_FIELDS_MOST };

enum step { ASKING, METHOD, SIGN_IN, REPLY };

struct proxy_talk {
    enum step step;
    unsigned interim; /* answers before the one that counts */
    struct buf bytes; /* of the answer that comes */
    char detail[CLIENT_DETAIL];
    struct http_head head;
};

/* "https_proxy in the environment: the host is missing"; the value is not repeated, it may hold a password. */
static int say(char *why, const char *from, const char *sentence)
{
    snprintf(why, WHY, "%s: %s", from, sentence);
    return DUET_ERR_URL;
}

static const char *take_user(struct proxy *p, const struct http_url *u)
{
    p->with_user = u->has_user;
    int user = http_url_decode(u->user, p->user, sizeof(p->user));
    int password = http_url_decode(u->password, p->password, sizeof(p->password));
    if (user < 0 || password < 0)
        return "the user name or password is longer than 255 bytes or has a control character";
    if (p->kind == PROXY_HTTP && strchr(p->user, ':') != NULL)
        return "a colon in the user name, which Basic authentication cannot carry";
    if (p->kind == PROXY_SOCKS5 && p->with_user && user == 0)
        return "the user name is empty";
    return NULL;
}

/* `text` is the URL; one without a scheme is a host. */
static int take_url(struct proxy *p, const char *text, const char *from, char *why)
{
    struct http_url u;
    const char *wrong;
    if (!http_url_parse(text, strlen(text), HTTP_URL_PROXY, &u, &wrong))
        return say(why, from, wrong);
    if (u.host.len >= sizeof(p->name))
        return say(why, from, "the host is longer than 255 bytes");
    p->kind = u.scheme == HTTP_SCHEME_HTTP ? PROXY_HTTP : PROXY_SOCKS5;
    p->port = u.port;
    memcpy(p->name, u.host.at, u.host.len);
    p->name[u.host.len] = 0;
    wrong = take_user(p, &u);
    return wrong == NULL ? 0 : say(why, from, wrong);
}

/* "proxy.example:3128", as many a variable has it, is an HTTP proxy. */
static int take_variable(struct proxy *p, const char *value, const char *name, char *why)
{
    char from[64];
    snprintf(from, sizeof(from), "%s in the environment", name);
    if (strstr(value, "://") != NULL)
        return take_url(p, value, from, why);
    size_t len = strlen(value);
    char *whole = mem_alloc(len + 8);
    if (whole == NULL)
        return DUET_ERR_NOMEM;
    memcpy(whole, "http://", 7);
    memcpy(whole + 7, value, len + 1);
    int rc = take_url(p, whole, from, why);
    explicit_bzero(whole, len + 8);
    mem_free(whole);
    return rc;
}

int proxy_init(struct proxy *p, const duet_client_config *config, const struct http_url *url, char *why)
{
    const char *name, *value;
    if (config->proxy != NULL) {
        int rc = take_url(p, config->proxy, "the proxy", why);
        if (url->scheme == HTTP_SCHEME_UNIX)
            p->kind = PROXY_NONE;
        return rc;
    }
    if (!config->proxy_env || url->scheme == HTTP_SCHEME_UNIX || (value = proxy_env(url, &name)) == NULL)
        return 0;
    return take_variable(p, value, name, why);
}

void proxy_fini(struct proxy *p)
{
    explicit_bzero(p, sizeof(*p));
}

/* The attempt is over: what it kept is freed. */
static void stop(duet_client *cl)
{
    if (cl->talk != NULL)
        buf_fini(&cl->talk->bytes);
    mem_free(cl->talk);
    cl->talk = NULL;
}

static void queue(duet_conn *c, const void *data, size_t len)
{
    int rc = outq_copy(&c->proto.busy->out, data, len, NULL, 0);
    if (rc < 0)
        conn_kill(c, rc);
    else
        conn_wrote(c);
}

/* Basic (RFC 7617), for the proxy alone: what the application says in `headers` goes to the server alone. */
static void put_authorization(struct buf *b, const struct proxy *p)
{
    char pair[2 * PROXY_USER], text[sizeof(pair) * 4 / 3 + 8];
    if (!p->with_user)
        return;
    int len = snprintf(pair, sizeof(pair), "%s:%s", p->user, p->password);
    base64_encode(text, pair, (size_t)len);
    buf_printf(b, "Proxy-Authorization: Basic %s\r\n", text);
    explicit_bzero(pair, sizeof(pair));
    explicit_bzero(text, sizeof(text));
}

static void ask_http(duet_client *cl, duet_conn *c)
{
    char space[2048]; /* for two names and the longest user and password */
    struct buf b;
    const char *open = cl->url.ipv6 ? "[" : "", *close = cl->url.ipv6 ? "]" : "";
    buf_init(&b, space, sizeof(space));
    buf_printf(&b, "CONNECT %s%s%s:%u HTTP/1.1\r\n", open, cl->name, close, cl->url.port);
    buf_printf(&b, "Host: %s%s%s:%u\r\n", open, cl->name, close, cl->url.port);
    put_authorization(&b, &cl->proxy);
    buf_put(&b, "\r\n", 2);
    assert(b.at == space && !b.failed);
    queue(c, b.at, b.len);
    explicit_bzero(space, sizeof(space));
}

/* Says what this step has to say. */
static void ask(duet_client *cl, duet_conn *c)
{
    uint8_t out[HTTP_SOCKS_ASK];
    const struct proxy *p = &cl->proxy;
    size_t len = 0;
    switch (cl->talk->step) {
    case ASKING:
        ask_http(cl, c);
        return;
    case METHOD:
        len = http_socks_greeting(out, p->with_user);
        break;
    case SIGN_IN:
        len = http_socks_password(out, (struct http_text){ p->user, strlen(p->user) },
                                  (struct http_text){ p->password, strlen(p->password) });
        break;
    case REPLY:
        len = http_socks_request(out, cl->url.host, cl->url.port);
        break;
    }
    queue(c, out, len);
    explicit_bzero(out, sizeof(out));
}

static void refuse(duet_client *cl, duet_conn *c, const char *sentence)
{
    snprintf(cl->talk->detail, sizeof(cl->talk->detail), "no way through the proxy: %s", sentence);
    conn_kill(c, DUET_ERR_PROXY);
}

/* Nothing of what the proxy says is repeated: it was told the password. */
static void refuse_status(duet_client *cl, duet_conn *c)
{
    struct proxy_talk *t = cl->talk;
    unsigned status = t->head.status, from = 0;
    const char *value, *sentence = reply_reason(status);
    size_t len;
    cl->proxy_status = status;
    cl->hopeless = status < 500 && status != 408 && status != 425 && status != 429;
    if (status == 407 || status == 401) /* tinyproxy says 401 to a wrong password */
        sentence = cl->proxy.with_user ? "it does not take this user name and password"
                                       : "it wants a user name and password";
    else if (status < 300)
        sentence = "it is no HTTP proxy";
    if (http_head_next(&t->head, t->bytes.at, "retry-after", &from, &value, &len))
        cl->retry_after_s = backoff_after_s(value, (unsigned)len, (int64_t)time(NULL));
    snprintf(t->detail, sizeof(t->detail), "the proxy answered %u: %s", status, sentence);
    conn_kill(c, DUET_ERR_PROXY);
}

/* A part of the input, so that no more than the limit is kept. */
static void gather(struct proxy_talk *t, const duet_input *in, size_t most)
{
    size_t room = most - t->bytes.len;
    buf_put(&t->bytes, in->data, in->len < room ? in->len : room);
}

static void begin_head(struct proxy_talk *t)
{
    t->bytes.len = 0;
    http_head_init(&t->head);
    t->head.tunnel = true;
}

/* Each reads an answer from the front of the input. 1: it is good; 0: more is needed; -1: the connection was killed. */

static int read_head(duet_client *cl, duet_conn *c, duet_input *in)
{
    struct proxy_talk *t = cl->talk;
    for (;;) {
        size_t before = t->bytes.len;
        gather(t, in, HTTP_HEAD_MOST);
        if (t->bytes.failed) {
            conn_kill(c, DUET_ERR_NOMEM);
            return -1;
        }
        int rc = http_head_response(&t->head, t->bytes.at, t->bytes.len, &head_limits);
        if (rc < 0)
            refuse(cl, c, t->head.error);
        if (rc <= 0)
            return rc;
        in->data += t->head.size - before;
        in->len -= t->head.size - before;
        if (t->head.status / 100 == 2)
            return 1;
        if (t->head.status >= 200 || t->head.status == 101) {
            refuse_status(cl, c);
            return -1;
        }
        if (++t->interim > INTERIM_MOST) {
            refuse(cl, c, "too many interim answers");
            return -1;
        }
        begin_head(t);
        if (in->len == 0)
            return 0;
    }
}

static int read_socks(duet_client *cl, duet_conn *c, duet_input *in)
{
    struct proxy_talk *t = cl->talk;
    struct http_socks_refusal no;
    uint8_t method = HTTP_SOCKS_OPEN;
    size_t before = t->bytes.len;
    gather(t, in, HTTP_SOCKS_ANSWER);
    if (t->bytes.failed) {
        conn_kill(c, DUET_ERR_NOMEM);
        return -1;
    }
    const uint8_t *data = (const uint8_t *)t->bytes.at;
    int size = t->step == METHOD    ? http_socks_read_method(data, t->bytes.len, cl->proxy.with_user, &method, &no)
               : t->step == SIGN_IN ? http_socks_read_status(data, t->bytes.len, &no)
                                    : http_socks_read_reply(data, t->bytes.len, &no);
    if (size < 0) {
        cl->hopeless = no.final;
        refuse(cl, c, no.why);
    }
    if (size <= 0)
        return size;
    in->data += (size_t)size - before;
    in->len -= (size_t)size - before;
    t->bytes.len = 0;
    if (t->step == REPLY || in->len > 0)
        return 1;
    t->step = method == HTTP_SOCKS_PASSWORD ? SIGN_IN : REPLY;
    ask(cl, c);
    return 0;
}

static void take_input(duet_conn *c, duet_input *in)
{
    duet_client *cl = client_of(c);
    int rc = cl->talk->step == ASKING ? read_head(cl, c, in) : read_socks(cl, c, in);
    if (rc == 1 && (in->len > 0 || conn_queued(c) > 0)) {
        refuse(cl, c, "it spoke before it was asked");
    } else if (rc == 1) {
        stop(cl);
        opening_through(cl, c);
    }
    in->len = 0;
}

static void at_eof(duet_conn *c)
{
    conn_kill(c, DUET_ERR_EOF);
}

static uint64_t next_deadline(const duet_conn *c)
{
    return client_deadline(client_of(c));
}

static void at_deadline(duet_conn *c)
{
    conn_kill(c, DUET_ERR_TIMEOUT);
}

static void when_drained(duet_conn *c)
{
    (void)c;
}

static void when_ended(duet_conn *c, int error)
{
    duet_client *cl = client_of(c);
    const char *detail = NULL;
    char line[CLIENT_DETAIL];
    if (cl->talk != NULL && cl->talk->detail[0] != 0)
        detail = cl->talk->detail;
    else if (error == DUET_ERR_EOF || error == -ECONNRESET)
        detail = "the proxy closed the connection before it answered";
    else if (error == DUET_ERR_TIMEOUT)
        detail = "the proxy did not answer in time";
    if (detail != NULL) {
        snprintf(line, sizeof(line), "%s", detail);
        detail = line;
    }
    stop(cl); /* `failed` may free the client */
    client_failed(cl, error, detail);
}

static const struct conn_phase proxy_phase = {
    .input = take_input,
    .eof = at_eof,
    .deadline = next_deadline,
    .due = at_deadline,
    .drained = when_drained,
    .ended = when_ended,
};

void proxy_start(duet_client *cl, int fd)
{
    cl->state = CLIENT_PROXYING;
    duet_conn *c = opening_conn(cl, fd);
    if (c == NULL)
        return;
    conn_busy(c)->phase = &proxy_phase;
    cl->talk = mem_zalloc(sizeof(*cl->talk));
    if (cl->talk == NULL) {
        conn_kill(c, DUET_ERR_NOMEM);
        return;
    }
    cl->talk->step = cl->proxy.kind == PROXY_HTTP ? ASKING : METHOD;
    begin_head(cl->talk);
    int rc = conn_start(c, &proxy_phase);
    if (rc < 0) { /* it is freed, and has told nobody */
        stop(cl);
        client_failed(cl, rc, NULL);
        return;
    }
    ask(cl, c);
    conn_speak(c);
}
