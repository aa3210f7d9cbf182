/* SPDX-License-Identifier: MIT */
/*
 * Threads: the main one turns a loop of its own with the signals, the ticks and the servers of --admin-listen and
 * --api-listen. Another runs the server of the site, with its loops. The journal, the store and the hooks have theirs.
 */
#include "cmd/serve.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cmd/activation.h"
#include "cmd/admin.h"
#include "cmd/backends.h"
#include "cmd/console.h"
#include "cmd/demo.h"
#include "cmd/journal.h"
#include "cmd/lives.h"
#include "cmd/metrics.h"
#include "cmd/notify.h"
#include "cmd/pages.h"
#include "cmd/reach.h"
#include "cmd/setup.h"
#include "cmd/ticks.h"
#include "engine/store.h"
#include "wire/api.h"
#include "wire/backend.h"
#include "wire/centrifugal.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include "wire/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* After a drain's time comes the end of who still is there, and the store's last sync. */
enum { WHY = 200, END_MS = 10000, BEAT_MS = 1000, MESSAGE_LEAST = 64 * 1024, BODY_MORE = 64 * 1024 };

static const char *const default_urls[] = { "http://127.0.0.1:8080", NULL };

/* The server's duet_server_arg(), of both servers. Set before they run. */
struct site {
    struct wire_site wires; /* first */
    struct setup setup;
    struct options options; /* what holds of them, the setup's */
    struct activation sockets;
    struct notify manager;
    struct journal *journal;
    struct demo *demo;
    struct console *console;
    struct ticks *ticks;
    struct backends *backends; /* NULL without --demo, or where they could not reach the server */
    duet_tls *tls;
    duet_server *server, *admin, *api; /* NULL without --admin-listen, without --api-listen */
    duet_loop *loop;                   /* the main thread's, as all below */
    duet_watch *signal_watch, *ended_watch;
    duet_timer *beat; /* once a second */
    uint64_t beats;
    int signal_fd, ended_fd; /* ended_fd: the server's run is over */
    int stops;               /* SIGTERM and SIGINT so far */
    int result;              /* of the server's run */
};

static struct site *site_of(duet_server *s)
{
    return duet_server_arg(s);
}

/* Where it listens. */
static const char *const *urls_of(const struct site *site)
{
    return site->options.listen[0] ? site->options.listen : default_urls;
}

struct demo *demo_of(duet_server *s)
{
    return site_of(s)->demo;
}

struct console *console_of(duet_server *s)
{
    return site_of(s)->console;
}

static int complain(const char *what)
{
    fprintf(stderr, "duet serve: %s\n", what);
    return 1;
}

/* The same of a text of the options or a field of the configuration, with where it was said. */
static int complain_at(const struct site *site, const void *of, const char *what)
{
    char place[CONFIG_WHERE];
    setup_where(&site->setup, of, place);
    fprintf(stderr, "duet serve: %s%s\n", place, what);
    return 1;
}

/* The log. */

static void log_event(void *arg, const duet_log_event *event)
{
    struct site *site = arg;
    journal_put(site->journal, event);
}

static void say(struct site *site, duet_log_level level, const char *event, const char *detail)
{
    journal_put(site->journal, &(duet_log_event){ .level = level, .event = event, .detail = detail });
}

static void told(struct site *site, int rc)
{
    if (rc < 0)
        say(site, DUET_LOG_WARNING, "notify_failed", duet_strerror(rc));
}

/* Routes. */

static void health(duet_http *x, const duet_request *r)
{
    struct site *site = site_of(duet_http_server(x));
    char why[HUB_WHY], line[HUB_WHY + 16];
    (void)r;
    if (duet_server_draining(site->server)) {
        duet_http_text(x, 503, "draining");
    } else if (!hub_healthy(site->wires.hub, why)) {
        snprintf(line, sizeof(line), "store: %s", why);
        duet_http_text(x, 503, line);
    } else {
        duet_http_text(x, 200, "ok");
    }
}

/* What a program that watches over this one asks: it answers, so it is not to be killed. */
static void livez(duet_http *x, const duet_request *r)
{
    (void)r;
    duet_http_text(x, 200, "ok");
}

static void metrics(duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "text/plain; version=0.0.4; charset=utf-8" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    struct site *site = site_of(duet_http_server(x));
    if (!admin_may(console_door(site->console), x, r))
        return;
    struct buf b;
    buf_init(&b, NULL, 0);
    metrics_write(&b, site->server, site->wires.hub, journal_dropped(site->journal));
    if (site->wires.hooks != NULL)
        metrics_write_hooks(&b, site->wires.hooks);
    if (b.failed || duet_http_reply(x, 200, headers, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
    buf_fini(&b);
}

static void ticks(duet_http *x, const duet_request *r)
{
    ticks_answer(site_of(duet_http_server(x))->ticks, x, r);
}

/* For the pages below /apps/: which of them there are, and which backends run. */
static void apps(duet_http *x, const duet_request *r)
{
    static const duet_header headers[] = {
        { "Content-Type", "application/json" },
        { "Cache-Control", "no-store" },
        { NULL, NULL },
    };
    struct site *site = site_of(duet_http_server(x));
    struct buf b;
    (void)r;
    buf_init(&b, NULL, 0);
    buf_printf(&b, "{\"demo\":%s,\"apps\":", site->options.demo ? "true" : "false");
    pages_put_apps(&b);
    buf_puts(&b, ",\"backends\":");
    backends_put(site->backends, &b);
    buf_puts(&b, "}\n");
    if (b.failed || duet_http_reply(x, 200, headers, b.at, b.len) < 0)
        duet_http_text(x, 503, "out of memory, try again later");
    buf_fini(&b);
}

static const duet_route common_routes[] = {
    { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
    { .path = SSE_PATH, .http = sse_http, .cors = true },
    CENTRIFUGAL_ROUTES,
    { .path = "/health", .http = health },
    { .path = "/livez", .http = livez },
};
static const duet_route api_route = { .path = API_PATH, .http = api_http, .methods = "POST" };
static const duet_route operator_routes[] = { { .path = "/metrics", .http = metrics }, CONSOLE_ROUTES };
/* What the built-in pages demonstrate, whether they or a site's are served. */
static const duet_route demo_routes[] = {
    { .path = DEMO_ECHO,
      .websocket = true,
      .upgrade = demo_upgrade,
      .trace = true,
      .no_deflate = true }, /* the home page shows what is in frames */
    { .path = DEMO_TRACE, .http = demo_trace },
    { .path = "/demo/ticks", .http = ticks },
    { .path = "/apps/apps.json", .http = apps },
};
/* For pages of the origins that are listed, too, which take modules from here. */
static const duet_route client_route = { .path = "/duet.js", .http = pages_http, .cors = true };
static const duet_route pages_route = { .path = "/", .http = pages_http, .cors = true };

enum {
    COMMON = sizeof(common_routes) / sizeof(*common_routes),
    DEMO = sizeof(demo_routes) / sizeof(*demo_routes),
    OPERATOR = sizeof(operator_routes) / sizeof(*operator_routes),
    ROUTES = COMMON + DEMO + OPERATOR + 4
};

static void fill_routes(const struct setup *s, duet_route routes[ROUTES])
{
    int n = COMMON;
    memcpy(routes, common_routes, sizeof(common_routes));
    if (s->config.pages) {
        memcpy(routes + n, demo_routes, sizeof(demo_routes));
        n += DEMO;
    }
    if (s->options.api == NULL)
        routes[n++] = api_route;
    if (s->options.admin == NULL) {
        memcpy(routes + n, operator_routes, sizeof(operator_routes));
        n += OPERATOR;
    }
    routes[n++] = client_route; /* for everybody's pages, too */
    if (s->options.root == NULL && s->config.pages)
        routes[n++] = pages_route;
    routes[n] = (duet_route){ 0 };
}

static const duet_route admin_routes[] = {
    { .path = "/health", .http = health },
    { .path = "/livez", .http = livez },
    { .path = "/metrics", .http = metrics },
    CONSOLE_ROUTES,
    { 0 },
};
static const duet_route api_routes[] = {
    { .path = API_PATH, .http = api_http, .methods = "POST" },
    { .path = "/health", .http = health },
    { .path = "/livez", .http = livez },
    { 0 },
};

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

static void stream_ended(duet_http *x, const struct wire_about *about, int code)
{
    lives_ended(site_of(duet_http_server(x))->journal, x, about, code);
}

/* Once a second. */
static void beat(void *arg)
{
    struct site *site = arg;
    hub_tick(site->wires.hub);
    wire_tick(&site->wires, site->server, ++site->beats);
    console_beat(site->console);
    duet_timer_set(site->beat, BEAT_MS);
}

/* Making it all. Each prints its line when it fails, and returns the exit code. */

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
            return complain_at(site, strstr(why, o->certs[i]) == NULL ? o->keys[i] : o->certs[i], why);
    }
    return complain(said);
}

static int make_tls(struct site *site)
{
    const struct options *o = &site->options;
    char why[WHY] = "";
    if (o->pairs == 0)
        return 0;
    int rc = duet_tls_new(&site->tls, o->certs, o->keys, o->pairs, why);
    return rc < 0 ? tls_failed(site, why[0] ? why : duet_strerror(rc)) : 0;
}

/* What keeps streams over restarts; --check leaves it to the server that may be using it. */
static int make_engine(struct site *site, struct hub_config *config)
{
    const struct options *o = &site->options;
    char why[STORE_WHY] = "";
    if (o->data == NULL || o->check)
        return 0;
    struct store_config store = {
        .dir = o->data,
        .durability = (enum store_durability)(o->durability - OPTIONS_FSYNC),
        .log = log_event,
        .arg = site,
    };
    return store_new(&config->engine, &store, why) < 0 ? complain_at(site, o->data, why) : 0;
}

static int make_hub(struct site *site)
{
    struct hub_config config = setup_hub(&site->setup);
    struct hub *hub;
    char why[HUB_WHY];
    if (site->setup.config.hooks.events != NULL) {
        config.tell = backend_tell;
        config.tell_arg = &site->wires;
    }
    int rc = make_engine(site, &config);
    if (rc != 0)
        return rc;
    if (hub_new(&hub, &config, why) < 0)
        return complain(why);
    rc = wire_init(&site->wires, hub);
    site->wires.ended = site->setup.config.log_connections ? stream_ended : NULL;
    site->wires.api_key = &site->setup.api_key;
    site->wires.doors = site->setup.doors;
    site->wires.needs_token = !site->setup.config.clients.anonymous;
    site->wires.ping_ms = site->setup.config.clients.ping_ms;
    site->wires.pong_ms = site->setup.config.clients.pong_ms;
    site->wires.connect_ms = site->setup.config.clients.connect_ms;
    site->wires.expired_ms = site->setup.config.clients.expired_ms;
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

/* What --demo starts later on; behind the server, whose port they are to know. */
static int make_backends(struct site *site)
{
    struct reach at;
    if (!site->options.demo || !reach_plain(&at, site->server, urls_of(site)))
        return 0;
    struct backends_config config = {
        .kinds = backends_of_demo,
        .host = at.heard,
        .port = at.picked ? 0 : at.port,
        .log = log_event,
        .arg = site,
    };
    int rc = backends_new(&site->backends, &config);
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

/* Behind the hub, since the store has the folder; and behind the backends, one of which may be asked. */
static int make_hooks(struct site *site)
{
    struct hooks_config config = setup_hooks(&site->setup);
    const struct config *c = &site->setup.config;
    char why[HOOK_WHY];
    config.log = log_event;
    config.arg = site;
    if (backends_url(site->backends, "auction") != NULL && config_line(c, &c->hooks.publish) > 0)
        config.urls[HOOK_PUBLISH] = backends_url(site->backends, "auction"); /* the environment goes before it */
    if (!setup_has_hooks(&site->setup))
        return 0;
    site->wires.hook_fields = site->setup.config.hooks.headers;
    return hooks_new(&site->wires.hooks, &config, why) < 0 ? complain_at(site, config.folder, why) : 0;
}

/* `text` is what is to blame; NULL: nothing that somebody wrote. */
static int server_failed(const struct site *site, const char *text, int rc, const char *why)
{
    char said[WHY + 80];
    snprintf(said, sizeof(said), "%s%s", why[0] ? why : duet_strerror(rc),
             rc == DUET_ERR_TLS ? ": --tls-cert FILE --tls-key FILE, or tls in the configuration" : "");
    complain_at(site, text ? activation_said(&site->sockets, text) : NULL, said);
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
        rc = activation_admin(&site->sockets, &o->admin, why);
    if (rc == 0)
        rc = activation_listen(&site->sockets, o->listen, why);
    if (rc < 0)
        return server_failed(site, site->sockets.blame, rc, why);
    o->listen = site->sockets.urls;
    rc = o->check ? 0 : notify_begin(&site->manager);
    return rc < 0 ? server_failed(site, NULL, rc, "NOTIFY_SOCKET is no path of a socket; systemd sets it by itself")
                  : 0;
}

static duet_server_config main_config(struct site *site, const duet_route *routes)
{
    const struct options *o = &site->options;
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = urls_of(site)[0],
        .listen_also = urls_of(site) + 1,
        .threads = (unsigned)o->threads,
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
        .proxy_protocol = o->proxy_protocol,
        .routes = routes,
        .root = o->root,
        .tls = site->tls,
        .log = log_event,
        .trace = demo_frame,
        .trace_head = demo_head,
        .deflate.on = o->deflate != OPTIONS_DEFLATE_OFF,
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
        .log = log_event,
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

/* Backends are programs, which name no origin. */
static int check_backends(struct site *site)
{
    const struct config *c = &site->setup.config;
    if (!c->require_origin || site->setup.api_key == NULL || site->options.api != NULL)
        return 0;
    complain_at(site, &c->require_origin,
                "require_origin keeps those out who come with the API's key: api needs a listen of its own");
    return 2;
}

/* What can be known of the servers before they are there. */
static int check_servers(struct site *site)
{
    const struct options *o = &site->options;
    const char *const admin[] = { o->admin, NULL }, *const *urls = urls_of(site);
    int rc = check_server(site, main_config(site, NULL));
    if (rc == 0)
        rc = check_backends(site);
    if (rc == 0)
        rc = check_apart(site, o->admin, urls);
    if (rc == 0)
        rc = check_apart(site, o->api, urls);
    return rc == 0 ? check_apart(site, o->api, admin) : rc;
}

static int make_server(struct site *site, duet_route routes[ROUTES])
{
    duet_server_config config = main_config(site, routes);
    const char *blame = NULL;
    char why[WHY] = "";
    config.blame = &blame;
    fill_routes(&site->setup, routes);
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

static int make_console(struct site *site)
{
    struct console_config config = {
        .door = { &site->setup.admin_token, site->admin != NULL },
        .server = site->server,
        .hub = site->wires.hub,
        .journal = site->journal,
    };
    if (site->admin != NULL)
        hub_attach(site->wires.hub, site->admin); /* operators' sessions live there */
    int rc = console_new(&site->console, &config);
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

/* Signals. */

static void say_reloaded(void *arg, bool good, const char *event, const char *detail)
{
    say(arg, good ? DUET_LOG_INFO : DUET_LOG_ERROR, event, detail);
}

static void reload(struct site *site)
{
    char why[WHY] = "";
    setup_reload(&site->setup, site->wires.hub, say_reloaded, site);
    if (site->tls == NULL)
        return;
    if (duet_tls_reload(site->tls, why) < 0)
        say(site, DUET_LOG_ERROR, "cert_reload_failed", why);
    else
        say(site, DUET_LOG_INFO, "cert_reloaded", NULL);
}

static void signalled(void *arg, int fd, int events)
{
    struct site *site = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            told(site, notify_reloading(&site->manager));
            reload(site);
            told(site, notify_ready(&site->manager, NULL));
        } else if (site->stops++ == 0) {
            say(site, DUET_LOG_INFO, "draining", "each connection gets its end; once more ends at once");
            told(site, notify_stopping(&site->manager, (uint64_t)site->setup.config.drain_ms + END_MS));
            backends_stop(site->backends);
            duet_server_drain(site->server);
        } else {
            duet_server_stop(site->server);
        }
    }
}

static void ended(void *arg, int fd, int events)
{
    struct site *site = arg;
    (void)fd;
    (void)events;
    duet_loop_stop(site->loop);
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int make_loop(struct site *site, const sigset_t *set)
{
    int rc = duet_loop_new(&site->loop);
    if (rc == 0) {
        site->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
        site->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        rc = site->signal_fd < 0 || site->ended_fd < 0 ? -errno : 0;
    }
    if (rc == 0) {
        site->signal_watch = duet_loop_watch(site->loop, site->signal_fd, DUET_READABLE, signalled, site);
        site->ended_watch = duet_loop_watch(site->loop, site->ended_fd, DUET_READABLE, ended, site);
        rc = site->signal_watch && site->ended_watch ? 0 : DUET_ERR_NOMEM;
    }
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

/* Before anything that has something to tell. */
static int make_journal(struct site *site)
{
    bool human =
        site->options.log == OPTIONS_LOG_HUMAN || (site->options.log == OPTIONS_LOG_BY_TTY && isatty(STDERR_FILENO));
    int rc = journal_new(&site->journal, STDERR_FILENO, human ? DUET_LOG_HUMAN : DUET_LOG_JSON);
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

static int make_parts(struct site *site)
{
    int rc = demo_new(&site->demo);
    if (rc == 0)
        rc = ticks_new(&site->ticks, site->loop, site->wires.hub);
    if (rc == 0) {
        site->beat = duet_timer_new(site->loop, beat, site);
        rc = site->beat ? 0 : DUET_ERR_NOMEM;
    }
    if (rc == 0)
        duet_timer_set(site->beat, BEAT_MS);
    return rc < 0 ? complain(duet_strerror(rc)) : 0;
}

static void greet(struct site *site)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    reach_put_all(&b, site->server, urls_of(site));
    buf_put(&b, "", 1);
    if (!b.failed && journal_format(site->journal) == DUET_LOG_HUMAN) {
        struct buf line;
        buf_init(&line, NULL, 0);
        buf_printf(&line, "Duet %s is serving %s -%s Ctrl-C stops it\n", duet_version(), b.at,
                   strstr(b.at, "http") ? " open it in a browser;" : "");
        buf_put(&line, "", 1);
        if (!line.failed)
            journal_text(site->journal, line.at);
        buf_fini(&line);
    } else if (!b.failed) {
        say(site, DUET_LOG_INFO, "listening", b.at);
    }
    told(site, notify_ready(&site->manager, b.failed ? "" : b.at));
    buf_fini(&b);
}

static void *run_server(void *arg)
{
    struct site *site = arg;
    uint64_t one = 1;
    site->result = duet_server_run(site->server);
    ssize_t ignored = write(site->ended_fd, &one, sizeof(one));
    (void)ignored;
    return NULL;
}

/* Without them the pages say what is not there. */
static void start_backends(struct site *site)
{
    const char *api_url[] = { site->options.api, NULL };
    char url[300], api[300];
    struct reach at, api_at;
    if (!site->options.demo)
        return;
    if (!reach_plain(&at, site->server, urls_of(site)) ||
        !(site->api ? reach_plain(&api_at, site->api, api_url) : reach_plain(&api_at, site->server, urls_of(site)))) {
        say(site, DUET_LOG_WARNING, "backends_not_started", "they need an address without TLS: --listen http://...");
        return;
    }
    snprintf(url, sizeof(url), "ws://%s:%u", at.host, at.port);
    snprintf(api, sizeof(api), "http://%s:%u", api_at.host, api_at.port);
    int rc = backends_start(site->backends, site->loop, url, api, atomic_load(&site->setup.api_key));
    if (rc < 0)
        say(site, DUET_LOG_ERROR, "backends_not_started", duet_strerror(rc));
}

static int run(struct site *site)
{
    pthread_t thread;
    int rc = -pthread_create(&thread, NULL, run_server, site);
    if (rc < 0)
        return complain(duet_strerror(rc));
    greet(site);
    start_backends(site);
    duet_loop_run(site->loop);
    backends_stop(site->backends);
    pthread_join(thread, NULL);
    if (site->result < 0)
        say(site, DUET_LOG_ERROR, "failed", duet_strerror(site->result));
    else
        say(site, DUET_LOG_INFO, "stopped", NULL);
    return site->result < 0 || site->stops > 1;
}

static void clean_up(struct site *site)
{
    duet_timer_free(site->beat);
    backends_free(site->backends);
    hub_stop(site->wires.hub);
    hooks_stop(site->wires.hooks);
    duet_server_free(site->admin);
    duet_server_free(site->api);
    duet_server_free(site->server);
    console_free(site->console);
    hub_free(site->wires.hub);
    hooks_free(site->wires.hooks);
    ticks_free(site->ticks);
    demo_free(site->demo);
    duet_watch_free(site->signal_watch);
    duet_watch_free(site->ended_watch);
    duet_loop_free(site->loop);
    if (site->signal_fd >= 0)
        close(site->signal_fd);
    if (site->ended_fd >= 0)
        close(site->ended_fd);
    duet_tls_free(site->tls);
    journal_free(site->journal);
    activation_fini(&site->sockets);
    setup_fini(&site->setup);
}

/* Of --check, and of the start: what can be looked at without listening. */
static int check_all(struct site *site)
{
    int rc = make_sockets(site);
    if (rc == 0)
        rc = make_tls(site);
    return rc == 0 ? check_servers(site) : rc;
}

static int check_store(struct site *site)
{
    const char *folder = site->options.data;
    char why[STORE_WHY] = "";
    return folder != NULL && store_check(folder, why) < 0 ? complain_at(site, folder, why) : 0;
}

/* The rest of --check. */
static int check_more(struct site *site)
{
    int rc = check_store(site);
    if (rc == 0)
        rc = make_hub(site);
    if (rc == 0 && site->setup.config.doubt != NULL)
        complain(site->setup.config.doubt);
    if (rc == 0)
        rc = printf("%s: all is well\n", site->options.config ? site->options.config
                                         : site->options.demo ? "demo.yaml"
                                                              : "duet serve") < 0;
    return rc;
}

static int make_all(struct site *site, duet_route routes[ROUTES], const sigset_t *set)
{
    int rc = make_journal(site);
    if (rc == 0 && site->setup.config.doubt != NULL)
        say(site, DUET_LOG_WARNING, "config_doubtful", site->setup.config.doubt);
    if (rc == 0)
        rc = make_hub(site);
    if (rc == 0)
        rc = make_server(site, routes);
    if (rc == 0)
        rc = make_backends(site);
    if (rc == 0)
        rc = make_hooks(site);
    if (rc == 0)
        rc = make_loop(site, set);
    if (rc == 0)
        rc = make_parts(site);
    if (rc == 0)
        rc = make_aside(site, &site->admin, site->options.admin, admin_routes);
    if (rc == 0)
        rc = make_aside(site, &site->api, site->options.api, api_routes);
    return rc == 0 ? make_console(site) : rc;
}

int serve_main(int argc, char **argv)
{
    struct site site = { .signal_fd = -1, .ended_fd = -1 };
    duet_route routes[ROUTES];
    sigset_t set;
    int rc = setup_begin(&site.setup, argc, argv);
    site.options = site.setup.options;
    if (rc == 0 && site.options.help)
        options_help();
    else if (rc == 0 && site.options.check) {
        rc = check_all(&site);
        if (rc == 0)
            rc = check_more(&site);
        rc = rc == 0 ? 0 : 2; /* whatever it is, it is a mistake of the configuration */
    } else if (rc == 0) {
        block_signals(&set);
        rc = check_all(&site);
        if (rc == 0)
            rc = make_all(&site, routes, &set);
        if (rc == 0)
            rc = run(&site);
    }
    clean_up(&site);
    return rc;
}
