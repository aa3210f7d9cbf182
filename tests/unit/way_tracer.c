/* SPDX-License-Identifier: MIT */
#include "held_engine.h"
#include "hub/session.h"
#include "hub/trace.h"
#include "ways.h"
#include <errno.h>

static unsigned news_count;

static void news(duet_server *s, uint64_t id, void *unused)
{
    (void)s;
    (void)unused;
    assert_int_equal(id, 0);
    news_count++;
}

static struct tracer *begin(const char *channel)
{
    struct tracer *t;
    news_count = 0;
    assert_int_equal(hub_trace_begin(&t, ways.site.hub, channel, strlen(channel), wire.server, 0, news), 0);
    return t;
}

/* All that is there as words: "came text 3 by channel". */
static const char *taken(struct tracer *t)
{
    static const char *const kinds[] = { "json", "text", "binary" };
    static char text[4096];
    struct trace_step step;
    uint64_t lost, last = 0;
    size_t len = 0;
    text[0] = '\0';
    while (hub_trace_take(t, &step, 1, &lost) == 1) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%u ", step.run);
        assert_true(step.us >= last);
        last = step.us;
        switch (step.kind) {
        case TRACE_CAME:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "came %s %llu by %s\n", kinds[step.more],
                                    (unsigned long long)step.count, step.way[0] ? step.way : "itself");
            break;
        case TRACE_REFUSED:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "refused %d %s\n", step.error, step.text);
            break;
        case TRACE_KNOWN:
            len += (size_t)snprintf(text + len, sizeof(text) - len, step.more ? "stale\n" : "known %llu\n",
                                    (unsigned long long)step.offset);
            break;
        case TRACE_NUMBERED:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "numbered %llu%s\n",
                                    (unsigned long long)step.offset, step.more ? " store" : "");
            break;
        case TRACE_TOLD:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "told %llu in %llu\n",
                                    (unsigned long long)step.count, (unsigned long long)step.more);
            break;
        case TRACE_GIVEN:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "loop %u %llu %s\n", step.loop,
                                    (unsigned long long)step.count, step.more > 0 ? "all" : "not all");
            break;
        default:
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
                                    step.kind == TRACE_LOADS  ? "loads"
                                    : step.kind == TRACE_KEPT ? "kept"
                                                              : "failed");
        }
    }
    return text;
}

#define EXPECT_STEPS(tracer, expected) assert_string_equal(taken(tracer), expected)

static void publish_with(const char *channel, const char *key, uint64_t version)
{
    hub_publish(ways.site.hub,
                &(struct hub_publish){ .channel = channel,
                                       .len = strlen(channel),
                                       .way = "api",
                                       .parts = { .kind = HUB_JSON,
                                                  .data = "1",
                                                  .len = 1,
                                                  .key = key,
                                                  .key_len = strlen(key),
                                                  .version_epoch = "",
                                                  .version = version } },
                NULL);
}

TEST(tracer, follows_a_publication_from_its_way_in_to_the_members_of_a_loop)
{
    struct hub_options open = ways_open();
    ways_serve(&open, 1, NULL);
    struct client *a = ways_open_channel("c", NULL), *b = ways_open_channel("c", NULL);
    struct tracer *t = begin("c");
    ways_publish("other", "not followed");
    client_frame(a, 0x81, "one", 3);
    wire_settle();
    EXPECT_STEPS(t, "1 came text 3 by channel\n1 numbered 1\n1 told 2 in 1\n1 loop 0 2 all\n");
    ways_publish("c", "four");
    wire_settle();
    EXPECT_STEPS(t, "2 came text 4 by itself\n2 numbered 2\n2 told 2 in 1\n2 loop 0 2 all\n");
    client_free(a);
    client_free(b);
    wire_settle();
    ways_publish("c", "x");
    wire_settle();
    EXPECT_STEPS(t, "3 came text 1 by itself\n3 numbered 3\n3 told 0 in 0\n");
    hub_trace_end(t);
    ways_stop();
}

TEST(tracer, tells_why_nothing_is_published)
{
    struct hub_options o[2] = { ways_open(), ways_open() };
    strcpy(o[1].name, "shut");
    o[1].allow_publish_for_client = o[1].allow_publish_for_anonymous = false;
    o[0].message_max = 5;
    o[0].publish_per_s = 1;
    ways_serve(o, 2, NULL);
    struct tracer *t = begin("c"), *shut = begin("shut:c");
    struct client *a = ways_open_channel("c", NULL), *b = ways_open_channel("shut:c", NULL);
    client_frame(b, 0x81, "x", 1);
    wire_settle();
    EXPECT_STEPS(shut, "1 came text 1 by channel\n1 refused 103 permission denied\n");
    publish_with("c", "k", 0);
    publish_with("c", "k", 0);
    publish_with("c", "", 7);
    publish_with("c", "", 7);
    ways_publish("c", "too long");
    wire_settle();
    EXPECT_STEPS(t, "2 came json 1 by api\n2 numbered 1\n2 told 1 in 1\n"
                    "3 came json 1 by api\n3 known 1\n"
                    "4 came json 1 by api\n4 numbered 2\n4 told 1 in 1\n"
                    "5 came json 1 by api\n5 stale\n"
                    "6 came text 8 by itself\n6 refused 106 limit exceeded\n"
                    "2 loop 0 1 all\n4 loop 0 1 all\n");
    for (int i = 0; i < 3; i++)
        client_frame(a, 0x82, "x", 1);
    wire_settle();
    assert_non_null(strstr(taken(t), "9 came binary 1 by channel\n9 refused 111 too many requests\n"));
    client_free(a);
    client_free(b);
    hub_trace_end(t);
    hub_trace_end(shut);
    ways_stop();
}

TEST(tracer, tells_when_the_store_has_it_and_when_it_does_not_take_it)
{
    struct held *h = held_new();
    struct hub_options open = ways_open();
    ways_serve(&open, 1, &h->engine);
    struct tracer *t = begin("c");
    ways_publish("c", "x");
    EXPECT_STEPS(t, "1 came text 1 by itself\n1 loads\n");
    held_release(h, 0);
    EXPECT_STEPS(t, "1 numbered 1 store\n");
    held_release(h, 0);
    EXPECT_STEPS(t, "1 kept\n1 told 0 in 0\n");
    ways_publish("c", "y");
    held_release(h, -ENOSPC);
    EXPECT_STEPS(t, "2 came text 1 by itself\n2 numbered 2 store\n2 failed\n");
    h->full = true;
    ways_publish("c", "z"); /* which has to load the channel again first */
    EXPECT_STEPS(t, "3 came text 1 by itself\n3 failed\n");
    h->full = false;
    wire_settle();
    hub_trace_end(t);
    ways_stop();
    held_free(h);
}

TEST(tracer, has_a_ring_that_counts_what_it_has_no_room_for_and_is_told_of_once)
{
    struct trace_step steps[TRACE_STEPS];
    struct hub_options open = ways_open();
    uint64_t lost;
    ways_serve(&open, 1, NULL);
    struct tracer *t = begin("c");
    for (unsigned i = 0; i < TRACE_STEPS; i++)
        ways_publish("c", "x"); /* three steps each */
    wire_settle();
    assert_int_equal(news_count, 1);
    assert_int_equal(hub_trace_take(t, steps, TRACE_STEPS, &lost), TRACE_STEPS);
    assert_int_equal(lost, 2 * TRACE_STEPS);
    assert_int_equal(steps[0].run, 1);
    assert_int_equal(steps[TRACE_STEPS - 1].run, (TRACE_STEPS + 2) / 3);
    assert_int_equal(hub_trace_take(t, steps, 1, &lost), 0);
    assert_int_equal(lost, 0);
    ways_publish("c", "x");
    wire_settle();
    assert_int_equal(news_count, 2);
    hub_trace_end(t);
    ways_publish("c", "x"); /* nobody hears of it */
    wire_settle();
    assert_int_equal(news_count, 2);
    ways_stop();
}

TEST(tracer, has_a_limit_of_eight)
{
    struct hub_options open = ways_open();
    struct tracer *t[TRACE_TRACERS], *more;
    ways_serve(&open, 1, NULL);
    for (int i = 0; i < TRACE_TRACERS; i++)
        t[i] = begin("c");
    assert_int_equal(hub_trace_begin(&more, ways.site.hub, "c", 1, wire.server, 0, news), DUET_ERR_LIMIT);
    ways_publish("c", "x");
    for (int i = 0; i < TRACE_TRACERS; i++)
        EXPECT_STEPS(t[i], "1 came text 1 by itself\n1 numbered 1\n1 told 0 in 0\n"); /* one run for all */
    hub_trace_end(t[3]);
    assert_int_equal(hub_trace_begin(&more, ways.site.hub, "c", 1, wire.server, 0, news), 0);
    hub_trace_end(more);
    for (int i = 0; i < TRACE_TRACERS; i++)
        if (i != 3)
            hub_trace_end(t[i]);
    hub_trace_end(NULL);
    ways_stop();
}
