/* SPDX-License-Identifier: MIT */
/* What an application learns of a request. */
#include "plain.h"
#include "http/request.h"

static unsigned looked;

static void expect_param(const duet_request *r, const char *key, size_t cap, const char *value, long len)
{
    char out[64];
    memset(out, 'x', sizeof(out));
    assert_int_equal(duet_request_param(r, key, out, cap), len);
    if (len < 0)
        return;
    assert_memory_equal(out, value, (size_t)len);
    assert_int_equal(out[len], 0);
    assert_int_equal(out[cap], 'x');
}

static void look(duet_http *x, const duet_request *r)
{
    size_t len = 9;
    duet_header f;
    unsigned fields = 0;
    assert_string_equal(duet_request_method(r), "GET");
    assert_string_equal(duet_request_path(r), "/look/a c");
    assert_string_equal(duet_request_query(r), "a=1&b=%20x+y&c&a=2&long=abcdefgh&d=%00z&&=e&%61=3");
    expect_param(r, "a", 63, "1", 1);
    expect_param(r, "b", 63, " x y", 4);
    expect_param(r, "c", 63, "", 0);
    expect_param(r, "long", 63, "abcdefgh", 8);
    expect_param(r, "long", 9, "abcdefgh", 8);
    expect_param(r, "long", 8, "abcdefg", 7);
    expect_param(r, "long", 1, "", 0);
    expect_param(r, "d", 63, "\0z", 2);
    expect_param(r, "lon", 63, NULL, -1);
    expect_param(r, "longer", 63, NULL, -1);
    assert_string_equal(duet_request_header(r, "x-ONE"), "1");
    assert_string_equal(duet_request_header(r, "Empty"), "");
    assert_null(duet_request_header(r, "None"));
    while (duet_request_field(r, fields, &f))
        fields++;
    assert_int_equal(fields, 5);
    assert_true(duet_request_field(r, 3, &f));
    assert_string_equal(f.name, "x-one");
    assert_string_equal(f.value, "2");
    assert_string_equal(duet_request_origin(r), "http://example.com");
    assert_string_equal(duet_request_host(r), "Example.com:80");
    assert_memory_equal(duet_request_peer(r), "127.0.0.1:", 10);
    assert_false(duet_request_is_secure(r));
    duet_request_body(r, &len);
    assert_int_equal(len, 0);
    looked++;
    duet_http_text(x, 200, "seen");
}

TEST(request, a_query_is_decoded_where_it_is_encoded)
{
    static const char *const rows[][2] = {
        { "%41%4a%4F", "AJO" }, { "%", "%" },     { "%4", "%4" },   { "%4g", "%4g" }, { "%g4", "%g4" },
        { "%/4", "%/4" },       { "%4:", "%4:" }, { "%4/", "%4/" }, { "%:4", "%:4" }, { "%%41", "%A" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char query[32] = "k=", out[32];
        strcat(query, rows[i][0]);
        assert_int_equal(duet_request_param(&(duet_request){ .query = query }, "k", out, sizeof(out)),
                         strlen(rows[i][1]));
        assert_string_equal(out, rows[i][1]);
    }
}

static void look_bare(duet_http *x, const duet_request *r)
{
    char out[8];
    assert_string_equal(duet_request_path(r), "/bare");
    assert_null(duet_request_query(r));
    assert_int_equal(duet_request_param(r, "a", out, sizeof(out)), -1);
    assert_null(duet_request_origin(r));
    assert_null(duet_request_host(r));
    looked++;
    duet_http_text(x, 200, "seen");
}

static void look_body(duet_http *x, const duet_request *r)
{
    size_t len;
    const void *body = duet_request_body(r, &len);
    assert_int_equal(len, 6);
    assert_memory_equal(body, "ab\0def", 6);
    assert_string_equal(duet_request_method(r), "POST");
    assert_string_equal(duet_request_host(r), "h");
    assert_string_equal(duet_request_query(r), "q");
    assert_string_equal(duet_request_header(r, "content-length"), "6");
    looked++;
    duet_http_text(x, 200, "seen");
}

static void look_upgrade(duet_http *x, const duet_request *r)
{
    char name[8];
    static const char *const offered[] = { "one", "two", "a.long." };
    for (unsigned i = 0; i < 3; i++) {
        assert_true(duet_request_subprotocol(r, i, name, sizeof(name)));
        assert_string_equal(name, offered[i]);
    }
    assert_false(duet_request_subprotocol(r, 3, name, sizeof(name)));
    assert_true(duet_request_offers(r, "two"));
    assert_true(duet_request_offers(r, "a.long.one"));
    assert_false(duet_request_offers(r, "a.long."));
    assert_false(duet_request_offers(r, "ONE"));
    looked++;
    assert_int_equal(duet_http_upgrade(x, "ONE", NULL), DUET_ERR_INVALID);
    assert_int_equal(duet_http_upgrade(x, "two", NULL), 0);
}

static void say_subprotocol(duet_conn *c)
{
    const char *name = duet_subprotocol(c);
    duet_send(c, DUET_TEXT, name ? name : "none", name ? strlen(name) : 4);
}

static const duet_route routes[] = {
    { .path = "/look/", .http = look },
    { .path = "/bare", .http = look_bare },
    { .path = "/body", .http = look_body, .methods = "POST" },
    { .path = "/ws", .websocket = true, .upgrade = look_upgrade },
    { .path = "/plain", .websocket = true },
    { .path = NULL },
};

TEST(request, all_that_was_asked_for_can_be_seen)
{
    looked = 0;
    serve(&(duet_server_config){ .routes = routes });
    one_request("GET /look/b/../a%20c?a=1&b=%20x+y&c&a=2&long=abcdefgh&d=%00z&&=e&%61=3 HTTP/1.1\r\n"
                "Host: Example.com:80\r\nOrigin:  http://example.com\t\r\nX-One: 1\r\nx-one: 2\r\nEmpty:\r\n\r\n",
                "200", false);
    one_request("GET /bare HTTP/1.0\r\n\r\n", "200", true);
    assert_int_equal(looked, 2);
    serve_no_more();
}

/* It is kept while its body comes, cut anywhere. */
TEST(request, it_is_the_same_when_its_body_comes_later)
{
    static const char all[] = "POST /body?q HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nab\0def";
    static struct client c;
    looked = 0;
    serve(&(duet_server_config){ .routes = routes });
    for (size_t cut = 0; cut < sizeof(all); cut++) {
        dial(&c);
        assert_int_equal(send(c.fd, all, cut, 0), cut);
        turn(&c);
        /* Another one's bytes take the place in the loop's buffer. */
        one_request("GET /none?xxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n", "404",
                    false);
        assert_int_equal(send(c.fd, all + cut, sizeof(all) - 1 - cut, 0), sizeof(all) - 1 - cut);
        expect(&c, "seen");
        close(c.fd);
    }
    assert_int_equal(looked, sizeof(all));
    serve_no_more();
}

static void expect_frame(struct client *c, const char *text)
{
    char frame[64] = { '\x81', (char)strlen(text) };
    strcpy(frame + 2, text);
    expect(c, frame);
    close(c->fd);
}

/* RFC-14. */
TEST(request, upg_6_one_of_the_offered_subprotocols_is_agreed_on)
{
    static const char *const ours[] = { "two", "one", NULL };
    static struct client c;
    looked = 0;
    serve(&(duet_server_config){ .routes = routes, .subprotocols = ours, .on.open = say_subprotocol });
    dial(&c);
    say(&c, "GET /ws HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: one, two\r\n" UPGRADE
            "Sec-WebSocket-Protocol: a.long.one\r\n\r\n");
    expect_frame(&c, "two");
    assert_int_equal(looked, 1);
    /* Without a hook: the first of ours. */
    dial(&c);
    say(&c, "GET /plain HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: other, one, two\r\n" UPGRADE "\r\n");
    expect_frame(&c, "two");
    dial(&c);
    say(&c, "GET /plain HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: other\r\n" UPGRADE "\r\n");
    expect_frame(&c, "none");
    assert_null(strstr(c.got, "Sec-WebSocket-Protocol"));
    serve_no_more();
    serve(&(duet_server_config){ .routes = routes, .subprotocols = ours, .require_subprotocol = true });
    one_request("GET /plain HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: other\r\n" UPGRADE "\r\n", "400", true);
    one_request("GET /plain HTTP/1.1\r\nHost: h\r\n" UPGRADE "\r\n", "400", true);
    one_request("GET /plain HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Protocol: one\r\n" UPGRADE "\r\n", "101", false);
    serve_no_more();
}
