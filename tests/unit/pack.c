/* SPDX-License-Identifier: MIT */
/* Messages compressed from an empty window, as proto/deflate.c has them: by igzip in builds that have it (its assembler
 * is seen by no sanitizer), else by zlib. zlib is the peer. */
#include "base/mem.h"
#include "proto/deflate.h"
#include "proto/pack.h"
#include "test.h"
#include <sys/mman.h>
#include <zlib.h>

enum { MOST = 300 * 1024, PAGE = 4096 };

static uint8_t plain[MOST], packed[MOST + DEFLATE_ROOM], got[MOST + PAGE];
static uint32_t state;

static uint32_t number(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(state >> 1) * below >> 31);
}

static void noise(uint8_t *to, size_t len)
{
    while (len > 0)
        to[--len] = (uint8_t)number(256);
}

static void json(uint8_t *to, size_t len)
{
    for (size_t n = 0; n < len;) {
        char item[80];
        uint32_t id = number(10000), user = number(100), price = number(10000);
        int size = snprintf(item, sizeof(item), "{\"id\":%u,\"name\":\"user-%u\",\"price\":%u},", id, user, price);
        size_t take = (size_t)size < len - n ? (size_t)size : len - n;
        memcpy(to + n, item, take);
        n += take;
    }
}

static struct deflate *packer(struct deflate_pool *pool, unsigned bits, unsigned level)
{
    struct extension agreed = { .own_reset = true, .peer_reset = true, .own_bits = (uint8_t)bits, .peer_bits = 15 };
    struct deflate *d = deflate_new(&agreed, &(duet_deflate){ .on = true, .least = 1, .level = level }, pool);
    assert_non_null(d);
    return d;
}

/* What the peer's zlib makes of `packed`, with a window of so many bits and `step` bytes at a time. By single bytes it
 * refuses each distance beyond the window: it finds what is near nowhere else. */
static int unpack(const uint8_t *data, size_t len, unsigned bits, unsigned step, size_t *n)
{
    static const uint8_t tail[4] = { 0, 0, 0xff, 0xff };
    z_stream z = { 0 };
    int rc = inflateInit2(&z, -(int)bits);
    for (int part = 0; part < 2 && (rc == Z_OK || rc == Z_BUF_ERROR); part++) {
        z.next_in = (uint8_t *)(uintptr_t)(part ? tail : data);
        z.avail_in = part ? 4 : (uInt)len;
        do {
            z.next_out = got + z.total_out;
            z.avail_out = step;
            rc = z.total_out + step <= sizeof(got) ? inflate(&z, Z_SYNC_FLUSH) : Z_MEM_ERROR;
        } while (rc == Z_OK && z.avail_out == 0);
    }
    *n = z.total_out;
    inflateEnd(&z);
    return rc == Z_BUF_ERROR ? Z_OK : rc;
}

/* Packs and unpacks. Returns the length packed; 0: it does not get shorter. */
static size_t check(struct deflate *d, size_t len, unsigned bits, unsigned step)
{
    size_t n = deflate_pack(d, plain, len, packed), back;
    if (n == 0)
        return 0;
    assert_true(n < len);
    assert_int_equal(unpack(packed, n, bits, step, &back), Z_OK);
    assert_int_equal(back, len);
    assert_memory_equal(got, plain, len);
    return n;
}

TEST(pack, every_length_comes_back)
{
    struct deflate_pool pool = { 0 };
    struct deflate *d = packer(&pool, 15, 1);
    unsigned shorter = 0;
    state = 1;
    json(plain, MOST);
    for (size_t len = 1; len <= 1500; len++)
        shorter += check(d, len, 15, 4096) > 0;
    assert_in_range(shorter, 1400, 1500);
    for (size_t len = 65520; len <= 65552; len++) /* positions in the table have 16 bits */
        assert_true(check(d, len, 15, 4096) > 0);
    assert_true(check(d, MOST, 15, 4096) > 0);
    memset(plain, 0, MOST);
    for (size_t len = 1; len <= 1500; len++)
        check(d, len, 15, 4096);
    assert_in_range(check(d, MOST, 15, 4096), 1, MOST / 200);
    deflate_free(d);
    deflate_pool_fini(&pool);
}

TEST(pack, pmd_9_no_distance_is_beyond_the_window)
{
    enum { AGAIN = 200, FOUND_MOST = 370, NOT_FOUND_LEAST = 400 };
    struct deflate_pool pool = { 0 };
    for (unsigned bits = 9; bits <= 15; bits++) {
        struct deflate *d = packer(&pool, bits, 1);
        size_t window = (size_t)1 << bits, near = window / 2 - 20;
        state = bits;
        /* Noise that comes again, with little between. Not all use the last 262 bytes of a window. */
        for (size_t i = 0; i <= 22; i++) {
            size_t distance = i == 0 ? near : i == 22 ? window + 300 : window - 11 + i;
            noise(plain, AGAIN);
            memset(plain + AGAIN, 'a', distance - AGAIN);
            memcpy(plain + distance, plain, AGAIN);
            size_t n = check(d, distance + AGAIN, bits, 1);
            assert_true(n > 0);
            if (distance == near)
                assert_in_range(n, 1, FOUND_MOST);
            else if (distance > window)
                assert_in_range(n, NOT_FOUND_LEAST, distance);
        }
        json(plain, 4 * window);
        assert_true(check(d, 4 * window, bits, 1) > 0);
        deflate_free(d);
    }
    deflate_pool_fini(&pool);
}

/* Memory of its own that ends, or begins, where a page that nobody may touch is. */
static uint8_t *guarded(size_t *size, uint8_t **after)
{
    *size = (*size + PAGE - 1) / PAGE * PAGE;
    uint8_t *p = mmap(NULL, *size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + PAGE, *size, PROT_READ | PROT_WRITE), 0);
    *after = p + PAGE + *size;
    return p;
}

TEST(pack, it_touches_nothing_beside_the_message_and_its_room)
{
    static const size_t lengths[] = { 4000, 4096, 5000, 16384, 65535, 65536, 70000, MOST };
    size_t in_size = MOST, out_size = MOST + DEFLATE_ROOM;
    uint8_t *in_end, *out_end, *in = guarded(&in_size, &in_end), *out = guarded(&out_size, &out_end);
    struct deflate_pool pool = { 0 };
    struct deflate *d = packer(&pool, 15, 1);
    state = 4;
    for (int kind = 0; kind < 3; kind++) {
        kind == 0 ? json(plain, MOST) : noise(plain, MOST);
        for (size_t i = 1; i < 600 + sizeof(lengths) / sizeof(*lengths); i++) {
            size_t len = i < 600 ? i : lengths[i - 600], back;
            if (kind == 2)
                json(plain, len / 2); /* and the rest is noise, so it is full at the end */
            memcpy(in_end - len, plain, len);
            uint8_t *to = out_end - len - DEFLATE_ROOM;
            size_t n = deflate_pack(d, in_end - len, len, to);
            assert_true(n < len);
            if (n > 0) {
                assert_int_equal(unpack(to, n, 15, 4096, &back), Z_OK);
                assert_int_equal(back, len);
                assert_memory_equal(got, plain, len);
            }
            memcpy(in + PAGE, plain, len); /* and nothing before it */
            deflate_pack(d, in + PAGE, len, out + PAGE);
        }
    }
    deflate_free(d);
    deflate_pool_fini(&pool);
    munmap(in, in_size + 2 * PAGE);
    munmap(out, out_size + 2 * PAGE);
}

/* A message that comes again gets no shorter, and is unpacked by a peer that never saw the first. (igzip does not
 * always make the same of it to the byte.) */
TEST(pack, pmd_13_nothing_of_one_message_is_in_another)
{
    enum { OFF = 8 };
    struct deflate_pool pool = { 0 };
    state = 5;
    for (unsigned bits = 9; bits <= 15; bits += 3) {
        struct deflate *d = packer(&pool, bits, 1);
        for (int i = 0; i < 60; i++) {
            size_t len = i % 20 == 0 ? 100000 : 400 + number(5000);
            json(plain, len);
            if (i % 3 == 0)
                noise(plain + len / 2, len / 4);
            size_t n = check(d, len, bits, 1);
            assert_true(n > 100);
            assert_in_range(check(d, len, bits, 1), n - OFF, n + OFF);
        }
        deflate_free(d);
    }
    deflate_pool_fini(&pool);
}

TEST(pack, pmd_14_without_memory_nothing_is_packed_and_later_it_is)
{
    state = 6;
    json(plain, 1000);
    for (int pooled = 0; pooled < 2; pooled++) {
        struct deflate_pool pool = { 0 };
        struct deflate *d = packer(pooled ? &pool : NULL, 15, 1);
        uint64_t before = pool.bytes;
        mem_fail(0, true);
        assert_int_equal(deflate_pack(d, plain, 1000, packed), 0);
        mem_fail_end();
        assert_int_equal(pool.bytes, before);
        assert_true(check(d, 1000, 15, 4096) > 0);
        if (pooled && pack_does(1))
            assert_int_equal(pool.bytes - before, pack_size());
        deflate_free(d);
        deflate_pool_fini(&pool);
    }
}

TEST(pack, levels_above_1_are_zlibs)
{
    size_t n[10];
    state = 7;
    json(plain, MOST);
    for (unsigned level = 1; level <= 9; level++) {
        struct deflate_pool own = { 0 };
        struct deflate *d = packer(&own, 15, level);
        n[level] = check(d, MOST, 15, 4096);
        assert_int_equal(own.pack != NULL, level == 1 && pack_does(1));
        assert_true(level == 1 || !pack_does(level));
        deflate_free(d);
        deflate_pool_fini(&own);
    }
    assert_true(n[1] > 0 && n[9] < n[1]);
}
