/* SPDX-License-Identifier: MIT */
/* What a server is told: the defaults, the lists that are taken apart once, the sockets that it listens on. */
#include "base/mem.h"
#include "http/reply.h"
#include "http/url.h"
#include "net/listen.h"
#include "proto/close.h"
#include "server/files.h"
#include "server/server.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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
        snprintf(why, SERVER_WHY, "at most %d threads, 60 KiB of head and %d fields are possible", SERVER_LOOPS,
                 HTTP_FIELDS_MOST);
        return DUET_ERR_INVALID;
    }
    if (!close_code_valid(c->drain_code)) {
        snprintf(why, SERVER_WHY, "drain_code %u is none that may be sent", c->drain_code);
        return DUET_ERR_INVALID;
    }
    if (!extension_options_valid(&c->deflate)) {
        snprintf(why, SERVER_WHY, "deflate has windows of 9 to 15 bits and levels up to 9");
        return DUET_ERR_INVALID;
    }
    return 0;
}

/* Tells whoever wants to know which of his texts it was. */
static int blame(const duet_server *s, const char *text, int rc)
{
    if (s->config.blame != NULL)
        *s->config.blame = text;
    return rc;
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
            snprintf(why, SERVER_WHY,
                     "\"%.60s\" is no origin; write it as https://example.com or https://*.example.com", text);
            return blame(s, s->config.origins[i], DUET_ERR_INVALID);
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
            snprintf(why, SERVER_WHY, "\"%.60s\" is no network; write it as 10.0.0.0/8, fd00::/8, an address, or unix",
                     list[i]);
            return blame(s, list[i], DUET_ERR_INVALID);
        }
    }
    if (s->config.proxy_protocol && n == 0) {
        snprintf(why, SERVER_WHY, "the PROXY protocol needs trusted proxies: name those who may speak it");
        return DUET_ERR_INVALID;
    }
    s->trusted[s->trusted_count].bits = 128; /* see note_peer() */
    s->config.trusted_proxies = NULL;
    return 0;
}

static int take_roots(duet_server *s, char *why)
{
    const char *root = s->config.root;
    int rc = root != NULL ? files_check(root, why, SERVER_WHY) : 0;
    if (rc < 0)
        return blame(s, root, rc);
    for (const duet_route *r = s->config.routes; rc == 0 && r != NULL && r->path != NULL; r++)
        if (r->root != NULL)
            rc = files_check(r->root, why, SERVER_WHY);
    if (rc == 0 && root != NULL && (s->config.root = own(s, root)) == NULL)
        rc = DUET_ERR_NOMEM;
    return rc;
}

int config_take(duet_server *s, const duet_server_config *config, char *why)
{
    memcpy(&s->config, config, config->size < sizeof(s->config) ? config->size : sizeof(s->config));
    int rc = fill_defaults(&s->config, why);
    if (rc == 0)
        rc = read_origins(s, why);
    if (rc == 0)
        rc = read_proxies(s, why);
    if (rc == 0 && (rc = reply_fields_check(s->config.headers)) < 0)
        snprintf(why, SERVER_WHY, "a header for every answer is malformed, or is the connection's own to say");
    return rc < 0 ? rc : take_roots(s, why);
}

/* Addresses: each is taken apart, and then opened or only looked at. */

typedef int url_use(duet_server *s, const char *text, const struct http_url *url, void *arg, char *why);

/* Host and path as strings, `*path` NULL where there is none. */
struct place {
    char host[256], file[128];
    const char *path;
};

static void place(struct place *p, const struct http_url *url)
{
    snprintf(p->host, sizeof(p->host), "%.*s", (int)url->host.len, url->host.at ? url->host.at : "");
    snprintf(p->file, sizeof(p->file), "%.*s", (int)url->file.len, url->file.at ? url->file.at : "");
    p->path = url->scheme == HTTP_SCHEME_UNIX ? p->file : NULL;
}

static int too_many(char *why)
{
    snprintf(why, SERVER_WHY, "cannot listen on more than %d sockets", SERVER_LISTENERS);
    return DUET_ERR_INVALID;
}

/* The sockets of one URL, at `fds`: their number, or a negative error. */
static int open_sockets(const duet_server *s, const struct http_url *url, int *fds, int max, char *why)
{
    struct place at;
    if (max < 1)
        return too_many(why);
    if (url->scheme == HTTP_SCHEME_FD) {
        fds[0] = listen_passed(url->descriptor, why);
        return fds[0] < 0 ? fds[0] : 1;
    }
    place(&at, url);
    return listen_open(fds, max, at.host, url->port, at.path, s->config.threads > 1 && at.path == NULL, why);
}

static int open_url(duet_server *s, const char *text, const struct http_url *url, void *arg, char *why)
{
    (void)text;
    (void)arg;
    int n = open_sockets(s, url, s->fds + s->fd_count, SERVER_LISTENERS - s->fd_count, why);
    for (int i = 0; i < n; i++) {
        int k = s->fd_count++;
        s->fd_secure[k] = url->secure;
        s->fd_passed[k] = url->scheme == HTTP_SCHEME_FD;
        s->fd_single[k] = url->scheme == HTTP_SCHEME_UNIX || s->fd_passed[k];
        s->ports[k] = listen_port(s->fds[k]);
    }
    return n < 0 ? n : 0;
}

static int use_url(duet_server *s, const char *text, url_use *use, void *arg, char *why)
{
    struct http_url url;
    const char *wrong = "";
    int rc;
    if (!http_url_parse(text, strlen(text), HTTP_URL_LISTEN, &url, &wrong)) {
        snprintf(why, SERVER_WHY, "cannot listen on \"%.80s\": %s", text, wrong);
        rc = DUET_ERR_URL;
    } else if (url.secure && s->config.tls == NULL) {
        snprintf(why, SERVER_WHY, "cannot listen on \"%.80s\": TLS needs a certificate and its key", text);
        rc = DUET_ERR_TLS;
    } else {
        rc = use(s, text, &url, arg, why);
    }
    return rc < 0 ? blame(s, text, rc) : 0;
}

static int use_urls(duet_server *s, url_use *use, void *arg, char *why)
{
    const char *const *also = s->config.listen_also;
    int rc = 0;
    if (s->config.listen != NULL)
        rc = use_url(s, s->config.listen, use, arg, why);
    else if (count_of(also) == 0) {
        snprintf(why, SERVER_WHY, "nothing to listen on: name a URL such as ws://127.0.0.1:9001");
        rc = DUET_ERR_INVALID;
    }
    for (size_t i = 0; rc == 0 && also != NULL && also[i] != NULL; i++)
        rc = use_url(s, also[i], use, arg, why);
    return rc;
}

int config_listen(duet_server *s, char *why)
{
    int rc = use_urls(s, open_url, NULL, why);
    s->config.listen = NULL;
    s->config.listen_also = NULL;
    return rc;
}

enum { ADDRESSES_EACH = 8 }; /* of one URL's host; which of them a second URL has is seen in these */

struct lookout {
    int urls, count;
    struct address found[SERVER_LISTENERS * ADDRESSES_EACH];
};

/* An fd: is left to who has it open. */
static int look_at_url(duet_server *s, const char *text, const struct http_url *url, void *arg, char *why)
{
    struct lookout *l = arg;
    struct address *found = l->found + l->count;
    struct place at;
    (void)s;
    if (l->urls++ == SERVER_LISTENERS)
        return too_many(why);
    if (url->scheme == HTTP_SCHEME_FD)
        return 0;
    place(&at, url);
    int n = listen_look(found, ADDRESSES_EACH, at.host, url->port, at.path, why);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < l->count; k++)
            if (listen_clash(&l->found[k], &found[i])) {
                snprintf(why, SERVER_WHY, "cannot listen on \"%.80s\": another URL listens there; leave one out", text);
                return DUET_ERR_INVALID;
            }
    l->count += n > 0 ? n : 0;
    return n < 0 ? n : 0;
}

int config_look(duet_server *s, char *why)
{
    struct lookout *l = mem_zalloc(sizeof(*l));
    int rc = l ? use_urls(s, look_at_url, l, why) : DUET_ERR_NOMEM;
    mem_free(l);
    return rc;
}
