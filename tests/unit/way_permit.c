/* SPDX-License-Identifier: MIT */
/* Who may do what: each act, by each of the options that open it, and by the backend where that is asked. */
#include "test.h"
#include "hub/hub.h"
#include "wire/permit.h"

enum who { NOBODY, ANN, INSIDE, WHOS };

static struct hub *hub_with(const struct hub_options *o)
{
    char why[HUB_WHY];
    struct hub *hub;
    struct hub_config config = { .namespaces = o, .count = 1 };
    hub_limits_default(&config.limits);
    assert_int_equal(hub_new(&hub, &config, why), 0);
    return hub;
}

static int asks(const struct hub_options *o, enum who is, enum permit_act act, const char *channel)
{
    const struct hub_options *found;
    struct hub *hub = hub_with(o);
    struct permit_who who = { .user = is == ANN ? "ann" : "",
                              .user_len = is == ANN ? 3 : 0,
                              .subscribed = is == INSIDE };
    int rc = permit(hub, &who, channel, strlen(channel), act, &found);
    assert_int_equal(permit(hub, &who, channel, strlen(channel), act, NULL), rc);
    assert_int_equal(found == NULL, rc == HUB_ERROR_UNKNOWN_CHANNEL || rc == HUB_ERROR_BAD_REQUEST);
    hub_stop(hub);
    hub_free(hub);
    return rc;
}

/* One option, and whom it opens one act to. */
#define OPENS(option, act, nobody, ann, inside)                                                                        \
    do {                                                                                                               \
        static const bool open_[WHOS] = { nobody, ann, inside };                                                       \
        struct hub_options o_;                                                                                         \
        hub_options_default(&o_);                                                                                      \
        o_.option = true;                                                                                              \
        for (int who_ = 0; who_ < WHOS; who_++)                                                                        \
            for (int act_ = PERMIT_SUBSCRIBE; act_ <= PERMIT_PRESENCE; act_++)                                         \
                assert_int_equal(asks(&o_, (enum who)who_, (enum permit_act)act_, "c"),                                \
                                 act_ == (act) && open_[who_] ? HUB_OK : HUB_ERROR_PERMISSION);                        \
    } while (0)

TEST(permit, each_option_opens_one_act_to_one_sort)
{
    OPENS(allow_subscribe_for_client, PERMIT_SUBSCRIBE, false, true, false);
    OPENS(allow_subscribe_for_anonymous, PERMIT_SUBSCRIBE, true, false, true);
    OPENS(allow_publish_for_client, PERMIT_PUBLISH, false, true, false);
    OPENS(allow_publish_for_anonymous, PERMIT_PUBLISH, true, false, true);
    OPENS(allow_publish_for_subscriber, PERMIT_PUBLISH, false, false, true);
    OPENS(allow_history_for_client, PERMIT_HISTORY, false, true, false);
    OPENS(allow_history_for_anonymous, PERMIT_HISTORY, true, false, true);
    OPENS(allow_history_for_subscriber, PERMIT_HISTORY, false, false, true);
    OPENS(allow_presence_for_client, PERMIT_PRESENCE, false, true, false);
    OPENS(allow_presence_for_anonymous, PERMIT_PRESENCE, true, false, true);
    OPENS(allow_presence_for_subscriber, PERMIT_PRESENCE, false, false, true);
}

TEST(permit, the_backend_is_asked_where_the_namespace_says_so)
{
    struct hub_options o;
    hub_options_default(&o);
    o.subscribe_hook = o.publish_hook = true;
    o.allow_subscribe_for_client = o.allow_publish_for_client = o.allow_user_limited_channels = true;
    for (int who = 0; who < WHOS; who++) {
        assert_int_equal(asks(&o, (enum who)who, PERMIT_SUBSCRIBE, "c"), PERMIT_ASK);
        assert_int_equal(asks(&o, (enum who)who, PERMIT_PUBLISH, "c"), PERMIT_ASK);
        assert_int_equal(asks(&o, (enum who)who, PERMIT_HISTORY, "c"), HUB_ERROR_PERMISSION);
        /* Not about what takes a token, nor about what the name says. */
        assert_int_equal(asks(&o, (enum who)who, PERMIT_SUBSCRIBE, "$c"), HUB_ERROR_PERMISSION);
        assert_int_equal(asks(&o, (enum who)who, PERMIT_SUBSCRIBE, "c#ann"),
                         who == ANN ? HUB_OK : HUB_ERROR_PERMISSION);
        assert_int_equal(asks(&o, (enum who)who, PERMIT_SUBSCRIBE, "none:c"), HUB_ERROR_UNKNOWN_CHANNEL);
    }
}

/* What a token lets its bearer do is said already; what is published is looked at all the same. */
TEST(permit, capabilities_go_before_the_backend_but_for_publishing)
{
    struct hub_options o;
    hub_options_default(&o);
    o.subscribe_hook = o.publish_hook = true;
    struct hub *hub = hub_with(&o);
    char name[] = "c";
    struct hub_text channels[] = { { name, 1 } };
    struct hub_cap cap = { .channels = channels, .count = 1, .allow = HUB_CAN_SUB | HUB_CAN_PUB | HUB_CAN_HST };
    struct hub_claims claims = { .caps = &cap, .caps_count = 1 };
    struct permit_who who = { .user = "ann", .user_len = 3, .claims = &claims };
    assert_int_equal(permit(hub, &who, "c", 1, PERMIT_SUBSCRIBE, NULL), HUB_OK);
    assert_int_equal(permit(hub, &who, "c", 1, PERMIT_HISTORY, NULL), HUB_OK);
    assert_int_equal(permit(hub, &who, "c", 1, PERMIT_PRESENCE, NULL), HUB_ERROR_PERMISSION);
    assert_int_equal(permit(hub, &who, "c", 1, PERMIT_PUBLISH, NULL), PERMIT_ASK);
    assert_int_equal(permit(hub, &who, "d", 1, PERMIT_SUBSCRIBE, NULL), PERMIT_ASK);
    hub_stop(hub);
    hub_free(hub);
}
