/* SPDX-License-Identifier: MIT */
/*
 * Threads: the main one turns a loop of its own with the signals, the ticks and the servers of --admin-listen and
 * --api-listen. Another runs the server of the site, with its loops. The journal, the store and the hooks have theirs.
 */
#include "cmd/serve.h"
#include "base/buf.h"
#include "cmd/backends.h"
#include "cmd/console.h"
#include "cmd/demo.h"
#include "cmd/journal.h"
#include "cmd/lives.h"
#include "cmd/reach.h"
#include "cmd/servers.h"
#include "cmd/site.h"
#include "cmd/ticks.h"
#include "engine/store.h"
#include "wire/backend.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* After a drain's time comes the end of who still is there, and the store's last sync. */
enum { WHY = 200, END_MS = 10000, BEAT_MS = 1000 };

static void told(struct site *site, int rc)
{
    if (rc < 0)
        site_say(site, DUET_LOG_WARNING, "notify_failed", duet_strerror(rc));
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

/* What keeps streams over restarts; --check leaves it to the server that may be using it. */
static int make_engine(struct site *site, struct hub_config *config)
{
    const struct options *o = &site->options;
    char why[STORE_WHY] = "";
    if (o->data == NULL || o->check)
        return 0;
    struct store_config store = {
        .dir = o->data,
        .durability = (enum store_durability)site->setup.config.store.durability,
        .log = site_log,
        .arg = site,
    };
    return store_new(&config->engine, &store, why) < 0 ? site_complain_at(site, o->data, why) : 0;
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
        return site_complain(why);
    rc = wire_init(&site->wires, hub);
    site->wires.ended = site->setup.config.log_connections ? stream_ended : NULL;
    site->wires.api_key = &site->setup.api_key;
    site->wires.doors = site->setup.doors;
    site->wires.needs_token = !site->setup.config.clients.anonymous;
    site->wires.ping_ms = site->setup.config.clients.ping_ms;
    site->wires.pong_ms = site->setup.config.clients.pong_ms;
    site->wires.connect_ms = site->setup.config.clients.connect_ms;
    site->wires.expired_ms = site->setup.config.clients.expired_ms;
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
}

/* What --demo starts later on; behind the server, whose port they are to know. */
static int make_backends(struct site *site)
{
    struct reach at;
    if (!site->options.demo || !reach_plain(&at, site->server, site_urls(site)))
        return 0;
    struct backends_config config = {
        .kinds = backends_of_demo,
        .host = at.heard,
        .port = at.picked ? 0 : at.port,
        .log = site_log,
        .arg = site,
    };
    int rc = backends_new(&site->backends, &config);
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
}

/* Behind the hub, since the store has the folder; and behind the backends, one of which may be asked. */
static int make_hooks(struct site *site)
{
    struct hooks_config config = setup_hooks(&site->setup);
    const struct config *c = &site->setup.config;
    char why[HOOK_WHY];
    config.log = site_log;
    config.arg = site;
    if (backends_url(site->backends, "auction") != NULL && config_line(c, &c->hooks.publish) > 0)
        config.urls[HOOK_PUBLISH] = backends_url(site->backends, "auction"); /* the environment goes before it */
    if (!setup_has_hooks(&site->setup))
        return 0;
    site->wires.hook_fields = site->setup.config.hooks.headers;
    return hooks_new(&site->wires.hooks, &config, why) < 0 ? site_complain_at(site, config.folder, why) : 0;
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
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
}

static int check_store(const struct site *site)
{
    const char *folder = site->options.data;
    char why[STORE_WHY] = "";
    return folder != NULL && store_check(folder, why) < 0 ? site_complain_at(site, folder, why) : 0;
}

/* Signals. */

static void say_reloaded(void *arg, bool good, const char *event, const char *detail)
{
    site_say(arg, good ? DUET_LOG_INFO : DUET_LOG_ERROR, event, detail);
}

static void refuse_reload(void *arg, const char *what)
{
    say_reloaded(arg, false, "config_reload_failed", what);
}

/* All of it is judged before any of it is in force. */
static void reload_config(struct site *site)
{
    char why[SETUP_WHY] = "";
    struct site next = { .why = why };
    bool good = setup_begin(&next.setup, &site->given, refuse_reload, site, why) == 0;
    next.options = next.setup.options;
    good = good && servers_check_next(&next, site) == 0 && check_store(&next) == 0;
    if (!good)
        refuse_reload(site, why);
    else if (setup_take_over(&site->setup, &next.setup, site->wires.hub, say_reloaded, site) == 0)
        say_reloaded(site, true, "config_reloaded",
                     site->given.config ? site->given.config : "there is no file; the environment");
    setup_fini(&next.setup);
}

static void reload(struct site *site)
{
    char why[WHY] = "";
    reload_config(site);
    if (site->tls == NULL)
        return;
    if (duet_tls_reload(site->tls, why) < 0)
        site_say(site, DUET_LOG_ERROR, "cert_reload_failed", why);
    else
        site_say(site, DUET_LOG_INFO, "cert_reloaded", NULL);
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
            site_say(site, DUET_LOG_INFO, "draining", "each connection gets its end; once more ends at once");
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
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
}

/* Before anything that has something to tell. */
static int make_journal(struct site *site)
{
    bool human = site->setup.config.log == CONFIG_LOG_HUMAN ||
                 (site->setup.config.log == CONFIG_LOG_AUTO && isatty(STDERR_FILENO));
    int rc = journal_new(&site->journal, STDERR_FILENO, human ? DUET_LOG_HUMAN : DUET_LOG_JSON);
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
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
    return rc < 0 ? site_complain(duet_strerror(rc)) : 0;
}

static void greet(struct site *site)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    reach_put_all(&b, site->server, site_urls(site));
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
        site_say(site, DUET_LOG_INFO, "listening", b.at);
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
    if (!reach_plain(&at, site->server, site_urls(site)) ||
        !(site->api ? reach_plain(&api_at, site->api, api_url) : reach_plain(&api_at, site->server, site_urls(site)))) {
        site_say(site, DUET_LOG_WARNING, "backends_not_started",
                 "they need an address without TLS: --listen http://...");
        return;
    }
    snprintf(url, sizeof(url), "ws://%s:%u", at.host, at.port);
    snprintf(api, sizeof(api), "http://%s:%u", api_at.host, api_at.port);
    int rc = backends_start(site->backends, site->loop, url, api, atomic_load(&site->setup.api_key));
    if (rc < 0)
        site_say(site, DUET_LOG_ERROR, "backends_not_started", duet_strerror(rc));
}

static int run(struct site *site)
{
    pthread_t thread;
    int rc = -pthread_create(&thread, NULL, run_server, site);
    if (rc < 0)
        return site_complain(duet_strerror(rc));
    greet(site);
    start_backends(site);
    duet_loop_run(site->loop);
    backends_stop(site->backends);
    pthread_join(thread, NULL);
    if (site->result < 0)
        site_say(site, DUET_LOG_ERROR, "failed", duet_strerror(site->result));
    else
        site_say(site, DUET_LOG_INFO, "stopped", NULL);
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
    options_fini(&site->given);
}

/* The rest of --check. */
static int check_more(struct site *site)
{
    int rc = check_store(site);
    if (rc == 0)
        rc = make_hub(site);
    if (rc == 0 && site->setup.config.doubt != NULL)
        site_complain(site->setup.config.doubt);
    if (rc == 0)
        rc = printf("%s: all is well\n", site->options.config ? site->options.config
                                         : site->options.demo ? "demo.yaml"
                                                              : "duet serve") < 0;
    return rc;
}

static int make_all(struct site *site, const sigset_t *set)
{
    int rc = make_journal(site);
    if (rc == 0 && site->setup.config.doubt != NULL)
        site_say(site, DUET_LOG_WARNING, "config_doubtful", site->setup.config.doubt);
    if (rc == 0)
        rc = make_hub(site);
    if (rc == 0)
        rc = servers_make(site);
    if (rc == 0)
        rc = make_backends(site);
    if (rc == 0)
        rc = make_hooks(site);
    if (rc == 0)
        rc = make_loop(site, set);
    if (rc == 0)
        rc = make_parts(site);
    if (rc == 0)
        rc = servers_make_aside(site);
    return rc == 0 ? make_console(site) : rc;
}

static void tell_door(void *arg, const char *what)
{
    (void)arg;
    site_complain(what);
}

/* What is to be done; without a look at more than the line where that wants help. */
static int begin(struct site *site, int argc, char **argv)
{
    char why[SETUP_WHY] = "";
    int rc = options_parse(&site->given, argc, argv, why);
    if (rc == 0 && !site->given.help)
        rc = setup_begin(&site->setup, &site->given, tell_door, NULL, why);
    site->options = site->setup.options;
    if (rc < 0)
        site_complain(why);
    return rc < 0 ? 2 : 0;
}

int serve_main(int argc, char **argv)
{
    struct site site = { .signal_fd = -1, .ended_fd = -1 };
    sigset_t set;
    int rc = begin(&site, argc, argv);
    if (rc == 0 && site.given.help)
        options_help();
    else if (rc == 0 && site.given.check) {
        rc = servers_check(&site);
        if (rc == 0)
            rc = check_more(&site);
        rc = rc == 0 ? 0 : 2; /* whatever it is, it is a mistake of the configuration */
    } else if (rc == 0) {
        block_signals(&set);
        rc = servers_check(&site);
        if (rc == 0)
            rc = make_all(&site, &set);
        if (rc == 0)
            rc = run(&site);
    }
    clean_up(&site);
    return rc;
}
