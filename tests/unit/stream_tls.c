/* SPDX-License-Identifier: MIT */
/*
 * The server's side is the stream over a real socket; the client is OpenSSL over memory, and pump() carries its bytes
 * to and from the other end of the socket, as many at a time as the test wants.
 */
#include "test.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cert.h"
#include "net/stream_tls.h"
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 3 * 1024 * 1024 };

static char dir[32];
static char files[8][48]; /* cert, key, cert, key, ... */

static void make_files(void)
{
    static const char *const names[] = { "DNS:one.example,DNS:*.wild.example", "DNS:two.example", "IP:127.0.0.1" };
    strcpy(dir, "/tmp/duet-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 8; i++)
        snprintf(files[i], sizeof(files[i]), "%s/%d.pem", dir, i);
    for (int i = 0; i < 3; i++)
        cert_make(files[2 * i], files[2 * i + 1], names[i]);
}

static void drop_files(void)
{
    for (int i = 0; i < 8; i++)
        unlink(files[i]);
    rmdir(dir);
}

static duet_tls *make_tls(size_t count)
{
    const char *certs[] = { files[0], files[2], files[4] }, *keys[] = { files[1], files[3], files[5] };
    duet_tls *t = NULL;
    char why[200] = "";
    if (duet_tls_new(&t, certs, keys, count, why) != 0)
        fail_msg("%s", why);
    return t;
}

struct pair {
    duet_loop *loop;
    duet_tls *tls;
    SSL_CTX *context;
    SSL *client;
    BIO *in, *out; /* what the client reads and writes */
    int fd;        /* the client's end */
    struct stream s;
};

static void connect_pair(struct pair *p)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    p->fd = ends[1];
    p->s = (struct stream){ .watch.fd = ends[0], .as = &stream_tcp };
    assert_int_equal(stream_tls_start(&p->s, p->loop, tls_accept(p->tls)), 0);
    p->client = SSL_new(p->context);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->client, p->in, p->out);
    SSL_set_connect_state(p->client);
}

static void open_pair(struct pair *p, size_t certificates)
{
    *p = (struct pair){ 0 };
    make_files();
    p->tls = make_tls(certificates);
    p->context = SSL_CTX_new(TLS_client_method());
    assert_int_equal(duet_loop_new(&p->loop), 0);
    connect_pair(p);
}

static void disconnect_pair(struct pair *p)
{
    SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN); /* else OpenSSL takes its session for a bad one */
    SSL_free(p->client);
    p->s.as->ops->close(&p->s, p->s.watch.fd);
    if (p->fd >= 0)
        close(p->fd);
}

static void close_pair(struct pair *p)
{
    disconnect_pair(p);
    SSL_CTX_free(p->context);
    duet_tls_free(p->tls);
    duet_loop_free(p->loop);
    drop_files();
}

/* Carries at most `most` bytes each way; how many it carried. */
static size_t pump(struct pair *p, size_t most)
{
    static char buffer[64 * 1024];
    size_t carried = 0, room = most < sizeof(buffer) ? most : sizeof(buffer);
    char *data;
    long have = BIO_get_mem_data(p->out, &data);
    ssize_t n = send(p->fd, data, (size_t)have < room ? (size_t)have : room, MSG_NOSIGNAL);
    if (n > 0)
        carried += (size_t)BIO_read(p->out, buffer, (int)n);
    n = recv(p->fd, buffer, room, 0);
    if (n > 0)
        carried += (size_t)BIO_write(p->in, buffer, (int)n);
    return carried;
}

/* 1 when both are done, or the server's error. */
static int shake(struct pair *p, size_t cut)
{
    int ours = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t want = 0;
        ERR_clear_error();
        int theirs = SSL_do_handshake(p->client);
        size_t carried = pump(p, cut);
        if (ours == 0 && (ours = p->s.as->ops->handshake(&p->s, &want)) < 0)
            return ours;
        assert_true(ours == 1 || (want & LOOP_IN));
        if (p->s.as->ops->pending(&p->s))
            p->s.as->ops->write(&p->s, NULL, 0);
        if (ours == 1 && theirs == 1 && carried == 0)
            return 1;
    }
    return 0;
}

static void client_send(struct pair *p, const char *text)
{
    assert_int_equal(SSL_write(p->client, text, (int)strlen(text)), strlen(text));
    while (BIO_ctrl_pending(p->out) > 0)
        pump(p, SIZE_MAX);
}

/* The server asks for `size` bytes and gets `text`. */
static void expect_read(struct pair *p, size_t size, const char *text)
{
    char got[256];
    assert_int_equal(p->s.as->ops->read(&p->s, got, size), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

static void server_send(struct pair *p, const char *text)
{
    struct iovec part = { .iov_base = (void *)text, .iov_len = strlen(text) };
    assert_int_equal(p->s.as->ops->write(&p->s, &part, 1), strlen(text));
}

static void expect_client(struct pair *p, const char *text)
{
    char got[256];
    pump(p, SIZE_MAX);
    assert_int_equal(SSL_read(p->client, got, sizeof(got)), strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

TEST(stream_tls, carries_bytes_both_ways_and_owns_nothing_when_idle)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    assert_string_equal(SSL_get_version(p.client), "TLSv1.3");
    char byte;
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), -EAGAIN);
    client_send(&p, "hello");
    expect_read(&p, 200, "hello");
    server_send(&p, "world");
    expect_client(&p, "world");
    assert_int_equal(p.s.as->ops->write(&p.s, NULL, 0), 0);
    assert_false(p.s.as->ops->pending(&p.s));
    assert_false(p.s.as->ops->buffered(&p.s));
    close_pair(&p);
}

TEST(stream_tls, what_is_written_together_leaves_in_one_record)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    struct iovec parts[100];
    char got[2000];
    for (int i = 0; i < 100; i++)
        parts[i] = (struct iovec){ .iov_base = "0123456789", .iov_len = 10 };
    assert_int_equal(p.s.as->ops->write(&p.s, parts, 100), 1000);
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 5 + 1000 + 1 + 16); /* head, bytes, type, tag */
    close_pair(&p);
}

TEST(stream_tls, net_4_a_byte_at_a_time_makes_no_difference)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, 1), 1);
    assert_int_equal(SSL_write(p.client, "hello", 5), 5);
    char got[16];
    ssize_t n;
    do {
        pump(&p, 1);
        n = p.s.as->ops->read(&p.s, got, sizeof(got));
        assert_true(n == -EAGAIN || n == 5);
        assert_false(p.s.as->ops->buffered(&p.s));
    } while (n < 0);
    assert_memory_equal(got, "hello", 5);
    close_pair(&p);
}

static unsigned char big[BIG], back[BIG];

/* Sends all of big[] to the client, in parts of odd sizes. `updates`: the client asks for new keys meanwhile. */
static void send_big(struct pair *p, size_t cut, bool updates)
{
    size_t sent = 0, got = 0, n;
    bool was_pending = false;
    for (int round = 0; got < BIG; round++) {
        size_t left = BIG - sent, head = left < 7 ? left : 7;
        struct iovec parts[] = { { .iov_base = big + sent, .iov_len = head },
                                 { .iov_base = NULL, .iov_len = 0 },
                                 { .iov_base = big + sent + head, .iov_len = left - head } };
        ssize_t w = left > 0 ? p->s.as->ops->write(&p->s, parts, 3) : p->s.as->ops->write(&p->s, NULL, 0);
        assert_true(w == -EAGAIN || (w >= 0 && (size_t)w <= left));
        assert_int_equal(w == -EAGAIN, p->s.as->ops->pending(&p->s) && w <= 0);
        sent += w > 0 ? (size_t)w : 0;
        was_pending = was_pending || p->s.as->ops->pending(&p->s);
        if (updates && round % 50 == 0 && round < 2000)
            SSL_key_update(p->client, SSL_KEY_UPDATE_REQUESTED);
        pump(p, cut);
        while (got < BIG && SSL_read_ex(p->client, back + got, BIG - got, &n) == 1)
            got += n;
        if (updates) {
            SSL_do_handshake(p->client);
            char byte;
            assert_int_equal(p->s.as->ops->read(&p->s, &byte, 1), -EAGAIN);
        }
    }
    assert_true(was_pending);
    assert_int_equal(sent, BIG);
    assert_memory_equal(back, big, BIG);
    assert_false(p->s.as->ops->pending(&p->s));
}

static void fill_big(void)
{
    for (uint32_t i = 0, x = 1; i < BIG; i++) {
        x = x * 1664525 + 1013904223;
        big[i] = (unsigned char)(x >> 24);
    }
}

TEST(stream_tls, tls_6_a_big_message_passes_a_slow_reader)
{
    struct pair p;
    open_pair(&p, 1);
    fill_big();
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    send_big(&p, 5000, false);
    close_pair(&p);
}

TEST(stream_tls, tls_6_the_peers_key_updates_come_between_the_parts_of_a_big_message)
{
    struct pair p;
    open_pair(&p, 1);
    fill_big();
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    send_big(&p, 9000, true);
    close_pair(&p);
}

TEST(stream_tls, tls_7_a_big_message_is_read_whole_whatever_the_size_of_the_reads)
{
    static const size_t sizes[] = { 100, 4096, 20000, LOOP_RECV };
    fill_big();
    for (size_t i = 0; i < 4; i++) {
        struct pair p;
        open_pair(&p, 1);
        assert_int_equal(shake(&p, SIZE_MAX), 1);
        size_t sent = 0, got = 0;
        enum { ALL = BIG / 6 };
        while (got < ALL) {
            size_t n;
            if (sent < ALL && SSL_write_ex(p.client, big + sent, ALL - sent < 60000 ? ALL - sent : 60000, &n) == 1)
                sent += n;
            while (BIO_ctrl_pending(p.out) > 0 && pump(&p, SIZE_MAX) > 0)
                ;
            do {
                ssize_t r = p.s.as->ops->read(&p.s, back + got, sizes[i] < BIG - got ? sizes[i] : BIG - got);
                assert_true(r == -EAGAIN || (r > 0 && (size_t)r <= sizes[i]));
                got += r > 0 ? (size_t)r : 0;
            } while (p.s.as->ops->buffered(&p.s));
        }
        assert_memory_equal(back, big, ALL);
        close_pair(&p);
    }
}

TEST(stream_tls, tls_7_what_waits_in_the_tls_layer_is_said_to_wait)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    client_send(&p, "onetwothree");
    expect_read(&p, 3, "one");
    assert_true(p.s.as->ops->buffered(&p.s)); /* the rest of a record */
    expect_read(&p, 200, "twothree");
    assert_false(p.s.as->ops->buffered(&p.s));
    client_send(&p, "three");
    client_send(&p, "four");
    expect_read(&p, 5, "three");
    assert_true(p.s.as->ops->buffered(&p.s)); /* a record that was received and not looked at */
    expect_read(&p, 4, "four");
    char byte;
    while (p.s.as->ops->buffered(&p.s))
        assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), -EAGAIN);
    close_pair(&p);
}

TEST(stream_tls, tls_1_plain_http_is_an_error_that_says_so)
{
    struct pair p;
    open_pair(&p, 1);
    uint32_t want;
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(p.fd, get, sizeof(get) - 1, 0), sizeof(get) - 1);
    assert_int_equal(p.s.as->ops->handshake(&p.s, &want), DUET_ERR_TLS);
    assert_string_equal(stream_tls_reason(&p.s), "http request");
    assert_int_equal(p.s.as->ops->handshake(&p.s, &want), DUET_ERR_TLS);
    assert_int_equal(ERR_peek_error(), 0);
    close_pair(&p);
}

TEST(stream_tls, tls_3_4_it_can_be_closed_at_any_byte_of_the_handshake)
{
    struct pair p;
    open_pair(&p, 1);
    bool done = false;
    for (size_t cut = 0; !done; cut += 37) {
        uint32_t want;
        for (size_t sent = 0; sent < cut && !done; sent++) {
            SSL_do_handshake(p.client);
            pump(&p, 1);
            int rc = p.s.as->ops->handshake(&p.s, &want);
            assert_true(rc >= 0);
            done = rc == 1;
        }
        disconnect_pair(&p);
        connect_pair(&p);
    }
    close_pair(&p);
}

static void update_keys(struct pair *p)
{
    assert_int_equal(SSL_key_update(p->client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(p->client), 1);
    pump(p, SIZE_MAX);
}

TEST(stream_tls, tls_5_more_than_100_key_updates_a_minute_drop)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    for (int minute = 0; minute < 2; minute++) {
        for (int i = 0; i < 100; i++) {
            update_keys(&p);
            assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), -EAGAIN);
        }
        p.loop->now_ms += 60000;
    }
    for (int i = 0; i < 100; i++)
        update_keys(&p);
    p.loop->now_ms += 59999;
    client_send(&p, "a");
    expect_read(&p, 1, "a");
    update_keys(&p);
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), DUET_ERR_POLICY);
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    assert_int_equal(p.s.as->ops->write(&p.s, &part, 1), DUET_ERR_POLICY);
    close_pair(&p);
}

TEST(stream_tls, tls_5_renegotiation_is_refused)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    SSL_set_max_proto_version(p.client, TLS1_2_VERSION);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    assert_string_equal(SSL_get_version(p.client), "TLSv1.2");
    SSL_renegotiate(p.client);
    SSL_do_handshake(p.client);
    pump(&p, SIZE_MAX);
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), -EAGAIN);
    pump(&p, SIZE_MAX);
    assert_true(SSL_do_handshake(p.client) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    ERR_clear_error();
    close_pair(&p);
}

TEST(stream_tls, tls_8_an_end_without_close_notify_is_an_error)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    client_send(&p, "last");
    shutdown(p.fd, SHUT_WR);
    expect_read(&p, 100, "last");
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), DUET_ERR_EOF);
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), DUET_ERR_EOF);
    close_pair(&p);
}

TEST(stream_tls, tls_8_an_end_with_close_notify_is_one)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    SSL_write(p.client, "last", 4);
    SSL_shutdown(p.client);
    pump(&p, SIZE_MAX);
    expect_read(&p, 100, "last");
    assert_true(p.s.as->ops->buffered(&p.s)); /* no FIN: the socket stays silent, and the end is still to be read */
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), 0);
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), 0);
    assert_false(p.s.as->ops->buffered(&p.s));
    server_send(&p, "answer");
    close_pair(&p);
}

/* RFC-73. */
TEST(stream_tls, shutdown_says_close_notify_behind_all_that_was_written)
{
    struct pair p;
    open_pair(&p, 1);
    fill_big();
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    struct iovec all = { .iov_base = big, .iov_len = BIG };
    ssize_t sent = p.s.as->ops->write(&p.s, &all, 1);
    assert_in_range(sent, 1, BIG - 1);
    assert_true(p.s.as->ops->pending(&p.s));
    p.s.as->ops->shutdown(&p.s);
    size_t got = 0, n;
    while (SSL_get_shutdown(p.client) == 0) {
        pump(&p, SIZE_MAX);
        ssize_t rc = p.s.as->ops->write(&p.s, NULL, 0);
        assert_int_equal(rc, p.s.as->ops->pending(&p.s) ? -EAGAIN : 0);
        while (SSL_read_ex(p.client, back + got, BIG - got, &n) == 1)
            got += n;
    }
    assert_int_equal(got, sent);
    assert_memory_equal(back, big, got);
    char byte;
    assert_int_equal(recv(p.fd, &byte, 1, 0), 0); /* and then the FIN */
    SSL_write(p.client, "late", 4);
    pump(&p, SIZE_MAX);
    expect_read(&p, 100, "late"); /* the other way is still open */
    close_pair(&p);
}

TEST(stream_tls, shutdown_in_the_handshake_is_only_a_fin)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    p.s.as->ops->shutdown(&p.s);
    assert_int_equal(recv(p.fd, &byte, 1, 0), 0);
    close_pair(&p);
}

TEST(stream_tls, net_8_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    close(p.fd);
    p.fd = -1;
    struct iovec part = { .iov_base = "a", .iov_len = 1 };
    assert_int_equal(p.s.as->ops->write(&p.s, &part, 1), -EPIPE);
    assert_int_equal(p.s.as->ops->write(&p.s, &part, 1), -EPIPE);
    close_pair(&p);
}

TEST(stream_tls, garbage_after_the_handshake_is_an_error_and_others_errors_are_none)
{
    struct pair p;
    open_pair(&p, 1);
    char byte;
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    ERR_raise(ERR_LIB_USER, 1); /* left by someone else on this thread */
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), -EAGAIN);
    static const unsigned char record[5 + 32] = { 0x17, 3, 3, 0, 32 };
    assert_int_equal(send(p.fd, record, sizeof(record), 0), sizeof(record));
    assert_int_equal(p.s.as->ops->read(&p.s, &byte, 1), DUET_ERR_TLS);
    assert_int_equal(ERR_peek_error(), 0);
    pump(&p, SIZE_MAX);
    assert_true(SSL_read(p.client, &byte, 1) <= 0); /* the alert arrived */
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC);
    ERR_clear_error();
    close_pair(&p);
}

/* The first name of the certificate that the client got. */
static const char *name_got(struct pair *p)
{
    static const char *const hosts[] = { "one.example", "two.example" };
    X509 *x = SSL_get0_peer_certificate(p->client);
    for (int i = 0; i < 2; i++)
        if (X509_check_host(x, hosts[i], 0, 0, NULL) == 1)
            return hosts[i];
    return "other";
}

TEST(stream_tls, tls_10_the_certificate_is_chosen_by_the_name_asked_for)
{
    static const char *const table[][2] = {
        { NULL, "one.example" },          { "one.example", "one.example" },    { "two.example", "two.example" },
        { "TWO.example", "two.example" }, { "a.wild.example", "one.example" }, { "unknown.example", "one.example" },
    };
    struct pair p;
    open_pair(&p, 2);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        SSL_set_tlsext_host_name(p.client, table[i][0]);
        assert_int_equal(shake(&p, SIZE_MAX), 1);
        assert_string_equal(name_got(&p), table[i][1]);
        client_send(&p, "a");
        expect_read(&p, 1, "a");
        disconnect_pair(&p);
        connect_pair(&p);
    }
    close_pair(&p);
}

TEST(stream_tls, tls_10_the_protocol_is_http_1_1_or_a_fatal_alert)
{
    static const struct {
        const char *offered;
        unsigned len;
        bool good;
    } table[] = { { "\x02h2\x08http/1.1", 12, true },
                  { "\x08http/1.1", 9, true },
                  { "\x02h2", 3, false },
                  { "\x07http/1.", 8, false },
                  { NULL, 0, true } };
    struct pair p;
    open_pair(&p, 2);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const unsigned char *chosen;
        unsigned len;
        SSL_set_tlsext_host_name(p.client, "two.example");
        SSL_set_alpn_protos(p.client, (const unsigned char *)table[i].offered, table[i].len);
        assert_int_equal(shake(&p, SIZE_MAX), table[i].good ? 1 : DUET_ERR_TLS);
        SSL_get0_alpn_selected(p.client, &chosen, &len);
        if (table[i].good && table[i].offered != NULL) {
            assert_int_equal(len, 8);
            assert_memory_equal(chosen, "http/1.1", 8);
        } else if (!table[i].good) {
            pump(&p, SIZE_MAX);
            SSL_do_handshake(p.client);
            assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
            ERR_clear_error();
        }
        disconnect_pair(&p);
        connect_pair(&p);
    }
    close_pair(&p);
}

TEST(stream_tls, tls_11_tls_1_1_is_refused)
{
    struct pair p;
    open_pair(&p, 1);
    SSL_set_security_level(p.client, 0);
    SSL_set_min_proto_version(p.client, TLS1_1_VERSION);
    SSL_set_max_proto_version(p.client, TLS1_1_VERSION);
    SSL_set_cipher_list(p.client, "ALL:@SECLEVEL=0");
    assert_int_equal(shake(&p, SIZE_MAX), DUET_ERR_TLS);
    assert_string_equal(stream_tls_reason(&p.s), "unsupported protocol");
    close_pair(&p);
}

TEST(stream_tls, tls_11_keys_come_from_curves_and_not_from_large_fields)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(SSL_set1_groups_list(p.client, "ffdhe8192:P-384"), 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    assert_int_equal(SSL_get_negotiated_group(p.client), NID_secp384r1);
    disconnect_pair(&p);
    connect_pair(&p);
    assert_int_equal(SSL_set1_groups_list(p.client, "ffdhe2048:ffdhe8192"), 1);
    assert_int_equal(shake(&p, SIZE_MAX), DUET_ERR_TLS);
    close_pair(&p);
}

TEST(stream_tls, tls_12_a_broken_file_leaves_the_old_certificate_in_force)
{
    struct pair p;
    open_pair(&p, 1);
    char why[200];
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    for (int which = 0; which < 2; which++) {
        FILE *f = fopen(files[which], "w");
        fputs("-----BEGIN NOTHING-----\n", f);
        fclose(f);
        assert_int_equal(duet_tls_reload(p.tls, why), DUET_ERR_TLS);
        assert_non_null(strstr(why, files[which]));
        disconnect_pair(&p);
        connect_pair(&p);
        assert_int_equal(shake(&p, SIZE_MAX), 1);
        assert_string_equal(name_got(&p), "one.example");
        cert_make(files[0], files[1], "DNS:one.example");
    }
    cert_make(files[0], files[1], "DNS:two.example");
    assert_int_equal(duet_tls_reload(p.tls, NULL), 0);
    client_send(&p, "still here"); /* on the old one */
    expect_read(&p, 100, "still here");
    disconnect_pair(&p);
    connect_pair(&p);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    assert_string_equal(name_got(&p), "two.example");
    duet_tls_free(p.tls); /* before its connection */
    p.tls = NULL;
    client_send(&p, "still here");
    expect_read(&p, 100, "still here");
    close_pair(&p);
}

static void *reload_often(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < 30; i++)
        if (duet_tls_reload(p->tls, NULL) != 0)
            abort();
    return NULL;
}

TEST(stream_tls, tls_12_no_connection_is_lost_while_another_thread_reloads)
{
    struct pair p;
    open_pair(&p, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, reload_often, &p);
    for (int i = 0; i < 30; i++) {
        SSL_set_tlsext_host_name(p.client, "two.example");
        assert_int_equal(shake(&p, SIZE_MAX), 1);
        disconnect_pair(&p);
        connect_pair(&p);
    }
    pthread_join(thread, NULL);
    close_pair(&p);
}

static SSL_SESSION *session;

/* Connects with the kept session; whether that spared the certificate. */
static bool resumes(struct pair *p, const char *name, int version)
{
    disconnect_pair(p);
    connect_pair(p);
    SSL_set_max_proto_version(p->client, version);
    SSL_set_tlsext_host_name(p->client, name);
    if (session != NULL)
        SSL_set_session(p->client, session);
    assert_int_equal(shake(p, SIZE_MAX), 1);
    char byte;
    SSL_read(p->client, &byte, 1); /* takes the ticket */
    ERR_clear_error();
    SSL_SESSION_free(session);
    session = SSL_get1_session(p->client);
    return SSL_session_reused(p->client);
}

TEST(stream_tls, tickets_outlive_a_reload_and_one_change_of_keys)
{
    static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
    for (int i = 0; i < 2; i++) {
        struct pair p;
        open_pair(&p, 2);
        uint64_t now = clock_ms();
        assert_false(resumes(&p, "two.example", versions[i]));
        assert_int_equal(SSL_SESSION_get_max_early_data(session), 0); /* TLS-13 */
        assert_true(resumes(&p, "two.example", versions[i]));
        assert_int_equal(duet_tls_reload(p.tls, NULL), 0);
        assert_true(resumes(&p, "two.example", versions[i]));
        assert_int_equal(tls_rotate(p.tls, now + TLS_TICKET_MS + 10000), 0);
        assert_true(resumes(&p, "two.example", versions[i])); /* and got a ticket of the new key */
        assert_int_equal(tls_rotate(p.tls, now + 2 * (uint64_t)TLS_TICKET_MS + 20000), 0);
        assert_true(resumes(&p, "two.example", versions[i]));
        assert_int_equal(tls_rotate(p.tls, now + 4 * (uint64_t)TLS_TICKET_MS + 40000), 0);
        assert_false(resumes(&p, "two.example", versions[i])); /* both keys are gone */
        SSL_SESSION_free(session);
        session = NULL;
        close_pair(&p);
    }
}

TEST(stream_tls, files_that_will_not_do_are_named)
{
    make_files();
    const char *cert = files[0], *key = files[1], *other = files[3], *missing = files[7], *locked = files[6];
    duet_tls *t = NULL;
    char why[200];
    assert_int_equal(duet_tls_new(&t, &cert, &key, 0, why), DUET_ERR_INVALID);
    assert_int_equal(duet_tls_new(&t, &missing, &key, 1, why), -ENOENT);
    assert_non_null(strstr(why, missing));
    assert_int_equal(duet_tls_new(&t, &cert, &missing, 1, why), -ENOENT);
    assert_non_null(strstr(why, missing));
    assert_int_equal(duet_tls_new(&t, &cert, &other, 1, why), DUET_ERR_TLS);
    assert_non_null(strstr(why, other));
    EVP_PKEY *k = EVP_EC_gen("P-256");
    cert_write_key(locked, k, "secret");
    EVP_PKEY_free(k);
    assert_int_equal(duet_tls_new(&t, &cert, &locked, 1, why), DUET_ERR_TLS); /* and asks nobody for it */
    assert_non_null(strstr(why, locked));
    assert_int_equal(duet_tls_new(&t, &missing, &key, 1, NULL), -ENOENT);
    assert_null(t);
    duet_tls_free(NULL);
    drop_files();
}

TEST(stream_tls, every_allocation_may_fail)
{
    struct pair p;
    open_pair(&p, 1);
    for (unsigned long nth = 0;; nth++) {
        duet_tls *t = NULL;
        const char *cert = files[0], *key = files[1];
        struct stream s = { .watch.fd = -1 };
        duet_loop *loop;
        assert_int_equal(duet_loop_new(&loop), 0);
        assert_int_equal(stream_tls_start(&s, loop, NULL), DUET_ERR_NOMEM);
        mem_fail(nth, false);
        int rc = duet_tls_new(&t, &cert, &key, 1, NULL);
        if (rc == 0)
            rc = stream_tls_start(&s, loop, tls_accept(t));
        unsigned long asked = mem_fail_end();
        assert_int_equal(rc, asked > nth ? DUET_ERR_NOMEM : 0);
        if (s.as != NULL)
            s.as->ops->close(&s, dup(0));
        duet_tls_free(t);
        duet_loop_free(loop);
        if (rc == 0)
            break;
    }
    close_pair(&p);
}

TEST(stream_tls, without_memory_for_what_the_socket_did_not_take_it_fails)
{
    struct pair p;
    open_pair(&p, 1);
    assert_int_equal(shake(&p, SIZE_MAX), 1);
    struct iovec all = { .iov_base = big, .iov_len = BIG };
    mem_fail(0, true);
    ssize_t n = p.s.as->ops->write(&p.s, &all, 1);
    mem_fail_end();
    assert_int_equal(n, DUET_ERR_NOMEM);
    assert_int_equal(p.s.as->ops->write(&p.s, NULL, 0), DUET_ERR_NOMEM);
    close_pair(&p);
}
