/* SPDX-License-Identifier: MIT */
/*
 * Whether a backend is asked at all: one that has failed five times in a row is left alone for a second, and is then
 * tried by one question. If that fails too it is left alone for twice as long, up to half a minute (HUB-15).
 *
 *   CLOSED --- five failures ---> OPEN --- its time is over, one question ---> TRYING
 *     ^                            ^                                            |  |
 *     +------------- it answers ---|------------------------------------------- +  |
 *                                  +------------------ it fails -------------------+
 */
#ifndef HOOK_BREAKER_H
#define HOOK_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 5, BREAKER_LEAST_MS = 1000, BREAKER_MOST_MS = 30 * 1000 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

/* Zeroed memory is a closed one. */
struct breaker {
    enum breaker_state state;
    unsigned failures; /* in a row */
    uint64_t until_ms; /* of a steady clock */
    uint64_t wait_ms;
};

/* Whether to ask now. Whoever is let through says how it went. */
bool breaker_allows(struct breaker *b, uint64_t now_ms);
/* True: it is closed again. */
bool breaker_good(struct breaker *b);
/* True: it has opened, and was not open before. */
bool breaker_bad(struct breaker *b, uint64_t now_ms);

#endif
