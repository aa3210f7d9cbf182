/* SPDX-License-Identifier: MIT */
/* MEM-1 below us: each allocation of OpenSSL fails in turn. What cannot be made is an error with its line of words,
 * nothing is half made, and the next try, with memory, is as good as ever. */
#include "cert.h"
#include "net/tls.h"
#include "net/tls_client.h"
#include "test.h"
#include <openssl/crypto.h>
#include <unistd.h>

enum { STEP_MOST = 16 };

static bool failing;
static unsigned long asked, fails_at;

static bool may_have(void)
{
    return !failing || asked++ != fails_at;
}

static void *their_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return may_have() ? malloc(n) : NULL;
}

static void *their_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return may_have() ? realloc(p, n) : NULL;
}

static void their_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

__attribute__((constructor)) static void before_openssl_allocates(void)
{
    if (CRYPTO_set_mem_functions(their_malloc, their_realloc, their_free) != 1)
        abort();
}

static char dir[32], cert[48], key[48];

static void make_files(void)
{
    strcpy(dir, "/tmp/duet-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    cert_make(cert, key, "DNS:one.example");
}

static void drop_files(void)
{
    unlink(cert);
    unlink(key);
    rmdir(dir);
}

static duet_tls *server;
static SSL_CTX *context;
static struct tls_verdict verdict;

static int make_server(char *why)
{
    const char *certs[] = { cert }, *keys[] = { key };
    duet_tls *t = NULL;
    int rc = duet_tls_new(&t, certs, keys, 1, why);
    assert_int_equal(t != NULL, rc == 0);
    duet_tls_free(t);
    return rc;
}

static int accept_one(char *why)
{
    SSL *ssl = tls_accept(server);
    strcpy(why, "no memory");
    SSL_free(ssl);
    return ssl != NULL ? 0 : DUET_ERR_NOMEM;
}

static int make_client(char *why)
{
    static const char *const pins[] = { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NULL };
    struct tls_client_options o = { .ca = cert, .cert = cert, .key = key, .pins = pins };
    SSL_CTX *c = NULL;
    int rc = tls_client_new(&c, &o, why);
    assert_int_equal(c != NULL, rc == 0);
    SSL_CTX_free(c);
    return rc;
}

static int connect_one(char *why)
{
    SSL *ssl = tls_connect(context, "one.example", false, &verdict);
    strcpy(why, "no memory");
    SSL_free(ssl);
    return ssl != NULL ? 0 : DUET_ERR_NOMEM;
}

TEST(tls, mem_1_each_allocation_of_openssl_fails_in_turn)
{
    static const struct {
        const char *name;
        int (*run)(char *why);
    } rows[] = {
        { "a server", make_server }, { "a newcomer", accept_one }, { "a client", make_client },
        { "a connection", connect_one },
    };
    char why[200];
    make_files();
    const char *certs[] = { cert }, *keys[] = { key };
    assert_int_equal(duet_tls_new(&server, certs, keys, 1, why), 0);
    assert_int_equal(tls_client_new(&context, &(struct tls_client_options){ .ca = cert }, why), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        unsigned failed = 0;
        assert_int_equal(rows[i].run(why), 0); /* what OpenSSL makes once is there */
        unsigned long step = 1;
        for (fails_at = 0, asked = 1; fails_at < asked; fails_at += step) {
            asked = 0;
            failing = true;
            why[0] = 0;
            int rc = rows[i].run(why);
            failing = false;
            /* OpenSSL reads a file in many ways until one fits: thousands of allocations whose failure is no harm. */
            step = rc < 0 ? 1 : step < STEP_MOST ? 2 * step : STEP_MOST;
            if (rc == 0)
                continue;
            failed++;
            if (why[0] == 0)
                fail_msg("%s: no words for error %d, allocation %lu", rows[i].name, rc, fails_at);
        }
        assert_true(failed >= 3);
        assert_int_equal(rows[i].run(why), 0);
    }
    SSL_CTX_free(context);
    duet_tls_free(server);
    drop_files();
}
