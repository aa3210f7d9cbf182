/* SPDX-License-Identifier: MIT */
/* From a request to a WebSocket, at a whole server: hooks, and what travels beside the handshake. */
#include "plain.h"

#define ASK "GET / HTTP/1.1\r\nHost: h\r\n" UPGRADE
#define HI  "\x81\x82\x01\x01\x01\x01\x49\x68" /* "Hi", masked with ones */

static struct {
    unsigned asked, opened, closed, gone, status;
    duet_http *kept;
    char heard[256];
} t;

static void note(duet_conn *c, const duet_msg *m)
{
    (void)c;
    strncat(t.heard, m->data, m->len);
    strcat(t.heard, ";");
}

static void count_open(duet_conn *c)
{
    t.opened++;
    assert_int_equal(duet_send(c, DUET_TEXT, "welcome", 7), 0);
}

static void count_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    (void)why;
    t.closed++;
}

static void count_gone(duet_http *x)
{
    t.gone++;
    assert_int_equal(duet_http_text(x, 200, "too late"), DUET_ERR_STATE);
    assert_int_equal(duet_http_upgrade(x, NULL, NULL), DUET_ERR_STATE);
}

/* Refuses, and then tries everything else: one answer is all there is. */
static void refuse(duet_http *x, const duet_request *r)
{
    (void)r;
    static const duet_header fields[] = { { "X-Why", "because" }, { NULL, NULL } };
    t.asked++;
    assert_int_equal(duet_http_reply(x, t.status, fields, "a body", 6), 0);
    assert_int_equal(duet_http_reply(x, 200, NULL, "", 0), DUET_ERR_STATE);
    assert_int_equal(duet_http_text(x, 500, "again"), DUET_ERR_STATE);
    assert_int_equal(duet_http_begin(x, 200, NULL), DUET_ERR_STATE);
    assert_int_equal(duet_http_write(x, "x", 1), DUET_ERR_STATE);
    assert_int_equal(duet_http_end(x), DUET_ERR_STATE);
    assert_int_equal(duet_http_upgrade(x, NULL, NULL), DUET_ERR_STATE);
    assert_int_equal(duet_http_subscribe(x, "topic"), DUET_ERR_STATE);
    assert_int_equal(duet_http_file(x, r, "/"), DUET_ERR_STATE);
}

static void accept_twice(duet_http *x, const duet_request *r)
{
    (void)r;
    t.asked++;
    assert_int_equal(duet_http_upgrade(x, NULL, NULL), 0);
    assert_int_equal(duet_http_upgrade(x, NULL, NULL), DUET_ERR_STATE);
    assert_int_equal(duet_http_text(x, 500, "no"), DUET_ERR_STATE);
    assert_null(duet_http_server(x));
}

static void keep(duet_http *x, const duet_request *r)
{
    (void)r;
    t.asked++;
    t.kept = x;
}

static void begin(void (*hook)(duet_http *, const duet_request *))
{
    memset(&t, 0, sizeof(t));
    serve(&(duet_server_config){
        .on = { .upgrade = hook, .open = count_open, .message = note, .close = count_close, .gone = count_gone } });
}

/* The end: all that opened was closed. */
static void end(struct client *c)
{
    close(c->fd);
    for (int i = 0; i < TURNS && t.closed < t.opened; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(t.closed, t.opened);
    serve_no_more();
}

/* From here on everything is a server's frame: they may hold zero bytes. */
static void expect_bytes(struct client *c, const char *bytes, size_t len)
{
    for (int i = 0; i < TURNS && !c->ended && memmem(c->got, c->len, bytes, len) == NULL; i++)
        turn(c);
    assert_non_null(memmem(c->got, c->len, bytes, len));
}

TEST(upgrade, upg_5_a_refusal_in_the_hook_is_one_answer_and_the_end)
{
    static const unsigned statuses[] = { 300, 401, 403, 404, 426, 500, 599 };
    static duet_server_stats stats;
    static struct client c;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        char line[32];
        begin(refuse);
        t.status = statuses[i];
        dial(&c);
        /* Frames and another request behind it are never read. */
        say(&c, ASK "\r\n" HI HI ASK "\r\n");
        expect(&c, NULL);
        snprintf(line, sizeof(line), "HTTP/1.1 %u ", statuses[i]);
        assert_memory_equal(c.got, line, strlen(line));
        assert_non_null(strstr(c.got, "X-Why: because\r\n"));
        assert_non_null(strstr(c.got, "close\r\n"));
        assert_non_null(strstr(c.got, "\r\n\r\na body"));
        assert_null(strstr(c.got + 1, "HTTP/1.1"));
        assert_int_equal(t.asked, 1);
        assert_int_equal(t.opened, 0);
        assert_int_equal(t.gone, 0);
        assert_string_equal(t.heard, "");
        duet_server_read_stats(server, &stats);
        assert_int_equal(stats.reasons[DUET_REASON_application], 1);
        end(&c);
    }
}

TEST(upgrade, upg_5_an_acceptance_is_one_answer)
{
    static struct client c;
    begin(accept_twice);
    dial(&c);
    say(&c, ASK "\r\n");
    expect_bytes(&c, "\x81\x07welcome", 9);
    assert_null(strstr(c.got + 1, "HTTP/1.1"));
    assert_int_equal(t.opened, 1);
    end(&c);
}

/* The request and two frames, cut in two at every byte: nothing is lost, nothing read twice. */
TEST(upgrade, http_12_frames_behind_the_request_are_the_first_messages)
{
    static const char all[] = ASK "\r\n" HI HI;
    static struct client c;
    begin(NULL);
    for (size_t cut = 0; cut < sizeof(all); cut++) {
        t.heard[0] = 0;
        dial(&c);
        assert_int_equal(send(c.fd, all, cut, 0), cut);
        turn(&c);
        assert_int_equal(send(c.fd, all + cut, sizeof(all) - 1 - cut, 0), sizeof(all) - 1 - cut);
        for (int i = 0; i < TURNS && strlen(t.heard) < 6; i++)
            turn(&c);
        assert_string_equal(t.heard, "Hi;Hi;");
        close(c.fd);
    }
    assert_int_equal(t.opened, sizeof(all));
    end(&c);
}

/* While the application thinks about it, frames wait. */
TEST(upgrade, http_12_frames_wait_for_an_acceptance_that_comes_later)
{
    static const char all[] = ASK "\r\n" HI HI;
    static struct client c;
    begin(keep);
    for (size_t cut = strlen(ASK) + 2; cut < sizeof(all); cut++) {
        t.kept = NULL;
        t.heard[0] = 0;
        dial(&c);
        assert_int_equal(send(c.fd, all, cut, 0), cut);
        for (int i = 0; i < TURNS && t.kept == NULL; i++)
            turn(&c);
        assert_int_equal(send(c.fd, all + cut, sizeof(all) - 1 - cut, 0), sizeof(all) - 1 - cut);
        turn(&c);
        assert_string_equal(t.heard, "");
        assert_int_equal(duet_http_upgrade(t.kept, NULL, NULL), 0);
        for (int i = 0; i < TURNS && strlen(t.heard) < 6; i++)
            turn(&c);
        assert_string_equal(t.heard, "Hi;Hi;");
        close(c.fd);
    }
    end(&c);
}

TEST(upgrade, upg_12_what_open_sends_comes_behind_the_101)
{
    static struct client c;
    begin(NULL);
    dial(&c);
    say(&c, ASK "\r\n");
    expect_bytes(&c, "\x81\x07welcome", 9);
    assert_memory_equal(c.got, "HTTP/1.1 101 ", 13);
    assert_ptr_equal(strstr(c.got, "\r\n\r\n") + 4, strstr(c.got, "\x81\x07welcome"));
    end(&c);
}

TEST(upgrade, an_upgrade_that_nobody_answers_is_gone_after_its_time)
{
    static struct client c;
    memset(&t, 0, sizeof(t));
    serve(&(duet_server_config){ .on = { .upgrade = keep, .gone = count_gone }, .open_ms = 100 });
    dial(&c);
    say(&c, ASK "\r\n");
    expect_status(&c, "503", true);
    expect(&c, NULL);
    assert_int_equal(t.gone, 1);
    end(&c);
}

TEST(upgrade, one_whose_peer_left_is_gone)
{
    static struct client c;
    begin(keep);
    dial(&c);
    say(&c, ASK "\r\n");
    for (int i = 0; i < TURNS && t.kept == NULL; i++)
        turn(&c);
    uint64_t id = duet_http_id(t.kept);
    assert_ptr_equal(duet_http_find(server, id), t.kept);
    close(c.fd);
    for (int i = 0; i < TURNS && t.gone == 0; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(t.gone, 1);
    assert_null(duet_http_find(server, id));
    serve_no_more();
}

TEST(upgrade, pmd_12_a_route_declines_permessage_deflate)
{
    static const char *const paths[] = { "/plain", "/packed" };
    static const duet_route routes[] = {
        { .path = "/plain", .websocket = true, .no_deflate = true },
        { .path = "/packed", .websocket = true },
        { .path = NULL },
    };
    static struct client c;
    duet_server_config config = { .routes = routes, .deflate = { .on = true } };
    serve(&config);
    for (int i = 0; i < 2; i++) {
        char request[512];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n" UPGRADE
                 "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", paths[i]);
        dial(&c);
        say(&c, request);
        expect(&c, "\r\n\r\n");
        assert_memory_equal(c.got, "HTTP/1.1 101 ", 13);
        assert_int_equal(strstr(c.got, "permessage-deflate") != NULL, i);
        /* A frame with RSV1 is what was agreed on, or 1002. */
        say(&c, "\xc1\x87\x01\x01\x01\x01\xf3\x49\xcc\xc8\xc8\x06\x01");
        say(&c, "\x89\x80\x01\x01\x01\x01");
        expect_bytes(&c, i ? "\x8a\0" : "\x88\x02\x03\xea", i ? 2 : 4);
        close(c.fd);
    }
    serve_no_more();
}

static char heads[4096];

static void note_head(duet_conn *c, bool sent, const char *head, size_t len)
{
    size_t have = strlen(heads);
    assert_non_null(duet_data(c)); /* a connection like any other */
    snprintf(heads + have, sizeof(heads) - have, "%c%.*s", sent ? '>' : '<', (int)len, head);
}

/* Only of a route that says so, by its exact path; and as they were on the wire. */
TEST(upgrade, the_heads_of_a_traced_route_are_told_as_they_were_sent)
{
    static const struct {
        const char *target;
        bool told;
    } rows[] = {
        { "/traced", true }, { "/traced?q=1", true }, { "/traceD", false }, { "/trace", false }, { "/plain", false },
        { "/%74raced", false },
    };
    static const duet_route routes[] = {
        { .path = "/plain", .websocket = true },
        { .path = "/traced", .websocket = true, .trace = true },
        { .path = "/", .websocket = true, .trace = true }, /* all below, so not exact */
        { NULL },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        static struct client c;
        char request[1024];
        heads[0] = 0;
        serve(&(duet_server_config){ .routes = routes, .trace_head = note_head, .data_size = 8 });
        dial(&c);
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\nX-Mine:  as it is \r\n" UPGRADE "\r\n",
                 rows[i].target);
        say(&c, request);
        expect(&c, "\r\n\r\n");
        if (rows[i].told) {
            size_t len = strlen(request);
            assert_int_equal(strlen(heads), 2 + len + strlen(c.got));
            assert_memory_equal(heads + 1, request, len);
            assert_string_equal(heads + 2 + len, c.got);
        } else {
            assert_string_equal(heads, "");
        }
        close(c.fd);
        serve_no_more();
    }
}
