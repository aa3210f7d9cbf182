/* SPDX-License-Identifier: MIT */
/*
 * Compressed messages are inflated as zlib alone inflates them, cut anywhere: the same bytes, or both refuse (PMD-3,
 * PMD-4, PMD-6). Data: flags (bit 0: the window is kept), where to cut, then messages: two bytes of length, compressed
 * bytes without the tail of RFC 7692 7.2.1. Half of the mutations change what was compressed.
 */
#include "fuzz.h"
#include <duet/proto.h>
#include <zlib.h>

enum { MOST = 5000, WINDOW = 32768, MESSAGES = 8, WIRE_MOST = 70000 };

static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                              "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/* All that was inflated; the window is its end. */
struct plain {
    uint8_t bytes[MESSAGES * (MOST + 1)];
    size_t len;
};

static struct plain plain;

static void begin(z_stream *z, size_t window)
{
    memset(z, 0, sizeof(*z));
    CHECK(inflateInit2(z, -15) == Z_OK);
    window = window < WINDOW ? window : WINDOW;
    CHECK(window == 0 || inflateSetDictionary(z, plain.bytes + plain.len - window, (uInt)window) == Z_OK);
}

/* Inflates on; at the end of a final block a stream begins anew, with the window. False: bad, or over the limit. */
static bool inflated(z_stream *z, const uint8_t *data, size_t len, size_t start, size_t window_from, bool *ended)
{
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    for (;;) {
        z->next_out = plain.bytes + plain.len;
        z->avail_out = (uInt)(start + MOST + 1 - plain.len);
        *ended = false;
        int rc = inflate(z, Z_SYNC_FLUSH);
        plain.len = (size_t)(z->next_out - plain.bytes);
        if ((rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END) || plain.len > start + MOST)
            return false;
        if (rc != Z_STREAM_END)
            return z->avail_in == 0;
        *ended = true;
        const uint8_t *next = z->next_in;
        uInt left = z->avail_in;
        inflateEnd(z);
        begin(z, plain.len - window_from);
        if (left == 0)
            return true;
        z->next_in = (uint8_t *)(uintptr_t)next;
        z->avail_in = left;
    }
}

/* Whether a block ended, on a whole byte: then any empty blocks can follow, the last of them final. */
static bool at_block_end(z_stream *z)
{
    static const uint8_t one[] = { 1, 0, 0, 0xff, 0xff }, two[] = { 0, 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff };
    bool good = true;
    for (int i = 0; i < 2; i++) {
        uint8_t out[16];
        z_stream probe;
        CHECK(inflateCopy(&probe, z) == Z_OK);
        probe.next_in = (uint8_t *)(uintptr_t)(i ? two : one);
        probe.avail_in = i ? sizeof(two) : sizeof(one);
        probe.next_out = out;
        probe.avail_out = sizeof(out);
        good &= inflate(&probe, Z_SYNC_FLUSH) == Z_STREAM_END && probe.avail_in == 0 && probe.avail_out == sizeof(out);
        inflateEnd(&probe);
    }
    return good;
}

/* Inflates one message to the end of `plain`. */
static bool inflate_slowly(const uint8_t *data, size_t len, bool kept)
{
    static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
    size_t start = plain.len, window_from = kept ? 0 : start;
    bool ended = true;
    z_stream z;
    begin(&z, plain.len - window_from);
    bool good = len == 0 || inflated(&z, data, len, start, window_from, &ended);
    if (good && !ended)
        good = inflated(&z, tail, sizeof(tail), start, window_from, &ended) && at_block_end(&z);
    inflateEnd(&z);
    return good;
}

/* One message as frames: the first holds `cut` of its bytes. */
static size_t framed(uint8_t *to, const uint8_t *data, size_t len, size_t cut)
{
    size_t n = 0;
    for (int last = cut == len; last < 2; last++) {
        size_t part = last ? len - (cut == len ? 0 : cut) : cut;
        to[n++] = (uint8_t)((last ? 0x80 : 0) | (last && cut < len ? 0 : 0x42));
        to[n++] = 0x80 | 126;
        to[n++] = (uint8_t)(part >> 8);
        to[n++] = (uint8_t)part;
        if (part < 126) {
            n -= 2;
            to[n - 1] = (uint8_t)(0x80 | part);
        }
        memset(to + n, 0, 4);
        if (part > 0)
            memcpy(to + n + 4, last && cut < len ? data + cut : data, part);
        n += 4 + part;
    }
    return n;
}

/* 1: the same message came; 0: it failed; the frames come in two pieces. */
static bool heard(duet_proto *p, uint8_t *wire, size_t len, size_t cut, const uint8_t *due, size_t due_len)
{
    duet_event ev = { 0 };
    duet_input in = { wire, cut };
    int rc = duet_proto_recv(p, &in, 0, &ev);
    CHECK(rc != 0 || in.len == 0);
    in = (duet_input){ in.data, (size_t)(wire + len - in.data) };
    if (rc == 0)
        rc = duet_proto_recv(p, &in, 0, &ev);
    CHECK(rc < 0 || (rc == 1 && ev.kind == DUET_EVENT_MESSAGE && in.len == 0));
    CHECK(rc < 0 || (ev.len == due_len && (due_len == 0 || memcmp(ev.data, due, due_len) == 0)));
    return rc == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program in = { data, size };
    bool kept = next_byte(&in) & 1;
    size_t cut = next_byte(&in);
    duet_proto_config config = { DUET_PROTO_CONFIG_INIT, .role = DUET_SERVER, .message_max = MOST,
                                 .deflate = { .on = true, .keep_window = kept } };
    duet_proto *p;
    duet_event ev;
    uint8_t *first = exactly(request, sizeof(request) - 1);
    CHECK(duet_proto_new(&p, &config, 0) == 0);
    CHECK(duet_proto_recv(p, &(duet_input){ first, sizeof(request) - 1 }, 0, &ev) == 1);
    CHECK(duet_proto_accept(p, NULL, NULL, 0) == 0 && duet_proto_deflates(p));
    free(first);
    plain.len = 0;
    bool good = true;
    for (int i = 0; i < MESSAGES && in.left > 2 && good; i++) {
        static uint8_t wire[WIRE_MOST];
        size_t len = next_byte(&in) << 8, start = plain.len;
        len |= next_byte(&in);
        len = len < MOST ? len : MOST;
        const uint8_t *message = next_bytes(&in, &len);
        size_t n = framed(wire, message, len, len * cut / 255);
        uint8_t *copy = exactly(wire, n);
        good = inflate_slowly(message, len, kept);
        CHECK(heard(p, copy, n, n * cut / 255, plain.bytes + start, plain.len - start) == good);
        free(copy);
    }
    duet_proto_free(p);
    return 0;
}

/* libFuzzer's; NULL where something else runs the target. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Changes the text of the first message rather than its compressed form, which seldom stays one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint8_t text[MOST];
    bool ended;
    z_stream z;
    make_known(data, max_size);
    if (LLVMFuzzerMutate == NULL || seed % 2 || size < 5 || max_size < MOST + 64)
        return LLVMFuzzerMutate != NULL ? LLVMFuzzerMutate(data, size, max_size) : size;
    size_t len = (size_t)data[2] << 8 | data[3];
    plain.len = 0;
    begin(&z, 0);
    inflated(&z, data + 4, len < size - 4 ? len : size - 4, 0, 0, &ended);
    inflateEnd(&z);
    size_t n = plain.len < sizeof(text) - 64 ? plain.len : sizeof(text) - 64;
    memcpy(text, plain.bytes, n);
    n = LLVMFuzzerMutate(text, n, sizeof(text) - 64);
    make_known(text, n);
    memset(&z, 0, sizeof(z));
    CHECK(deflateInit2(&z, (int)(seed / 2 % 10), Z_DEFLATED, -15, 8, (int)(seed / 32 % 5)) == Z_OK);
    z.next_in = text;
    z.avail_in = (uInt)n;
    z.next_out = data + 4;
    z.avail_out = (uInt)(max_size - 4);
    deflate(&z, seed / 256 % 4 == 0 ? Z_FINISH : Z_SYNC_FLUSH);
    len = (size_t)(z.next_out - data) - 4;
    len -= len > 4 && seed / 256 % 4 ? 4 : 0;
    deflateEnd(&z);
    data[2] = (uint8_t)(len >> 8);
    data[3] = (uint8_t)len;
    return 4 + len;
}
