/* SPDX-License-Identifier: MIT */
/* Short messages take a shorter way through a server than others do, and meet the same rules on it. */
#include "attached.h"

static char got[200]; /* what came, one letter or more for each call */
static unsigned closes, frames_seen, code_of_last;

static void echo(duet_conn *c, const duet_msg *m)
{
    char one[80];
    snprintf(one, sizeof(one), "%s%s%.*s;", m->first ? "" : "+", m->type == DUET_TEXT ? "t:" : "b:", (int)m->len,
             (const char *)m->data);
    strcat(got, one);
    assert_int_equal(c->proto.busy->now_ms, loop->now_ms);
    duet_send(c, m->type, m->data, m->len);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)c;
    closes++;
    code_of_last = why->sent;
}

static void on_trace(duet_conn *c, const duet_trace *frame)
{
    (void)c;
    (void)frame;
    frames_seen++;
}

static void begin(duet_server_config config)
{
    config.on = (duet_handler){ .message = echo, .close = on_close };
    attach(config);
    got[0] = 0;
    closes = frames_seen = code_of_last = 0;
}

static void end(int fd)
{
    close(fd);
    detach();
}

static size_t put_frame(uint8_t *to, unsigned opcode, const char *data)
{
    uint32_t key;
    memcpy(&key, "\x12\x34\x56\x78", 4);
    size_t len = strlen(data), n = frame_encode(to, opcode, true, len, &key);
    for (size_t i = 0; i < len; i++)
        to[n + i] = (uint8_t)data[i] ^ (uint8_t) "\x12\x34\x56\x78"[i % 4];
    return n + len;
}

static void say(int fd, unsigned opcode, const char *data)
{
    uint8_t wire[200];
    size_t n = put_frame(wire, opcode, data);
    assert_int_equal(send(fd, wire, n, 0), n);
}

static void expect(int fd, unsigned first, const char *data)
{
    char wire[200];
    receive(fd, wire, 2 + strlen(data));
    assert_int_equal((uint8_t)wire[0], first);
    assert_int_equal(wire[1], strlen(data));
    assert_memory_equal(wire + 2, data, strlen(data));
}

TEST(brief, many_in_one_read_come_in_order_cut_wherever_they_are)
{
    uint8_t wire[200];
    size_t n = 0;
    n += put_frame(wire + n, FRAME_TEXT, "one");
    n += put_frame(wire + n, FRAME_BINARY, "");
    n += put_frame(wire + n, FRAME_PING, "p");
    n += put_frame(wire + n, FRAME_TEXT, "a message of some length, so that it is masked in pieces");
    begin((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    for (size_t cut = 0; cut < n; cut++) {
        got[0] = 0;
        assert_int_equal(send(fd, wire, cut, 0), cut);
        duet_loop_turn(loop, 0);
        assert_int_equal(send(fd, wire + cut, n - cut, 0), n - cut);
        expect(fd, 0x81, "one");
        expect(fd, 0x82, "");
        expect(fd, 0x8a, "p");
        expect(fd, 0x81, "a message of some length, so that it is masked in pieces");
        assert_string_equal(got, "t:one;b:;t:a message of some length, so that it is masked in pieces;");
    }
    end(fd);
}

TEST(brief, a_message_between_fragments_is_refused_however_short)
{
    begin((duet_server_config){ .listen = NULL });
    duet_conn *c;
    static const uint8_t wire[] = { 0x01, 0x81, 0, 0, 0, 0, 'a', 0x81, 0x81, 0, 0, 0, 0, 'b' };
    int fd = dial_websocket(&c, 0);
    assert_int_equal(send(fd, wire, 7, 0), 7);
    for (int i = 0; i < 50 && c->proto.busy == NULL; i++)
        duet_loop_turn(loop, 1);
    assert_int_equal(send(fd, wire + 7, 7, 0), 7);
    expect(fd, 0x88, "\x03\xea"); /* 1002 */
    assert_string_equal(got, "");
    end(fd);
}

TEST(brief, msg_6_text_is_checked)
{
    begin((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    say(fd, FRAME_BINARY, "\xff");
    expect(fd, 0x82, "\xff");
    say(fd, FRAME_TEXT, "\xff");
    expect(fd, 0x88, "\x03\xef"); /* 1007 */
    assert_string_equal(got, "b:\xff;");
    end(fd);
}

/* What is sent as text is checked, but for the text that came last. */
TEST(brief, msg_8_text_that_is_sent_is_checked)
{
    begin((duet_server_config){ .listen = NULL });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    assert_int_equal(duet_send(c, DUET_TEXT, "\xff", 1), DUET_ERR_UTF8);
    assert_int_equal(duet_send(c, DUET_BINARY, "\xff", 1), 0);
    assert_int_equal(duet_send(c, (duet_type)3, "x", 1), DUET_ERR_INVALID);
    expect(fd, 0x82, "\xff");
    end(fd);
}

TEST(brief, who_is_traced_is_told_of_them)
{
    begin((duet_server_config){ .trace = on_trace });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    say(fd, FRAME_TEXT, "x");
    expect(fd, 0x81, "x");
    assert_int_equal(frames_seen, 0);
    duet_conn_trace(c);
    say(fd, FRAME_TEXT, "x");
    expect(fd, 0x81, "x");
    assert_int_equal(frames_seen, 2);
    end(fd);
}

TEST(brief, msg_1_a_limit_below_them_holds)
{
    begin((duet_server_config){ .message_max = 3 });
    duet_conn *c;
    int fd = dial_websocket(&c, 0);
    say(fd, FRAME_TEXT, "abc");
    expect(fd, 0x81, "abc");
    say(fd, FRAME_TEXT, "abcd");
    expect(fd, 0x88, "\x03\xf1"); /* 1009 */
    assert_string_equal(got, "t:abc;");
    end(fd);
}

/* A piece is what there is at the end of a read. */
TEST(brief, with_pieces_one_that_is_split_comes_in_two)
{
    begin((duet_server_config){ .pieces = true });
    duet_conn *c;
    uint8_t wire[20];
    int fd = dial_websocket(&c, 0);
    size_t n = put_frame(wire, FRAME_TEXT, "abcd");
    assert_int_equal(send(fd, wire, n - 2, 0), n - 2);
    expect(fd, 0x81, "ab");
    assert_int_equal(send(fd, wire + n - 2, 2, 0), 2);
    expect(fd, 0x81, "cd");
    assert_string_equal(got, "t:ab;+t:cd;");
    end(fd);
}

static const char deflating[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

TEST(brief, they_are_compressed_where_that_is_wanted)
{
    begin((duet_server_config){ .deflate = { .on = true, .least = 1 } });
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char head[1000], answer[2];
    int fd = dial();
    assert_int_equal(send(fd, deflating, sizeof(deflating) - 1, 0), sizeof(deflating) - 1);
    for (size_t n = 0; n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0; n++)
        receive(fd, head + n, 1);
    say(fd, FRAME_TEXT, text);
    receive(fd, answer, 2);
    assert_int_equal((uint8_t)answer[0], 0xc1);
    assert_true((size_t)answer[1] < sizeof(text) - 1);
    receive(fd, head, (size_t)answer[1]);
    duet_set_deflate(server_slot(&server->loops[0], 0), false);
    say(fd, FRAME_TEXT, text);
    expect(fd, 0x81, text);
    end(fd);
}
