/* SPDX-License-Identifier: MIT */
/*
 * Redirects (RFC 9110 15.4, CLI-3): a refusal whose Location is followed, within the same attempt and its time. The
 * connection ends first, as every one does; the next begins when it is gone.
 *
 * A client that has strayed (another origin than its URL's) stays so for the rest of the attempt: what was meant for
 * one server is not sent to whom it names, nor back through them.
 */
#include "base/mem.h"
#include "client/client.h"
#include "http/location.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { URL_MOST = 8 * 1024 };

static bool is_redirect(unsigned status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* NULL: go on. */
static const char *judge(const duet_client *cl, const char *text, size_t len, struct http_url *next)
{
    const char *line;
    if (len == 0)
        return "its Location is no URL, or too long";
    if (!http_url_parse(text, len, HTTP_URL_CONNECT, next, &line))
        return "its Location is no URL for WebSockets";
    if (next->scheme == HTTP_SCHEME_UNIX)
        return "its Location is a socket file";
    if (cl->url.secure && !next->secure)
        return "its Location gives up TLS";
    return NULL;
}

static bool refuse(duet_client *cl, unsigned status, const char *because)
{
    snprintf(cl->detail, sizeof(cl->detail), "the server answered %u, which is not followed: %s", status, because);
    return false;
}

bool redirect_take(duet_client *cl, duet_conn *c)
{
    const struct proto_opening *o = c->proto.busy->opening;
    unsigned status = duet_proto_status(&c->proto), from = 0;
    char text[URL_MOST];
    const char *value, *wrong;
    size_t len;
    struct http_url next;
    if (!is_redirect(status) || cl->config.redirects == 0 || cl->url.scheme == HTTP_SCHEME_UNIX)
        return false;
    if (http_head_count(&o->head, o->bytes.at, "location") != 1 ||
        !http_head_next(&o->head, o->bytes.at, "location", &from, &value, &len))
        return refuse(cl, status, "it has no Location, or two");
    if (cl->hops == cl->config.redirects)
        return refuse(cl, status, "there were too many before");
    wrong = judge(cl, text, http_location(&cl->url, value, len, text, sizeof(text)), &next);
    if (wrong != NULL)
        return refuse(cl, status, wrong);
    cl->next_url = mem_strdup(text);
    conn_kill(c, cl->next_url != NULL ? 0 : DUET_ERR_NOMEM);
    return true;
}

/* What tells nobody who is asking. Anything else that an application adds may be a secret. */
static void keep_plain_headers(duet_client *cl)
{
    static const char *const names[REDIRECT_PLAIN] = { "user-agent", "accept-language" };
    const duet_header *h = cl->config.headers;
    size_t count = 0;
    for (; h != NULL && h->name != NULL; h++)
        for (size_t i = 0; i < REDIRECT_PLAIN && count < REDIRECT_PLAIN; i++)
            if (strcasecmp(h->name, names[i]) == 0)
                cl->plain[count++] = *h;
    cl->plain[count] = (duet_header){ NULL, NULL };
    cl->host.home.config.headers = cl->plain;
}

/* The environment may name another proxy for the new URL, or none. As client_set_url(). */
static int lead_to(duet_client *cl, const char *to, const char *tls_name, char *why)
{
    int rc = client_set_url(cl, to, tls_name, why);
    if (rc < 0 || !cl->config.proxy_env)
        return rc;
    proxy_fini(&cl->proxy);
    return proxy_init(&cl->proxy, &cl->config, &cl->url, why);
}

static void hop(duet_client *cl, char *to)
{
    char why[200] = "";
    const char *line;
    struct http_url home, next;
    if (!http_url_parse(cl->home, strlen(cl->home), HTTP_URL_CONNECT, &home, &line) ||
        !http_url_parse(to, strlen(to), HTTP_URL_CONNECT, &next, &line))
        return; /* both were parsed before */
    bool own_name = http_url_same_host(&home, &next);
    if (!cl->strayed && !http_url_same_origin(&home, &next)) {
        cl->strayed = true;
        keep_plain_headers(cl);
    }
    cl->hops++;
    cl->moved = true;
    int rc = lead_to(cl, to, own_name ? cl->home_name : NULL, why);
    if (rc < 0)
        client_failed(cl, rc, why);
    else
        client_go(cl);
}

static void hop_due(struct timer *t)
{
    duet_client *cl = (duet_client *)(void *)((char *)t - offsetof(duet_client, timer));
    char *to = cl->next_url;
    assert(cl->conn == NULL); /* it was reaped at the end of the turn in which this was armed */
    cl->next_url = NULL;
    hop(cl, to);
    mem_free(to);
}

void redirect_go(duet_client *cl)
{
    cl->timer.due = hop_due;
    timer_arm(&cl->loop->wheel, &cl->timer, cl->loop->now_ms);
}

int redirect_home(duet_client *cl, char *why)
{
    cl->hops = 0;
    cl->strayed = false;
    cl->host.home.config.headers = cl->config.headers;
    int rc = cl->moved ? lead_to(cl, cl->home, cl->home_name, why) : 0;
    if (rc == 0)
        cl->moved = false;
    return rc;
}
