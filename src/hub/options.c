/* SPDX-License-Identifier: MIT */
#include "hub/options.h"

void hub_options_default(struct hub_options *o)
{
    *o = (struct hub_options){
        .history_meta_ttl_ms = 30ull * 24 * 3600 * 1000,
        .kinds = HUB_KINDS_ALL,
        .message_max = 64 * 1024,
    };
}

void hub_limits_default(struct hub_limits *l)
{
    *l = (struct hub_limits){
        .channels_per_connection = 128,
        .name_max = HUB_NAME_MOST,
        .channels_max = 1000 * 1000,
        .idempotency_keys = 10 * 1000,
        .idempotency_ms = 5 * 60 * 1000,
        .history_bytes = 256ull * 1024 * 1024,
        .recovery_max = 300,
    };
}
