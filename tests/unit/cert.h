/* SPDX-License-Identifier: MIT */
/* Certificates made on the spot, for tests of TLS. */
#ifndef TESTS_CERT_H
#define TESTS_CERT_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static inline void cert_write_key(const char *path, EVP_PKEY *key, const char *password)
{
    FILE *f = fopen(path, "w");
    PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, (void *)password);
    fclose(f);
}

/* A self-signed certificate for `names` ("DNS:a.example,IP:127.0.0.1") and its key (taken), for a year either way. */
static inline void cert_make_with(EVP_PKEY *key, const EVP_MD *digest, const char *cert_path, const char *key_path,
                                  const char *names)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -365L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 365L * 86400);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "O", MBSTRING_ASC, (const unsigned char *)"Duet test", -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, key, digest);
    FILE *f = fopen(cert_path, "w");
    PEM_write_X509(f, x);
    fclose(f);
    cert_write_key(key_path, key, NULL);
    X509_free(x);
    EVP_PKEY_free(key);
}

static inline void cert_make(const char *cert_path, const char *key_path, const char *names)
{
    cert_make_with(EVP_EC_gen("P-256"), EVP_sha256(), cert_path, key_path, names);
}

/* One whose signatures all have the same length, so that a handshake has, too. */
static inline void cert_make_even(const char *cert_path, const char *key_path, const char *names)
{
    cert_make_with(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, cert_path, key_path, names);
}

#endif
