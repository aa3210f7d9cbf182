/* SPDX-License-Identifier: MIT */
/* Which of some names a word was meant to be that is none of them, for what is said to who misspelt it. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

struct near {
    const char *name; /* the nearest so far, borrowed; NULL: none is near */
    /* Its own. */
    const char *word;
    size_t len, least;
};

/* The word is borrowed as long as names are offered. */
struct near near_to(const char *word, size_t len);
/* A third of the word may be wrong, rounded, and at most three letters; of names that are equally near the
 * first counts. Words and names of 48 bytes and more are near to nothing. */
void near_offer(struct near *n, const char *name);

#endif
