/* SPDX-License-Identifier: MIT */
/*
 * An open connection, of either role, hears what a slow reading of the same bytes hears, and fails as that does; alike
 * however they are cut, in pieces, straight into its room; and each call moves on (CLI-9). The first byte is the flags
 * below, of which RAW says that what follows are frames, else a program that writes them; the second where to cut, 0:
 * byte by byte.
 */
#include "fuzz.h"
#include "naive_message.h"

enum { CLIENT = 1, PIECES = 2, ROOM = 4, TRACE = 8, SMALL = 16, RAW = 32, WIRE_MOST = 100000 };

static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
static const char response[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

static int zeros(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 0, len);
    return 0;
}

static void trace(void *arg, const duet_trace *frame)
{
    (void)arg;
    CHECK(frame->head_len >= 2 && frame->head_len <= 14 && (frame->head[0] & 15) == frame->opcode);
}

struct ear {
    duet_proto *p;
    uint64_t heard;
    uint8_t parts[WIRE_MOST]; /* of a message that comes in pieces */
    size_t len, calls;
    int error;
};

static struct ear ear;

static void hear(const duet_event *ev)
{
    unsigned kind = ev->kind, type = kind == DUET_EVENT_MESSAGE ? ev->type : 0;
    if (kind == DUET_EVENT_REQUEST) {
        CHECK(duet_proto_accept(ear.p, NULL, NULL, 0) == 0);
    } else if (kind == DUET_EVENT_PIECE) {
        CHECK(!ev->first || ear.len == 0);
        if (ev->len > 0)
            memcpy(ear.parts + ear.len, ev->data, ev->len);
        ear.len += ev->len;
        if (!ev->last)
            return;
        naive_say(&ear.heard, DUET_EVENT_MESSAGE, ev->type, 0, ear.parts, ear.len);
        ear.len = 0;
    } else if (kind != DUET_EVENT_OPEN) {
        naive_say(&ear.heard, kind, type, kind == DUET_EVENT_CLOSE ? ev->code : 0, ev->data, ev->len);
    }
}

/* Feeds bytes that end where their memory ends. */
static void feed(const void *data, size_t len, bool room)
{
    uint8_t *copy = exactly(data, len);
    duet_input in = { copy, len };
    duet_event ev;
    void *at;
    int rc = 1;
    while (rc == 1 || in.len > 0) {
        size_t n = room ? duet_proto_room(ear.p, &at) : 0, before = in.len;
        n = n < in.len ? n : in.len;
        if (n > 0) {
            memcpy(at, in.data, n);
            in.data += n;
            in.len -= n;
            rc = duet_proto_filled(ear.p, n, 0, &ev);
        } else {
            rc = duet_proto_recv(ear.p, &in, 0, &ev);
        }
        CHECK(rc == 1 || rc < 0 || in.len < before || before == 0);
        ear.calls++;
        if (rc == 1)
            hear(&ev);
        if (rc < 0) {
            ear.error = rc;
            break;
        }
    }
    CHECK(duet_proto_settle(ear.p) == 0);
    free(copy);
}

static uint64_t run(const duet_proto_config *config, const uint8_t *data, size_t len, size_t step, bool room)
{
    ear.heard = ear.len = ear.calls = 0;
    ear.error = 0;
    CHECK(duet_proto_new(&ear.p, config, 0) == 0);
    bool server = config->role == DUET_SERVER;
    feed(server ? request : response, server ? sizeof(request) - 1 : sizeof(response) - 1, false);
    CHECK(duet_proto_is_open(ear.p));
    ear.calls = 0;
    for (size_t at = 0; at < len && ear.error == 0; at += step)
        feed(data + at, len - at < step ? len - at : step, room);
    CHECK(ear.calls <= calls_most(len));
    duet_proto_free(ear.p);
    return hashed(ear.heard, &ear.error, sizeof(ear.error));
}

/* Writes frames: a first byte, a length (126: two bytes of it and a byte to fill it with; 127: a head as it is), then
 * the payload, masked with its own length. */
static size_t written(struct program p, bool masked, uint8_t *wire)
{
    size_t n = 0;
    while (p.left > 1 && n < WIRE_MOST - 66000) {
        wire[n++] = (uint8_t)next_byte(&p);
        unsigned code = next_byte(&p), fill = 0, bit = masked ? 0x80 : 0;
        size_t len = code & 127, have;
        if (len == 127) {
            wire[n++] = (uint8_t)code;
            have = 12;
            const uint8_t *rest = next_bytes(&p, &have);
            memcpy(wire + n, rest, have);
            n += have;
            continue;
        }
        if (len == 126) {
            len = next_byte(&p) << 8;
            len |= next_byte(&p);
            fill = next_byte(&p);
        }
        have = len == (code & 127) ? len : 0;
        const uint8_t *payload = next_bytes(&p, &have);
        uint8_t key[4] = { (uint8_t)len, (uint8_t)(code >> 7), 0x5a, (uint8_t)(len >> 8) };
        wire[n++] = (uint8_t)(bit | (len < 126 ? len : 126));
        if (len >= 126) {
            wire[n++] = (uint8_t)(len >> 8);
            wire[n++] = (uint8_t)len;
        }
        memcpy(wire + n, key, 4);
        n += masked ? 4 : 0;
        for (size_t i = 0; i < len; i++)
            wire[n++] = (uint8_t)((i < have ? payload[i] : fill) ^ (masked ? key[i % 4] : 0));
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t wire[WIRE_MOST];
    if (size < 3 || size > WIRE_MOST)
        return 0;
    unsigned flags = data[0];
    duet_proto_config config = { DUET_PROTO_CONFIG_INIT,
                                 .role = flags & CLIENT ? DUET_CLIENT : DUET_SERVER,
                                 .pieces = flags & PIECES,
                                 .random = zeros,
                                 .trace = flags & TRACE ? trace : NULL,
                                 .host = "h",
                                 .message_max = flags & SMALL ? 100 : 40000,
                                 .control_per_s = DUET_OFF };
    bool masked = config.role == DUET_SERVER;
    size_t len = size - 2, step = data[1] ? 0 : 1;
    if (flags & RAW)
        memcpy(wire, data + 2, len);
    else
        len = written((struct program){ data + 2, len }, masked, wire);
    if (step == 0)
        step = 1 + len * data[1] / 256;
    uint64_t slow = naive_read(wire, len, masked, config.message_max);
    CHECK(run(&config, wire, len, len > 0 ? len : 1, false) == slow);
    CHECK(run(&config, wire, len, step, flags & ROOM) == slow);
    return 0;
}
