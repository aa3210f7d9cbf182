/* SPDX-License-Identifier: MIT */
/* Close codes and reasons (RFC 6455 5.5.1, 7.4). */
#ifndef PROTO_CLOSE_H
#define PROTO_CLOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a code may be on the wire: 1000-1003, 1007-1014, 3000-4999. */
bool close_code_valid(unsigned code);

/* Reads a Close payload. Returns 0, or the code to fail with: 1002 for one byte or a bad code, 1007 for a reason that
 * is not UTF-8. *code is DUET_CODE_NONE for an empty payload. */
unsigned close_decode(const uint8_t *data, size_t len, uint16_t *code);

/* Writes the payload: nothing for code 0. The reason (`len` bytes of UTF-8) is cut at 123, between characters (CLS-3).
 * Returns its length. */
size_t close_encode(uint8_t to[125], unsigned code, const char *reason, size_t len);

#endif
