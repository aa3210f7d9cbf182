/* SPDX-License-Identifier: MIT */
/*
 * Tokens (JWT in their compact form): who a connection is, and what it may subscribe to.
 *
 * A connection token has `sub` (the user; "" or none: nobody in particular), `exp`, and may have `info`, `meta`,
 * `channels`, `subs`, `caps` and `expire_at`. A subscription token has `channel`, too, and may have `client`, `allow`
 * and `override`. One is never taken for the other. `exp` has to be there unless the rules say otherwise; `nbf` and
 * `iat` may be ahead by the rules' leeway; `aud` and `iss` are looked at when the rules name them. Of `exp` nothing is
 * forgiven.
 *
 * What is not trusted yet is looked at as little as can be: the token's length, the alphabet, a head of at most 1 KiB
 * that is nested at most four deep. Then comes the signature (hub/keys.h), and only then the payload (HUB-10).
 */
#ifndef HUB_TOKEN_H
#define HUB_TOKEN_H

#include "hub/codes.h"
#include "hub/keys.h"
#include "hub/options.h"
#include <stdint.h>

enum { HUB_TOKEN_MOST = 16 * 1024, HUB_TOKEN_HEAD_MOST = 1024, HUB_TOKEN_DEPTH_MOST = 32, HUB_USER_MOST = 255 };

struct hub_text {
    const char *at; /* a zero byte behind it where it is a string, not JSON */
    size_t len;
};

/* What a capability allows, by Centrifugo's words: sub, pub, prs (presence), hst (history). */
enum { HUB_CAN_SUB = 1, HUB_CAN_PUB = 2, HUB_CAN_PRS = 4, HUB_CAN_HST = 8 };

struct hub_cap {
    const struct hub_text *channels;
    size_t count;
    bool wildcard;  /* they are patterns (hub/match.h); else names */
    unsigned allow; /* bits HUB_CAN_* */
};

/* A channel that the server subscribes the connection to. */
struct hub_claims_sub {
    struct hub_text channel, info, data; /* the latter two are JSON; empty: none */
    struct hub_override override;
};

struct hub_claims {
    struct hub_text user;
    uint64_t expires_ms; /* when the connection or the subscription does, of the same clock as `now_ms`; 0: never */
    struct hub_text info, meta; /* JSON without newlines; empty: none */
    struct hub_text id;         /* jti */
    struct hub_claims_sub *subs;
    size_t subs_count;
    struct hub_cap *caps;
    size_t caps_count;
    /* Of subscription tokens. */
    struct hub_text channel, client; /* client: empty: any */
    unsigned allow;                  /* bits HUB_CAN_* */
    struct hub_override override;
    struct hub_text payload; /* all of it, as JSON */
    /* Why it was not taken: a sentence for the log, with nothing of the token in it. */
    const char *why;
    void *memory[4]; /* what the above points into */
};

struct hub_token_rules {
    const struct hub_keys *keys;   /* NULL: no token is good */
    const char *audience, *issuer; /* NULL: not looked at */
    uint64_t leeway_ms;            /* for nbf and iat */
    bool eternal;                  /* exp may be missing; such a connection does not expire */
};

/* Who wants to subscribe, and to what. */
struct hub_subscriber {
    struct hub_text channel, user, client;
};

/*
 * Each returns HUB_OK, HUB_ERROR_TOKEN_EXPIRED, or HUB_ERROR_INTERNAL without memory; else a connection token is
 * answered with HUB_DISCONNECT_TOKEN. So is a subscription token that is of another channel, user or connection; one
 * that is no good at all gets HUB_ERROR_PERMISSION. Either way hub_claims_fini(). `now_ms` is of the Unix time. Any
 * thread.
 */
int hub_token_connection(const struct hub_token_rules *rules, const char *token, size_t len, uint64_t now_ms,
                         struct hub_claims *out);
int hub_token_subscription(const struct hub_token_rules *rules, const char *token, size_t len, uint64_t now_ms,
                           const struct hub_subscriber *who, struct hub_claims *out);
void hub_claims_fini(struct hub_claims *claims);

/* What they allow in a channel: the first that matches decides, as in Centrifugo. 0: none matches, or it allows
 * nothing. */
unsigned hub_caps_allow(const struct hub_cap *caps, size_t count, const char *channel, size_t len);

#endif
