/* SPDX-License-Identifier: MIT */
/* A hub whose engine answers when the test says so, and as it says. */
#include "test.h"
#include "hub/hub.h"

static struct {
    struct engine engine; /* first */
    struct engine_load *load;
    struct engine_append *append;
} asked;

static int take_load(struct engine *e, struct engine_load *l)
{
    (void)e;
    assert_null(asked.load);
    asked.load = l;
    return 0;
}

static int take_append(struct engine *e, struct engine_append *a)
{
    (void)e;
    assert_null(asked.append);
    asked.append = a;
    return 0;
}

static void no_end(struct engine *e)
{
    (void)e;
}

static const struct engine_ops ops = { .name = "asked", .load = take_load, .append = take_append, .end = no_end };

static struct hub *open_hub(void)
{
    struct hub *h;
    char why[HUB_WHY];
    struct hub_options o;
    hub_options_default(&o);
    o.history_size = 5;
    o.history_ttl_ms = 60000;
    struct hub_config config = { .namespaces = &o, .count = 1, .engine = &asked.engine };
    hub_limits_default(&config.limits);
    asked.engine.ops = &ops;
    assert_int_equal(hub_new(&h, &config, why), 0);
    return h;
}

static void publish(struct hub *h, const char *text)
{
    hub_publish(h,
                &(struct hub_publish){
                    .channel = "c", .len = 1, .parts = { .kind = HUB_TEXT, .data = text, .len = strlen(text) } },
                NULL);
}

static void answer_load(void)
{
    struct engine_load *l = asked.load;
    assert_non_null(l);
    asked.load = NULL;
    l->done(l);
}

/* The append that waits is of this offset; its epoch. */
static void answer_append(uint64_t offset, int error, char epoch[STREAM_EPOCH + 1])
{
    struct engine_append *a = asked.append;
    assert_non_null(a);
    assert_int_equal(a->publication->offset, offset);
    memcpy(epoch, a->epoch, sizeof(a->epoch));
    asked.append = NULL;
    a->error = error;
    a->done(a);
}

/* What the engine has forgotten cannot go on: it would refuse each offset of the old epoch for ever. */
TEST(hub, begins_a_new_epoch_when_the_engine_has_forgotten_the_channel)
{
    char first[STREAM_EPOCH + 1], second[STREAM_EPOCH + 1];
    struct hub *h = open_hub();
    publish(h, "1");
    answer_load();
    answer_append(1, 0, first);
    publish(h, "2");
    answer_append(2, DUET_ERR_STATE, second);
    assert_string_equal(second, first);
    publish(h, "3");
    answer_load(); /* it is asked, and knows nothing */
    answer_append(1, 0, second);
    assert_string_not_equal(second, first);
    publish(h, "4");
    answer_append(2, 0, first);
    assert_string_equal(second, first);
    hub_stop(h);
    hub_free(h);
}
