/* SPDX-License-Identifier: MIT */
/*
 * Who keeps whom: a duet_tls has the set of certificates in force, each connection (SSL) the set it began with, and
 * each set its duet_tls, for the ticket keys. A reload puts a new set in force; the old one goes with its last
 * connection.
 *
 * A set has one SSL_CTX for each certificate. Connections begin with the first; the name they ask for (SNI) may move
 * them to another. All share the session id context and the ticket keys, so a ticket is good whichever it came from.
 */
#include "net/tls.h"
#include "base/clock.h"
#include "net/loop.h"
#include "base/mem.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { WHY = 200 };

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
    uint64_t born_ms;
};

struct tls_set {
    atomic_uint refs;
    duet_tls *owner;
    size_t count;
    SSL_CTX *contexts[];
};

struct duet_tls {
    atomic_uint refs;
    size_t count;
    char **certs, **keys;
    pthread_mutex_t lock;
    struct tls_set *set;          /* under `lock`, as all below */
    struct ticket_key tickets[2]; /* the one in use and the one before */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int set_index; /* where an SSL keeps its set */

static void tls_unref(duet_tls *t)
{
    if (atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    for (size_t i = 0; i < t->count; i++) {
        mem_free(t->certs != NULL ? t->certs[i] : NULL);
        mem_free(t->keys != NULL ? t->keys[i] : NULL);
    }
    mem_free(t->certs);
    mem_free(t->keys);
    OPENSSL_cleanse(t->tickets, sizeof(t->tickets));
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static void set_unref(struct tls_set *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->count; i++)
        SSL_CTX_free(s->contexts[i]);
    tls_unref(s->owner);
    mem_free(s);
}

static void drop_set(void *ssl, void *set, CRYPTO_EX_DATA *data, int index, long l, void *arg)
{
    (void)ssl, (void)data, (void)index, (void)l, (void)arg;
    set_unref(set);
}

static void init_once(void)
{
    set_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, drop_set);
}

static struct tls_set *set_of(SSL *ssl)
{
    return SSL_get_ex_data(ssl, set_index);
}

/* Moves a connection to the certificate for the name it asks for; without one it stays with the first (TLS-10). */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    const struct tls_set *s = set_of(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    for (size_t i = 0; name != NULL && i < s->count; i++) {
        if (X509_check_host(SSL_CTX_get0_certificate(s->contexts[i]), name, 0, 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, s->contexts[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* A client that names its protocols and not ours gets a fatal no_application_protocol (TLS-10). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *offered,
                           unsigned offered_len, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, len, ours, sizeof(ours) - 1, offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int make_key(struct ticket_key *k, uint64_t now_ms)
{
    k->born_ms = now_ms;
    bool ok = RAND_bytes(k->name, sizeof(k->name)) == 1 && RAND_priv_bytes(k->cipher, sizeof(k->cipher)) == 1 &&
              RAND_priv_bytes(k->mac, sizeof(k->mac)) == 1;
    return ok ? 0 : DUET_ERR_RANDOM;
}

int tls_rotate(duet_tls *t, uint64_t now_ms)
{
    struct ticket_key fresh;
    int rc = 0;
    pthread_mutex_lock(&t->lock);
    uint64_t born_ms = t->tickets[0].born_ms, age_ms = now_ms > born_ms ? now_ms - born_ms : 0;
    if (age_ms >= TLS_TICKET_MS && (rc = make_key(&fresh, now_ms)) == 0) {
        t->tickets[1] = t->tickets[0];
        if (age_ms >= 2 * (uint64_t)TLS_TICKET_MS) /* nobody came for so long: its tickets are too old as well */
            rc = make_key(&t->tickets[1], now_ms);
        t->tickets[0] = fresh;
    }
    pthread_mutex_unlock(&t->lock);
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    return rc;
}

/* Which of the two keys has the name (NULL: the one in use); -1: neither. */
static int find_key(duet_tls *t, const unsigned char *name, struct ticket_key *out)
{
    int found = -1;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < 2 && found < 0; i++)
        if (name == NULL || CRYPTO_memcmp(t->tickets[i].name, name, sizeof(out->name)) == 0)
            *out = t->tickets[found = i];
    pthread_mutex_unlock(&t->lock);
    return found;
}

static bool use_key(const struct ticket_key *k, EVP_CIPHER_CTX *cipher, const unsigned char *iv, EVP_MAC_CTX *mac,
                    int encrypt)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->mac, sizeof(k->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's results: 1 go on, 2 good but give a fresh one, 0 not ours: a full handshake, -1 failure. */
static int ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                  int encrypt)
{
    duet_tls *t = set_of(ssl)->owner;
    struct ticket_key k;
    tls_rotate(t, clock_ms()); /* without random bytes the old key serves on */
    int nth = find_key(t, encrypt ? NULL : name, &k);
    if (nth < 0)
        return 0;
    bool ok = true;
    if (encrypt) {
        memcpy(name, k.name, sizeof(k.name));
        ok = RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1;
    }
    ok = ok && use_key(&k, cipher, iv, mac, encrypt);
    OPENSSL_cleanse(&k, sizeof(k));
    if (!ok)
        return -1;
    /* A ticket of TLS 1.3 is for one use (RFC 8446 C.4), so each one spent brings another. */
    return !encrypt && (nth > 0 || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

static int no_password(char *to, int size, int writing, void *arg)
{
    (void)to, (void)size, (void)writing, (void)arg;
    return -1; /* else OpenSSL would ask at the terminal, and serving would wait for it */
}

static SSL_CTX *make_context(void)
{
    static const unsigned char id[] = "duet";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c == NULL)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* what resumes is in the ticket */
    SSL_CTX_set_timeout(c, TLS_TICKET_MS / 1000);
    SSL_CTX_set_num_tickets(c, 1);
    SSL_CTX_set_max_early_data(c, 0); /* TLS-13 */
    SSL_CTX_set_default_passwd_cb(c, no_password);
    SSL_CTX_set_tlsext_servername_callback(c, choose_certificate);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(c, ticket);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
        /* OpenSSL's own list has finite fields, too, whose largest costs us milliseconds at any client's wish. */
        SSL_CTX_set1_groups_list(c, "X25519:P-256:X448:P-384:P-521") == 1 &&
        SSL_CTX_set_session_id_context(c, id, sizeof(id) - 1) == 1)
        return c;
    SSL_CTX_free(c);
    return NULL;
}

/* Says in one line what is wrong with `path`, from the errors that OpenSSL left. */
static int blame(char *why, const char *path, const char *what)
{
    unsigned long code = ERR_peek_error();
    bool system = ERR_SYSTEM_ERROR(code);
    int error = system ? -ERR_GET_REASON(code) : DUET_ERR_TLS;
    const char *reason = system ? duet_strerror(error) : ERR_reason_error_string(code);
    if (why != NULL)
        snprintf(why, WHY, "%.120s: %s: %s", path, what, reason != NULL ? reason : "unknown");
    ERR_clear_error();
    return error;
}

static int load(SSL_CTX **out, const char *cert, const char *key, char *why)
{
    ERR_clear_error();
    SSL_CTX *c = make_context();
    if (c == NULL)
        return blame(why, cert, "OpenSSL cannot be set up");
    int rc = 0;
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
        rc = blame(why, cert, "no certificate could be read");
    else if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1)
        rc = blame(why, key, "no key for the certificate could be read");
    if (rc < 0)
        SSL_CTX_free(c);
    else
        *out = c;
    return rc;
}

static int say(char *why, int error)
{
    if (why != NULL)
        snprintf(why, WHY, "%s", duet_strerror(error));
    return error;
}

static int load_set(struct tls_set **out, duet_tls *t, char *why)
{
    struct tls_set *s = mem_zalloc(sizeof(*s) + t->count * sizeof(s->contexts[0]));
    if (s == NULL)
        return say(why, DUET_ERR_NOMEM);
    atomic_init(&s->refs, 1);
    s->owner = t;
    atomic_fetch_add(&t->refs, 1);
    int rc = 0;
    for (; s->count < t->count && rc == 0; s->count += rc == 0)
        rc = load(&s->contexts[s->count], t->certs[s->count], t->keys[s->count], why);
    if (rc < 0)
        set_unref(s);
    else
        *out = s;
    return rc;
}

static char **copy_paths(const char *const *paths, size_t count)
{
    char **copy = mem_zalloc(count * sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = mem_strdup(paths[i]);
        if (copy[i] != NULL)
            continue;
        while (i > 0)
            mem_free(copy[--i]);
        mem_free(copy);
        return NULL;
    }
    return copy;
}

static int tls_init(duet_tls *t, const char *const *certs, const char *const *keys)
{
    t->certs = copy_paths(certs, t->count);
    t->keys = copy_paths(keys, t->count);
    if (t->certs == NULL || t->keys == NULL || set_index < 0)
        return DUET_ERR_NOMEM;
    uint64_t now_ms = clock_ms();
    int rc = make_key(&t->tickets[0], now_ms);
    return rc < 0 ? rc : make_key(&t->tickets[1], now_ms);
}

int duet_tls_new(duet_tls **out, const char *const *certs, const char *const *keys, size_t count, char *why)
{
    pthread_once(&once, init_once);
    if (count == 0 || count > SIZE_MAX / sizeof(char *))
        return say(why, DUET_ERR_INVALID);
    duet_tls *t = mem_zalloc(sizeof(*t));
    if (t == NULL)
        return say(why, DUET_ERR_NOMEM);
    pthread_mutex_init(&t->lock, NULL);
    atomic_init(&t->refs, 1);
    t->count = count;
    int rc = tls_init(t, certs, keys);
    rc = rc < 0 ? say(why, rc) : duet_tls_reload(t, why);
    if (rc < 0)
        tls_unref(t);
    else
        *out = t;
    return rc;
}

int duet_tls_reload(duet_tls *t, char *why)
{
    struct tls_set *fresh = NULL;
    int rc = load_set(&fresh, t, why);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&t->lock);
    struct tls_set *old = t->set;
    t->set = fresh;
    pthread_mutex_unlock(&t->lock);
    set_unref(old);
    return 0;
}

void duet_tls_free(duet_tls *t)
{
    if (t == NULL)
        return;
    struct tls_set *s = t->set;
    t->set = NULL;
    set_unref(s);
    tls_unref(t);
}

SSL *tls_accept(duet_tls *t)
{
    pthread_mutex_lock(&t->lock);
    struct tls_set *s = t->set;
    atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&t->lock);
    SSL *ssl = SSL_new(s->contexts[0]);
    if (ssl == NULL || SSL_set_ex_data(ssl, set_index, s) != 1) {
        SSL_free(ssl);
        set_unref(s);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
