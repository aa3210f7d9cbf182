/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 by table lookup (Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte", 2021): the method
 * and its tables, for a file of each processor.
 *
 * Nearly every error shows in two neighbouring bytes. Each kind of error is a bit; three tables of 16 say which
 * kinds the high half of the first byte, its low half, and the high half of the second byte allow. What all three
 * allow has happened.
 *
 *     SHORT     a lead byte, then no continuation      LONG        ASCII, then a continuation
 *     OVER_2    C0 or C1                               OVER_3      E0, then 80-9F
 *     SURROGATE ED, then A0-BF                         BIG         F4 or more, then 90-BF
 *     OVER_4    F0, then 80-8F; and F5 or more, then 80-8F: other low halves, so the bit serves both
 *     TWO       two continuations, which is right only where the second is a third or fourth byte
 *
 * The third and fourth bytes are found from the lead byte two and three places before; there TWO must be set, elsewhere
 * not. The block with an error, and a character left open in front of it, are left to the caller.
 */
#ifndef BASE_UTF8_TABLES_H
#define BASE_UTF8_TABLES_H

#include <stdint.h>

enum {
    SHORT = 0x01,
    LONG = 0x02,
    OVER_2 = 0x04,
    OVER_3 = 0x08,
    SURROGATE = 0x10,
    BIG = 0x20,
    OVER_4 = 0x40,
    TWO = 0x80,
    ANY = SHORT | LONG | TWO, /* whatever the low half is */
    HUGE = ANY | BIG | OVER_4,
};

static const uint8_t first_high[16] = {
    LONG, LONG, LONG, LONG, LONG,           LONG,  LONG,                       LONG,
    TWO,  TWO,  TWO,  TWO,  SHORT | OVER_2, SHORT, SHORT | OVER_3 | SURROGATE, SHORT | BIG | OVER_4,
};
static const uint8_t first_low[16] = {
    ANY | OVER_2 | OVER_3 | OVER_4, ANY | OVER_2, ANY,  ANY,  ANY | BIG, HUGE, HUGE, HUGE, HUGE, HUGE, HUGE, HUGE, HUGE,
    HUGE | SURROGATE,               HUGE,         HUGE,
};
static const uint8_t second_high[16] = {
    SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT, SHORT,
    LONG | TWO | OVER_2 | OVER_3 | OVER_4, LONG | TWO | OVER_2 | OVER_3 | BIG,
    LONG | TWO | OVER_2 | SURROGATE | BIG, LONG | TWO | OVER_2 | SURROGATE | BIG,
    SHORT, SHORT, SHORT, SHORT,
};

#endif
