/* SPDX-License-Identifier: MIT */
#include "base/near.h"
#include <stdint.h>
#include <string.h>

enum { LENGTH = 48, WRONG_MOST = 3 };

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters to put in, take out or change, or neighbours to swap, none of them twice (the optimal string
 * alignment); both are shorter than LENGTH. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    uint8_t far[LENGTH][LENGTH]; /* from the first i letters of a to the first j of b */
    for (size_t i = 0; i <= a_len; i++)
        far[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= b_len; j++)
        far[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a_len; i++)
        for (size_t j = 1; j <= b_len; j++) {
            unsigned least = least_of(far[i - 1][j], far[i][j - 1]) + 1u;
            least = least_of(least, far[i - 1][j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                least = least_of(least, far[i - 2][j - 2] + 1u);
            far[i][j] = (uint8_t)least;
        }
    return far[a_len][b_len];
}

struct near near_to(const char *word, size_t len)
{
    size_t third = (len + 1) / 3, wrong = third < WRONG_MOST ? third : WRONG_MOST;
    return (struct near){ .word = word, .len = len, .least = len < LENGTH ? wrong + 1 : 0 };
}

void near_offer(struct near *n, const char *name)
{
    size_t len = strlen(name);
    if (n->least == 0 || len >= LENGTH)
        return;
    unsigned far = distance(n->word, n->len, name, len);
    if (far >= n->least)
        return;
    n->least = far;
    n->name = name;
}
