/* SPDX-License-Identifier: MIT */
/*
 * An open connection, of either role, says the same events and fails alike however its bytes are cut, and looks at none
 * beyond them. The first byte picks the role (bit 0) and pieces (bit 1), the second where to cut.
 */
#include "fuzz.h"
#include <duet/proto.h>

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

/* Hashes of what was said: all of it, and the parts of a message whose end is still to come. How much of a message that
 * fails was handed out before depends on the cuts, so parts count when they are whole. */
struct heard {
    uint64_t all, parts;
};

static uint64_t hashed(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void hear(struct heard *h, const duet_event *ev)
{
    h->parts = hashed(h->parts, ev->data, ev->len);
    if (ev->kind == DUET_EVENT_PIECE && !ev->last)
        return;
    unsigned what[] = {ev->kind, ev->kind == DUET_EVENT_CLOSE ? ev->code : 0};
    h->all = hashed(hashed(h->all, &h->parts, sizeof(h->parts)), what, sizeof(what));
    h->parts = 0;
}

/* Feeds a copy that ends where the bytes end. */
static void feed(duet_proto *p, const void *data, size_t len, struct heard *h)
{
    uint8_t *copy = malloc(len + 1);
    CHECK(copy != NULL);
    memcpy(copy + 1, data, len); /* odd addresses too */
    duet_input in = {copy + 1, len};
    duet_event ev;
    int rc;
    while ((rc = duet_proto_recv(p, &in, 0, &ev)) == 1) {
        if (ev.kind == DUET_EVENT_REQUEST)
            CHECK(duet_proto_accept(p, NULL, NULL, 0) == 0);
        hear(h, &ev);
    }
    if (rc < 0)
        h->all = hashed(h->all, &rc, sizeof(rc));
    free(copy);
}

static uint64_t run(const duet_proto_config *config, const uint8_t *data, size_t len, size_t cut)
{
    duet_proto *p;
    struct heard h = {0, 0};
    CHECK(duet_proto_new(&p, config, 0) == 0);
    bool server = config->role == DUET_SERVER;
    feed(p, server ? request : response, server ? sizeof(request) - 1 : sizeof(response) - 1, &h);
    CHECK(duet_proto_is_open(p));
    if (cut > 0)
        feed(p, data, cut, &h);
    if (cut == 0 || duet_proto_is_open(p))
        feed(p, data + cut, len - cut, &h);
    duet_proto_free(p);
    return h.all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    duet_proto_config config = {DUET_PROTO_CONFIG_INIT, .role = data[0] & 1 ? DUET_CLIENT : DUET_SERVER,
                                .pieces = data[0] & 2, .random = zeros, .host = "h", .target = "/",
                                .message_max = 4096};
    size_t len = size - 2;
    CHECK(run(&config, data + 2, len, 0) == run(&config, data + 2, len, len * data[1] / 256));
    return 0;
}
