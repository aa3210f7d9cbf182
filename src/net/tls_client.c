/* SPDX-License-Identifier: MIT */
#include "net/tls_client.h"
#include "base/digest.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WHY = 200, PIN = SHA256_DIGEST_LENGTH };

/* The session that the next connection to `name` begins with. */
struct kept {
    SSL_SESSION *session;
    char *name;
};

/* A context's things that are not OpenSSL's. They go with it, so with its last SSL. */
struct own {
    struct kept kept[2]; /* of whom the application named, and of strangers */
    bool insecure;
    size_t pin_count;
    uint8_t pins[][PIN];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int verdict_index; /* where an SSL keeps its verdict */
static int own_index;     /* where a context keeps its own */

static void own_free(void *context, void *own, CRYPTO_EX_DATA *data, int index, long l, void *arg)
{
    (void)context, (void)data, (void)index, (void)l, (void)arg;
    struct own *o = own;
    for (int i = 0; o != NULL && i < 2; i++) {
        SSL_SESSION_free(o->kept[i].session);
        mem_free(o->kept[i].name);
    }
    mem_free(o);
}

static void init_once(void)
{
    verdict_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    own_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, own_free);
}

static struct own *own_of(const SSL_CTX *c)
{
    return SSL_CTX_get_ex_data(c, own_index);
}

static struct tls_verdict *verdict_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, verdict_index);
}

static bool key_digest(X509 *cert, uint8_t out[PIN])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (len > 0)
        SHA256(der, (size_t)len, out);
    OPENSSL_free(der);
    return len > 0;
}

/* Whether the certificate's key is one of the pins; `found` gets what it is. */
static bool is_pinned(const struct own *o, X509 *cert, char found[TLS_PIN_TEXT])
{
    uint8_t digest[PIN];
    if (o->pin_count == 0)
        return true;
    if (!key_digest(cert, digest))
        return false;
    for (size_t i = 0; i < o->pin_count; i++)
        if (memcmp(o->pins[i], digest, PIN) == 0)
            return true;
    base64_encode(found, digest, PIN);
    return false;
}

/* Keeps the first thing that is wrong, and does not forgive it. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok)
        return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_verdict *v = verdict_of(ssl);
    if (v->error == 0)
        v->error = X509_STORE_CTX_get_error(store);
    return 0;
}

/* The chain and the name, then the pins: all before our Finished, so nothing was sent that is worth hiding. */
static int on_certificate(X509_STORE_CTX *store, void *own)
{
    const struct own *o = own;
    struct tls_verdict *v = verdict_of(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (!o->insecure && X509_verify_cert(store) != 1)
        return 0;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    if (is_pinned(o, X509_STORE_CTX_get0_cert(store), v->pin))
        return 1;
    v->error = X509_V_ERR_APPLICATION_VERIFICATION;
    X509_STORE_CTX_set_error(store, v->error);
    return 0;
}

/* TLS 1.3: a ticket came; 1.2: a handshake is done that was no resumption. Each takes the place of the one before. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct kept *k = &own_of(SSL_get_SSL_CTX(ssl))->kept[verdict_of(ssl)->stranger];
    SSL_SESSION_free(k->session);
    k->session = session;
    return 1; /* taken */
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_verdict *v = verdict_of(ssl);
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
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, on_session);
    SSL_CTX_set_default_passwd_cb(c, no_password);
    SSL_CTX_set_info_callback(c, on_info);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
        SSL_CTX_set_alpn_protos(c, ours, sizeof(ours) - 1) == 0)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

/* "sha256/" may stand before it, or "sha256//" as curl has it: a digest is 44 characters, so neither is part of one. */
static bool read_pin(const char *text, uint8_t out[PIN])
{
    static const char prefix[] = "sha256/";
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
        text += sizeof(prefix) - 1;
    size_t len = strlen(text);
    if (len == TLS_PIN_TEXT && text[0] == '/') {
        text++;
        len--;
    }
    return base64_decode(out, PIN, text, len) == PIN;
}

/* Gives a context what is not OpenSSL's. */
static int own_new(SSL_CTX *c, const struct tls_client_options *options, char *why)
{
    size_t count = 0;
    while (options->pins != NULL && options->pins[count] != NULL)
        count++;
    struct own *o = mem_zalloc(sizeof(*o) + count * PIN);
    if (o == NULL || SSL_CTX_set_ex_data(c, own_index, o) != 1) {
        mem_free(o);
        snprintf(why, WHY, "%s", duet_strerror(DUET_ERR_NOMEM));
        return DUET_ERR_NOMEM;
    }
    o->insecure = options->insecure;
    o->pin_count = count;
    bool good = options->pins == NULL || count > 0; /* no pin at all would be no check */
    for (size_t i = 0; i < count && good; i++)
        good = read_pin(options->pins[i], o->pins[i]);
    if (!good) {
        snprintf(why, WHY, "a pin is the base64 of a SHA-256: sha256/ and 44 characters");
        return DUET_ERR_INVALID;
    }
    SSL_CTX_set_cert_verify_callback(c, on_certificate, o);
    return 0;
}

static int load(SSL_CTX *c, const struct tls_client_options *o, char *why)
{
    int rc = own_new(c, o, why);
    if (rc < 0)
        return rc;
    if (!o->insecure || o->pins != NULL)
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, on_verify);
    if (!o->insecure && o->trust != NULL) {
        SSL_CTX_set1_cert_store(c, o->trust);
    } else if (!o->insecure) {
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
    SSL_CTX *c = verdict_index >= 0 && own_index >= 0 ? make_context() : NULL;
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

/* A wildcard is a whole label, and a name is no common name (RFC 9525 6.3, 2). */
enum { NAME_RULES = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT };

static bool expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(p, NAME_RULES);
    return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* Whether a session's certificate would be taken now: a resumption shows none. */
static bool still_good(const struct own *o, const SSL_SESSION *session, const char *name)
{
    char unused[TLS_PIN_TEXT];
    X509 *cert = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);
    if (cert == NULL || !SSL_SESSION_is_resumable(session) || !is_pinned(o, cert, unused))
        return false;
    if (o->insecure)
        return true;
    bool named = is_address(name) ? X509_check_ip_asc(cert, name, 0) == 1
                                  : X509_check_host(cert, name, 0, NAME_RULES, NULL) == 1;
    return named && X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

static void forget(struct kept *k)
{
    SSL_SESSION_free(k->session);
    k->session = NULL;
}

/* Offers what was kept of this name. */
static bool resume(SSL *ssl, const struct own *o, struct kept *k, const char *name)
{
    if (k->name == NULL || strcmp(k->name, name) != 0) {
        forget(k);
        mem_free(k->name);
        return (k->name = mem_strdup(name)) != NULL;
    }
    if (k->session == NULL)
        return true;
    bool single = SSL_SESSION_get_protocol_version(k->session) >= TLS1_3_VERSION;
    bool good = still_good(o, k->session, name);
    bool set = !good || SSL_set_session(ssl, k->session) == 1;
    if (single || !good)
        forget(k);
    return set;
}

SSL *tls_connect(SSL_CTX *context, const char *name, bool stranger, struct tls_verdict *verdict)
{
    SSL *ssl = SSL_new(context);
    struct own *o = own_of(context);
    *verdict = (struct tls_verdict){ .stranger = stranger };
    if (ssl == NULL || SSL_set_ex_data(ssl, verdict_index, verdict) != 1 || !expect(ssl, name) ||
        !resume(ssl, o, &o->kept[stranger], name)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    if (stranger)
        SSL_certs_clear(ssl);
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
    case X509_V_ERR_APPLICATION_VERIFICATION:
        snprintf(out, size, "the server's key is none of the pinned ones, but sha256/%s", v->pin);
        break;
    default:
        snprintf(out, size, "the server's certificate does not verify: %.100s",
                 X509_verify_cert_error_string(v->error));
        break;
    }
    return true;
}
