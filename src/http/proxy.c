/* SPDX-License-Identifier: MIT */
#include "http/proxy.h"

#include <string.h>

#include "http/field.h"

/* Version 2: the signature, a byte of version and command, one of family and transport, two of length. */
enum {
    V1_MOST = 107,
    V2_SIGNATURE = 12,
    V2_HEAD = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31,
    V2_UNSPEC = 0x00,
    V2_TLV_SSL = 0x20,
    V2_CLIENT_SSL = 1 /* in the first byte of that TLV's value */
};

static const char v2_signature[V2_SIGNATURE + 1] = "\r\n\r\n\0\r\nQUIT\n";

static unsigned read_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* The TLVs have to fill the rest exactly. */
static bool read_tlvs(struct http_proxy *p, const uint8_t *at, size_t len)
{
    while (len > 0) {
        if (len < 3)
            return false;
        size_t size = read_u16(at + 1);
        if (size > len - 3)
            return false;
        if (at[0] == V2_TLV_SSL && size > 0)
            p->secure = (at[3] & V2_CLIENT_SSL) != 0;
        at += 3 + size;
        len -= 3 + size;
    }
    return true;
}

/* The addresses of `len` bytes; their size, or 0 when they are cut short or of a kind that has no place here. */
static size_t read_addresses(struct http_proxy *p, unsigned family, const uint8_t *at, size_t len)
{
    size_t size = family == V2_TCP4 ? 12 : family == V2_TCP6 ? 36 : family == V2_UNIX ? 216 : 0;
    if (len < size)
        return 0;
    if (family == V2_TCP4)
        http_address_from_ipv4(at, &p->client);
    else if (family == V2_TCP6)
        memcpy(p->client.bytes, at, sizeof(p->client.bytes));
    p->has_client = family == V2_TCP4 || family == V2_TCP6;
    if (p->has_client)
        p->port = (uint16_t)read_u16(at + size - 4);
    return size;
}

static int read_v2(struct http_proxy *p, const uint8_t *data, size_t len)
{
    if (len > V2_SIGNATURE && data[12] != V2_LOCAL && data[12] != V2_PROXY)
        return -1;
    if (len < V2_HEAD)
        return 0;
    size_t body = read_u16(data + 14);
    if (V2_HEAD + body > HTTP_PROXY_MOST)
        return -1;
    if (len - V2_HEAD < body)
        return 0;
    p->size = V2_HEAD + body;
    /* A health check of the balancer's own; whatever it says about addresses is to be skipped. */
    if (data[12] == V2_LOCAL)
        return 1;
    size_t used = 0;
    if (data[13] != V2_UNSPEC) {
        used = read_addresses(p, data[13], data + V2_HEAD, body);
        if (used == 0)
            return -1;
    }
    return read_tlvs(p, data + V2_HEAD + used, body - used) ? 1 : -1;
}

static struct http_text next_word(struct http_text *line)
{
    const char *space = line->len > 0 ? memchr(line->at, ' ', line->len) : NULL;
    size_t n = space != NULL ? (size_t)(space - line->at) : line->len;
    struct http_text word = { line->at, n };
    n += space != NULL;
    line->at += n;
    line->len -= n;
    return word;
}

static bool parse_port(struct http_text word, uint16_t *port)
{
    unsigned value = 0;
    if (word.len == 0 || word.len > 5 || (word.len > 1 && *word.at == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(word.at[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool parse_address(struct http_text word, bool ipv6, struct http_address *address)
{
    bool colon = word.len > 0 && memchr(word.at, ':', word.len) != NULL;
    return colon == ipv6 && http_address_parse(word.at, word.len, address);
}

/* The line behind "PROXY ", without its CRLF. */
static bool judge_v1(struct http_proxy *p, struct http_text line)
{
    struct http_text family = next_word(&line);
    bool ipv6 = http_text_is(family, "tcp6"), upper = family.len == 4 && memcmp(family.at, "TCP", 3) == 0;
    if (family.len == 7 && memcmp(family.at, "UNKNOWN", 7) == 0)
        return true; /* what follows is to be ignored */
    if (!upper || (!ipv6 && family.at[3] != '4'))
        return false;
    struct http_address destination;
    uint16_t port;
    p->has_client = parse_address(next_word(&line), ipv6, &p->client) &&
                    parse_address(next_word(&line), ipv6, &destination) && parse_port(next_word(&line), &p->port) &&
                    parse_port(line, &port);
    return p->has_client;
}

static int read_v1(struct http_proxy *p, const char *data, size_t len)
{
    size_t most = len < V1_MOST ? len : V1_MOST;
    const char *lf = memchr(data, '\n', most);
    const char *cr = memchr(data, '\r', lf != NULL ? (size_t)(lf - data) : most);
    if (cr != NULL && data + most > cr + 1 && cr[1] != '\n')
        return -1;
    if (lf == NULL)
        return len < V1_MOST ? 0 : -1;
    if (cr == NULL)
        return -1;
    p->size = (size_t)(lf - data) + 1;
    return judge_v1(p, (struct http_text){ data + 6, (size_t)(cr - data) - 6 }) ? 1 : -1;
}

int http_proxy_read(struct http_proxy *p, const void *data, size_t len)
{
    static const char v1_start[6] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
    *p = (struct http_proxy){ 0 };
    if (len == 0)
        return 0;
    if (memcmp(data, v2_signature, len < V2_SIGNATURE ? len : V2_SIGNATURE) == 0)
        return read_v2(p, data, len);
    if (memcmp(data, v1_start, len < sizeof(v1_start) ? len : sizeof(v1_start)) != 0)
        return -1;
    return len > sizeof(v1_start) ? read_v1(p, data, len) : 0;
}
