/* SPDX-License-Identifier: MIT */
/*
 * The keys that tokens are signed with, and the algorithms that go with them (HUB-10).
 *
 * An algorithm belongs to a key and not to a token: an RSA key takes RS and PS, a key of a curve takes the ES of that
 * curve, a secret takes HS, and "none" is no algorithm. So a token cannot have a public key taken for a secret. Keys
 * come from bytes that the operator wrote; none is ever fetched, whatever a token's head says.
 */
#ifndef HUB_KEYS_H
#define HUB_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum { HUB_KEYS_WHY = 200, HUB_KEYS_MOST = 32, HUB_SECRET_LEAST = 32, HUB_RSA_LEAST = 2048 };

/* name, bit, bytes of a secret that it needs (RFC 7518 3.2); 0: it takes no secret */
#define HUB_ALGORITHMS(X)                                                                                              \
    X(HS256, 0, 32)                                                                                                    \
    X(HS384, 1, 48)                                                                                                    \
    X(HS512, 2, 64)                                                                                                    \
    X(RS256, 3, 0)                                                                                                     \
    X(RS384, 4, 0)                                                                                                     \
    X(RS512, 5, 0)                                                                                                     \
    X(PS256, 6, 0)                                                                                                     \
    X(PS384, 7, 0)                                                                                                     \
    X(PS512, 8, 0)                                                                                                     \
    X(ES256, 9, 0)                                                                                                     \
    X(ES384, 10, 0)                                                                                                    \
    X(ES512, 11, 0)

/* Which it is, as a bit; 0: none of them. */
unsigned hub_algorithm(const char *name, size_t len);

struct hub_keys;

/*
 * Each makes keys of what is in a file. 0; or a negative error, and then one line of what is wrong in `why`. What they
 * are given can go afterwards. The keys are not changed once made: any thread.
 */

/* A secret for HS256, and for HS384 and HS512 where it is long enough for them. */
int hub_keys_secret(struct hub_keys **out, const void *secret, size_t len, char why[HUB_KEYS_WHY]);
/* One key in PEM: a public one, a certificate, or a private one, which can sign as well. */
int hub_keys_pem(struct hub_keys **out, const char *pem, size_t len, char why[HUB_KEYS_WHY]);
/* A JWKS (RFC 7517), of whose keys those are taken that are public, of RSA or a curve above, and made to sign. */
int hub_keys_jwks(struct hub_keys **out, const char *json, size_t len, char why[HUB_KEYS_WHY]);
void hub_keys_free(struct hub_keys *keys); /* NULL is fine. Secrets are wiped */

/* Leaves only the algorithms of these bits. False: no key is left that takes one of them. */
bool hub_keys_only(struct hub_keys *keys, unsigned algorithms);
unsigned hub_keys_algorithms(const struct hub_keys *keys);

/* Whether the three parts of a compact token, in base64url, are signed by one of the keys: with this algorithm, and
 * where both the token and a key have a `kid`, by that key. */
struct hub_signed {
    const char *head, *payload, *signature;
    size_t head_len, payload_len, signature_len;
    unsigned algorithm;
    const char *kid; /* NULL: the token names none */
    size_t kid_len;
};
bool hub_keys_verify(const struct hub_keys *keys, const struct hub_signed *s);

/* A compact token of this payload, signed by the one key; algorithm 0: by its first. NULL: the key cannot sign, or
 * there is no memory. mem_free() it. */
char *hub_keys_sign(const struct hub_keys *keys, unsigned algorithm, const char *payload, size_t len);

#endif
