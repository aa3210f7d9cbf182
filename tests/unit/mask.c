/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "guard.h"
#include "proto/mask.h"

enum { MOST = 257, AROUND = 64 };

static uint32_t key_of(const uint8_t bytes[4])
{
    uint32_t key;
    memcpy(&key, bytes, 4);
    return key;
}

/* RFC-87. */
TEST(mask, is_the_example_of_rfc_6455_5_7)
{
    uint8_t hello[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
    mask_apply(hello, 5, key_of((const uint8_t[]){ 0x37, 0xfa, 0x21, 0x3d }));
    assert_memory_equal(hello, "Hello", 5);
}

TEST(mask, frm_11_is_the_naive_loop_for_all_lengths_offsets_and_phases)
{
    static const uint8_t key[4] = { 0x01, 0x80, 0x37, 0xfe };
    static uint8_t plain[MOST + 2 * AROUND], masked[sizeof(plain)], wanted[sizeof(plain)];
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 151 + 7);
    for (size_t len = 0; len <= MOST; len++)
        for (size_t offset = 0; offset < AROUND; offset += len < 80 ? 1 : 7)
            for (size_t phase = 0; phase < 4; phase++) {
                uint8_t turned[8];
                for (size_t i = 0; i < 8; i++)
                    turned[i] = key[(i + phase) % 4];
                memcpy(wanted, plain, sizeof(plain));
                for (size_t i = 0; i < len; i++)
                    wanted[offset + i] ^= turned[i % 4];
                memcpy(masked, plain, sizeof(plain));
                uint32_t next = mask_apply(masked + offset, len, key_of(turned));
                assert_int_equal(next, key_of(turned + len % 4));
                assert_memory_equal(masked, wanted, sizeof(plain));
                memcpy(masked, plain, sizeof(plain));
                next = mask_copy(masked + offset, plain + offset, len, key_of(turned));
                assert_int_equal(next, key_of(turned + len % 4));
                assert_memory_equal(masked, wanted, sizeof(plain));
            }
}

TEST(mask, goes_on_in_phase_over_every_cut)
{
    static uint8_t whole[100], parts[100];
    uint32_t key = key_of((const uint8_t[]){ 1, 2, 3, 4 });
    mask_apply(whole, sizeof(whole), key);
    for (size_t cut = 0; cut <= sizeof(parts); cut++) {
        memset(parts, 0, sizeof(parts));
        uint32_t turned = mask_apply(parts, cut, key);
        mask_apply(parts + cut, sizeof(parts) - cut, turned);
        assert_memory_equal(parts, whole, sizeof(whole));
    }
}

TEST(mask, frm_11_touches_nothing_outside_between_guard_pages)
{
    uint8_t *page = guard_new(), *from = guard_new();
    uint32_t key = key_of((const uint8_t[]){ 1, 2, 3, 4 });
    mask_copier *twins[] = { mask_copy, mask_copy_portable, mask_simd() };
    for (size_t t = 0; t < 3 && twins[t] != NULL; t++)
        for (size_t len = 0; len <= MOST; len++)
            for (size_t offset = 0; offset < AROUND; offset++) {
                uint8_t *low = page + offset, *high = page + GUARD_SIZE - offset - len;
                twins[t](low, low, len, key);
                twins[t](high, high, len, key);
                twins[t](high, from, len, key);
                twins[t](low, from + GUARD_SIZE - len, len, key);
            }
}

TEST(mask, the_twins_agree_on_random_bytes_at_all_alignments)
{
    enum { SIZE = 1024 };
    static uint8_t plain[SIZE], one[SIZE], two[SIZE];
    mask_copier *simd = mask_simd();
    if (simd == NULL)
        skip();
    uint64_t seed = 1;
    for (size_t i = 0; i < SIZE; i++)
        plain[i] = (uint8_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 40);
    for (size_t len = 0; len <= SIZE - AROUND; len += len < 300 ? 1 : 13)
        for (size_t offset = 0; offset < AROUND; offset++) {
            uint32_t key = (uint32_t)(seed = seed * 6364136223846793005u + 1442695040888963407u);
            memcpy(one, plain, SIZE);
            memcpy(two, plain, SIZE);
            assert_int_equal(mask_copy_portable(one + offset, plain + len % 7, len, key),
                             simd(two + offset, plain + len % 7, len, key));
            assert_memory_equal(one, two, SIZE);
            assert_int_equal(mask_copy_portable(one + offset, one + offset, len, ~key),
                             simd(two + offset, two + offset, len, ~key));
            assert_memory_equal(one, two, SIZE);
        }
}
