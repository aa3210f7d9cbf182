/* SPDX-License-Identifier: MIT */
/* Reading a token's payload, which is signed and so nobody's but the backend's; it may still be wrong. */
#ifndef HUB_CLAIMS_H
#define HUB_CLAIMS_H

#include "base/jsonread.h"
#include "hub/token.h"

/* What a payload says about itself, besides what is in hub_claims. Times are of the Unix time. */
struct claims_times {
    bool has_exp, has_nbf, has_iat, has_expire_at;
    uint64_t exp_ms, nbf_ms, iat_ms, expire_at_ms;
    bool for_audience, by_issuer; /* of the rules, where these name one */
    bool has_channel;
};

/* `payload` is taken (from mem_alloc()). 0; DUET_ERR_NOMEM; or DUET_ERR_FORMAT, and then `out->why` is set. Either way
 * hub_claims_fini(). */
int claims_read(struct hub_claims *out, struct claims_times *times, const struct hub_token_rules *rules, char *payload,
                size_t len);
/* {"presence": {"value": true}, ...}; names that are not known say nothing. False: it is no such thing. */
bool claims_override(struct hub_override *out, struct json_slice value);

#endif
