/* SPDX-License-Identifier: MIT */
/*
 * igzip's "stateless" call takes the message where it lies, while isal_deflate() copies it into a window of its own
 * first. At level 1 it wants memory for a hash table and for what a block's codes are made from. Without a level_buf
 * that is in the 64 KiB of its state which the window would have: room for 11,000 symbols, so a message up to 30 KiB or
 * so is one block. Measured, more (84 to 276 KiB) is no faster, and a message of 256 KiB gets no 0.1 % smaller by it;
 * the least that could be given (24 KiB) takes twice as long from 16 KiB on. So 81 KiB is all, once for each loop.
 */
#include "proto/pack.h"
#include "base/mem.h"
#include <assert.h>
#include <isa-l/igzip_lib.h>

enum {
    LEVEL = 1, /* of zlib and of igzip: its 2 and 3 are not in the stateless call, and no level of zlib's either */
    TAIL = 4
};

struct pack {
    struct isal_zstream z;
};

bool pack_does(unsigned level)
{
    return level == LEVEL;
}

struct pack *pack_new(void)
{
    return mem_zalloc(sizeof(struct pack));
}

void pack_free(struct pack *p)
{
    mem_free(p);
}

size_t pack_size(void)
{
    return sizeof(struct pack);
}

size_t pack_message(struct pack *p, const uint8_t *data, size_t len, unsigned bits, uint8_t *to)
{
    struct isal_zstream *z = &p->z;
    uint32_t room = (uint32_t)len + PACK_ROOM;
    isal_deflate_stateless_init(z);
    z->level = LEVEL;
    z->flush = FULL_FLUSH; /* an empty stored block at the end, none that is final */
    z->hist_bits = (uint16_t)bits;
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uint32_t)len;
    z->next_out = to;
    z->avail_out = room;
    if (isal_deflate_stateless(z) != COMP_OK)
        return 0;
    size_t n = room - z->avail_out; /* a stored block, without the empty one, is longer than the message */
    assert(n > TAIL);
    return n - TAIL < len ? n - TAIL : 0;
}
