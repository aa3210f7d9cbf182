/* SPDX-License-Identifier: MIT */
/* The PROXY protocol's verdict is the same in one piece, in any two and byte by byte (NET-13). A header of version 1
 * can be written again from what was read; one of version 2 is what its fields say. The first byte: where to cut. */
#include "fuzz.h"
#include "http/proxy.h"
#include <arpa/inet.h>
#include <stdio.h>

/* The line from what was read, where the addresses were in their shortest form; the destination is the line's own. */
static void written_again(const struct http_proxy *p, const char *s)
{
    char line[128], source[64], destination[64], family[8];
    uint8_t bytes[16];
    unsigned from, to;
    snprintf(line, sizeof(line), "%.*s", (int)p->size - 2, s);
    CHECK(memcmp(line, "PROXY ", 6) == 0 && memcmp(s + p->size - 2, "\r\n", 2) == 0 && p->size <= 107);
    if (!p->has_client) {
        CHECK(memcmp(line, "PROXY UNKNOWN", 13) == 0);
        return;
    }
    CHECK(sscanf(line, "PROXY %7s %63s %63s %5u %5u", family, source, destination, &from, &to) == 5);
    bool ipv6 = family[3] == '6';
    CHECK(inet_pton(ipv6 ? AF_INET6 : AF_INET, source, bytes + (ipv6 ? 0 : 12)) == 1 && from == p->port && to < 65536);
    CHECK(memcmp(bytes + (ipv6 ? 0 : 12), p->client.bytes + (ipv6 ? 0 : 12), ipv6 ? 16 : 4) == 0);
    CHECK(inet_pton(ipv6 ? AF_INET6 : AF_INET, destination, bytes) == 1);
    char again[2 * sizeof(line)];
    snprintf(again, sizeof(again), "PROXY %s %s %s %u %u", family, source, destination, from, to);
    CHECK(strcmp(line, again) == 0);
}

/* Version 2, field by field: addresses first, then so many types, lengths and values as fit exactly. */
static void counted_again(const struct http_proxy *p, const uint8_t *s)
{
    size_t len = (size_t)s[14] << 8 | s[15], at = 16;
    bool local = s[12] == 0x20, ip4 = !local && s[13] == 0x11, ip6 = !local && s[13] == 0x21, secure = false;
    CHECK(p->size == 16 + len && (local || s[12] == 0x21) && p->has_client == (ip4 || ip6));
    if (local)
        return;
    CHECK(ip4 || ip6 || s[13] == 0 || s[13] == 0x31);
    at += ip4 ? 12 : ip6 ? 36 : s[13] == 0x31 ? 216 : 0;
    CHECK(!ip4 || (memcmp(p->client.bytes + 12, s + 16, 4) == 0 && p->port == (s[24] << 8 | s[25])));
    CHECK(!ip6 || (memcmp(p->client.bytes, s + 16, 16) == 0 && p->port == (s[48] << 8 | s[49])));
    for (size_t value; at < p->size; at += 3 + value) {
        value = (size_t)s[at + 1] << 8 | s[at + 2];
        if (s[at] == 0x20 && value > 0)
            secure = s[at + 3] & 1;
    }
    CHECK(at == p->size && p->secure == secure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct http_proxy whole, cut;
    size_t len = size - 1, first = len * data[0] / 256;
    char *s = exactly(data + 1, len);
    int verdict = http_proxy_read(&whole, s, len), early = http_proxy_read(&cut, s, first);
    CHECK((early != 0 ? early : http_proxy_read(&cut, s, len)) == verdict);
    early = 0;
    for (size_t n = 1; n <= len && early == 0; n++)
        early = http_proxy_read(&cut, s, n);
    CHECK(early == verdict && (verdict != 1 || memcmp(&whole, &cut, sizeof(cut)) == 0));
    CHECK(verdict != 1 || (whole.size <= len && whole.size <= HTTP_PROXY_MOST));
    if (verdict == 1 && s[0] == 'P')
        written_again(&whole, s);
    if (verdict == 1 && s[0] != 'P')
        counted_again(&whole, (const uint8_t *)s);
    free(s);
    return 0;
}
