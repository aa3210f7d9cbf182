/* SPDX-License-Identifier: MIT */
#include "proto/close.h"
#include "base/utf8.h"
#include <duet/proto.h>
#include <string.h>

enum { REASON_MOST = 123 };

bool close_code_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

unsigned close_decode(const uint8_t *data, size_t len, uint16_t *code)
{
    *code = DUET_CODE_NONE;
    if (len == 0)
        return 0;
    if (len == 1)
        return DUET_CODE_PROTOCOL;
    uint16_t got = (uint16_t)(data[0] << 8 | data[1]);
    if (!close_code_valid(got))
        return DUET_CODE_PROTOCOL;
    if (!utf8_valid(data + 2, len - 2))
        return DUET_CODE_INVALID;
    *code = got;
    return 0;
}

size_t close_encode(uint8_t to[125], unsigned code, const char *reason, size_t len)
{
    if (code == 0)
        return 0;
    to[0] = (uint8_t)(code >> 8);
    to[1] = (uint8_t)code;
    if (len > REASON_MOST)
        len = utf8_cut(reason, REASON_MOST);
    if (len > 0)
        memcpy(to + 2, reason, len);
    return 2 + len;
}

const char *duet_code_text(unsigned code)
{
    switch (code) {
#define CODE_CASE(name, value, meaning) case value: return meaning;
        DUET_CODES(CODE_CASE)
#undef CODE_CASE
    default: break;
    }
    if (code >= 3000 && code <= 3999)
        return "registered";
    return code >= 4000 && code <= 4999 ? "private" : "unknown";
}
