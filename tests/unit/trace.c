/* SPDX-License-Identifier: MIT */
/* What a trace is told: the heads of the handshake and of each frame, both roles. */
#include "peer.h"

static char lines[8192];

static void line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void line(const char *format, ...)
{
    size_t len = strlen(lines);
    va_list args;
    va_start(args, format);
    vsnprintf(lines + len, sizeof(lines) - len, format, args);
    va_end(args);
}

static void on_frame(void *arg, const duet_trace *f)
{
    (void)arg;
    line("%c %u%s%s %llu, plain %llu\n", f->sent ? '>' : '<', f->opcode, f->final ? " FIN" : "", f->rsv ? " RSV" : "",
         (unsigned long long)f->length, (unsigned long long)f->plain_length);
}

static void on_head(void *arg, bool sent, const char *head, size_t len)
{
    (void)arg;
    bool whole = len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0;
    line("%c %s of %zu: %.*s\n", sent ? '>' : '<', whole ? "head" : "bytes", len, (int)strcspn(head, "\r\n"), head);
}

static const duet_proto_config traced = { .trace = on_frame, .trace_head = on_head,
                                          .deflate = { .on = true, .keep_window = true } };

static struct peer *new_traced(duet_role role)
{
    lines[0] = 0;
    return peer_new(role, &traced);
}

static void feed_text(struct peer *p, const char *text)
{
    peer_feed(p, text, strlen(text));
}

/* A client that agreed on compression, with nothing said yet. */
static struct peer *open_client(void)
{
    char text[400];
    struct peer *p = new_traced(DUET_CLIENT);
    snprintf(text, sizeof(text), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
             p->proto->busy->opening->accept);
    feed_text(p, text);
    lines[0] = 0;
    return p;
}

TEST(trace, a_client_is_told_of_its_request_and_of_every_answer)
{
    static const char early[] = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    char all[600];
    struct peer *p = new_traced(DUET_CLIENT);
    assert_non_null(strstr(lines, "> head of "));
    assert_non_null(strstr(lines, ": GET "));
    lines[0] = 0;
    snprintf(all, sizeof(all), "%sHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n", early, p->proto->busy->opening->accept);
    size_t len = strlen(all);
    strcat(all, "\x81\x02hi"); /* a frame behind it is no head */
    char want[200];
    snprintf(want, sizeof(want),
             "< head of %zu: HTTP/1.1 103 Early Hints\n< head of %zu: HTTP/1.1 101 Switching Protocols\n"
             "< 1 FIN 2, plain 0\n", strlen(early), len - strlen(early));
    feed_text(p, all);
    assert_string_equal(lines, want);
    peer_free(p);
}

TEST(trace, of_what_is_no_answer_all_that_came_is_told)
{
    struct peer *p = new_traced(DUET_CLIENT);
    lines[0] = 0;
    feed_text(p, "SSH-2.0-OpenSSH_9.2\r\n");
    assert_string_equal(lines, "< bytes of 21: SSH-2.0-OpenSSH_9.2\n");
    assert_int_equal(p->error, DUET_ERR_HANDSHAKE);
    peer_free(p);
}

TEST(trace, a_server_is_told_of_the_request_and_its_answer)
{
    char want[200];
    struct peer *p = new_traced(DUET_SERVER);
    snprintf(want, sizeof(want), "< head of %zu: GET /chat HTTP/1.1\n> head of 129: HTTP/1.1 101 Switching Protocols\n",
             strlen(peer_request));
    peer_feed(p, peer_request, strlen(peer_request));
    assert_string_equal(lines, want);
    peer_free(p);
}

TEST(trace, a_refusal_s_body_is_no_part_of_its_head)
{
    struct peer *p = new_traced(DUET_SERVER);
    feed_text(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(p->error, DUET_ERR_HANDSHAKE);
    assert_non_null(strstr(lines, "> head of "));
    assert_null(strstr(lines, "bytes of"));
    peer_free(p);
}

TEST(trace, a_compressed_message_is_told_with_the_length_it_had)
{
    char text[3000], want[200];
    struct peer *p = open_client();
    memset(text, 'a', sizeof(text));
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, text, 125), 0); /* below the least length */
    assert_string_equal(lines, "> 1 FIN 125, plain 0\n");
    static const size_t lens[] = { 126, 1000, sizeof(text) };
    for (int i = 0; i < 3; i++) {
        lines[0] = 0;
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, text, lens[i]), 0);
        snprintf(want, sizeof(want), ", plain %zu\n", lens[i]);
        assert_non_null(strstr(lines, "> 2 FIN RSV "));
        assert_non_null(strstr(lines, want));
    }
    lines[0] = 0;
    assert_int_equal(duet_proto_send(p->proto, DUET_PING, text, 100), 0);
    assert_string_equal(lines, "> 9 FIN 100, plain 0\n");
    peer_free(p);
}

TEST(trace, a_message_for_many_is_told_so_too)
{
    char text[1000];
    struct peer *p = new_traced(DUET_SERVER);
    char request[600];
    snprintf(request, sizeof(request), "%.*sSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
             (int)strlen(peer_request) - 2, peer_request);
    feed_text(p, request);
    memset(text, 'a', sizeof(text));
    duet_shared *s = duet_shared_new(DUET_TEXT, text, sizeof(text));
    lines[0] = 0;
    assert_int_equal(duet_proto_send_shared(p->proto, s), 0);
    assert_non_null(strstr(lines, "> 1 FIN RSV "));
    assert_non_null(strstr(lines, ", plain 1000\n"));
    duet_shared_unref(s);
    peer_free(p);
}

TEST(trace, what_was_received_compressed_has_its_length_as_a_message)
{
    static const uint8_t hello[] = { 0xc1, 7, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0 }; /* RFC 7692 7.2.3.1 */
    struct peer *p = open_client();
    peer_feed(p, hello, sizeof(hello));
    assert_string_equal(lines, "< 1 FIN RSV 7, plain 0\n");
    assert_non_null(strstr(p->trace, "message text 'Hello'\n"));
    peer_free(p);
}
