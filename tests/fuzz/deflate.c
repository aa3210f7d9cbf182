/* SPDX-License-Identifier: MIT */
/*
 * A server's connection with permessage-deflate, which echoes, says the same and fails alike however its bytes are cut.
 * The first byte picks whether windows are kept (bit 0), the second where to cut; what follows are frames: a first byte
 * of the frame, a length, and that many bytes of payload, masked here.
 */
#include "fuzz.h"
#include <duet/proto.h>

enum { INPUT_MOST = 8192 };

static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                              "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n\r\n";

static uint64_t feed(duet_proto *p, const uint8_t *data, size_t len, uint64_t hash)
{
    uint8_t *copy = exactly(data, len);
    duet_input in = {copy, len};
    duet_event ev;
    int rc;
    while ((rc = duet_proto_recv(p, &in, 0, &ev)) == 1) {
        if (ev.kind == DUET_EVENT_REQUEST)
            CHECK(duet_proto_accept(p, NULL, NULL, 0) == 0);
        if (ev.kind == DUET_EVENT_MESSAGE)
            CHECK(ev.len <= 4096 && duet_proto_send(p, ev.type, ev.data, ev.len) == 0);
        hash = hashed(hashed(hash, ev.data, ev.len), &ev.kind, sizeof(ev.kind));
    }
    if (rc < 0)
        hash = hashed(hash, &rc, sizeof(rc));
    CHECK(duet_proto_settle(p) == 0);
    free(copy);
    return hash;
}

static uint64_t run(bool keep, const uint8_t *data, size_t len, size_t cut)
{
    duet_proto_config config = {DUET_PROTO_CONFIG_INIT, .role = DUET_SERVER, .message_max = 4096,
                                .deflate = {.on = true, .keep_window = keep}};
    duet_proto *p;
    CHECK(duet_proto_new(&p, &config, 0) == 0);
    uint64_t hash = feed(p, (const uint8_t *)request, sizeof(request) - 1, 0);
    CHECK(duet_proto_is_open(p));
    if (cut > 0)
        hash = feed(p, data, cut, hash);
    if (cut == 0 || duet_proto_is_open(p))
        hash = feed(p, data + cut, len - cut, hash);
    duet_proto_free(p);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t wire[4 * INPUT_MOST];
    size_t n = 0;
    if (size < 2 || size > INPUT_MOST)
        return 0;
    for (size_t i = 2; i + 1 < size;) {
        size_t len = data[i + 1] & 127;
        if (len > 125 || len > size - i - 2)
            break;
        wire[n] = data[i];
        wire[n + 1] = (uint8_t)(0x80 | len);
        memset(wire + n + 2, 0, 4); /* a key of zeros */
        memcpy(wire + n + 6, data + i + 2, len);
        n += 6 + len;
        i += 2 + len;
    }
    CHECK(run(data[0] & 1, wire, n, 0) == run(data[0] & 1, wire, n, n * data[1] / 256));
    return 0;
}
