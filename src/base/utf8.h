/* SPDX-License-Identifier: MIT */
/* UTF-8 (RFC 3629): strict, resumable at every byte, and fast on long runs. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The state between two pieces: UTF8_ACCEPT at a character's end, UTF8_REJECT after an invalid byte (it stays),
 * anything else inside a character. */
enum { UTF8_ACCEPT = 0, UTF8_REJECT = 1 };

enum { UTF8_MOST = 4 }; /* bytes of a character */

/* The state after `len` more bytes. An error is seen at the first byte that no valid text can have there. */
uint32_t utf8_next(uint32_t state, const uint8_t *data, size_t len);

bool utf8_valid(const void *data, size_t len);

/* The character at the front of `len` bytes, one at least: how many bytes it takes, and which it is. 0: no valid one,
 * or not all of it, is there. */
size_t utf8_character(const void *data, size_t len, uint32_t *point);

/* The largest number of bytes, at most `len`, that does not end inside a character. */
size_t utf8_cut(const char *data, size_t len);

/*
 * The twins behind utf8_next(), which picks at the program's start; tests compare them. A skipper takes text that
 * begins with a character and returns the length of a beginning that is valid and does not end inside a character:
 * all where all is valid, and else at least all before the block of the first error or of the open character. It is
 * NULL where the processor has neither AVX2 nor NEON.
 */
enum { UTF8_BLOCK = 64 };
typedef size_t utf8_skipper(const uint8_t *data, size_t len);
uint32_t utf8_next_portable(uint32_t state, const uint8_t *data, size_t len);
utf8_skipper *utf8_simd(void);

#endif
