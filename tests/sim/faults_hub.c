/* SPDX-License-Identifier: MIT */
/*
 * The hub and its ways in: raw peers of /channel/NAME, /events, /api and the Centrifugal protocol, with streams in
 * memory alone or on the simulated disk. What a peer is told while something fails is another matter; that nothing
 * leaks, hangs or breaks is asked here.
 */
#include "disk.h"
#include "hub/hub.h"
#include "stage.h"
#include "wire/api.h"
#include "wire/centrifugal.h"
#include "wire/emulation.h"
#include "wire/plain.h"
#include "wire/sse.h"
#include "wire/wire.h"
#include <string.h>

enum { PEERS = 3 };

static struct {
    struct wire_site site; /* first */
    duet_server *server;
    struct disk *disk;
    struct dice dice;
    int peers[PEERS];
} h;

static uint64_t hub_clock(void *arg)
{
    (void)arg;
    return 1700000000000u + kernel_now_us() / 1000;
}

static int hub_chance(void *arg, void *to, size_t len)
{
    (void)arg;
    dice_fill(&h.dice, to, len);
    return 0;
}

static int make_hub(void)
{
    static const struct disk_mood slow = { .delay_us = 500 };
    struct hub_options o;
    struct hub *hub;
    char why[HUB_WHY];
    hub_options_default(&o);
    o.history_size = 10;
    o.history_ttl_ms = 60000;
    o.allow_recovery = o.presence = o.join_leave = true;
    o.allow_subscribe_for_anonymous = o.allow_publish_for_anonymous = true;
    o.allow_history_for_anonymous = o.allow_presence_for_anonymous = true;
    struct hub_config config = { .namespaces = &o, .count = 1, .clock = hub_clock, .random = hub_chance };
    hub_limits_default(&config.limits);
    if (h.disk != NULL) {
        disk_set_mood(h.disk, &slow);
        config.engine = disk_engine(h.disk);
    }
    int rc = hub_new(&hub, &config, why);
    h.site.hub = rc == 0 ? hub : NULL;
    if (rc == 0)
        rc = wire_init(&h.site, hub);
    return rc;
}

static int make_server(void)
{
    static const duet_route routes[] = {
        { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
        { .path = SSE_PATH, .http = sse_http },
        { .path = API_PATH, .http = api_http, .methods = "POST" },
        CENTRIFUGAL_ROUTES,
        { 0 },
    };
    const duet_server_config config = { DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:9002",
                                        .on = wire_handler,      .arg = &h,
                                        .data_size = WIRE_DATA,  .topics_max = 300,
                                        .memory_mib = DUET_OFF,  .routes = routes };
    int rc = duet_loop_new(&stage.loop);
    if (rc == 0)
        rc = duet_server_new(&h.server, &config, NULL);
    if (rc == 0)
        rc = duet_server_attach(h.server, stage.loop);
    return rc;
}

/* Time for everybody, the disk too. */
static void pass(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 2) {
        settle(2);
        if (h.disk != NULL)
            disk_turn(h.disk, kernel_now_us());
    }
}

static void say_to(int who, const char *text, size_t len)
{
    if (h.peers[who] >= 0)
        raw_send(h.peers[who], text, len);
    pass(10);
}

/* A script's line: who, then what he says; "" hangs up. */
struct line {
    int who;
    const char *text;
    size_t len; /* 0: it ends with a zero byte */
};

#define SAY(who, text)                                                                                                 \
    {                                                                                                                  \
        who, text, sizeof(text) - 1                                                                                    \
    }
#define ENTER(who, path, fields)                                                                                       \
    SAY(who, "GET /channel/" path " HTTP/1.1\r\nHost: localhost\r\n" STAGE_UPGRADE fields "\r\n")
#define FRAME(who, head, text) SAY(who, head "\0\0\0\0" text)
#define ASK(who, method, length, body)                                                                                 \
    SAY(who, "POST /api/" method " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length "\r\n\r\n" body)
#define ENVELOPE "Sec-WebSocket-Protocol: duet.v1\r\n"

static void act(const struct line *script)
{
    char some[20000];
    for (; script->text != NULL; script++) {
        int *fd = &h.peers[script->who];
        if (*fd < 0)
            *fd = raw_dial(STAGE_PLAIN);
        if (script->len > 0) {
            say_to(script->who, script->text, script->len);
        } else {
            raw_close(*fd);
            *fd = -1;
            pass(10);
        }
        for (int i = 0; i < PEERS; i++)
            hear_raw(h.peers[i], some, sizeof(some));
    }
    hub_tick(h.site.hub);
    wire_tick(&h.site, h.server, SSE_QUIET_S);
    pass(20);
}

static void play(const struct line *script, bool on_disk)
{
    static const struct disk_mood good;
    memset(&h, 0, sizeof(h));
    memset(h.peers, -1, sizeof(h.peers));
    h.disk = on_disk ? disk_new(&h.dice, &good) : NULL;
    if (make_hub() == 0 && make_server() == 0) {
        hub_attach(h.site.hub, h.server);
        act(script);
    }
    for (int i = 0; i < PEERS; i++)
        raw_close(h.peers[i]);
    if (h.server != NULL)
        pass(20);
    hub_stop(h.site.hub);
    duet_server_free(h.server);
    hub_free(h.site.hub);
    disk_free(h.disk);
}

/* Scripts. */

static const struct line talk[] = {
    ENTER(0, "c?last=5", ""),
    ENTER(1, "c?last=5&presence=yes", ENVELOPE),
    FRAME(0, "\x81\x82", "hi"),
    FRAME(1, "\x81\x87", "{\"x\":1}"),
    FRAME(0, "\x82\x81", "\1"),
    { 0, "", 0 },
    ENTER(0, "c?since=x:1", ""),
    FRAME(1, "\x88\x80", ""),
    { 0, NULL, 0 },
};

static const struct line follow[] = {
    SAY(0, "GET /events?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    SAY(1, "GET /events?channel=a&channel=b&last=3 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ASK(2, "publish", "41", "{\"channel\":\"a\",\"data\":{\"n\":\n1},\"tags\":{}}"),
    ASK(2, "broadcast", "33", "{\"channels\":[\"a\",\"b\"],\"data\":2}  "),
    { 0, "", 0 },
    SAY(0, "GET /events?channel=a&since=aaaaaaaa:0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ASK(2, "publish", "28", "{\"channel\":\"a\",\"data\":3}    "),
    { 0, NULL, 0 },
};

static const struct line ask[] = {
    ASK(0, "publish", "54", "{\"channel\":\"a\",\"data\":1,\"idempotency_key\":\"k\"}        "),
    ASK(0, "publish", "54", "{\"channel\":\"a\",\"data\":1,\"idempotency_key\":\"k\"}        "),
    ASK(0, "publish", "54", "{\"channel\":\"a\",\"b64data\":\"AA==\",\"version\":3}          "),
    ENTER(1, "a", ""),
    ASK(0, "batch", "132", /* the second waits for the first */
        "{\"commands\":[{\"publish\":{\"channel\":\"a\",\"data\":1,\"version\":4}},"
        "{\"publish\":{\"channel\":\"a\",\"data\":2,\"version\":5,\"skip_history\":true}}]}"),
    ASK(0, "batch", "133",
        "{\"commands\":[{\"presence\":{\"channel\":\"a\"}},{\"history\":{\"channel\":\"a\",\"limit\":9}},"
        "{\"publish\":{\"channel\":\"a\",\"data\":5}},{\"info\":{}}]}   "),
    ASK(0, "presence_stats", "17", "{\"channel\":\"a\"}  "),
    ASK(0, "channels", "17", "{\"pattern\":\"a*\"} "),
    ASK(0, "history_remove", "17", "{\"channel\":\"a\"}  "),
    ASK(0, "unsubscribe", "29", "{\"user\":\"\",\"channel\":\"a\"}    "),
    ASK(0, "disconnect", "12", "{\"user\":\"\"} "),
    { 0, NULL, 0 },
};

static const struct line centrifugal[] = {
    SAY(0, "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\n" STAGE_UPGRADE "\r\n"),
    FRAME(0, "\x81\x95", "{\"id\":1,\"connect\":{}}"),
    FRAME(0, "\x81\xb6", "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"join_leave\":true}}"),
    FRAME(0, "\x81\xab", "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":1}}"),
    FRAME(0, "\x81\xac", "{\"id\":4,\"history\":{\"channel\":\"a\",\"limit\":9}}"),
    FRAME(0, "\x81\xa3", "{\"id\":5,\"presence\":{\"channel\":\"a\"}}"),
    ASK(1, "publish", "28", "{\"channel\":\"a\",\"data\":3}    "),
    FRAME(0, "\x81\xa6", "{\"id\":6,\"unsubscribe\":{\"channel\":\"a\"}}"),
    { 0, NULL, 0 },
};

#define SCRIPT(name)                                                                                                   \
    static void name##_memory(void)                                                                                    \
    {                                                                                                                  \
        play(name, false);                                                                                             \
    }                                                                                                                  \
    static void name##_disk(void)                                                                                      \
    {                                                                                                                  \
        play(name, true);                                                                                              \
    }

SCRIPT(talk)
SCRIPT(follow)
SCRIPT(ask)
SCRIPT(centrifugal)

const struct scenario hub_scenarios[] = {
    { "channels by WebSocket", talk_memory, ALONE, 1 },
    { "channels by WebSocket, on disk", talk_disk, ALONE, 1 },
    { "channels by event stream", follow_memory, ALONE, 1 },
    { "channels by event stream, on disk", follow_disk, ALONE, 1 },
    { "the API", ask_memory, ALONE, 1 },
    { "the API, on disk", ask_disk, ALONE, 1 },
    { "Centrifugal", centrifugal_memory, ALONE, 1 },
    { "Centrifugal, on disk", centrifugal_disk, ALONE, 1 },
    { NULL, NULL, 0, 0 },
};
