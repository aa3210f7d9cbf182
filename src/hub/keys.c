/* SPDX-License-Identifier: MIT */
#include "hub/keys.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include <duet/error.h>
#include <jose/b64.h>
#include <jose/jws.h>
#include <jose/openssl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct key {
    json_t *jwk; /* of what it takes to verify, and to sign, and nothing else */
    char *kid;   /* NULL: none */
    unsigned algorithms;
};

struct hub_keys {
    size_t count;
    struct key keys[HUB_KEYS_MOST];
};

static const struct algorithm {
    const char *name;
    unsigned bit;
    size_t secret_least;
} algorithms[] = {
#define ALGORITHM(name, bit, least) { #name, 1u << (bit), least },
    HUB_ALGORITHMS(ALGORITHM)
#undef ALGORITHM
};

enum { ALGORITHMS = sizeof(algorithms) / sizeof(*algorithms), JWKS_DEPTH = 8 };

unsigned hub_algorithm(const char *name, size_t len)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (strlen(algorithms[i].name) == len && memcmp(algorithms[i].name, name, len) == 0)
            return algorithms[i].bit;
    return 0;
}

static unsigned family(const char *prefix)
{
    unsigned bits = 0;
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (strncmp(algorithms[i].name, prefix, strlen(prefix)) == 0)
            bits |= algorithms[i].bit;
    return bits;
}

__attribute__((format(printf, 2, 3))) static int wrong(char why[HUB_KEYS_WHY], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, HUB_KEYS_WHY, format, args);
    va_end(args);
    return DUET_ERR_INVALID;
}

static int no_memory(char why[HUB_KEYS_WHY])
{
    wrong(why, "out of memory");
    return DUET_ERR_NOMEM;
}

/* Takes over `jwk`. */
static int add(struct hub_keys *keys, json_t *jwk, const char *kid, unsigned bits, char why[HUB_KEYS_WHY])
{
    struct key *k = &keys->keys[keys->count];
    *k = (struct key){ .jwk = jwk, .kid = kid ? mem_strdup(kid) : NULL, .algorithms = bits };
    keys->count++; /* and so it is freed with the others */
    return jwk == NULL || (kid != NULL && k->kid == NULL) ? no_memory(why) : 0;
}

static int finish(struct hub_keys **out, struct hub_keys *keys, int rc)
{
    if (rc < 0)
        hub_keys_free(keys);
    else
        *out = keys;
    return rc;
}

int hub_keys_secret(struct hub_keys **out, const void *secret, size_t len, char why[HUB_KEYS_WHY])
{
    unsigned bits = 0;
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (algorithms[i].secret_least > 0 && len >= algorithms[i].secret_least)
            bits |= algorithms[i].bit;
    if (bits == 0)
        return wrong(why, "a secret has at least %d bytes, and this one has %zu: openssl rand -hex 32 makes one",
                     HUB_SECRET_LEAST, len);
    struct hub_keys *keys = mem_zalloc(sizeof(*keys));
    if (keys == NULL)
        return no_memory(why);
    json_t *k = jose_b64_enc(secret, len);
    json_t *jwk = json_pack("{s:s,s:O}", "kty", "oct", "k", k);
    json_decref(k);
    return finish(out, keys, add(keys, jwk, NULL, bits, why));
}

/* A copy of the jwk's members that are named, ended by NULL. */
static json_t *only(const json_t *jwk, const char *const *names)
{
    json_t *copy = json_object();
    for (; copy != NULL && *names != NULL; names++) {
        json_t *value = json_object_get(jwk, *names);
        if (value != NULL && json_object_set(copy, *names, value) < 0) {
            json_decref(copy);
            copy = NULL;
        }
    }
    return copy;
}

static const char *string_of(const json_t *jwk, const char *name)
{
    const char *s = json_string_value(json_object_get(jwk, name));
    return s ? s : "";
}

/* The algorithms of a key that is not a secret. 0: it is none that is taken, or is too short, which `why` says. */
static unsigned algorithms_of(const json_t *jwk, char why[HUB_KEYS_WHY])
{
    static const char *const curves[][2] = { { "P-256", "ES256" }, { "P-384", "ES384" }, { "P-521", "ES512" } };
    if (strcmp(string_of(jwk, "kty"), "RSA") == 0) {
        size_t bits = jose_b64_dec(json_object_get(jwk, "n"), NULL, 0) * 8;
        if (bits >= HUB_RSA_LEAST && bits < SIZE_MAX - 8)
            return family("RS") | family("PS");
        wrong(why, "a key of RSA has at least %d bits", HUB_RSA_LEAST);
        return 0;
    }
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
        if (strcmp(string_of(jwk, "kty"), "EC") == 0 && strcmp(string_of(jwk, "crv"), curves[i][0]) == 0)
            return family(curves[i][1]);
    wrong(why, "a key is of RSA, or of one of the curves P-256, P-384 and P-521");
    return 0;
}

/* Whichever of the three it is. */
static EVP_PKEY *read_pem(const char *pem, size_t len)
{
    BIO *in = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    if (key == NULL && in != NULL && BIO_reset(in) == 1)
        key = PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"");
    X509 *cert = key == NULL && in != NULL && BIO_reset(in) == 1 ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    if (cert != NULL)
        key = X509_get_pubkey(cert);
    X509_free(cert);
    BIO_free(in);
    return key;
}

int hub_keys_pem(struct hub_keys **out, const char *pem, size_t len, char why[HUB_KEYS_WHY])
{
    static const char *const all[] = { "kty", "n", "e", "d", "p", "q", "dp", "dq", "qi", "crv", "x", "y", NULL };
    EVP_PKEY *key = len < 1024 * 1024 ? read_pem(pem, len) : NULL;
    if (key == NULL)
        return wrong(why, "this is no key in PEM: it begins with -----BEGIN PUBLIC KEY-----");
    json_t *whole = jose_openssl_jwk_from_EVP_PKEY(NULL, key);
    EVP_PKEY_free(key);
    unsigned bits = whole ? algorithms_of(whole, why) : 0;
    if (whole == NULL)
        wrong(why, "a key is of RSA, or of one of the curves P-256, P-384 and P-521");
    struct hub_keys *keys = bits ? mem_zalloc(sizeof(*keys)) : NULL;
    int rc = bits == 0      ? DUET_ERR_INVALID
             : keys == NULL ? no_memory(why)
                            : add(keys, only(whole, all), NULL, bits, why);
    json_decref(whole);
    return finish(out, keys, rc);
}

static bool is_for_signatures(const json_t *jwk)
{
    const json_t *ops = json_object_get(jwk, "key_ops"), *op;
    const char *use = string_of(jwk, "use");
    size_t i;
    if (use[0] != 0 && strcmp(use, "sig") != 0)
        return false;
    json_array_foreach(ops, i, op)
    {
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
            return true;
    }
    return ops == NULL;
}

/* One of a set. What cannot be taken is left out, as RFC 7517 5 asks; a secret among public keys is an error. */
static int add_of_set(struct hub_keys *keys, const json_t *jwk, char why[HUB_KEYS_WHY])
{
    static const char *const public_ones[] = { "kty", "n", "e", "crv", "x", "y", NULL };
    const char *named = string_of(jwk, "alg"), *kid = string_of(jwk, "kid");
    if (strcmp(string_of(jwk, "kty"), "oct") == 0)
        return wrong(why,
                     "a JWKS has public keys, and this one has a secret (kty oct); that goes into a file of its own");
    unsigned bits = algorithms_of(jwk, why);
    if (named[0] != 0)
        bits &= hub_algorithm(named, strlen(named));
    if (bits == 0 || !is_for_signatures(jwk))
        return 0;
    if (keys->count == HUB_KEYS_MOST)
        return wrong(why, "a JWKS has at most %d keys for signatures", HUB_KEYS_MOST);
    return add(keys, only(jwk, public_ones), kid[0] ? kid : NULL, bits, why);
}

int hub_keys_jwks(struct hub_keys **out, const char *json, size_t len, char why[HUB_KEYS_WHY])
{
    struct json_slice whole;
    json_t *set =
        json_check(json, len, JWKS_DEPTH, &whole) ? json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *list = json_object_get(set, "keys"), *jwk;
    size_t i;
    int rc = json_is_array(list) ? 0 : wrong(why, "this is no JWKS: it is {\"keys\": [...]}");
    struct hub_keys *keys = rc == 0 ? mem_zalloc(sizeof(*keys)) : NULL;
    if (rc == 0 && keys == NULL)
        rc = no_memory(why);
    if (rc == 0)
        wrong(why, "it has no key");
    json_array_foreach(list, i, jwk)
    {
        rc = rc == 0 ? add_of_set(keys, jwk, why) : rc;
    }
    if (rc == 0 && keys->count == 0) {
        char last[100];
        snprintf(last, sizeof(last), "%s", why);
        rc = wrong(why, "this JWKS has no key for signatures that is taken: %s", last);
    }
    json_decref(set);
    return finish(out, keys, rc);
}

void hub_keys_free(struct hub_keys *keys)
{
    static const char *const secrets[] = { "k", "d", "p", "q", "dp", "dq", "qi" };
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        for (size_t j = 0; j < sizeof(secrets) / sizeof(*secrets); j++) {
            json_t *secret = json_object_get(keys->keys[i].jwk, secrets[j]);
            if (secret != NULL)
                explicit_bzero((char *)json_string_value(secret), json_string_length(secret));
        }
        json_decref(keys->keys[i].jwk);
        mem_free(keys->keys[i].kid);
    }
    mem_free(keys);
}

bool hub_keys_only(struct hub_keys *keys, unsigned bits)
{
    for (size_t i = 0; i < keys->count; i++)
        keys->keys[i].algorithms &= bits;
    return hub_keys_algorithms(keys) != 0;
}

unsigned hub_keys_algorithms(const struct hub_keys *keys)
{
    unsigned bits = 0;
    for (size_t i = 0; i < keys->count; i++)
        bits |= keys->keys[i].algorithms;
    return bits;
}

/* libjose would print them. */
static void be_quiet(void *misc, const char *file, int line, uint64_t error, const char *format, va_list args)
{
    (void)misc;
    (void)file;
    (void)line;
    (void)error;
    (void)format;
    (void)args;
}

/* One for each call, since its counter of references is nobody's. */
static jose_cfg_t *quiet(void)
{
    jose_cfg_t *cfg = jose_cfg();
    if (cfg != NULL)
        jose_cfg_set_err_func(cfg, be_quiet, NULL);
    return cfg;
}

static bool may_be(const struct key *k, const struct hub_signed *s)
{
    if (!(k->algorithms & s->algorithm))
        return false;
    if (k->kid == NULL || s->kid == NULL)
        return true;
    return strlen(k->kid) == s->kid_len && memcmp(k->kid, s->kid, s->kid_len) == 0;
}

bool hub_keys_verify(const struct hub_keys *keys, const struct hub_signed *s)
{
    jose_cfg_t *cfg = quiet();
    json_t *jws = json_pack("{s:s%,s:s%,s:s%}", "protected", s->head, s->head_len, "payload", s->payload,
                            s->payload_len, "signature", s->signature, s->signature_len);
    bool good = false;
    for (size_t i = 0; cfg != NULL && jws != NULL && i < keys->count && !good; i++)
        if (may_be(&keys->keys[i], s))
            good = jose_jws_ver(cfg, jws, NULL, keys->keys[i].jwk, false);
    json_decref(jws);
    if (cfg != NULL)
        jose_cfg_decref(cfg);
    return good;
}

static const char *name_of(unsigned bits)
{
    for (size_t i = 0; i < ALGORITHMS; i++)
        if (algorithms[i].bit & bits)
            return algorithms[i].name;
    return NULL;
}

char *hub_keys_sign(const struct hub_keys *keys, unsigned algorithm, const char *payload, size_t len)
{
    const struct key *k = &keys->keys[0];
    const char *name = name_of(algorithm ? algorithm & k->algorithms : k->algorithms);
    jose_cfg_t *cfg = quiet();
    json_t *encoded = jose_b64_enc(payload, len);
    json_t *jws = json_pack("{s:O}", "payload", encoded);
    json_t *sig = name ? json_pack("{s:{s:s,s:s}}", "protected", "alg", name, "typ", "JWT") : NULL;
    char *token = NULL;
    if (cfg != NULL && jws != NULL && sig != NULL && jose_jws_sig(cfg, jws, sig, k->jwk)) {
        const char *head = string_of(jws, "protected"), *signature = string_of(jws, "signature");
        size_t size = strlen(head) + json_string_length(encoded) + strlen(signature) + 3;
        token = mem_alloc(size);
        if (token != NULL)
            snprintf(token, size, "%s.%s.%s", head, json_string_value(encoded), signature);
    }
    json_decref(encoded);
    json_decref(jws);
    json_decref(sig);
    if (cfg != NULL)
        jose_cfg_decref(cfg);
    return token;
}
