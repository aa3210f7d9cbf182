/* SPDX-License-Identifier: MIT */
/* A list of hosts without a proxy: "*" in front holds whatever follows, and a list in front of another takes nothing
 * from it. The first byte says where the host ends. */
#include "fuzz.h"
#include "http/bypass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t host_len = (size - 1) * data[0] / 256, len = size - 1 - host_len;
    struct http_text host = { (const char *)data + 1, host_len };
    char *list = malloc(len + 2);
    if (list == NULL)
        return 0;
    memcpy(list, "*,", 2);
    memcpy(list + 2, data + 1 + host_len, len);
    CHECK(http_bypass_holds((struct http_text){ list, len + 2 }, host, 80));
    bool holds = http_bypass_holds((struct http_text){ list + 2, len }, host, 80);
    list[0] = 'x';
    CHECK(!holds || http_bypass_holds((struct http_text){ list, len + 2 }, host, 80));
    free(list);
    return 0;
}
