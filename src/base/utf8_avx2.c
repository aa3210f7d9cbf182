/* SPDX-License-Identifier: MIT */
/* The method of utf8_tables.h with 32 bytes at a time. */
#include "base/utf8.h"

#if defined(__x86_64__)
#include "base/utf8_tables.h"
#include <immintrin.h>
#include <string.h>

struct tables {
    __m256i first_high, first_low, second_high;
};

__attribute__((target("avx2"))) static inline __m256i load(const uint8_t *data)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)data);
}

__attribute__((target("avx2"))) static inline __m256i table(const uint8_t entries[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

/* Non-zero bytes where `now` has an error; `before` are the 32 bytes in front of it. */
__attribute__((target("avx2"))) static inline __m256i errors(__m256i now, __m256i before, const struct tables *t)
{
    const __m256i half = _mm256_set1_epi8(0x0F);
    __m256i joint = _mm256_permute2x128_si256(before, now, 0x21); /* the last half of one, the first of the other */
    __m256i back1 = _mm256_alignr_epi8(now, joint, 15);
    __m256i back2 = _mm256_alignr_epi8(now, joint, 14);
    __m256i back3 = _mm256_alignr_epi8(now, joint, 13);
    __m256i a = _mm256_shuffle_epi8(t->first_high, _mm256_and_si256(_mm256_srli_epi16(back1, 4), half));
    __m256i b = _mm256_shuffle_epi8(t->first_low, _mm256_and_si256(back1, half));
    __m256i c = _mm256_shuffle_epi8(t->second_high, _mm256_and_si256(_mm256_srli_epi16(now, 4), half));
    /* The top bit is left exactly in bytes from E0, and from F0. */
    __m256i third = _mm256_subs_epu8(back2, _mm256_set1_epi8(0xE0 - 0x80));
    __m256i fourth = _mm256_subs_epu8(back3, _mm256_set1_epi8(0xF0 - 0x80));
    __m256i two = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)TWO));
    return _mm256_xor_si256(_mm256_and_si256(_mm256_and_si256(a, b), c), two);
}

/* Whether the 64 bytes are good so far; a character may be open at their end. */
__attribute__((target("avx2"))) static inline bool block(const uint8_t *data, __m256i *before, const struct tables *t)
{
    __m256i one = load(data), two = load(data + 32);
    /* ASCII after ASCII has no errors; after anything else a character could have been left open. */
    if (_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(one, two), *before)) != 0) {
        __m256i bad = _mm256_or_si256(errors(one, *before, t), errors(two, one, t));
        if (!_mm256_testz_si256(bad, bad))
            return false;
    }
    *before = two;
    return true;
}

__attribute__((target("avx2"))) static size_t skip(const uint8_t *data, size_t len)
{
    const struct tables t = { table(first_high), table(first_low), table(second_high) };
    __m256i before = _mm256_setzero_si256();
    size_t i = 0;
    while (len - i >= UTF8_BLOCK && block(data + i, &before, &t))
        i += UTF8_BLOCK;
    if (len - i < UTF8_BLOCK) {
        /* The zeros after the rest make an open character an error, so a good block is a whole end. */
        uint8_t rest[UTF8_BLOCK] = { 0 };
        memcpy(rest, data + i, len - i);
        if (block(rest, &before, &t))
            return len;
    }
    return utf8_cut((const char *)data, i);
}

utf8_skipper *utf8_simd(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? skip : NULL; /* GCOV_EXCL_BR_LINE: it has or not */
}

#elif !defined(__aarch64__)

utf8_skipper *utf8_simd(void)
{
    return NULL;
}

#endif
