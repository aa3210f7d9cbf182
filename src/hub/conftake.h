/* SPDX-License-Identifier: MIT */
/* Values of keys that the file does not say: a variable of the environment does, or an option of the command line. */
#ifndef HUB_CONFTAKE_H
#define HUB_CONFTAKE_H

#include "hub/confkeys.h"

struct conftake {
    struct config *c;
    const char *by; /* "DUET_LISTEN", "--listen" */
    char *why;      /* CONFIG_WHY bytes */
};

/* Each of them: 0; DUET_ERR_NOMEM; or DUET_ERR_INVALID, and then "BY: what is expected" in `why`. */

/* Empties the field of `base` and notes who says it; of a list, conftake_add() follows. */
int conftake_clear(const struct conftake *t, const struct confkey *key, void *base);
int conftake_add(const struct conftake *t, const struct confkey *key, void *base, const char *text, size_t len);
/* What is no list. */
int conftake_set(const struct conftake *t, const struct confkey *key, void *base, const char *text);

/* All that an option says, of the key that it names. */
int conftake_word(struct config *c, const struct config_word *word, char why[CONFIG_WHY]);

#endif
