/* SPDX-License-Identifier: MIT */
/*
 * MEM-11, FRM-3: a peer's lengths where size_t has 32 bits. Built with -m32 by tests/checks/narrow.sh, from the core
 * alone and without a library, so it begins behind the handshake; anything undefined traps.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "proto/mask.h"
#include "proto/proto.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(size_t) == 4, "for a narrow machine");

static int failed;

static void claim(const char *text, bool is_so)
{
    printf("%s - 32 bits: %s\n", is_so ? "ok" : "not ok", text);
    failed |= !is_so;
}

static struct chunk_pool pool;
static struct proto_home home = { .chunks = &pool, .busy_size = sizeof(struct proto_busy) };

/* What comes of a masked head that declares this length: 0 more is needed, or an error. */
static int declare(duet_proto *p, uint64_t length, unsigned message_max)
{
    duet_proto_config given = { DUET_PROTO_CONFIG_INIT, .role = DUET_SERVER, .message_max = message_max };
    uint8_t head[14] = { 0x82, 0xff };
    duet_event ev;
    proto_config_resolve(&home.config, &given);
    memset(p, 0, sizeof(*p));
    if (proto_init(p, &home, 1000) < 0)
        return DUET_ERR_NOMEM;
    proto_open(p, 1000);
    for (int i = 0; i < 8; i++)
        head[2 + i] = (uint8_t)(length >> (56 - 8 * i));
    duet_input in = { head, sizeof(head) };
    return duet_proto_recv(p, &in, 1000, &ev);
}

static bool is_refused(uint64_t length, unsigned message_max, int error)
{
    duet_proto p;
    bool so = declare(&p, length, message_max) == error && p.busy->gather == NULL && p.busy->close_sent != 0;
    proto_fini(&p);
    return so;
}

static void lengths(void)
{
    claim("2^32 + 5 is too big, not 5", is_refused(0x100000005, 0, DUET_ERR_TOO_BIG));
    claim("2^32 is too big without a limit", is_refused(0x100000000, DUET_OFF, DUET_ERR_TOO_BIG));
    claim("2^32 - 1 is too big without a limit", is_refused(0xffffffff, DUET_OFF, DUET_ERR_TOO_BIG));
    claim("2^31 is too big without a limit", is_refused(0x80000000, DUET_OFF, DUET_ERR_TOO_BIG));
    claim("2^63 - 1 is too big without a limit", is_refused(0x7fffffffffffffff, DUET_OFF, DUET_ERR_TOO_BIG));
    claim("the top bit breaks the protocol", is_refused(0x8000000000000000, DUET_OFF, DUET_ERR_PROTOCOL));
    duet_proto p;
    claim("2^30 - 1 may come without a limit, and costs nothing yet",
          declare(&p, 0x3fffffff, DUET_OFF) == 0 && p.busy->gather == NULL);
    void *at;
    size_t room = duet_proto_room(&p, &at);
    claim("its place grows with what came", room > 0 && room <= 64 * 1024 && p.busy->gather->cap <= 64 * 1024);
    proto_fini(&p);
}

static void sizes(void)
{
    duet_shared *s = shared_alloc(10);
    struct buf b;
    claim("a block of SIZE_MAX bytes is no memory",
          shared_alloc(SIZE_MAX) == NULL && shared_alloc(SIZE_MAX - 10) == NULL);
    claim("nor is one that grows to it", shared_grow(s, SIZE_MAX - 10) == NULL && s->cap == 10);
    duet_shared_unref(s);
    buf_init(&b, NULL, 0);
    buf_put(&b, "x", 1);
    claim("a buffer cannot grow past the end", !buf_reserve(&b, SIZE_MAX) && b.failed && b.len == 1);
    buf_fini(&b);
}

/* The words of the loops are wider than a pointer here. */
static void leaves(void)
{
    uint8_t data[300], copy[300];
    bool same = true;
    for (size_t len = 0; len < sizeof(data); len++) {
        uint32_t key;
        memcpy(&key, "\x11\x22\x33\x44", 4);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)(i * 7);
        mask_copy(copy, data, len, key);
        for (size_t i = 0; i < len; i++)
            same &= copy[i] == (data[i] ^ "\x11\x22\x33\x44"[i % 4]);
    }
    claim("unmasking", same);
    claim("UTF-8", utf8_valid("h\xc3\xa9llo, w\xc3\xb6rld, \xf0\x9f\x98\x80", 20) && !utf8_valid("\xed\xa0\x80", 3));
}

int main(void)
{
    lengths();
    sizes();
    leaves();
    return failed;
}
