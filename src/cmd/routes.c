/* SPDX-License-Identifier: MIT */
#include "cmd/routes.h"
#include "base/buf.h"
#include "cmd/admin.h"
#include "cmd/backends.h"
#include "cmd/console.h"
#include "cmd/demo.h"
#include "cmd/journal.h"
#include "cmd/metrics.h"
#include "cmd/pages.h"
#include "cmd/site.h"
#include "cmd/ticks.h"
#include "wire/api.h"
#include "wire/centrifugal.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include <stdio.h>
#include <string.h>

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
    OPERATOR = sizeof(operator_routes) / sizeof(*operator_routes)
};
_Static_assert(COMMON + DEMO + OPERATOR + 4 <= ROUTES_MOST, "there is no room for them");

void routes_fill(const struct setup *s, duet_route routes[ROUTES_MOST])
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

const duet_route routes_admin[] = {
    { .path = "/health", .http = health },
    { .path = "/livez", .http = livez },
    { .path = "/metrics", .http = metrics },
    CONSOLE_ROUTES,
    { 0 },
};
const duet_route routes_api[] = {
    { .path = API_PATH, .http = api_http, .methods = "POST" },
    { .path = "/health", .http = health },
    { .path = "/livez", .http = livez },
    { 0 },
};
