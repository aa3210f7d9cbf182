/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool on, for_ever;
    unsigned long after, asked;
} failing;

static struct {
    bool on;
    int64_t bytes;
} counting;

static bool fails(void)
{
    unsigned long nth = failing.asked++;
    return nth == failing.after || (failing.for_ever && nth > failing.after);
}

static void *counted(void *p)
{
    if (__builtin_expect(counting.on, 0))
        counting.bytes += (int64_t)malloc_usable_size(p);
    return p;
}

void *mem_alloc(size_t size)
{
    return __builtin_expect(failing.on, 0) && fails() ? NULL : counted(malloc(size));
}

void *mem_zalloc(size_t size)
{
    return __builtin_expect(failing.on, 0) && fails() ? NULL : counted(calloc(1, size));
}

void *mem_realloc(void *old, size_t size)
{
    if (__builtin_expect(failing.on, 0) && fails())
        return NULL;
    size_t had = __builtin_expect(counting.on, 0) ? malloc_usable_size(old) : 0;
    void *p = counted(realloc(old, size));
    if (p != NULL)
        counting.bytes -= (int64_t)had;
    return p;
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
    if (__builtin_expect(counting.on, 0))
        counting.bytes -= (int64_t)malloc_usable_size(p);
    free(p);
}

void mem_count(bool on)
{
    counting.on = on;
    counting.bytes = 0;
}

int64_t mem_counted(void)
{
    return counting.bytes;
}

void mem_fail(unsigned long after, bool for_ever)
{
    failing.on = true;
    failing.for_ever = for_ever;
    failing.after = after;
    failing.asked = 0;
}

unsigned long mem_fail_end(void)
{
    failing.on = false;
    return failing.asked;
}
