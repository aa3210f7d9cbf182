/* SPDX-License-Identifier: MIT */
/* What each fuzz target begins with. CHECK() is an assert that is never compiled away. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim)                                                                                                  \
    do {                                                                                                              \
        if (!(claim))                                                                                                 \
            abort();                                                                                                  \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
