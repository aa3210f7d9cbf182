/* SPDX-License-Identifier: MIT */
#include "hub/token.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "hub/claims.h"
#include <duet/error.h>
#include <jose/b64.h>
#include <string.h>
#include <strings.h>

enum { HEAD_DEPTH = 4 };

/* base64url, as a part of a token has it: of the alphabet, and of a length that can be one. */
static bool is_part(const char *at, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i++)
        if (memchr(alphabet, at[i], sizeof(alphabet) - 1) == NULL)
            return false;
    return len > 0 && len % 4 != 1;
}

/* HEAD.PAYLOAD.SIGNATURE */
static bool take_apart(struct hub_signed *s, const char *token, size_t len)
{
    const char *end = token + len, *first = memchr(token, '.', len);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (second == NULL)
        return false;
    *s = (struct hub_signed){
        .head = token,
        .head_len = (size_t)(first - token),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = (size_t)(end - second - 1),
    };
    return is_part(s->head, s->head_len) && is_part(s->payload, s->payload_len) &&
           is_part(s->signature, s->signature_len);
}

/* What is in a head. Fields that are not here, such as jku and x5u, are never looked at. */
enum { ALG, KID, CRIT, B64, ZIP, FIELDS };

static const char *fields_of(struct json_slice fields[FIELDS], struct json_slice head)
{
    static const char *const names[FIELDS] = { "alg", "kid", "crit", "b64", "zip" };
    struct json_slice name, value;
    for (struct json_each e = json_each(head); json_next(&e, &name, &value);)
        for (int i = 0; i < FIELDS; i++) {
            if (!json_is(name, names[i]))
                continue;
            if (fields[i].text != NULL)
                return "the head has a field twice";
            fields[i] = value;
        }
    /* What must be understood, and is not. */
    return fields[CRIT].text || fields[B64].text || fields[ZIP].text ? "the head has crit, b64 or zip" : NULL;
}

/* Fills in `s` what the head says; `kid` is where its bytes go. NULL; or what is wrong. */
static const char *read_head(struct hub_signed *s, char kid[HUB_TOKEN_HEAD_MOST])
{
    char bytes[HUB_TOKEN_HEAD_MOST], name[HUB_TOKEN_HEAD_MOST];
    struct json_slice head, fields[FIELDS] = { { NULL, 0 } };
    if (s->head_len > HUB_TOKEN_HEAD_MOST / 3 * 4)
        return "the head is over 1 KiB";
    size_t len = jose_b64_dec_buf(s->head, s->head_len, bytes, sizeof(bytes));
    if (len == SIZE_MAX || !json_check(bytes, len, HEAD_DEPTH, &head) || json_kind_of(head) != '{')
        return "the head is no JSON object";
    const char *why = fields_of(fields, head);
    if (why != NULL)
        return why;
    long n = fields[ALG].text && json_kind_of(fields[ALG]) == '"' ? json_unquote(name, fields[ALG]) : -1;
    s->algorithm = n > 0 ? hub_algorithm(name, (size_t)n) : 0;
    if (s->algorithm == 0)
        return "the head names no algorithm that there is";
    if (fields[KID].text == NULL)
        return NULL;
    n = json_kind_of(fields[KID]) == '"' ? json_unquote(kid, fields[KID]) : -1;
    if (n < 0)
        return "kid is no string";
    s->kid = kid;
    s->kid_len = (size_t)n;
    return NULL;
}

/* NULL; or what is wrong with a token whose signature is good. */
static const char *judge(const struct hub_token_rules *rules, const struct claims_times *t, uint64_t now_ms)
{
    if (rules->audience != NULL && !t->for_audience)
        return "the token is for another audience";
    if (rules->issuer != NULL && !t->by_issuer)
        return "the token is of another issuer";
    if (t->has_nbf && t->nbf_ms > now_ms + rules->leeway_ms)
        return "the token is not valid yet (nbf)";
    if (t->has_iat && t->iat_ms > now_ms + rules->leeway_ms)
        return "the token was made in the future (iat)";
    if (!t->has_exp && !rules->eternal)
        return "the token has no exp";
    return NULL;
}

/* What all tokens go through. HUB_OK; HUB_ERROR_INTERNAL; or HUB_ERROR_PERMISSION. */
static int open_token(const struct hub_token_rules *rules, const char *token, size_t len, uint64_t now_ms,
                      struct hub_claims *out, struct claims_times *times)
{
    struct hub_signed s;
    char kid[HUB_TOKEN_HEAD_MOST];
    *out = (struct hub_claims){ 0 };
    if (len > HUB_TOKEN_MOST)
        out->why = "the token is over 16 KiB";
    else if (!take_apart(&s, token, len))
        out->why = "the token is not of the form HEAD.PAYLOAD.SIGNATURE";
    else
        out->why = read_head(&s, kid);
    if (out->why == NULL && (rules->keys == NULL || !(hub_keys_algorithms(rules->keys) & s.algorithm)))
        out->why = "there is no key for the token's algorithm";
    if (out->why == NULL && !hub_keys_verify(rules->keys, &s))
        out->why = "the signature is not of our key";
    if (out->why != NULL)
        return HUB_ERROR_PERMISSION;

    char *payload = mem_alloc(s.payload_len);
    size_t n = payload ? jose_b64_dec_buf(s.payload, s.payload_len, payload, s.payload_len) : 0;
    if (payload == NULL)
        out->why = "out of memory";
    if (payload == NULL)
        return HUB_ERROR_INTERNAL;
    int rc = claims_read(out, times, rules, payload, n == SIZE_MAX ? 0 : n);
    if (rc == DUET_ERR_NOMEM)
        return HUB_ERROR_INTERNAL;
    if (rc == 0)
        out->why = judge(rules, times, now_ms);
    out->expires_ms = times->has_expire_at ? times->expire_at_ms : times->exp_ms;
    return out->why ? HUB_ERROR_PERMISSION : HUB_OK;
}

/* A signed token that is over is worth asking for another one. */
static int expired(struct hub_claims *out, const struct claims_times *t, uint64_t now_ms)
{
    if (!t->has_exp || t->exp_ms > now_ms)
        return HUB_OK;
    out->why = "the token is expired";
    return HUB_ERROR_TOKEN_EXPIRED;
}

int hub_token_connection(const struct hub_token_rules *rules, const char *token, size_t len, uint64_t now_ms,
                         struct hub_claims *out)
{
    struct claims_times times = { 0 };
    int rc = open_token(rules, token, len, now_ms, out, &times);
    if (rc == HUB_OK && times.has_channel) {
        out->why = "this is a subscription token";
        rc = HUB_ERROR_PERMISSION;
    }
    if (rc == HUB_ERROR_PERMISSION)
        return HUB_DISCONNECT_TOKEN;
    return rc == HUB_OK ? expired(out, &times, now_ms) : rc;
}

static bool same(struct hub_text a, struct hub_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int hub_token_subscription(const struct hub_token_rules *rules, const char *token, size_t len, uint64_t now_ms,
                           const struct hub_subscriber *who, struct hub_claims *out)
{
    struct claims_times times = { 0 };
    int rc = open_token(rules, token, len, now_ms, out, &times);
    if (rc != HUB_OK)
        return rc;
    if (!times.has_channel || !same(out->channel, who->channel))
        out->why = "the token is for another channel";
    else if (!same(out->user, who->user))
        out->why = "the token is for another user";
    else if (out->client.len > 0 && !same(out->client, who->client))
        out->why = "the token is for another connection";
    return out->why ? HUB_DISCONNECT_TOKEN : expired(out, &times, now_ms);
}
