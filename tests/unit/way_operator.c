/* SPDX-License-Identifier: MIT */
#include "hub/session.h"
#include "ways.h"

static void begin(void)
{
    struct hub_options open = ways_open();
    ways_serve(&open, 1, NULL);
}

static struct client *operator_new(void)
{
    struct client *c = client_new();
    client_say(c, "GET /live HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Sec-WebSocket-Protocol: token.x, duet.admin.v1\r\n\r\n");
    char head[4096];
    assert_int_equal(client_answer(c, head, NULL), 101);
    assert_true(client_has_field(head, "Sec-WebSocket-Protocol: duet.admin.v1"));
    wire_settle();
    return c;
}

TEST(operator, hears_what_operators_are_told_and_nothing_else)
{
    begin();
    assert_int_equal(hub_operators(ways.site.hub), 0);
    struct client *c = operator_new(), *other = ways_open_channel("c", NULL);
    assert_int_equal(hub_operators(ways.site.hub), 1);
    ways_publish("c", "for c");
    hub_tell_operators(ways.site.hub, "{\"t\":1}", 7);
    client_frame(c, 0x81, "said", 4); /* nobody listens to it */
    hub_tell_operators(ways.site.hub, "{\"t\":2}", 7);
    EXPECT_FRAMES(c, 2, "text '{\"t\":1}'\ntext '{\"t\":2}'\n");
    EXPECT_FRAMES(other, 1, "text 'for c'\n");
    client_free(c);
    wire_settle();
    assert_int_equal(hub_operators(ways.site.hub), 0);
    hub_tell_operators(ways.site.hub, "{\"t\":3}", 7);
    client_free(other);
    ways_stop();
}

static bool none_without_a_name(void *arg, const char *name, size_t len, size_t subscribers)
{
    (void)arg;
    (void)name;
    (void)subscribers;
    assert_int_not_equal(len, 0);
    return true;
}

static void refused(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *r)
{
    (void)s;
    (void)id;
    (void)tag;
    assert_int_equal(r->error, HUB_ERROR_BAD_REQUEST);
}

static void no_page(duet_server *s, uint64_t id, uint64_t tag, const struct hub_page *page)
{
    (void)s;
    (void)id;
    (void)tag;
    assert_int_equal(page->error, HUB_ERROR_BAD_REQUEST);
}

TEST(operator, channel_has_no_name_that_leads_to_it)
{
    begin();
    struct client *c = operator_new(), *other = client_new();
    struct hub *hub = ways.site.hub;
    assert_int_equal(ways_ask(other, "", NULL), 404);
    hub_publish(hub, &(struct hub_publish){ .channel = "", .len = 0, .parts = { .data = "1", .len = 1 } },
                &(struct hub_reply){ .server = wire.server, .done = refused });
    hub_read_history(hub, &(struct hub_history){ .channel = "", .limit = 1 },
                     &(struct hub_pager){ .server = wire.server, .done = no_page });
    size_t users;
    assert_int_equal(hub_presence(hub, "", 0, &users, NULL, NULL), 0);
    assert_int_equal(hub_subscribers(hub, "", 0), 0);
    hub_each_channel(hub, none_without_a_name, NULL);
    for (int i = 0; i < 3; i++)
        hub_tick(hub); /* nor is it forgotten */
    hub_tell_operators(hub, "1", 1);
    EXPECT_FRAMES(c, 1, "text '1'\n");
    client_free(c);
    client_free(other);
    ways_stop();
}

TEST(operator, hears_no_more_when_it_is_disconnected)
{
    begin();
    struct client *c = operator_new();
    assert_int_equal(hub_disconnect(ways.site.hub, &(struct hub_whom){ .user = "", .client = "" }, 3503, NULL), 0);
    EXPECT_FRAMES(c, 1, "close 3503 'force disconnect'\n");
    client_free(c);
    wire_settle();
    assert_int_equal(hub_operators(ways.site.hub), 0);
    ways_stop();
}

/* hub_survey() */

static struct glances {
    unsigned count;
    uint64_t subscribers, published, rate;
} glances;

static void glance(void *arg, const struct hub_glance *g)
{
    assert_ptr_equal(arg, &glances);
    glances.count++;
    glances.subscribers += g->subscribers;
    glances.published += g->published;
    if (g->since_ms > 0)
        glances.rate += (g->published - g->before) * 1000 / g->since_ms;
}

static unsigned survey(unsigned most)
{
    unsigned calls = 1;
    memset(&glances, 0, sizeof(glances));
    while (!hub_survey(ways.site.hub, most, glance, &glances))
        assert_true(++calls < 10000);
    return calls;
}

TEST(survey, sees_each_channel_once_a_round_with_what_was_published)
{
    enum { CHANNELS = 1000 };
    char name[16];
    begin();
    assert_int_equal(survey(7), 1);
    assert_int_equal(glances.count, 0);
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        ways_publish(name, "x");
    }
    struct client *c = ways_open_channel("c5", NULL);
    assert_int_equal(survey(7), (CHANNELS + 6) / 7);
    assert_int_equal(glances.count, CHANNELS);
    assert_int_equal(glances.subscribers, 1);
    assert_int_equal(glances.published, CHANNELS);
    assert_int_equal(glances.rate, 0); /* none was looked at before */
    ways.now_ms += 2000;
    for (int i = 0; i < 6; i++)
        ways_publish("c5", "x");
    assert_int_equal(survey(CHANNELS), 1);
    assert_int_equal(glances.rate, 3);
    client_free(c);
    ways_stop();
}

TEST(survey, goes_on_when_the_channel_it_stands_at_is_forgotten)
{
    begin();
    struct client *c[3];
    const char *names[] = { "a", "b", "d" };
    for (int i = 0; i < 3; i++)
        c[i] = ways_open_channel(names[i], NULL);
    memset(&glances, 0, sizeof(glances));
    assert_false(hub_survey(ways.site.hub, 1, glance, &glances)); /* "d", which is the newest; "b" is next */
    client_free(c[1]);
    wire_settle();
    ways.now_ms += 40ull * 24 * 3600 * 1000;
    hub_tick(ways.site.hub);
    assert_true(hub_survey(ways.site.hub, 10, glance, &glances));
    assert_int_equal(glances.count, 2);
    client_free(c[0]);
    client_free(c[2]);
    ways_stop();
}

/* wire_describe() */

static struct wire_about about;
static char channel[64];

static void describe(const duet_conn *c, void *arg)
{
    wire_describe(c, arg);
    snprintf(channel, sizeof(channel), "%.*s", (int)about.channel_len, about.channel ? about.channel : "");
}

static void describe_all(duet_server *s, uint64_t loop, void *arg)
{
    (void)loop;
    duet_look(s, 0, 100, describe, arg);
}

static void expect_about(const char *way, const char *name, unsigned channels)
{
    assert_int_equal(duet_post_all(wire.server, describe_all, &about), 0);
    wire_settle();
    assert_string_equal(about.way, way);
    assert_string_equal(channel, name);
    assert_int_equal(about.channels, channels);
    assert_null(about.user);
}

TEST(about, says_by_which_way_somebody_came_and_to_which_channel)
{
    begin();
    struct client *c = ways_open_channel("a%20b", NULL);
    expect_about("channel", "a b", 1);
    client_free(c);
    c = operator_new();
    expect_about("operator", "", 1);
    client_free(c);
    c = client_new();
    client_say(c, "GET /connection/websocket HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    expect_about("centrifugal", "", 0);
    static const char join[] = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"d\"}}";
    client_frame(c, 0x81, join, sizeof(join) - 1);
    wire_settle();
    expect_about("centrifugal", "d", 1);
    client_free(c);
    ways_stop();
}
