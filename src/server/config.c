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
            snprintf(why, SERVER_WHY, "\"%.60s\" is no network; write it as 10.0.0.0/8, fd00::/8, an address, or unix",
                     list[i]);
            return DUET_ERR_INVALID;
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

static int check_roots(const duet_server_config *c, char *why)
{
    int rc = c->root != NULL ? files_check(c->root, why, SERVER_WHY) : 0;
    for (const duet_route *r = c->routes; rc == 0 && r != NULL && r->path != NULL; r++)
        if (r->root != NULL)
            rc = files_check(r->root, why, SERVER_WHY);
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
    if (rc == 0 && s->config.root != NULL && (s->config.root = own(s, s->config.root)) == NULL)
        rc = DUET_ERR_NOMEM;
    return rc < 0 ? rc : check_roots(&s->config, why);
}

/* The sockets of one URL, at `fds`: their number, or a negative error. */
static int open_sockets(const duet_server *s, const struct http_url *url, int *fds, int max, char *why)
{
    char host[256], file[128];
    if (max < 1) {
        snprintf(why, SERVER_WHY, "cannot listen on more than %d sockets", SERVER_LISTENERS);
        return DUET_ERR_INVALID;
    }
    if (url->scheme == HTTP_SCHEME_FD) {
        fds[0] = listen_passed(url->descriptor, why);
        return fds[0] < 0 ? fds[0] : 1;
    }
    snprintf(host, sizeof(host), "%.*s", (int)url->host.len, url->host.at ? url->host.at : "");
    snprintf(file, sizeof(file), "%.*s", (int)url->file.len, url->file.at ? url->file.at : "");
    bool is_unix = url->scheme == HTTP_SCHEME_UNIX;
    return listen_open(fds, max, host, url->port, is_unix ? file : NULL, s->config.threads > 1 && !is_unix, why);
}

static int open_url(duet_server *s, const char *text, char *why)
{
    struct http_url url;
    const char *wrong = "";
    if (!http_url_parse(text, strlen(text), HTTP_URL_LISTEN, &url, &wrong)) {
        snprintf(why, SERVER_WHY, "cannot listen on \"%.80s\": %s", text, wrong);
        return DUET_ERR_URL;
    }
    if (url.secure && s->config.tls == NULL) {
        snprintf(why, SERVER_WHY, "cannot listen on \"%.80s\": TLS needs a certificate and its key", text);
        return DUET_ERR_TLS;
    }
    int n = open_sockets(s, &url, s->fds + s->fd_count, SERVER_LISTENERS - s->fd_count, why);
    for (int i = 0; i < n; i++) {
        int k = s->fd_count++;
        s->fd_secure[k] = url.secure;
        s->fd_passed[k] = url.scheme == HTTP_SCHEME_FD;
        s->fd_single[k] = url.scheme == HTTP_SCHEME_UNIX || s->fd_passed[k];
        s->ports[k] = listen_port(s->fds[k]);
    }
    return n < 0 ? n : 0;
}

int config_listen(duet_server *s, char *why)
{
    int rc = s->config.listen ? open_url(s, s->config.listen, why) : 0;
    const char *const *also = s->config.listen_also;
    for (size_t i = 0; rc == 0 && also != NULL && also[i] != NULL; i++)
        rc = open_url(s, also[i], why);
    if (rc == 0 && s->fd_count == 0) {
        snprintf(why, SERVER_WHY, "nothing to listen on: name a URL such as ws://127.0.0.1:9001");
        rc = DUET_ERR_INVALID;
    }
    s->config.listen = NULL;
    s->config.listen_also = NULL;
    return rc;
}
