/* SPDX-License-Identifier: MIT */
/* What a client knows of a server from before: the sessions that it resumes, and the keys that it has pinned. */
#include "test.h"
#include "base/digest.h"
#include "base/mem.h"
#include "cert.h"
#include "client/client.h"
#include "turn.h"
#include <duet/duet.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <unistd.h>

static duet_loop *loop;
static duet_server *server;
static duet_tls *tls;
static duet_client *client;
static char folder[] = "/tmp/duet-resume-XXXXXX", cert_path[64], key_path[64], url[64];

static struct {
    unsigned opened, resumed, server_resumed, messages, closed, failed;
    int error;
    bool final;
    char detail[200];
} told;

static void on_open(duet_conn *c)
{
    told.opened++;
    told.resumed += duet_tls_resumed(c);
    duet_send(c, DUET_TEXT, "x", 1);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)c, (void)m;
    told.messages++;
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)why;
    told.closed++;
    duet_tls_resumed(c); /* it may still be asked */
}

static void on_failed(duet_client *cl, const duet_failure *f)
{
    (void)cl;
    told.failed++;
    told.error = f->error;
    told.final = f->final;
    snprintf(told.detail, sizeof(told.detail), "%s", f->detail);
}

static void server_open(duet_conn *c)
{
    told.server_resumed += duet_tls_resumed(c);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static void make_files(void)
{
    memset(&told, 0, sizeof(told));
    client = NULL;
    server = NULL;
    tls = NULL;
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(cert_path, sizeof(cert_path), "%s/cert", folder);
    snprintf(key_path, sizeof(key_path), "%s/key", folder);
    cert_make(cert_path, key_path, "DNS:a.test,DNS:b.test");
}

static void remove_files(void)
{
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
}

static void begin(void)
{
    char why[200] = "";
    make_files();
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(duet_tls_new(&tls, (const char *[]){ cert_path }, (const char *[]){ key_path }, 1, why), 0);
    duet_server_config c = { DUET_SERVER_CONFIG_INIT, .listen = "wss://127.0.0.1:0",
                             .on = { .open = server_open, .message = echo }, .tls = tls };
    assert_int_equal(duet_server_new(&server, &c, why), 0);
    assert_int_equal(duet_server_attach(server, loop), 0);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%u", duet_server_port(server, 0));
}

static void end(void)
{
    duet_client_free(client);
    duet_server_free(server);
    duet_tls_free(tls);
    duet_loop_free(loop);
    remove_files();
}

static duet_client_config config(void)
{
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT,
                                 .url = url,
                                 .on = { .open = on_open, .message = on_message, .close = on_close },
                                 .failed = on_failed,
                                 .ca = cert_path,
                                 .tls_name = "a.test" };
}

/* How often a client that is lost three times resumes. */
static void come_back(int version, bool insecure)
{
    begin();
    duet_client_config c = config();
    c.retry = true;
    c.retry_first_ms = c.retry_most_ms = 1;
    c.insecure = insecure;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    SSL_CTX_set_max_proto_version(client->tls, version);
    for (unsigned i = 1; i <= 4; i++) {
        TURN_UNTIL(told.messages == i);
        assert_int_equal(told.resumed, i - 1);
        assert_int_equal(told.server_resumed, i - 1);
        /* Lost, as by a cable. */
        conn_kill(duet_client_conn(client), DUET_ERR_EOF);
        TURN_UNTIL(told.closed == i);
    }
    end();
    assert_int_equal(told.failed, 0);
}

TEST(client_resume, a_client_that_comes_back_resumes_over_tls_1_3)
{
    come_back(TLS1_3_VERSION, false);
}

TEST(client_resume, a_client_that_comes_back_resumes_over_tls_1_2)
{
    come_back(TLS1_2_VERSION, false);
}

TEST(client_resume, an_insecure_one_too)
{
    come_back(TLS1_3_VERSION, true);
}

/* Another client has nothing of the first, whatever its settings. */
TEST(client_resume, sessions_are_not_shared)
{
    begin();
    for (unsigned i = 1; i <= 2; i++) {
        duet_client_config c = config();
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        TURN_UNTIL(told.messages == i);
        duet_client_free(client);
        client = NULL;
    }
    assert_int_equal(told.resumed, 0);
    end();
}

/* OpenSSL alone: a client's context, a server's, and their bytes in memory. */
struct ends {
    SSL_CTX *context, *server_context;
    SSL *ours, *theirs;
    struct tls_verdict verdict;
};

static void ends_init(struct ends *e)
{
    char why[200];
    make_files();
    assert_int_equal(tls_client_new(&e->context, &(struct tls_client_options){ .ca = cert_path }, why), 0);
    e->server_context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_chain_file(e->server_context, cert_path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(e->server_context, key_path, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_set_session_id_context(e->server_context, (const unsigned char *)"x", 1), 1);
}

static void ends_read(struct ends *e)
{
    char byte;
    for (int i = 0; i < 4; i++) {
        SSL_read(e->theirs, &byte, 1);
        SSL_read(e->ours, &byte, 1);
    }
    ERR_clear_error();
}

/* Whether it was resumed. */
static bool ends_meet(struct ends *e, const char *name, bool stranger)
{
    BIO *to, *from;
    e->ours = tls_connect(e->context, name, stranger, &e->verdict);
    assert_non_null(e->ours);
    e->theirs = SSL_new(e->server_context);
    SSL_set_accept_state(e->theirs);
    assert_int_equal(BIO_new_bio_pair(&to, 1 << 20, &from, 1 << 20), 1);
    SSL_set_bio(e->ours, to, to);
    SSL_set_bio(e->theirs, from, from);
    ends_read(e);
    assert_true(SSL_is_init_finished(e->ours));
    assert_true(SSL_is_init_finished(e->theirs));
    assert_int_equal(SSL_session_reused(e->ours), SSL_session_reused(e->theirs));
    assert_int_equal(SSL_get_early_data_status(e->ours), SSL_EARLY_DATA_NOT_SENT);
    return SSL_session_reused(e->ours);
}

static void ends_part(struct ends *e)
{
    SSL_set_shutdown(e->ours, SSL_SENT_SHUTDOWN); /* as stream_tls.c */
    SSL_free(e->ours);
    SSL_free(e->theirs);
}

static void ends_fini(struct ends *e)
{
    SSL_CTX_free(e->context);
    SSL_CTX_free(e->server_context);
    remove_files();
}

TEST(client_resume, a_session_is_for_its_name_and_for_nobody_it_was_not_meant_for)
{
    struct ends e;
    static const struct {
        const char *name;
        bool stranger, resumes;
    } rows[] = {
        { "a.test", false, false }, { "a.test", false, true }, { "b.test", false, false }, { "b.test", false, true },
        { "a.test", false, false }, { "a.test", true, false }, { "a.test", true, true },   { "a.test", false, true },
        { "b.test", true, false },  { "a.test", true, false }, { "a.test", false, true },
    };
    ends_init(&e);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (ends_meet(&e, rows[i].name, rows[i].stranger) != rows[i].resumes)
            fail_msg("row %zu", i);
        ends_part(&e);
    }
    ends_fini(&e);
}

/* RFC 8446 C.4: whoever watches must not know a client by its ticket. */
TEST(client_resume, a_ticket_of_tls_1_3_is_used_once_and_a_session_of_1_2_again)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct ends e;
        struct tls_verdict v;
        ends_init(&e);
        SSL_CTX_set_max_proto_version(e.context, version);
        assert_false(ends_meet(&e, "a.test", false));
        ends_part(&e);
        SSL *second = tls_connect(e.context, "a.test", false, &v), *third = tls_connect(e.context, "a.test", false, &v);
        assert_non_null(SSL_get_session(second));
        if (version == TLS1_3_VERSION)
            assert_null(SSL_get_session(third));
        else
            assert_ptr_equal(SSL_get_session(third), SSL_get_session(second));
        SSL_free(second);
        SSL_free(third);
        ends_fini(&e);
    }
}

TEST(client_resume, a_session_whose_certificate_has_expired_meanwhile_is_not_offered)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct ends e;
        struct tls_verdict v;
        ends_init(&e);
        SSL_CTX_set_max_proto_version(e.context, version);
        assert_false(ends_meet(&e, "a.test", false));
        X509_gmtime_adj(X509_getm_notAfter(SSL_SESSION_get0_peer(SSL_get_session(e.ours))), -60);
        ends_part(&e);
        SSL *next = tls_connect(e.context, "a.test", false, &v);
        assert_null(SSL_get_session(next));
        SSL_free(next);
        ends_fini(&e);
    }
}

/* The sanitizers have an allocator of their own. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static size_t allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    return mallinfo2().uordblks;
}

TEST(client_resume, a_thousand_tickets_need_no_more_memory_than_one)
{
    struct ends e;
    ends_init(&e);
    SSL_CTX_set_session_cache_mode(e.server_context, SSL_SESS_CACHE_OFF);
    assert_false(ends_meet(&e, "a.test", false));
    size_t before = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(SSL_new_session_ticket(e.theirs), 1);
        ends_read(&e);
        if (i == 10)
            before = allocated();
    }
    assert_in_range(allocated(), before - 4096, before + 4096);
    ends_part(&e);
    ends_fini(&e);
}

/* The pin of a PEM certificate. */
static const char *pin_of(const char *path)
{
    static char pins[4][TLS_PIN_TEXT];
    static unsigned next;
    char *pin = pins[next++ % 4];
    unsigned char digest[32], *der = NULL;
    FILE *f = fopen(path, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    SHA256(der, (size_t)len, digest);
    base64_encode(pin, digest, sizeof(digest));
    OPENSSL_free(der);
    X509_free(x);
    return pin;
}

static uint64_t requests(void)
{
    static duet_server_stats stats;
    duet_server_read_stats(server, &stats);
    return stats.requests;
}

static void expect_refused(const char *says)
{
    TURN_UNTIL(told.messages || told.failed);
    if (!told.failed || told.error != DUET_ERR_TLS || !told.final || strstr(told.detail, says) == NULL)
        fail_msg("%d %s", told.error, told.detail);
    for (int i = 0; i < 5; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(requests(), 0);
}

static const char other_pin[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

TEST(client_resume, a_pinned_key_is_found_in_each_way_of_writing_it)
{
    static const char *const forms[] = { "%s", "sha256/%s", "sha256//%s" };
    for (unsigned i = 0; i < 6; i++) {
        char pin[80];
        begin();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(pin, sizeof(pin), forms[i % 3], pin_of(cert_path));
#pragma GCC diagnostic pop
        const char *const pins[] = { other_pin, pin, NULL };
        duet_client_config c = config();
        c.pins = pins;
        c.retry = true;
        c.retry_first_ms = c.retry_most_ms = 1;
        if (i >= 3) { /* alone */
            c.insecure = true;
            c.ca = c.tls_name = NULL;
        }
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        TURN_UNTIL(told.messages || told.failed);
        assert_int_equal(told.messages, 1);
        conn_kill(duet_client_conn(client), DUET_ERR_EOF);
        TURN_UNTIL(told.messages == 2);
        assert_int_equal(told.resumed, 1);
        end();
    }
}

TEST(client_resume, tls_9_another_key_than_the_pinned_ones_is_refused_before_any_byte)
{
    for (int insecure = 0; insecure < 2; insecure++)
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            char says[80];
            const char *const pins[] = { other_pin, NULL };
            begin();
            duet_client_config c = config();
            c.pins = pins;
            c.insecure = insecure;
            c.retry = true; /* for nothing */
            assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
            SSL_CTX_set_max_proto_version(client->tls, version);
            snprintf(says, sizeof(says), "none of the pinned ones, but sha256/%s", pin_of(cert_path));
            expect_refused(says);
            end();
        }
}

TEST(client_resume, tls_9_a_pin_is_no_substitute_for_chain_and_name)
{
    for (int chain = 0; chain < 2; chain++) {
        begin();
        const char *const pins[] = { pin_of(cert_path), NULL };
        duet_client_config c = config();
        c.pins = pins;
        if (chain)
            c.ca = NULL;
        else
            c.tls_name = "c.test";
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        expect_refused(chain ? "self-signed" : "not for the name c.test");
        end();
    }
}

/* A certificate for a.test by an authority, which comes with it. */
static void make_chain(const char *ca_path)
{
    char ca_key_path[80];
    snprintf(ca_key_path, sizeof(ca_key_path), "%s/ca-key", folder);
    cert_make(ca_path, ca_key_path, "DNS:authority.test");
    FILE *f = fopen(ca_key_path, "r");
    EVP_PKEY *ca_key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    f = fopen(ca_path, "r");
    X509 *ca = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    f = fopen(cert_path, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(ca, e, -1);
    X509_EXTENSION_free(e);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN", MBSTRING_ASC, (const unsigned char *)"CA", -1, -1, 0);
    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    X509_sign(ca, ca_key, EVP_sha256());
    X509_set_issuer_name(x, X509_get_subject_name(ca));
    X509_sign(x, ca_key, EVP_sha256());
    f = fopen(cert_path, "w");
    PEM_write_X509(f, x);
    PEM_write_X509(f, ca);
    fclose(f);
    f = fopen(ca_path, "w");
    PEM_write_X509(f, ca);
    fclose(f);
    unlink(ca_key_path);
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

/* Anybody can send an authority's certificate along: a pin is of the key that the server proves to have. */
TEST(client_resume, tls_9_a_pin_of_the_authority_does_not_count)
{
    char ca_path[80];
    for (int insecure = 0; insecure < 2; insecure++) {
        begin();
        snprintf(ca_path, sizeof(ca_path), "%s/ca", folder);
        make_chain(ca_path);
        assert_int_equal(duet_tls_reload(tls, NULL), 0);
        const char *const pins[] = { pin_of(ca_path), NULL }, *const right[] = { pin_of(cert_path), NULL };
        duet_client_config c = config();
        c.ca = ca_path;
        c.pins = right;
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        TURN_UNTIL(told.messages || told.failed);
        assert_int_equal(told.messages, 1);
        duet_client_free(client);
        memset(&told, 0, sizeof(told));
        uint64_t before = requests();
        c.pins = pins;
        c.insecure = insecure;
        assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
        TURN_UNTIL(told.messages || told.failed);
        assert_int_equal(told.error, DUET_ERR_TLS);
        assert_int_equal(requests(), before);
        end();
        unlink(ca_path);
        rmdir(folder);
    }
}

TEST(client_resume, what_is_no_pin_is_an_error_at_once)
{
    static const char *const bad[] = {
        "", "sha256/", "sha256//", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 43 characters */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* tail bits */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 33 bytes */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256///AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    char why[200];
    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *const pins[] = { other_pin, bad[i], NULL };
        duet_client_config c = config();
        c.pins = pins;
        if (duet_connect(&client, loop, &c, why) != DUET_ERR_INVALID)
            fail_msg("'%s' is taken", bad[i]);
        assert_non_null(strstr(why, "pin"));
    }
    const char *const none[] = { NULL }, *const good[] = { other_pin, NULL };
    duet_client_config c = config();
    c.pins = none;
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
    c.pins = good;
    c.url = "ws://127.0.0.1:1";
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
    client = NULL;
    end();
}

TEST(client_resume, mem_1_each_allocation_fails_once_while_it_comes_back)
{
    for (unsigned long after = 0, asked_for = 1; after <= asked_for; after++) {
        begin();
        const char *const pins[] = { pin_of(cert_path), NULL };
        duet_client_config c = config();
        c.pins = pins;
        c.retry = true;
        c.retry_first_ms = c.retry_most_ms = 1;
        mem_fail(after, false);
        int rc = duet_connect(&client, loop, &c, NULL);
        for (int i = 0; i < 400 && rc == 0 && told.opened < 2; i++) {
            duet_loop_turn(loop, 5);
            if (told.messages == 1 && told.opened == 1 && duet_client_conn(client) != NULL)
                conn_kill(duet_client_conn(client), DUET_ERR_EOF);
        }
        asked_for = mem_fail_end();
        if (rc < 0)
            client = NULL;
        else
            assert_true(told.opened == 2 || told.failed || told.closed);
        end();
    }
}
