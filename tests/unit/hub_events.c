/* SPDX-License-Identifier: MIT */
/* Who leaves, and channels that are occupied and vacated: told once each, in their order, where somebody wants to know.
 */
#include "held_hooks.h"
#include "ways.h"
#include "wire/backend.h"

#define CLIENT "00000000-0000-4000-8000-000000000000"

#define REQUEST(path)                                                                                                  \
    "GET " path " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/* Events of these are told as lines: type, what it does to its channel (1: it is occupied, 2: vacated), time, channel,
 * client, user. */
static void begin_told(bool tells)
{
    static struct hub_options o[2];
    char why[HUB_WHY];
    struct hub *hub;
    o[0] = o[1] = ways_open();
    strcpy(o[1].name, "watched");
    o[1].occupancy_hook = true;
    struct hub_config config = { .namespaces = o, .count = 2, .clock = ways_clock, .random = ways_random };
    config.tell = tells ? backend_tell : NULL;
    config.tell_arg = &ways.site;
    hub_limits_default(&config.limits);
    config.limits.connections_per_user = 1;
    static const duet_route routes[] = { { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
                                         CENTRIFUGAL_ROUTES,
                                         { 0 } };
    held = (struct hooks){ .count = 0 };
    ways.now_ms = 1000;
    assert_int_equal(hub_new(&hub, &config, why), 0);
    assert_int_equal(wire_init(&ways.site, hub), 0);
    ways.site.hooks = &held;
    wire_serve(WIRE_TCP, &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .on = wire_handler, .arg = &ways,
                                                .data_size = WIRE_DATA, .routes = routes, .ping_ms = DUET_OFF });
    hub_attach(hub, wire.server);
}

static void expect_told(const char *lines)
{
    wire_settle();
    assert_string_equal(held.told, lines);
    held.told[0] = '\0';
}

static struct client *come(const char *channel)
{
    struct client *c = client_new();
    assert_int_equal(ways_ask(c, channel, NULL), 101);
    wire_settle();
    return c;
}

static void go(struct client *c)
{
    client_reset(c);
    wire_settle();
}

#define OCCUPIED "occupied 1 1000 watched:a  \n"
#define VACATED  "vacated 2 1000 watched:a  \n"
#define LEAVE    "leave 0 1000 watched:a " CLIENT " \n"
#define GONE     "disconnect 0 1000  " CLIENT " \n"

TEST(events, tell_the_first_who_comes_and_the_last_who_goes)
{
    begin_told(true);
    struct client *a = come("watched:a");
    expect_told(OCCUPIED);
    struct client *b = come("watched:a");
    expect_told("");
    go(a);
    expect_told(LEAVE GONE);
    go(b);
    expect_told(LEAVE VACATED GONE);
    a = come("watched:a");
    expect_told(OCCUPIED);
    go(a);
    expect_told(LEAVE VACATED GONE);
    ways_stop();
    assert_string_equal(held.told, "");
}

TEST(events, tell_nothing_of_channels_that_are_not_watched_but_who_is_gone)
{
    begin_told(true);
    go(come("other"));
    expect_told(GONE);
    ways_stop();
    assert_string_equal(held.told, "");
}

TEST(events, tell_nobody_who_does_not_want_to_know)
{
    begin_told(false);
    go(come("watched:a"));
    expect_told("");
    ways_stop();
}

/* One that stays has left one channel, not the hub. */
TEST(events, tell_who_leaves_by_itself_or_by_the_server)
{
    static const struct hub_whom anybody = { .user = "", .client = "" };
    begin_told(true);
    struct client *c = client_new();
    client_say(c, REQUEST("/connection/websocket"));
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    static const char life[] = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"watched:a\"}}\n"
                               "{\"id\":3,\"subscribe\":{\"channel\":\"watched:a\"}}\n"
                               "{\"id\":4,\"unsubscribe\":{\"channel\":\"watched:a\"}}\n"
                               "{\"id\":5,\"unsubscribe\":{\"channel\":\"watched:a\"}}";
    client_frame(c, 0x81, life, sizeof(life) - 1);
    client_trace(c, 5);
    expect_told(OCCUPIED LEAVE VACATED);
    assert_int_equal(
        hub_subscribe(ways.site.hub, &anybody, &(struct hub_invitation){ .channel = "watched:a", .len = 9 }), 0);
    expect_told(OCCUPIED);
    assert_int_equal(hub_unsubscribe(ways.site.hub, &anybody, "watched:a", 9, HUB_UNSUBSCRIBE_SERVER), 0);
    expect_told(LEAVE VACATED);
    assert_int_equal(
        hub_subscribe(ways.site.hub, &anybody, &(struct hub_invitation){ .channel = "watched:a", .len = 9 }), 0);
    hub_disconnect(ways.site.hub, &anybody, HUB_DISCONNECT_FORCE, NULL);
    expect_told(OCCUPIED LEAVE VACATED GONE);
    client_free(c);
    wire_settle();
    ways_stop();
    assert_string_equal(held.told, "");
}

/* An orderly end leaves nobody in. */
TEST(events, tell_that_all_is_vacated_when_the_servers_are_gone)
{
    begin_told(true);
    struct client *a = come("watched:a"), *b = come("watched:a");
    expect_told(OCCUPIED);
    hub_stop(ways.site.hub);
    wire_stop();
    assert_string_equal(held.told, LEAVE GONE LEAVE VACATED GONE);
    hub_free(ways.site.hub);
    client_free(a);
    client_free(b);
}

TEST(events, tell_nothing_of_who_never_came_in)
{
    begin_told(true);
    /* Its user has too many connections. */
    struct client *clients[2];
    held.has[HOOK_CONNECT] = true;
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = client_new();
        client_say(clients[i], REQUEST("/channel/other"));
        for (int turns = 0; turns < WIRE_TURNS && held.count <= i; turns++)
            wire_turn();
        held_answer(i, "{\"result\":{\"user\":\"ann\"}}");
        assert_int_equal(client_answer(clients[i], NULL, NULL), 101);
    }
    assert_non_null(strstr(client_trace(clients[1], 1), "close 3504"));
    client_free(clients[1]);
    expect_told("");
    client_free(clients[0]);
    expect_told("disconnect 0 1000  " CLIENT " ann\n");
    held.has[HOOK_CONNECT] = false;
    /* There is no such channel. */
    struct client *c = client_new();
    assert_int_equal(ways_ask(c, "nowhere:a", NULL), 404);
    client_free(c);
    expect_told("");
    ways_stop();
}

/* Whatever allocation fails, a channel that was occupied is vacated, once, and who came is gone. */
TEST(events, mem_1_tell_one_story_without_memory)
{
    unsigned long asked = 0;
    for (unsigned long after = 0; after <= asked; after++) {
        int inside = 0, here = 0;
        begin_told(true);
        struct client *c = client_new();
        client_say(c, REQUEST("/channel/watched:a"));
        mem_fail(after, false);
        for (int i = 0; i < 10; i++)
            duet_loop_turn(wire.loop, 0);
        asked = mem_fail_end();
        client_free(c);
        wire_settle();
        ways_stop();
        for (const char *at = held.told; *at != '\0'; at = strchr(at, '\n') + 1) {
            inside += strncmp(at, "occupied", 8) == 0;
            inside -= strncmp(at, "vacated", 7) == 0;
            here += strncmp(at, "leave", 5) == 0;
            assert_in_range(inside, 0, 1);
        }
        assert_int_equal(inside, 0);
        assert_in_range(here, 0, 1);
    }
}
