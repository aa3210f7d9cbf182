/* SPDX-License-Identifier: MIT */
/* What a backend is told, without being asked. */
#ifndef HOOK_EVENT_H
#define HOOK_EVENT_H

#include <stddef.h>
#include <stdint.h>

#define HOOK_EVENT_VACATED "vacated" /* of a channel that has no subscriber any more */

enum hook_occupancy { HOOK_NEITHER, HOOK_OCCUPIES, HOOK_VACATES };

/* All borrowed; what it has nothing to say of has the length 0. */
struct hook_event {
    const char *type;       /* a word */
    enum hook_occupancy by; /* its channel */
    uint64_t time_ms;
    const char *channel, *client, *user;
    size_t channel_len, client_len, user_len;
};

#endif
