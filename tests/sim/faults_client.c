/* SPDX-License-Identifier: MIT */
/* Clients of the library against names, addresses and servers that are not as they should be. */
#include "stage.h"
#include <string.h>

static const char url[] = "ws://127.0.0.1:9003/";

/* A raw server that hears a request out, gives this answer and ends; a client that comes once. */
static void answered(const char *answer, bool hang)
{
    char request[4096];
    int listener = raw_listen(STAGE_RAW), i = visit(&(duet_client_config){ .url = url, .open_ms = 3000 });
    int fd = raw_accept(listener);
    settle(20);
    hear_raw(fd, request, sizeof(request));
    if (fd >= 0 && answer != NULL)
        say_raw(fd, answer);
    if (hang)
        settle(4000);
    hang_up(fd);
    raw_close(listener);
    settle(20);
    if (i >= 0 && stage.visitors[i].client != NULL && !hang)
        CHECK(stage.visitors[i].closes + stage.visitors[i].fails <= 1);
}

#define ANSWER(name, answer)                                                                                           \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        answered(answer, false);                                                                                       \
    }

ANSWER(refused, "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nnever")
ANSWER(refused_in_chunks,
       "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
ANSWER(refused_to_the_end, "HTTP/1.1 401 Who\r\n\r\nwho are you?")
ANSWER(early_hints, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
ANSWER(wrong_accept, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
ANSWER(nonsense, "hello\r\n\r\n")
ANSWER(half_an_answer, "HTTP/1.1 101 Switching")
ANSWER(nothing, "")

static void silence(void)
{
    answered(NULL, true);
}

static void half_and_silence(void)
{
    answered("HTTP/1.1 101 Switch", true);
}

/* By name, with some of the addresses dead. */
static void named(const char *name, unsigned ms)
{
    int i = visit(&(duet_client_config){ .url = name, .open_ms = 3000 });
    settle(ms);
    tell(i, "hello");
}

static void one_address(void)
{
    named("ws://one.sim:9002/", 50);
}

static void second_address(void)
{
    named("ws://two.sim:9002/", 300);
}

static void without_ipv6(void)
{
    kernel_no_ipv6 = true;
    named("ws://two.sim:9002/", 50);
}

static void localhost(void)
{
    named("ws://localhost:9002/", 300);
}

static void first_one_is_dead(void)
{
    named("ws://dead.sim:9002/", 400);
}

static void no_address(void)
{
    named("ws://none.sim:9002/", 50);
}

static void nobody_listens(void)
{
    named("ws://127.0.0.1:9004/", 50);
}

static void no_such_file(void)
{
    named("unix:/sim/none.sock", 50);
}

static void never_answers(void)
{
    named("ws://192.0.2.1:9002/", 3500);
}

static void tries_again(void)
{
    visit(&(duet_client_config){ .url = "ws://one.sim:9004/", .retry = true, .retry_first_ms = 100 });
    settle(600);
}

static void freed_while_it_looks(void)
{
    int i = visit(&(duet_client_config){ .url = "ws://dead.sim:9002/" });
    if (i >= 0 && stage.visitors[i].client != NULL) {
        duet_client_free(stage.visitors[i].client);
        stage.visitors[i].client = NULL;
    }
    settle(400);
}

static void no_tls_there(void)
{
    named("wss://127.0.0.1:9002/", 100);
}

static void several(void)
{
    for (int i = 0; i < STAGE_CLIENTS; i++)
        visit(&(duet_client_config){ .url = "ws://two.sim:9002/" });
    settle(300);
    for (int i = 0; i < STAGE_CLIENTS; i++)
        tell(i, "*to all");
}

/* What one end says goes to the other, in both directions, as long as both are there. */
static void relay(int near, int far, unsigned turns)
{
    char bytes[4096];
    for (unsigned i = 0; i < turns && near >= 0 && far >= 0; i++) {
        for (int back = 0; back < 2; back++) {
            long n = raw_recv(back ? far : near, bytes, sizeof(bytes));
            if (n > 0)
                raw_send(back ? near : far, bytes, (size_t)n);
        }
        settle(2);
    }
}

/* A proxy that asks for each of these in turn and answers, then a tunnel to the plain port. */
static void through(const char *proxy, const char *const answers[], size_t lengths[], const char *to)
{
    char request[4096];
    int listener = raw_listen(STAGE_RAW);
    int i = visit(&(duet_client_config){ .url = to, .proxy = proxy, .open_ms = 3000 });
    int fd = raw_accept(listener), far = -1;
    for (unsigned k = 0; answers[k] != NULL; k++) {
        settle(20);
        hear_raw(fd, request, sizeof(request));
        if (fd >= 0)
            raw_send(fd, answers[k], lengths ? lengths[k] : strlen(answers[k]));
    }
    settle(20);
    far = raw_dial(strstr(to, "wss") ? STAGE_PORT : STAGE_PLAIN);
    relay(fd, far, 30);
    if (conn(i) != NULL)
        duet_send(conn(i), DUET_TEXT, "hello", 5);
    relay(fd, far, 10);
    raw_close(far);
    hang_up(fd);
    raw_close(listener);
    settle(20);
}

static void http_proxy(void)
{
    static const char *const answers[] = { "HTTP/1.1 200 Connection established\r\n\r\n", NULL };
    through("http://user:secret@127.0.0.1:9003", answers, NULL, "ws://one.sim:9002/");
}

static void http_proxy_and_tls(void)
{
    static const char *const answers[] = { "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", NULL };
    through("http://127.0.0.1:9003", answers, NULL, "wss://one.sim:9001/");
}

static void http_proxy_refuses(void)
{
    static const char *const answers[] = { "HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno", NULL };
    through("http://127.0.0.1:9003", answers, NULL, "ws://one.sim:9002/");
}

static void socks_proxy(void)
{
    static const char *const answers[] = { "\5\2", "\1\0", "\5\0\0\1\177\0\0\1\0\0", NULL };
    static size_t lengths[] = { 2, 2, 10 };
    through("socks5://user:secret@127.0.0.1:9003", answers, lengths, "ws://one.sim:9002/");
}

static void socks_proxy_refuses(void)
{
    static const char *const answers[] = { "\5\0", "\5\5\0\1\0\0\0\0\0\0", NULL };
    static size_t lengths[] = { 2, 10 };
    through("socks5://127.0.0.1:9003", answers, lengths, "ws://one.sim:9002/");
}

/* A raw server that sends elsewhere, as far as `redirects` allows. */
static void sent_to(const char *answer, unsigned redirects)
{
    char request[4096];
    int listener = raw_listen(STAGE_RAW);
    int i = visit(&(duet_client_config){ .url = url, .open_ms = 3000, .redirects = redirects });
    int fd = raw_accept(listener);
    settle(20);
    hear_raw(fd, request, sizeof(request));
    if (fd >= 0)
        say_raw(fd, answer);
    hang_up(fd);
    raw_close(listener);
    settle(100);
    tell(i, "hello");
}

static void redirected(void)
{
    sent_to("HTTP/1.1 307 There\r\nLocation: ws://one.sim:9002/\r\nContent-Length: 0\r\n\r\n", 1);
}

static void redirected_too_often(void)
{
    sent_to("HTTP/1.1 307 There\r\nLocation: ws://one.sim:9002/\r\nContent-Length: 0\r\n\r\n", 0);
}

static void redirected_nowhere(void)
{
    sent_to("HTTP/1.1 302 There\r\nLocation: gopher://x\r\n\r\n", 2);
}

/* Its second session has the first one's ticket. */
static void comes_back(void)
{
    int i = visit(&(duet_client_config){ .retry = true, .retry_first_ms = 100 });
    settle(100);
    tell(i, "hello");
    kernel_cut(false);
    settle(400);
    tell(i, "hello again");
}

const struct scenario client_scenarios[] = {
    { "refused with a body", refused, OVER_TCP, 1 },
    { "refused in chunks", refused_in_chunks, OVER_TCP, 1 },
    { "refused until the end", refused_to_the_end, OVER_TCP, 1 },
    { "early hints", early_hints, OVER_TCP, 1 },
    { "a wrong Accept", wrong_accept, OVER_TCP, 1 },
    { "nonsense", nonsense, OVER_TCP, 1 },
    { "half an answer", half_an_answer, OVER_TCP, 1 },
    { "no answer", nothing, OVER_TCP, 1 },
    { "silence", silence, OVER_TCP, 1 },
    { "half an answer, then silence", half_and_silence, OVER_TCP, 1 },
    { "one address", one_address, OVER_TCP, 1 },
    { "the second address", second_address, OVER_TCP, 1 },
    { "no IPv6 here", without_ipv6, OVER_TCP, 1 },
    { "localhost", localhost, OVER_TCP, 1 },
    { "the first address is dead", first_one_is_dead, OVER_TCP, 1 },
    { "no address", no_address, OVER_TCP, 1 },
    { "nobody listens", nobody_listens, OVER_TCP, 1 },
    { "no such socket file", no_such_file, OVER_TCP, 1 },
    { "a host that never answers", never_answers, OVER_TCP, 1 },
    { "tries again", tries_again, OVER_TCP, 1 },
    { "freed while it looks", freed_while_it_looks, OVER_TCP, 1 },
    { "no TLS there", no_tls_there, OVER_TCP, 1 },
    { "four clients", several, OVER_TCP, 1 },
    { "through an HTTP proxy", http_proxy, OVER_TCP, 1, 1 },
    { "through an HTTP proxy to TLS", http_proxy_and_tls, OVER_TLS, 1, 1 },
    { "an HTTP proxy refuses", http_proxy_refuses, OVER_TCP, 1 },
    { "through a SOCKS proxy", socks_proxy, OVER_TCP, 1, 1 },
    { "a SOCKS proxy refuses", socks_proxy_refuses, OVER_TCP, 1 },
    { "redirected", redirected, OVER_TCP, 1, 1 },
    { "redirected, but it does not follow", redirected_too_often, OVER_TCP, 1 },
    { "redirected nowhere", redirected_nowhere, OVER_TCP, 1 },
    { "cut, and comes back", comes_back, EVERYWHERE, 1, 2, 1 },
    { NULL, NULL, 0, 0 },
};
