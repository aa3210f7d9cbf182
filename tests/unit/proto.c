/* SPDX-License-Identifier: MIT */
/* The protocol core as traces: each script runs whole, byte by byte, at every cut and, when short, at every two. */
#include "peer.h"
#include "base/mem.h"

struct script {
    const char *name;
    int roles; /* 1 server, 2 client, 3 both */
    duet_proto_config config;
    const char *steps; /* see build() */
    const char *trace;
};

/*
 * A script's bytes, as words: FF:payload is a frame with first byte FF (hex) and a payload, whose \xx are bytes;
 * raw=HEX is bytes as they are; len=FF:N is a frame of N bytes 'a'. Payloads end at a blank.
 */
static size_t payload_of(const char *word, uint8_t *out)
{
    size_t n = 0;
    for (; *word != 0 && *word != ' '; n++) {
        unsigned byte;
        if (*word == '\\' && sscanf(word + 1, "%2x", &byte) == 1) {
            out[n] = (uint8_t)byte;
            word += 3;
        } else {
            out[n] = (uint8_t)*word++;
        }
    }
    return n;
}

static size_t build(const struct peer *p, const char *steps, uint8_t *out)
{
    static uint8_t payload[100000];
    size_t len = 0;
    for (const char *word = steps; *word != 0; word += strcspn(word, " "), word += *word == ' ') {
        unsigned first, byte;
        size_t n;
        if (sscanf(word, "len=%2x:%zu", &first, &n) == 2) {
            memset(payload, 'a', n);
            len += peer_frame(p, out + len, first, payload, n);
        } else if (strncmp(word, "raw=", 4) == 0) {
            for (const char *h = word + 4; sscanf(h, "%2x", &byte) == 1 && *h != ' ' && *h != 0; h += 2)
                out[len++] = (uint8_t)byte;
        } else if (sscanf(word, "%2x:", &first) == 1) {
            n = payload_of(word + 3, payload);
            len += peer_frame(p, out + len, first, payload, n);
        }
    }
    return len;
}

static void run_cut(const struct script *s, duet_role role, size_t a, size_t b)
{
    static uint8_t wire[200000];
    struct peer *p = peer_open(role, &s->config);
    size_t len = build(p, s->steps, wire);
    if (a > len || b > len) {
        peer_free(p);
        return;
    }
    peer_feed(p, wire, a);
    peer_feed(p, wire + a, b - a);
    peer_feed(p, wire + b, len - b);
    if (strcmp(p->trace, s->trace) != 0)
        print_error("script %s, role %d, cut at %zu and %zu of %zu\n", s->name, role, a, b, len);
    EXPECT_TRACE(p, s->trace);
    peer_free(p);
}

static void run_bytes(const struct script *s, duet_role role)
{
    static uint8_t wire[200000];
    struct peer *p = peer_open(role, &s->config);
    size_t len = build(p, s->steps, wire);
    for (size_t i = 0; i < len; i++)
        peer_feed(p, wire + i, 1);
    if (strcmp(p->trace, s->trace) != 0)
        print_error("script %s, role %d, byte by byte\n", s->name, role);
    EXPECT_TRACE(p, s->trace);
    peer_free(p);
}

static void run_script(const struct script *s)
{
    static uint8_t wire[200000];
    for (int role = DUET_SERVER; role <= DUET_CLIENT; role++) {
        if (!(s->roles >> role & 1))
            continue;
        struct peer *p = peer_open((duet_role)role, NULL);
        size_t len = build(p, s->steps, wire);
        peer_free(p);
        run_cut(s, (duet_role)role, 0, 0);
        if (len <= 3000)
            run_bytes(s, (duet_role)role);
        for (size_t a = 0; a <= len; a += len > 300 ? 97 : 1)
            run_cut(s, (duet_role)role, a, a);
        for (size_t a = 0; len <= 48 && a <= len; a++)
            for (size_t b = a; b <= len; b++)
                run_cut(s, (duet_role)role, a, b);
    }
}

static void run_scripts(const struct script *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_script(&s[i]);
}
#define RUN(scripts) run_scripts(scripts, sizeof(scripts) / sizeof(*(scripts)))

#define FAILS(code, error) "send close " code " ''\nerror " error "\n"
#define FAIL_1002          FAILS("1002", "PROTOCOL")

/* RFC-54, RFC-58, RFC-59, RFC-87. */
TEST(proto, frm_9_messages_arrive_however_cut)
{
    static const struct script scripts[] = {
        { "text", 3, { 0 }, "81:Hi", "message text 'Hi'\n" },
        { "empty (FRM-10)", 3, { 0 }, "81: 82:", "message text ''\nmessage binary ''\n" },
        { "two", 3, { 0 }, "81:one 82:two", "message text 'one'\nmessage binary 'two'\n" },
        { "fragments", 3, { 0 }, "01:Hel 00:lo 80:!", "message text 'Hello!'\n" },
        { "empty fragments", 3, { 0 }, "01: 00: 80:", "message text ''\n" },
        { "empty last fragment", 3, { 0 }, "02:ab 80:", "message binary 'ab'\n" },
        { "126 bytes", 3, { 0 }, "len=82:126", "message binary (126)\n" },
        { "65535 bytes", 3, { 0 }, "len=82:65535 81:x", "message binary (65535)\nmessage text 'x'\n" },
        { "65536 bytes", 3, { 0 }, "len=82:65536 81:x", "message binary (65536)\nmessage text 'x'\n" },
        { "character over fragments", 3, { 0 }, "01:\\c3 80:\\a9x", "message text '\xc3\xa9x'\n" },
    };
    RUN(scripts);
}

/* RFC-55, RFC-63, RFC-65. */
TEST(proto, control_frames_between_fragments_are_handled_at_once)
{
    static const struct script scripts[] = {
        { "ping", 3, { 0 }, "89:x", "ping 'x'\nsend pong 'x'\n" },
        { "empty ping", 3, { 0 }, "89:", "ping ''\nsend pong ''\n" },
        { "125 bytes", 3, { 0 }, "len=89:125", "ping (125)\nsend pong (125)\n" },
        { "inside a message", 3, { 0 }, "01:a 89:x 80:b", "ping 'x'\nmessage text 'ab'\nsend pong 'x'\n" },
        { "unsolicited pong (FRM-13)", 3, { 0 }, "8a:x 8a:x", "pong 'x'\npong 'x'\n" },
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
        for (int role = 0; role < 2; role++)
            run_cut(&scripts[i], (duet_role)role, 0, 0);
}

/* RFC-46, RFC-48. */
TEST(proto, frm_1_frm_2_the_mask_is_as_due_or_1002)
{
    static const uint8_t firsts[] = { 0x81, 0x82, 0x01, 0x88, 0x89, 0x8a };
    for (size_t i = 0; i < sizeof(firsts); i++)
        for (int role = 0; role < 2; role++) {
            struct peer *p = peer_open((duet_role)role, NULL);
            uint8_t head[2] = { firsts[i], role == DUET_SERVER ? 0x00 : 0x80 };
            peer_feed(p, head, 2); /* decided at the second byte */
            EXPECT_TRACE(p, FAIL_1002);
            peer_free(p);
        }
    static const struct script scripts[] = {
        { "middle fragment", 1, { 0 }, "01:a raw=0001", FAIL_1002 },
        { "last fragment", 1, { 0 }, "01:a raw=8001", FAIL_1002 },
    };
    RUN(scripts);
}

/* RFC-52. */
TEST(proto, frm_3_frm_5_lengths_are_judged_by_the_head_alone)
{
    static const struct script scripts[] = {
        { "top bit", 1, { 0 }, "raw=82ff800000000000000001020304", FAIL_1002 },
        { "all ones", 1, { 0 }, "raw=82ffffffffffffffffff01020304", FAIL_1002 },
        { "2^63-1", 1, { 0 }, "raw=82ff7fffffffffffffff01020304", FAILS("1009", "TOO_BIG") },
        { "2^32+5", 1, { 0 }, "raw=82ff000000010000000501020304", FAILS("1009", "TOO_BIG") },
        { "4 GiB", 1, { 0 }, "raw=82ff000000010000000001020304", FAILS("1009", "TOO_BIG") },
        { "top bit, client", 2, { 0 }, "raw=827f8000000000000000", FAIL_1002 },
        { "2^63-1, client", 2, { 0 }, "raw=827f7fffffffffffffff", FAILS("1009", "TOO_BIG") },
    };
    RUN(scripts);
}

/* RFC-51. */
TEST(proto, frm_4_lengths_are_minimal_or_1002)
{
    static const struct script scripts[] = {
        { "0 as 16 bits", 1, { 0 }, "raw=82fe000001020304", FAIL_1002 },
        { "125 as 16 bits", 1, { 0 }, "raw=82fe007d01020304", FAIL_1002 },
        { "0 as 64 bits", 1, { 0 }, "raw=82ff000000000000000001020304", FAIL_1002 },
        { "126 as 64 bits", 1, { 0 }, "raw=82ff000000000000007e01020304", FAIL_1002 },
        { "65535 as 64 bits", 1, { 0 }, "raw=82ff000000000000ffff01020304", FAIL_1002 },
        { "client 125 as 16 bits", 2, { 0 }, "raw=827e007d", FAIL_1002 },
        { "client 65535 as 64 bits", 2, { 0 }, "raw=827f000000000000ffff", FAIL_1002 },
    };
    RUN(scripts);
}

/* RFC-49, RFC-50. */
TEST(proto, frm_6_frm_7_reserved_bits_and_opcodes_are_1002)
{
    for (unsigned first = 0; first < 256; first++) {
        unsigned opcode = first & 15;
        bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
        bool fine = (first & 0x70) == 0 && known && opcode != 0 && (opcode < 8 || (first & 0x80));
        for (int role = 0; role < 2; role++) {
            uint8_t wire[32];
            struct peer *p = peer_open((duet_role)role, NULL);
            peer_feed(p, wire, peer_frame(p, wire, first, "", 0));
            if (fine)
                assert_null(strstr(p->trace, "error"));
            else
                EXPECT_TRACE(p, FAIL_1002);
            peer_free(p);
        }
    }
}

/* RFC-56. */
TEST(proto, frm_8_control_frames_are_whole_and_short)
{
    static const struct script scripts[] = {
        { "ping of 126", 1, { 0 }, "raw=89fe", FAIL_1002 },
        { "ping of 64 bits", 1, { 0 }, "raw=89ff", FAIL_1002 },
        { "close not final", 1, { 0 }, "raw=0880", FAIL_1002 },
        { "ping not final", 1, { 0 }, "raw=0980", FAIL_1002 },
        { "pong not final", 1, { 0 }, "raw=0a80", FAIL_1002 },
        { "client: close of 126", 2, { 0 }, "raw=887e", FAIL_1002 },
    };
    RUN(scripts);
}

/* RFC-57. */
TEST(proto, msg_4_fragments_do_not_interleave)
{
    static const struct script scripts[] = {
        { "text in a message", 3, { 0 }, "01:a 81:b", FAIL_1002 },
        { "binary in a message", 3, { 0 }, "01:a 02:b", FAIL_1002 },
        { "continuation of nothing", 3, { 0 }, "80:a", FAIL_1002 },
        { "continuation after the end", 3, { 0 }, "01:a 80:b 00:c", "message text 'ab'\n" FAIL_1002 },
    };
    RUN(scripts);
}

/* RFC-62. */
TEST(proto, msg_1_the_limit_is_the_message_s_at_minus_1_0_and_plus_1)
{
    static const struct script scripts[] = {
        { "9", 3, { .message_max = 10 }, "len=82:9", "message binary 'aaaaaaaaa'\n" },
        { "10", 3, { .message_max = 10 }, "len=82:10", "message binary 'aaaaaaaaaa'\n" },
        { "11", 3, { .message_max = 10 }, "len=82:11", FAILS("1009", "TOO_BIG") },
        { "10 in two", 3, { .message_max = 10 }, "len=02:4 len=80:6", "message binary 'aaaaaaaaaa'\n" },
        { "11 in two", 3, { .message_max = 10 }, "len=02:4 len=80:7", FAILS("1009", "TOO_BIG") },
        { "11 in three", 3, { .message_max = 10 }, "len=02:4 len=00:6 len=80:1", FAILS("1009", "TOO_BIG") },
        { "10 in three, then more",
          3,
          { .message_max = 10 },
          "len=02:5 len=00:5 len=80:0 82:b",
          "message binary 'aaaaaaaaaa'\nmessage binary 'b'\n" },
    };
    RUN(scripts);
}

TEST(proto, msg_2_endless_tiny_fragments_are_1008)
{
    static uint8_t wire[65536];
    struct peer *p = peer_open(DUET_SERVER, NULL);
    size_t len = 0;
    for (int i = 0; i < 256; i++)
        len += peer_frame(p, wire + len, i ? 0x00 : 0x02, "x", 1);
    peer_feed(p, wire, len);
    EXPECT_TRACE(p, "");
    peer_feed(p, wire, peer_frame(p, wire, 0x00, "x", 1));
    EXPECT_TRACE(p, FAILS("1008", "POLICY"));
    peer_free(p);

    p = peer_open(DUET_SERVER, NULL); /* a mean of 16 is fine for ever */
    for (int i = 0; i < 3000; i++)
        peer_feed(p, wire, peer_frame(p, wire, i ? 0x00 : 0x02, "0123456789abcdef", 16));
    peer_feed(p, wire, peer_frame(p, wire, 0x80, "0123456789abcdef", 16));
    EXPECT_TRACE(p, "message binary (48016)\n");
    peer_free(p);
}

/* RFC-83, RFC-88. */
TEST(proto, msg_5_invalid_text_is_1007)
{
    static const struct script scripts[] = {
        { "lone continuation", 3, { 0 }, "81:\\80", FAILS("1007", "UTF8") },
        { "overlong", 3, { 0 }, "81:a\\c0\\af", FAILS("1007", "UTF8") },
        { "surrogate", 3, { 0 }, "81:\\ed\\a0\\80", FAILS("1007", "UTF8") },
        { "above", 3, { 0 }, "81:\\f4\\90\\80\\80", FAILS("1007", "UTF8") },
        { "cut at the end", 3, { 0 }, "81:a\\e2\\82", FAILS("1007", "UTF8") },
        { "cut at the last fragment", 3, { 0 }, "01:a 80:\\e2\\82", FAILS("1007", "UTF8") },
        { "in the first fragment", 3, { 0 }, "01:\\ff 80:a", FAILS("1007", "UTF8") },
        { "in pieces", 3, { .pieces = true }, "81:\\ff", FAILS("1007", "UTF8") },
        { "binary is any", 3, { 0 }, "82:\\ff\\fe", "message binary '\xff\xfe'\n" },
    };
    RUN(scripts);
    /* Fail fast: before the frame is whole. */
    uint8_t wire[64];
    struct peer *p = peer_open(DUET_SERVER, NULL);
    peer_frame(p, wire, 0x81,
               "ab\xff"
               "cdefgh",
               9);
    peer_feed(p, wire, 6 + 3);
    EXPECT_TRACE(p, FAILS("1007", "UTF8"));
    peer_free(p);
}

/* RFC-60. */
TEST(proto, messages_come_in_pieces)
{
    struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .pieces = true });
    uint8_t wire[64];
    size_t n = peer_frame(p, wire, 0x01, "Hello", 5);
    peer_feed(p, wire, 8);
    peer_feed(p, wire + 8, n - 8);
    peer_feed(p, wire, peer_frame(p, wire, 0x00, "", 0));
    peer_feed(p, wire, peer_frame(p, wire, 0x80, "", 0));
    peer_feed(p, wire, peer_frame(p, wire, 0x82, "x", 1));
    EXPECT_TRACE(p, "piece text first 'He'\npiece text 'llo'\npiece text last ''\npiece binary first last 'x'\n");
    peer_free(p);
}

/* RFC-66, RFC-67, RFC-69, RFC-77, RFC-78, RFC-79. */
TEST(proto, cls_2_every_close_code)
{
    for (unsigned code = 0; code < 65536; code += code >= 5100 ? 997 : 1) {
        bool fine = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        uint8_t wire[32], payload[2] = { (uint8_t)(code >> 8), (uint8_t)code };
        char expected[64];
        struct peer *p = peer_open(code & 1 ? DUET_SERVER : DUET_CLIENT, NULL);
        peer_feed(p, wire, peer_frame(p, wire, 0x88, payload, 2));
        snprintf(expected, sizeof(expected), "close %u ''\nsend close %u ''\n", code, code);
        EXPECT_TRACE(p, fine ? expected : FAIL_1002);
        assert_int_equal(duet_proto_close_code(p->proto), fine ? code : DUET_CODE_LOST);
        peer_free(p);
    }
    static const struct script scripts[] = {
        { "empty", 3, { 0 }, "88:", "close 1005 ''\nsend close ''\n" },
        { "one byte", 3, { 0 }, "88:\\03", FAIL_1002 },
        { "reason", 3, { 0 }, "88:\\03\\e8bye", "close 1000 'bye'\nsend close 1000 ''\n" },
        { "bad reason", 3, { 0 }, "88:\\03\\e8\\ff", FAILS("1007", "UTF8") },
        { "nothing after it is read", 3, { 0 }, "88: 81:late 88:", "close 1005 ''\nsend close ''\n" },
        { "in a message", 3, { 0 }, "01:a 88:", "close 1005 ''\nsend close ''\n" },
        { "nothing after a failure is read (RFC-75)", 3, { 0 }, "83:a 88: 81:x", FAIL_1002 },
    };
    RUN(scripts);
}

/* RFC-68, RFC-76. */
TEST(proto, cls_5_cls_6_closes_cross_and_data_after_ours_is_dropped)
{
    for (int role = 0; role < 2; role++)
        for (size_t cut = 0; cut < 20; cut++) {
            uint8_t wire[128];
            struct peer *p = peer_open((duet_role)role, NULL);
            assert_int_equal(duet_proto_close(p->proto, 4001, "done"), 0);
            peer_flush(p);
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), DUET_ERR_CLOSED);
            assert_int_equal(duet_proto_close(p->proto, 1000, NULL), 0); /* once is enough */
            size_t n = peer_frame(p, wire, 0x81, "data", 4);
            n += peer_frame(p, wire + n, 0x89, "ping", 4);
            n += peer_frame(p, wire + n, 0x88, "\x0f\xa2mine", 6);
            peer_feed(p, wire, cut);
            peer_feed(p, wire + cut, n - cut);
            EXPECT_TRACE(p, "send close 4001 'done'\nclose 4002 'mine'\n");
            peer_free(p);
        }
}

TEST(proto, mem_4_what_was_accepted_goes_before_the_close)
{
    for (int role = 0; role < 2; role++) {
        uint8_t wire[64];
        struct peer *p = peer_open((duet_role)role, NULL);
        p->echo = true;
        size_t n = peer_frame(p, wire, 0x81, "Hi", 2);
        n += peer_frame(p, wire + n, 0x83, "x", 1);
        peer_feed(p, wire, n);
        EXPECT_TRACE(p, "message text 'Hi'\nsend text 'Hi'\n" FAIL_1002);
        peer_free(p);
    }
}

/* RFC-67, RFC-77. */
TEST(proto, cls_3_reasons_are_cut_between_characters)
{
    static const char *const units[] = { "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t u = 0; u < 4; u++)
        for (size_t want = 110; want <= 130; want++) {
            char reason[256] = "";
            size_t unit = strlen(units[u]), len = 0;
            for (; len + unit <= want; len += unit)
                memcpy(reason + len, units[u], unit + 1);
            struct peer *p = peer_open(DUET_SERVER, NULL);
            assert_int_equal(duet_proto_close(p->proto, 1000, reason), 0);
            size_t queued = duet_proto_queued(p->proto);
            assert_int_equal(queued, 4 + (len <= 123 ? len : 123 / unit * unit));
            peer_flush(p);
            peer_free(p);
        }
    struct peer *p = peer_open(DUET_SERVER, NULL);
    assert_int_equal(duet_proto_close(p->proto, 1005, NULL), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_close(p->proto, 999, NULL), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_close(p->proto, 1000, "\xff"), DUET_ERR_UTF8);
    EXPECT_TRACE(p, "");
    peer_free(p);
}

TEST(proto, rfc_80_1011_may_be_sent_by_both_sides)
{
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, NULL);
        assert_int_equal(duet_proto_close(p->proto, 1011, "sorry"), 0);
        peer_flush(p);
        EXPECT_TRACE(p, "send close 1011 'sorry'\n");
        peer_free(p);
    }
}

/* RFC-64. */
TEST(proto, frm_12_only_sixteen_pongs_wait_and_the_newest_ping_is_answered)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    for (int i = 0; i < 1000; i++) {
        uint8_t wire[32], copy[32];
        char payload[8];
        duet_event ev;
        int n = snprintf(payload, sizeof(payload), "%d", i);
        size_t len = peer_frame(p, wire, 0x89, payload, (size_t)n);
        memcpy(copy, wire, len);
        duet_input in = { copy, len };
        assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
    }
    assert_true(duet_proto_queued(p->proto) <= 16 * 127);
    peer_flush(p);
    int pongs = 0;
    for (const char *at = p->trace; (at = strstr(at, "send pong")) != NULL; at++)
        pongs++;
    assert_int_equal(pongs, 17);
    assert_non_null(strstr(p->trace, "send pong '15'\nsend pong '999'\n"));
    peer_free(p);
}

TEST(proto, frm_12_a_flood_of_control_frames_is_1008)
{
    struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .control_per_s = 2 });
    uint8_t wire[32];
    size_t n = peer_frame(p, wire, 0x8a, "", 0);
    for (int i = 0; i < 20; i++)
        peer_feed(p, wire, n);
    assert_int_equal(p->error, 0);
    p->now_ms += 10000; /* a new window */
    for (int i = 0; i < 20; i++)
        peer_feed(p, wire, n);
    assert_int_equal(p->error, 0);
    peer_feed(p, wire, n);
    assert_int_equal(p->error, DUET_ERR_POLICY);
    assert_non_null(strstr(p->trace, "send close 1008"));
    peer_free(p);
}

TEST(proto, pings_go_out_when_idle_and_their_pong_is_awaited)
{
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, NULL);
        uint64_t first = duet_proto_deadline(p->proto);
        assert_in_range(first, 1000000 + 12500, 1000000 + 25000); /* TIM-6 */
        peer_tick(p, first - 1);
        EXPECT_TRACE(p, "");
        peer_tick(p, first);
        assert_int_equal(duet_proto_deadline(p->proto), first + 10000);
        peer_tick(p, first + 9999);
        assert_null(strstr(p->trace, "error"));
        uint8_t wire[32];
        uint32_t count = 1;
        p->now_ms = first + 9999;
        peer_feed(p, wire, peer_frame(p, wire, 0x8a, &count, 4));
        peer_feed(p, wire, peer_frame(p, wire, 0x8a, &count, 4)); /* FRM-13: answers once */
        assert_non_null(strstr(p->trace, "answer "));
        assert_non_null(strstr(p->trace, "\npong "));
        assert_int_equal(duet_proto_deadline(p->proto), first + 9999 + 25000);
        peer_tick(p, first + 9999 + 25000);
        peer_tick(p, first + 9999 + 25000 + 10000);
        assert_int_equal(p->error, DUET_ERR_TIMEOUT);
        assert_int_equal(duet_proto_deadline(p->proto), UINT64_MAX);
        peer_free(p);
    }
}

TEST(proto, frm_14_data_counts_as_life)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    uint8_t wire[32];
    uint64_t first = duet_proto_deadline(p->proto);
    peer_tick(p, first);
    p->now_ms = first + 5000;
    peer_feed(p, wire, peer_frame(p, wire, 0x82, "x", 1));
    peer_tick(p, first + 10000);
    assert_int_equal(p->error, 0);
    assert_int_equal(duet_proto_deadline(p->proto), first + 5000 + 25000);
    peer_free(p);
}

/* Also when the wait for a pong is the longer one, and data came in it: silence is measured from the data on. */
TEST(proto, frm_14_and_net_7_who_vanishes_after_data_is_found_within_ping_and_pong)
{
    struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .ping_ms = 1000, .pong_ms = 9000 });
    uint8_t wire[32];
    uint64_t first = duet_proto_deadline(p->proto), heard = first + 10;
    peer_tick(p, first);
    p->now_ms = heard;
    peer_feed(p, wire, peer_frame(p, wire, 0x82, "x", 1));
    assert_int_equal(duet_proto_deadline(p->proto), heard + 1000);
    peer_tick(p, heard + 1000);
    assert_int_equal(duet_proto_deadline(p->proto), heard + 1000 + 9000);
    peer_tick(p, heard + 1000 + 9000);
    assert_int_equal(p->error, DUET_ERR_TIMEOUT);
    peer_free(p);
}

TEST(proto, cls_7_a_close_that_is_not_answered_ends_in_5_s)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    duet_proto_close(p->proto, 1000, NULL);
    peer_flush(p);
    peer_tick(p, 2000000); /* the clock had moved on since the last call: the wait begins here */
    assert_int_equal(p->error, 0);
    assert_int_equal(duet_proto_deadline(p->proto), 2005000);
    peer_tick(p, 2004999);
    assert_int_equal(p->error, 0);
    peer_tick(p, 2005000);
    assert_int_equal(p->error, DUET_ERR_TIMEOUT);
    peer_free(p);
}

TEST(proto, msg_3_a_message_must_end_in_its_time)
{
    struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .ping_ms = DUET_OFF });
    uint8_t wire[32];
    peer_feed(p, wire, peer_frame(p, wire, 0x02, "x", 1));
    assert_int_equal(duet_proto_deadline(p->proto), 1060000);
    peer_tick(p, 1059999);
    assert_int_equal(p->error, 0);
    peer_tick(p, 1060000);
    EXPECT_TRACE(p, FAILS("1008", "POLICY"));
    peer_free(p);
}

TEST(proto, the_open_deadline_is_one_for_all)
{
    struct peer *p = peer_new(DUET_SERVER, NULL);
    peer_feed(p, "GET", 3);
    assert_int_equal(duet_proto_deadline(p->proto), 1010000);
    peer_tick(p, 1009999);
    assert_int_equal(p->error, 0);
    peer_tick(p, 1010000);
    assert_int_equal(p->error, DUET_ERR_TIMEOUT);
    peer_free(p);
}

/* RFC-56, RFC-85. */
TEST(proto, frm_18_sending_needs_an_open_connection)
{
    struct peer *p = peer_new(DUET_SERVER, NULL);
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), DUET_ERR_STATE);
    assert_int_equal(duet_proto_close(p->proto, 1000, NULL), DUET_ERR_STATE);
    peer_free(p);
    p = peer_open(DUET_SERVER, NULL);
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "\xff", 1), DUET_ERR_UTF8); /* MSG-8 */
    assert_int_equal(duet_proto_send(p->proto, DUET_PING, "", 126), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_send(p->proto, (duet_type)3, "", 0), DUET_ERR_INVALID);
    peer_feed(p, "\x83\x80", 2);
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), DUET_ERR_CLOSED);
    EXPECT_TRACE(p, FAIL_1002);
    peer_free(p);
}

/* RFC-51, RFC-54. */
TEST(proto, lengths_are_sent_in_their_shortest_form)
{
    static const struct {
        size_t len, head;
    } cases[] = {
        { 0, 2 }, { 125, 2 }, { 126, 4 }, { 65535, 4 }, { 65536, 10 }, { 1000000, 10 },
    };
    static uint8_t payload[1000000];
    for (int role = 0; role < 2; role++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            struct peer *p = peer_open((duet_role)role, NULL);
            assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, payload, cases[i].len), 0);
            assert_int_equal(duet_proto_queued(p->proto), cases[i].len + cases[i].head + (role ? 4u : 0u));
            peer_flush(p);
            assert_non_null(strstr(p->trace, "send binary "));
            peer_free(p);
        }
}

/* RFC-86. */
TEST(proto, messages_go_out_in_parts)
{
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, NULL);
        assert_int_equal(duet_proto_send_part(p->proto, "x", 1, true), DUET_ERR_STATE);
        assert_int_equal(duet_proto_send_begin(p->proto, DUET_TEXT), 0);
        assert_int_equal(duet_proto_send_part(p->proto, "a\xc3", 2, false), 0);
        assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), DUET_ERR_STATE);
        assert_int_equal(duet_proto_send_part(p->proto, "b", 1, false), DUET_ERR_UTF8);
        assert_int_equal(duet_proto_send(p->proto, DUET_PING, "p", 1), 0); /* between frames (FRM-17) */
        assert_int_equal(duet_proto_send_part(p->proto, "\xa9", 1, false), 0);
        assert_int_equal(duet_proto_send_part(p->proto, "", 0, true), 0);
        assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "x", 1), 0);
        peer_flush(p);
        EXPECT_TRACE(p, "send text 'a\xc3' more\nsend ping 'p'\nsend continuation '\xa9' more\n"
                        "send continuation ''\nsend text 'x'\n");
        peer_free(p);
    }
}

TEST(proto, a_message_goes_back_in_its_own_buffer)
{
    static uint8_t wire[300000], payload[200000];
    struct peer *p = peer_open(DUET_SERVER, NULL);
    p->echo = true;
    size_t n = peer_frame(p, wire, 0x82, payload, sizeof(payload));
    peer_feed(p, wire, 100);
    peer_feed(p, wire + 100, n - 100);
    EXPECT_TRACE(p, "message binary (200000)\nsend binary (200000)\n");
    peer_free(p);
}

TEST(proto, a_large_message_is_read_straight_into_its_place)
{
    static uint8_t wire[300000], payload[200000];
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, NULL);
        p->echo = true;
        memset(payload, 'z', sizeof(payload));
        size_t n = peer_frame(p, wire, 0x81, payload, sizeof(payload));
        n += peer_frame(p, wire + n, 0x81, "next", 4);
        peer_feed_room(p, wire, n);
        EXPECT_TRACE(p, "message text (200000)\nsend text (200000)\nmessage text 'next'\nsend text 'next'\n");
        peer_free(p);
        p = peer_open((duet_role)role, NULL);
        payload[150000] = 0xff;
        n = peer_frame(p, wire, 0x81, payload, sizeof(payload));
        peer_feed_room(p, wire, n);
        EXPECT_TRACE(p, FAILS("1007", "UTF8"));
        peer_free(p);
    }
}

TEST(proto, a_shared_message_is_queued_without_a_copy)
{
    duet_shared *s = duet_shared_new(DUET_TEXT, "all", 3);
    struct peer *a = peer_open(DUET_SERVER, NULL), *b = peer_open(DUET_CLIENT, NULL);
    assert_int_equal(duet_proto_send_shared(a->proto, s), 0);
    assert_int_equal(duet_proto_send_shared(a->proto, s), 0);
    assert_int_equal(duet_proto_send_shared(b->proto, s), 0);
    duet_shared_unref(s);
    peer_flush(a);
    peer_flush(b);
    EXPECT_TRACE(a, "send text 'all'\nsend text 'all'\n");
    EXPECT_TRACE(b, "send text 'all'\n");
    peer_free(a);
    peer_free(b);
    assert_null(duet_shared_new(DUET_TEXT, "\xff", 1));
}

static int frames_seen;
static void count_frame(void *arg, const duet_trace *t)
{
    (void)arg;
    frames_seen++;
    assert_true(t->head_len >= 2 && t->head_len <= 14);
    assert_int_equal(t->head[0] & 15, t->opcode);
    assert_int_equal((t->head[1] & 0x80) != 0, t->masked);
}

TEST(proto, the_trace_sees_every_frame_of_both_directions)
{
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, &(duet_proto_config){ .trace = count_frame });
        uint8_t wire[256];
        frames_seen = 0;
        p->echo = true;
        size_t n = peer_frame(p, wire, 0x01, "a", 1);
        n += peer_frame(p, wire + n, 0x89, "p", 1);
        n += peer_frame(p, wire + n, 0x80, "b", 1);
        n += peer_frame(p, wire + n, 0x88, "", 0);
        for (size_t i = 0; i < n; i++)
            peer_feed(p, wire + i, 1);
        assert_int_equal(frames_seen, 7); /* 4 in; pong, echo, Close out */
        peer_free(p);
    }
}

/* Bytes that came split, and what a Close without a reason finds in their place. */
TEST(proto, a_close_without_a_reason_has_none_though_a_split_ping_was_kept)
{
    uint8_t wire[64];
    struct peer *p = peer_open(DUET_SERVER, NULL);
    size_t n = peer_frame(p, wire, 0x89, "ping", 4);
    peer_feed(p, wire, n - 1);
    peer_feed(p, wire + n - 1, 1);
    peer_feed(p, wire, peer_frame(p, wire, 0x88, "\x03\xe8", 2));
    EXPECT_TRACE(p, "ping 'ping'\nsend pong 'ping'\nclose 1000 ''\nsend close 1000 ''\n");
    assert_int_equal(duet_proto_tick(p->proto, p->now_ms + 1000000), 0); /* CLOSED waits for nothing */
    peer_free(p);
}

TEST(proto, frm_13_only_the_payload_of_the_last_ping_answers_it)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    uint8_t wire[64];
    assert_int_equal(duet_proto_send(p->proto, DUET_PING, "abcd", 4), 0);
    peer_feed(p, wire, peer_frame(p, wire, 0x8a, "abc", 3));
    peer_feed(p, wire, peer_frame(p, wire, 0x8a, "abcde", 5));
    peer_feed(p, wire, peer_frame(p, wire, 0x8a, "abce", 4));
    peer_feed(p, wire, peer_frame(p, wire, 0x8a, "abcd", 4));
    peer_feed(p, wire, peer_frame(p, wire, 0x8a, "abcd", 4));
    EXPECT_TRACE(p, "pong 'abc'\nsend ping 'abcd'\npong 'abcde'\npong 'abce'\nanswer 'abcd'\npong 'abcd'\n");
    peer_free(p);
}

TEST(proto, limits_that_are_off_are_none)
{
    static uint8_t wire[3000000], payload[2500000];
    const duet_proto_config off = { .message_max = DUET_OFF, .control_per_s = DUET_OFF, .message_ms = DUET_OFF,
                                    .ping_ms = DUET_OFF };
    struct peer *p = peer_open(DUET_SERVER, &off);
    size_t n = peer_frame(p, wire, 0x02, payload, sizeof(payload));
    peer_feed(p, wire, n);
    assert_int_equal(duet_proto_deadline(p->proto), UINT64_MAX);
    peer_tick(p, p->now_ms + 100000000);
    peer_feed(p, wire, peer_frame(p, wire, 0x80, "", 0));
    EXPECT_TRACE(p, "message binary (2500000)\n");
    for (size_t i = n = 0; i < 20000; i++)
        n += peer_frame(p, wire + n, 0x8a, "", 0);
    peer_feed(p, wire, n);
    assert_int_equal(p->error, 0);
    peer_free(p);
    p = peer_open(DUET_SERVER, NULL); /* by default it is one of these that ends it */
    n = peer_frame(p, wire, 0x02, payload, sizeof(payload));
    peer_feed(p, wire, n);
    EXPECT_TRACE(p, FAILS("1009", "TOO_BIG"));
    peer_free(p);
}

/* Where a long frame's bytes may be received straight into the message, and where not. */
TEST(proto, room_is_given_for_the_rest_of_a_long_frame_alone)
{
    static uint8_t wire[70000], payload[60000];
    static const struct {
        size_t len;
        bool pieces, room;
    } rows[] = {
        { 16 * 1024 - 1, false, false }, { 16 * 1024, false, true }, { 60000, false, true }, { 60000, true, false },
    };
    void *at;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .pieces = rows[i].pieces });
        assert_int_equal(duet_proto_room(p->proto, &at), 0);
        size_t n = peer_frame(p, wire, 0x82, payload, rows[i].len);
        peer_feed(p, wire, n - rows[i].len); /* the head */
        size_t room = duet_proto_room(p->proto, &at);
        assert_int_equal(room > 0, rows[i].room);
        assert_true(room <= rows[i].len);
        peer_free(p);
    }
    struct peer *p = peer_open(DUET_SERVER, NULL);
    size_t n = peer_frame(p, wire, 0x89, payload, 100);
    peer_feed(p, wire, n - 50);
    assert_int_equal(duet_proto_room(p->proto, &at), 0); /* a control frame */
    peer_free(p);
}

/* CLS-5 by the other door: what comes after our Close into the room that was given before it is dropped as well. */
TEST(proto, cls_5_a_close_between_room_and_filled_loses_no_step)
{
    static uint8_t wire[70000], payload[60000];
    for (size_t filled = 0; filled <= sizeof(payload); filled += 20000) {
        struct peer *p = peer_open(DUET_SERVER, NULL);
        duet_event ev;
        void *at;
        size_t n = peer_frame(p, wire, 0x82, payload, sizeof(payload)), head = n - sizeof(payload), done = 0;
        peer_feed(p, wire, head);
        size_t room = duet_proto_room(p->proto, &at);
        assert_int_equal(duet_proto_close(p->proto, 1000, NULL), 0);
        if (filled > 0) {
            done = filled < room ? filled : room;
            memcpy(at, wire + head, done);
        }
        assert_int_equal(duet_proto_filled(p->proto, done, p->now_ms, &ev), 0);
        assert_int_equal(duet_proto_room(p->proto, &at), 0);
        peer_feed(p, wire + head + done, sizeof(payload) - done);
        peer_feed(p, wire, peer_frame(p, wire, 0x88, "\x03\xe8", 2));
        EXPECT_TRACE(p, "send close 1000 ''\nclose 1000 ''\n");
        peer_free(p);
    }
}

/* The same when it failed meanwhile: its error stays. */
TEST(proto, what_is_filled_into_a_failed_one_changes_nothing)
{
    static uint8_t wire[70000], payload[60000];
    struct peer *p = peer_open(DUET_SERVER, NULL);
    duet_event ev;
    void *at;
    peer_feed(p, wire, peer_frame(p, wire, 0x82, payload, sizeof(payload)) - sizeof(payload));
    assert_true(duet_proto_room(p->proto, &at) > 0);
    peer_tick(p, p->now_ms + 60000); /* MSG-3 */
    assert_int_equal(p->error, DUET_ERR_POLICY);
    assert_int_equal(duet_proto_filled(p->proto, 100, p->now_ms, &ev), DUET_ERR_POLICY);
    assert_int_equal(duet_proto_settle(p->proto), 0);
    peer_free(p);
}

static int scarce(void *arg, void *to, size_t len)
{
    int *left = arg;
    memset(to, 7, len);
    return (*left)-- > 0 ? 0 : -5;
}

/* TLS-14: without a fresh key a client sends nothing at all; without one for the pings' spread nothing is amiss. */
TEST(proto, cli_6_without_randomness_no_frame_is_sent)
{
    static const char text[5000];
    struct peer *p = peer_open(DUET_CLIENT, NULL);
    int left = 1000;
    p->config.random = scarce;
    proto_config_resolve(&p->proto->home->config, &p->config);
    duet_proto_set_arg(p->proto, &left);
    duet_shared *s = duet_shared_new(DUET_BINARY, text, 600);
    for (int have = 0; have < 2; have++) {
        int rc = have ? 0 : -5;
        left = have ? 1000 : 0;
        assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "short", 5), rc);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, text, 500), rc);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, text, sizeof(text)), rc);
        assert_int_equal(duet_proto_send(p->proto, DUET_PING, "ping", 4), rc);
        assert_int_equal(duet_proto_send(p->proto, DUET_PONG, "pong", 4), rc);
        assert_int_equal(duet_proto_send_shared(p->proto, s), rc);
        assert_int_equal(duet_proto_send_begin(p->proto, DUET_BINARY), 0);
        assert_int_equal(duet_proto_send_part(p->proto, "x", 1, true), rc);
        if (have)
            break;
        assert_int_equal(duet_proto_send_part(p->proto, "x", 1, true), rc);
        assert_int_equal(duet_proto_close(p->proto, 1000, NULL), rc);
        assert_int_equal(duet_proto_queued(p->proto), 0);
        p->proto->busy->out_type = 0;
    }
    duet_shared_unref(s);
    peer_flush(p);
    EXPECT_TRACE(p, "send text 'short'\nsend binary (500)\nsend binary (5000)\nsend ping 'ping'\nsend pong 'pong'\n"
                    "send binary (600)\nsend binary 'x'\n");
    peer_free(p);
}

TEST(proto, tim_6_a_server_without_randomness_pings_after_the_whole_interval)
{
    static const duet_proto_config configs[] = {
        { DUET_PROTO_CONFIG_INIT },
        { DUET_PROTO_CONFIG_INIT, .random = scarce },
    };
    int left = 0;
    for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
        duet_proto *p;
        duet_event ev;
        char copy[512];
        strcpy(copy, peer_request);
        duet_input in = { (uint8_t *)copy, strlen(copy) };
        assert_int_equal(duet_proto_new(&p, &configs[i], 5), 0);
        duet_proto_set_arg(p, &left);
        assert_int_equal(duet_proto_recv(p, &in, 5, &ev), 1);
        assert_int_equal(duet_proto_accept(p, NULL, NULL, 5), 0);
        assert_int_equal(duet_proto_deadline(p), 5 + 25000);
        duet_proto_free(p);
    }
}

/* Sooner than half an interval after the clock's zero there is no earlier time to count from. */
TEST(proto, tim_6_the_spread_does_not_reach_behind_the_beginning_of_time)
{
    static duet_proto p;
    int left = 1;
    duet_proto_config c = { DUET_PROTO_CONFIG_INIT, .random = scarce, .arg = &left };
    struct chunk_pool pool = { 0 };
    struct proto_home home = { .chunks = &pool, .busy_size = sizeof(struct proto_busy) };
    proto_config_resolve(&home.config, &c);
    assert_int_equal(proto_init(&p, &home, 3), 0);
    proto_open(&p, 3);
    assert_true(duet_proto_deadline(&p) <= 3 + 25000);
    proto_fini(&p);
    chunk_pool_fini(&pool);
}

/* One that rests has no busy part: what it says of itself is what it said, and what needs the part takes it. */
TEST(proto, mem_1_one_that_rests_is_as_it_was)
{
    static duet_proto p;
    struct iovec iov;
    struct chunk_pool pool = { 0 };
    struct proto_home home = { .chunks = &pool, .busy_size = sizeof(struct proto_busy) };
    duet_proto_config c = { DUET_PROTO_CONFIG_INIT };
    proto_config_resolve(&home.config, &c);
    assert_int_equal(proto_init(&p, &home, 3), 0);
    proto_open(&p, 3);
    uint64_t due = duet_proto_deadline(&p);
    assert_true(proto_rests(&p));
    proto_sleep(&p);
    assert_null(p.busy);
    assert_int_equal(duet_proto_status(&p), 101);
    assert_int_equal(duet_proto_close_code(&p), DUET_CODE_LOST);
    assert_int_equal(duet_proto_queued(&p), 0);
    assert_int_equal(duet_proto_output(&p, &iov, 1), 0);
    duet_proto_sent(&p, 0);
    assert_int_equal(duet_proto_settle(&p), 0);
    assert_int_equal(duet_proto_deadline(&p), due);
    assert_int_equal(duet_proto_tick(&p, due - 1), 0);
    assert_null(p.busy);
    assert_int_equal(duet_proto_send_begin(&p, DUET_TEXT), 0);
    assert_false(proto_rests(&p)); /* it is in a message that it sends in parts */
    assert_int_equal(duet_proto_send_part(&p, "x", 1, true), 0);
    assert_false(proto_rests(&p));
    duet_proto_sent(&p, duet_proto_queued(&p));
    assert_true(proto_rests(&p));
    assert_int_equal(duet_proto_tick(&p, due), 0); /* a ping */
    duet_proto_sent(&p, duet_proto_queued(&p));
    assert_false(proto_rests(&p));
    proto_fini(&p);
    chunk_pool_fini(&pool);
}

/* Without memory for it nothing is queued, and only what must be sent is a failure. */
TEST(proto, mem_1_one_that_rests_may_get_no_memory)
{
    static duet_proto p;
    struct chunk_pool pool = { 0 };
    struct proto_home home = { .chunks = &pool, .busy_size = sizeof(struct proto_busy) };
    duet_proto_config c = { DUET_PROTO_CONFIG_INIT };
    proto_config_resolve(&home.config, &c);
    assert_int_equal(proto_init(&p, &home, 3), 0);
    proto_open(&p, 3);
    assert_true(proto_rests(&p));
    proto_sleep(&p);
    chunk_pool_fini(&pool);
    mem_fail(0, true);
    assert_int_equal(duet_proto_send(&p, DUET_TEXT, "x", 1), DUET_ERR_NOMEM);
    assert_int_equal(duet_proto_close(&p, 1000, NULL), DUET_ERR_NOMEM);
    assert_true(duet_proto_is_open(&p));
    assert_int_equal(duet_proto_tick(&p, duet_proto_deadline(&p)), DUET_ERR_NOMEM);
    assert_false(duet_proto_is_open(&p));
    assert_int_equal(duet_proto_tick(&p, 1000000), DUET_ERR_NOMEM); /* for ever */
    mem_fail_end();
    proto_fini(&p);
    chunk_pool_fini(&pool);
}

/* Of every length there is a way to queue it, and each may find no memory. */
TEST(proto, mem_1_without_memory_nothing_is_queued)
{
    static const char bytes[4000];
    static const size_t lens[] = { 0, 125, 126, 500, 2047, 2048, sizeof(bytes) };
    struct peer *p = peer_open(DUET_SERVER, NULL);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        mem_fail(0, true);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, bytes, lens[i]), DUET_ERR_NOMEM);
        mem_fail_end();
        assert_int_equal(duet_proto_queued(p->proto), 0);
    }
    peer_free(p);
}

/* 16 answers in front of the newest ping's: it follows as soon as one of them is out, and not before. */
TEST(proto, frm_12_the_late_answer_waits_for_a_place)
{
    uint8_t wire[400];
    size_t n = 0;
    struct peer *p = peer_open(DUET_SERVER, NULL);
    duet_event ev;
    for (int i = 0; i < 17; i++)
        n += peer_frame(p, wire + n, 0x89, i < 16 ? "abc" : "new", 3);
    duet_input in = { wire, n };
    while (duet_proto_recv(p->proto, &in, p->now_ms, &ev) == 1)
        ;
    assert_int_equal(duet_proto_queued(p->proto), 16 * 5);
    duet_proto_sent(p->proto, 4);
    assert_int_equal(duet_proto_queued(p->proto), 16 * 5 - 4);
    duet_proto_sent(p->proto, 1);
    assert_int_equal(duet_proto_queued(p->proto), 16 * 5);
    duet_proto_sent(p->proto, 15 * 5);
    peer_flush(p);
    EXPECT_TRACE(p, "send pong 'new'\n");
    /* After our Close nothing follows (5.5.1). */
    n = 0;
    for (int i = 0; i < 17; i++)
        n += peer_frame(p, wire + n, 0x89, "abc", 3);
    in = (duet_input){ wire, n };
    while (duet_proto_recv(p->proto, &in, p->now_ms, &ev) == 1)
        ;
    assert_int_equal(duet_proto_close(p->proto, 0, NULL), 0);
    duet_proto_sent(p->proto, 5);
    assert_int_equal(duet_proto_queued(p->proto), 15 * 5 + 2);
    peer_free(p);
}

/* Time may begin at zero: a Close that was sent then is waited for as long as any. */
TEST(proto, cls_7_a_close_at_time_zero_has_its_5_s)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    assert_int_equal(duet_proto_close(p->proto, 0, NULL), 0);
    peer_tick(p, 0);
    assert_in_range(duet_proto_deadline(p->proto), 5000, 5001);
    peer_tick(p, 5001);
    EXPECT_TRACE(p, "send close ''\nerror TIMEOUT\n");
    peer_free(p);
}

/* What a message is sent back as decides whether its own buffer can go; the bytes are right in any case. */
TEST(proto, a_gathered_message_may_go_back_often_in_part_and_as_another_type)
{
    static uint8_t wire[10000];
    static char payload[6000];
    memset(payload, 'a', sizeof(payload));
    for (int role = 0; role < 2; role++)
        for (int held = 0; held < 2; held++) {
            struct peer *p = peer_open((duet_role)role, NULL);
            duet_event ev;
            size_t n = peer_frame(p, wire, 0x81, payload, sizeof(payload));
            duet_input in = { wire, 3000 };
            assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 0);
            in = (duet_input){ wire + 3000, n - 3000 };
            assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
            duet_shared *s = held ? duet_shared_ref(ev.owner) : NULL;
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, ev.data, ev.len), 0);
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, ev.data, ev.len), 0);
            assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, ev.data, ev.len), 0);
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, ev.data, ev.len - 1), 0);
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, (const char *)ev.data + 1, ev.len - 1), 0);
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, NULL, 0), 0);
            assert_int_equal(duet_proto_settle(p->proto), 0);
            peer_flush(p);
            duet_shared_unref(s);
            EXPECT_TRACE(p, "send text (6000)\nsend text (6000)\nsend binary (6000)\nsend text (5999)\n"
                            "send text (5999)\nsend text ''\n");
            peer_free(p);
        }
}

TEST(proto, msg_8_text_is_checked_unless_it_is_trusted)
{
    for (int trust = 0; trust < 2; trust++) {
        struct peer *p = peer_open(DUET_SERVER, &(duet_proto_config){ .trust_text = trust });
        int wrong = trust ? 0 : DUET_ERR_UTF8;
        assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "\xff", 1), wrong);
        assert_int_equal(duet_proto_send_begin(p->proto, DUET_TEXT), 0);
        assert_int_equal(duet_proto_send_part(p->proto, "\xc3", 1, true), wrong); /* ends in the middle of one */
        if (!trust)
            assert_int_equal(duet_proto_send_part(p->proto, "\xc3\xa9", 2, true), 0);
        assert_int_equal(duet_proto_send_part(p->proto, "", 0, true), DUET_ERR_STATE);
        peer_free(p);
    }
}

TEST(proto, frm_18_calls_have_their_order_and_their_limits)
{
    struct peer *p = peer_open(DUET_SERVER, NULL);
    duet_shared *s = duet_shared_new(DUET_TEXT, "all", 3);
    char most[126];
    memset(most, 'a', sizeof(most));
    for (size_t len = 124; len <= 126; len++) {
        assert_int_equal(duet_proto_send(p->proto, DUET_PONG, most, len), len <= 125 ? 0 : DUET_ERR_INVALID);
        assert_int_equal(duet_proto_send(p->proto, DUET_PING, most, len), len <= 125 ? 0 : DUET_ERR_INVALID);
    }
    assert_int_equal(duet_proto_send_begin(p->proto, DUET_PING), DUET_ERR_INVALID);
    assert_int_equal(duet_proto_send_begin(p->proto, DUET_BINARY), 0);
    assert_int_equal(duet_proto_send_begin(p->proto, DUET_TEXT), DUET_ERR_STATE);
    assert_int_equal(duet_proto_send_shared(p->proto, s), DUET_ERR_STATE);
    assert_int_equal(duet_proto_send_part(p->proto, "\xff", 1, true), 0);
    assert_int_equal(duet_proto_send_shared(p->proto, s), 0);
    assert_int_equal(duet_proto_close(p->proto, 1000, NULL), 0);
    assert_int_equal(duet_proto_send_shared(p->proto, s), DUET_ERR_CLOSED);
    assert_int_equal(duet_proto_send_begin(p->proto, DUET_TEXT), DUET_ERR_CLOSED);
    assert_int_equal(duet_proto_send_part(p->proto, "", 0, true), DUET_ERR_CLOSED);
    duet_shared_unref(s);
    peer_free(p);
}

/* Each way a frame can go has its line in the trace, with the head as it is sent. */
TEST(proto, the_trace_sees_long_shared_and_returned_frames)
{
    static uint8_t wire[10000];
    static char payload[6000];
    for (int role = 0; role < 2; role++) {
        struct peer *p = peer_open((duet_role)role, &(duet_proto_config){ .trace = count_frame });
        duet_shared *s = duet_shared_new(DUET_BINARY, payload, sizeof(payload));
        frames_seen = 0;
        assert_int_equal(duet_proto_send_shared(p->proto, s), 0);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, payload, sizeof(payload)), 0);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, payload, 500), 0);
        assert_int_equal(frames_seen, 3);
        size_t n = peer_frame(p, wire, 0x82, payload, sizeof(payload));
        p->echo = true;
        peer_feed(p, wire, 100);
        peer_feed(p, wire + 100, n - 100);
        assert_int_equal(frames_seen, 5);
        duet_shared_unref(s);
        peer_free(p);
    }
}
