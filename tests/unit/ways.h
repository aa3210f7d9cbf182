/* SPDX-License-Identifier: MIT */
/* The ways into the hub on a server that the test turns. Randomness is zeros, so that what is said can be compared:
 * epochs are "aaaaaaaa", clients 00000000-0000-4000-8000-000000000000. */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H

#include "wire.h"
#include "wire/api.h"
#include "wire/centrifugal.h"
#include "wire/operator.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include "wire/wire.h"

static struct ways {
    struct wire_site site; /* first */
    uint64_t now_ms;
    /* What the next ways_serve() has other than the defaults; 0: nothing. */
    uint32_t connections_per_user, channels_per_connection, channels_max;
    unsigned target_max;
    bool by_socket;
} ways;

static inline uint64_t ways_clock(void *arg)
{
    (void)arg;
    return ways.now_ms;
}

static inline int ways_random(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 0, len);
    return 0;
}

/* Open to everybody, with a history of 5 for a minute. */
static inline struct hub_options ways_open(void)
{
    struct hub_options o;
    hub_options_default(&o);
    o.history_size = 5;
    o.history_ttl_ms = 60000;
    o.allow_recovery = true;
    o.allow_subscribe_for_client = o.allow_subscribe_for_anonymous = true;
    o.allow_publish_for_client = o.allow_publish_for_anonymous = true;
    return o;
}

static inline void ways_serve(const struct hub_options *namespaces, size_t count, struct engine *engine)
{
    static const duet_route routes[] = {
        { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
        { .path = SSE_PATH, .http = sse_http },
        { .path = "/live", .websocket = true, .upgrade = operator_upgrade },
        { .path = API_PATH, .http = api_http, .methods = "POST" },
        CENTRIFUGAL_ROUTES,
        { 0 },
    };
    char why[HUB_WHY];
    struct hub *hub;
    struct hub_config config = {
        .namespaces = namespaces, .count = count, .engine = engine, .clock = ways_clock, .random = ways_random
    };
    hub_limits_default(&config.limits);
    config.limits.connections_per_user = ways.connections_per_user;
    if (ways.channels_per_connection > 0)
        config.limits.channels_per_connection = ways.channels_per_connection;
    if (ways.channels_max > 0)
        config.limits.channels_max = ways.channels_max;
    ways.now_ms = 1000;
    assert_int_equal(hub_new(&hub, &config, why), 0);
    assert_int_equal(wire_init(&ways.site, hub), 0);
    wire_serve(ways.by_socket ? WIRE_UNIX : WIRE_TCP,
               &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .on = wire_handler, .arg = &ways, .data_size = WIRE_DATA,
                                      .routes = routes, .ping_ms = DUET_OFF, .target_max = ways.target_max });
    hub_attach(hub, wire.server);
}

static inline void ways_stop(void)
{
    hub_stop(ways.site.hub);
    wire_stop();
    hub_free(ways.site.hub);
    ways.connections_per_user = ways.channels_per_connection = ways.channels_max = ways.target_max = 0;
    ways.by_socket = false;
}

/* The status of an upgrade to /channel/WHAT. */
static inline unsigned ways_ask(struct client *c, const char *what, const char *fields)
{
    char request[8000];
    snprintf(request, sizeof(request),
             "GET /channel/%s HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             what, fields ? fields : "");
    client_say(c, request);
    return client_answer(c, NULL, NULL);
}

static inline struct client *ways_open_channel(const char *what, const char *fields)
{
    struct client *c = client_new();
    assert_int_equal(ways_ask(c, what, fields), 101);
    return c;
}

/* A channel's publications, as its own; tagged by nothing. */
static inline void ways_publish(const char *channel, const char *text)
{
    hub_publish(ways.site.hub,
                &(struct hub_publish){ .channel = channel,
                                       .len = strlen(channel),
                                       .parts = { .kind = HUB_TEXT, .data = text, .len = strlen(text) } },
                NULL);
}

#endif
