/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate is agreed on within what both sides can do, and both understand it alike (PMD-7 to PMD-9). Data:
 * the server's options, the client's, then a line that is an offer and an answer as well.
 */
#include "fuzz.h"
#include "proto/extension.h"

static const struct http_limits limits = { 65535, 65535, 100 };
static struct http_head head;
static char text[40000];

static duet_deflate options_of(uint8_t byte)
{
    return (duet_deflate){ .on = true, .keep_window = byte & 1, .window_bits = byte / 2 % 8 ? 8 + byte / 2 % 8u : 0,
                           .peer_window_bits = byte / 16 % 8 ? 8 + byte / 16 % 8u : 0 };
}

/* Puts a line into a head and reads that. */
static bool read_in(const char *start, const void *line, size_t len)
{
    struct buf b;
    buf_init(&b, text, sizeof(text));
    buf_puts(&b, start);
    buf_put(&b, line, len);
    buf_puts(&b, "\r\n\r\n");
    http_head_init(&head);
    CHECK(!b.owned);
    return (*start == 'G' ? http_head_request : http_head_response)(&head, text, b.len, &limits) == 1;
}

static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n", response[] = "HTTP/1.1 101 x\r\n",
                  named[] = "Sec-WebSocket-Extensions:";

/* The server's answer, as a client with these options reads it. */
static void answered(const struct extension *server, const duet_deflate *options)
{
    char space[512];
    struct buf b;
    struct extension client;
    buf_init(&b, space, sizeof(space));
    extension_answer(&b, server);
    CHECK(read_in(response, b.at, b.len - 2) && extension_agree(&head, text, options, &client) == 1);
    CHECK(client.peer_bits == server->own_bits && client.own_bits <= server->peer_bits);
    CHECK(client.peer_reset == server->own_reset && client.own_reset >= server->peer_reset);
    buf_fini(&b);
}

static void judge(const struct extension *e, const duet_deflate *options)
{
    CHECK(e->own_bits >= 9 && e->own_bits <= (options->window_bits ? options->window_bits : 15));
    CHECK(e->peer_bits >= 8 && e->peer_bits <= 15 && (e->own_reset || options->keep_window));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 30000)
        return 0;
    duet_deflate ours = options_of(data[0]), theirs = options_of(data[1]), anything = options_of(1);
    struct extension e;
    char space[512], line[30100];
    struct buf b;
    memcpy(line, named, sizeof(named) - 1);
    memcpy(line + sizeof(named) - 1, data + 2, size - 2);
    if (read_in(request, line, size - 2 + sizeof(named) - 1) && extension_choose(&head, text, &ours, &e)) {
        judge(&e, &ours);
        CHECK(memmem(data + 2, size - 2, "permessage-deflate", 18) != NULL);
        if (e.peer_bits > 8) /* what another client can do; ours does not offer it (PMD-9) */
            answered(&e, &anything);
    }
    if (read_in(response, line, size - 2 + sizeof(named) - 1) && extension_agree(&head, text, &theirs, &e) == 1) {
        judge(&e, &theirs);
        CHECK(theirs.keep_window || e.peer_reset);
        CHECK(e.peer_bits <= (theirs.peer_window_bits ? theirs.peer_window_bits : 15));
    }
    buf_init(&b, space, sizeof(space));
    extension_offer(&b, &theirs);
    CHECK(read_in(request, b.at, b.len - 2) && extension_choose(&head, text, &ours, &e));
    answered(&e, &theirs);
    buf_fini(&b);
    return 0;
}
