/* SPDX-License-Identifier: MIT */
/* A Close payload is judged as RFC 6455 7.4 words it (CLS-2); what we write as one can be read again (CLS-3). */
#include "fuzz.h"
#include "naive_utf8.h"
#include "proto/close.h"

static bool may_be_sent(unsigned code)
{
    if (code < 1000 || code > 4999)
        return false; /* 7.4.2: not used; 5000 on: nobody's */
    if (code < 3000)
        return code <= 1014 && code != 1004 && code != 1005 && code != 1006; /* what is registered */
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t code;
    uint8_t to[125];
    uint8_t *copy = exactly(data, size);
    unsigned got = close_decode(copy, size, &code), first = size > 1 ? (unsigned)data[0] << 8 | data[1] : 0, want = 0;
    bool text = size > 2 ? naive_good(data + 2, size - 2) == size - 2 : true;
    if (size > 0)
        want = size == 1 || !may_be_sent(first) ? 1002 : !text ? 1007 : 0;
    CHECK(got == want && code == (size == 0 || want ? 1005 : first));
    if (size > 2 && text && may_be_sent(first)) {
        size_t len = close_encode(to, first, (const char *)copy + 2, size - 2);
        CHECK(len <= size && len <= 125 && memcmp(to, data, len) == 0 && close_decode(to, len, &code) == 0);
        CHECK(code == first && (len == size || len > 125 - 4));
    }
    free(copy);
    return 0;
}
