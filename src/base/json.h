/* SPDX-License-Identifier: MIT */
/* Writing JSON (RFC 8259) into a buffer. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* A string with its quotes. Control bytes are escaped; what is not UTF-8 becomes U+FFFD. */
void json_put_string(struct buf *b, const char *text, size_t len);

#endif
