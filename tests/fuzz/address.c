/* SPDX-License-Identifier: MIT */
/* Addresses and networks: what is read is written and read again as the same, and a network holds what shares its bits
 * and nothing else. */
#include "fuzz.h"
#include "http/address.h"

static bool bit(const struct http_address *a, unsigned i)
{
    return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = exactly(data, size), text[HTTP_ADDRESS_TEXT];
    struct http_address address, again;
    struct http_network network;
    if (http_address_parse_hop(s, size, &address)) {
        http_address_format(&address, text);
        CHECK(http_address_parse(text, strlen(text), &again) && memcmp(&address, &again, sizeof(again)) == 0);
    }
    if (http_network_parse(s, size, &network)) {
        CHECK(network.bits <= 128);
        for (unsigned i = 0; i < 128; i++) {
            again = network.base;
            again.bytes[i / 8] ^= (uint8_t)(0x80 >> i % 8);
            CHECK(i < network.bits || !bit(&network.base, i));
            CHECK(http_networks_hold((struct http_networks){ &network, 1 }, &again) == (i >= network.bits));
        }
        CHECK(http_networks_hold((struct http_networks){ &network, 1 }, &network.base));
    }
    free(s);
    return 0;
}
