/* SPDX-License-Identifier: MIT */
/*
 * Cuts what a stream reads and writes at seeded sizes, with a would-block now and then, so that a scenario can run with
 * the worst of pieces (NET-4, NET-5). Never a would-block twice in a row, and one is always cured by the next event.
 */
#ifndef TESTS_CUT_STREAM_H
#define TESTS_CUT_STREAM_H

#include "net/stream.h"
#include <errno.h>

struct cutting {
    const struct stream_ops *whole; /* NULL: nothing was cut yet */
    struct stream_kind kind;        /* of plain ones */
    struct stream_ops cut;
    uint64_t seed;
    size_t most;
    bool blocked;
};

/* One for all streams of a program: they were made with the same table. */
static struct cutting cutting;

/* How many bytes may pass now, 0 for a would-block. */
static inline size_t cut_size(void)
{
    cutting.seed = cutting.seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t drawn = cutting.seed >> 33;
    cutting.blocked = !cutting.blocked && drawn % 5 == 0;
    return cutting.blocked ? 0 : 1 + (size_t)(drawn / 5) % cutting.most;
}

static inline ssize_t cut_read(struct stream *s, void *to, size_t size)
{
    size_t n = cut_size();
    if (n == 0)
        return -EAGAIN;
    return cutting.whole->read(s, to, n < size ? n : size);
}

static inline ssize_t cut_write(struct stream *s, const struct iovec *iov, int count)
{
    if (count == 0)
        return cutting.whole->write(s, iov, count);
    size_t n = cut_size();
    if (n == 0)
        return -EAGAIN;
    struct iovec few[64];
    int used = 0;
    for (; used < count && used < 64 && n > 0; used++) {
        few[used] = iov[used];
        if (few[used].iov_len > n)
            few[used].iov_len = n;
        n -= few[used].iov_len;
    }
    return cutting.whole->write(s, few, used);
}

/* From now on `s` passes at most `most` bytes a call. */
static inline void cut_stream(struct stream *s, uint64_t seed, size_t most)
{
    const struct stream_ops *ops = s->as->ops;
    cutting = (struct cutting){ .whole = ops == &cutting.cut ? cutting.whole : ops, .seed = seed, .most = most };
    cutting.cut = *cutting.whole;
    cutting.cut.read = cut_read;
    cutting.cut.write = cut_write;
    cutting.kind.ops = &cutting.cut;
    if (s->as->tls)
        ((struct stream_kind *)(uintptr_t)s->as)->ops = &cutting.cut;
    else
        s->as = &cutting.kind;
}

#endif
