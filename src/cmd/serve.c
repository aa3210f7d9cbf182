/* SPDX-License-Identifier: MIT */
/*
 * duet serve. The servers run on threads of their own; this one takes the signals, one after another, and lets the
 * demo's ticks tick while somebody looks.
 */
#include "cmd/cmd.h"
#include "cmd/logger.h"
#include "cmd/metrics.h"
#include "cmd/pages.h"
#include "wire/demo.h"
#include "wire/plain.h"
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 16, MESSAGE_MAX = 64 * 1024, TICK_MS = 200, WHY = 200 };

struct options {
    const char *listen[MOST + 1], *certs[MOST], *keys[MOST], *origins[MOST + 1], *proxies[MOST + 1];
    unsigned listens, cert_count, key_count, origin_count, proxy_count, threads;
    const char *root, *admin;
    bool proxy_protocol, json, help;
};

static struct serving {
    duet_server *server, *admin; /* admin: NULL without --admin-listen */
    duet_tls *tls;
    pthread_t control, threads[2];
    atomic_int over; /* servers that have ended */
    atomic_int failed;
} serving;

/* The command line. */

static const char help[] = "Usage: duet serve [OPTION]...\n"
                           "\n"
                           "Serves a site over HTTP and live channels over WebSocket on the same port. A WebSocket\n"
                           "to /channel/NAME is a member of channel NAME: what one member sends, all receive.\n"
                           "\n"
                           "  --listen URL          ws, wss, http, https or unix:/path; may be repeated\n"
                           "                        (http://127.0.0.1:8080)\n"
                           "  --root DIR            files to serve instead of the built-in pages\n"
                           "  --tls-cert FILE       certificate chain in PEM, for wss and https; may be repeated,\n"
                           "  --tls-key FILE        each with its key; SIGHUP loads them again\n"
                           "  --threads N           event loops, each a thread (1)\n"
                           "  --origin ORIGIN       besides the site's own: https://example.com,\n"
                           "                        https://*.example.com or *; may be repeated\n"
                           "  --trusted-proxy CIDR  whose X-Forwarded-* fields count: 10.0.0.0/8, ::1, unix;\n"
                           "                        may be repeated\n"
                           "  --proxy-protocol      trusted proxies begin with a PROXY header, version 1 or 2\n"
                           "  --admin-listen URL    serve /metrics there only\n"
                           "  --log json|human      events on standard error (human)\n"
                           "  --help\n"
                           "\n"
                           "SIGTERM and SIGINT close everything in order, within 30 seconds; a second one ends it\n"
                           "at once.\n";

static bool add(const char *list[], unsigned *count, const char *value, const char *option)
{
    if (*count == MOST) {
        fprintf(stderr, "duet serve: at most %d of %s are possible\n", MOST, option);
        return false;
    }
    list[(*count)++] = value;
    return true;
}

static bool read_threads(struct options *o, const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || n < 1 || n > 256) {
        fprintf(stderr, "duet serve: --threads is a number from 1 to 256, not \"%.60s\"\n", text);
        return false;
    }
    o->threads = (unsigned)n;
    return true;
}

static bool read_log(struct options *o, const char *text)
{
    o->json = strcmp(text, "json") == 0;
    if (o->json || strcmp(text, "human") == 0)
        return true;
    fprintf(stderr, "duet serve: --log is json or human, not \"%.60s\"\n", text);
    return false;
}

enum { LISTEN = 'l', ROOT, CERT, KEY, THREADS, ORIGIN, PROXY, PROTOCOL, ADMIN, LOG, HELP = 'h' };

static bool read_option(struct options *o, int option, const char *value)
{
    switch (option) {
    case LISTEN:
        return add(o->listen, &o->listens, value, "--listen");
    case CERT:
        return add(o->certs, &o->cert_count, value, "--tls-cert");
    case KEY:
        return add(o->keys, &o->key_count, value, "--tls-key");
    case ORIGIN:
        return add(o->origins, &o->origin_count, value, "--origin");
    case PROXY:
        return add(o->proxies, &o->proxy_count, value, "--trusted-proxy");
    case THREADS:
        return read_threads(o, value);
    case LOG:
        return read_log(o, value);
    case ROOT:
        o->root = value;
        return true;
    case ADMIN:
        o->admin = value;
        return true;
    case PROTOCOL:
        o->proxy_protocol = true;
        return true;
    case HELP:
        o->help = true;
        return true;
    default:
        return false;
    }
}

/* False after one line that says what is wrong. */
static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "listen", required_argument, NULL, LISTEN },
        { "root", required_argument, NULL, ROOT },
        { "tls-cert", required_argument, NULL, CERT },
        { "tls-key", required_argument, NULL, KEY },
        { "threads", required_argument, NULL, THREADS },
        { "origin", required_argument, NULL, ORIGIN },
        { "trusted-proxy", required_argument, NULL, PROXY },
        { "proxy-protocol", no_argument, NULL, PROTOCOL },
        { "admin-listen", required_argument, NULL, ADMIN },
        { "log", required_argument, NULL, LOG },
        { "help", no_argument, NULL, HELP },
        { NULL, 0, NULL, 0 },
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (option == '?' || option == ':') {
            fprintf(stderr,
                    option == ':' ? "duet serve: %.60s needs a value: see duet serve --help\n"
                                  : "duet serve: there is no option %.60s: see duet serve --help\n",
                    argv[optind - 1]);
            return false;
        }
        if (!read_option(o, option, optarg))
            return false;
    }
    if (optind < argc) {
        fprintf(stderr, "duet serve: what is \"%.60s\" for? See duet serve --help\n", argv[optind]);
        return false;
    }
    if (o->cert_count != o->key_count) {
        fprintf(stderr, "duet serve: each --tls-cert needs its --tls-key\n");
        return false;
    }
    return true;
}

/* The server's callbacks: a connection belongs to one of the wires. */

static void on_open(duet_conn *c)
{
    const struct client *client = duet_data(c);
    client->kind == CLIENT_DEMO ? demo_open(c) : plain_open(c);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    const struct client *client = duet_data(c);
    client->kind == CLIENT_DEMO ? demo_message(c, m) : plain_message(c, m);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    const struct client *client = duet_data(c);
    client->kind == CLIENT_DEMO ? demo_close(c, why) : plain_close(c);
}

static void health(duet_http *x, const duet_request *r)
{
    (void)r;
    bool draining = duet_server_draining(serving.server);
    duet_http_text(x, draining ? 503 : 200, draining ? "going away" : "ok");
}

static void metrics(duet_http *x, const duet_request *r)
{
    (void)r;
    metrics_reply(x, serving.server);
}

static const duet_route routes[] = {
    { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
    { .path = "/demo/echo", .websocket = true, .upgrade = demo_upgrade, .trace = true },
    { .path = "/demo/trace/", .http = demo_trace },
    { .path = "/demo/ticks", .http = demo_ticks },
    { .path = "/health", .http = health },
    { .path = "/metrics", .http = metrics },
    { .path = NULL },
};

static const duet_route routes_without_metrics[] = {
    { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
    { .path = "/demo/echo", .websocket = true, .upgrade = demo_upgrade, .trace = true },
    { .path = "/demo/trace/", .http = demo_trace },
    { .path = "/demo/ticks", .http = demo_ticks },
    { .path = "/health", .http = health },
    { .path = NULL },
};

static const duet_route admin_routes[] = {
    { .path = "/health", .http = health },
    { .path = "/metrics", .http = metrics },
    { .path = NULL },
};

/* Starting. */

static int fail(const char *why)
{
    fprintf(stderr, "duet serve: %s\n", why);
    return 1;
}

static bool root_fits(const char *root, char *why)
{
    struct stat st;
    if (stat(root, &st) < 0 || access(root, R_OK | X_OK) < 0)
        snprintf(why, WHY, "cannot read the folder %.100s: %s", root, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        snprintf(why, WHY, "--root %.100s is no folder", root);
    else
        return true;
    return false;
}

static int make_servers(const struct options *o, char *why)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen_also = o->listen,
        .threads = o->threads,
        .on = { .open = on_open, .message = on_message, .pong = demo_pong, .close = on_close, .http = pages_reply },
        .data_size = sizeof(struct client),
        .message_max = MESSAGE_MAX,
        .read_on = true,
        .origins = o->origins,
        .trusted_proxies = o->proxies,
        .proxy_protocol = o->proxy_protocol,
        .routes = o->admin ? routes_without_metrics : routes,
        .root = o->root,
        .tls = serving.tls,
        .log = logger_event,
        .trace = demo_frame,
        .trace_head = demo_head,
    };
    int rc = duet_server_new(&serving.server, &config, why);
    if (rc < 0 || o->admin == NULL)
        return rc;
    duet_server_config admin = { DUET_SERVER_CONFIG_INIT, .listen = o->admin, .routes = admin_routes,
                                 .tls = serving.tls, .log = logger_event };
    return duet_server_new(&serving.admin, &admin, why);
}

static void *run(void *arg)
{
    int rc = duet_server_run(arg);
    if (rc < 0)
        atomic_store(&serving.failed, rc);
    atomic_fetch_add(&serving.over, 1);
    pthread_kill(serving.control, SIGUSR2);
    return NULL;
}

static void announce(const struct options *o)
{
    for (unsigned i = 0; i < o->listens; i++) {
        duet_log_event e = { .level = DUET_LOG_INFO,
                             .event = "listening",
                             .target = o->listen[i],
                             .code = (int)duet_server_port(serving.server, i) };
        if (o->json)
            logger_event(NULL, &e);
        else
            printf("Duet %s serves %s%s\n", duet_version(), o->listen[i],
                   i + 1 < o->listens ? "" : "  (Ctrl-C ends it)");
    }
    fflush(stdout);
}

/* Signals. */

static void reload(void)
{
    char why[WHY] = "there is no certificate to load again";
    int rc = serving.tls ? duet_tls_reload(serving.tls, why) : DUET_ERR_STATE;
    duet_log_event e = { .level = rc < 0 ? DUET_LOG_ERROR : DUET_LOG_INFO,
                         .event = rc < 0 ? "cert_reload_failed" : "cert_reloaded",
                         .detail = rc < 0 ? why : NULL };
    logger_event(NULL, &e);
}

/* Until all servers have ended. Returns how often the end was asked for. */
static int take_signals(const sigset_t *set, int servers)
{
    int asked = 0;
    while (atomic_load(&serving.over) < servers) {
        struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
        bool ticking = demo_wanted();
        int number = sigtimedwait(set, NULL, &tick);
        if (number < 0 && ticking)
            demo_tick(serving.server);
        if (number == SIGHUP)
            reload();
        if (number != SIGTERM && number != SIGINT)
            continue;
        asked++;
        void (*end)(duet_server *) = asked == 1 ? duet_server_drain : duet_server_stop;
        end(serving.server);
        if (serving.admin)
            end(serving.admin);
    }
    return asked;
}

static int serve(const struct options *o)
{
    sigset_t set;
    duet_server *servers[] = { serving.server, serving.admin };
    int count = serving.admin ? 2 : 1, started = 0;
    sigemptyset(&set);
    for (const int *s = (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGUSR2, 0 }; *s != 0; s++)
        sigaddset(&set, *s);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int rc = logger_start(o->json ? DUET_LOG_JSON : DUET_LOG_HUMAN, !o->json && isatty(STDERR_FILENO));
    if (rc < 0)
        return fail(duet_strerror(rc));
    serving.control = pthread_self();
    for (; rc == 0 && started < count; started++)
        rc = -pthread_create(&serving.threads[started], NULL, run, servers[started]);
    if (rc == 0)
        announce(o);
    int asked = take_signals(&set, started);
    for (int i = 0; i < started; i++)
        pthread_join(serving.threads[i], NULL);
    rc = rc < 0 ? rc : atomic_load(&serving.failed);
    logger_stop();
    return rc < 0 ? fail(duet_strerror(rc)) : asked > 1;
}

int cmd_serve(int argc, char **argv)
{
    struct options o = { 0 };
    char why[WHY] = "";
    if (!read_options(&o, argc, argv))
        return 2;
    if (o.help)
        return fputs(help, stdout) < 0;
    if (o.listens == 0)
        o.listen[o.listens++] = "http://127.0.0.1:8080";
    if (o.root != NULL && !root_fits(o.root, why))
        return fail(why);
    int rc = o.cert_count ? duet_tls_new(&serving.tls, o.certs, o.keys, o.cert_count, why) : 0;
    if (rc == 0)
        rc = make_servers(&o, why);
    int status = rc < 0 ? fail(why[0] ? why : duet_strerror(rc)) : serve(&o);
    duet_server_free(serving.admin);
    duet_server_free(serving.server);
    duet_tls_free(serving.tls);
    return rc == DUET_ERR_URL ? 2 : status;
}
