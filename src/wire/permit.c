/* SPDX-License-Identifier: MIT */
#include "wire/permit.h"

static bool is_open(const struct permit_who *who, bool client, bool anonymous)
{
    return who->user_len > 0 ? client : anonymous;
}

static bool allows(const struct hub_options *o, const struct permit_who *who, enum permit_act act)
{
    switch (act) {
    case PERMIT_SUBSCRIBE:
        return is_open(who, o->allow_subscribe_for_client, o->allow_subscribe_for_anonymous);
    case PERMIT_PUBLISH:
        return is_open(who, o->allow_publish_for_client, o->allow_publish_for_anonymous) ||
               (who->subscribed && o->allow_publish_for_subscriber);
    case PERMIT_HISTORY:
        return is_open(who, o->allow_history_for_client, o->allow_history_for_anonymous) ||
               (who->subscribed && o->allow_history_for_subscriber);
    default:
        return is_open(who, o->allow_presence_for_client, o->allow_presence_for_anonymous) ||
               (who->subscribed && o->allow_presence_for_subscriber);
    }
}

int permit(const struct hub *hub, const struct permit_who *who, const char *channel, size_t len, enum permit_act act,
           const struct hub_options **options)
{
    static const unsigned can[] = { HUB_CAN_SUB, HUB_CAN_PUB, HUB_CAN_HST, HUB_CAN_PRS };
    struct hub_name name;
    enum hub_error error;
    const struct hub_options *o = hub_judge(hub, channel, len, &name, &error);
    if (options != NULL)
        *options = o;
    if (o == NULL)
        return (int)error;
    if (act == PERMIT_PUBLISH && o->publish_hook)
        return PERMIT_ASK; /* it looks at what is said, whoever says it */
    if (who->claims != NULL && who->claims->caps_count > 0 &&
        (hub_caps_allow(who->claims->caps, who->claims->caps_count, channel, len) & can[act]))
        return HUB_OK;
    if (act == PERMIT_SUBSCRIBE && name.is_private)
        return HUB_ERROR_PERMISSION; /* that takes a token */
    if (act == PERMIT_SUBSCRIBE && o->allow_user_limited_channels && name.users != NULL)
        return hub_name_lists(&name, who->user, who->user_len) ? HUB_OK : HUB_ERROR_PERMISSION;
    if (act == PERMIT_SUBSCRIBE && o->subscribe_hook)
        return PERMIT_ASK;
    return allows(o, who, act) ? HUB_OK : HUB_ERROR_PERMISSION;
}
