/* SPDX-License-Identifier: MIT */
#include "net/tls_client.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>

enum { WHY = 200 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int verdict_index; /* where an SSL keeps its verdict */

static void init_once(void)
{
    verdict_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Keeps the first thing that is wrong, and does not forgive it. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok)
        return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_verdict *v = SSL_get_ex_data(ssl, verdict_index);
    if (v->error == 0)
        v->error = X509_STORE_CTX_get_error(store);
    return 0;
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_verdict *v = SSL_get_ex_data(ssl, verdict_index);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        v->alert = value;
}

static int blame(char *why, const char *path, const char *what)
{
    unsigned long code = ERR_peek_error();
    bool system = ERR_SYSTEM_ERROR(code);
    int error = system ? -ERR_GET_REASON(code) : DUET_ERR_TLS;
    const char *reason = system ? duet_strerror(error) : ERR_reason_error_string(code);
    snprintf(why, WHY, "%.120s: %s: %s", path, what, reason != NULL ? reason : "unknown");
    ERR_clear_error();
    return error;
}

static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to, (void)size, (void)writing, (void)arg;
    return -1; /* else OpenSSL would ask at the terminal */
}

static SSL_CTX *make_context(void)
{
    static const unsigned char ours[] = "\x08http/1.1";
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (c == NULL)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(c, no_password);
    SSL_CTX_set_info_callback(c, on_info);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
        SSL_CTX_set_alpn_protos(c, ours, sizeof(ours) - 1) == 0)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

static int load(SSL_CTX *c, const struct tls_client_options *o, char *why)
{
    if (!o->insecure) {
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, on_verify);
        if (o->ca != NULL && SSL_CTX_load_verify_file(c, o->ca) != 1)
            return blame(why, o->ca, "no certificate could be read");
        if (o->ca == NULL && SSL_CTX_set_default_verify_paths(c) != 1)
            return blame(why, "the system's certificates", "cannot be used");
    }
    if (o->cert != NULL && SSL_CTX_use_certificate_chain_file(c, o->cert) != 1)
        return blame(why, o->cert, "no certificate could be read");
    if (o->cert != NULL && (SSL_CTX_use_PrivateKey_file(c, o->key, SSL_FILETYPE_PEM) != 1 ||
                            SSL_CTX_check_private_key(c) != 1))
        return blame(why, o->key, "no key for the certificate could be read");
    return 0;
}

int tls_client_new(SSL_CTX **out, const struct tls_client_options *options, char *why)
{
    pthread_once(&once, init_once);
    ERR_clear_error();
    SSL_CTX *c = verdict_index >= 0 ? make_context() : NULL;
    int rc = c != NULL ? load(c, options, why) : blame(why, "TLS", "OpenSSL cannot be set up");
    if (rc < 0)
        SSL_CTX_free(c);
    else
        *out = c;
    return rc;
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1;
    /* A wildcard is a whole label, and a name is no common name (RFC 9525 6.3, 2). */
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_connect(SSL_CTX *context, const char *name, struct tls_verdict *verdict)
{
    SSL *ssl = SSL_new(context);
    *verdict = (struct tls_verdict){ 0 };
    if (ssl == NULL || SSL_set_ex_data(ssl, verdict_index, verdict) != 1 || !expect(ssl, name)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

/* OpenSSL 3.0 has no words for the one that matters most here. */
static const char *alert_text(int alert)
{
    return (alert & 0xff) == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required" : SSL_alert_desc_string_long(alert);
}

bool tls_verdict_text(const struct tls_verdict *v, const char *name, char *out, size_t size)
{
    switch (v->error) {
    case 0:
        snprintf(out, size, "the server ended TLS: %s", alert_text(v->alert));
        return v->alert != 0;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        snprintf(out, size, "the server's certificate has expired");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        snprintf(out, size, "the server's certificate is not valid yet");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        snprintf(out, size, "the server's certificate is self-signed, or by an authority that is not trusted");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        snprintf(out, size, "the server's certificate is not for the name %.100s", name);
        break;
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        snprintf(out, size, "the server's certificate is not for the address %.100s", name);
        break;
    default:
        snprintf(out, size, "the server's certificate does not verify: %.100s",
                 X509_verify_cert_error_string(v->error));
        break;
    }
    return true;
}
