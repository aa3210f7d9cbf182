/* SPDX-License-Identifier: MIT */
/* What somebody may do in a channel: what the capabilities of the token say, then the name, then the namespace. */
#ifndef WIRE_PERMIT_H
#define WIRE_PERMIT_H

#include "hub/hub.h"
#include "hub/token.h"

enum permit_act { PERMIT_SUBSCRIBE, PERMIT_PUBLISH, PERMIT_HISTORY, PERMIT_PRESENCE };

struct permit_who {
    const char *user; /* "": nobody in particular */
    size_t user_len;
    const struct hub_claims *claims; /* NULL: without a token */
    bool subscribed;                 /* to this channel */
};

/* The backend is to be asked (subscribe_hook, publish_hook). Who cannot ask says no. */
enum { PERMIT_ASK = -1 };

/* HUB_OK, PERMIT_ASK, or why not: an enum hub_error. `options` (may be NULL) are those of the channel, NULL when there
 * is none. A subscription's own token is the caller's to look at first. */
int permit(const struct hub *hub, const struct permit_who *who, const char *channel, size_t len, enum permit_act act,
           const struct hub_options **options);

#endif
