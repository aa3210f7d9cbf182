/* SPDX-License-Identifier: MIT */
/* Tokens (HUB-10): whatever comes is answered with one of the codes, nothing but what was signed is taken, and what is
 * taken has sound parts. The first byte's lowest bit says what the rest is: a token, or a payload that is signed for
 * it. */
#include "fuzz.h"
#include "../unit/signed.h"
#include "base/jsonread.h"
#include "base/utf8.h"
#include "hub/token.h"

static void check_string(struct hub_text t)
{
    CHECK(t.at[t.len] == 0 && utf8_valid(t.at, t.len) && memchr(t.at, '\n', t.len) == NULL);
}

static void check_json(struct hub_text t)
{
    struct json_slice value;
    if (t.len > 0)
        CHECK(json_check(t.at, t.len, HUB_TOKEN_DEPTH_MOST, &value) && value.len == t.len &&
              memchr(t.at, '\n', t.len) == NULL);
}

static void check_claims(const struct hub_claims *c)
{
    check_string(c->user);
    CHECK(c->user.len <= HUB_USER_MOST);
    check_json(c->info);
    check_json(c->meta);
    for (size_t i = 0; i < c->subs_count; i++) {
        check_string(c->subs[i].channel);
        check_json(c->subs[i].info);
        check_json(c->subs[i].data);
    }
    for (size_t i = 0; i < c->caps_count; i++)
        for (size_t j = 0; j < c->caps[i].count; j++)
            check_string(c->caps[i].channels[j]);
    CHECK(hub_caps_allow(c->caps, c->caps_count, "news", 4) < 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hub_keys *keys;
    static char signed_token[60000], payload[20001];
    char why[HUB_KEYS_WHY];
    struct hub_claims claims;
    struct hub_subscriber who = { { "news", 4 }, { "42", 2 }, { "c", 1 } };
    if (keys == NULL)
        CHECK(hub_keys_secret(&keys, SIGNED_SECRET, strlen(SIGNED_SECRET), why) == 0);
    struct hub_token_rules rules = { .keys = keys, .leeway_ms = 5000 };
    if (size < 1 || size > 20000)
        return 0;
    bool ours = data[0] & 1;
    memcpy(payload, data + 1, size - 1);
    payload[size - 1] = 0;
    if (ours)
        signed_with(signed_token, SIGNED_SECRET, "{\"alg\":\"HS256\"}", payload);
    const char *from = ours ? signed_token : payload;
    size_t len = ours ? strlen(from) : size - 1;
    char *token = exactly(from, len);
    int rc = hub_token_connection(&rules, token, len, 1700000000000, &claims);
    CHECK(rc == HUB_OK || rc == HUB_DISCONNECT_TOKEN || rc == HUB_ERROR_TOKEN_EXPIRED);
    CHECK((rc == HUB_OK) == (claims.why == NULL));
    /* The corpus has no secret to sign with, so what comes as a whole token is none. */
    CHECK(ours || rc == HUB_DISCONNECT_TOKEN);
    if (rc == HUB_OK)
        check_claims(&claims);
    hub_claims_fini(&claims);
    rc = hub_token_subscription(&rules, token, len, 1700000000000, &who, &claims);
    CHECK(rc == HUB_OK || rc == HUB_DISCONNECT_TOKEN || rc == HUB_ERROR_TOKEN_EXPIRED || rc == HUB_ERROR_PERMISSION);
    if (rc == HUB_OK)
        check_claims(&claims);
    hub_claims_fini(&claims);
    free(token);
    return 0;
}
