/* SPDX-License-Identifier: MIT */
/*
 * The one way to the allocator, so that a test can make each allocation fail.
 *
 * Every function here may be called by any thread; the failing is meant for programs with one.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);              /* NULL when there is none */
void *mem_zalloc(size_t size);             /* the same, zeroed */
void *mem_realloc(void *old, size_t size); /* NULL leaves `old` as it was */
void *mem_dup(const void *from, size_t size);
char *mem_strdup(const char *s);
void mem_free(void *p); /* NULL is fine */

/* From now on nobody may touch these bytes, or may again; AddressSanitizer sees to it, and nothing else does. For what
 * lies in a pool. */
#if defined(__SANITIZE_ADDRESS__)
#define MEM_HIDES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_HIDES 1
#endif
#endif
#ifdef MEM_HIDES
#include <sanitizer/asan_interface.h>
#define mem_hide(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define mem_show(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define mem_hide(p, size) ((void)(p), (void)(size))
#define mem_show(p, size) ((void)(p), (void)(size))
#endif

/* From now on `after` allocations succeed and the next fails, alone or with all that follow. */
void mem_fail(unsigned long after, bool for_ever);

/* Back to normal. Returns how many allocations were asked for since mem_fail() (failed ones included), so
 * that a loop knows when a scenario had no allocation left to fail. */
unsigned long mem_fail_end(void);

/* From now on what is taken and given back is counted, by one thread; off by default, since it costs. */
void mem_count(bool on);
/* Bytes taken since then less those given back. */
int64_t mem_counted(void);

#endif
