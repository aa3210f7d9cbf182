/* SPDX-License-Identifier: MIT */
/* Memory between two pages that nobody may touch: a byte read or written outside ends the test. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { GUARD_SIZE = 4096 };

/* GUARD_SIZE bytes, for the rest of the program. */
static inline uint8_t *guard_new(void)
{
    uint8_t *at = mmap(NULL, 3 * GUARD_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + GUARD_SIZE, GUARD_SIZE, PROT_READ | PROT_WRITE) != 0)
        abort();
    return at + GUARD_SIZE;
}

#endif
