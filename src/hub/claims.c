/* SPDX-License-Identifier: MIT */
/*
 * Strings without their escapes go into one block twice as large as the payload: each is shorter than it was written,
 * a zero byte behind it included, and so is once more what one of them has in base64. What stays JSON stays in the
 * payload.
 */
#include "hub/claims.h"
#include "base/digest.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "hub/match.h"
#include <duet/error.h>
#include <string.h>

enum { PAYLOAD, STRINGS, SUBS, CAPS }; /* of `memory` */

struct reader {
    struct hub_claims *out;
    struct claims_times *times;
    const struct hub_token_rules *rules;
    char *strings; /* where the next one goes */
};

static int wrong(struct reader *r, const char *why)
{
    r->out->why = why;
    return DUET_ERR_FORMAT;
}

static int no_memory(struct reader *r)
{
    r->out->why = "out of memory";
    return DUET_ERR_NOMEM;
}

/* A string as text; no control characters, which nothing that is a name has. */
static int text(struct reader *r, struct hub_text *to, struct json_slice value, const char *why)
{
    long n = json_kind_of(value) == '"' ? json_unquote(r->strings, value) : -1;
    if (n < 0)
        return wrong(r, why);
    for (long i = 0; i < n; i++)
        if ((unsigned char)r->strings[i] < 0x20 || r->strings[i] == 0x7f)
            return wrong(r, why);
    *to = (struct hub_text){ r->strings, (size_t)n };
    r->strings[n] = 0;
    r->strings += n + 1;
    return 0;
}

/* Seconds since 1970, up to the year 9999. What is before is long over. */
static int date(struct reader *r, bool *has, uint64_t *ms, struct json_slice value, const char *why)
{
    double seconds;
    if (json_kind_of(value) != '0' || !json_number(value, &seconds) || seconds > 253402300799.0)
        return wrong(r, why);
    *has = true;
    *ms = seconds > 0 ? (uint64_t)(seconds * 1000 + 0.5) : 0; /* not a bit less than what was written */
    return 0;
}

static struct hub_text raw(struct json_slice value)
{
    return (struct hub_text){ value.text, json_kind_of(value) == 'n' ? 0 : value.len };
}

/* JSON that was put into base64, for the sake of clients that speak Protobuf. */
static int b64_info(struct reader *r, struct hub_text *to, struct json_slice value)
{
    struct hub_text coded;
    struct json_slice info;
    int rc = text(r, &coded, value, "b64info is no string");
    if (rc < 0)
        return rc;
    long n = base64_decode((uint8_t *)r->strings, coded.len, coded.at, coded.len);
    if (n < 0 || !json_check(r->strings, (size_t)n, HUB_TOKEN_DEPTH_MOST, &info))
        return wrong(r, "b64info is no JSON in base64");
    for (long i = 0; i < n; i++)
        if (r->strings[i] == '\n' || r->strings[i] == '\r')
            r->strings[i] = ' ';
    *to = raw(info);
    r->strings += n;
    return 0;
}

static int count(struct reader *r, size_t *n, struct json_slice value, char kind, const char *why)
{
    struct json_slice name, inner;
    if (json_kind_of(value) != kind)
        return wrong(r, why);
    *n = 0;
    for (struct json_each e = json_each(value); json_next(&e, &name, &inner);)
        ++*n;
    return 0;
}

/* "presence": {"value": true} */
bool claims_override(struct hub_override *o, struct json_slice value)
{
    const struct {
        const char *name;
        enum hub_said *said;
    } all[] = {
        { "presence", &o->presence },
        { "join_leave", &o->join_leave },
        { "force_recovery", &o->force_recovery },
        { "force_positioning", &o->force_positioning },
        { "force_push_join_leave", &o->force_push_join_leave },
    };
    struct json_slice name, inner, key, said;
    if (json_kind_of(value) != '{')
        return false;
    for (struct json_each e = json_each(value); json_next(&e, &name, &inner);) {
        struct json_each only = json_each(inner);
        bool good = json_kind_of(inner) == '{' && json_next(&only, &key, &said) && json_is(key, "value") &&
                    (json_kind_of(said) == 't' || json_kind_of(said) == 'f') && !json_next(&only, &key, &said);
        if (!good)
            return false;
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
            if (json_is(name, all[i].name))
                *all[i].said = json_kind_of(said) == 't' ? HUB_YES : HUB_NO;
    }
    return true;
}

static int override(struct reader *r, struct hub_override *o, struct json_slice value)
{
    return claims_override(o, value) ? 0 : wrong(r, "an override is {\"presence\": {\"value\": true}, ...}");
}

/* Channels to be subscribed to by the server: `channels` is a list of names, `subs` has more to say of each. */

static int room_for_subs(struct reader *r, size_t more)
{
    struct hub_claims *c = r->out;
    struct hub_claims_sub *grown = mem_realloc(c->memory[SUBS], (c->subs_count + more + 1) * sizeof(*grown));
    if (grown == NULL)
        return no_memory(r);
    c->memory[SUBS] = c->subs = grown;
    return 0;
}

static int one_sub(struct reader *r, struct json_slice channel, struct json_slice options)
{
    static const char why[] = "subs is {\"CHANNEL\": {...}, ...}";
    struct hub_claims_sub *s = &r->out->subs[r->out->subs_count];
    struct json_slice name, value;
    *s = (struct hub_claims_sub){ 0 };
    int rc = text(r, &s->channel, channel, why);
    if (rc == 0 && options.len > 0 && json_kind_of(options) != '{')
        rc = wrong(r, why);
    for (struct json_each e = options.len ? json_each(options) : (struct json_each){ 0 };
         rc == 0 && json_next(&e, &name, &value);) {
        if (json_is(name, "info"))
            s->info = raw(value);
        else if (json_is(name, "b64info"))
            rc = b64_info(r, &s->info, value);
        else if (json_is(name, "data"))
            s->data = raw(value);
        else if (json_is(name, "override"))
            rc = override(r, &s->override, value);
    }
    r->out->subs_count++;
    return rc;
}

static int channels(struct reader *r, struct json_slice value)
{
    struct json_slice name, channel;
    size_t n;
    int rc = count(r, &n, value, '[', "channels is no list of names");
    if (rc == 0)
        rc = room_for_subs(r, n);
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &channel);)
        rc = json_kind_of(channel) == '"' ? one_sub(r, channel, (struct json_slice){ channel.text, 0 })
                                          : wrong(r, "channels is no list of names");
    return rc;
}

static int subs(struct reader *r, struct json_slice value)
{
    struct json_slice name, options;
    size_t n;
    int rc = count(r, &n, value, '{', "subs is {\"CHANNEL\": {...}, ...}");
    if (rc == 0)
        rc = room_for_subs(r, n);
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &options);)
        rc = one_sub(r, name, options);
    return rc;
}

/* Capabilities. Words that are not known allow nothing, and a match that is not known is an error: what is meant to be
 * narrow must not be left out in front of what is wide. */

static int allow(struct reader *r, unsigned *bits, struct json_slice value)
{
    static const char *const words[] = { "sub", "pub", "prs", "hst" };
    struct json_slice name, word;
    if (json_kind_of(value) != '[')
        return wrong(r, "allow is no list of sub, pub, prs and hst");
    *bits = 0;
    for (struct json_each e = json_each(value); json_next(&e, &name, &word);) {
        if (json_kind_of(word) != '"')
            return wrong(r, "allow is no list of sub, pub, prs and hst");
        for (unsigned i = 0; i < 4; i++)
            if (json_is(word, words[i]))
                *bits |= 1u << i;
    }
    return 0;
}

static int match(struct reader *r, struct hub_cap *cap, struct json_slice value)
{
    if (json_kind_of(value) != '"')
        return wrong(r, "match of a capability is exact or wildcard");
    cap->wildcard = json_is(value, "wildcard");
    if (!cap->wildcard && !json_is(value, "exact") && value.len > 2)
        return wrong(r, "match of a capability is exact or wildcard");
    return 0;
}

static int cap_channels(struct reader *r, struct hub_cap *cap, struct json_slice value, struct hub_text **to)
{
    struct json_slice name, channel;
    int rc = json_kind_of(value) == '[' ? 0 : wrong(r, "channels of a capability is no list of names");
    if (cap->channels != NULL)
        rc = wrong(r, "a capability has its channels twice");
    cap->channels = *to;
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &channel); cap->count++)
        rc = text(r, (*to)++, channel, "channels of a capability is no list of names");
    return rc;
}

static int one_cap(struct reader *r, struct json_slice value, struct hub_text **to)
{
    struct hub_cap *cap = &r->out->caps[r->out->caps_count++];
    struct json_slice name, inner;
    int rc = json_kind_of(value) == '{' ? 0 : wrong(r, "a capability is {\"channels\": [...], \"allow\": [...]}");
    *cap = (struct hub_cap){ 0 };
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &inner);) {
        if (json_is(name, "channels"))
            rc = cap_channels(r, cap, inner, to);
        else if (json_is(name, "match"))
            rc = match(r, cap, inner);
        else if (json_is(name, "allow"))
            rc = allow(r, &cap->allow, inner);
    }
    return rc;
}

static int caps(struct reader *r, struct json_slice value)
{
    struct hub_claims *c = r->out;
    struct json_slice name, inner;
    size_t n;
    int rc = count(r, &n, value, '[', "caps is no list");
    if (rc < 0)
        return rc;
    /* A name takes three bytes at least, so there are no more of them than that. */
    size_t names = value.len / 3 + 1;
    c->caps = c->memory[CAPS] = mem_alloc(n * sizeof(*c->caps) + names * sizeof(struct hub_text));
    if (c->caps == NULL)
        return no_memory(r);
    struct hub_text *to = (struct hub_text *)(c->caps + n);
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &inner);)
        rc = one_cap(r, inner, &to);
    return rc;
}

unsigned hub_caps_allow(const struct hub_cap *list, size_t n, const char *channel, size_t len)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < list[i].count; j++) {
            const struct hub_text *t = &list[i].channels[j];
            bool same = t->len == len && memcmp(t->at, channel, len) == 0;
            if (same || (list[i].wildcard && hub_match(t->at, t->len, channel, len)))
                return list[i].allow;
        }
    return 0;
}

/* The claims. */

static int take_sub(struct reader *r, struct json_slice value)
{
    int rc = text(r, &r->out->user, value, "sub is no string, or no name of a user");
    return rc == 0 && r->out->user.len > HUB_USER_MOST ? wrong(r, "sub is over 255 bytes") : rc;
}

static int take_exp(struct reader *r, struct json_slice value)
{
    return date(r, &r->times->has_exp, &r->times->exp_ms, value, "exp is no number of seconds");
}

static int take_nbf(struct reader *r, struct json_slice value)
{
    return date(r, &r->times->has_nbf, &r->times->nbf_ms, value, "nbf is no number of seconds");
}

static int take_iat(struct reader *r, struct json_slice value)
{
    return date(r, &r->times->has_iat, &r->times->iat_ms, value, "iat is no number of seconds");
}

static int take_expire_at(struct reader *r, struct json_slice value)
{
    return date(r, &r->times->has_expire_at, &r->times->expire_at_ms, value, "expire_at is no number of seconds");
}

static int take_jti(struct reader *r, struct json_slice value)
{
    return text(r, &r->out->id, value, "jti is no string");
}

static int take_iss(struct reader *r, struct json_slice value)
{
    struct hub_text by = { 0 };
    int rc = text(r, &by, value, "iss is no string");
    r->times->by_issuer = rc == 0 && r->rules->issuer != NULL && by.len == strlen(r->rules->issuer) &&
                          memcmp(by.at, r->rules->issuer, by.len) == 0;
    return rc;
}

static int one_audience(struct reader *r, struct json_slice value)
{
    struct hub_text of = { 0 };
    int rc = text(r, &of, value, "aud is no string, and no list of strings");
    if (rc == 0 && r->rules->audience != NULL && of.len == strlen(r->rules->audience) &&
        memcmp(of.at, r->rules->audience, of.len) == 0)
        r->times->for_audience = true;
    return rc;
}

static int take_aud(struct reader *r, struct json_slice value)
{
    struct json_slice name, inner;
    int rc = 0;
    if (json_kind_of(value) != '[')
        return one_audience(r, value);
    for (struct json_each e = json_each(value); rc == 0 && json_next(&e, &name, &inner);)
        rc = one_audience(r, inner);
    return rc;
}

static int take_info(struct reader *r, struct json_slice value)
{
    r->out->info = raw(value);
    return 0;
}

static int take_b64info(struct reader *r, struct json_slice value)
{
    return b64_info(r, &r->out->info, value);
}

static int take_meta(struct reader *r, struct json_slice value)
{
    r->out->meta = raw(value);
    return 0;
}

static int take_channel(struct reader *r, struct json_slice value)
{
    r->times->has_channel = true;
    return text(r, &r->out->channel, value, "channel is no string");
}

static int take_client(struct reader *r, struct json_slice value)
{
    return text(r, &r->out->client, value, "client is no string");
}

static int take_allow(struct reader *r, struct json_slice value)
{
    return allow(r, &r->out->allow, value);
}

static int take_override(struct reader *r, struct json_slice value)
{
    return override(r, &r->out->override, value);
}

static const struct claim {
    const char *name;
    int (*take)(struct reader *r, struct json_slice value);
} known[] = {
    { "sub", take_sub },
    { "exp", take_exp },
    { "nbf", take_nbf },
    { "iat", take_iat },
    { "expire_at", take_expire_at },
    { "jti", take_jti },
    { "iss", take_iss },
    { "aud", take_aud },
    { "info", take_info },
    { "b64info", take_b64info },
    { "meta", take_meta },
    { "channels", channels },
    { "subs", subs },
    { "caps", caps },
    { "channel", take_channel },
    { "client", take_client },
    { "allow", take_allow },
    { "override", take_override },
};

enum { KNOWN = sizeof(known) / sizeof(*known) };

static int read_all(struct reader *r, struct json_slice root)
{
    struct json_slice name, value;
    unsigned seen = 0;
    int rc = 0;
    for (struct json_each e = json_each(root); rc == 0 && json_next(&e, &name, &value);) {
        for (unsigned i = 0; i < KNOWN && rc == 0; i++) {
            if (!json_is(name, known[i].name))
                continue;
            /* Two readers of such a token could each see another one. */
            rc = seen >> i & 1 ? wrong(r, "a claim is there twice") : known[i].take(r, value);
            seen |= 1u << i;
        }
    }
    return rc;
}

int claims_read(struct hub_claims *out, struct claims_times *times, const struct hub_token_rules *rules, char *payload,
                size_t len)
{
    struct reader r = { .out = out, .times = times, .rules = rules };
    struct json_slice root;
    *out = (struct hub_claims){ .memory[PAYLOAD] = payload };
    *times = (struct claims_times){ 0 };
    out->payload = (struct hub_text){ payload, len };
    if (!json_check(payload, len, HUB_TOKEN_DEPTH_MOST, &root) || json_kind_of(root) != '{')
        return wrong(&r, "the payload is no JSON object, or is nested too deep");
    /* Where it may stand it is a space; what goes out to clients has their messages ended by it. */
    for (size_t i = 0; i < len; i++)
        if (payload[i] == '\n' || payload[i] == '\r')
            payload[i] = ' ';
    r.strings = out->memory[STRINGS] = mem_alloc(2 * len);
    if (r.strings == NULL)
        return no_memory(&r);
    out->user = (struct hub_text){ "", 0 };
    return read_all(&r, root);
}

void hub_claims_fini(struct hub_claims *claims)
{
    for (size_t i = 0; i < sizeof(claims->memory) / sizeof(*claims->memory); i++)
        mem_free(claims->memory[i]);
    *claims = (struct hub_claims){ 0 };
}
