/* SPDX-License-Identifier: MIT */
#include "hub/token.h"
#include "base/mem.h"
#include "signed.h"
#include "test.h"
#include <openssl/pem.h>

#define HS  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define NOW UINT64_C(1700000000000)

static char token[200000], why[HUB_KEYS_WHY];
static struct hub_claims claims;

static struct hub_keys *secret_keys(void)
{
    struct hub_keys *keys = NULL;
    assert_int_equal(hub_keys_secret(&keys, SIGNED_SECRET, strlen(SIGNED_SECRET), why), 0);
    return keys;
}

static struct hub_token_rules rules(struct hub_keys *keys)
{
    return (struct hub_token_rules){ .keys = keys, .audience = "duet", .issuer = "us", .leeway_ms = 5000 };
}

static struct hub_text text(const char *s)
{
    return (struct hub_text){ s, strlen(s) };
}

static int as_connection(const struct hub_token_rules *r)
{
    size_t len = strlen(token);
    char *copy = malloc(len ? len : 1); /* exactly, so that a look beyond the end is seen */
    memcpy(copy, token, len);
    int rc = hub_token_connection(r, copy, len, NOW, &claims);
    free(copy);
    return rc;
}

static int as_subscription(const struct hub_token_rules *r)
{
    struct hub_subscriber who = { text("news"), text("42"), text("c-1") };
    return hub_token_subscription(r, token, strlen(token), NOW, &who, &claims);
}

#define GOOD "\"iss\":\"us\",\"aud\":\"duet\""
#define EXP  ",\"exp\":1700000001"

/* HUB-10 */
TEST(token, of_all_kinds_is_answered)
{
    static const struct {
        const char *head, *payload;
        int connection, subscription;
        const char *why; /* of the first that is not 0 */
    } table[] = {
        { HS, "{" GOOD EXP ",\"sub\":\"42\"}", 0, 3500, "for another channel" },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"news\"}", 3500, 0, "subscription token" },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"news\",\"client\":\"c-1\"}", 3500, 0, "subscription token" },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"news\",\"client\":\"c-2\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP ",\"sub\":\"43\",\"channel\":\"news\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP ",\"channel\":\"news\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"News\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"new*\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"channel\":\"\"}", 3500, 3500, NULL },
        { HS, "{" GOOD EXP "}", 0, 3500, NULL }, /* nobody in particular */
        /* Time. */
        { HS, "{" GOOD ",\"exp\":1700000000.001,\"sub\":\"42\"}", 0, 3500, NULL },
        { HS, "{" GOOD ",\"exp\":1700000000,\"sub\":\"42\"}", 109, 3500, "expired" },
        { HS, "{" GOOD ",\"exp\":1699999999,\"sub\":\"42\",\"channel\":\"news\"}", 3500, 109, NULL },
        { HS, "{" GOOD ",\"exp\":1,\"sub\":\"42\"}", 109, 3500, NULL },
        { HS, "{" GOOD ",\"exp\":0,\"sub\":\"42\"}", 109, 3500, NULL },
        { HS, "{" GOOD ",\"exp\":-5,\"sub\":\"42\"}", 109, 3500, NULL },
        { HS, "{" GOOD ",\"exp\":1.7000000e9,\"sub\":\"42\"}", 109, 3500, NULL },
        { HS, "{" GOOD ",\"sub\":\"42\"}", 3500, 103, "has no exp" },
        { HS, "{" GOOD ",\"exp\":null,\"sub\":\"42\"}", 3500, 103, "exp is no number" },
        { HS, "{" GOOD ",\"exp\":\"1700000001\",\"sub\":\"42\"}", 3500, 103, "exp is no number" },
        { HS, "{" GOOD ",\"exp\":1e999999,\"sub\":\"42\"}", 3500, 103, "exp is no number" },
        { HS, "{" GOOD ",\"exp\":253402300799,\"sub\":\"42\"}", 0, 3500, NULL },
        { HS, "{" GOOD ",\"exp\":253402300800,\"sub\":\"42\"}", 3500, 103, "exp is no number" },
        { HS, "{" GOOD EXP ",\"nbf\":1700000005}", 0, 3500, NULL },
        { HS, "{" GOOD EXP ",\"nbf\":1700000006}", 3500, 103, "nbf" },
        { HS, "{" GOOD EXP ",\"iat\":1700000005}", 0, 3500, NULL },
        { HS, "{" GOOD EXP ",\"iat\":1700000006}", 3500, 103, "iat" },
        { HS, "{" GOOD EXP ",\"nbf\":{}}", 3500, 103, "nbf" },
        /* For whom, and of whom. */
        { HS, "{\"iss\":\"us\",\"aud\":[\"x\",\"duet\"]" EXP "}", 0, 3500, NULL },
        { HS, "{\"iss\":\"us\",\"aud\":[\"x\"]" EXP "}", 3500, 103, "audience" },
        { HS, "{\"iss\":\"us\",\"aud\":[7]" EXP "}", 3500, 103, "aud" },
        { HS, "{\"iss\":\"us\",\"aud\":\"Duet\"" EXP "}", 3500, 103, "audience" },
        { HS, "{\"iss\":\"us\"" EXP "}", 3500, 103, "audience" },
        { HS, "{\"iss\":\"them\",\"aud\":\"duet\"" EXP "}", 3500, 103, "issuer" },
        { HS, "{\"aud\":\"duet\"" EXP "}", 3500, 103, "issuer" },
        { HS, "{" GOOD EXP ",\"sub\":42}", 3500, 103, "sub is no string" },
        { HS, "{" GOOD EXP ",\"sub\":\"4\\u0000\"}", 3500, 103, "sub is no string" },
        { HS, "{" GOOD EXP ",\"sub\":\"\\ud800\"}", 3500, 103, "sub is no string" },
        /* The same twice, and the same in other letters. */
        { HS, "{" GOOD EXP EXP "}", 3500, 103, "twice" },
        { HS, "{" GOOD EXP ",\"sub\":\"42\",\"s\\u0075b\":\"1\"}", 3500, 103, "twice" },
        { HS, "{" GOOD EXP ",\"SUB\":\"1\",\"sub\":\"42\"}", 0, 3500, NULL },
        { "{\"alg\":\"HS256\",\"alg\":\"none\"}", "{" GOOD EXP "}", 3500, 103, "field twice" },
        { "{\"alg\":\"none\",\"alg\":\"HS256\"}", "{" GOOD EXP "}", 3500, 103, "field twice" },
        { "{\"\\u0061lg\":\"HS256\"}", "{" GOOD EXP "}", 0, 3500, NULL },
        /* Algorithms. */
        { "{\"alg\":\"none\"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":\"NONE\"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":\"\"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":null}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":[\"HS256\"]}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":\"hs256\"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":\"HS256 \"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"typ\":\"JWT\"}", "{" GOOD EXP "}", 3500, 103, "no algorithm" },
        { "{\"alg\":\"RS256\"}", "{" GOOD EXP "}", 3500, 103, "no key" },
        { "{\"alg\":\"ES256\"}", "{" GOOD EXP "}", 3500, 103, "no key" },
        { "{\"alg\":\"HS384\"}", "{" GOOD EXP "}", 3500, 103, "no key" }, /* our secret is too short for it */
        { "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{" GOOD EXP "}", 3500, 103, "crit" },
        { "{\"alg\":\"HS256\",\"b64\":false}", "{" GOOD EXP "}", 3500, 103, "crit" },
        { "{\"alg\":\"HS256\",\"zip\":\"DEF\"}", "{" GOOD EXP "}", 3500, 103, "crit" },
        /* Keys that a head offers or points to; none is opened or fetched. */
        { "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", "{" GOOD EXP "}", 0, 3500, NULL },
        { "{\"alg\":\"HS256\",\"kid\":\"http://127.0.0.1:1/\"}", "{" GOOD EXP "}", 0, 3500, NULL },
        { "{\"alg\":\"HS256\",\"kid\":{\"a\":1}}", "{" GOOD EXP "}", 3500, 103, "kid" },
        { "{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"file:///etc/passwd\"}", "{" GOOD EXP "}", 0,
          3500, NULL },
        { "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", "{" GOOD EXP "}", 0, 3500, NULL },
        /* What is no head and no payload. */
        { "[]", "{" GOOD EXP "}", 3500, 103, "no JSON object" },
        { "\"HS256\"", "{" GOOD EXP "}", 3500, 103, "no JSON object" },
        { "{\"alg\":\"HS256\",\"a\":[[[1]]]}", "{" GOOD EXP "}", 0, 3500, NULL },
        { "{\"alg\":\"HS256\",\"a\":[[[[1]]]]}", "{" GOOD EXP "}", 3500, 103, "no JSON object" },
        { HS, "[]", 3500, 103, "no JSON object" },
        { HS, "{\"exp\":1", 3500, 103, "no JSON object" },
        { HS, "{} {}", 3500, 103, "no JSON object" },
        { HS, "{\"a\":\"\xff\"}", 3500, 103, "no JSON object" },
    };
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = rules(keys);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        signed_with(token, SIGNED_SECRET, table[i].head, table[i].payload);
        int rc = as_connection(&r);
        if (rc != table[i].connection || (rc != 0 && table[i].why != NULL && strstr(claims.why, table[i].why) == NULL))
            fail_msg("%s %s: %d %s", table[i].head, table[i].payload, rc, claims.why);
        hub_claims_fini(&claims);
        rc = as_subscription(&r);
        if (rc != table[i].subscription)
            fail_msg("%s %s to subscribe: %d %s", table[i].head, table[i].payload, rc, claims.why);
        hub_claims_fini(&claims);
    }
    hub_keys_free(keys);
}

/* HUB-10: forms that are none, and a signature that is not ours. */
TEST(token, that_is_not_signed_by_us_is_refused)
{
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = rules(keys);
    char good[1000];
    signed_with(good, SIGNED_SECRET, HS, "{" GOOD EXP "}");
    size_t len = strlen(good);
    for (size_t i = 0; i < len; i++) {
        strcpy(token, good);
        token[i] = token[i] == 'A' ? 'B' : 'A';
        int rc = as_connection(&r);
        /* The last character of a part may have bits that say nothing. */
        if (rc == 0 && i + 1 < len && good[i + 1] != '.')
            fail_msg("a change at %zu was not seen", i);
        hub_claims_fini(&claims);
    }
    for (size_t cut = 0; cut < len; cut++) {
        strcpy(token, good);
        token[cut] = 0;
        assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
        assert_int_equal(as_subscription(&r), HUB_ERROR_PERMISSION);
        hub_claims_fini(&claims);
    }
    static const char *const forms[] = { "",         ".",           "..",
                                         "...",      "a.b.c",       "AAAA.AAAA.AAAA.AAAA",
                                         "A.A.A",    "e30.e30.",    ".e30.e30",
                                         "e30..e30", "e30.e30.e3=", "e30=.e30.e30" };
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        strcpy(token, forms[i]);
        assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    }
    signed_with(token, "another secret, as long as it is", HS, "{" GOOD EXP "}");
    assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    assert_string_equal(claims.why, "the signature is not of our key");
    r.keys = NULL;
    strcpy(token, good);
    assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    hub_keys_free(keys);
}

/* A payload of exactly so many bytes, for a token of `size`; 0: there is none of that size. */
static bool of_size(size_t size)
{
    static char payload[HUB_TOKEN_MOST];
    size_t head = (strlen(HS) * 4 + 2) / 3, mac = 43, part = size - head - mac - 2;
    size_t len = part / 4 * 3 + (part % 4 ? part % 4 - 1 : 0);
    if (part % 4 == 1)
        return false;
    memset(payload, ' ', len);
    memcpy(payload, "{" GOOD EXP "}", strlen("{" GOOD EXP "}"));
    payload[len] = 0;
    signed_with(token, SIGNED_SECRET, HS, payload);
    assert_int_equal(strlen(token), size);
    return true;
}

/* HUB-10: the limits, one less and one more. */
TEST(token, has_limits)
{
    static char head[1200], payload[9000];
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = rules(keys);
    unsigned tried = 0;
    for (size_t size = HUB_TOKEN_MOST - 2; size <= HUB_TOKEN_MOST + 2; size++) {
        if (!of_size(size))
            continue;
        assert_int_equal(as_connection(&r), size <= HUB_TOKEN_MOST ? HUB_OK : HUB_DISCONNECT_TOKEN);
        tried |= size <= HUB_TOKEN_MOST ? 1u : 2u;
        hub_claims_fini(&claims);
    }
    assert_int_equal(tried, 3);
    /* The head, in bytes: what base64 can be of 1024 is 1365 and a third. */
    for (size_t len = 1022; len <= 1026; len++) {
        snprintf(head, sizeof(head), "{\"alg\":\"HS256\"%*s}", (int)(len - strlen("{\"alg\":\"HS256\"}")), "");
        assert_int_equal(strlen(head), len);
        signed_with(token, SIGNED_SECRET, head, "{" GOOD EXP "}");
        int rc = as_connection(&r);
        if (rc != (len <= 1023 ? HUB_OK : HUB_DISCONNECT_TOKEN))
            fail_msg("a head of %zu: %d %s", len, rc, claims.why);
        hub_claims_fini(&claims);
    }
    /* Depth, and a name. */
    for (int depth = 31; depth <= 33; depth++) {
        char *at = payload + sprintf(payload, "{" GOOD EXP ",\"info\":");
        memset(at, '[', (size_t)depth - 1);
        memset(at + depth - 1, ']', (size_t)depth - 1);
        strcpy(at + 2 * depth - 2, "}");
        signed_with(token, SIGNED_SECRET, HS, payload);
        assert_int_equal(as_connection(&r), depth <= 32 ? HUB_OK : HUB_DISCONNECT_TOKEN);
        hub_claims_fini(&claims);
    }
    for (int len = 254; len <= 256; len++) {
        char user[300];
        memset(user, 'u', sizeof(user));
        sprintf(payload, "{" GOOD EXP ",\"sub\":\"%.*s\"}", len, user);
        signed_with(token, SIGNED_SECRET, HS, payload);
        assert_int_equal(as_connection(&r), len <= 255 ? HUB_OK : HUB_DISCONNECT_TOKEN);
        hub_claims_fini(&claims);
    }
    /* 10,000 deep. */
    char *at = payload + sprintf(payload, "{\"a\":");
    memset(at, '[', 8000);
    at[8000] = 0;
    signed_with(token, SIGNED_SECRET, HS, payload);
    assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    hub_claims_fini(&claims);
    hub_keys_free(keys);
}

static int connect_with(const char *payload)
{
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = { .keys = keys, .eternal = true };
    signed_with(token, SIGNED_SECRET, HS, payload);
    int rc = as_connection(&r);
    hub_keys_free(keys);
    return rc;
}

static void is_text(struct hub_text t, const char *s)
{
    assert_int_equal(t.len, strlen(s));
    assert_memory_equal(t.at, s, t.len);
}

TEST(token, says_who_it_is)
{
    assert_int_equal(connect_with("{\"sub\":\"a\\u00e9\",\"jti\":\"7\",\"info\": {\"big\" :12345678901234567890.10,\n"
                                  "\"x\":\"\\n\"},\"meta\":[ 1],\"exp\":1700000001.5,\"other\":{\"sub\":1}}"),
                     0);
    is_text(claims.user, "a\xc3\xa9");
    assert_int_equal(claims.user.at[claims.user.len], 0);
    is_text(claims.id, "7");
    is_text(claims.info, "{\"big\" :12345678901234567890.10, \"x\":\"\\n\"}");
    is_text(claims.meta, "[ 1]");
    assert_int_equal(claims.expires_ms, 1700000001500);
    hub_claims_fini(&claims);

    assert_int_equal(connect_with("{\"info\":null,\"b64info\":\"eyJhIjoKMX0=\"}"), 0);
    is_text(claims.user, "");
    is_text(claims.info, "{\"a\": 1}");
    assert_int_equal(claims.expires_ms, 0);
    hub_claims_fini(&claims);
    /* It needs room beside what it was written as. */
    assert_int_equal(
        connect_with("{\"b64info\":\"IkFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUEi\"}"), 0);
    assert_int_equal(claims.info.len, 54);
    hub_claims_fini(&claims);
    assert_int_equal(connect_with("{\"b64info\":\"e30\"}"), HUB_DISCONNECT_TOKEN); /* no padding */
    hub_claims_fini(&claims);
    assert_int_equal(connect_with("{\"b64info\":\"e3t7\"}"), HUB_DISCONNECT_TOKEN); /* no JSON */
    hub_claims_fini(&claims);
    assert_int_equal(connect_with("{\"b64info\":1}"), HUB_DISCONNECT_TOKEN);
    hub_claims_fini(&claims);

    assert_int_equal(connect_with("{\"exp\":1700000001,\"expire_at\":0}"), 0);
    assert_int_equal(claims.expires_ms, 0);
    hub_claims_fini(&claims);
    assert_int_equal(connect_with("{\"exp\":1700000001,\"expire_at\":1700000100}"), 0);
    assert_int_equal(claims.expires_ms, 1700000100000);
    hub_claims_fini(&claims);
}

TEST(token, subscribes_to_channels)
{
    assert_int_equal(
        connect_with("{\"channels\":[\"a\",\"b\"],\"subs\":{\"c\":{\"info\":{\"n\":1},\"data\":2,\"override\":"
                     "{\"presence\":{\"value\":true},\"force_recovery\":{\"value\":false}}},\"d\":{"
                     "\"b64info\":\"e30=\",\"data\":null}}}"),
        0);
    assert_int_equal(claims.subs_count, 4);
    is_text(claims.subs[0].channel, "a");
    is_text(claims.subs[1].channel, "b");
    is_text(claims.subs[2].channel, "c");
    is_text(claims.subs[2].info, "{\"n\":1}");
    is_text(claims.subs[2].data, "2");
    assert_int_equal(claims.subs[2].override.presence, HUB_YES);
    assert_int_equal(claims.subs[2].override.force_recovery, HUB_NO);
    assert_int_equal(claims.subs[2].override.join_leave, HUB_UNSAID);
    is_text(claims.subs[3].info, "{}");
    is_text(claims.subs[3].data, "");
    hub_claims_fini(&claims);
}

TEST(token, with_what_is_not_understood_is_refused)
{
    static const char *const wrong[] = {
        "{\"channels\":{}}",
        "{\"channels\":[1]}",
        "{\"channels\":[\"a\\n\"]}",
        "{\"subs\":[]}",
        "{\"subs\":{\"a\":1}}",
        "{\"subs\":{\"a\":{\"override\":1}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":true}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{}}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":1}}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":true,\"x\":1}}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"x\":true}}}}}",
        "{\"subs\":{\"a\":{\"b64info\":\"x\"}}}",
        "{\"caps\":{}}",
        "{\"caps\":[1]}",
        "{\"caps\":[{\"channels\":\"a\"}]}",
        "{\"caps\":[{\"channels\":[1]}]}",
        "{\"caps\":[{\"channels\":[\"a\"],\"channels\":[\"b\"]}]}",
        "{\"caps\":[{\"channels\":[\"a\"],\"match\":\"regex\"}]}",
        "{\"caps\":[{\"channels\":[\"a\"],\"match\":1}]}",
        "{\"caps\":[{\"channels\":[\"a\"],\"allow\":\"sub\"}]}",
        "{\"caps\":[{\"channels\":[\"a\"],\"allow\":[1]}]}",
        "{\"expire_at\":\"0\"}",
        "{\"jti\":1}",
        "{\"iss\":1}",
        "{\"aud\":1}",
        "{\"client\":1}",
        "{\"channel\":1}",
        "{\"override\":[]}",
        "{\"allow\":{}}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (connect_with(wrong[i]) != HUB_DISCONNECT_TOKEN || claims.why == NULL)
            fail_msg("%s", wrong[i]);
        hub_claims_fini(&claims);
    }
}

static unsigned allowed(const char *channel)
{
    return hub_caps_allow(claims.caps, claims.caps_count, channel, strlen(channel));
}

/* HUB-13: the first that matches decides, and a name is a pattern only where that is said. */
TEST(token, allows_by_the_first_capability_that_matches)
{
    assert_int_equal(
        connect_with("{\"caps\":[{\"channels\":[\"news\",\"a*\"],\"allow\":[\"pub\"]},"
                     "{\"channels\":[\"news\"],\"match\":\"exact\",\"allow\":[\"sub\"]},"
                     "{\"channels\":[\"chat:*\",\"x*y\"],\"match\":\"wildcard\",\"allow\":[\"sub\",\"hst\","
                     "\"prs\",\"fly\"]},{\"channels\":[],\"allow\":[\"sub\"]},{\"allow\":[\"sub\"]},"
                     "{\"channels\":[\"mute\"]},{\"channels\":[\"any\"],\"match\":\"\",\"allow\":[\"pub\"]}]}"),
        0);
    assert_int_equal(claims.caps_count, 7);
    assert_int_equal(allowed("news"), HUB_CAN_PUB);
    assert_int_equal(allowed("a*"), HUB_CAN_PUB);
    assert_int_equal(allowed("ab"), 0);
    assert_int_equal(allowed("chat:1"), HUB_CAN_SUB | HUB_CAN_HST | HUB_CAN_PRS);
    assert_int_equal(allowed("$chat:1"), 0);
    assert_int_equal(allowed("Chat:1"), 0);
    assert_int_equal(allowed("x:y"), HUB_CAN_SUB | HUB_CAN_HST | HUB_CAN_PRS);
    assert_int_equal(allowed("mute"), 0);
    assert_int_equal(allowed("any"), HUB_CAN_PUB);
    assert_int_equal(allowed(""), 0);
    hub_claims_fini(&claims);
    assert_int_equal(connect_with("{\"caps\":[]}"), 0);
    assert_int_equal(allowed("news"), 0);
    hub_claims_fini(&claims);
}

TEST(token, to_subscribe_has_more_to_say)
{
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = { .keys = keys, .eternal = true };
    signed_with(token, SIGNED_SECRET, HS,
                "{\"sub\":\"42\",\"channel\":\"news\",\"allow\":[\"pub\",\"hst\"],\"info\":{},"
                "\"override\":{\"force_push_join_leave\":{\"value\":true}}}");
    assert_int_equal(as_subscription(&r), HUB_OK);
    assert_int_equal(claims.allow, HUB_CAN_PUB | HUB_CAN_HST);
    assert_int_equal(claims.override.force_push_join_leave, HUB_YES);
    is_text(claims.info, "{}");
    hub_claims_fini(&claims);
    hub_keys_free(keys);
}

TEST(token, lives_without_memory)
{
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = { .keys = keys, .eternal = true };
    signed_with(token, SIGNED_SECRET, HS, "{\"sub\":\"1\",\"channels\":[\"a\"],\"subs\":{\"b\":{}},\"caps\":[{}]}");
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = hub_token_connection(&r, token, strlen(token), NOW, &claims);
        bool enough = mem_fail_end() <= n;
        hub_claims_fini(&claims);
        assert_int_equal(rc, enough ? HUB_OK : HUB_ERROR_INTERNAL);
        if (enough) {
            assert_true(n >= 4);
            break;
        }
    }
    hub_keys_free(keys);
}

/* Keys. */

static void pem_of(EVP_PKEY *key, bool is_private, char out[8000])
{
    BIO *b = BIO_new(BIO_s_mem());
    if (is_private)
        PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_PUBKEY(b, key);
    out[BIO_read(b, out, 7999)] = 0;
    BIO_free(b);
}

static int made(struct hub_keys **keys, const char *pem)
{
    return hub_keys_pem(keys, pem, strlen(pem), why);
}

/* What the private key signs the public one verifies, by each algorithm that is the key's, and no other's. */
static void signs_and_verifies(EVP_PKEY *key, unsigned algorithms)
{
    static const char payload[] = "{\"sub\":\"42\",\"exp\":1700000001}";
    char secret[8000], open[8000];
    struct hub_keys *ours, *theirs;
    pem_of(key, true, secret);
    pem_of(key, false, open);
    assert_int_equal(made(&ours, secret), 0);
    assert_int_equal(made(&theirs, open), 0);
    assert_int_equal(hub_keys_algorithms(theirs), algorithms);
    struct hub_token_rules r = { .keys = theirs };
    for (unsigned bit = 1; bit < 1u << 12; bit <<= 1) {
        char *made_token = hub_keys_sign(ours, bit, payload, strlen(payload));
        assert_int_equal(made_token != NULL, (algorithms & bit) != 0);
        if (made_token == NULL)
            continue;
        strcpy(token, made_token);
        mem_free(made_token);
        assert_int_equal(as_connection(&r), HUB_OK);
        hub_claims_fini(&claims);
        token[strlen(token) - 10] ^= 1;
        assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
        hub_claims_fini(&claims);
    }
    assert_null(hub_keys_sign(theirs, 0, payload, strlen(payload))); /* a public key signs nothing */
    /* HUB-10: the public key, which everybody has, as a secret. */
    signed_with(token, open, HS, "{\"sub\":\"42\",\"exp\":1700000001}");
    assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    hub_keys_free(ours);
    hub_keys_free(theirs);
    EVP_PKEY_free(key);
}

static unsigned bits(const char *names)
{
    unsigned all = 0;
    for (; *names != 0; names += strcspn(names, " "), names += *names == ' ')
        all |= hub_algorithm(names, strcspn(names, " "));
    return all;
}

TEST(keys, sign_and_verify)
{
    signs_and_verifies(EVP_RSA_gen(2048), bits("RS256 RS384 RS512 PS256 PS384 PS512"));
    signs_and_verifies(EVP_EC_gen("P-256"), bits("ES256"));
    signs_and_verifies(EVP_EC_gen("P-384"), bits("ES384"));
    signs_and_verifies(EVP_EC_gen("P-521"), bits("ES512"));
}

TEST(keys, that_are_none_are_told)
{
    struct hub_keys *keys;
    char pem[8000];
    EVP_PKEY *weak = EVP_RSA_gen(1024), *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    pem_of(weak, false, pem);
    assert_true(made(&keys, pem) < 0);
    assert_string_equal(why, "a key of RSA has at least 2048 bits");
    pem_of(other, false, pem);
    assert_true(made(&keys, pem) < 0);
    assert_non_null(strstr(why, "a key is of RSA, or of one of the curves"));
    assert_true(made(&keys, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n") < 0);
    assert_true(made(&keys, "") < 0);
    assert_non_null(strstr(why, "no key in PEM"));
    EVP_PKEY_free(weak);
    EVP_PKEY_free(other);
}

/* RFC 7518 3.2: a secret is as long as the digest, at least. */
TEST(keys, of_secrets_are_long_enough)
{
    static const struct {
        size_t len;
        const char *algorithms;
    } table[] = { { 31, "" },
                  { 32, "HS256" },
                  { 33, "HS256" },
                  { 47, "HS256" },
                  { 48, "HS256 HS384" },
                  { 63, "HS256 HS384" },
                  { 64, "HS256 HS384 HS512" } };
    char secret[64];
    memset(secret, 's', sizeof(secret));
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct hub_keys *keys = NULL;
        int rc = hub_keys_secret(&keys, secret, table[i].len, why);
        assert_int_equal(rc == 0, table[i].len >= 32);
        if (rc != 0)
            continue;
        assert_int_equal(hub_keys_algorithms(keys), bits(table[i].algorithms));
        for (unsigned bit = 1; bit <= 4; bit <<= 1) {
            char *t = hub_keys_sign(keys, bit, "{\"exp\":1700000001}", 18);
            assert_int_equal(t != NULL, (hub_keys_algorithms(keys) & bit) != 0);
            struct hub_token_rules r = { .keys = keys };
            snprintf(token, sizeof(token), "%s", t ? t : "");
            assert_int_equal(as_connection(&r), t ? HUB_OK : HUB_DISCONNECT_TOKEN);
            hub_claims_fini(&claims);
            mem_free(t);
        }
        hub_keys_free(keys);
    }
}

TEST(keys, may_be_for_fewer_algorithms)
{
    struct hub_keys *keys = secret_keys();
    struct hub_token_rules r = { .keys = keys };
    signed_with(token, SIGNED_SECRET, HS, "{\"exp\":1700000001}");
    assert_true(hub_keys_only(keys, bits("HS256 RS256")));
    assert_int_equal(as_connection(&r), HUB_OK);
    hub_claims_fini(&claims);
    assert_false(hub_keys_only(keys, bits("RS256")));
    assert_int_equal(as_connection(&r), HUB_DISCONNECT_TOKEN);
    hub_claims_fini(&claims);
    hub_keys_free(keys);
}

/* RFC 7515 A.3, and its key as a set has it. */
#define EC_KEY                                                                                                         \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"                   \
    "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"%s}"
#define EC_TOKEN                                                                                                       \
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn"  \
    "VlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

static int with_set(const char *format, const char *more)
{
    char key[1000], set[3000];
    struct hub_keys *keys = NULL;
    snprintf(key, sizeof(key), EC_KEY, more);
    snprintf(set, sizeof(set), format, key);
    int rc = hub_keys_jwks(&keys, set, strlen(set), why);
    if (rc < 0)
        return rc;
    struct hub_token_rules r = { .keys = keys };
    rc = hub_token_connection(&r, EC_TOKEN, strlen(EC_TOKEN), UINT64_C(1300819379999), &claims);
    hub_claims_fini(&claims);
    hub_keys_free(keys);
    return rc;
}

TEST(keys, come_in_sets)
{
    static const char set[] = "{\"keys\":[%s]}";
    assert_int_equal(with_set(set, ""), HUB_OK);
    assert_int_equal(with_set(set, ",\"use\":\"sig\",\"alg\":\"ES256\",\"kid\":\"k1\",\"key_ops\":[\"verify\"]"),
                     HUB_OK);
    assert_int_equal(with_set("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},%s]}", ""), HUB_OK);
    assert_true(with_set(set, ",\"use\":\"enc\"") < 0);
    assert_true(with_set(set, ",\"alg\":\"RS256\"") < 0);
    assert_true(with_set(set, ",\"key_ops\":[\"sign\"]") < 0);
    assert_true(with_set("{\"keys\":[%s,{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "") < 0);
    assert_non_null(strstr(why, "a secret (kty oct)"));
    assert_true(with_set("{\"keys\":[]}%s", "") < 0);
    assert_true(with_set("%.0s{\"keys\":[]}", "") < 0);
    assert_non_null(strstr(why, "it has no key"));
    assert_true(with_set("%.0s{\"keys\":{}}", "") < 0);
    assert_true(with_set("%.0s[]", "") < 0);
    assert_true(with_set("{\"keys\":[%s],\"keys\":[]}", "") < 0);
    assert_non_null(strstr(why, "no JWKS"));
}

TEST(keys, are_picked_by_their_name)
{
    struct hub_keys *keys;
    char key[1000], set[3000];
    snprintf(key, sizeof(key), EC_KEY, ",\"kid\":\"k1\"");
    snprintf(set, sizeof(set), "{\"keys\":[%s]}", key);
    assert_int_equal(hub_keys_jwks(&keys, set, strlen(set), why), 0);
    struct hub_signed s = { .algorithm = bits("ES256"), .kid = "k2", .kid_len = 2 };
    s.head = EC_TOKEN;
    s.head_len = strcspn(s.head, ".");
    s.payload = s.head + s.head_len + 1;
    s.payload_len = strcspn(s.payload, ".");
    s.signature = s.payload + s.payload_len + 1;
    s.signature_len = strlen(s.signature);
    assert_false(hub_keys_verify(keys, &s));
    s.kid = "k1";
    assert_true(hub_keys_verify(keys, &s));
    s.kid = NULL;
    assert_true(hub_keys_verify(keys, &s));
    hub_keys_free(keys);
}

static void number_of(EVP_PKEY *key, const char *name, char out[1000])
{
    BIGNUM *n = NULL;
    unsigned char bytes[500];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
    signed_part(out, bytes, (size_t)BN_bn2bin(n, bytes));
    BN_free(n);
}

/* HUB-10: in a set that has one key for RS256 and another for RS512, none does the other's work. */
TEST(keys, of_a_set_keep_to_their_algorithms)
{
    static const char *const names[] = { "RS256", "RS512" };
    char set[5000] = "{\"keys\":[", pem[2][8000], n[1000], e[1000];
    struct hub_keys *keys, *ours;
    for (int i = 0; i < 2; i++) {
        EVP_PKEY *key = EVP_RSA_gen(2048);
        pem_of(key, true, pem[i]);
        number_of(key, "n", n);
        number_of(key, "e", e);
        EVP_PKEY_free(key);
        sprintf(set + strlen(set), "{\"kty\":\"RSA\",\"alg\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"}%s", names[i], n, e,
                i ? "]}" : ",");
    }
    assert_int_equal(hub_keys_jwks(&keys, set, strlen(set), why), 0);
    struct hub_token_rules r = { .keys = keys };
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            assert_int_equal(made(&ours, pem[i]), 0);
            char *t = hub_keys_sign(ours, bits(names[j]), "{\"exp\":1700000001}", 18);
            strcpy(token, t);
            mem_free(t);
            hub_keys_free(ours);
            assert_int_equal(as_connection(&r), i == j ? HUB_OK : HUB_DISCONNECT_TOKEN);
            hub_claims_fini(&claims);
        }
    hub_keys_free(keys);
}

/* A set of so many keys is taken, and of one more is not. */
TEST(keys, are_so_many_at_most)
{
    for (int n = HUB_KEYS_MOST - 1; n <= HUB_KEYS_MOST + 1; n++) {
        struct hub_keys *keys = NULL;
        struct {
            char text[20000];
            size_t len;
        } set = { .text = "{\"keys\":[", .len = 9 };
        for (int i = 0; i < n; i++)
            set.len += (size_t)sprintf(set.text + set.len, EC_KEY "%s", "", i + 1 < n ? "," : "]}");
        int rc = hub_keys_jwks(&keys, set.text, set.len, why);
        assert_int_equal(rc == 0, n <= HUB_KEYS_MOST);
        hub_keys_free(keys);
    }
}

TEST(keys, live_without_memory)
{
    char set[3000], key[1000], pem[8000];
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    pem_of(pair, false, pem);
    EVP_PKEY_free(pair);
    snprintf(key, sizeof(key), EC_KEY, ",\"kid\":\"k1\"");
    snprintf(set, sizeof(set), "{\"keys\":[%s]}", key);
    for (int kind = 0; kind < 3; kind++) {
        for (unsigned long n = 0;; n++) {
            struct hub_keys *keys = NULL;
            mem_fail(n, false);
            int rc = kind == 0   ? hub_keys_secret(&keys, SIGNED_SECRET, 32, why)
                     : kind == 1 ? made(&keys, pem)
                                 : hub_keys_jwks(&keys, set, strlen(set), why);
            bool enough = mem_fail_end() <= n;
            hub_keys_free(keys);
            assert_int_equal(rc == 0, enough);
            if (enough)
                break;
            assert_string_equal(why, "out of memory");
        }
    }
}
