/* SPDX-License-Identifier: MIT */
#include "http/socks.h"
#include "http/address.h"
#include <string.h>

enum { VERSION = 5, PASSWORD_VERSION = 1, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4, NONE_FITS = 0xff };

size_t http_socks_greeting(uint8_t *out, bool with_password)
{
    out[0] = VERSION;
    out[1] = with_password ? 2 : 1;
    out[2] = HTTP_SOCKS_OPEN;
    out[3] = HTTP_SOCKS_PASSWORD;
    return with_password ? 4 : 3;
}

static uint8_t *put_text(uint8_t *at, struct http_text text)
{
    *at++ = (uint8_t)text.len;
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    return at + text.len;
}

size_t http_socks_password(uint8_t *out, struct http_text user, struct http_text password)
{
    out[0] = PASSWORD_VERSION;
    return (size_t)(put_text(put_text(out + 1, user), password) - out);
}

size_t http_socks_request(uint8_t *out, struct http_text host, uint16_t port)
{
    struct http_address address;
    uint8_t *at = out;
    *at++ = VERSION;
    *at++ = CONNECT;
    *at++ = 0;
    if (!http_address_parse(host.at, host.len, &address)) {
        *at++ = NAME;
        at = put_text(at, host);
    } else if (memchr(host.at, ':', host.len) == NULL) {
        *at++ = IPV4;
        memcpy(at, address.bytes + 12, 4);
        at += 4;
    } else {
        *at++ = IPV6;
        memcpy(at, address.bytes, 16);
        at += 16;
    }
    *at++ = (uint8_t)(port >> 8);
    *at++ = (uint8_t)port;
    return (size_t)(at - out);
}

static int refuse(struct http_socks_refusal *no, const char *why, bool final)
{
    *no = (struct http_socks_refusal){ why, final };
    return -1;
}

static int no_socks(struct http_socks_refusal *no)
{
    return refuse(no, "its answer is not that of a SOCKS5 proxy", false);
}

int http_socks_read_method(const uint8_t *data, size_t len, bool with_password, uint8_t *method,
                           struct http_socks_refusal *no)
{
    if (len > 0 && data[0] != VERSION)
        return no_socks(no);
    if (len < 2)
        return 0;
    *method = data[1];
    if (*method == HTTP_SOCKS_OPEN || (*method == HTTP_SOCKS_PASSWORD && with_password))
        return 2;
    if (*method != NONE_FITS)
        return refuse(no, "it wants to be signed in to in a way that was not offered", true);
    return refuse(no, with_password ? "it takes no user name and password" : "it wants a user name and password", true);
}

int http_socks_read_status(const uint8_t *data, size_t len, struct http_socks_refusal *no)
{
    if (len > 0 && data[0] != PASSWORD_VERSION)
        return no_socks(no);
    if (len < 2)
        return 0;
    return data[1] == 0 ? 2 : refuse(no, "it does not take this user name and password", true);
}

/* The codes of RFC 1928 6. What lies in the network may be another time. */
static int refused(unsigned code, struct http_socks_refusal *no)
{
    switch (code) {
    case 1: return refuse(no, "it failed in general (1)", false);
    case 2: return refuse(no, "its rules do not allow this (2)", true);
    case 3: return refuse(no, "the network of the server is unreachable (3)", false);
    case 4: return refuse(no, "the server is unreachable (4)", false);
    case 5: return refuse(no, "the server refused the connection (5)", false);
    case 6: return refuse(no, "the way to the server is too long (6)", false);
    case 7: return refuse(no, "it makes no connections (7)", true);
    case 8: return refuse(no, "it does not know this type of address (8)", true);
    default: return refuse(no, "it refused with a code that is not known", false);
    }
}

int http_socks_read_reply(const uint8_t *data, size_t len, struct http_socks_refusal *no)
{
    if (len > 0 && data[0] != VERSION)
        return no_socks(no);
    if (len > 1 && data[1] != 0)
        return refused(data[1], no); /* some proxies send no more than this */
    if (len > 2 && data[2] != 0)
        return no_socks(no);
    if (len > 3 && data[3] != IPV4 && data[3] != NAME && data[3] != IPV6)
        return no_socks(no);
    if (len < 5)
        return 0;
    size_t address = data[3] == IPV4 ? 4 : data[3] == IPV6 ? 16 : 1u + data[4];
    return len < 4 + address + 2 ? 0 : (int)(4 + address + 2);
}
