/* SPDX-License-Identifier: MIT */
/*
 * A server's handshake: a request is taken when a slow reading of RFC 6455 4.2.1 takes it, and alike in any two pieces;
 * what comes behind it is not touched; what is answered is a good response. The first byte: how to answer (bits 0 and
 * 1), deflate (bit 2), where to cut.
 */
#include "fuzz.h"
#include "naive_head.h"
#include "naive_utf8.h"
#include "http/head.h"
#include <duet/proto.h>

static struct naive_head naive;

static bool distinct_tokens(void)
{
    struct naive_text t[101];
    unsigned n = naive_list(&naive, "sec-websocket-protocol", t, 101);
    for (unsigned i = 0; i < n && n <= 100; i++) {
        bool good = t[i].len > 0;
        for (size_t k = 0; k < t[i].len; k++)
            good &= naive_token_char(t[i].at[k]);
        for (unsigned k = 0; k < i; k++)
            good &= t[i].len != t[k].len || memcmp(t[i].at, t[k].at, t[i].len) != 0;
        if (!good)
            return false;
    }
    return n <= 100;
}

static bool may_upgrade(void)
{
    struct naive_text key, v;
    if (!naive_is(naive.method, "get") || naive.method.at[0] != 'G' || naive.minor == 0 || naive.chunked)
        return false;
    if (!naive_listed(&naive, "upgrade", "websocket") || !naive_listed(&naive, "connection", "upgrade"))
        return false;
    if (naive.length > 0 || naive_lines(&naive, "sec-websocket-version", &v) != 1 || !naive_is(v, "13"))
        return false;
    if (naive_lines(&naive, "sec-websocket-key", &key) != 1 || key.len != 24 || !strchr("AQgw", key.at[21]))
        return false;
    for (int i = 0; i < 22; i++)
        if (!naive_hex(key.at[i]) && key.at[i] != '+' && key.at[i] != '/' &&
            !((key.at[i] | 32) >= 'a' && (key.at[i] | 32) <= 'z'))
            return false;
    return memcmp(key.at + 22, "==", 2) == 0 && naive_lines(&naive, "origin", &v) <= 1 && distinct_tokens();
}

/* Nothing of what the slow reading does not judge: extensions, escapes in the path, text, open quotes. */
static bool is_plain(const char *s, size_t len)
{
    struct naive_text v;
    return !memchr(s, '%', len) && !memchr(s, '"', len) && naive_good((const uint8_t *)s, len) == len &&
           naive_lines(&naive, "sec-websocket-extensions", &v) == 0;
}

static size_t output(duet_proto *p, char *to, size_t cap)
{
    struct iovec iov[64];
    size_t len = 0;
    for (int n = duet_proto_output(p, iov, 64), i = 0; i < n; len += iov[i++].iov_len) {
        CHECK(len + iov[i].iov_len <= cap);
        check_known(iov[i].iov_base, iov[i].iov_len);
        memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
    }
    duet_proto_sent(p, len);
    return len;
}

/* Answers, and reads the answer. */
static void answer(duet_proto *p, unsigned how)
{
    static const struct http_limits limits = { 65535, 65535, 200 };
    static struct http_head head;
    static char out[65536];
    static const duet_header fields[] = { { "X-Field", "value" }, { NULL, NULL } };
    char name[256];
    const duet_request *r = duet_proto_request(p);
    bool offered = duet_request_subprotocol(r, 0, name, sizeof(name)) && strlen(name) < sizeof(name) - 1;
    if (how == 0)
        CHECK(duet_proto_reject(p, 403, fields, "no", 2) == 0 && !duet_proto_is_open(p));
    else
        CHECK(duet_proto_accept(p, offered && how == 1 ? name : NULL, fields, 0) == 0 && duet_proto_is_open(p));
    size_t len = output(p, out, sizeof(out));
    http_head_init(&head);
    CHECK(http_head_response(&head, out, len, &limits) == 1 && head.status == (how == 0 ? 403 : 101));
    CHECK(head.size + (how == 0 ? 2 : 0) == len);
}

/* 1: it was taken; 0: more is needed; or the error. */
static int run(const uint8_t *data, size_t len, size_t cut, unsigned how)
{
    duet_proto_config config = { DUET_PROTO_CONFIG_INIT, .role = DUET_SERVER, .deflate.on = how & 4 };
    duet_proto *p;
    duet_event ev;
    uint8_t *copy = exactly(data, len);
    CHECK(duet_proto_new(&p, &config, 0) == 0);
    duet_input in = { copy, cut };
    int rc = duet_proto_recv(p, &in, 0, &ev);
    CHECK(rc != 0 || in.len == 0);
    in.len = (size_t)(copy + len - in.data);
    if (rc == 0)
        rc = duet_proto_recv(p, &in, 0, &ev);
    CHECK(rc <= 1 && (rc != 1 || ev.kind == DUET_EVENT_REQUEST) && (rc < 0) == (duet_proto_status(p) >= 400));
    CHECK(rc != 1 || (in.data == copy + naive.size && memcmp(in.data, data + naive.size, in.len) == 0));
    if (rc == 1)
        answer(p, how & 3);
    duet_proto_free(p);
    free(copy);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *s = (const char *)data + 1;
    size_t len = size - 1, cut = len * (data[0] >> 3) / 32;
    int slow = naive_head_read(&naive, s, len, false), rc = run(data + 1, len, cut, data[0] & 7);
    CHECK(rc == run(data + 1, len, len, data[0] & 7));
    CHECK(rc <= 0 || (slow == 1 && may_upgrade()));
    CHECK(rc != 0 || slow <= 0);
    if (slow == 1 && is_plain(s, naive.size))
        CHECK((rc == 1) == may_upgrade());
    return 0;
}
