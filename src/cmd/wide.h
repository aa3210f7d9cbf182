/* SPDX-License-Identifier: MIT */
/* UTF-8 to and from wide characters, which on Linux are code points; whatever the locale. */
#ifndef CMD_WIDE_H
#define CMD_WIDE_H

#include "base/buf.h"
#include <wchar.h>

/* Bytes of the character at the front of `len` > 0; 0: more are needed; -1: none begins here. */
int wide_take(const void *at, size_t len, wchar_t *to);
/* A terminated copy of text, without the bytes that are no UTF-8. The caller's to mem_free(); NULL without memory. */
wchar_t *wide_from(const char *text, size_t len, size_t *wide_len);
void wide_put(struct buf *b, const wchar_t *text, size_t len);

#endif
