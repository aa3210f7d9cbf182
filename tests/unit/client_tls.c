/* SPDX-License-Identifier: MIT */
/* A client's TLS: which certificates it takes (TLS-9), and its end at each step of the handshake (TLS-3, TLS-4). */
#include "test.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cert.h"
#include "client/client.h"
#include <duet/duet.h>
#include <unistd.h>

static duet_loop *loop;
static duet_server *server;
static duet_client *client;
static char folder[] = "/tmp/duet-tls-XXXXXX", ca_path[64], cert_path[64], key_path[64], url[64];

static struct {
    unsigned opened, closed, failed, messages;
    int error;
    char detail[200];
} told;

static void on_open(duet_conn *c)
{
    told.opened++;
    duet_send(c, DUET_TEXT, "x", 1);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    told.messages += m->len == 1;
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c, (void)why;
    told.closed++;
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl;
    told.failed++;
    told.error = f->error;
    snprintf(told.detail, sizeof(told.detail), "%s", f->detail);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

static void add(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* A certificate from day `from` to day `to`, signed by `by` (NULL: itself); `name` is its common name. */
static X509 *make(EVP_PKEY *key, const char *name, const struct authority *by, int from, int to)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(x), to * 86400L);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(by ? by->cert : x));
    return x;
}

static void write_cert(const char *path, X509 *x)
{
    FILE *f = fopen(path, "w");
    PEM_write_X509(f, x);
    fclose(f);
}

static struct authority authority(const char *path)
{
    struct authority a = { .key = EVP_EC_gen("P-256") };
    a.cert = make(a.key, "Duet test authority", NULL, -100, 100);
    add(a.cert, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(a.cert, a.key, EVP_sha256());
    write_cert(path, a.cert);
    return a;
}

static void authority_free(struct authority *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

/* The one extension that no configuration string can say: a name with a zero byte in it. */
static void add_nul_name(X509 *x, const char *name, int len)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *one = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, name, len);
    GENERAL_NAME_set0_value(one, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, one);
    X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
}

static void begin(void)
{
    memset(&told, 0, sizeof(told));
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(ca_path, sizeof(ca_path), "%s/ca", folder);
    snprintf(cert_path, sizeof(cert_path), "%s/cert", folder);
    snprintf(key_path, sizeof(key_path), "%s/key", folder);
    assert_int_equal(duet_loop_new(&loop), 0);
    client = NULL;
}

static duet_tls *tls;

static void serve(void)
{
    char why[200] = "";
    if (duet_tls_new(&tls, (const char *[]){ cert_path }, (const char *[]){ key_path }, 1, why) < 0)
        fail_msg("%s", why);
    duet_server_config c = { DUET_SERVER_CONFIG_INIT, .listen = "wss://127.0.0.1:0", .on = { .message = echo },
                             .tls = tls };
    assert_int_equal(duet_server_new(&server, &c, why), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%u", duet_server_port(server, 0));
}

static duet_client_config config_for(const char *name)
{
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT,
                                 .url = url,
                                 .on = { .open = on_open, .message = on_message, .close = on_close },
                                 .failed = on_failed,
                                 .ca = ca_path,
                                 .tls_name = name };
}

static void end(void)
{
    duet_client_free(client);
    duet_server_free(server);
    duet_tls_free(tls);
    duet_loop_free(loop);
    unlink(ca_path);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
}

static void turn_until_told(void)
{
    uint64_t until = clock_ms() + 10000;
    while (!told.messages && !told.failed) {
        assert_true(clock_ms() < until);
        duet_loop_turn(loop, 10);
    }
}

enum { OWN, SELF, OTHER };

static const struct row {
    const char *claim, *names; /* subjectAltName; NULL: none, "0": one with a zero byte */
    int signer, from, to;
    const char *asked; /* the name to verify; NULL: the URL's 127.0.0.1 */
    const char *says;  /* part of the failure; NULL: it opens */
} rows[] = {
    { "its name", "DNS:a.test", OWN, -1, 1, "a.test", NULL },
    { "its name in other letters", "DNS:a.test", OWN, -1, 1, "A.Test", NULL },
    { "its address", "IP:127.0.0.1", OWN, -1, 1, NULL, NULL },
    { "a wildcard", "DNS:*.a.test", OWN, -1, 1, "x.a.test", NULL },
    { "another name", "DNS:b.test", OWN, -1, 1, "a.test", "not for the name a.test" },
    { "expired", "DNS:a.test", OWN, -9, -1, "a.test", "expired" },
    { "not valid yet", "DNS:a.test", OWN, 1, 9, "a.test", "not valid yet" },
    { "self-signed", "DNS:a.test", SELF, -1, 1, "a.test", "self-signed" },
    { "of an authority nobody knows", "DNS:a.test", OTHER, -1, 1, "a.test", "unable to get local issuer" },
    { "a wildcard for two labels", "DNS:*.a.test", OWN, -1, 1, "x.y.a.test", "not for the name" },
    { "a wildcard for none", "DNS:*.a.test", OWN, -1, 1, "a.test", "not for the name" },
    { "part of a label", "DNS:x*.a.test", OWN, -1, 1, "xy.a.test", "not for the name" },
    { "a wildcard in the middle", "DNS:x.*.test", OWN, -1, 1, "x.a.test", "not for the name" },
    { "a wildcard for all", "DNS:*.test", OWN, -1, 1, "a.test", "not for the name" },
    { "the common name alone", NULL, OWN, -1, 1, "common.test", "not for the name" },
    { "an address as a name", "DNS:127.0.0.1", OWN, -1, 1, NULL, "not for the address 127.0.0.1" },
    { "another address", "IP:127.0.0.2", OWN, -1, 1, NULL, "not for the address 127.0.0.1" },
    { "a zero byte in the name", "0", OWN, -1, 1, "a.test", "not for the name" },
};

static void make_row(const struct row *row)
{
    char other_path[80];
    snprintf(other_path, sizeof(other_path), "%s/other", folder);
    struct authority own = authority(ca_path), other = authority(other_path);
    const struct authority *by = row->signer == OWN ? &own : row->signer == OTHER ? &other : NULL;
    if (row->signer == OTHER) { /* a name that no trusted one has */
        X509_NAME_add_entry_by_txt(X509_get_subject_name(other.cert), "O", MBSTRING_ASC, (const unsigned char *)"x", -1,
                                   -1, 0);
        X509_sign(other.cert, other.key, EVP_sha256());
    }
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make(key, "common.test", by, row->from, row->to);
    if (row->names != NULL && row->names[0] == '0')
        add_nul_name(x, "a.test\0.evil.test", 17);
    else if (row->names != NULL)
        add(x, NID_subject_alt_name, row->names);
    X509_sign(x, by ? by->key : key, EVP_sha256());
    write_cert(cert_path, x);
    cert_write_key(key_path, key, NULL);
    X509_free(x);
    EVP_PKEY_free(key);
    authority_free(&own);
    authority_free(&other);
    unlink(other_path);
}

static uint64_t requests(void)
{
    static duet_server_stats stats;
    duet_server_read_stats(server, &stats);
    return stats.requests;
}

/* RFC-30. */
TEST(client_tls, tls_9_a_certificate_is_refused_for_what_is_wrong_with_it_before_any_byte)
{
    char why[200];
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        begin();
        make_row(&rows[i]);
        serve();
        duet_client_config c = config_for(rows[i].asked);
        assert_int_equal(duet_connect(&client, loop, &c, why), 0);
        turn_until_told();
        if (rows[i].says == NULL && told.failed)
            fail_msg("%s: %s", rows[i].claim, told.detail);
        if (rows[i].says != NULL) {
            if (!told.failed || told.error != DUET_ERR_TLS || strstr(told.detail, rows[i].says) == NULL)
                fail_msg("%s: %d %s", rows[i].claim, told.error, told.detail);
            for (int k = 0; k < 5; k++)
                duet_loop_turn(loop, 1);
            assert_int_equal(requests(), 0);
        }
        end();
    }
}

TEST(client_tls, insecure_takes_any_certificate)
{
    begin();
    make_row(&rows[5]);
    serve();
    duet_client_config c = config_for(NULL);
    c.insecure = true;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    turn_until_told();
    assert_int_equal(told.messages, 1);
    assert_true(duet_is_secure(duet_client_conn(client)));
    end();
}

TEST(client_tls, without_its_own_file_the_systems_certificates_count)
{
    begin();
    make_row(&rows[0]);
    serve();
    duet_client_config c = config_for("a.test");
    c.ca = NULL;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    turn_until_told();
    assert_int_equal(told.error, DUET_ERR_TLS);
    end();
}

TEST(client_tls, a_file_that_cannot_be_read_is_named_at_once)
{
    char why[200];
    begin();
    snprintf(url, sizeof(url), "wss://127.0.0.1:1");
    duet_client_config c = config_for(NULL);
    c.ca = "/nowhere/ca.pem";
    assert_true(duet_connect(&client, loop, &c, why) < 0);
    assert_non_null(strstr(why, "/nowhere/ca.pem"));
    make_row(&rows[0]);
    c.ca = NULL;
    c.cert = cert_path;
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
    c.key = ca_path;
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_TLS);
    assert_non_null(strstr(why, ca_path));
    client = NULL;
    server = NULL;
    tls = NULL;
    end();
}

/* RFC-30. */
TEST(client_tls, names_are_asked_for_and_addresses_are_not)
{
    SSL_CTX *context;
    struct tls_verdict v;
    char why[200];
    assert_int_equal(tls_client_new(&context, &(struct tls_client_options){ .insecure = true }, why), 0);
    static const char *const names[] = { "a.test", "127.0.0.1", "::1" };
    for (int i = 0; i < 3; i++) {
        SSL *ssl = tls_connect(context, names[i], false, &v);
        assert_non_null(ssl);
        const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (i == 0)
            assert_string_equal(asked, "a.test");
        else
            assert_null(asked);
        SSL_free(ssl);
    }
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
    SSL_CTX_free(context);
}

TEST(client_tls, tls_3_freed_at_each_step_of_the_handshake)
{
    unsigned steps = 0;
    for (int turns = 0; turns < 10; turns++) {
        begin();
        make_row(&rows[2]);
        serve();
        duet_client_config c = config_for(NULL);
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        for (int i = 0; i < turns; i++)
            duet_loop_turn(loop, 1);
        steps |= 1u << client->state;
        duet_client_free(client);
        client = NULL;
        assert_int_equal(told.failed + told.closed, 1);
        assert_int_equal(told.closed, told.opened);
        end();
        assert_int_equal(told.failed + told.closed, 1);
    }
    assert_true(steps & 1u << CLIENT_OPENING);
    assert_true(steps & 1u << CLIENT_OPEN);
}

TEST(client_tls, mem_2_each_allocation_fails_once)
{
    for (unsigned long after = 0, asked_for = 1; after <= asked_for; after++) {
        begin();
        make_row(&rows[2]);
        serve();
        duet_client_config c = config_for(NULL);
        mem_fail(after, false);
        int rc = duet_connect(&client, loop, &c, NULL);
        for (int i = 0; i < 200 && rc == 0 && !told.messages && !told.failed && !told.closed; i++)
            duet_loop_turn(loop, 5);
        asked_for = mem_fail_end();
        if (rc < 0)
            client = NULL;
        else
            assert_true(told.messages || told.failed || told.closed);
        end();
        assert_int_equal(told.failed + told.closed, rc == 0);
    }
}
