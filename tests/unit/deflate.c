/* SPDX-License-Identifier: MIT */
/* permessage-deflate's payloads (RFC 7692 7.2), both roles; zlib itself is the peer. Rows PMD-1 to PMD-14. */
#include "base/mem.h"
#include "peer.h"
#include <zlib.h>

#define EXTENSION "Sec-WebSocket-Extensions: permessage-deflate"

static const duet_proto_config kept = { .deflate = { .on = true, .keep_window = true } };
static const duet_proto_config reset = { .deflate = { .on = true } };

/* An open peer; `params` follow the extension's name in the request or the answer. */
static struct peer *open_with(duet_role role, const duet_proto_config *config, const char *params)
{
    char text[1024];
    struct peer *p = peer_new(role, config);
    if (p->failed_new)
        return p;
    if (role == DUET_SERVER)
        snprintf(text, sizeof(text), "%.*s" EXTENSION "%s\r\n\r\n", (int)strlen(peer_request) - 2, peer_request,
                 params);
    else
        snprintf(text, sizeof(text),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n" EXTENSION "%s\r\n\r\n", p->proto->busy->opening->accept, params);
    peer_feed(p, text, strlen(text));
    p->len = 0;
    p->trace[0] = 0;
    return p;
}

static struct peer *open_role(duet_role role, const duet_proto_config *config)
{
    bool answers_reset = role == DUET_CLIENT && !config->deflate.keep_window;
    struct peer *p = open_with(role, config, answers_reset ? "; server_no_context_takeover" : "");
    assert_true(p->failed_new || p->proto->rare->deflate != NULL);
    return p;
}

/* Feeds frames, each "first byte, length, payload" unmasked, as the other side sends them. */
static size_t wire_of(const struct peer *p, const uint8_t *frames, size_t len, uint8_t *to)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i += 2u + frames[i + 1])
        n += peer_frame(p, to + n, frames[i], frames + i + 2, frames[i + 1]);
    return n;
}

/* What is said must be this in every cut, for both roles, with and without a kept window. */
static void expect(const uint8_t *frames, size_t len, const char *said, bool needs_window)
{
    for (int mode = 0; mode < 4; mode++) {
        const duet_proto_config *config = mode & 1 ? &reset : &kept;
        if (needs_window && config == &reset)
            continue;
        uint8_t wire[2048];
        for (size_t cut = 0, n = 1; cut <= n; cut++) {
            struct peer *p = open_role(mode & 2 ? DUET_CLIENT : DUET_SERVER, config);
            n = wire_of(p, frames, len, wire);
            peer_feed(p, wire, cut);
            peer_feed(p, wire + cut, n - cut);
            if (strcmp(p->trace, said) != 0)
                fail_msg("mode %d, cut at %zu: %s", mode, cut, p->trace);
            peer_free(p);
        }
    }
}

#define EXPECT(said, ...)                                                                                              \
    do {                                                                                                               \
        static const uint8_t frames[] = { __VA_ARGS__ };                                                               \
        expect(frames, sizeof(frames), said, false);                                                                   \
    } while (0)

#define PACKED_HELLO 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00

/* RFC-105, RFC-106, RFC-110, RFC-111. */
TEST(deflate, pmd_4_the_examples_of_the_rfc)
{
    static const uint8_t taken_over[] = { 0xc1, 7, PACKED_HELLO, 0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00 };
    EXPECT("message text 'Hello'\n", 0xc1, 7, PACKED_HELLO);
    EXPECT("message text 'Hello'\n", 0x41, 3, 0xf2, 0x48, 0xcd, 0x80, 4, 0xc9, 0xc9, 0x07, 0x00);
    EXPECT("message text 'Hello'\nmessage text 'Hello'\n", 0xc1, 7, PACKED_HELLO, 0xc1, 7, PACKED_HELLO);
    expect(taken_over, sizeof(taken_over), "message text 'Hello'\nmessage text 'Hello'\n", true);
    EXPECT("message text 'Hello'\n", 0xc1, 11, 0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e', 'l', 'l', 'o', 0x00);
    EXPECT("message text 'Hello'\n", 0xc1, 8, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00);
    EXPECT("message text 'Hello'\n", 0xc1, 13, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07,
           0x00);
    EXPECT("message text ''\n", 0xc1, 1, 0x00);
}

/* RFC-106. */
TEST(deflate, pmd_4_final_blocks_end_no_message)
{
    EXPECT("message text 'HelloHello'\n", 0xc1, 15, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf3, 0x48, 0xcd, 0xc9,
           0xc9, 0x07, 0x00, 0x00);
    EXPECT("message text 'HelloHello'\n", 0xc1, 14, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, PACKED_HELLO);
    EXPECT("message text 'Hello'\nmessage text 'Hello'\n", 0xc1, 7, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xc1, 7,
           PACKED_HELLO);
    /* The block whose last four bytes the sender took off may be the final one itself. */
    EXPECT("message text 'Hello'\nmessage text 'Hello'\n", 0xc1, 11, 0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e', 'l', 'l',
           'o', 0x01, 0xc1, 7, PACKED_HELLO);
    EXPECT("message text ''\n", 0xc1, 1, 0x01);
    EXPECT("send close 1007 ''\nerror PROTOCOL\n", 0xc1, 2, 0x01, 0x01);
    /* The window stays: the second message refers to the first. */
    static const uint8_t back[] = { 0xc1, 8, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00,
                                    0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00 };
    expect(back, sizeof(back), "message text 'Hello'\nmessage text 'Hello'\n", true);
}

/* RFC-112. */
TEST(deflate, pmd_4_what_is_no_stream_is_1007)
{
#define FAILS "send close 1007 ''\nerror PROTOCOL\n"
    EXPECT(FAILS, 0xc1, 3, 0xff, 0xff, 0xff);
    EXPECT(FAILS, 0xc1, 6, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07);            /* its last byte is missing */
    EXPECT(FAILS, 0xc1, 4, 0xf2, 0x48, 0xcd, 0xc9);                        /* in the middle of a block */
    EXPECT(FAILS, 0xc1, 7, 0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e');        /* of a stored one */
    EXPECT(FAILS, 0xc1, 6, 0x00, 0x05, 0x00, 0xfa, 0xfe, 'H');             /* a length that is not its own */
    EXPECT(FAILS, 0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00);                  /* refers to what there is not */
    EXPECT("message binary 'Hello'\n" FAILS, 0xc2, 7, PACKED_HELLO, 0x42, 1, 0xff, 0x80, 1, 0xff);
}

/* RFC-107. */
TEST(deflate, pmd_5_an_empty_payload_is_an_empty_message)
{
    EXPECT("message binary ''\nmessage text 'Hello'\n", 0xc2, 0, 0xc1, 7, PACKED_HELLO);
    EXPECT("message binary ''\n", 0x42, 0, 0x00, 0, 0x80, 0);
}

/* RFC-102, RFC-111. */
TEST(deflate, pmd_6_control_frames_and_fragments_of_any_size)
{
    static const char said[] = "pong 'a'\npong 'b'\nmessage text 'Hello'\nmessage text 'plain'\n";
    EXPECT(said, 0x41, 1, 0xf2, 0x00, 2, 0x48, 0xcd, 0x8a, 1, 'a', 0x00, 0, 0x00, 3, 0xc9, 0xc9, 0x07, 0x8a, 1, 'b',
           0x80, 1, 0x00, 0x81, 5, 'p', 'l', 'a', 'i', 'n');
}

/* RFC-101. */
TEST(deflate, rsv1_is_for_the_first_frame_of_a_data_message)
{
#define BROKEN "send close 1002 ''\nerror PROTOCOL\n"
    EXPECT(BROKEN, 0x41, 3, 0xf2, 0x48, 0xcd, 0xc0, 4, 0xc9, 0xc9, 0x07, 0x00);
    EXPECT(BROKEN, 0x01, 1, 'a', 0xc0, 1, 'b');
    EXPECT(BROKEN, 0xc9, 0);
    EXPECT(BROKEN, 0xca, 0);
    EXPECT(BROKEN, 0xc8, 0);
    EXPECT(BROKEN, 0xe1, 0);
    EXPECT(BROKEN, 0xd1, 0);
    EXPECT(BROKEN, 0xa1, 0);
    for (int role = DUET_SERVER; role <= DUET_CLIENT; role++) {
        static const uint8_t frame[] = { 0xc1, 7, PACKED_HELLO };
        uint8_t wire[64];
        struct peer *p = peer_open((duet_role)role, &(duet_proto_config){ 0 });
        peer_feed(p, wire, wire_of(p, frame, sizeof(frame), wire));
        EXPECT_TRACE(p, BROKEN);
        peer_free(p);
    }
}

TEST(deflate, pieces_and_deflate_do_not_go_together)
{
    duet_proto_config config = kept;
    config.pieces = true;
    struct peer *p = open_with(DUET_SERVER, &config, "");
    assert_true(duet_proto_is_open(p->proto));
    assert_null(p->proto->rare);
    peer_free(p);
}

/* RFC-103. */
TEST(deflate, text_is_judged_after_inflating)
{
    /* Stored blocks: "\xc3" and "\xa9" are a character, the first alone is not. */
    EXPECT("message text 'é'\n", 0xc1, 13, 0x00, 1, 0, 0xfe, 0xff, 0xc3, 0x00, 1, 0, 0xfe, 0xff, 0xa9, 0x00);
    EXPECT("send close 1007 ''\nerror UTF8\n", 0xc1, 7, 0x00, 1, 0, 0xfe, 0xff, 0xc3, 0x00);
    EXPECT("message binary '\xc3'\n", 0xc2, 7, 0x00, 1, 0, 0xfe, 0xff, 0xc3, 0x00);
}

/* The other side: two streams of zlib as it comes. */
struct other {
    z_stream out, in;
    bool out_reset, in_reset;
};

static void other_init(struct other *o, int out_bits, bool out_reset, int in_bits, bool in_reset)
{
    memset(o, 0, sizeof(*o));
    assert_int_equal(deflateInit2(&o->out, 6, Z_DEFLATED, -out_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(inflateInit2(&o->in, -in_bits), Z_OK);
    o->out_reset = out_reset;
    o->in_reset = in_reset;
}

static void other_fini(struct other *o)
{
    deflateEnd(&o->out);
    inflateEnd(&o->in);
}

static size_t other_pack(struct other *o, const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    if (o->out_reset)
        deflateReset(&o->out);
    o->out.next_in = (uint8_t *)(uintptr_t)data;
    o->out.avail_in = (uInt)len;
    o->out.next_out = to;
    o->out.avail_out = (uInt)room;
    deflate(&o->out, Z_SYNC_FLUSH);
    size_t n = room - o->out.avail_out;
    if (n == 0) { /* nothing to flush: an empty message behind another (7.2.3.6) */
        to[0] = 0;
        return 1;
    }
    return n - 4;
}

/* Strict: in steps so small that a distance beyond the window finds nothing there. */
static size_t other_unpack(struct other *o, const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static const uint8_t tail[4] = { 0, 0, 0xff, 0xff };
    size_t n = 0;
    if (o->in_reset)
        inflateReset(&o->in);
    for (int part = 0; part < 2; part++) {
        o->in.next_in = (uint8_t *)(uintptr_t)(part ? tail : data);
        o->in.avail_in = part ? 4 : (uInt)len;
        do {
            assert_true(n + 64 <= room);
            o->in.next_out = to + n;
            o->in.avail_out = 64;
            int rc = inflate(&o->in, Z_SYNC_FLUSH);
            assert_true(rc == Z_OK || rc == Z_BUF_ERROR);
            n += 64 - o->in.avail_out;
        } while (o->in.avail_out == 0);
    }
    return n;
}

enum { BIG = 200 * 1024 };
static uint8_t plain[BIG], packed[BIG + 1024], wire[BIG + 2048], got[BIG + 128];
static uint32_t state;

static uint32_t number(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(state >> 1) * below >> 31);
}

/* A message of words, numbers and noise, which also repeats what came long before. */
static size_t some_message(uint8_t *to)
{
    static const char *const words[] = { "\"price\":", "{\"id\":", "connection", "window", "aaaaaaaaaaaaaaaaaaaaaaaa" };
    size_t len = number(8) == 0 ? number(40000) : number(600), n = 0;
    uint32_t noise = number(40) == 0 ? 1 : 12;
    while (n < len) {
        char word[32];
        uint32_t kind = number(noise);
        int w = kind == 0 ? snprintf(word, sizeof(word), "%c%c", (int)number(256), (int)number(256))
                          : kind < 4 ? snprintf(word, sizeof(word), "%u,", number(100000))
                                     : snprintf(word, sizeof(word), "%s", words[number(5)]);
        memcpy(to + n, word, (size_t)w);
        n += (size_t)w;
    }
    return n;
}

/* Takes the frame that `p` has to write: its payload to `packed`. Returns the first byte. */
static unsigned take_frame(struct peer *p, size_t *len)
{
    struct iovec iov[8];
    size_t n = 0;
    int count = duet_proto_output(p->proto, iov, 8);
    for (int i = 0; i < count; n += iov[i++].iov_len)
        memcpy(wire + n, iov[i].iov_base, iov[i].iov_len);
    struct frame f;
    assert_true(frame_decode(&f, wire));
    assert_int_equal(n, f.size + f.length);
    memcpy(packed, wire + f.size, (size_t)f.length);
    for (size_t i = 0; f.masked && i < f.length; i++)
        packed[i] ^= ((uint8_t *)&f.key)[i & 3];
    *len = (size_t)f.length;
    unsigned first = wire[0];
    duet_proto_sent(p->proto, n);
    return first;
}

/* Sends a message and has the other side read it. Returns whether it went compressed. */
static bool send_and_check(struct peer *p, struct other *o, const uint8_t *data, size_t len, bool shared)
{
    size_t n;
    if (shared) {
        duet_shared *s = duet_shared_new(DUET_BINARY, data, len);
        assert_int_equal(duet_proto_send_shared(p->proto, s), 0);
        duet_shared_unref(s);
    } else {
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, data, len), 0);
    }
    unsigned first = take_frame(p, &n);
    assert_int_equal(first & ~0x40u, 0x82);
    if ((first & 0x40) == 0) {
        assert_int_equal(n, len);
        assert_memory_equal(packed, data, len);
        return false;
    }
    assert_true(n < len);
    assert_int_equal(other_unpack(o, packed, n, got, sizeof(got)), len);
    assert_memory_equal(got, data, len);
    return true;
}

static void receive_and_check(struct peer *p, struct other *o, const uint8_t *data, size_t len)
{
    bool packs = number(5) != 0;
    size_t n = packs ? other_pack(o, data, len, packed, sizeof(packed)) : len, all = 0;
    const uint8_t *from = packs ? packed : data;
    unsigned first = packs ? 0xc2 : 0x82;
    if (n > 20 && number(2) == 0) { /* two fragments */
        all = peer_frame(p, wire, first & 0x7f, from, n / 3);
        first = 0x80;
        from += n / 3;
        n -= n / 3;
    }
    all += peer_frame(p, wire + all, first, from, n);
    size_t cut = number((uint32_t)all + 1), ends[] = { cut, all };
    duet_event ev = { 0 };
    for (size_t i = 0, at = 0; i < 2; at = ends[i++]) {
        duet_input in = { wire + at, ends[i] - at };
        int rc = duet_proto_recv(p->proto, &in, p->now_ms, &ev);
        assert_int_equal(rc, ends[i] == all && (i == 1 || rc == 1));
        if (rc == 1)
            break;
    }
    assert_int_equal(ev.kind, DUET_EVENT_MESSAGE);
    assert_int_equal(ev.len, len);
    assert_memory_equal(ev.data, data, len);
}

/* RFC-93, RFC-95, RFC-97, RFC-102, RFC-108, RFC-109, RFC-110. */
TEST(deflate, pmd_10_zlib_and_we_stay_in_step_for_every_window_and_takeover)
{
    enum { MESSAGES = 24 };
    state = 1;
    unsigned sent = 0;
    for (int own = 9; own <= 15; own++)
        for (int peer = 9; peer <= 15; peer++)
            for (int mode = 0; mode < 8; mode++) {
                bool own_reset = mode & 1, peer_reset = mode & 2;
                duet_role role = mode & 4 ? DUET_CLIENT : DUET_SERVER;
                char params[200];
                const char *ours = role == DUET_CLIENT ? "client" : "server";
                const char *its = role == DUET_CLIENT ? "server" : "client";
                snprintf(params, sizeof(params), "; %s_max_window_bits=%d; %s_max_window_bits=%d", ours, own, its,
                         peer);
                if (own_reset)
                    snprintf(params + strlen(params), 60, "; %s_no_context_takeover", ours);
                if (peer_reset)
                    snprintf(params + strlen(params), 60, "; %s_no_context_takeover", its);
                struct peer *p = open_with(role, &kept, params);
                struct other o;
                other_init(&o, peer, peer_reset, own, own_reset);
                for (int i = 0; i < MESSAGES; i++) {
                    size_t len = some_message(plain);
                    sent += send_and_check(p, &o, plain, len, number(10) == 0);
                    receive_and_check(p, &o, plain, len);
                }
                other_fini(&o);
                peer_free(p);
            }
    assert_true(sent > 49 * 8 * MESSAGES / 2);
}

/* A pool as a server's loop has it, with several connections that take turns. */
static void take_turns(unsigned level)
{
    enum { PEERS = 7, TURNS = 400 };
    struct deflate_pool pool = { 0 };
    struct peer *peers[PEERS];
    struct other others[PEERS];
    size_t begun[PEERS] = { 0 };
    static uint8_t rest[PEERS][BIG], whole[PEERS][BIG];
    static size_t rest_len[PEERS], whole_len[PEERS];
    duet_deflate options = { .on = true, .least = 126, .level = level, .inflated_per_s = DUET_OFF };
    state = 2;
    for (unsigned i = 0; i < PEERS; i++) {
        struct extension e = { i != 3, i != 4, (uint8_t)(9 + i), 15, false, false };
        peers[i] = peer_open(DUET_SERVER, NULL);
        assert_int_equal(proto_need_rare(peers[i]->proto), 0);
        peers[i]->proto->rare->deflate = deflate_new(&e, &options, &pool);
        other_init(&others[i], 15, e.peer_reset, e.own_bits, e.own_reset);
    }
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned i = number(PEERS);
        struct peer *p = peers[i];
        duet_event ev;
        send_and_check(p, &others[i], plain, some_message(plain), number(4) == 0);
        if (begun[i] == 0) { /* begins a message, and ends it in another turn */
            whole_len[i] = some_message(whole[i]);
            size_t n = other_pack(&others[i], whole[i], whole_len[i], packed, sizeof(packed));
            rest_len[i] = peer_frame(p, rest[i], 0xc2, packed, n);
            begun[i] = 1 + number((uint32_t)rest_len[i]);
            duet_input in = { rest[i], begun[i] };
            if (duet_proto_recv(p->proto, &in, p->now_ms, &ev) != 1)
                continue;
        } else {
            duet_input in = { rest[i] + begun[i], rest_len[i] - begun[i] };
            assert_int_equal(duet_proto_recv(p->proto, &in, p->now_ms, &ev), 1);
        }
        begun[i] = 0;
        assert_int_equal(ev.len, whole_len[i]);
        assert_memory_equal(ev.data, whole[i], ev.len);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        other_fini(&others[i]);
        peer_free(peers[i]);
    }
    deflate_pool_fini(&pool);
}

TEST(deflate, pmd_10_connections_of_one_pool_do_not_mix)
{
    take_turns(1);
    take_turns(2); /* by zlib, whatever the build has */
}

/* What one connection received is nobody else's to refer to, nor its own next message's. (RFC-109) */
TEST(deflate, pmd_13_no_message_reaches_back_to_another_without_takeover)
{
    static const uint8_t hello[] = { 0xc1, 7, PACKED_HELLO }, part[] = { 0x41, 7, PACKED_HELLO };
    static const uint8_t back[] = { 0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00 };
    struct extension e = { true, true, 15, 15, false, false };
    struct deflate_pool pool = { 0 };
    duet_deflate options = { .on = true, .least = 126, .level = 1, .inflated_per_s = DUET_OFF };
    for (int mode = 0; mode < 3; mode++) {
        struct peer *a = peer_open(DUET_SERVER, NULL), *b = mode == 0 ? a : peer_open(DUET_SERVER, NULL);
        uint8_t bytes[64];
        assert_int_equal(proto_need_rare(a->proto), 0);
        a->proto->rare->deflate = deflate_new(&e, &options, &pool);
        if (b != a) {
            assert_int_equal(proto_need_rare(b->proto), 0);
            b->proto->rare->deflate = deflate_new(&e, &options, &pool);
        }
        const uint8_t *first = mode == 2 ? part : hello;
        peer_feed(a, bytes, wire_of(a, first, sizeof(hello), bytes));
        if (mode == 2)
            peer_free(a); /* in the middle of its message */
        peer_feed(b, bytes, wire_of(b, back, sizeof(back), bytes));
        EXPECT_TRACE(b, mode == 0 ? "message text 'Hello'\n" FAILS : FAILS);
        if (b != a && mode != 2)
            peer_free(a);
        peer_free(b);
    }
    deflate_pool_fini(&pool);
}

/* A compressed message of `len` zeros in frames that come in parts of `part` bytes. */
static void feed_zeros(struct peer *p, size_t len, size_t part)
{
    struct other o;
    static uint8_t zeros[16 << 20], out[64 << 10];
    other_init(&o, 15, true, 15, true);
    size_t n = other_pack(&o, zeros, len, out, sizeof(out));
    n = peer_frame(p, wire, 0xc2, out, n);
    for (size_t at = 0; at < n && p->error == 0; at += part)
        peer_feed(p, wire + at, n - at < part ? n - at : part);
    other_fini(&o);
}

TEST(deflate, pmd_1_and_3_the_limit_counts_what_comes_out)
{
    static const size_t parts[] = { 1, 1000, 1 << 20 };
    for (int mode = 0; mode < 4; mode++)
        for (size_t i = 0; i < 3; i++)
            for (size_t more = 0; more < 3; more++) {
                duet_proto_config config = mode & 1 ? kept : reset;
                config.message_max = 100000;
                struct peer *p = open_role(mode & 2 ? DUET_CLIENT : DUET_SERVER, &config);
                feed_zeros(p, 99999 + more, parts[i]);
                EXPECT_TRACE(p, more == 0 ? "message binary (99999)\n" :
                                more == 1 ? "message binary (100000)\n" : "send close 1009 ''\nerror TOO_BIG\n");
                peer_free(p);
            }
}

TEST(deflate, pmd_1_a_bomb_takes_no_more_than_the_limit)
{
    duet_proto_config config = reset;
    config.message_max = 65536;
    struct peer *p = open_role(DUET_SERVER, &config);
    feed_zeros(p, 16 << 20, 700);
    EXPECT_TRACE(p, "send close 1009 ''\nerror TOO_BIG\n");
    assert_null(p->proto->busy->gather);
    peer_free(p);
}

TEST(deflate, pmd_2_what_small_messages_become_together_has_a_limit)
{
    for (int mode = 0; mode < 4; mode++)
        for (size_t more = 0; more < 3; more++) {
            duet_proto_config config = mode & 1 ? kept : reset;
            config.deflate.inflated_per_s = 1000; /* 10,000 bytes in 10 s */
            struct peer *p = open_role(mode & 2 ? DUET_CLIENT : DUET_SERVER, &config);
            for (int i = 0; i < 9; i++)
                feed_zeros(p, 1000, 1 << 20);
            assert_int_equal(p->error, 0);
            p->now_ms += 9999;
            feed_zeros(p, 999 + more, 1 << 20);
            assert_int_equal(p->error, more == 2 ? DUET_ERR_POLICY : 0);
            assert_int_equal(strstr(p->trace, "send close 1008 ''\nerror POLICY\n") != NULL, more == 2);
            assert_int_equal(strstr(p->trace, "binary (1001)") != NULL, 0); /* nobody gets it */
            peer_free(p);
        }
}

TEST(deflate, pmd_2_the_count_begins_again_after_10_s_and_can_be_off)
{
    duet_proto_config config = reset;
    config.deflate.inflated_per_s = 1000;
    struct peer *p = open_role(DUET_SERVER, &config);
    for (int i = 0; i < 5; i++) {
        feed_zeros(p, 10000, 700);
        assert_int_equal(p->error, 0);
        p->now_ms += 10000;
    }
    feed_zeros(p, 10000, 700);
    p->now_ms += 9999;
    feed_zeros(p, 1, 700);
    assert_int_equal(p->error, DUET_ERR_POLICY);
    peer_free(p);
    config.deflate.inflated_per_s = DUET_OFF;
    p = open_role(DUET_SERVER, &config);
    for (int i = 0; i < 100; i++)
        feed_zeros(p, 1000000, 1 << 20);
    assert_int_equal(p->error, 0);
    peer_free(p);
}

/* RFC-102, RFC-104, RFC-107. */
TEST(deflate, what_does_not_get_shorter_goes_as_it_is)
{
    struct peer *p = open_role(DUET_SERVER, &kept);
    char text[200];
    state = 3;
    memset(text, 'a', sizeof(text));
    assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, "", 0), 0);
    for (size_t len = 125; len <= 127; len++)
        assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, text, len), 0);
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)number(256);
    assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, text, sizeof(text)), 0);
    assert_int_equal(duet_proto_send(p->proto, DUET_PING, text, 125), 0);
    peer_flush(p);
    assert_non_null(strstr(p->trace, "send text ''\nsend text (125)\nsend packed text "));
    assert_non_null(strstr(p->trace, "send binary (200)\nsend ping "));
    assert_null(strstr(p->trace, "packed ping"));
    peer_free(p);
}

/* RFC-113. */
TEST(deflate, pmd_12_a_message_with_a_secret_goes_as_it_is)
{
    struct peer *p = open_role(DUET_SERVER, &kept);
    char text[1000];
    memset(text, 'a', sizeof(text));
    duet_shared *s = duet_shared_new(DUET_TEXT, text, sizeof(text));
    assert_true(duet_proto_deflates(p->proto));
    for (int on = 0; on < 2; on++) {
        duet_proto_set_deflate(p->proto, on);
        assert_int_equal(duet_proto_send(p->proto, DUET_BINARY, text, sizeof(text)), 0);
        assert_int_equal(duet_proto_send_shared(p->proto, s), 0);
        peer_flush(p);
        assert_int_equal(strstr(p->trace, "packed binary") != NULL, on);
        assert_int_equal(strstr(p->trace, "packed text") != NULL, on);
    }
    duet_shared_unref(s);
    peer_free(p);
}

TEST(deflate, a_shared_message_is_packed_once_for_each_window)
{
    struct peer *a = open_role(DUET_SERVER, &reset), *b = open_role(DUET_SERVER, &reset);
    struct peer *c = open_with(DUET_SERVER, &kept, "; server_max_window_bits=10");
    size_t len = some_message(plain);
    while (len < 3000)
        len = some_message(plain);
    duet_shared *s = duet_shared_new(DUET_BINARY, plain, len);
    duet_shared *one = deflate_shared(a->proto->rare->deflate, s);
    assert_ptr_not_equal(one, s);
    assert_ptr_equal(deflate_shared(b->proto->rare->deflate, s), one);
    duet_shared *ten = deflate_shared(c->proto->rare->deflate, s);
    assert_ptr_not_equal(ten, one);
    assert_ptr_equal(deflate_shared(a->proto->rare->deflate, s), one);
    assert_ptr_equal(deflate_shared(c->proto->rare->deflate, s), ten);
    /* A form outlives its message in a queue (PMD-13). */
    assert_int_equal(duet_proto_send_shared(a->proto, s), 0);
    duet_shared_unref(s);
    peer_flush(a);
    assert_non_null(strstr(a->trace, "send packed binary "));
    peer_free(a);
    peer_free(b);
    peer_free(c);
}

/* zlib counts in 32 bits, and an empty message has nothing to pack: both go as they are, unread. */
TEST(deflate, only_lengths_from_1_to_2_30_are_packed)
{
    struct extension e = { true, true, 15, 15, false, false };
    struct deflate *d = deflate_new(&e, &(duet_deflate){ .level = 1 }, NULL);
    uint8_t text[300], to[300 + DEFLATE_ROOM];
    memset(text, 'a', sizeof(text));
    duet_shared *s = duet_shared_new(DUET_BINARY, text, sizeof(text));
    assert_in_range(deflate_pack(d, text, sizeof(text), to), 1, sizeof(text) - 1);
    assert_int_equal(deflate_pack(d, text, 0, to), 0);
    assert_int_equal(deflate_pack(d, text, ((size_t)1 << 30) + 1, to), 0);
    s->len = 0;
    assert_ptr_equal(deflate_shared(d, s), s);
    s->len = ((size_t)1 << 30) + 1;
    assert_ptr_equal(deflate_shared(d, s), s);
    s->len = sizeof(text);
    assert_ptr_not_equal(deflate_shared(d, s), s);
    duet_shared_unref(s);
    deflate_free(d);
}

TEST(deflate, pmd_14_a_shared_message_without_memory_goes_as_it_is)
{
    struct extension e = { true, true, 15, 15, false, false };
    char text[1000];
    memset(text, 'a', sizeof(text));
    for (unsigned long nth = 0, asked = 1; nth <= asked; nth++) { /* the last round has no failure */
        duet_shared *s = duet_shared_new(DUET_BINARY, text, sizeof(text));
        struct deflate *d = deflate_new(&e, &reset.deflate, NULL);
        mem_fail(nth, true);
        duet_shared *v = deflate_shared(d, s);
        asked = mem_fail_end();
        assert_true(v == s || v->len < s->len);
        assert_true(nth > 0 || v == s);
        duet_shared_unref(s);
        deflate_free(d);
    }
}

/* MEM-2: more decompressors at once than a pool keeps; those over its limit are gone afterwards. */
TEST(deflate, a_pool_keeps_as_many_decompressors_as_it_may)
{
    struct deflate_pool pool = { 0 };
    enum { KEPT = sizeof(pool.in) / sizeof(pool.in[0]) };
    struct extension e = { true, true, 15, 15, false, false };
    struct deflate *d[KEPT + 1];
    static uint8_t stored[DEFLATE_HELD + 1] = { 0x00, 0xff, 0xff, 0x00, 0x00 }; /* a block of 65535 begins */
    for (unsigned i = 0; i <= KEPT; i++) {
        duet_shared *out = NULL;
        d[i] = deflate_new(&e, &reset.deflate, &pool);
        assert_int_equal(deflate_take(d[i], stored, sizeof(stored), false, 1 << 20, &out), 0);
        assert_int_equal(out->len, sizeof(stored) - 5);
        duet_shared_unref(out);
    }
    for (unsigned i = 0; i <= KEPT; i++) {
        deflate_drop(d[i]);
        assert_int_equal(pool.in_count, i < KEPT ? i + 1 : KEPT);
        deflate_free(d[i]);
    }
    deflate_pool_fini(&pool);
}

TEST(deflate, pmd_5_an_empty_message_without_memory_is_1011)
{
    static const uint8_t hello[] = { 0xc1, 7, PACKED_HELLO }, empty[] = { 0xc2, 0 };
    uint8_t bytes[64];
    struct peer *p = open_role(DUET_SERVER, &kept);
    peer_feed(p, bytes, wire_of(p, hello, sizeof(hello), bytes)); /* the decompressor is there */
    mem_fail(0, false);
    peer_feed(p, bytes, wire_of(p, empty, sizeof(empty), bytes));
    mem_fail_end();
    EXPECT_TRACE(p, "message text 'Hello'\nsend close 1011 ''\nerror NOMEM\n");
    peer_free(p);
}

TEST(deflate, cls_2_a_close_may_come_in_the_middle_of_a_message)
{
    EXPECT("close 1000 ''\nsend close 1000 ''\n", 0x41, 3, 0xf2, 0x48, 0xcd, 0x88, 2, 0x03, 0xe8);
}

/* What arrives is not what the message becomes, so it has no place in it. */
TEST(deflate, a_compressed_frame_is_given_no_room)
{
    static uint8_t bytes[70000];
    static const uint8_t zeros[60000];
    void *at;
    struct peer *p = open_role(DUET_SERVER, &kept);
    peer_feed(p, bytes, peer_frame(p, bytes, 0xc2, zeros, sizeof(zeros)) - sizeof(zeros));
    assert_true(p->proto->busy->in_frame);
    assert_int_equal(duet_proto_room(p->proto, &at), 0);
    peer_free(p);
}

static uint64_t traced_plain, traced_packed;
static void trace_lengths(void *arg, const duet_trace *t)
{
    (void)arg;
    if (t->sent && t->rsv != 0) {
        traced_plain = t->plain_length;
        traced_packed = t->length;
    }
}

TEST(deflate, the_trace_has_both_lengths_of_what_was_packed)
{
    static const size_t lens[] = { 126, 4000, 5000, 60000 };
    static char text[60000];
    duet_proto_config traced = kept;
    traced.trace = trace_lengths;
    memset(text, 'a', sizeof(text));
    for (int role = 0; role < 2; role++)
        for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
            struct peer *p = open_role((duet_role)role, &traced);
            traced_plain = traced_packed = 0;
            assert_int_equal(duet_proto_send(p->proto, DUET_TEXT, text, lens[i]), 0);
            assert_int_equal(traced_plain, lens[i]);
            assert_in_range(traced_packed, 1, lens[i] - 1);
            peer_flush(p);
            peer_free(p);
        }
}

/* Every allocation of a life with compression fails once. */
TEST(deflate, pmd_14_without_memory_it_is_sent_as_it_is_or_fails_with_1011)
{
    char text[5000];
    memset(text, 'a', sizeof(text));
    bool as_it_is = false, failed = false;
    for (int mode = 0; mode < 4; mode++)
        for (unsigned long nth = 0, asked = 1; nth <= asked; nth++) { /* the last round has no failure */
            static const uint8_t frames[] = { 0x41, 3, 0xf2, 0x48, 0xcd, 0x80, 4, 0xc9, 0xc9, 0x07, 0x00 };
            uint8_t bytes[64];
            const duet_proto_config *config = mode & 1 ? &kept : &reset;
            duet_role role = mode & 2 ? DUET_CLIENT : DUET_SERVER;
            struct peer *p = open_role(role, config);
            size_t n = wire_of(p, frames, sizeof(frames), bytes);
            duet_shared *s = duet_shared_new(DUET_BINARY, text, sizeof(text));
            mem_fail(nth, false);
            duet_proto_send(p->proto, DUET_TEXT, text, 1000);
            duet_proto_send(p->proto, DUET_TEXT, text, sizeof(text));
            duet_proto_send_shared(p->proto, s);
            duet_proto_settle(p->proto);
            bool sent = duet_proto_is_open(p->proto);
            peer_flush(p);
            if (sent)
                peer_feed(p, bytes, n);
            asked = mem_fail_end();
            duet_shared_unref(s);
            as_it_is |= strstr(p->trace, "send text (1000)") != NULL;
            failed |= strstr(p->trace, "send close 1011 ''\nerror NOMEM\n") != NULL;
            assert_true(!sent || p->error == DUET_ERR_NOMEM || strstr(p->trace, "message text 'Hello'\n") != NULL);
            peer_free(p);
        }
    assert_true(as_it_is);
    assert_true(failed);
}

/* Without memory for it an offer is declined; a client, whose server counts on it, fails. */
TEST(deflate, pmd_14_the_handshake_without_memory)
{
    for (int role = DUET_SERVER; role <= DUET_CLIENT; role++) {
        bool declined = false, failed = false;
        for (unsigned long nth = 0, asked = 1; nth <= asked; nth++) { /* the last round has no failure */
            char text[1024];
            struct peer *p = peer_new((duet_role)role, &kept);
            if (role == DUET_SERVER)
                snprintf(text, sizeof(text), "%.*s" EXTENSION "\r\n\r\n", (int)strlen(peer_request) - 2, peer_request);
            else
                snprintf(text, sizeof(text),
                         "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: %s\r\n" EXTENSION "\r\n\r\n", p->proto->busy->opening->accept);
            mem_fail(nth, false);
            peer_feed(p, text, strlen(text));
            asked = mem_fail_end();
            bool open = duet_proto_is_open(p->proto);
            declined |= open && !duet_proto_deflates(p->proto);
            failed |= p->error == DUET_ERR_NOMEM;
            peer_free(p);
        }
        assert_true(failed);
        assert_int_equal(declined, role == DUET_SERVER);
    }
}
