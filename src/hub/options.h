/* SPDX-License-Identifier: MIT */
/*
 * What an operator may say of channels: the options of a namespace, and the hub's limits.
 *
 * A channel's name picks its namespace: `chat:room1` is of namespace `chat`, `$chat:room1` too ("$" in front asks for a
 * token); a name without ':' is of the namespace without a name. The names of the options are Centrifugo's where it has
 * the same.
 */
#ifndef HUB_OPTIONS_H
#define HUB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HUB_NAME_MOST = 255, HUB_NAMESPACE_LEAST = 2, HUB_NAMESPACE_MOST = 64 };

/* What a publication may be; decided once, when it comes in. */
enum hub_kind { HUB_JSON, HUB_TEXT, HUB_BINARY };
enum { HUB_KINDS_ALL = 1u << HUB_JSON | 1u << HUB_TEXT | 1u << HUB_BINARY };

/* Zero is the default, except where a word behind says what hub_options_default() sets. */
struct hub_options {
    char name[HUB_NAMESPACE_MOST + 1]; /* "": for channels without one */

    /* The stream. */
    uint32_t history_size;        /* publications kept: 0, none */
    uint64_t history_ttl_ms;      /* since the last publication: 0, none; both are needed */
    uint64_t history_meta_ttl_ms; /* epoch and top are known so long after the last use: 30 days */
    bool cache; /* force_recovery_mode: cache; only the newest counts */
    bool auto_cache_recover; /* with `cache`: who comes for the first time gets it, too */
    bool force_recovery, allow_recovery, force_positioning, allow_positioning;

    /* Who is there. */
    bool presence, join_leave, force_push_join_leave;

    /* Who may what. "client": has a user name; "anonymous": has none; "subscriber": is subscribed. */
    bool allow_subscribe_for_client, allow_subscribe_for_anonymous;
    bool allow_publish_for_client, allow_publish_for_anonymous, allow_publish_for_subscriber;
    bool allow_history_for_client, allow_history_for_anonymous, allow_history_for_subscriber;
    bool allow_presence_for_client, allow_presence_for_anonymous, allow_presence_for_subscriber;
    bool allow_user_limited_channels; /* `name#user1,user2` */
    char *channel_regex;              /* POSIX extended, of the whole name behind the namespace; NULL: any. Owned */

    /* What may be published. */
    unsigned kinds;         /* bits 1 << enum hub_kind: all */
    uint32_t message_max;   /* bytes of a publication: 64 KiB */
    uint32_t publish_per_s; /* of one connection, a burst of twice that: 0, no limit */

    /* Ways to save bytes. */
    bool delta_publish, allow_delta_fossil; /* allowed_delta_types: [fossil] */
    bool allow_tags_filter;

    /* Which events the backend hears of (hooks). */
    bool subscribe_hook, publish_hook, occupancy_hook;
};

struct hub_limits {
    uint32_t channels_per_connection; /* 128; error 106 */
    uint32_t name_max;                /* 255 bytes; error 107 */
    uint32_t channels_max;            /* of the hub: 1,000,000; error 106 */
    uint32_t connections_per_user;    /* 0: no limit; disconnect 3504 */
    uint32_t idempotency_keys;        /* remembered for each channel: 10,000 */
    uint64_t idempotency_ms;          /* 5 min */
    uint64_t history_bytes; /* of all channels in memory: 256 MiB; a channel that needs more loses its oldest */
    uint32_t recovery_max;  /* publications one recovery or history page brings: 300 */
};

/* What is said of one subscription otherwise than of its namespace: by a token, by the backend. */
enum hub_said { HUB_UNSAID, HUB_NO, HUB_YES };
struct hub_override {
    enum hub_said presence, join_leave, force_recovery, force_positioning, force_push_join_leave;
};

void hub_options_default(struct hub_options *o);
void hub_limits_default(struct hub_limits *l);

#endif
