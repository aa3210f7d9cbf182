/* SPDX-License-Identifier: MIT */
/* The verdict on a SOCKS5 answer is the same in one piece and in any two (CLI-11). The first byte says where to cut. */
#include "fuzz.h"
#include "http/socks.h"

static int read_answer(int which, const uint8_t *data, size_t len)
{
    struct http_socks_refusal no = { NULL, false };
    uint8_t method;
    int rc = which < 2    ? http_socks_read_method(data, len, which == 1, &method, &no)
             : which == 2 ? http_socks_read_status(data, len, &no)
                          : http_socks_read_reply(data, len, &no);
    CHECK(rc <= (int)len && rc <= HTTP_SOCKS_ANSWER && (rc < 0) == (no.why != NULL));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t len = size - 1, first = len * data[0] / 256;
    for (int which = 0; which < 4; which++) {
        int early = read_answer(which, data + 1, first);
        CHECK(early == 0 || early == read_answer(which, data + 1, len));
    }
    return 0;
}
