/* SPDX-License-Identifier: MIT */
/* Bytes that are put together: a growing buffer, which starts in the caller's memory when that is given. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *at;
    size_t len, cap;
    bool owned;  /* `at` is from mem_alloc() */
    bool failed; /* an allocation did; what was put since is lost. Check once, at the end */
};

void buf_init(struct buf *b, void *start, size_t size); /* NULL, 0: nothing yet */
void buf_fini(struct buf *b);
bool buf_reserve(struct buf *b, size_t more); /* room for `more` bytes; false without memory */
void buf_put(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the first `n` bytes out. */
void buf_drop(struct buf *b, size_t n);

#endif
