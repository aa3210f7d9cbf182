/* SPDX-License-Identifier: MIT */
/*
 * The head of an HTTP/1.1 request or response (RFC 9112 2-5): bytes in, a struct out.
 *
 * The reader is fed a buffer that always starts at the head's first byte and grows; it remembers how far it
 * looked, so that each byte is looked at no more than twice however it arrives (HTTP-2). Lines are judged as
 * they end, in order, so the verdict depends on the bytes alone, never on the packets they came in (HTTP-3).
 * Nothing is copied: the struct holds offsets into the buffer, which may move between calls.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_FIELDS_MOST = 200,        /* a response's limit; a request's default is 100 */
    HTTP_HEAD_MOST = 64 * 1024 - 1 /* offsets are 16 bits */
};

struct http_span {
    uint16_t at, len;
};

struct http_field {
    struct http_span name, value; /* value without the white space around it */
};

struct http_limits {
    uint32_t head_bytes;   /* 16 KiB; over it 431 */
    uint32_t target_bytes; /* 8 KiB; over it 414 */
    uint32_t fields;       /* 100; over it 431 */
};

/* UNKNOWN: a token, but none of these (501). */
enum http_method {
    HTTP_UNKNOWN,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_CONNECT
};

struct http_head {
    /* What was read. */
    uint8_t method;  /* enum http_method; requests */
    uint8_t minor;   /* HTTP/1.minor */
    uint16_t status; /* responses */
    struct http_span method_text, target, reason;
    struct http_span host; /* requests: the authority that counts, an absolute-form target's before the Host field */
    struct http_span path; /* requests: the target from its path on, query included; "" or "?..." in absolute-form */
    uint32_t size;         /* bytes of the whole head with its empty line, once complete */
    uint16_t count;        /* of fields */
    /* How far the reader is. */
    uint8_t skipped; /* empty lines before the first */
    uint8_t stage;
    bool chunked;                    /* the last transfer coding so far is chunked */
    bool coded;                      /* there is another transfer coding */
    bool tunnel;                     /* set by who asked CONNECT: a 2xx has no body, whatever its fields say */
    uint8_t hosts, lengths, codings; /* fields called Host, Content-Length, Transfer-Encoding; stop at 2 */
    int16_t failed;                  /* the verdict once it is negative */
    uint32_t line_at, seen;
    uint64_t length;   /* of Content-Length */
    uint64_t looked;   /* bytes looked at, for the test of HTTP-2 */
    const char *error; /* why it was refused: a short constant sentence for the log */
    struct http_field fields[HTTP_FIELDS_MOST];
};

/* Ready for a new head. Does not touch `fields`. */
void http_head_init(struct http_head *h);

/*
 * Reads a request head from the `len` bytes at `data`, which hold everything since its first byte.
 *
 * Returns 1 when it is complete (h->size bytes were the head, what follows is not looked at), 0 when more is
 * needed, or the negative HTTP status to refuse it with: -400, -414, -431, -501 (unknown method or transfer
 * coding), -505. A head that was refused stays refused. What HTTP-16 refuses everywhere (CONNECT, `*`) is -400.
 * Host (exactly one in 1.1, at most one in 1.0, its grammar; HTTP-14), the request target's form and bytes,
 * Content-Length and Transfer-Encoding (HTTP-8, HTTP-9) are checked too.
 */
int http_head_request(struct http_head *h, const char *data, size_t len, const struct http_limits *limits);

/* The same for a response (client): 1, 0, or -1 when it is malformed or over a limit. With `tunnel` set the
 * Content-Length and Transfer-Encoding of a 2xx are fields like others (RFC 9110 9.3.6). */
int http_head_response(struct http_head *h, const char *data, size_t len, const struct http_limits *limits);

/* The next field called `name` (lower case, any case matches) from index *from on, which is moved past it.
 * Returns false when there is none. `value` points into `data`. */
bool http_head_next(const struct http_head *h, const char *data, const char *name, unsigned *from, const char **value,
                    size_t *len);

/* The number of fields called `name`. */
unsigned http_head_count(const struct http_head *h, const char *data, const char *name);

/* True when a field called `name` (all its lines together) is a comma-separated list that holds `token`, in any
 * case; whole elements, no substrings. */
bool http_head_has_token(const struct http_head *h, const char *data, const char *name, const char *token);

/* What follows a head: HTTP_BODY_CLOSE (all until the end of the stream) is for responses only. A response to HEAD
 * has no body whatever this says. *length is set with HTTP_BODY_LENGTH, which is never 0. */
enum http_body { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_CLOSE };
enum http_body http_head_body(const struct http_head *h, uint64_t *length);

/* Whether the connection may serve another request when this one has been read (RFC 9112 9.3). */
bool http_head_keep_alive(const struct http_head *h, const char *data);

#endif
