/* SPDX-License-Identifier: MIT */
/*
 * The format is SQLite's (sqlite.org/fileformat2.html, 4.1): a head of 32 bytes, then frames of 24 bytes and a page.
 * Numbers are big-endian; the checksum runs through all of it, over words of the order that the head's magic tells. A
 * frame belongs to the log when it has the head's two salts: others are left over from before it was begun anew. One of
 * the two is enough here, since one bit of damage spares the other.
 */
#include "engine/log.h"
#include "base/mem.h"
#include <duet/error.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

enum { HEAD = 32, FRAME = 24, PAGE_MOST = 65536, MAGIC = 0x377f0682 };
enum { NONE = 0, SOUND = 1, TORN = 2 };

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Goes on with the sums over `len` bytes, a multiple of eight. */
static void add(uint32_t sums[2], bool is_big, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        sums[0] += (is_big ? big(p) : little(p)) + sums[1];
        sums[1] += (is_big ? big(p + 4) : little(p + 4)) + sums[0];
    }
}

static bool are(const uint32_t sums[2], const uint8_t *p)
{
    return sums[0] == big(p) && sums[1] == big(p + 4);
}

/* Bytes read, fewer only at the end. */
static ssize_t read_at(int fd, uint8_t *to, size_t len, off_t at)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = pread(fd, to + have, len - have, at + (off_t)have);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)have;
}

/* `buffer` has room for a frame. */
static int inspect_frames(int fd, const uint8_t head[HEAD], uint32_t sums[2], size_t page, uint8_t *buffer)
{
    bool is_big = head[3] & 1;
    unsigned long frames = 0;
    for (off_t at = HEAD;; at += (off_t)(FRAME + page)) {
        ssize_t n = read_at(fd, buffer, FRAME + page, at);
        if (n < 0)
            return (int)n;
        if ((size_t)n < FRAME + page)
            return frames > 0 ? SOUND : TORN; /* who opens a store writes at once that it is in use */
        frames++;
        if (big(buffer + 8) != big(head + 16) && big(buffer + 12) != big(head + 20))
            continue;
        add(sums, is_big, buffer, 8);
        add(sums, is_big, buffer + FRAME, page);
        bool ours = big(buffer + 8) == big(head + 16) && big(buffer + 12) == big(head + 20);
        if (!ours || !are(sums, buffer + 16))
            return TORN;
    }
}

int log_inspect(int fd)
{
    uint8_t head[HEAD];
    uint32_t sums[2] = { 0, 0 };
    ssize_t n = read_at(fd, head, HEAD, 0);
    if (n <= 0)
        return (int)n;
    if (n < HEAD)
        return TORN;
    size_t page = big(head + 8);
    add(sums, head[3] & 1, head, 24);
    if ((big(head) & ~1u) != MAGIC || page < 512 || page > PAGE_MOST || (page & (page - 1)) || !are(sums, head + 24))
        return TORN;
    uint8_t *buffer = mem_alloc(FRAME + page);
    if (buffer == NULL)
        return DUET_ERR_NOMEM;
    int rc = inspect_frames(fd, head, sums, page, buffer);
    mem_free(buffer);
    return rc;
}
