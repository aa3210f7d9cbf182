/* SPDX-License-Identifier: MIT */
/* Options that change while the hub is at work (OPS-2). */
#include "ways.h"
#include "base/mem.h"

static struct hub_options all[3];

static void begin(void)
{
    for (int i = 0; i < 3; i++)
        all[i] = ways_open();
    strcpy(all[1].name, "one");
    strcpy(all[2].name, "two");
    ways_serve(all, 3, NULL);
}

static const struct hub_options *options_of(const char *channel)
{
    enum hub_error error;
    return hub_options_of(ways.site.hub, channel, strlen(channel), &error);
}

/* How many publications a channel has. */
static unsigned kept;
static void count(duet_server *s, uint64_t id, uint64_t tag, const struct hub_page *page)
{
    (void)s;
    (void)id;
    (void)tag;
    kept = page->count;
}

static unsigned kept_of(const char *channel)
{
    hub_read_history(ways.site.hub, &(struct hub_history){ .channel = channel, .len = strlen(channel), .limit = -1 },
                     &(struct hub_pager){ .server = wire.server, .done = count });
    wire_settle();
    return kept;
}

TEST(reload, holds_for_channels_that_there_are_and_those_that_come)
{
    begin();
    struct client *there = ways_open_channel("one:a", NULL), *late = client_new();
    for (int i = 0; i < 5; i++)
        ways_publish("one:a", "1");
    assert_int_equal(kept_of("one:a"), 5);
    all[1].allow_subscribe_for_anonymous = false;
    all[1].allow_publish_for_anonymous = false;
    all[1].history_size = 2;
    assert_int_equal(hub_reload(ways.site.hub, all, 3), 0);
    assert_int_equal(ways_ask(late, "one:a", NULL), 401);
    client_trace(there, 5);
    client_frame(there, 0x81, "x", 1);
    EXPECT_FRAMES(there, 1, "close 1008 'permission denied'\n");
    ways_publish("one:a", "2"); /* the backend still may */
    assert_int_equal(kept_of("one:a"), 2);
    assert_true(options_of("two:b")->allow_subscribe_for_anonymous);
    client_free(there);
    client_free(late);
    ways_stop();
}

TEST(reload, leaves_what_a_running_hub_cannot_change)
{
    begin();
    struct client *c = ways_open_channel("two:a", NULL);
    ways_publish("two:a", "1");
    all[0].history_size = 0; /* to have a history, or none */
    all[1].history_ttl_ms = 0;
    all[2].message_max = 1;
    all[2].channel_regex = (char *)"^never$";
    all[2].subscribe_hook = all[2].publish_hook = all[2].occupancy_hook = true;
    assert_int_equal(hub_reload(ways.site.hub, all, 3), 0);
    assert_int_equal(options_of("c")->history_size, 5);
    assert_int_equal(options_of("one:c")->history_ttl_ms, 60000);
    const struct hub_options *two = options_of("two:c");
    assert_true(two->message_max > 1 && two->channel_regex == NULL);
    assert_false(two->subscribe_hook || two->publish_hook || two->occupancy_hook);
    ways_publish("two:a", "2");
    EXPECT_FRAMES(c, 2, "text '1'\ntext '2'\n");
    client_free(c);
    ways_stop();
}

TEST(reload, finds_namespaces_by_their_names)
{
    begin();
    struct hub_options fresh[2] = { all[2], all[0] };
    fresh[0].publish_per_s = 7;
    fresh[1].publish_per_s = 8;
    assert_int_equal(hub_reload(ways.site.hub, fresh, 2), 0);
    assert_int_equal(options_of("c")->publish_per_s, 8);
    assert_int_equal(options_of("one:c")->publish_per_s, 0); /* it is not in the file any more, and stays */
    assert_int_equal(options_of("two:c")->publish_per_s, 7);
    strcpy(fresh[0].name, "new");
    assert_int_equal(hub_reload(ways.site.hub, fresh, 2), 0);
    assert_null(options_of("new:c"));
    assert_int_equal(options_of("two:c")->publish_per_s, 7);
    ways_stop();
}

TEST(reload, without_memory_changes_nothing)
{
    begin();
    all[1].publish_per_s = 7;
    for (unsigned n = 0; n < 2; n++) {
        mem_fail(n, false);
        assert_int_equal(hub_reload(ways.site.hub, all, 3), DUET_ERR_NOMEM);
        mem_fail_end();
        assert_int_equal(options_of("one:c")->publish_per_s, 0);
    }
    assert_int_equal(hub_reload(ways.site.hub, all, 3), 0);
    assert_int_equal(options_of("one:c")->publish_per_s, 7);
    ways_stop();
}
