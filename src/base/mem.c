/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool fails, for_ever, counts;
    unsigned long after, asked;
    int64_t bytes;
} watch;

/* The one thing that is looked at when nothing is watched. */
static bool watched;

static bool fails(void)
{
    if (!watch.fails)
        return false;
    unsigned long nth = watch.asked++;
    return nth == watch.after || (watch.for_ever && nth > watch.after);
}

/* What realloc() or calloc() does, watched. */
static void *take(void *old, size_t size, bool zeroed)
{
    if (fails())
        return NULL;
    size_t had = watch.counts ? malloc_usable_size(old) : 0;
    void *p = zeroed ? calloc(1, size) : realloc(old, size);
    if (watch.counts && p != NULL) /* GCOV_EXCL_BR_LINE: no test has the system without memory */
        watch.bytes += (int64_t)malloc_usable_size(p) - (int64_t)had;
    return p;
}

void *mem_alloc(size_t size)
{
    return __builtin_expect(watched, 0) ? take(NULL, size, false) : malloc(size);
}

void *mem_zalloc(size_t size)
{
    return __builtin_expect(watched, 0) ? take(NULL, size, true) : calloc(1, size);
}

void *mem_realloc(void *old, size_t size)
{
    return __builtin_expect(watched, 0) ? take(old, size, false) : realloc(old, size);
}

void *mem_dup(const void *from, size_t size)
{
    void *p = mem_alloc(size ? size : 1);
    if (p != NULL && size)
        memcpy(p, from, size);
    return p;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    if (__builtin_expect(watched, 0) && watch.counts)
        watch.bytes -= (int64_t)malloc_usable_size(p);
    free(p);
}

void mem_fail(unsigned long after, bool for_ever)
{
    watch.fails = true;
    watch.for_ever = for_ever;
    watch.after = after;
    watch.asked = 0;
    watched = true;
}

unsigned long mem_fail_end(void)
{
    watch.fails = false;
    watched = watch.counts;
    return watch.asked;
}

void mem_count(bool on)
{
    watch.counts = on;
    watch.bytes = 0;
    watched = on || watch.fails;
}

int64_t mem_counted(void)
{
    return watch.bytes;
}
