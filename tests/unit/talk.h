/* SPDX-License-Identifier: MIT */
/* Peers of the Centrifugal protocol, over WebSockets and over HTTP. */
#ifndef TESTS_TALK_H
#define TESTS_TALK_H

#include "ways.h"

#define CLIENT "00000000-0000-4000-8000-000000000000"
#define CONNECTED(id)                                                                                                  \
    "text '{\"id\":" #id ",\"connect\":{\"client\":\"" CLIENT "\",\"version\":\"duet " DUET_VERSION                    \
    "\",\"ping\":25,\"pong\":true,\"node\":\"0000000000000000\"}}'\n"

static inline struct client *open_at(const char *path)
{
    char request[3000];
    struct client *c = client_new();
    snprintf(request, sizeof(request),
             "GET /connection/%s HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path);
    client_say(c, request);
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    return c;
}

static inline void say(struct client *c, const char *text)
{
    client_frame(c, 0x81, text, strlen(text));
}

static inline struct client *connected(void)
{
    struct client *c = open_at("websocket");
    say(c, "{\"id\":1,\"connect\":{\"name\":\"js\"}}");
    EXPECT_FRAMES(c, 1, CONNECTED(1));
    return c;
}

/* One command and its answer. */
static inline void ask(struct client *c, const char *command, const char *answer)
{
    char expected[8192];
    say(c, command);
    snprintf(expected, sizeof(expected), "text '%s'\n", answer);
    EXPECT_FRAMES(c, 1, expected);
}

static inline struct client *stream(const char *method, const char *what, const char *body)
{
    struct client *c = client_new();
    char request[3000], head[4096];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: a.example\r\nContent-Length: %zu\r\n\r\n%s", method,
             what, strlen(body), body);
    client_say(c, request);
    assert_int_equal(client_answer(c, head, NULL), 200);
    assert_true(client_has_field(head, "X-Accel-Buffering: no"));
    assert_true(client_has_field(head, "Cache-Control: no-store"));
    return c;
}

/* What has come of the stream's body, chunk heads taken out. */
static inline char *body_of(struct client *c, size_t least)
{
    static char body[WIRE_TRACE];
    size_t len = 0;
    for (int i = 0; i < WIRE_TURNS && c->len < least && !c->eof; i++) {
        wire_turn();
        client_read(c);
    }
    wire_settle();
    client_read(c);
    char *at = (char *)c->in, *end = at + c->len;
    while (at < end) {
        size_t n = strtoul(at, &at, 16);
        at += 2;
        memcpy(body + len, at, n);
        len += n;
        at += n + 2;
    }
    body[len] = 0;
    client_skip(c, c->len);
    return body;
}

static inline unsigned post(const char *body)
{
    struct client *c = client_new();
    char head[200];
    snprintf(head, sizeof(head), "POST /emulation HTTP/1.1\r\nHost: a.example\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    client_say(c, head);
    client_say(c, body);
    unsigned status = client_answer(c, NULL, NULL);
    client_free(c);
    return status;
}

#endif
