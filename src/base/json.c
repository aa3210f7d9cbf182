/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "base/utf8.h"
#include <stdint.h>

/* Bytes of the character that begins here; 0: it is not one. */
static size_t character(const uint8_t *at, size_t len)
{
    for (size_t n = 1; n <= len; n++) {
        uint32_t state = utf8_next(UTF8_ACCEPT, at, n);
        if (state == UTF8_ACCEPT)
            return n;
        if (state == UTF8_REJECT)
            return 0;
    }
    return 0;
}

void json_put_string(struct buf *b, const char *text, size_t len)
{
    const uint8_t *at = (const uint8_t *)text;
    buf_put(b, "\"", 1);
    for (size_t i = 0; i < len;) {
        size_t n = character(at + i, len - i);
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
