/* SPDX-License-Identifier: MIT */
/*
 * SOCKS5, the client's side (RFC 1928, RFC 1929): what is said to the proxy, and what it answers. Bytes in, bytes out.
 *
 *   us:     greeting               [user, password]             request
 *   proxy:            method                         status               reply  -->  the tunnel
 *
 * The proxy must not speak before it is spoken to: bytes behind an answer are the caller's to refuse.
 */
#ifndef HTTP_SOCKS_H
#define HTTP_SOCKS_H

#include "http/field.h"
#include <stdint.h>

enum {
    HTTP_SOCKS_TEXT = 255,       /* bytes of a user name, a password or a host, at most */
    HTTP_SOCKS_ASK = 3 + 2 * HTTP_SOCKS_TEXT, /* the longest of what is said: user and password */
    HTTP_SOCKS_ANSWER = 4 + 1 + 255 + 2,      /* the longest answer */
    HTTP_SOCKS_OPEN = 0,         /* methods: no sign-in; user name and password */
    HTTP_SOCKS_PASSWORD = 2,
};

/* Each writes to `out` and returns how much, at most HTTP_SOCKS_ASK. */
size_t http_socks_greeting(uint8_t *out, bool with_password);
size_t http_socks_password(uint8_t *out, struct http_text user, struct http_text password);
/* CONNECT to an address as text, or to a name that the proxy looks up. */
size_t http_socks_request(uint8_t *out, struct http_text host, uint16_t port);

/* What is wrong with an answer. */
struct http_socks_refusal {
    const char *why; /* a sentence, constant and without a full stop */
    bool final;      /* it would be the same next time */
};

/*
 * Each reads an answer from the `len` bytes at `data`, which hold everything since its first byte. Returns its size
 * when it is whole and good; 0 when more is needed; -1 as soon as it cannot become good, and then `no` says why. The
 * verdict depends on the bytes alone, not on the pieces they came in.
 */
int http_socks_read_method(const uint8_t *data, size_t len, bool with_password, uint8_t *method,
                           struct http_socks_refusal *no);
int http_socks_read_status(const uint8_t *data, size_t len, struct http_socks_refusal *no);
int http_socks_read_reply(const uint8_t *data, size_t len, struct http_socks_refusal *no);

#endif
