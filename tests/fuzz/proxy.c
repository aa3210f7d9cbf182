/* SPDX-License-Identifier: MIT */
/* The PROXY protocol's verdict is the same in one piece and in any two (NET-13). The first byte says where to cut. */
#include "fuzz.h"
#include "http/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct http_proxy whole, cut;
    size_t len = size - 1, first = len * data[0] / 256;
    int verdict = http_proxy_read(&whole, data + 1, len);
    int early = http_proxy_read(&cut, data + 1, first);
    CHECK((early != 0 ? early : http_proxy_read(&cut, data + 1, len)) == verdict);
    CHECK(verdict != 1 || (whole.size == cut.size && whole.size <= len && whole.size <= HTTP_PROXY_MOST));
    struct http_network network;
    if (http_network_parse((const char *)data, size, &network))
        CHECK(http_networks_hold((struct http_networks){&network, 1}, &network.base));
    return 0;
}
