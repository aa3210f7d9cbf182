/* SPDX-License-Identifier: MIT */
/* The verdict on a SOCKS5 answer is the same in one piece, in any two and byte by byte (CLI-11). The first byte says
 * where to cut. */
#include "fuzz.h"
#include "http/socks.h"

static int read_answer(int which, const uint8_t *from, size_t len)
{
    uint8_t *data = exactly(from, len);
    struct http_socks_refusal no = { NULL, false };
    uint8_t method;
    int rc = which < 2    ? http_socks_read_method(data, len, which == 1, &method, &no)
             : which == 2 ? http_socks_read_status(data, len, &no)
                          : http_socks_read_reply(data, len, &no);
    CHECK(rc <= (int)len && rc <= HTTP_SOCKS_ANSWER && (rc < 0) == (no.why != NULL));
    free(data);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t len = size - 1, first = len * data[0] / 256;
    for (int which = 0; which < 4; which++) {
        int early = read_answer(which, data + 1, first);
        int whole = read_answer(which, data + 1, len);
        CHECK(early == 0 || early == whole);
        early = 0;
        for (size_t n = 1; n <= len && n < 300 && early == 0; n++)
            early = read_answer(which, data + 1, n);
        CHECK(early == whole);
    }
    return 0;
}
