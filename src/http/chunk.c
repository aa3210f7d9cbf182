/* SPDX-License-Identifier: MIT */
#include "http/chunk.h"
#include "base/hex.h"

/*
 *  SIZE -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -+        a chunk; the last one has size 0:
 *   ^                                             |
 *   +---------------------------------------------+        SIZE_LF -> TRAILER
 *
 *  TRAILER -> TRAILER_NAME -> TRAILER_TEXT -> TRAILER_LF -> TRAILER -> LAST_LF -> DONE
 */
enum state { SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_NAME, TRAILER_TEXT, TRAILER_LF, LAST_LF, DONE };

static int refuse(struct http_chunk *c, const char *why)
{
    c->error = why;
    return -400;
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

/* 1*HEXDIG, then nothing or an extension, which is not looked into. Sizes stop at 2^63-1. */
static bool judge_size(struct http_chunk *c)
{
    unsigned n = 0;
    c->left = 0;
    for (; n < c->line_len && hex_digit(c->line[n]) >= 0; n++) {
        if (c->left > (uint64_t)INT64_MAX >> 4)
            return false;
        c->left = c->left << 4 | (uint64_t)hex_digit(c->line[n]);
    }
    if (n == 0 || n == c->line_len)
        return n > 0;
    struct http_text rest = http_trim(c->line + n, c->line_len - n);
    return rest.len > 0 && *rest.at == ';';
}

static int on_size(struct http_chunk *c, char byte)
{
    if (byte == '\r') {
        c->state = SIZE_LF;
        return 0;
    }
    if (!is_text(byte))
        return refuse(c, "a control byte in a chunk's first line");
    if (c->line_len == sizeof(c->line))
        return refuse(c, "a chunk's first line is too long");
    c->line[c->line_len++] = byte;
    return 0;
}

static int on_size_end(struct http_chunk *c)
{
    if (!judge_size(c))
        return refuse(c, "a chunk's size is malformed or too large");
    c->line_len = 0;
    c->state = c->left > 0 ? DATA : TRAILER;
    return 0;
}

/* A trailer is a field line: its name is checked, its value only for controls. */
static int on_trailer(struct http_chunk *c, char byte)
{
    if (c->state == TRAILER && byte == '\r') {
        c->state = LAST_LF;
        return 0;
    }
    if (++c->trailers >= HTTP_CHUNK_TRAILERS_MOST)
        return refuse(c, "the trailers are too long");
    if (c->state == TRAILER_TEXT && (byte == '\r' || is_text(byte)))
        c->state = byte == '\r' ? TRAILER_LF : TRAILER_TEXT;
    else if (c->state != TRAILER_TEXT && http_is_token_char((unsigned char)byte))
        c->state = TRAILER_NAME;
    else if (c->state == TRAILER_NAME && byte == ':')
        c->state = TRAILER_TEXT;
    else
        return refuse(c, "a trailer is malformed");
    return 0;
}

static int expect(struct http_chunk *c, char byte, char want, enum state next)
{
    if (byte != want)
        return refuse(c, "a CRLF is missing in a chunked body");
    c->state = (uint8_t)next;
    return 0;
}

/* A byte that is not data. */
static int on_byte(struct http_chunk *c, char byte)
{
    switch ((enum state)c->state) { /* GCOV_EXCL_BR_LINE: each state has its case */
    case SIZE:
        return on_size(c, byte);
    case SIZE_LF:
        return byte == '\n' ? on_size_end(c) : refuse(c, "a bare CR in a chunk's first line");
    case DATA_CR:
        return expect(c, byte, '\r', DATA_LF);
    case DATA_LF:
        return expect(c, byte, '\n', SIZE);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_TEXT:
        return on_trailer(c, byte);
    case TRAILER_LF:
        c->trailers++;
        return expect(c, byte, '\n', TRAILER);
    case LAST_LF:
        return expect(c, byte, '\n', DONE);
    case DATA: /* GCOV_EXCL_START: the caller takes these two by themselves */
    case DONE:
        break;
    }
    return 0;
    /* GCOV_EXCL_STOP */
}

static int take_data(struct http_chunk *c, struct http_text *in, struct http_text *data)
{
    size_t n = in->len < c->left ? in->len : (size_t)c->left;
    *data = (struct http_text){ in->at, n };
    in->at += n;
    in->len -= n;
    c->left -= n;
    if (c->left == 0)
        c->state = DATA_CR;
    return HTTP_CHUNK_DATA;
}

int http_chunk_next(struct http_chunk *c, struct http_text *in, struct http_text *data)
{
    if (c->error != NULL)
        return -400;
    while (c->state != DONE) {
        if (in->len == 0)
            return HTTP_CHUNK_MORE;
        if (c->state == DATA)
            return take_data(c, in, data);
        int rc = on_byte(c, *in->at);
        if (rc < 0)
            return rc;
        in->at++;
        in->len--;
    }
    return HTTP_CHUNK_END;
}
