/* SPDX-License-Identifier: MIT */
/*
 * What compresses and inflates messages that begin with an empty window: zlib; igzip (libisal) and libdeflate where
 * they are installed. Microseconds a message, and the bytes that it becomes, without what permessage-deflate leaves
 * out. The messages of a row differ, as a server's do.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>
#ifdef BENCH_LIBISAL
#include <isa-l/igzip_lib.h>
#endif
#ifdef BENCH_LIBDEFLATE
#include <libdeflate.h>
#endif

enum { MOST = 256 * 1024, SPARE = 1024, BYTES = 1 << 20, COUNT_MOST = 64 };

struct message {
    uint8_t *plain, *packed;
    size_t len, packed_len;
};

/* A way to do it. `packs` ends its output with an empty stored block, as zlib does; `inflates` takes that. */
struct way {
    const char *name;
    size_t (*packs)(const uint8_t *data, size_t len, uint8_t *to, size_t room);
    size_t (*inflates)(const uint8_t *data, size_t len, uint8_t *to, size_t room);
};

static uint32_t state = 1;

static uint32_t number(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(state >> 1) * below >> 31);
}

/* zlib. */

static size_t zlib_pack(z_stream *z, const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    deflateReset(z);
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    z->next_out = to;
    z->avail_out = (uInt)room;
    return deflate(z, Z_SYNC_FLUSH) == Z_OK ? room - z->avail_out : 0;
}

static z_stream *zlib_packer(int level, int bits, int memory)
{
    z_stream *z = calloc(1, sizeof(*z));
    if (z == NULL || deflateInit2(z, level, Z_DEFLATED, -bits, memory, Z_DEFAULT_STRATEGY) != Z_OK)
        exit(1);
    return z;
}

static size_t zlib_1(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static z_stream *z;
    z = z ? z : zlib_packer(1, 15, 8);
    return zlib_pack(z, data, len, to, room);
}

static size_t zlib_6(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static z_stream *z;
    z = z ? z : zlib_packer(6, 15, 8);
    return zlib_pack(z, data, len, to, room);
}

static size_t zlib_inflate(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static z_stream *z;
    if (z == NULL) {
        z = calloc(1, sizeof(*z));
        if (z == NULL || inflateInit2(z, -15) != Z_OK)
            exit(1);
    }
    inflateReset(z);
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    z->next_out = to;
    z->avail_out = (uInt)room;
    int rc = inflate(z, Z_SYNC_FLUSH);
    return rc == Z_OK || rc == Z_BUF_ERROR ? room - z->avail_out : 0;
}

#ifdef BENCH_LIBISAL
static size_t igzip_pack(unsigned level, int tables, const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static struct isal_zstream *z;
    static uint8_t *space;
    z = z ? z : malloc(sizeof(*z));
    space = space ? space : malloc(ISAL_DEF_LVL3_DEFAULT);
    if (z == NULL || space == NULL)
        exit(1);
    isal_deflate_stateless_init(z);
    isal_deflate_set_hufftables(z, NULL, tables);
    z->level = level;
    z->level_buf = space;
    z->level_buf_size = level == 0 ? 0 : ISAL_DEF_LVL1_DEFAULT;
    z->flush = FULL_FLUSH;
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uint32_t)len;
    z->next_out = to;
    z->avail_out = (uint32_t)room;
    return isal_deflate_stateless(z) == COMP_OK ? room - z->avail_out : 0;
}

static size_t igzip_fixed(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    return igzip_pack(0, IGZIP_HUFFTABLE_STATIC, data, len, to, room);
}

static size_t igzip_1(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    return igzip_pack(1, IGZIP_HUFFTABLE_DEFAULT, data, len, to, room);
}

static size_t igzip_inflate(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static struct inflate_state *z;
    if (z == NULL) {
        z = malloc(sizeof(*z));
        if (z == NULL)
            exit(1);
        isal_inflate_init(z);
    }
    isal_inflate_reset(z);
    z->next_in = (uint8_t *)(uintptr_t)data;
    z->avail_in = (uint32_t)len;
    z->next_out = to;
    z->avail_out = (uint32_t)room;
    return isal_inflate(z) == ISAL_DECOMP_OK ? room - z->avail_out : 0;
}
#endif

#ifdef BENCH_LIBDEFLATE
/* Its stream has a final block, and nobody says at which bit it ends: behind it comes an empty stored block. */
static size_t libdeflate_1(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static const uint8_t stored[] = { 0, 0, 0, 0xff, 0xff };
    static struct libdeflate_compressor *c;
    c = c ? c : libdeflate_alloc_compressor(1);
    if (c == NULL)
        exit(1);
    size_t n = libdeflate_deflate_compress(c, data, len, to, room - sizeof(stored));
    memcpy(to + n, stored, sizeof(stored));
    return n ? n + sizeof(stored) : 0;
}

/* It wants the whole stream, with an end: the message is copied, a final block put behind it. */
static size_t libdeflate_inflate(const uint8_t *data, size_t len, uint8_t *to, size_t room)
{
    static const uint8_t final[] = { 1, 0, 0, 0xff, 0xff };
    static struct libdeflate_decompressor *d;
    static uint8_t whole[MOST + SPARE];
    d = d ? d : libdeflate_alloc_decompressor();
    if (d == NULL)
        exit(1);
    memcpy(whole, data, len);
    memcpy(whole + len, final, sizeof(final));
    size_t n;
    return libdeflate_deflate_decompress(d, whole, len + sizeof(final), to, room, &n) == LIBDEFLATE_SUCCESS ? n : 0;
}
#endif

static const struct way ways[] = {
    { "zlib 1", zlib_1, zlib_inflate },
    { "zlib 6", zlib_6, NULL },
#ifdef BENCH_LIBISAL
    { "igzip 0, fixed codes", igzip_fixed, NULL },
    { "igzip 1", igzip_1, igzip_inflate },
#endif
#ifdef BENCH_LIBDEFLATE
    { "libdeflate 1", libdeflate_1, libdeflate_inflate },
#endif
};

/* What is sent. */

static size_t json(uint8_t *to, size_t len)
{
    static const char *const types[] = { "trade", "quote", "order" };
    static const char *const symbols[] = { "ACME", "GLOBEX", "INITECH", "UMBRELLA", "HOOLI" };
    static const char *const names[] = { "anna", "bernd", "chen", "dalia", "emre", "fatima", "goran", "hana" };
    size_t n = 0;
    while (n < len) {
        char item[200];
        int size = snprintf(item, sizeof(item),
                            "%c{\"id\":%u,\"type\":\"%s\",\"symbol\":\"%s\",\"price\":%u.%02u,\"size\":%u,"
                            "\"user\":\"%s\",\"ts\":17640%08u}",
                            n == 0 ? '[' : ',', 100000 + number(900000), types[number(3)], symbols[number(5)],
                            10 + number(390), number(100), 1 + number(5000), names[number(8)], number(100000000));
        size_t take = (size_t)size < len - n ? (size_t)size : len - n;
        memcpy(to + n, item, take);
        n += take;
    }
    return n;
}

static size_t text(uint8_t *to, size_t len)
{
    static const char words[] = "the of and to a in is that it was for on are as with they at be this from have or by "
                                "one had not but what all were when we there can an your which their said if do will "
                                "message server window browser number people other write would sound water little";
    static const char *at[64];
    static unsigned count;
    for (const char *p = words; count == 0 || p[-1] != 0; p += strcspn(p, " ") + 1)
        at[count++] = p;
    size_t n = 0;
    while (n < len) {
        const char *word = at[number(count) * number(count) / count];
        size_t size = strcspn(word, " ");
        for (size_t i = 0; i <= size && n < len; i++)
            to[n++] = (uint8_t)(i < size ? word[i] : number(12) == 0 ? '.' : ' ');
    }
    return n;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static volatile size_t result; /* so that no call is left out */

static void work(const struct way *w, const struct message *m, size_t count, bool packs)
{
    static uint8_t out[MOST + SPARE];
    for (size_t i = 0; i < count; i++)
        result = packs ? w->packs(m[i].plain, m[i].len, out, sizeof(out))
                       : w->inflates(m[i].packed, m[i].packed_len, out, sizeof(out));
}

/* Microseconds a message: the best of seven runs of about 10 ms. */
static double measure(const struct way *w, const struct message *m, size_t count, bool packs)
{
    double best = 1e9;
    size_t times = 1;
    for (unsigned run = 0; run < 7;) {
        double from = seconds();
        for (size_t i = 0; i < times; i++)
            work(w, m, count, packs);
        double took = seconds() - from;
        if (took < 0.01) {
            times *= 2;
            continue;
        }
        double each = took * 1e6 / (double)(times * count);
        best = each < best ? each : best;
        run++;
    }
    return best;
}

/* The messages come back as they were, and the bytes that a message becomes in the mean. */
static size_t check(const struct way *w, const struct message *m, size_t count)
{
    static uint8_t packed[MOST + SPARE], plain[MOST + SPARE];
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = w->packs(m[i].plain, m[i].len, packed, sizeof(packed));
        bool stops = memcmp(w->name, "libdeflate", 10) == 0; /* zlib would stop behind its final block */
        if (!stops && n < m[i].len && memcmp(packed + n - 4, "\0\0\xff\xff", 4) != 0)
            exit(3);
        zlib_inflate(packed, n, plain, sizeof(plain));
        if (memcmp(plain, m[i].plain, m[i].len) != 0)
            exit(4);
        if (w->inflates && (w->inflates(m[i].packed, m[i].packed_len, plain, sizeof(plain)) != m[i].len ||
                            memcmp(plain, m[i].plain, m[i].len) != 0))
            exit(5);
        all += n - 4;
    }
    return all / count;
}

static void row(const char *name, size_t (*make)(uint8_t *to, size_t len), size_t len)
{
    struct message m[COUNT_MOST];
    size_t count = BYTES / len < COUNT_MOST ? BYTES / len : COUNT_MOST;
    for (size_t i = 0; i < count; i++) {
        m[i].plain = malloc(len);
        m[i].packed = malloc(len + SPARE);
        if (m[i].plain == NULL || m[i].packed == NULL)
            exit(1);
        m[i].len = make(m[i].plain, len);
        m[i].packed_len = zlib_6(m[i].plain, len, m[i].packed, len + SPARE); /* as most peers do */
    }
    for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
        printf("%-5s %7zu  %-22s %8zu %9.2f", name, len, ways[w].name, check(&ways[w], m, count),
               measure(&ways[w], m, count, true));
        if (ways[w].inflates)
            printf(" %9.2f", measure(&ways[w], m, count, false));
        printf("\n");
    }
    for (size_t i = 0; i < count; i++) {
        free(m[i].plain);
        free(m[i].packed);
    }
}

int main(void)
{
    static const size_t sizes[] = { 200, 1024, 4096, 16384, MOST };
    printf("      message                           packed   deflate   inflate\n"
           "        bytes                            bytes        us        us\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        row("json", json, sizes[i]);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        row("text", text, sizes[i]);
    return 0;
}
