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
    { NULL, NULL, 0, 0 },
};
