/* SPDX-License-Identifier: MIT */
/* Many clients of one loop: what they share, and the addresses that they come from. */
#include "test.h"
#include "base/mem.h"
#include "cert.h"
#include "client/client.h"
#include <duet/duet.h>
#include <errno.h>
#include <unistd.h>

enum { TURNS = 2000, MANY = 20 };

static duet_loop *loop;
static duet_server *server;
static char url[80], folder[] = "/tmp/duet-group-XXXXXX", cert_path[64], key_path[64], copy_path[64];
static char peer[64]; /* as the server sees it */

static struct {
    unsigned opened, closed, failed, messages;
    int error;
} told;

static void server_open(duet_conn *c)
{
    duet_peer(c, peer);
}

static void echo(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static void on_open(duet_conn *c)
{
    told.opened++;
    duet_send(c, DUET_TEXT, "ping", 4);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    (void)c;
    told.messages += m->len == 4 && memcmp(m->data, "ping", 4) == 0;
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
}

static void begin(duet_tls *tls)
{
    char why[200];
    memset(&told, 0, sizeof(told));
    memset(peer, 0, sizeof(peer));
    assert_int_equal(duet_loop_new(&loop), 0);
    duet_server_config c = { DUET_SERVER_CONFIG_INIT, .listen = tls ? "wss://127.0.0.1:0" : "ws://127.0.0.1:0",
                             .on = { .open = server_open, .message = echo }, .tls = tls };
    if (duet_server_new(&server, &c, why) < 0)
        fail_msg("%s", why);
    assert_int_equal(duet_server_attach(server, loop), 0);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u", tls ? "wss" : "ws", duet_server_port(server, 0));
}

static void end(void)
{
    duet_server_free(server);
    duet_loop_free(loop);
}

static duet_client_config config(void)
{
    return (duet_client_config){ DUET_CLIENT_CONFIG_INIT, .url = url,
                                 .on = { .open = on_open, .message = on_message, .close = on_close },
                                 .failed = on_failed };
}

static void turn_until(const unsigned *count, unsigned wanted)
{
    for (unsigned i = 0; i < TURNS && *count < wanted && told.failed == 0; i++)
        duet_loop_turn(loop, 10);
}

/* The address that a client comes from when its config says `from`. */
static void expect_from(const char *from, const char *seen)
{
    char text[40];
    duet_client *client;
    begin(NULL);
    duet_client_config c = config();
    snprintf(text, sizeof(text), "%s", from);
    c.bind_address = text;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    memset(text, 'x', sizeof(text) - 1); /* copied */
    turn_until(&told.messages, 1);
    assert_int_equal(told.messages, 1);
    assert_memory_equal(peer, seen, strlen(seen));
    duet_client_free(client);
    end();
}

static void expect_no_way_from(const char *from, int error)
{
    duet_client *client;
    begin(NULL);
    duet_client_config c = config();
    c.bind_address = from;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    turn_until(&told.opened, 1);
    assert_int_equal(told.failed, 1);
    assert_int_equal(told.error, error);
    duet_client_free(client);
    end();
}

TEST(group, a_client_comes_from_the_address_it_is_told)
{
    expect_from("127.0.0.7", "127.0.0.7:");
    expect_from("127.3.2.1", "127.3.2.1:");
    expect_from("0.0.0.0", "127.0.0.1:"); /* any */
}

TEST(group, an_address_that_does_not_fit_is_no_way)
{
    expect_no_way_from("192.0.2.1", -EADDRNOTAVAIL); /* nobody's (RFC 5737) */
    expect_no_way_from("::1", -EAFNOSUPPORT);
}

TEST(group, what_is_no_address_is_refused_at_once)
{
    static const char *const bad[] = { "", "localhost", "127.0.0.1:80", "127.1", "1.2.3.4.5", "::1%lo", "::g" };
    char why[200];
    begin(NULL);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        duet_client *client;
        duet_client_config c = config();
        c.bind_address = bad[i];
        assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
        assert_non_null(strstr(why, "bind_address"));
    }
    end();
}

TEST(group, an_older_caller_has_neither)
{
    duet_client *client;
    begin(NULL);
    duet_client_config c = config();
    c.size = offsetof(duet_client_config, bind_address);
    c.bind_address = "nonsense";
    c.group = (duet_client_group *)(uintptr_t)1;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    turn_until(&told.messages, 1);
    assert_int_equal(told.messages, 1);
    duet_client_free(client);
    end();
}

TEST(group, many_share_and_outlive_the_name_of_it)
{
    duet_client *clients[MANY];
    duet_client_group *group;
    begin(NULL);
    assert_int_equal(duet_client_group_new(&group, loop), 0);
    duet_client_config c = config();
    c.group = group;
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(duet_connect(&clients[i], loop, &c, NULL), 0);
        assert_ptr_equal(clients[i]->host.home.chunks, clients[0]->host.home.chunks);
    }
    duet_client_group_free(group);
    turn_until(&told.messages, MANY);
    assert_int_equal(told.messages, MANY);
    for (unsigned i = 0; i < MANY; i++)
        duet_client_free(clients[i]);
    assert_int_equal(told.closed, MANY);
    end();
    duet_client_group_free(NULL);
}

TEST(group, of_another_loop_is_refused)
{
    char why[200];
    duet_loop *other;
    duet_client_group *group;
    duet_client *client;
    begin(NULL);
    assert_int_equal(duet_loop_new(&other), 0);
    assert_int_equal(duet_client_group_new(&group, other), 0);
    duet_client_config c = config();
    c.group = group;
    assert_int_equal(duet_connect(&client, loop, &c, why), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "another loop"));
    duet_client_group_free(group);
    duet_loop_free(other);
    end();
}

static duet_tls *make_certificate(void)
{
    duet_tls *tls;
    const char *certs[] = { cert_path }, *keys[] = { key_path };
    char why[200];
    assert_non_null(mkdtemp(folder));
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", folder);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
    snprintf(copy_path, sizeof(copy_path), "%s/copy.pem", folder);
    cert_make(cert_path, key_path, "IP:127.0.0.1");
    assert_int_equal(link(cert_path, copy_path), 0);
    if (duet_tls_new(&tls, certs, keys, 1, why) < 0)
        fail_msg("%s", why);
    return tls;
}

/* Whom a client of the group trusts. */
static const X509_STORE *trust_with(duet_client_group *group, const char *ca, bool insecure)
{
    duet_client *client;
    duet_client_config c = config();
    c.group = group;
    c.ca = ca;
    c.insecure = insecure;
    assert_int_equal(duet_connect(&client, loop, &c, NULL), 0);
    const X509_STORE *trust = SSL_CTX_get_cert_store(client->tls);
    duet_client_free(client);
    return trust;
}

TEST(group, certificates_are_read_once_for_all_that_name_the_same)
{
    duet_client *clients[2];
    duet_client_group *group;
    duet_tls *tls = make_certificate();
    begin(tls);
    assert_int_equal(duet_client_group_new(&group, loop), 0);
    duet_client_config c = config();
    c.group = group;
    c.ca = cert_path;
    assert_int_equal(duet_connect(&clients[0], loop, &c, NULL), 0);
    /* The same name, the file is not looked at again. */
    assert_int_equal(unlink(cert_path), 0);
    assert_int_equal(duet_connect(&clients[1], loop, &c, NULL), 0);
    const X509_STORE *trust = SSL_CTX_get_cert_store(clients[0]->tls);
    assert_ptr_equal(SSL_CTX_get_cert_store(clients[1]->tls), trust);
    assert_ptr_not_equal(clients[0]->tls, clients[1]->tls); /* sessions are each one's own */
    /* Others have others': who trusts anybody must not lend that to who does not, nor the other way round. */
    assert_ptr_not_equal(trust_with(group, copy_path, false), trust);
    assert_ptr_not_equal(trust_with(group, NULL, false), trust);
    assert_ptr_not_equal(trust_with(group, NULL, true), trust);
    assert_ptr_not_equal(trust_with(group, cert_path, true), trust);
    memset(&told, 0, sizeof(told));
    turn_until(&told.messages, 2);
    assert_int_equal(told.messages, 2);
    duet_client_free(clients[0]);
    duet_client_free(clients[1]);
    duet_client_group_free(group);
    end();
    duet_tls_free(tls);
    unlink(copy_path);
    unlink(key_path);
    rmdir(folder);
}

TEST(group, without_memory_nothing_is_lost)
{
    for (unsigned long after = 0;; after++) {
        duet_client_group *group = NULL;
        duet_client *clients[2] = { NULL };
        begin(NULL);
        duet_client_config c = config();
        mem_fail(after, false);
        int rc = duet_client_group_new(&group, loop);
        c.group = group;
        for (unsigned i = 0; i < 2 && rc == 0; i++)
            rc = duet_connect(&clients[i], loop, &c, NULL);
        unsigned long asked_for = mem_fail_end();
        assert_true(rc == 0 || rc == DUET_ERR_NOMEM);
        if (asked_for <= after)
            assert_int_equal(rc, 0);
        duet_client_group_free(group);
        duet_client_free(clients[0]);
        duet_client_free(clients[1]);
        end();
        if (asked_for <= after)
            break;
    }
}

TEST(group, without_memory_for_its_name_nothing_is_shared)
{
    static const char ca[] = "/etc/ssl/certs/ca-certificates.crt";
    SSL_CTX *tls;
    char why[200];
    for (unsigned long after = 0;; after++) {
        duet_client_group *group;
        assert_int_equal(duet_client_group_new(&group, NULL), 0);
        mem_fail(after, false);
        int rc = group_tls(group, &tls, &(struct tls_client_options){ .ca = ca }, why);
        unsigned long asked_for = mem_fail_end();
        assert_true(rc == 0 || rc == DUET_ERR_NOMEM);
        assert_true((group->trust != NULL) == (asked_for <= after));
        if (rc == 0)
            SSL_CTX_free(tls);
        duet_client_group_free(group);
        if (asked_for <= after)
            break;
    }
}
