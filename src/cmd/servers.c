/* SPDX-License-Identifier: MIT */
#include "cmd/servers.h"
#include "cmd/demo.h"
#include "cmd/lives.h"
#include "cmd/site.h"
#include "cmd/ticks.h"
#include "wire/plain.h"
#include <stdio.h>
#include <string.h>

enum { WHY = 200, MESSAGE_LEAST = 64 * 1024, BODY_MORE = 64 * 1024 };

/* Who looks at the ticks is known by who joins and leaves. */

static bool looks_at_ticks(const duet_conn *c)
{
    const char *channel = plain_channel(c);
    return channel != NULL && strcmp(channel, TICKS_CHANNEL) == 0;
}

static void opened(duet_conn *c)
{
    wire_handler.open(c);
    if (looks_at_ticks(c))
        ticks_member(site_of(duet_server_of(c))->ticks, true);
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct site *site = site_of(duet_server_of(c));
    if (looks_at_ticks(c))
        ticks_member(site->ticks, false);
    if (site->setup.config.log_connections)
        lives_closed(site->journal, c, why);
    wire_handler.close(c, why);
}

/* Which of the pairs it was: the first that fails by itself. What is said names the file. */
static int tls_failed(const struct site *site, const char *said)
{
    const struct options *o = &site->options;
    char why[WHY];
    for (size_t i = 0; i < o->pairs; i++) {
        duet_tls *one = NULL;
        int rc = duet_tls_new(&one, &o->certs[i], &o->keys[i], 1, why);
        duet_tls_free(one);
        if (rc < 0)
            return site_complain_at(site, strstr(why, o->certs[i]) == NULL ? o->keys[i] : o->certs[i], why);
    }
    return site_complain_at(site, NULL, said);
}

static int make_tls(struct site *site)
{
    const struct options *o = &site->options;
    char why[WHY] = "";
    if (o->pairs == 0 || site->tls != NULL)
        return 0;
    int rc = duet_tls_new(&site->tls, o->certs, o->keys, o->pairs, why);
    return rc < 0 ? tls_failed(site, why[0] ? why : duet_strerror(rc)) : 0;
}

/* `text` is what is to blame; NULL: nothing that somebody wrote. */
static int server_failed(const struct site *site, const char *text, int rc, const char *why)
{
    char said[WHY + 80];
    snprintf(said, sizeof(said), "%s%s", why[0] ? why : duet_strerror(rc),
             rc == DUET_ERR_TLS ? ": --tls-cert FILE --tls-key FILE, or tls in the configuration" : "");
    site_complain_at(site, text ? activation_said(&site->sockets, text) : NULL, said);
    return rc == DUET_ERR_URL || rc == DUET_ERR_INVALID ? 2 : 1;
}

/* A message may be as long as the namespace that takes the longest says. */
static unsigned longest_message(const struct setup *s)
{
    uint32_t most = MESSAGE_LEAST;
    for (size_t i = 0; i < s->config.namespaces_count; i++)
        if (s->config.namespaces[i].message_max > most)
            most = s->config.namespaces[i].message_max;
    return most;
}

/* Of the API: a message in base64, and what stands around it. */
static unsigned longest_body(const struct setup *s)
{
    return 2 * longest_message(s) + BODY_MORE;
}

/* For --check: as if systemd had passed what is named. */
static void assume_sockets(struct site *site)
{
    const struct options *o = &site->options;
    for (size_t i = 0; o->listen[i] != NULL; i++)
        activation_assume(&site->sockets, o->listen[i]);
    if (o->admin != NULL)
        activation_assume(&site->sockets, o->admin);
    if (o->api != NULL)
        activation_assume(&site->sockets, o->api);
}

/* What was passed to listen on, and whom to tell; before there are threads, since both are in the environment. */
static int make_sockets(struct site *site)
{
    char why[ACTIVATION_WHY] = "";
    struct options *o = &site->options;
    int rc = activation_take(&site->sockets, why);
    if (rc == 0 && o->check)
        assume_sockets(site);
    if (rc == 0)
        rc = activation_one(&site->sockets, &o->admin, why);
    if (rc == 0)
        rc = activation_one(&site->sockets, &o->api, why);
    if (rc == 0)
        rc = activation_listen(&site->sockets, o->listen, why);
    if (rc < 0)
        return server_failed(site, site->sockets.blame, rc, why);
    o->listen = site->sockets.urls;
    rc = o->check ? 0 : notify_begin(&site->manager);
    return rc < 0 ? server_failed(site, NULL, rc, "NOTIFY_SOCKET is no path of a socket; systemd sets it by itself")
                  : 0;
}

static duet_server_config main_config(struct site *site)
{
    const struct options *o = &site->options;
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = site_urls(site)[0],
        .listen_also = site_urls(site) + 1,
        .threads = site->setup.config.threads,
        .on = wire_handler,
        .arg = site,
        .data_size = WIRE_DATA,
        .message_max = longest_message(&site->setup),
        .body_max = longest_body(&site->setup),
        .queue_max = (unsigned)site->setup.config.clients.queue_max,
        .ping_ms = (unsigned)site->setup.config.clients.ping_ms,
        .pong_ms = (unsigned)site->setup.config.clients.pong_ms,
        .topics_max = 2 * site->setup.config.limits.channels_per_connection + 2,
        .origins = o->origins,
        .require_origin = site->setup.config.require_origin,
        .trusted_proxies = o->proxies,
        .proxy_protocol = site->setup.config.proxy_protocol,
        .routes = site->routes,
        .root = o->root,
        .tls = site->tls,
        .log = site_log,
        .trace = demo_frame,
        .trace_head = demo_head,
        .deflate.on = site->setup.config.deflate,
        .drain_ms = (unsigned)site->setup.config.drain_ms,
    };
    config.on.open = opened;
    config.on.close = closed;
    return config;
}

/* One with a listener of its own, on the main thread's loop. */
static duet_server_config aside_config(struct site *site, const char *url, const duet_route *routes)
{
    return (duet_server_config){
        DUET_SERVER_CONFIG_INIT,
        .listen = url,
        .on = wire_handler,
        .arg = site,
        .data_size = WIRE_DATA,
        .routes = routes,
        .body_max = longest_body(&site->setup),
        .tls = site->tls,
        .log = site_log,
    };
}

static int check_server(struct site *site, duet_server_config config)
{
    const char *blame = NULL;
    char why[WHY] = "";
    config.blame = &blame;
    int rc = duet_server_check(&config, why);
    return rc < 0 ? server_failed(site, blame, rc, why) : 0;
}

/* Nobody else listens where this one is to. */
static int check_apart(struct site *site, const char *url, const char *const *others)
{
    const char *also[] = { url, NULL };
    int rc = 0;
    for (; url != NULL && *others != NULL && rc == 0; others++) {
        duet_server_config config = aside_config(site, *others, NULL);
        config.listen_also = also;
        rc = check_server(site, config);
    }
    return rc;
}

/* What can be known of the servers before they are there. */
static int check_servers(struct site *site)
{
    const struct options *o = &site->options;
    const char *const admin[] = { o->admin, NULL }, *const *urls = site_urls(site);
    int rc = check_server(site, main_config(site));
    if (rc == 0)
        rc = check_apart(site, o->admin, urls);
    if (rc == 0)
        rc = check_apart(site, o->api, urls);
    return rc == 0 ? check_apart(site, o->api, admin) : rc;
}

int servers_make(struct site *site)
{
    duet_server_config config = main_config(site);
    const char *blame = NULL;
    char why[WHY] = "";
    config.blame = &blame;
    routes_fill(&site->setup, site->routes);
    int rc = duet_server_new(&site->server, &config, why);
    if (rc < 0)
        return server_failed(site, blame, rc, why);
    hub_attach(site->wires.hub, site->server);
    return 0;
}

static int make_aside(struct site *site, duet_server **out, const char *url, const duet_route *routes)
{
    char why[WHY] = "";
    if (url == NULL)
        return 0;
    duet_server_config config = aside_config(site, url, routes);
    int rc = duet_server_new(out, &config, why);
    if (rc == 0)
        rc = duet_server_attach(*out, site->loop);
    return rc < 0 ? server_failed(site, url, rc, why) : 0;
}

int servers_make_aside(struct site *site)
{
    int rc = make_aside(site, &site->admin, site->options.admin, routes_admin);
    return rc == 0 ? make_aside(site, &site->api, site->options.api, routes_api) : rc;
}

int servers_check(struct site *site)
{
    int rc = make_sockets(site);
    if (rc == 0)
        rc = make_tls(site);
    return rc == 0 ? check_servers(site) : rc;
}

static bool same_list(const char *const *a, const char *const *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return true;
}

int servers_check_next(struct site *next, const struct site *now)
{
    const struct options *a = &next->options, *b = &now->options;
    bool same =
        a->pairs == b->pairs && same_list(a->certs, b->certs, a->pairs) && same_list(a->keys, b->keys, a->pairs);
    next->options.check = true;
    next->tls = same ? now->tls : NULL;
    int rc = servers_check(next);
    if (!same)
        duet_tls_free(next->tls);
    next->tls = NULL;
    activation_fini(&next->sockets);
    return rc;
}
