/* SPDX-License-Identifier: MIT */
#include "http/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "http/host.h"

static const uint8_t ipv4_prefix[12] = { [10] = 0xff, [11] = 0xff };

void http_address_from_ipv4(const uint8_t bytes[4], struct http_address *address)
{
    memcpy(address->bytes, ipv4_prefix, sizeof(ipv4_prefix));
    memcpy(address->bytes + sizeof(ipv4_prefix), bytes, 4);
}

bool http_address_parse(const char *s, size_t len, struct http_address *address)
{
    char text[HTTP_ADDRESS_TEXT];
    uint8_t ipv4[4];
    if (len == 0 || len >= sizeof(text) || memchr(s, 0, len) != NULL)
        return false;
    memcpy(text, s, len);
    text[len] = 0;
    if (inet_pton(AF_INET, text, ipv4) != 1)
        return inet_pton(AF_INET6, text, address->bytes) == 1;
    http_address_from_ipv4(ipv4, address);
    return true;
}

bool http_address_parse_hop(const char *s, size_t len, struct http_address *address)
{
    struct http_host host;
    if (http_address_parse(s, len, address))
        return true;
    return http_host_parse(s, len, &host) && http_address_parse(host.name.at, host.name.len, address);
}

/* In decimal; returns the end. This and the next are in every handshake, where printf's way took a tenth of it. */
static char *put_number(char *at, unsigned n)
{
    if (n >= 10)
        at = put_number(at, n / 10);
    *at = (char)('0' + n % 10);
    return at + 1;
}

static bool is_ipv4(const struct http_address *address)
{
    return memcmp(address->bytes, ipv4_prefix, sizeof(ipv4_prefix)) == 0;
}

/* Returns the end, where its zero byte is. */
static char *format(const struct http_address *address, char *out)
{
    if (!is_ipv4(address)) {
        inet_ntop(AF_INET6, address->bytes, out, HTTP_ADDRESS_TEXT);
        return out + strlen(out);
    }
    for (size_t i = sizeof(ipv4_prefix); i < sizeof(address->bytes); i++) {
        out = put_number(out, address->bytes[i]);
        *out++ = '.';
    }
    *--out = 0;
    return out;
}

void http_address_format(const struct http_address *address, char out[HTTP_ADDRESS_TEXT])
{
    format(address, out);
}

void http_address_format_port(const struct http_address *address, unsigned port, char out[HTTP_ADDRESS_PORT_TEXT])
{
    bool ipv4 = is_ipv4(address);
    if (!ipv4)
        *out++ = '[';
    out = format(address, out);
    if (!ipv4)
        *out++ = ']';
    *out++ = ':';
    *put_number(out, port) = 0;
}

/* Whether the first `bits` bits are equal. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool parse_prefix(const char *s, size_t len, unsigned most, unsigned *prefix)
{
    *prefix = 0;
    if (len == 0 || len > 3 || (len > 1 && *s == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *prefix = *prefix * 10 + (unsigned)(s[i] - '0');
    }
    return *prefix <= most;
}

/* Clears the bits behind the prefix. Returns whether there were any. */
static bool clear_rest(struct http_network *network)
{
    bool any = false;
    for (unsigned bit = network->bits; bit < 128; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> bit % 8);
        any |= (network->base.bytes[bit / 8] & mask) != 0;
        network->base.bytes[bit / 8] &= (uint8_t)~mask;
    }
    return any;
}

static bool parse_network(const char *s, size_t len, struct http_network *network)
{
    const char *slash = len > 0 ? memchr(s, '/', len) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - s) : len;
    bool ipv4 = n > 0 && memchr(s, ':', n) == NULL;
    unsigned most = ipv4 ? 32 : 128, prefix = most;
    if (!http_address_parse(s, n, &network->base))
        return false;
    if (slash != NULL && !parse_prefix(slash + 1, len - n - 1, most, &prefix))
        return false;
    network->bits = (uint8_t)(128 - most + prefix);
    return true;
}

bool http_network_parse(const char *s, size_t len, struct http_network *network)
{
    return parse_network(s, len, network) && !clear_rest(network);
}

bool http_network_parse_wide(const char *s, size_t len, struct http_network *network)
{
    if (!parse_network(s, len, network))
        return false;
    clear_rest(network);
    return true;
}

bool http_networks_hold(struct http_networks networks, const struct http_address *address)
{
    for (size_t i = 0; i < networks.count; i++)
        if (same_prefix(networks.list[i].base.bytes, address->bytes, networks.list[i].bits))
            return true;
    return false;
}
