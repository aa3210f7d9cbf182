/* SPDX-License-Identifier: MIT */
/* Hexadecimal digits, of either case, as bytes. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/* 0 to 15, or -1 for what is no digit. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that two digits say, or -1. The second is looked at only behind a first one, so a terminating zero at either
 * place ends it. */
static inline int hex_pair(const char *s)
{
    int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);
    return low < 0 ? -1 : high << 4 | low;
}

#endif
