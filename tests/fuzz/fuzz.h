/* SPDX-License-Identifier: MIT */
/* What each fuzz target begins with. CHECK() is an assert that is never compiled away. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim)                                                                                                  \
    do {                                                                                                              \
        if (!(claim)) {                                                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);                                               \
            abort();                                                                                                  \
        }                                                                                                             \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For targets that read their input as a program: its next byte, 0 behind the end; at most `n` bytes of it. */
struct program {
    const uint8_t *at;
    size_t left;
};

static inline unsigned next_byte(struct program *p)
{
    if (p->left == 0)
        return 0;
    p->left--;
    return *p->at++;
}

static inline const uint8_t *next_bytes(struct program *p, size_t *n)
{
    const uint8_t *at = p->at;
    if (*n > p->left)
        *n = p->left;
    p->at += *n;
    p->left -= *n;
    return at;
}

/* A copy whose memory ends where it ends, so that a look beyond is seen. To be freed. */
static inline void *exactly(const void *data, size_t len)
{
    uint8_t *copy = calloc(1, len > 0 ? len : 1);
    CHECK(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* Two runs that are to say the same are compared by a hash of what they said. */
static inline uint64_t hashed(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (hash ^ len) * UINT64_C(0x100000001b3);
}

/* Under MemorySanitizer: all of what goes out was written by somebody (CLS-4, MEM-12). */
#if defined(__clang__)
#if __has_feature(memory_sanitizer)
void __msan_check_mem_is_initialized(const volatile void *data, size_t len);
void __msan_unpoison(const volatile void *data, size_t len);
#define FUZZ_MSAN
#endif
#endif

static inline void check_known(const void *data, size_t len)
{
#ifdef FUZZ_MSAN
    __msan_check_mem_is_initialized(data, len);
#else
    (void)data;
    (void)len;
#endif
}

/* The fuzzer, which MemorySanitizer does not see, wrote this. */
static inline void make_known(const void *data, size_t len)
{
#ifdef FUZZ_MSAN
    __msan_unpoison(data, len);
#else
    (void)data;
    (void)len;
#endif
}

/* The CLI-9 rule: a reader of `len` bytes that is called more often than this stands still. */
static inline size_t calls_most(size_t len)
{
    return 4 * len + 64;
}

#endif
