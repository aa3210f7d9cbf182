/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

static struct {
    bool on, for_ever;
    unsigned long after, asked;
} failing;

static bool fails(void)
{
    unsigned long nth = failing.asked++;
    return nth == failing.after || (failing.for_ever && nth > failing.after);
}

void *mem_alloc(size_t size)
{
    return __builtin_expect(failing.on, 0) && fails() ? NULL : malloc(size);
}

void *mem_zalloc(size_t size)
{
    return __builtin_expect(failing.on, 0) && fails() ? NULL : calloc(1, size);
}

void *mem_realloc(void *old, size_t size)
{
    return __builtin_expect(failing.on, 0) && fails() ? NULL : realloc(old, size);
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
    free(p);
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
