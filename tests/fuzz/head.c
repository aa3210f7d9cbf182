/* SPDX-License-Identifier: MIT */
/* The verdict on a head is the same in one piece and in any two (HTTP-3). The first byte says where to cut. */
#include "fuzz.h"
#include "http/head.h"

static const struct http_limits limits = {16384, 8192, 100};
static struct http_head whole, cut;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1, first = len * data[0] / 256;
    for (int response = 0; response < 2; response++) {
        http_head_init(&whole);
        http_head_init(&cut);
        int (*read)(struct http_head *, const char *, size_t, const struct http_limits *) =
            response ? http_head_response : http_head_request;
        int verdict = read(&whole, text, len, &limits);
        int early = read(&cut, text, first, &limits);
        CHECK((early != 0 ? early : read(&cut, text, len, &limits)) == verdict);
        CHECK(verdict != 1 || (whole.size == cut.size && whole.size <= len && whole.count == cut.count));
        CHECK(whole.looked <= 2 * len);
    }
    return 0;
}
