/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/utf8.h"
#include <stdint.h>

void json_put_string(struct buf *b, const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    buf_put(b, "\"", 1);
    for (size_t i = 0; i < len;) {
        uint32_t point;
        size_t n = utf8_character(at + i, len - i, &point);
        if (n == 0)
            buf_puts(b, "\\ufffd");
        else if (at[i] == '"' || at[i] == '\\')
            buf_printf(b, "\\%c", at[i]);
        else if (at[i] < 0x20 || at[i] == 0x7f)
            buf_printf(b, "\\u%04x", at[i]);
        else
            buf_put(b, at + i, n);
        i += n ? n : 1;
    }
    buf_put(b, "\"", 1);
}
