/* SPDX-License-Identifier: MIT */
/* The queue by itself: what goes in comes out in order, however it is taken, and a cut leaves whole frames. */
#include "proto/outq.h"
#include "base/mem.h"
#include "test.h"

static uint8_t data[OUTQ_COPY_MOST * 4];

static void fill(void)
{
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
}

/* Takes all of it in pieces of `step` bytes; returns how many there were. */
static size_t take(struct outq *q, uint8_t *to, size_t step)
{
    size_t len = 0;
    struct iovec iov;
    while (outq_output(q, &iov, 1) == 1) {
        size_t n = iov.iov_len < step ? iov.iov_len : step;
        assert_true(n > 0);
        memcpy(to + len, iov.iov_base, n);
        outq_sent(q, n);
        len += n;
    }
    assert_int_equal(q->bytes, 0);
    assert_null(q->first);
    return len;
}

/* A frame's head and its payload elsewhere, as the sender of a long message puts them. */
static void put_frame(struct outq *q, size_t len)
{
    assert_int_equal(outq_prepare(q, 2), 0);
    assert_int_equal(outq_copy(q, "HEAD", 4, NULL, 0), 0);
    assert_int_equal(outq_borrow(q, data, len), 0);
}

TEST(outq, what_has_no_room_is_not_told)
{
    struct outq q;
    struct iovec iov = { 0 };
    outq_init(&q, NULL);
    assert_int_equal(outq_copy(&q, "abc", 3, NULL, 0), 0);
    assert_int_equal(outq_output(&q, &iov, 0), 0);
    assert_null(iov.iov_base);
    assert_int_equal(outq_output(&q, &iov, 1), 1);
    assert_memory_equal(iov.iov_base, "abc", 3);
    outq_sent(&q, 1);
    assert_int_equal(outq_output(&q, &iov, 1), 1);
    assert_int_equal(iov.iov_len, 2);
    outq_clear(&q);
}

TEST(outq, everything_comes_out_in_order_whatever_is_taken_at_once)
{
    static uint8_t expected[sizeof(data) * 20], got[sizeof(expected)];
    fill();
    for (size_t step = 1; step <= 100000; step = step * 3 + 1) {
        struct outq q;
        size_t len = 0;
        outq_init(&q, NULL);
        for (int i = 0; i < 200; i++) {
            duet_shared *s = duet_shared_new(DUET_BINARY, data, 300);
            assert_int_equal(outq_copy(&q, data, 5, data + 5, (size_t)i), 0);
            memcpy(expected + len, data, 5 + (size_t)i);
            len += 5 + (size_t)i;
            assert_int_equal(outq_ref(&q, s, shared_wire(s), shared_wire_len(s)), 0);
            memcpy(expected + len, shared_wire(s), shared_wire_len(s));
            len += shared_wire_len(s);
            duet_shared_unref(s);
            assert_int_equal(outq_pong(&q, "pong", 4), 0);
            memcpy(expected + len, "pong", 4);
            len += 4;
            assert_int_equal(outq_static(&q, "for ever", (size_t)i % 9), 0); /* also of no byte */
            memcpy(expected + len, "for ever", (size_t)i % 9);
            len += (size_t)i % 9;
        }
        assert_int_equal(q.bytes, len);
        assert_int_equal(q.pongs, 200);
        assert_int_equal(take(&q, got, step), len);
        assert_memory_equal(got, expected, len);
        assert_int_equal(q.pongs, 0);
    }
}

TEST(outq, no_piece_of_the_output_is_empty)
{
    struct outq q;
    struct iovec iov[8];
    outq_init(&q, NULL);
    assert_int_equal(outq_copy(&q, "a", 1, NULL, 0), 0);
    assert_int_equal(outq_static(&q, "", 0), 0);
    assert_int_equal(outq_static(&q, "b", 1), 0);
    assert_int_equal(outq_output(&q, iov, 8), 2);
    assert_int_equal(iov[1].iov_len, 1);
    assert_memory_equal(iov[1].iov_base, "b", 1);
    outq_sent(&q, 2);
    assert_null(q.first);
}

TEST(outq, an_empty_queue_gives_nothing_and_takes_that)
{
    struct outq q;
    struct iovec iov;
    outq_init(&q, NULL);
    assert_int_equal(outq_output(&q, &iov, 1), 0);
    outq_sent(&q, 0);
    assert_int_equal(outq_cut(&q), 0);
    assert_int_equal(outq_settle(&q), 0);
    outq_clear(&q);
    assert_null(q.first);
}

TEST(outq, without_memory_nothing_is_queued)
{
    struct outq q;
    duet_shared *s = duet_shared_new(DUET_BINARY, "x", 1);
    outq_init(&q, NULL);
    mem_fail(0, true);
    assert_int_equal(outq_copy(&q, "x", 1, NULL, 0), DUET_ERR_NOMEM);
    assert_int_equal(outq_pong(&q, "x", 1), DUET_ERR_NOMEM);
    assert_int_equal(outq_ref(&q, s, s->payload, 1), DUET_ERR_NOMEM);
    assert_int_equal(outq_borrow(&q, "x", 1), DUET_ERR_NOMEM);
    assert_int_equal(outq_static(&q, "x", 1), DUET_ERR_NOMEM);
    assert_int_equal(outq_prepare(&q, 2), DUET_ERR_NOMEM);
    mem_fail_end();
    assert_int_equal(q.bytes, 0);
    assert_false(q.borrowed);
    assert_true(shared_alone(s));
    duet_shared_unref(s);
}

/* In a second chunk, too: what is borrowed is ours afterwards. */
TEST(outq, what_is_borrowed_is_copied_wherever_it_stands)
{
    static uint8_t got[sizeof(data)], first[OUTQ_COPY_MOST];
    for (size_t sent = 0; sent < 120; sent += 7) {
        struct outq q;
        fill();
        outq_init(&q, NULL);
        assert_int_equal(outq_borrow(&q, data, 100), 0);
        assert_int_equal(outq_copy(&q, first, sizeof(first), NULL, 0), 0); /* fills the rest of a chunk, or a new one */
        assert_int_equal(outq_borrow(&q, data + 100, 200), 0);
        assert_int_equal(outq_copy(&q, "end", 3, NULL, 0), 0);
        size_t all = q.bytes;
        outq_sent(&q, sent);
        assert_int_equal(outq_settle(&q), 0);
        memset(data, 0, sizeof(data));
        assert_int_equal(q.bytes, all - sent);
        size_t n = take(&q, got, 50);
        assert_int_equal(n, all - sent);
        fill();
        if (sent < 100)
            assert_memory_equal(got, data + sent, 100 - sent);
        assert_memory_equal(got + n - 203, data + 100, 200);
        assert_memory_equal(got + n - 3, "end", 3);
    }
}

TEST(outq, what_cannot_be_copied_is_dropped_with_all_behind_it)
{
    static uint8_t got[sizeof(data)], first[OUTQ_COPY_MOST];
    for (unsigned long nth = 0; nth < 2; nth++) {
        struct outq q;
        fill();
        outq_init(&q, NULL);
        assert_int_equal(outq_borrow(&q, data, 100), 0);
        assert_int_equal(outq_copy(&q, first, sizeof(first), NULL, 0), 0);
        assert_int_equal(outq_borrow(&q, data + 100, 200), 0);
        assert_int_equal(outq_copy(&q, "end", 3, NULL, 0), 0);
        outq_sent(&q, 30);
        mem_fail(nth, false);
        assert_int_equal(outq_settle(&q), DUET_ERR_NOMEM);
        mem_fail_end();
        size_t left = nth == 0 ? 0 : 70 + sizeof(first);
        assert_int_equal(q.bytes, left);
        assert_int_equal(take(&q, got, 1000), left);
        assert_memory_equal(got, data + 30, nth == 0 ? 0 : 70);
    }
}

/* `before` bytes and a frame, of which `sent` are out when the rest is cut: whole frames are, no half one. */
TEST(outq, a_cut_leaves_the_frame_that_was_begun_even_over_two_chunks)
{
    static uint8_t got[sizeof(data)], before[OUTQ_COPY_MOST];
    static const size_t sizes[] = {
        4, 100, OUTQ_COPY_MOST - 40, OUTQ_COPY_MOST - 20, OUTQ_COPY_MOST - 8, OUTQ_COPY_MOST,
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (size_t sent = 0; sent <= sizes[i] + 300; sent += sent < sizes[i] - 2 ? sizes[i] - 2 : 1) {
            struct outq q;
            fill();
            outq_init(&q, NULL);
            assert_int_equal(outq_copy(&q, before, sizes[i] - 4, NULL, 0), 0);
            put_frame(&q, 300);
            assert_int_equal(outq_copy(&q, "behind", 6, NULL, 0), 0);
            put_frame(&q, 300);
            size_t all = q.bytes;
            outq_sent(&q, sent);
            size_t cut = outq_cut(&q), left = q.bytes;
            assert_int_equal(left, all - sent - cut);
            /* The run before a payload is one record: begun, it stays with its payload. */
            assert_int_equal(left, sent == 0 ? 0 : sizes[i] + 300 - sent);
            assert_int_equal(take(&q, got, 1000), left);
            outq_clear(&q);
        }
}

TEST(outq, a_cut_of_a_last_record_that_was_begun_drops_nothing)
{
    struct outq q;
    outq_init(&q, NULL);
    assert_int_equal(outq_copy(&q, "frame", 5, NULL, 0), 0);
    outq_sent(&q, 2);
    assert_int_equal(outq_cut(&q), 0);
    assert_int_equal(q.bytes, 3);
    assert_int_equal(outq_copy(&q, "more", 4, NULL, 0), 0);
    outq_clear(&q);
}

TEST(outq, a_pool_keeps_as_many_chunks_as_it_may)
{
    for (unsigned most = 0; most <= 3; most++) {
        struct chunk_pool pool = { .most = most };
        static uint8_t got[sizeof(data) * 2];
        struct outq q;
        outq_init(&q, &pool);
        for (int i = 0; i < 3; i++) /* a chunk each */
            assert_int_equal(outq_copy(&q, data, OUTQ_COPY_MOST, NULL, 0), 0);
        assert_int_equal(pool.count, 0);
        take(&q, got, 1000);
        assert_int_equal(pool.count, most);
        mem_fail(0, true); /* what it has needs no memory */
        for (unsigned i = 0; i <= most; i++)
            assert_int_equal(outq_copy(&q, data, OUTQ_COPY_MOST, NULL, 0), i < most ? 0 : DUET_ERR_NOMEM);
        mem_fail_end();
        outq_clear(&q);
        chunk_pool_fini(&pool);
        assert_int_equal(pool.count, 0);
    }
}

TEST(outq, a_pool_keeps_large_blocks_that_nobody_else_holds_within_its_bytes)
{
    struct chunk_pool pool = { 0 };
    duet_shared *s = shared_alloc(POOL_BLOCK_LEAST - 1);
    pool_unref(&pool, s);
    assert_int_equal(pool.block_count, 0);
    s = shared_alloc(POOL_BLOCK_LEAST);
    pool_unref(&pool, duet_shared_ref(s)); /* somebody holds it */
    assert_int_equal(pool.block_count, 0);
    pool_unref(&pool, s);
    assert_int_equal(pool.block_count, 1);
    pool_unref(&pool, NULL);
    assert_null(pool_take(&pool, POOL_BLOCK_LEAST + 1));
    assert_null(pool_take(NULL, 1));
    assert_ptr_equal(pool_take(&pool, POOL_BLOCK_LEAST), s);
    assert_int_equal(pool.block_bytes, 0);
    pool_unref(&pool, s);
    for (unsigned i = 1; i <= POOL_BLOCKS; i++) {
        pool_unref(&pool, shared_alloc(POOL_BLOCK_LEAST));
        assert_int_equal(pool.block_count, i < POOL_BLOCKS ? i + 1 : POOL_BLOCKS);
    }
    chunk_pool_fini(&pool);
    for (size_t more = 0; more < 2; more++) { /* at the limit, and over it */
        pool_unref(&pool, shared_alloc(POOL_BLOCK_LEAST));
        pool_unref(&pool, shared_alloc(POOL_BYTES - POOL_BLOCK_LEAST + more));
        assert_int_equal(pool.block_count, 2 - more);
        chunk_pool_fini(&pool);
    }
    pool_unref(NULL, shared_alloc(POOL_BLOCK_LEAST));
}
