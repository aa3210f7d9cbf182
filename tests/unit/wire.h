/* SPDX-License-Identifier: MIT */
/*
 * A server in this process on a loop that the test turns, and clients of raw sockets. Nothing sleeps: whoever waits
 * for something turns the loop, at most WIRE_TURNS times of up to a millisecond, and fails the test after that.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "test.h"
#include <duet/duet.h>
#include <openssl/ssl.h>

enum { WIRE_TURNS = 4000, WIRE_TRACE = 65536 };
enum wire_kind { WIRE_TCP, WIRE_UNIX, WIRE_TLS };

/* The server of the test that runs; one at a time. */
struct wire_server {
    enum wire_kind kind;
    duet_loop *loop;
    duet_server *server;
    char path[64];
    char log[16384]; /* "refused handshake 426\n": event, reason, code; a line each */
    size_t log_len;
};
extern struct wire_server wire;

/* Starts it with this config; listen, tls and log are filled in (listen only when it is NULL). 0 or an error. */
int wire_try_serve(enum wire_kind kind, const duet_server_config *config);
void wire_serve(enum wire_kind kind, const duet_server_config *config); /* must succeed */
void wire_stop(void);
void wire_turn(void);    /* one turn, which may wait up to a millisecond */
void wire_settle(void);  /* turns until three in a row had nothing to do, the last of a millisecond */
void wire_tls_end(void); /* lets go what TLS servers share */

struct client {
    int fd;
    SSL *ssl;
    uint8_t *in; /* what was received and not looked at */
    size_t len, cap;
    size_t total; /* received so far */
    bool eof, reset;
    bool broken; /* it cannot be written to any more */
    bool shut;   /* TLS: it came with close_notify */
    char trace[WIRE_TRACE];
    size_t trace_len;
};

struct client *client_new(void);                /* connected; TLS: shaken hands */
struct client *client_raw(void);                /* connected only */
void client_begin_tls(struct client *c);        /* one step: first the ClientHello */
bool client_start_tls(struct client *c);        /* over a raw one; turns the loop */
struct client *client_open(const char *fields); /* upgraded; fields: "A: b\r\n" more of them, or NULL */
void client_free(struct client *c);             /* NULL is fine */
void client_reset(struct client *c);            /* SO_LINGER 0: the peer sees a reset; then it is closed */
void client_half_close(struct client *c);       /* SHUT_WR */
size_t client_try(struct client *c, const void *data, size_t len); /* what the socket takes; may be 0 */
void client_send(struct client *c, const void *data,
                 size_t len); /* all of it; the loop turns when the socket is full */
void client_say(struct client *c, const char *text);
void client_frame(struct client *c, unsigned first_byte, const void *payload, size_t len); /* masked */
size_t client_encode(uint8_t *to, unsigned first_byte, const void *payload, size_t len);   /* to: len + 14 bytes */
void client_close(struct client *c, unsigned code, const char *reason);
void client_read(struct client *c); /* all that is there now */

/* Turns until `n` bytes are in `in`, or the end. Whether they are. */
bool client_wait(struct client *c, size_t n);
bool client_wait_text(struct client *c, const char *text); /* until `in` holds it */
void client_wait_end(struct client *c);                    /* end of file or reset */
void client_skip(struct client *c, size_t n);

/* Answers. The status of the next one, or 0 when the connection ended without; its head is copied to `head` (may be
 * NULL) and skipped, its body (Content-Length) as well. */
unsigned client_answer(struct client *c, char head[4096], char body[4096]);
bool client_has_field(const char *head, const char *line); /* "Name: value" */

/*
 * Frames as lines, until `lines` of them are in `trace` or the connection ended; the end is a line too:
 *   text 'Hi', binary 70000 bytes, close 1000 'bye', close, ping 'x', pong 'x', eof, reset; JSON is shown up to 4 KiB
 * A frame that is not final has " more" at its end. Returns the trace.
 */
const char *client_trace(struct client *c, unsigned lines);
const char *client_trace_end(struct client *c); /* to the end */

extern const char wire_request[]; /* "GET / HTTP/1.1 ..." up to the empty line, which is not in it */

#define EXPECT_FRAMES(client, lines, expected) assert_string_equal(client_trace(client, lines), expected)
#define EXPECT_END(client, expected)           assert_string_equal(client_trace_end(client), expected)

#endif
