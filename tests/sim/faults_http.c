/* SPDX-License-Identifier: MIT */
/* Raw peers of the plain port: HTTP, bodies, streams, files, and upgrades that come in pieces or not at all. */
#include "stage.h"
#include <string.h>

#define EXCHANGE(name, first, rest)                                                                                    \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        exchange(first, rest);                                                                                         \
    }

#define GET(path)             "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, fields)    "POST " path " HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define UPGRADE(path, fields) "GET " path " HTTP/1.1\r\nHost: a\r\n" STAGE_UPGRADE fields "\r\n"

EXCHANGE(get, GET("/hello"), NULL)
EXCHANGE(twice, GET("/hello") GET("/hello"), GET("/hello"))
EXCHANGE(cut_head, "GET /hel", "lo HTTP/1.1\r\nHost: a\r\n\r\n")
EXCHANGE(half_head, "GET /hello HTTP/1.1\r\nX-Half", NULL)
EXCHANGE(body, POST("/hello", "Content-Length: 6\r\n"), "abcdef")
EXCHANGE(cut_body, POST("/hello", "Content-Length: 6\r\n") "abc", "def")
EXCHANGE(half_body, POST("/hello", "Content-Length: 600\r\n") "abc", NULL)
EXCHANGE(chunks, POST("/hello", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n", "2\r\nde\r\n0\r\n\r\n")
EXCHANGE(expects, POST("/hello", "Expect: 100-continue\r\nContent-Length: 1\r\n"), "a")
EXCHANGE(pieces, POST("/pieces", "Content-Length: 6\r\n") "abc", "def")
EXCHANGE(chunked_pieces, POST("/pieces", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n", "0\r\n\r\n")
EXCHANGE(preflight,
         "OPTIONS /hello HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nAccess-Control-Request-Method: POST\r\n\r\n", NULL)
EXCHANGE(none, GET("/hello/none"), NULL)
EXCHANGE(bad, "GET /hello\r\n\r\n", NULL)
EXCHANGE(streamed, GET("/stream"), NULL)
EXCHANGE(streamed_old, "GET /stream HTTP/1.0\r\n\r\n", NULL)
EXCHANGE(streamed_head, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n", GET("/hello"))
EXCHANGE(feed, GET("/feed"), NULL)
EXCHANGE(paged, GET("/page"), "GET /page HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n\r\n")
EXCHANGE(file, GET("/file.txt"), "HEAD /file.txt HTTP/1.1\r\nHost: a\r\n\r\n")
EXCHANGE(file_range, "GET /file.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=2-5\r\n\r\n", NULL)
EXCHANGE(file_large, GET("/file.large"), NULL)
EXCHANGE(file_left, GET("/file.large"), "")
EXCHANGE(upgrade, UPGRADE("/", ""), "\x81\x82\1\1\1\1hi")
EXCHANGE(first_frame, UPGRADE("/", "Sec-WebSocket-Protocol: chat\r\n") "\x81\x82\1\1\1\1hi", NULL)
EXCHANGE(refused, UPGRADE("/refuse", "") "\x81\x82\1\1\1\1hi", NULL)
EXCHANGE(bad_upgrade, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", NULL)
EXCHANGE(foreign, UPGRADE("/", "Origin: http://evil.example\r\n"), NULL)
EXCHANGE(bad_frame, UPGRADE("/", ""), "\x83\x81\1\1\1\1h")
EXCHANGE(bad_text, UPGRADE("/", ""), "\x81\x82\1\1\1\1\xc1\x81")
EXCHANGE(half_frame, UPGRADE("/", ""), "\x82\xfe\x20\x20maskdata")
EXCHANGE(deflated, UPGRADE("/", "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
         "\xc1\x87\1\1\1\1\xf3\x49\xcc\xc8\xca\x06\x01")

static void later(void)
{
    int fd = dial();
    say_raw(fd, UPGRADE("/later", "") "\x81\x82\1\1\1\1hi");
    if (stage.kept != NULL && duet_http_upgrade(stage.kept, NULL, NULL) == 0)
        stage.kept = NULL;
    settle(20);
    if (stage.kept != NULL && duet_http_text(stage.kept, 503, "later") == 0)
        stage.kept = NULL;
    hang_up(fd);
}

static void answered_later(void)
{
    int fd = dial();
    say_raw(fd, GET("/kept") GET("/hello"));
    if (stage.kept != NULL && duet_http_text(stage.kept, 200, "at last") == 0)
        stage.kept = NULL;
    hang_up(fd);
}

static void streamed_slowly(void)
{
    char some[1000];
    int fd = dial();
    say_raw(fd, GET("/stream"));
    settle(200);
    for (int i = 0; i < 5; i++) {
        hear_raw(fd, some, sizeof(some));
        settle(50);
    }
    hang_up(fd);
}

static void fed_with_news(void)
{
    int fd = dial(), i = visit(NULL);
    say_raw(fd, GET("/feed"));
    tell(i, "*data: 2\n\n");
    duet_server_drain(stage.server);
    settle(200);
    hang_up(fd);
}

static void left_waiting(void)
{
    int fd = dial();
    say_raw(fd, GET("/kept"));
    raw_close(fd);
    settle(20);
}

static void too_slow(void)
{
    int fd = dial();
    say_raw(fd, "GET / HT");
    settle(11000);
    hang_up(fd);
}

static void half_closed(void)
{
    int fd = dial();
    say_raw(fd, UPGRADE("/", ""));
    if (fd >= 0)
        raw_shut(fd);
    settle(20);
    hang_up(fd);
}

const struct scenario http_scenarios[] = {
    { "GET", get, OVER_TCP, 1 },
    { "three requests", twice, OVER_TCP, 1 },
    { "a head in two parts", cut_head, OVER_TCP, 1 },
    { "half a head", half_head, OVER_TCP, 1 },
    { "a body", body, OVER_TCP, 1 },
    { "a body in two parts", cut_body, OVER_TCP, 1 },
    { "half a body", half_body, OVER_TCP, 1 },
    { "a body in chunks", chunks, OVER_TCP, 1 },
    { "100-continue", expects, OVER_TCP, 1 },
    { "a body taken in pieces", pieces, OVER_TCP, 1 },
    { "chunks taken in pieces", chunked_pieces, OVER_TCP, 1 },
    { "preflight", preflight, OVER_TCP, 1 },
    { "404", none, OVER_TCP, 1 },
    { "400", bad, OVER_TCP, 1 },
    { "a stream", streamed, OVER_TCP, 1 },
    { "a stream in HTTP/1.0", streamed_old, OVER_TCP, 1 },
    { "a stream for HEAD", streamed_head, OVER_TCP, 1 },
    { "a stream, read slowly", streamed_slowly, OVER_TCP, 1 },
    { "a feed", feed, OVER_TCP, 1 },
    { "a feed with news, drained", fed_with_news, OVER_TCP, 1 },
    { "a page, twice", paged, OVER_TCP, 1 },
    { "a file", file, OVER_TCP, 1 },
    { "part of a file", file_range, OVER_TCP, 1 },
    { "a large file", file_large, OVER_TCP, 1 },
    { "a large file, left", file_left, OVER_TCP, 1 },
    { "an upgrade", upgrade, OVER_TCP, 1 },
    { "a frame behind the head", first_frame, OVER_TCP, 1 },
    { "an upgrade, refused", refused, OVER_TCP, 1 },
    { "an upgrade without a key", bad_upgrade, OVER_TCP, 1 },
    { "a foreign origin", foreign, OVER_TCP, 1 },
    { "a bad frame", bad_frame, OVER_TCP, 1 },
    { "bad text", bad_text, OVER_TCP, 1 },
    { "half a frame", half_frame, OVER_TCP, 1 },
    { "a packed message", deflated, OVER_TCP, 3 },
    { "an upgrade, later", later, OVER_TCP, 1 },
    { "an answer, later", answered_later, OVER_TCP, 1 },
    { "left while it waits", left_waiting, OVER_TCP, 1 },
    { "a head that takes too long", too_slow, OVER_TCP, 1 },
    { "half closed", half_closed, OVER_TCP, 1 },
    { NULL, NULL, 0, 0 },
};
