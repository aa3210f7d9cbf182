/* SPDX-License-Identifier: MIT */
/*
 * The format is SQLite's (sqlite.org/fileformat2.html, 4.1): a head of 32 bytes, then frames of 24 bytes and a page.
 * Numbers are big-endian; the checksum runs through all of it, over words of the order that the head's magic tells. A
 * frame belongs to the log when it has the head's two salts: others are left over from before it was begun anew. One of
 * the two is enough here, since one bit of damage spares the other.
 */
#include "engine/log.h"
#include "base/mem.h"
#include "engine/mark.h"
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

/* The log as far as it was looked at. */
struct look {
    const uint8_t *head;
    uint32_t sums[2];
    unsigned long frames; /* whole ones, right or wrong */
    bool known;           /* how many were acknowledged */
    unsigned long acknowledged;
};

static bool accept_frame(struct look *l, const uint8_t *frame, size_t page)
{
    const uint8_t *salts = frame + 8, *own = l->head + 16;
    bool is_big = l->head[3] & 1;
    if (big(salts) != big(own) && big(salts + 4) != big(own + 4))
        return !l->known; /* of an older log: was there none of ours yet? */
    add(l->sums, is_big, frame, 8);
    add(l->sums, is_big, frame + FRAME, page);
    bool ours = big(salts) == big(own) && big(salts + 4) == big(own + 4);
    return ours && are(l->sums, frame + 16);
}

/* `buffer` has room for a frame. */
static int inspect_frames(int fd, struct look *l, size_t page, uint8_t *buffer)
{
    /* What comes behind those that were acknowledged is what was being written. */
    while (!l->known || l->frames < l->acknowledged) {
        ssize_t n = read_at(fd, buffer, FRAME + page, HEAD + (off_t)(l->frames * (FRAME + page)));
        if (n < 0)
            return (int)n;
        if ((size_t)n < FRAME + page)
            break;
        l->frames++;
        if (!accept_frame(l, buffer, page))
            return TORN;
    }
    /* Who opens a store writes at once that it is in use. */
    unsigned long least = l->known ? l->acknowledged : 1;
    return l->frames >= least ? SOUND : TORN;
}

int log_inspect(int fd, int folder)
{
    uint8_t head[HEAD];
    struct look l = { .head = head };
    ssize_t n = read_at(fd, head, HEAD, 0);
    if (n <= 0)
        return (int)n;
    if (n < HEAD)
        return TORN;
    size_t page = big(head + 8);
    add(l.sums, head[3] & 1, head, 24);
    if ((big(head) & ~1u) != MAGIC || page < 512 || page > PAGE_MOST || (page & (page - 1)) || !are(l.sums, head + 24))
        return TORN;
    l.known = mark_read(folder, head + 16, &l.acknowledged);
    uint8_t *buffer = mem_alloc(FRAME + page);
    if (buffer == NULL)
        return DUET_ERR_NOMEM;
    int rc = inspect_frames(fd, &l, page, buffer);
    mem_free(buffer);
    return rc;
}
