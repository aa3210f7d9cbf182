/* SPDX-License-Identifier: MIT */
/* Servers of another kind: with threads and a run of their own, behind a proxy, with an old socket file, counted. */
#include "stage.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static duet_server *server;
static unsigned opens, closes, errors;

static void on_open(duet_conn *c)
{
    opens++;
    duet_subscribe(c, "all");
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    duet_publish(duet_server_of(c), "all", m->type, m->data, m->len);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c, (void)why;
    closes++;
}

static int fds[2];

static void others_publish(void *arg)
{
    (void)arg;
    duet_publish(server, "all", DUET_TEXT, "from outside", 12);
    duet_send_to(server, 1, DUET_TEXT, "nobody", 6);
}

static void others_dial(void *arg)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n" STAGE_UPGRADE "\r\n\x81\x82\1\1\1\1hi";
    (void)arg;
    for (int i = 0; i < 2; i++) {
        fds[i] = raw_dial(STAGE_PORT);
        if (fds[i] >= 0)
            raw_send(fds[i], request, sizeof(request) - 1);
    }
}

static void others_stop(void *arg)
{
    (void)arg;
    duet_server_stop(server);
}

static void others_drain(void *arg)
{
    (void)arg;
    duet_server_drain(server);
}

/* duet_server_run() on this thread, and what happens meanwhile by the clock. */
static void run(duet_server_config *config, void (*ends)(void *arg))
{
    uint64_t now = kernel_now_us();
    opens = closes = 0;
    config->size = sizeof(*config);
    if (config->listen == NULL)
        config->listen = "ws://127.0.0.1:9001";
    config->on = (duet_handler){ .open = on_open, .message = on_message, .close = on_close };
    config->memory_mib = DUET_OFF;
    config->drain_ms = 500;
    fds[0] = fds[1] = -1;
    kernel_lazy_threads = config->threads > 1;
    int rc = duet_server_new(&server, config, NULL);
    if (rc < 0) {
        errors++;
        return;
    }
    kernel_at(now + 1000, others_dial, NULL);
    kernel_at(now + 20000, others_publish, NULL);
    kernel_at(now + 50000, ends, NULL);
    rc = duet_server_run(server);
    errors += rc < 0;
    if (rc < 0)
        kernel_advance(now + 60000); /* what was to happen does, and finds nobody */
    duet_server_free(server);
    kernel_lazy_threads = false;
    raw_close(fds[0]);
    raw_close(fds[1]);
    CHECK(opens == closes);
}

static void runs(void)
{
    run(&(duet_server_config){ .threads = 1 }, others_stop);
}

static void runs_and_drains(void)
{
    run(&(duet_server_config){ .threads = 1 }, others_drain);
}

static void three_threads(void)
{
    run(&(duet_server_config){ .threads = 3 }, others_stop);
}

static void three_threads_drain(void)
{
    run(&(duet_server_config){ .threads = 3 }, others_drain);
}

static void old_socket_file(void)
{
    run(&(duet_server_config){ .listen = "unix:/sim/old.sock" }, others_stop);
    run(&(duet_server_config){ .listen = "unix:/sim/old.sock" }, others_stop); /* it was left there (NET-12) */
    unlink("/sim/old.sock");
}

static void every_address(void)
{
    run(&(duet_server_config){ .listen = "ws://:9001" }, others_stop);
    kernel_no_ipv6 = true;
    run(&(duet_server_config){ .listen = "ws://:9001" }, others_stop);
}

static void both_localhosts(void)
{
    run(&(duet_server_config){ .listen = "ws://localhost:9001" }, others_drain);
}

static void all_settings(void)
{
    static const char *const origins[] = { "https://a.example", "https://*.b.example", NULL };
    static const char *const trusted[] = { "10.0.0.0/8", "::1", "unix", NULL };
    static const char *const subprotocols[] = { "a", "b", NULL };
    static const duet_header headers[] = { { "X-A", "b" }, { NULL, NULL } };
    run(&(duet_server_config){ .origins = origins,
                               .trusted_proxies = trusted,
                               .subprotocols = subprotocols,
                               .headers = headers,
                               .root = "/tmp",
                               .per_address_max = 1 },
        others_stop);
}

/* Behind a proxy, on a loop of the application's. */
static void proxied(const char *first, const char *rest)
{
    static const char *const trusted[] = { "127.0.0.0/8", NULL };
    duet_server_config config = { DUET_SERVER_CONFIG_INIT,
                                  .listen = "ws://127.0.0.1:9002",
                                  .on = { .open = on_open, .message = on_message, .close = on_close },
                                  .trusted_proxies = trusted,
                                  .proxy_protocol = true,
                                  .per_address_max = 100,
                                  .memory_mib = DUET_OFF };
    opens = closes = 0;
    int rc = duet_loop_new(&stage.loop);
    if (rc == 0)
        rc = duet_server_new(&stage.server, &config, NULL);
    if (rc == 0)
        rc = duet_server_attach(stage.server, stage.loop);
    if (rc == 0)
        exchange(first, rest);
    errors += rc < 0;
}

#define ASK "GET / HTTP/1.1\r\nHost: a\r\n" STAGE_UPGRADE "\r\n\x81\x82\1\1\1\1hi"

static void proxy_1(void)
{
    proxied("PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n" ASK, NULL);
}

static void proxy_1_cut(void)
{
    proxied("PROXY TCP4 192.", "0.2.1 192.0.2.2 1000 80\r\n" ASK);
}

static void no_proxy(void)
{
    proxied(ASK, NULL);
}

static void hears(void *arg, int fd, int events)
{
    (void)arg, (void)fd, (void)events;
}

static void nothing_due(void *arg)
{
    (void)arg;
}

static void foreign_loop(void)
{
    if (duet_loop_new(&stage.loop) < 0)
        return;
    duet_timer *timer = duet_timer_new(stage.loop, nothing_due, NULL);
    if (timer != NULL)
        duet_timer_set(timer, 5);
    duet_watch *watch = duet_loop_watch(stage.loop, duet_loop_fd(stage.loop), DUET_READABLE, hears, NULL);
    settle(20);
    duet_watch_free(watch);
    duet_timer_free(timer);
}

const struct scenario server_scenarios[] = {
    { "a run", runs, ALONE, 1 },
    { "a run that drains", runs_and_drains, ALONE, 1 },
    { "three threads", three_threads, ALONE, 1 },
    { "three threads that drain", three_threads_drain, ALONE, 1 },
    { "an old socket file", old_socket_file, ALONE, 1 },
    { "every address", every_address, ALONE, 1 },
    { "both localhosts", both_localhosts, ALONE, 1 },
    { "all settings", all_settings, ALONE, 1 },
    { "PROXY 1", proxy_1, ALONE, 1 },
    { "PROXY 1 in two parts", proxy_1_cut, ALONE, 1 },
    { "no PROXY", no_proxy, ALONE, 1 },
    { "a loop of one's own", foreign_loop, ALONE, 1 },
    { NULL, NULL, 0, 0 },
};
