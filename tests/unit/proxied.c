/* SPDX-License-Identifier: MIT */
/* Behind a proxy, over sockets: the PROXY protocol (NET-13), X-Forwarded-* (NET-14) and what they do to Origin. */
#include "wire.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static char peer[64];
static unsigned opens;
static bool secure;

static void on_open(duet_conn *c)
{
    opens++;
    duet_peer(c, peer);
    secure = duet_is_secure(c);
}

static void on_message(duet_conn *c, const duet_msg *m)
{
    duet_send(c, m->type, m->data, m->len);
}

static const char *const loopback[] = { "127.0.0.0/8", NULL }, *const elsewhere[] = { "10.0.0.0/8", NULL };

static void serve(enum wire_kind kind, const char *const *trusted, duet_server_config cfg)
{
    cfg.on = (duet_handler){ .open = on_open, .message = on_message };
    cfg.trusted_proxies = trusted;
    opens = 0;
    peer[0] = 0;
    wire_serve(kind, &cfg);
}

static void serve_proxy(enum wire_kind kind)
{
    serve(kind, loopback, (duet_server_config){ .proxy_protocol = true });
}

static const struct header {
    const char *bytes;
    size_t len;
    const char *peer; /* NULL: the socket's own */
    bool secure;
} headers[] = {
    { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", 40, "192.0.2.1:4711", false },
    { "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", 36, "[2001:db8::1]:65535", false },
    { "PROXY UNKNOWN\r\n", 15, NULL, false },
    { "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x50", 28, "192.0.2.1:4711", false },
    { "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16, NULL, false }, /* LOCAL */
    { "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x50\x20\0\5\1\0\0\0\0", 36, "192.0.2.1:4711",
      true }, /* with a TLV: the client came by TLS */
};
enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

static void expect_peer(const struct header *h, bool tls)
{
    assert_int_equal(opens, 1);
    if (h->peer != NULL)
        assert_string_equal(peer, h->peer);
    else
        assert_memory_equal(peer, "127.0.0.1:", 10);
    assert_int_equal(secure, h->secure || tls);
    opens = 0;
}

static void spin(void)
{
    for (int quiet = 0; quiet < 2;)
        quiet = duet_loop_turn(wire.loop, 0) > 0 ? 0 : quiet + 1;
}

/* The header, the head and the first frame, cut anywhere into two. */
TEST(proxied, net_13_a_header_cut_at_every_byte)
{
    static uint8_t bytes[1024];
    serve_proxy(WIRE_TCP);
    for (size_t i = 0; i < HEADERS; i++) {
        const struct header *h = &headers[i];
        memcpy(bytes, h->bytes, h->len);
        size_t len = h->len + (size_t)sprintf((char *)bytes + h->len, "%s\r\n", wire_request);
        len += client_encode(bytes + len, 0x81, "hello", 5);
        for (size_t cut = 0; cut <= h->len + 20; cut++) {
            struct client *c = client_raw();
            client_send(c, bytes, cut);
            spin();
            client_send(c, bytes + cut, len - cut);
            assert_int_equal(client_answer(c, NULL, NULL), 101);
            EXPECT_FRAMES(c, 1, "text 'hello'\n");
            expect_peer(h, false);
            client_free(c);
        }
    }
    assert_null(strstr(wire.log, "proxy"));
    wire_stop();
}

TEST(proxied, net_13_a_header_byte_by_byte)
{
    serve_proxy(WIRE_TCP);
    for (size_t i = 0; i < HEADERS; i++) {
        struct client *c = client_raw();
        for (size_t k = 0; k < headers[i].len; k++) {
            client_send(c, headers[i].bytes + k, 1);
            spin();
        }
        client_say(c, wire_request);
        client_say(c, "\r\n");
        assert_int_equal(client_answer(c, NULL, NULL), 101);
        expect_peer(&headers[i], false);
        client_free(c);
    }
    wire_stop();
}

/* What follows is TLS's: not one byte of it is taken, also when it came in the same packet. */
TEST(proxied, net_13_tls_behind_a_header)
{
    serve_proxy(WIRE_TLS);
    for (size_t i = 0; i < HEADERS; i++)
        for (size_t cut = 0; cut <= headers[i].len; cut += cut + 4 < headers[i].len ? 3 : 1) {
            struct client *c = client_raw();
            int on = 1, off = 0;
            client_send(c, headers[i].bytes, cut);
            spin();
            setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
            setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
            client_send(c, headers[i].bytes + cut, headers[i].len - cut);
            /* The ClientHello goes behind it into the same packet. */
            client_begin_tls(c);
            setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
            assert_true(client_start_tls(c));
            client_say(c, wire_request);
            client_say(c, "\r\n");
            assert_int_equal(client_answer(c, NULL, NULL), 101);
            expect_peer(&headers[i], true);
            client_free(c);
        }
    wire_stop();
}

TEST(proxied, net_13_what_is_no_header_is_dropped_and_told_of)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27 },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n", 39 },
        { "PROXY TCP4 192.0.2.1 192.0.2.2 4711 65536\r\n", 43 },
        { "PROXY TCP5 192.0.2.1 192.0.2.2 4711 80\r\n", 40 },
        { "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", 16 },         /* version 3 */
        { "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\1\1\1\1", 20 }, /* too short for its family */
        { "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 16 },       /* too long */
        { "\x16\x03\x01\x02", 4 },                            /* TLS */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            serve_proxy(i & 1 ? WIRE_TLS : WIRE_TCP);
            struct client *c = client_raw();
            for (size_t k = 0; bytewise && k + 1 < rows[i].len && !c->broken; k++) {
                client_send(c, rows[i].bytes + k, 1);
                spin();
            }
            if (bytewise)
                client_send(c, rows[i].bytes + rows[i].len - 1, 1);
            else
                client_send(c, rows[i].bytes, rows[i].len);
            client_wait_end(c);
            assert_int_equal(c->total, 0);
            assert_string_equal(wire.log, "dropped proxy_protocol_invalid -1020\n");
            client_free(c);
            wire_stop();
        }
}

TEST(proxied, net_13_a_header_that_never_ends_is_dropped_at_the_open_deadline)
{
    serve(WIRE_TCP, loopback, (duet_server_config){ .proxy_protocol = true, .open_ms = 40 });
    struct client *silent = client_raw(), *half = client_raw();
    client_say(half, "PROXY TCP4 192.0");
    client_wait_end(silent);
    client_wait_end(half);
    assert_int_equal(silent->total + half->total, 0);
    assert_string_equal(wire.log, "dropped open_timeout 0\ndropped open_timeout 0\n");
    client_free(silent);
    client_free(half);
    wire_stop();
}

/* Anyone can write one: from others it is a bad request, and an ordinary client needs none. */
TEST(proxied, net_13_a_header_from_a_stranger_is_not_believed)
{
    serve(WIRE_TCP, elsewhere, (duet_server_config){ .proxy_protocol = true });
    for (size_t i = 0; i < HEADERS; i++) {
        struct client *c = client_raw();
        client_send(c, headers[i].bytes, headers[i].len);
        client_say(c, wire_request);
        client_say(c, "\r\n");
        assert_int_equal(client_answer(c, NULL, NULL), 400);
        client_wait_end(c);
        client_free(c);
        assert_int_equal(opens, 0);
    }
    struct client *plain = client_open(NULL);
    assert_memory_equal(peer, "127.0.0.1:", 10);
    client_free(plain);
    wire_stop();
}

/* The limit of an address is the client's, not the proxy's. */
TEST(proxied, net_13_the_named_address_is_the_one_that_is_counted)
{
    static const char *const from[] = { "PROXY TCP4 192.0.2.1 192.0.2.9 4711 80\r\n",
                                        "PROXY TCP4 192.0.2.1 192.0.2.9 4712 80\r\n",
                                        "PROXY TCP4 192.0.2.3 192.0.2.9 4713 80\r\n" };
    serve(WIRE_TCP, loopback, (duet_server_config){ .proxy_protocol = true, .per_address_max = 1 });
    struct client *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = client_raw();
        client_say(c[i], from[i]);
        client_say(c[i], wire_request);
        client_say(c[i], "\r\n");
        assert_int_equal(client_answer(c[i], NULL, NULL), i == 1 ? 0 : 101);
    }
    assert_string_equal(wire.log, "dropped per_address -1021\n");
    client_free(c[0]);
    wire_settle();
    client_free(c[1]);
    c[1] = client_raw();
    client_say(c[1], from[1]);
    client_say(c[1], wire_request);
    client_say(c[1], "\r\n");
    assert_int_equal(client_answer(c[1], NULL, NULL), 101);
    client_free(c[1]);
    client_free(c[2]);
    wire_stop();
}

/* A proxy that ended TLS says so: the page's https Origin is then the server's own (WEB-1, UPG-10). */
static const struct origin_row {
    const char *fields;
    bool trusted, passes;
} origin_rows[] = {
    { "Origin: http://a.example\r\n", true, true },
    { "Origin: https://a.example\r\n", true, false },
    { "Origin: https://a.example\r\nX-Forwarded-Proto: https\r\n", true, true },
    { "Origin: http://a.example\r\nX-Forwarded-Proto: https\r\n", true, false },
    { "Origin: https://a.example\r\nX-Forwarded-Proto: https\r\n", false, false },
    { "Origin: https://b.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n", true, true },
    { "Origin: https://a.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n", true, false },
    { "Origin: http://b.example\r\nX-Forwarded-Host: b.example\r\n", false, false },
    { "Origin: https://a.example:443\r\nX-Forwarded-Proto: https\r\n", true, true },
    { "Origin: null\r\nX-Forwarded-Proto: https\r\n", true, false },
    { "X-Forwarded-Proto: https\r\n", true, true },
};

TEST(proxied, net_14_the_origin_rule_knows_the_scheme_and_host_that_a_trusted_proxy_names)
{
    for (size_t i = 0; i < sizeof(origin_rows) / sizeof(origin_rows[0]); i++) {
        const struct origin_row *row = &origin_rows[i];
        serve(WIRE_TCP, row->trusted ? loopback : elsewhere, (duet_server_config){ .size = 0 });
        struct client *c = client_new();
        client_say(c, wire_request);
        client_say(c, row->fields);
        client_say(c, "X-Forwarded-For: 198.51.100.7\r\n\r\n");
        unsigned status = client_answer(c, NULL, NULL);
        if (status != (row->passes ? 101u : 403u))
            fail_msg("%u for %s", status, row->fields);
        if (row->passes && row->trusted)
            assert_memory_equal(peer, "198.51.100.7", 12);
        if (row->passes)
            assert_int_equal(secure, row->trusted && strstr(row->fields, "Proto: https") != NULL);
        else
            assert_string_equal(wire.log, "refused origin 403\n");
        client_free(c);
        wire_stop();
    }
}
