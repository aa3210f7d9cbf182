/* SPDX-License-Identifier: MIT */
/* Where the keys of tokens are, as an operator says it: exactly one of a secret, a key in PEM and a set. */
#ifndef HUB_KEYFILE_H
#define HUB_KEYFILE_H

#include "hub/keys.h"

struct keyfile {
    const char *secret_file; /* the secret is its content, without the newlines at its end */
    const char *secret_env;  /* the name of a variable that has it */
    const char *pem_file;
    const char *jwks_file;
    unsigned algorithms; /* only these; 0: all that the key takes */
};

/* How many of the four are named. */
int keyfile_count(const struct keyfile *from);
/* 0; or a negative error: `*out` is then NULL or as it was, and one line of what is wrong is in `why`. DUET_ERR_STATE:
 * the key is good, but takes none of `algorithms`. */
int keyfile_load(struct hub_keys **out, const struct keyfile *from, char why[HUB_KEYS_WHY]);

#endif
