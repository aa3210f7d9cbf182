/* SPDX-License-Identifier: MIT */
/*
 * A client's handshake: an answer is taken when a slow reading of RFC 6455 4.1 takes it (CLI-1), behind at most eight
 * that only announce it (CLI-2), and alike in any two pieces. The first byte: deflate (bit 0), where to cut.
 */
#include "fuzz.h"
#include "naive_head.h"
#include <duet/proto.h>

static const char *const subprotocols[] = { "chat", "superchat", NULL };
static struct naive_head naive;

static int zeros(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 0, len);
    return 0;
}

static bool may_open(const char **subprotocol)
{
    struct naive_text v;
    *subprotocol = NULL;
    if (naive.status != 101 || !naive_listed(&naive, "upgrade", "websocket") ||
        !naive_listed(&naive, "connection", "upgrade") || naive_lines(&naive, "sec-websocket-accept", &v) != 1 ||
        v.len != 28 || memcmp(v.at, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=", 28) != 0) /* for a key of zeros */
        return false;
    unsigned named = naive_lines(&naive, "sec-websocket-protocol", &v);
    for (int i = 0; named == 1 && i < 2; i++)
        if (v.len == strlen(subprotocols[i]) && memcmp(v.at, subprotocols[i], v.len) == 0)
            *subprotocol = subprotocols[i];
    return named == 0 || *subprotocol != NULL;
}

/* 1: it is open; 0: more is needed; or the error. */
static int run(const uint8_t *data, size_t len, size_t cut, bool deflate, size_t *used)
{
    duet_proto_config config = { DUET_PROTO_CONFIG_INIT, .role = DUET_CLIENT, .random = zeros, .host = "h",
                                 .target = "/", .subprotocols = subprotocols, .deflate.on = deflate };
    duet_proto *p;
    duet_event ev;
    const char *subprotocol = NULL;
    uint8_t *copy = exactly(data, len);
    CHECK(duet_proto_new(&p, &config, 0) == 0);
    duet_input in = { copy, cut };
    int rc = duet_proto_recv(p, &in, 0, &ev);
    CHECK(rc != 0 || in.len == 0);
    in.len = (size_t)(copy + len - in.data);
    if (rc == 0)
        rc = duet_proto_recv(p, &in, 0, &ev);
    *used = len - in.len;
    CHECK(rc <= 1 && duet_proto_is_open(p) == (rc == 1) && (rc != 1 || ev.kind == DUET_EVENT_OPEN));
    if (rc == 1)
        CHECK(may_open(&subprotocol) && (deflate || !duet_proto_deflates(p)));
    const char *got = duet_proto_subprotocol(p);
    CHECK(got == NULL ? subprotocol == NULL : subprotocol != NULL && strcmp(got, subprotocol) == 0);
    duet_proto_free(p);
    free(copy);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > NAIVE_HEAD_MOST)
        return 0;
    const char *s = (const char *)data + 1, *name;
    size_t len = size - 1, cut = len * (data[0] >> 1) / 128, at = 0, used, whole_used;
    int slow, interim = 0;
    while ((slow = naive_head_read(&naive, s + at, len - at, true)) == 1 && naive.status < 200 && naive.status != 101 &&
           ++interim <= 8)
        at += naive.size;
    int rc = run(data + 1, len, cut, data[0] & 1, &used);
    CHECK(rc == run(data + 1, len, len, data[0] & 1, &whole_used));
    CHECK(rc != 1 || (used == whole_used && used == at + naive.size));
    bool plain = naive_lines(&naive, "sec-websocket-extensions", &(struct naive_text){ 0 }) == 0;
    CHECK(rc != 0 || slow <= 0);
    CHECK(slow != 1 || (rc == 1) <= (interim <= 8 && may_open(&name)));
    CHECK(slow != 1 || !plain || (rc == 1) == (interim <= 8 && may_open(&name)));
    return 0;
}
