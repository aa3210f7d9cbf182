/* SPDX-License-Identifier: MIT */
/* The innermost loops, portable against AVX2, in GB/s: masking in place and UTF-8, for small and large pieces. */
#include "base/utf8.h"
#include "proto/mask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1 << 20 };

struct work {
    uint8_t *data;
    size_t len;
    mask_copier *masks;
    uint32_t (*checks)(uint32_t state, const uint8_t *data, size_t len);
};

static volatile uint32_t result; /* so that no call is left out */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void work(const struct work *w, size_t times)
{
    for (size_t i = 0; i < times; i++)
        result = w->masks ? w->masks(w->data, w->data, w->len, 0x12345678) : w->checks(UTF8_ACCEPT, w->data, w->len);
}

/* The best of five runs of about 20 ms. */
static double gigabytes_per_second(struct work w)
{
    size_t times = 1;
    double best = 0;
    for (unsigned run = 0; run < 5;) {
        double from = seconds();
        work(&w, times);
        double took = seconds() - from;
        if (took < 0.02) {
            times *= 2;
            continue;
        }
        double rate = (double)times * (double)w.len / took / 1e9;
        best = rate > best ? rate : best;
        run++;
    }
    return best;
}

static void fill(uint8_t *data, const char *unit)
{
    size_t n = strlen(unit);
    for (size_t i = 0; i + n <= MOST; i += n)
        memcpy(data + i, unit, n);
}

int main(void)
{
    static const size_t sizes[] = { 16, 64, 125, 1024, 16384, MOST };
    static const char *const texts[][2] = {
        { "ascii", "{\"id\":12345678,\"text\":\"plain\"}  " },
        { "latin", "Gr\xC3\xBC\xC3\x9F" "e aus K\xC3\xB6ln, sch\xC3\xB6n.   " },
        { "mixed", "a\xC3\xA4z\xE2\x82\xAC, \xF0\x9F\x98\x80 \xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E abcdefg" },
        { "cjk", "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x81\xAE" },
    };
    uint8_t *data = calloc(1, MOST);
    if (data == NULL)
        return 1;
    printf("GB/s           bytes  portable    picked\n");
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        struct work w = { data, sizes[s], .masks = mask_copy_portable };
        struct work picked = { data, sizes[s], .masks = mask_copy };
        printf("mask        %8zu  %8.2f  %8.2f\n", w.len, gigabytes_per_second(w), gigabytes_per_second(picked));
    }
    for (size_t t = 0; t < sizeof(texts) / sizeof(*texts); t++)
        for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
            fill(data, texts[t][1]);
            size_t len = utf8_cut((const char *)data, sizes[s]);
            struct work w = { data, len, .checks = utf8_next_portable }, picked = { data, len, .checks = utf8_next };
            printf("utf8 %-6s %8zu  %8.2f  %8.2f\n", texts[t][0], len, gigabytes_per_second(w),
                   gigabytes_per_second(picked));
        }
    free(data);
    return 0;
}
