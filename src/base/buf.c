/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/mem.h"
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *b, void *start, size_t size)
{
    *b = (struct buf){ .at = start, .cap = size };
}

void buf_fini(struct buf *b)
{
    if (b->owned)
        mem_free(b->at);
    *b = (struct buf){ 0 };
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->cap - b->len)
        return true;
    size_t cap = b->cap < 256 ? 256 : b->cap;
    while (cap - b->len < more) {
        if (cap > SIZE_MAX / 2) {
            b->failed = true;
            return false;
        }
        cap *= 2;
    }
    char *at = b->owned ? mem_realloc(b->at, cap) : mem_alloc(cap);
    if (at == NULL) {
        b->failed = true;
        return false;
    }
    if (!b->owned && b->len > 0)
        memcpy(at, b->at, b->len);
    b->at = at;
    b->cap = cap;
    b->owned = true;
    return true;
}

void buf_put(struct buf *b, const void *data, size_t len)
{
    if (len == 0 || !buf_reserve(b, len))
        return;
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(need >= 0); /* a format of ours */
    if (!buf_reserve(b, (size_t)need + 1))
        return;
    va_start(args, format);
    vsnprintf(b->at + b->len, (size_t)need + 1, format, args);
    va_end(args);
    b->len += (size_t)need;
}

void buf_drop(struct buf *b, size_t n)
{
    memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
}
